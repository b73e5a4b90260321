/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests and time under chance. Clients with sessions write their own keys, one request after the
 * other, and send again what was not answered; copies of what they sent come late, sessions are
 * forgotten for lack of room or because hours pass, wall clocks differ and jump, some requests
 * watch a term or have tokens, some are abandoned, anybody reads in every mode, some all the same
 * whether it is committed, and in the end the data of one member is damaged.
 *
 * What must hold, from the records that are committed and the answers:
 * - a request is in the log at most once, when it was first sent not long ago, and in the term that
 *   it watches; one that was answered is in it, one whose watch was broken never is
 * - what was abandoned is never executed; after an answer to a token no older one is taken. Both
 *   hold whatever write mode such requests ask for
 * - no token is taken of before a RESTORE that may lack something
 * - times of records never fall; the time of a primary runs between 5 % slower and faster than
 *   clocks do, and is at most a second ahead of the members' median
 * - of each key a read sees nothing older than what was answered before it was asked, and a key
 *   that was gone does not come back; a read by a round waits for a record
 * - a stale read sees what was committed, and all of it up to the time that it tells
 * - replicas become equal, whatever was damaged */
#include "unit/cluster/partition_chaos.h"

#include "unit/cluster/seed_range.h"

enum {
    CLIENTS = 5,
    KEYS = 2 * CLIENTS, /* of each client one that stays, one that expires */
    REQUESTS = 1 << 12,
    READS = 1 << 13,
    ABANDONS = REQUESTS + READS, /* contexts from here on */
    SEQUENCES = 1 << 13,
    VALUES = 1 << 12,
    ROUNDS = 900,
};

static const int64_t SECOND_US = 1000000;

enum request_kind { SETS, SETS_FOR_A_WHILE, REMOVES_NOTHING };

/* Sent under its own number in the session, which is its place here. */
struct sent {
    enum request_kind kind;
    uint32_t client;
    uint64_t session;
    unsigned value, life_ms;
    uint64_t watched_term;
    uint64_t token, older; /* newest that was answered before it was sent */
    int64_t first_sent_us;
    bool is_committed, is_answered, is_broken;
    bool is_vain;      /* changed nothing */
    bool is_abandoned; /* as its client was told, or a record says */
};

/* How far a key is known to be: value v present is 2v, gone after it 2v + 1. */
struct watched_key {
    unsigned last_value; /* given out */
    unsigned known;      /* by answers */
    unsigned newest;     /* value that is committed */
    bool is_committed[VALUES];
    int64_t committed_us[VALUES];
};

struct read {
    uint32_t key, member;
    enum partition_read_mode mode;
    bool is_early;
    unsigned floor;
    uint64_t last; /* of the log when it was asked */
};

struct client {
    uint64_t session, open; /* request; 0: none */
    int64_t asked_ms;
    bool is_abandoning;
    uint32_t primary;
};

static struct test {
    uint64_t seed;
    bool is_short; /* of memory, now and then */
    bool is_early; /* requests are WRITES_EXECUTED that wait all the same, and reads */
    bool has_losses;
    uint64_t loss_term, loss_ceiling;      /* of the newest RESTORE that may lack something */
    uint64_t answered_token, newest_token; /* of what was answered, of what is committed */
    bool is_swept;                         /* often: what has expired goes, buckets are compared */
    bool has_led[WORLD_MEMBERS + 1];
    struct client clients[CLIENTS];
    struct watched_key keys[KEYS];
    uint64_t sent_count, session_count, read_count;
    struct sent sent[REQUESTS];
    struct read reads[READS];
    /* the committed log */
    uint64_t length;
    uint64_t terms[SEQUENCES];
    int64_t newest_us;
    /* of the time of each member as a primary */
    uint64_t clock_term[WORLD_MEMBERS + 1];
    int64_t clock_us[WORLD_MEMBERS + 1], clock_at_us[WORLD_MEMBERS + 1];
} test;

static struct totals { /* over all seeds */
    unsigned answered, unknown, broken, late, read_values, read_nothing, stale, rounds, jumps,
        repaired, abandoned, fenced, early, losses;
} totals;

