/* SPDX-License-Identifier: BSD-3-Clause */
/* Three members with real stores, one log, a link that loses, repeats and reorders, members that
 * restart empty, primaries that are deposed without knowing it and go on executing: whenever a
 * member says that its copy is complete it equals a reference that only ever applied what was
 * committed, at exactly its position. Which records reach whom is the test's: replication itself is
 * tested elsewhere. */
#include "cluster/copying.h"

#include "node/partition_store.h"
#include "support/store_workload.h"
#include "support/test_seed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    MEMBERS = 3,
    RECORDS_MAX = 6000,
    QUEUE_MAX = 512,
    STEPS = 3000,
    TICK_US = 1000,
    ROUNDS = 100,
};

enum kind { EFFECT, TERM_START, DIGEST };

struct record {
    enum kind kind;
    uint8_t *bytes;
    size_t size;
};

struct peer {
    uint32_t number;
    struct store_host *host;
    struct partition_store store;
    struct copying *copying;
    struct partition_replica r; /* what copying_follow looks at, set by the test */
    uint64_t rest;              /* a value that depends on every record once */
    uint64_t executed;          /* as primary, of its own log */
    uint64_t commit_limit;      /* all that its term's primary can tell it */
    uint64_t cut_first;         /* 0: nothing to be cut */
    bool is_unsynced;
    bool is_damaged; /* the test has put an entry into its store */
    uint64_t keep;   /* of its executed records, by the terms since */
    unsigned repairs, completions;
};

struct envelope {
    uint8_t *bytes;
    size_t size;
    int64_t due_us;
};

struct world {
    struct random random;
    struct peer members[MEMBERS + 1]; /* 0: the reference */
    struct copying_options options;
    struct record log[RECORDS_MAX + 1];
    uint64_t digests[RECORDS_MAX + 1][3]; /* of the reference at each position, and its rest */
    uint64_t last, commit, term;
    uint32_t primary;
    uint64_t next_incarnation;
    struct envelope queue[QUEUE_MAX];
    size_t queued;
    int64_t now_us;
    unsigned loss_percent, keys, advance_weight, elect_weight;
    bool commits_slowly, is_damaging;
    struct workload_line line;
    struct copying_counters seen;
    unsigned terms, restarts, forks, damages, rebases;
    char failure[256];
};

#define REQUIRE(w, condition, ...)                                                                 \
    do {                                                                                           \
        if (!(condition) && (w)->failure[0] == '\0')                                               \
            (void)snprintf((w)->failure, sizeof((w)->failure), __VA_ARGS__);                       \
    } while (0)

static uint64_t mix(uint64_t rest, uint64_t sequence) {
    return (rest ^ sequence) * 0x9e3779b97f4a7c15u + 1;
}

static enum larder_status read_rest(void *context, struct slice *out) {
    struct peer *m = context;
    *out = slice_of(&m->rest, sizeof(m->rest));
    return LARDER_OK;
}

static enum larder_status replace_rest(void *context, struct slice bytes) {
    struct peer *m = context;
    if (bytes.size != sizeof(m->rest))
        return LARDER_CORRUPT;
    memcpy(&m->rest, bytes.data, sizeof(m->rest));
    return LARDER_OK;
}

/* ---- life ---- */

static void add_counters(struct world *w, const struct peer *m) {
    const struct copying_counters *c = copying_counters(m->copying);
    w->seen.items += c->items;
    w->seen.keys += c->keys;
    w->seen.same += c->same;
    w->seen.pieces += c->pieces;
    w->seen.refused += c->refused;
    w->seen.restarted += c->restarted;
    w->seen.left_out += c->left_out;
    w->seen.repaired_keys += c->repaired_keys;
    w->seen.digests += c->digests;
    w->seen.divergence_total += c->divergence_total;
}

