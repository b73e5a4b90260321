/* SPDX-License-Identifier: BSD-3-Clause */
/* What must hold where clients watch keys and execute transactions on them while others write, and
 * machines are full. A judge, a store of its own that takes the committed records in their order,
 * knows it:
 * - an EXEC whose watch was said to be broken is not in the log; one that is there is of the term
 *   of its watch, and since that no record has changed a watched key, nor has one expired
 * - a watch is said to be broken only if that is so, or many keys are watched
 * - each token of a request is at least as new as those taken of its lock before; where one is said
 *   to be older it is
 * - a request did all that it should on what the judge held, or nothing, and is answered with that
 *   however often it is sent
 * - what goes without a request has expired, or is of those that a full machine may evict
 * - who has all that is committed holds the same as the judge
 * - a primary makes room while another machine is above its limit, and only then */
#ifndef LARDER_TESTS_UNIT_CLUSTER_TRANSACTION_RULES_H
#define LARDER_TESTS_UNIT_CLUSTER_TRANSACTION_RULES_H

#include "unit/cluster/partition_chaos.h"

enum {
    CLIENTS = 4,
    OTHERS = CLIENTS, /* one more, who waits for no answer */
    WATCHED = 10,     /* keys that clients use */
    KEYS = 60,        /* with those of others, whose values are long */
    KEYS_EACH = 3,
    LOCKS = 3,
    LONG = 3000,
    REQUESTS = 1 << 12,
    WATCHES = REQUESTS, /* contexts of WATCH from here on */
    SEQUENCES = 1 << 13,
    CROWD = 4000, /* keys that others watch */
    CROWD_EACH = 300,
    ROUNDS = 700,
    REPLY_MAX = 160,
};

enum action { SET, SET_FOR_A_WHILE, REMOVE, FLUSH };

/* Sent under its own number in its session, which is its place here. */
struct sent {
    uint32_t client;
    uint64_t session;
    int64_t first_sent_us;
    uint32_t key_count, watch_count, fence_count;
    uint32_t keys[KEYS_EACH];
    enum action actions[KEYS_EACH];
    unsigned life_ms;
    struct partition_watch watches[KEYS_EACH];
    uint32_t watched[KEYS_EACH]; /* keys of the watches */
    uint32_t locks[LOCKS];
    struct partition_fence fences[LOCKS];
    bool is_committed, is_broken;
    size_t reply_size;
    char reply[REPLY_MAX];
};

struct client {
    uint64_t session, open; /* request; 0: none */
    uint64_t watching;      /* context; 0: none */
    int64_t asked_ms, acts_ms;
    uint32_t primary;
    uint32_t watch_count;
    uint32_t watched[KEYS_EACH];
    struct partition_watch watches[KEYS_EACH];
};

static struct test {
    uint64_t seed;
    bool is_short;   /* of memory, now and then */
    bool is_crowded; /* many keys are watched */
    bool is_pressed, is_limited, is_full;
    enum eviction_policy policy;
    struct client clients[CLIENTS];
    uint64_t sent_count, session_count, watch_count;
    struct sent sent[REQUESTS];
    uint64_t tokens[LOCKS];
    /* the committed log, and the judge */
    uint64_t length;
    uint64_t terms[SEQUENCES];
    uint64_t changed[KEYS], all_changed; /* by the newest record that did */
    struct store_host *host;
    struct partition_store judge;
} test;

static struct totals { /* over all seeds */
    unsigned executed, answered, late, changed, dropped, fenced, expired, evicted, flushed,
        compared, squeezed;
} totals;

static const char *const LOCK_NAMES[LOCKS] = {"door", "gate", "bridge"};
static char key_names[KEYS][8];

static void require(bool is_right, const char *what) {
    if (!is_right)
        fail_msg("LARDER_TEST_SEED=%llu, %lld ms: %s", (unsigned long long)test.seed,
                 (long long)world.now_ms, what);
}

/* ---- the judge ---- */

static struct slice judge_read(const char *word, uint32_t key, int64_t time_us) {
    struct store_result result = {0};
    struct slice words[] = {slice_of_string(word), slice_of_string(key_names[key])};
    assert_int_equal(test.judge.type->read(test.judge.context, time_us / 1000, words, 2, &result),
                     LARDER_OK);
    return result.reply;
}

static bool is_there(uint32_t key, int64_t time_us) {
    return slice_equal(judge_read("EXISTS", key, time_us), SLICE_LITERAL(":1\r\n"));
}

static bool has_expired(uint32_t key, int64_t time_us) {
    return is_there(key, 0) && !is_there(key, time_us);
}

static bool may_be_evicted(uint32_t key) {
    bool is_volatile =
        test.policy == EVICTION_VOLATILE_S3FIFO || test.policy == EVICTION_VOLATILE_LRU ||
        test.policy == EVICTION_VOLATILE_LFU || test.policy == EVICTION_VOLATILE_RANDOM ||
        test.policy == EVICTION_VOLATILE_TTL;
    bool is_lasting = slice_equal(judge_read("PTTL", key, 0), SLICE_LITERAL(":-1\r\n"));
    return test.is_full && test.policy != EVICTION_NONE && !(is_volatile && is_lasting);
}