static void require(bool is_right, const char *what) {
    if (!is_right)
        fail_msg("LARDER_TEST_SEED=%llu, %lld ms: %s", (unsigned long long)test.seed,
                 (long long)world.now_ms, what);
}

static uint32_t key_of(const struct sent *s) {
    return 2 * s->client + (s->kind == SETS_FOR_A_WHILE);
}

/* ---- records ---- */

static void take_request(const struct replica_record *raw, const struct partition_record *record) {
    uint64_t at = record->id.number;
    require(at > 0 && at <= test.sent_count, "a record of a request that nobody sent");
    struct sent *s = &test.sent[at];
    if (record->result.kind == REQUEST_RESULT_ABANDONED) {
        require(!s->is_committed, "a request was abandoned that was executed");
        s->is_abandoned = true;
        return;
    }
    require(!s->is_committed, "a request was executed twice");
    require(!s->is_abandoned, "a request was executed that was abandoned");
    require(s->token == 0 || (s->token >= s->older && s->token >= test.newest_token),
            "an older token was taken after a newer one");
    require(s->token == 0 || raw->term < test.loss_term || s->token >= test.loss_ceiling,
            "a token was taken of before something may have been lost");
    if (s->token != 0)
        test.newest_token = s->token;
    require(!s->is_broken, "a request was executed whose watch was broken");
    require(s->watched_term == 0 || s->watched_term == raw->term,
            "a request was executed in another term than it watches");
    require(record->time_us - s->first_sent_us <= REQUEST_RETRY_US, "an old request was executed");
    s->is_committed = true;
    s->is_vain = record->body.size == 0;
    require(s->is_vain == (s->kind == REMOVES_NOTHING) || (s->is_vain && test.is_short),
            "a request changed something that should not, or did not");
    if (s->is_vain)
        return;
    struct watched_key *key = &test.keys[key_of(s)];
    key->is_committed[s->value] = true;
    key->committed_us[s->value] = record->time_us;
    require(s->value > key->newest, "an older write was executed after a newer one");
    key->newest = s->value;
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
    if (raw->kind != RECORD_EFFECT)
        return;
    require(record->time_us >= test.newest_us, "time runs back");
    test.newest_us = record->time_us;
    if (record->has_request)
        take_request(raw, record);
}

/* ---- time ---- */

/* An open primary's time against the clock, which all share here. */
static void check_time(uint32_t n) {
    const struct partition_replica *r = partition_replica(world.members[n].partition);
    int64_t now_us = world.now_ms * 1000, time_us;
    test.has_led[n] |= r->role == REPLICA_OPEN;
    if (r->role != REPLICA_OPEN || test.is_short || !chance(300))
        return;    /* without memory a primary waits for its store, and its time with it */
    world_tick(n); /* time is as of the last */
    note_proposal();
    if (r->role != REPLICA_OPEN)
        return;
    time_us = partition_time_us(world.members[n].partition);
    require(time_us <= world_time_us(world.now_ms) + SECOND_US + SECOND_US / 20,
            "time is far ahead of the median");
    int64_t run_us = now_us - test.clock_at_us[n], ran_us = time_us - test.clock_us[n];
    if (test.clock_term[n] == r->view.term)
        require(ran_us * 100 <= run_us * 105 + 100 && ran_us * 100 >= run_us * 95 - 100,
                "time steps within a term");
    test.clock_term[n] = r->view.term;
    test.clock_us[n] = time_us;
    test.clock_at_us[n] = now_us;
}

/* ---- answers ---- */

/* -1: not a value. 0: nothing there. */
static int value_in(const char *reply) {
    if (strncmp(reply, "$-1", 3) == 0 || reply[0] == '_')
        return 0;
    const char *text = strchr(reply, ' ');
    return reply[0] == '$' && text != NULL ? (int)strtol(text + 1, NULL, 10) : -1;
}