static void start(struct world *w, struct peer *m) {
    uint32_t number = m->number;
    *m = (struct peer){.number = number, .commit_limit = UINT64_MAX, .keep = UINT64_MAX};
    struct store_host_options options = {
        .partition_count = 1, .hash_seed = 5, .random_seed = ++w->next_incarnation};
    assert_int_equal(store_host_create(&options, &m->host), LARDER_OK);
    m->store = store_host_partition(m->host, 0);
    w->options.self = number;
    w->options.incarnation = w->next_incarnation;
    w->options.store = m->store;
    w->options.rest = (struct copying_rest){m, read_rest, replace_rest, NULL};
    assert_int_equal(copying_create(&w->options, &m->copying), LARDER_OK);
    m->r.options.incarnation = w->next_incarnation;
    m->r.held_from = UINT64_MAX;
}

static void stop(struct world *w, struct peer *m) {
    add_counters(w, m);
    copying_destroy(m->copying);
    store_host_destroy(m->host);
}

static bool is_complete(const struct peer *m) {
    return !m->is_unsynced && !m->is_damaged && m->cut_first == 0 && m->r.applied >= m->executed;
}

static void digest_of(const struct peer *m, uint64_t out[3]) {
    out[0] = out[1] = 0;
    out[2] = m->rest;
    for (uint32_t bucket = 0; bucket < PARTITION_BUCKETS; bucket++) {
        struct store_digest digest;
        m->store.type->digest_bucket(m->store.context, bucket, &digest);
        out[0] += digest.low;
        out[1] += digest.high;
    }
}

static void check(struct world *w, const struct peer *m, const char *when) {
    uint64_t own[3];
    if (!is_complete(m) || m->r.role >= REPLICA_ELECTED)
        return;
    digest_of(m, own);
    const uint64_t *right = w->digests[m->r.applied];
    REQUIRE(w, own[0] == right[0] && own[1] == right[1],
            "%s: the entries of member %u differ at %u of term %u", when, m->number,
            (unsigned)m->r.applied, (unsigned)m->r.view.term);
    REQUIRE(w, own[2] == right[2], "%s: the rest of member %u differs at %u", when, m->number,
            (unsigned)m->r.applied);
}

/* ---- records ---- */

static void append(struct world *w, enum kind kind, struct slice bytes) {
    struct record *record = &w->log[++w->last];
    free(record->bytes);
    *record = (struct record){kind, malloc(bytes.size + 1), bytes.size};
    if (bytes.size > 0)
        memcpy(record->bytes, bytes.data, bytes.size);
}

static void apply_record(struct world *w, struct peer *m, uint64_t sequence) {
    const struct record *record = &w->log[sequence];
    struct slice bytes = slice_of(record->bytes, record->size);
    struct copying_digest digest;
    size_t at = 0;
    if (copying_takes_rest(m->copying, sequence))
        m->rest = mix(m->rest, sequence);
    if (record->kind == EFFECT)
        REQUIRE(w, copying_apply(m->copying, sequence, bytes, &at) == LARDER_OK,
                "member %u can't apply record %u", m->number, (unsigned)sequence);
    if (record->kind != DIGEST)
        return;
    assert_int_equal(copying_digest_decode(bytes, &digest), LARDER_OK);
    if (copying_compare(m->copying, sequence, &digest))
        return;
    REQUIRE(w, m->is_damaged, "member %u finds a difference at %u", m->number, (unsigned)sequence);
    m->is_damaged = false;
    m->is_unsynced = true;
}

static void move_reference(struct world *w) {
    struct peer *reference = &w->members[0];
    while (reference->r.applied < w->commit) {
        uint64_t sequence = ++reference->r.applied;
        const struct record *record = &w->log[sequence];
        size_t at = 0;
        reference->rest = mix(reference->rest, sequence);
        if (record->kind == EFFECT)
            assert_int_equal(reference->store.type->apply(reference->store.context,
                                                          slice_of(record->bytes, record->size),
                                                          &at),
                             LARDER_OK);
        digest_of(reference, w->digests[sequence]);
    }
}