static unsigned count_long(void) {
    unsigned count = 0;
    for (uint32_t key = WATCHED; key < KEYS; key++)
        count += is_there(key, 0);
    return count;
}

static bool holds_the_same(uint32_t n) {
    struct partition_store store = store_host_partition(world.members[n].host, 0);
    struct store_digest of_member, of_judge;
    for (uint32_t bucket = 0; bucket < PARTITION_BUCKETS; bucket++) {
        store.type->digest_bucket(store.context, bucket, &of_member);
        test.judge.type->digest_bucket(test.judge.context, bucket, &of_judge);
        if (!store_digest_equal(of_member, of_judge))
            return false;
    }
    return true;
}

static void compare(uint32_t n) {
    const struct cluster_partition *p = world.members[n].partition;
    if (!partition_may_image(p) || partition_replica(p)->commit != test.length)
        return;
    totals.compared++;
    require(holds_the_same(n), "a member holds something else than what is committed");
}

/* ---- records ---- */

static bool is_own(const struct sent *s, uint32_t key) {
    for (uint32_t i = 0; s != NULL && i < s->key_count; i++)
        if (s->keys[i] == key)
            return true;
    return false;
}

static uint32_t key_of(struct slice name) {
    uint32_t key = 0;
    while (key < KEYS && !slice_equal(slice_of_string(key_names[key]), name))
        key++;
    require(key < KEYS, "a record changes a key that nobody writes");
    return key;
}

static void check_watches(const struct sent *s, uint64_t term, int64_t time_us) {
    for (uint32_t i = 0; i < s->watch_count; i++) {
        const struct partition_watch *w = &s->watches[i];
        require(w->term == term, "an EXEC was executed in another term than it watches");
        require(test.changed[s->watched[i]] <= w->sequence && test.all_changed <= w->sequence,
                "an EXEC was executed though a watched key was changed");
        require(!has_expired(s->watched[i], time_us),
                "an EXEC was executed though a watched key had expired");
    }
}

static void take_tokens(const struct sent *s) {
    for (uint32_t i = 0; i < s->fence_count; i++) {
        uint64_t *newest = &test.tokens[s->locks[i]];
        require(s->fences[i].token >= *newest, "an older token was taken after a newer one");
        *newest = s->fences[i].token;
    }
}

static void append(char *text, size_t *size, struct slice more) {
    require(*size + more.size <= 2 * REPLY_MAX, "a reply is too long");
    memcpy(text + *size, more.data, more.size);
    *size += more.size;
}

/* What the request must answer, executed on what the judge holds. */
static size_t foresee(const struct sent *s, int64_t time_us, char *text) {
    size_t size = (size_t)snprintf(text, REPLY_MAX, "*%u\r\n", 2 * s->key_count);
    for (uint32_t i = 0; i < s->key_count; i++) {
        append(text, &size, judge_read("GET", s->keys[i], time_us));
        bool is_set = s->actions[i] != REMOVE;
        append(text, &size,
               is_set ? SLICE_LITERAL("+OK\r\n") : judge_read("EXISTS", s->keys[i], time_us));
    }
    return size;
}

static struct sent *take_request(const struct replica_record *raw,
                                 const struct partition_record *record) {
    static char text[2 * REPLY_MAX];
    uint64_t at = record->id.number;
    require(at > 0 && at <= test.sent_count, "a record of a request that nobody sent");
    struct sent *s = &test.sent[at];
    require(!s->is_committed, "a request was executed twice");
    require(!s->is_broken, "a request was executed whose watch was broken");
    s->is_committed = true;
    check_watches(s, raw->term, record->time_us);
    take_tokens(s);
    struct slice reply = record->result.bytes;
    totals.executed++;
    if (record->result.kind != REQUEST_RESULT_STORED || s->client == OTHERS)
        return s;
    require(reply.size < REPLY_MAX, "a reply is too long");
    memcpy(s->reply, reply.data, reply.size);
    s->reply_size = reply.size;
    if (reply.data[0] == '-')
        require(test.is_short || test.is_full, "a request was refused though there is room");
    else if (!test.is_full)
        require(slice_equal(reply, slice_of(text, foresee(s, record->time_us, text))),
                "an EXEC answers something else than what there was");
    return s;
}

/* Every key of the effect is of the request, or was to go. */
static void take_effect(uint64_t sequence, const struct sent *s,
                        const struct partition_record *record) {
    struct store_part part;
    size_t at = 0;
    uint32_t gone[KEYS], gone_count = 0;
    bool is_flush = s != NULL && s->actions[0] == FLUSH;
    while (test.judge.type->next_part(test.judge.context, record->body, &at, &part) == LARDER_OK) {
        if (part.bucket == PARTITION_WHOLE) {
            require(is_flush, "all keys go that nobody removed");
            test.all_changed = sequence;
            totals.flushed++;
            continue;
        }
        uint32_t key = key_of(part.key);
        test.changed[key] = sequence;
        if (is_own(s, key))
            continue;
        bool is_due = has_expired(key, record->time_us);
        require(is_due || may_be_evicted(key), "a key goes that is to stay");
        totals.expired += is_due;
        totals.evicted += !is_due;
        if (gone_count < KEYS)
            gone[gone_count++] = key;
    }
    at = 0;
    if (record->body.size > 0)
        assert_int_equal(test.judge.type->apply(test.judge.context, record->body, &at), LARDER_OK);
    for (uint32_t i = 0; i < gone_count; i++)
        require(!is_there(gone[i], 0), "a key is changed by nobody");
}