static void take_stale(const struct read *read, unsigned value, int64_t as_of_us) {
    const struct watched_key *key = &test.keys[read->key];
    totals.stale++;
    require(value == 0 || key->is_committed[value], "a stale read sees what is not committed");
    /* one that led may tell the time of records of its own that were cut */
    bool is_lasting = read->key % 2 == 0 && !test.has_led[read->member];
    for (unsigned v = value + 1; is_lasting && v <= key->newest; v++)
        require(!key->is_committed[v] || key->committed_us[v] >= as_of_us,
                "a stale read misses what was committed before the time that it tells");
}

static void take_read(const struct partition_reply *reply) {
    const struct read *read = &test.reads[reply->context - REQUESTS];
    struct watched_key *key = &test.keys[read->key];
    int value = value_in(world.reply);
    if (reply->answer != PARTITION_DONE)
        return;
    if (value < 0 && world.reply[0] == '-' && test.is_short)
        return; /* an error that says so */
    require(value >= 0, "a read was answered with something else");
    if (reply->as_of_us != 0) {
        take_stale(read, (unsigned)value, reply->as_of_us);
        return;
    }
    unsigned seen = value > 0 ? 2 * (unsigned)value : read->floor | 1;
    if (read->key % 2 == 0 && value == 0)
        seen = 0;
    require(seen >= read->floor, "a read sees what is older than an answer before it");
    if (read->is_early && read->mode != PARTITION_READ_ROUND) {
        totals.early++;
        require((unsigned)value <= key->last_value, "a read sees what nobody wrote");
        return;
    }
    require(value == 0 || key->is_committed[value], "a read sees what is not committed");
    key->known = seen > key->known ? seen : key->known;
    if (value == 0)
        totals.read_nothing++;
    else
        totals.read_values++;
    if (read->mode != PARTITION_READ_ROUND)
        return;
    totals.rounds++;
    require(partition_replica(world.members[read->member].partition)->commit > read->last,
            "a read by a round waited for nobody");
}

static void take_sent(uint64_t context, const struct partition_reply *reply) {
    struct sent *s = &test.sent[context];
    struct client *client = &test.clients[s->client];
    bool is_open = client->open == context;
    bool is_done = reply->answer == PARTITION_DONE || reply->answer == PARTITION_RESULT_LOST;
    bool is_fenced = reply->answer == PARTITION_FENCED;
    if (is_done) {
        require(s->is_committed, "a request was answered that is not committed");
        s->is_answered = true;
        if (s->token > test.answered_token)
            test.answered_token = s->token;
        unsigned known = 2 * s->value;
        if (!s->is_vain && test.keys[key_of(s)].known < known)
            test.keys[key_of(s)].known = known;
    }
    if (reply->answer == PARTITION_WATCH_BROKEN) {
        require(!s->is_committed, "a request that was executed is told that its watch is broken");
        s->is_broken = true;
        totals.broken++;
    }
    totals.fenced += is_fenced;
    require(!is_fenced || s->token != 0, "a request without a token was fenced");
    if (!is_open)
        return;
    totals.answered += is_done;
    bool is_unknown = reply->answer == PARTITION_UNKNOWN_SESSION;
    totals.unknown += is_unknown;
    if (is_unknown)
        client->session = ++test.session_count;
    if (is_done || is_unknown || s->is_broken || is_fenced)
        client->open = 0;
    else
        client->primary = 1 + (uint32_t)draw(WORLD_MEMBERS);
}

/* Done without a result: it was not executed, and never will be. */
static void take_abandon(uint64_t at, const struct partition_reply *reply) {
    struct client *client = &test.clients[test.sent[at].client];
    if (reply->answer != PARTITION_DONE || reply->bytes.size > 0) {
        take_sent(at, reply);
        return;
    }
    require(!test.sent[at].is_committed, "a request counts as abandoned that was executed");
    totals.abandoned++;
    test.sent[at].is_abandoned = true;
    if (client->open != at)
        return;
    client->open = 0;
    if (chance(500))
        client->session = ++test.session_count;
}

static void take_reply(const struct partition_reply *reply) {
    if (reply->context >= ABANDONS)
        take_abandon(reply->context - ABANDONS, reply);
    else if (reply->context >= REQUESTS)
        take_read(reply);
    else
        take_sent(reply->context, reply);
}