/* Cut what the newer primary lacks, as the first comparison of the logs does. */
static void reconcile(struct peer *m) {
    if (m->cut_first == 0)
        return;
    copying_cut(m->copying, m->cut_first, m->executed);
    m->executed = m->cut_first - 1;
    m->cut_first = 0;
    m->is_unsynced = true;
    m->repairs++;
}

static void follow(struct world *w, struct peer *m) {
    uint64_t sequence;
    copying_follow(m->copying, &m->r);
    if (m->is_unsynced && copying_is_complete(m->copying, &sequence) && m->r.commit >= sequence) {
        m->is_unsynced = false;
        m->completions++;
        check(w, m, "completed");
    }
}

/* The member learns of a commit position. */
static void advance(struct world *w, struct peer *m, uint64_t to) {
    if (to > m->commit_limit)
        to = m->commit_limit;
    if (to <= m->r.commit)
        return;
    reconcile(m);
    m->r.commit = to;
    while (m->r.applied < to) {
        uint64_t sequence = ++m->r.applied;
        if (sequence > m->executed)
            apply_record(w, m, sequence);
    }
    follow(w, m);
    if (random_below(&w->random, 4) == 0)
        check(w, m, "advanced");
}

/* ---- the primary ---- */

static struct peer *primary_of(struct world *w) {
    return &w->members[w->primary];
}

/* It knows that it is and executes: into the log, or as a deposed one into a log of its own. */
static void execute(struct world *w, struct peer *m) {
    bool is_current = m->number == w->primary && m->r.view.term == w->term;
    struct store_result result;
    if (m->r.role != REPLICA_OPEN || w->last + 2 >= RECORDS_MAX)
        return;
    workload_draw(&w->random, w->keys, &w->line);
    assert_int_equal(m->store.type->execute(m->store.context, 1700000000000 + w->now_us / 1000,
                                            w->line.words, w->line.count, &result),
                     LARDER_OK);
    if (result.effect.size == 0)
        return;
    m->executed = ++m->r.log.last;
    m->rest = mix(m->rest, m->executed);
    if (is_current)
        append(w, EFFECT, result.effect);
    copying_note_executed(m->copying, m->executed, result.effect);
    w->forks += !is_current;
    follow(w, m);
}

static void log_digest(struct world *w, struct peer *any) {
    struct peer *m = primary_of(w);
    (void)any;
    struct copying_digest digest;
    uint8_t bytes[COPYING_DIGEST_BYTES];
    if (m->r.role != REPLICA_OPEN || w->last + 2 >= RECORDS_MAX ||
        !copying_take_digest(m->copying, w->now_us, &digest))
        return;
    copying_digest_encode(&digest, bytes);
    m->executed = ++m->r.log.last;
    m->rest = mix(m->rest, m->executed);
    append(w, DIGEST, slice_of(bytes, sizeof(bytes)));
    follow(w, m);
}

/* What cannot happen: a backup has an entry that nobody wrote. */
static void damage(struct world *w, struct peer *m) {
    struct store_result result;
    if (!w->is_damaging || m->r.role >= REPLICA_ELECTED || !is_complete(m))
        return;
    strcpy(w->line.text, "SET damage 1");
    workload_split(&w->line);
    assert_int_equal(m->store.type->execute(m->store.context, 1700000000000, w->line.words,
                                            w->line.count, &result),
                     LARDER_OK);
    m->is_damaged = true;
    w->damages++;
}

static void open_primary(struct world *w) {
    struct peer *m = primary_of(w);
    w->commit = w->last;
    move_reference(w);
    advance(w, m, w->commit);
    m->r.role = REPLICA_OPEN;
    m->executed = 0;
    follow(w, m);
}