/* All of its commands have done what they should. */
static void check_done(const struct sent *s, int64_t time_us) {
    bool is_done = s->client != OTHERS && s->reply_size > 0 && s->reply[0] == '*';
    for (uint32_t i = 0; is_done && i < s->key_count; i++)
        require(is_there(s->keys[i], time_us) == (s->actions[i] != REMOVE),
                "an EXEC has done a part of what it should");
}

static void take_record(uint32_t n, uint64_t sequence, const struct replica_record *raw,
                        const struct partition_record *record) {
    (void)n;
    if (sequence <= test.length) {
        require(test.terms[sequence] == raw->term, "two records of one number");
        return;
    }
    require(sequence == test.length + 1 && sequence < SEQUENCES, "a record is missing");
    test.terms[++test.length] = raw->term;
    if (raw->kind != RECORD_EFFECT || record->kind != PARTITION_RECORD_EFFECT)
        return;
    const struct sent *s = record->has_request ? take_request(raw, record) : NULL;
    take_effect(sequence, s, record);
    if (s != NULL)
        check_done(s, record->time_us);
}

/* ---- answers ---- */

static bool is_term_over(uint64_t term) {
    for (uint32_t n = A; n <= C; n++)
        if (partition_term(world.members[n].partition) > term)
            return true;
    return false;
}

static void take_broken(struct sent *s) {
    bool is_justified = test.is_short; /* what a record changed may not be known */
    require(!s->is_committed, "a request that was executed is told that its watch is broken");
    require(s->watch_count > 0, "a watch is broken that nobody has");
    s->is_broken = true;
    for (uint32_t i = 0; i < s->watch_count; i++) {
        const struct partition_watch *w = &s->watches[i];
        is_justified |= is_term_over(w->term) || test.changed[s->watched[i]] > w->sequence ||
                        test.all_changed > w->sequence;
    }
    totals.changed += is_justified;
    totals.dropped += !is_justified;
    require(is_justified || test.is_crowded, "a watch is broken though nothing was changed");
}

static void take_fenced(const struct sent *s) {
    bool is_older = test.is_short;
    for (uint32_t i = 0; i < s->fence_count; i++)
        is_older |= s->fences[i].token < test.tokens[s->locks[i]];
    require(is_older, "a request was fenced whose tokens are the newest");
    totals.fenced++;
}

static void take_exec(uint64_t at, const struct partition_reply *reply) {
    struct sent *s = &test.sent[at];
    bool is_done = reply->answer == PARTITION_DONE || reply->answer == PARTITION_RESULT_LOST;
    require(!is_done || s->is_committed, "a request was answered that is not committed");
    if (reply->answer == PARTITION_DONE && s->client != OTHERS)
        require(slice_equal(reply->bytes, slice_of(s->reply, s->reply_size)),
                "a request was answered with something else than what it did");
    if (reply->answer == PARTITION_WATCH_BROKEN)
        take_broken(s);
    if (reply->answer == PARTITION_FENCED)
        take_fenced(s);
    if (s->client == OTHERS || test.clients[s->client].open != at)
        return;
    struct client *client = &test.clients[s->client];
    bool is_unknown = reply->answer == PARTITION_UNKNOWN_SESSION;
    totals.answered += is_done;
    if (is_unknown)
        client->session = ++test.session_count;
    if (is_done || is_unknown || s->is_broken || reply->answer == PARTITION_FENCED)
        client->open = 0;
    else
        client->primary = 1 + (uint32_t)draw(WORLD_MEMBERS);
}

static void take_watch(const struct partition_reply *reply) {
    for (uint32_t c = 0; c < CLIENTS; c++) {
        struct client *client = &test.clients[c];
        if (client->watching != reply->context)
            continue;
        client->watching = 0;
        client->acts_ms = world.now_ms + (int64_t)draw(chance(300) ? 300 : 20);
        bool is_done = reply->answer == PARTITION_DONE;
        require(!is_done || reply->watched_term != 0, "a watch is as of nothing");
        if (!is_done)
            client->primary = 1 + (uint32_t)draw(WORLD_MEMBERS);
        for (uint32_t i = 0; i < client->watch_count; i++)
            client->watches[i] =
                (struct partition_watch){slice_of_string(key_names[client->watched[i]]),
                                         reply->watched_term, reply->watched_sequence};
        if (!is_done)
            client->watch_count = 0;
    }
}

static void take_reply(const struct partition_reply *reply) {
    if (reply->context >= WATCHES)
        take_watch(reply);
    else
        take_exec(reply->context, reply);
}

#endif