/* ---- clients ---- */

static enum write_mode early_mode(void) {
    return test.is_early ? WRITES_EXECUTED : WRITES_COMMITTED;
}

static void send_to(uint32_t member, uint64_t at) {
    const struct sent *s = &test.sent[at];
    struct request_id id = {
        .client = {s->session, 1}, .number = at, .lowest = at, .first_sent_us = s->first_sent_us};
    char command[64];
    if (s->kind == SETS)
        (void)snprintf(command, sizeof(command), "SET key:%u %u", key_of(s), s->value);
    else if (s->kind == SETS_FOR_A_WHILE)
        (void)snprintf(command, sizeof(command), "SET key:%u %u PX %u", key_of(s), s->value,
                       s->life_ms);
    else
        (void)snprintf(command, sizeof(command), "DEL nothing:%u", s->client);
    struct partition_fence fence = {SLICE_LITERAL("lock"), s->token};
    world_request(member, at, command,
                  (struct partition_request){.id = &id,
                                             .watched_term = s->watched_term,
                                             .write_mode = s->token != 0 ? early_mode() : 0,
                                             .fences = &fence,
                                             .fence_count = s->token != 0});
}

static void abandon(uint32_t member, uint64_t at) {
    const struct sent *s = &test.sent[at];
    struct request_id id = {
        .client = {s->session, 1}, .number = at, .lowest = at, .first_sent_us = s->first_sent_us};
    struct partition_request request = {.kind = PARTITION_ABANDON,
                                        .context = ABANDONS + at,
                                        .id = &id,
                                        .write_mode = early_mode(),
                                        .deadline_us = (world.now_ms + 2000) * 1000};
    assert_int_equal(world_step(member, (struct partition_input){.type = PARTITION_REQUEST,
                                                                 .request = &request}),
                     LARDER_OK);
}

static uint64_t new_request(uint32_t c) {
    struct client *client = &test.clients[c];
    struct sent *s = &test.sent[++test.sent_count];
    *s = (struct sent){.kind = (enum request_kind)draw(3),
                       .client = c,
                       .first_sent_us = world_time_us(world.now_ms)};
    if (chance(60))
        client->session = ++test.session_count; /* it began anew */
    s->session = client->session;
    s->life_ms = 1 + (unsigned)draw(400);
    if (s->kind != REMOVES_NOTHING)
        s->value = ++test.keys[key_of(s)].last_value;
    if (s->kind != REMOVES_NOTHING && chance(150)) {
        s->older = test.answered_token;
        s->token = s->older + draw(4) + (s->older == 0);
    }
    if (chance(200))
        s->watched_term = partition_term(world.members[client->primary].partition);
    return test.sent_count;
}

static void act_as_client(uint32_t c) {
    struct client *client = &test.clients[c];
    if (client->open == 0) {
        if (test.sent_count + 1 == REQUESTS)
            return;
        client->open = new_request(c);
        client->is_abandoning = false;
        client->asked_ms = INT64_MIN / 2;
        if (chance(100))
            return; /* it gets lost on its way, and is sent again */
    }
    if (world.now_ms - client->asked_ms < 300)
        return;
    client->is_abandoning |= client->asked_ms > 0 && chance(150);
    client->asked_ms = world.now_ms;
    if (client->is_abandoning)
        abandon(client->primary, client->open);
    else
        send_to(client->primary, client->open);
}

/* Something that was sent before comes again. */
static void repeat_something(void) {
    if (test.sent_count == 0)
        return;
    uint64_t back = draw(chance(700) ? 8 : test.sent_count);
    uint64_t at = test.sent_count - (back < test.sent_count ? back : 0);
    totals.late += test.sent[at].is_answered;
    /* what its client has not sent yet is not under way */
    if (test.sent[at].is_answered || test.clients[test.sent[at].client].asked_ms > 0)
        send_to(1 + (uint32_t)draw(WORLD_MEMBERS), at);
}