static void commit_some(struct world *w, struct peer *any) {
    (void)any;
    struct peer *m = primary_of(w);
    if (m->r.role != REPLICA_OPEN)
        return;
    uint64_t ready = w->last - w->commit;
    if (w->commits_slowly && ready > 2)
        ready = 2;
    w->commit += random_below(&w->random, ready + 1);
    move_reference(w);
    m->r.commit = m->r.applied = w->commit;
    follow(w, m);
}

/* ---- terms ---- */

static void see(struct world *w, struct peer *m) {
    if (m->r.view.term == w->term)
        return;
    m->r.view.term = w->term;
    m->r.view.primary = w->primary;
    m->r.primary_incarnation = primary_of(w)->r.options.incarnation;
    m->r.role = m->number == w->primary ? REPLICA_ELECTED : REPLICA_LEARNER;
    m->commit_limit = UINT64_MAX;
    if (m->executed > m->keep && (m->cut_first == 0 || m->cut_first > m->keep + 1))
        m->cut_first = m->keep + 1;
    m->keep = UINT64_MAX;
    follow(w, m);
}

static void elect(struct world *w, struct peer *next) {
    if (next->r.role >= REPLICA_ELECTED || !is_complete(next))
        return;
    w->last = w->commit + random_below(&w->random, w->last - w->commit + 1);
    w->term++;
    w->terms++;
    w->primary = next->number;
    for (uint32_t i = 1; i <= MEMBERS; i++) {
        struct peer *m = &w->members[i];
        if (m->commit_limit > w->commit) /* what the former primary can have told */
            m->commit_limit = w->commit;
        if (m->keep > w->last)
            m->keep = w->last;
    }
    append(w, TERM_START, slice_of(NULL, 0));
    next->executed = 0;
    next->r.log.last = w->last;
    see(w, next);
}

static void restart(struct world *w, struct peer *m) {
    if (m->number == w->primary)
        return;
    stop(w, m);
    start(w, m);
    w->restarts++;
    m->r.view.term = w->term;
    m->r.view.primary = w->primary;
    m->r.primary_incarnation = primary_of(w)->r.options.incarnation;
    m->r.role = REPLICA_LEARNER;
    m->r.applied = m->r.commit = w->commit / 2 + random_below(&w->random, w->commit / 2 + 1);
    m->is_unsynced = true;
    copying_begin(m->copying, false);
    follow(w, m);
}

/* Its log has nothing in common with the primary's: what it has in its store may be anything. */
static void rebase(struct world *w, struct peer *m) {
    if (m->r.role >= REPLICA_ELECTED)
        return;
    see(w, m);
    m->executed = m->cut_first = 0;
    m->keep = UINT64_MAX;
    m->is_unsynced = true;
    m->is_damaged = false;
    m->r.commit += random_below(&w->random, w->commit - m->r.commit + 1);
    m->r.applied = m->r.commit;
    copying_begin(m->copying, false);
    follow(w, m);
    w->rebases++;
}

/* ---- messages ---- */

static void send(struct world *w, const struct copying_output *out) {
    for (uint32_t i = 0; i < out->message_count; i++) {
        unsigned copies = random_below(&w->random, 100) < w->loss_percent ? 0 : 1;
        copies += random_below(&w->random, 100) < w->loss_percent;
        for (; copies > 0 && w->queued < QUEUE_MAX; copies--) {
            struct envelope *e = &w->queue[w->queued++];
            e->size = copying_message_encoded_size(&out->messages[i]);
            e->bytes = malloc(e->size);
            assert_int_equal(copying_message_encode(&out->messages[i], e->bytes), e->size);
            int64_t delay_us = 200 + (int64_t)random_below(&w->random, 3 * TICK_US);
            if (random_below(&w->random, 10) == 0)
                delay_us *= 20;
            e->due_us = w->now_us + delay_us;
        }
    }
}

static void deliver(struct world *w) {
    struct copying_output out;
    struct copying_message message;
    for (size_t i = 0; i < w->queued;) {
        if (w->queue[i].due_us > w->now_us) {
            i++;
            continue;
        }
        struct envelope e = w->queue[i];
        w->queue[i] = w->queue[--w->queued];
        assert_int_equal(copying_message_decode(slice_of(e.bytes, e.size), &message), LARDER_OK);
        struct peer *m = &w->members[message.to];
        enum larder_status status = copying_receive(m->copying, w->now_us, &message, &out);
        REQUIRE(w, status == LARDER_OK || status == LARDER_DENIED, "an item is refused: %d",
                status);
        if (status == LARDER_OK) {
            follow(w, m);
            send(w, &out);
        }
        free(e.bytes);
    }
}

static void tick(struct world *w, struct peer *any) {
    (void)any;
    struct copying_output out;
    w->now_us += TICK_US;
    deliver(w);
    for (uint32_t i = 1; i <= MEMBERS; i++) {
        copying_tick(w->members[i].copying, w->now_us, &out);
        send(w, &out);
    }
}

/* ---- the run ---- */

static void advance_some(struct world *w, struct peer *m) {
    advance(w, m, m->r.commit + random_below(&w->random, w->commit - m->r.commit + 1));
}

static void open_if_elected(struct world *w, struct peer *any) {
    (void)any;
    if (primary_of(w)->r.role == REPLICA_ELECTED)
        open_primary(w);
}

static void random_step(struct world *w) {
    struct peer *any = &w->members[1 + random_below(&w->random, MEMBERS)];
    const struct {
        unsigned weight;
        void (*run)(struct world *, struct peer *);
    } steps[] = {
        {450, execute},
        {w->advance_weight / 3, commit_some},
        {w->advance_weight, advance_some},
        {60, see},
        {20, open_if_elected},
        {w->elect_weight, elect},
        {w->is_damaging ? 0 : 4, restart},
        {w->is_damaging ? 0 : 2, rebase},
        {10, log_digest},
        {3, damage},
        {100, tick},
    };
    enum { COUNT = sizeof(steps) / sizeof(*steps) };
    unsigned total = 0, i = 0;
    for (unsigned k = 0; k < COUNT; k++)
        total += steps[k].weight;
    unsigned draw = (unsigned)random_below(&w->random, total);
    while (draw >= steps[i].weight)
        draw -= steps[i++].weight;
    steps[i].run(w, any);
}

static void settle(struct world *w) {
    unsigned ticks = 0, complete = 0;
    w->loss_percent = 0;
    w->commits_slowly = false;
    if (primary_of(w)->r.role == REPLICA_ELECTED)
        open_primary(w);
    for (; ticks < 4000 && complete < MEMBERS && w->failure[0] == '\0'; ticks++) {
        complete = 0;
        if (w->is_damaging && ticks < PARTITION_BUCKETS) /* whoever is damaged will notice */
            log_digest(w, NULL);
        commit_some(w, NULL);
        tick(w, NULL);
        for (uint32_t i = 1; i <= MEMBERS; i++) {
            struct peer *m = &w->members[i];
            see(w, m);
            if (i != w->primary) {
                advance(w, m, w->commit);
                follow(w, m);
            }
            complete += i == w->primary || (is_complete(m) && m->r.applied == w->last);
        }
    }
    REQUIRE(w, complete == MEMBERS, "not all are complete in the end");
    for (uint32_t i = 1; i <= MEMBERS; i++)
        check(w, &w->members[i], "in the end");
}