static void read_something(enum partition_read_mode mode, uint32_t member, uint32_t key) {
    if (test.read_count == READS)
        return;
    uint64_t at = test.read_count++;
    test.reads[at] =
        (struct read){.key = key,
                      .member = member,
                      .mode = mode,
                      .is_early = test.is_early && chance(700),
                      .floor = test.keys[key].known,
                      .last = partition_replica(world.members[member].partition)->log.last};
    char command[64];
    (void)snprintf(command, sizeof(command), "GET key:%u", key);
    enum write_mode writes = test.reads[at].is_early ? WRITES_EXECUTED : WRITES_COMMITTED;
    world_request(member, REQUESTS + at, command,
                  (struct partition_request){.read_mode = mode, .write_mode = writes});
}

/* ---- chance ---- */

/* The last one in sync is gone, and comes back with a log that may lack something, as far as
 * anybody knows: what tokens were given is unknown from then on, and which requests were executed.
 */
static void lose_and_restore(void) {
    const struct partition_config *p = &world.group->partitions[0];
    uint32_t n = p->in_sync.members[draw(p->in_sync.count)];
    if (world.entry_count + 8 > WORLD_ENTRIES)
        return;
    if (n != p->primary)
        change(CONFIG_ELECT, n);
    while (p->in_sync.count > 1)
        change(CONFIG_SHRINK, p->in_sync.members[p->in_sync.members[0] == n]);
    const struct config_entry down = {.type = CONFIG_DOWN, .member = {n, 1}};
    const struct config_entry join = {.type = CONFIG_JOIN,
                                      .join = {.node = {{n, 1}}, .incarnation = 1, .weight = 1}};
    assert_int_equal(world_commit(&down), CONFIG_APPLIED);
    assert_int_equal(world_commit(&join), CONFIG_APPLIED);
    world_see(n); /* else it would not offer what it has */
    note_proposal();
    const struct config_entry restore = {.type = CONFIG_RESTORE,
                                         .change = {.epoch = p->epoch,
                                                    .member = n,
                                                    .incarnation = 1,
                                                    .may_have_lost = true,
                                                    .log_end = test.length,
                                                    .ceiling = world.group->ceiling}};
    assert_int_equal(world_commit(&restore), CONFIG_APPLIED);
    test.loss_term = p->term;
    test.loss_ceiling = p->reset_ceiling;
    totals.losses++;
}

static void jump(void) {
    totals.jumps++;
    if (chance(500))
        world.members[1 + draw(WORLD_MEMBERS)].wall_ahead_ms = (int64_t)draw(8000) - 4000;
    else if (chance(200))
        world.now_ms += (int64_t)draw(7 * 60 * 1000);
}

static void round_of_chance(void) {
    world.now_ms += 1 + (int64_t)draw(12);
    for (uint32_t c = 0; c < CLIENTS; c++)
        if (chance(250))
            act_as_client(c);
    if (chance(150))
        repeat_something();
    if (chance(400)) {
        uint32_t primary = world.group->partitions[0].primary;
        uint32_t member = chance(500) ? primary : 1 + (uint32_t)draw(WORLD_MEMBERS);
        enum partition_read_mode mode = (enum partition_read_mode)draw(3);
        read_something(mode, member, (uint32_t)draw(KEYS));
    }
    note_proposal();
    for (uint32_t n = A; n <= C; n++) {
        step_member(n);
        check_time(n);
    }
    meddle_with_messages();
    if (group_chaos.proposal_count > 0 && chance(300))
        decide((uint32_t)draw(group_chaos.proposal_count));
    if (chance(40))
        add_learners();
    if (chance(8))
        fail_over();
    if (chance(6))
        hand_off();
    if (chance(6))
        jump();
    if (test.has_losses && chance(3))
        lose_and_restore();
    if (test.is_short && chance(60))
        run_short_of_memory();
    if (chance(60))
        have_memory_again();
}

/* A key of a backup is not what it was; nobody fails any more, so it must be found. */
static void damage_a_backup(void) {
    const struct partition_config *p = &world.group->partitions[0];
    uint32_t n = 1 + (uint32_t)draw(WORLD_MEMBERS);
    if (n == p->primary)
        return;
    struct partition_store store = store_host_partition(world.members[n].host, 0);
    char key[32];
    (void)snprintf(key, sizeof(key), "key:%u", (unsigned)(2 * draw(CLIENTS)));
    store.type->clear_key(store.context, slice_of_string(key));
}

static uint64_t divergences(void) {
    uint64_t total = 0;
    for (uint32_t n = A; n <= C; n++)
        total += copying_counters(partition_copying(world.members[n].partition))->divergence_total;
    return total;
}

static void check_end(void) {
    require(world.group->partitions[0].in_sync.count == WORLD_MEMBERS, "somebody stays away");
    require(world_agree(A, B) && world_agree(A, C), "replicas stay different");
    uint32_t primary = world.group->partitions[0].primary;
    for (uint32_t key = 0; key < KEYS; key++) {
        world_promise_all();
        read_something(PARTITION_READ_LEASE, primary, key);
        world_deliver("");
        require(world.answer == PARTITION_DONE, "a read is not answered");
    }
}

static void begin(uint64_t seed) {
    memset(&test, 0, sizeof(test));
    test.seed = seed;
    group_chaos = (struct group_chaos){.random = random_seeded(seed)};
    test.is_short = chance(300);
    test.is_swept = chance(500);
    test.is_early = chance(600);
    test.has_losses = chance(300);
    struct partition_options options = {.sweep_every_us = test.is_swept ? 10000 : 1000000,
                                        .digest_every_us = 2560000,
                                        .session_bytes_max = chance(500) ? 8 * 1024 : 0};
    world_begin(&options);
    world.is_quiet = true;
    world.on_reply = take_reply;
    world.on_commit = take_record;
    test.length = partition_replica(world.members[A].partition)->commit;
    for (uint64_t s = 1; s <= test.length; s++)
        test.terms[s] = 1;
    for (uint32_t c = 0; c < CLIENTS; c++)
        test.clients[c] = (struct client){.session = ++test.session_count, .primary = A};
    for (uint32_t n = A; n <= C; n++)
        world.members[n].wall_ahead_ms = (int64_t)draw(2000) - 1000;
}

static void run(uint64_t seed) {
    begin(seed);
    for (int i = 0; i < ROUNDS; i++)
        round_of_chance();
    have_memory_again();
    calm_down();
    uint64_t before = divergences();
    require(before == 0, "data differs that nobody damaged");
    if (test.is_swept)
        damage_a_backup();
    calm_down(); /* every bucket is compared */
    totals.repaired += divergences() > before;
    check_end();
    world_end();
}

static void requests_reads_and_time_are_as_promised(void **state) {
    (void)state;
    struct seed_range seeds = seed_range(40);
    for (uint64_t i = 0; i < seeds.count; i++)
        run(seeds.first + i);
    print_message(
        "%u requests answered, %u unknown, %u watches broken, %u late copies; %u reads of "
        "values, %u of nothing, %u by rounds, %u stale; %u jumps, %u damages repaired\n",
        totals.answered, totals.unknown, totals.broken, totals.late, totals.read_values,
        totals.read_nothing, totals.rounds, totals.stale, totals.jumps, totals.repaired);
    print_message("%u abandoned, %u fenced, %u early reads, %u losses\n", totals.abandoned,
                  totals.fenced, totals.early, totals.losses);
    if (seeds.count < 20)
        return;
    assert_true(totals.answered > 100 * seeds.count && totals.late > 50 * seeds.count &&
                totals.broken > seeds.count && totals.unknown > seeds.count / 10);
    assert_true(totals.read_values > 50 * seeds.count && totals.read_nothing > 30 * seeds.count &&
                totals.rounds > 30 * seeds.count && totals.stale > 10 * seeds.count);
    assert_true(totals.abandoned > seeds.count && totals.fenced > seeds.count / 2 &&
                totals.early > 5 * seeds.count && totals.losses > seeds.count / 8);
    assert_true(totals.jumps > seeds.count && totals.repaired > seeds.count / 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_reads_and_time_are_as_promised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