static void set_up(struct world *w, uint64_t seed) {
    w->random = random_seeded(seed);
    w->now_us = 1000;
    w->term = w->primary = 1;
    w->next_incarnation = 100;
    w->loss_percent = (unsigned)random_below(&w->random, 3) * 12;
    w->keys = 10 + (unsigned)random_below(&w->random, 2) * 200;
    w->is_damaging = random_below(&w->random, 3) == 0;
    w->commits_slowly = random_below(&w->random, 2) == 0;
    w->elect_weight = 2 + (unsigned)random_below(&w->random, 2) * 40;
    w->advance_weight = 100 + (unsigned)random_below(&w->random, 250);
    w->options = (struct copying_options){
        .allocator = &ALLOCATOR_SYSTEM,
        .message_bytes = 800 + random_below(&w->random, 6000),
        .pending_bytes = 200 + random_below(&w->random, 20000),
        .questions = 1 + (uint32_t)random_below(&w->random, 6),
        .bytes_per_second = random_below(&w->random, 3) == 0 ? 2000000 : 0,
        .ask_again_after_us = 8 * TICK_US,
        .digest_every_us = 1,
    };
    for (uint32_t i = 0; i <= MEMBERS; i++) {
        w->members[i].number = i;
        start(w, &w->members[i]);
    }
    for (uint32_t i = 1; i <= MEMBERS; i++) {
        struct peer *m = &w->members[i];
        m->r.view = (struct partition_config){.term = 1, .primary = 1};
        m->r.primary_incarnation = primary_of(w)->r.options.incarnation;
        m->r.role = i == 1 ? REPLICA_OPEN : REPLICA_LEARNER;
        follow(w, m);
    }
}

static void tear_down(struct world *w) {
    for (uint32_t i = 0; i <= MEMBERS; i++)
        stop(w, &w->members[i]);
    for (size_t i = 0; i < w->queued; i++)
        free(w->queue[i].bytes);
    for (size_t i = 0; i <= RECORDS_MAX; i++)
        free(w->log[i].bytes);
}

static void a_complete_copy_equals_what_was_committed(void **state) {
    (void)state;
    uint64_t seed = test_seed("copying");
    struct copying_counters seen = {0};
    unsigned terms = 0, restarts = 0, forks = 0, damages = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct world *w = calloc(1, sizeof(*w));
        assert_non_null(w);
        set_up(w, seed + round * 1000003);
        for (unsigned i = 0; i < STEPS && w->failure[0] == '\0'; i++)
            random_step(w);
        if (w->failure[0] == '\0')
            settle(w);
        tear_down(w);
        char failure[sizeof(w->failure)];
        memcpy(failure, w->failure, sizeof(failure));
        seen.items += w->seen.items;
        seen.keys += w->seen.keys;
        seen.same += w->seen.same;
        seen.pieces += w->seen.pieces;
        seen.refused += w->seen.refused;
        seen.left_out += w->seen.left_out;
        seen.repaired_keys += w->seen.repaired_keys;
        seen.restarted += w->seen.restarted;
        seen.digests += w->seen.digests;
        terms += w->terms;
        restarts += w->restarts;
        forks += w->forks;
        damages += w->damages;
        seen.divergence_total += w->seen.divergence_total;
        free(w);
        if (failure[0] != '\0')
            fail_msg("round %u: %s", round, failure);
    }
    print_message("%u buckets were right already\n", (unsigned)seen.same);
    print_message("%u terms, %u restarts, %u records of deposed primaries; %u buckets, %u keys, "
                  "%u pieces, %u refused, %u begun anew, %u parts left out, %u keys repaired, %u "
                  "digests, %u of %u damages found\n",
                  terms, restarts, forks, (unsigned)seen.items, (unsigned)seen.keys,
                  (unsigned)seen.pieces, (unsigned)seen.refused, (unsigned)seen.restarted,
                  (unsigned)seen.left_out, (unsigned)seen.repaired_keys, (unsigned)seen.digests,
                  (unsigned)seen.divergence_total, damages);
    assert_true(terms > 0 && restarts > 0 && forks > 0 && seen.items > 0 && seen.keys > 0);
    assert_true(seen.pieces > 0 && seen.refused > 0 && seen.left_out > 0 && seen.digests > 0);
    assert_true(seen.repaired_keys > 0 && seen.divergence_total > 0 && seen.same > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_complete_copy_equals_what_was_committed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
