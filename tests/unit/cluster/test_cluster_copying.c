/* SPDX-License-Identifier: BSD-3-Clause */
/* A primary A and a replica B with real stores; messages are delivered, lost or kept as the test
 * says. The traces read as the protocol; of a copy of all buckets only the outcome is looked at. */
#include "cluster/copying.h"

#include "base/random.h"
#include "node/partition_store.h"
#include "support/store_workload.h"
#include "support/test_allocator.h"
#include "unit/cluster/golden.h"

#include <stdlib.h>

enum { A = 1, B, MEMBERS = 2, QUEUE_MAX = 64, RECORDS_MAX = 4000 };

struct peer {
    struct test_allocator allocator;
    struct store_host *host;
    struct partition_store store;
    struct copying *copying;
    struct partition_replica r;
    uint64_t rest;
};

struct envelope {
    uint8_t *bytes;
    size_t size;
};

struct effect_copy {
    uint8_t *bytes;
    size_t size;
};

static struct fixture {
    struct golden golden;
    struct peer peers[MEMBERS + 1];
    struct envelope queue[QUEUE_MAX];
    size_t queued;
    struct effect_copy log[RECORDS_MAX + 1];
    int64_t now_us;
    bool is_quiet;
    struct workload_line line;
} fixture;

#define SAY(...)                                                                                   \
    do {                                                                                           \
        if (!fixture.is_quiet)                                                                     \
            golden_say(&fixture.golden, __VA_ARGS__);                                              \
    } while (0)

static enum larder_status read_rest(void *context, struct slice *out) {
    struct peer *p = context;
    *out = slice_of(&p->rest, sizeof(p->rest));
    return LARDER_OK;
}

static enum larder_status replace_rest(void *context, struct slice bytes) {
    struct peer *p = context;
    memcpy(&p->rest, bytes.data, sizeof(p->rest));
    return LARDER_OK;
}

static char name(uint32_t member) {
    return (char)('A' + member - 1);
}

static void make(uint32_t number, const struct copying_options *given) {
    struct peer *p = &fixture.peers[number];
    *p = (struct peer){.host = NULL};
    test_allocator_init(&p->allocator);
    struct store_host_options host = {.allocator = &p->allocator.base,
                                      .partition_count = 1,
                                      .hash_seed = 5,
                                      .random_seed = number};
    assert_int_equal(store_host_create(&host, &p->host), LARDER_OK);
    p->store = store_host_partition(p->host, 0);
    struct copying_options options = *given;
    options.self = number;
    options.incarnation = number * 10;
    options.store = p->store;
    options.rest = (struct copying_rest){p, read_rest, replace_rest, NULL};
    options.allocator = &p->allocator.base;
    assert_int_equal(copying_create(&options, &p->copying), LARDER_OK);
    p->r.view = (struct partition_config){.term = 1, .primary = A};
    p->r.primary_incarnation = A * 10;
    p->r.held_from = UINT64_MAX;
    p->r.role = number == A ? REPLICA_OPEN : REPLICA_LEARNER;
    copying_follow(p->copying, &p->r);
}

static void found(struct copying_options options) {
    fixture = (struct fixture){.now_us = 1000000};
    for (uint32_t i = A; i <= B; i++)
        make(i, &options);
}

static void lose_all(void) {
    while (fixture.queued > 0)
        free(fixture.queue[--fixture.queued].bytes);
}

static void finish(void) {
    lose_all();
    for (uint32_t i = A; i <= B; i++) {
        copying_destroy(fixture.peers[i].copying);
        store_host_destroy(fixture.peers[i].host);
        assert_int_equal(fixture.peers[i].allocator.heap_bytes, 0);
    }
    for (size_t i = 0; i <= RECORDS_MAX; i++)
        free(fixture.log[i].bytes);
}

/* ---- records ---- */

/* As it is written in the line; into the log if it changes something and `is_logged`. */
static void execute_line(uint32_t n, bool is_logged) {
    struct peer *p = &fixture.peers[n];
    struct store_result result;
    assert_int_equal(p->store.type->execute(p->store.context, 1700000000000, fixture.line.words,
                                            fixture.line.count, &result),
                     LARDER_OK);
    if (result.effect.size == 0)
        return;
    uint64_t sequence = ++p->r.log.last;
    p->rest = p->rest * 3 + sequence;
    struct effect_copy *record = &fixture.log[sequence];
    if (is_logged) {
        *record = (struct effect_copy){malloc(result.effect.size), result.effect.size};
        memcpy(record->bytes, result.effect.data, result.effect.size);
    }
    copying_note_executed(p->copying, sequence, result.effect);
    copying_follow(p->copying, &p->r);
}

static void execute(uint32_t n, const char *text) {
    strcpy(fixture.line.text, text);
    workload_split(&fixture.line);
    execute_line(n, n == A);
}

/* B learns that everything up to `to` is committed. */
static void commit(uint64_t to) {
    struct peer *a = &fixture.peers[A], *b = &fixture.peers[B];
    a->r.commit = a->r.applied = to;
    copying_follow(a->copying, &a->r);
    b->r.commit = to;
    while (b->r.applied < to) {
        uint64_t sequence = ++b->r.applied;
        const struct effect_copy *record = &fixture.log[sequence];
        size_t at = 0;
        if (copying_takes_rest(b->copying, sequence))
            b->rest = b->rest * 3 + sequence;
        if (record->bytes != NULL)
            assert_int_equal(
                copying_apply(b->copying, sequence, slice_of(record->bytes, record->size), &at),
                LARDER_OK);
    }
    copying_follow(b->copying, &b->r);
}

static bool is_complete(void) {
    uint64_t sequence;
    return copying_is_complete(fixture.peers[B].copying, &sequence);
}

static void expect_equal(void) {
    assert_int_equal(workload_difference(&fixture.peers[A].store, &fixture.peers[B].store),
                     PARTITION_BUCKETS);
    assert_int_equal(fixture.peers[A].rest, fixture.peers[B].rest);
}

static void expect_reply(uint32_t n, const char *text, const char *reply) {
    struct peer *p = &fixture.peers[n];
    struct store_result result;
    strcpy(fixture.line.text, text);
    workload_split(&fixture.line);
    assert_int_equal(p->store.type->execute(p->store.context, 1700000000000, fixture.line.words,
                                            fixture.line.count, &result),
                     LARDER_OK);
    assert_int_equal(result.reply.size, strlen(reply));
    assert_memory_equal(result.reply.data, reply, result.reply.size);
}

/* ---- messages ---- */

static void say_keys(struct slice list, bool has_values) {
    struct slice key, value = {NULL, 0};
    size_t at = 0;
    while (store_next_key(list, &at, &key)) {
        if (has_values)
            assert_true(store_next_key(list, &at, &value));
        SAY(" %.*s%s", (int)key.size, (const char *)key.data,
            has_values && value.size == 0 ? "(none)" : "");
    }
}

static void say(const struct copying_message *m) {
    static const char *const TYPES[] = {"?",    "ASK UNIT", "ASK KEYS", "ASK PIECE",
                                        "UNIT", "KEYS",     "PIECE",    "SAME"};
    SAY("  %c>%c %s #%u", name(m->from), name(m->to), TYPES[m->type], (unsigned)m->number);
    if (m->type == COPYING_ASK_UNIT || m->type == COPYING_UNIT || m->type == COPYING_SAME)
        SAY(" %u", m->unit);
    if (m->type == COPYING_UNIT && m->keys.size > 0)
        SAY(" without");
    say_keys(m->type == COPYING_KEYS ? m->bytes : m->keys, m->type == COPYING_KEYS);
    if (m->type == COPYING_ASK_PIECE)
        SAY(" from %u", (unsigned)m->offset);
    if (m->type == COPYING_PIECE)
        SAY(" %u+%u of %u", (unsigned)m->offset, (unsigned)m->bytes.size, (unsigned)m->total);
    if (m->as_of != 0)
        SAY(" as of %u", (unsigned)m->as_of);
    SAY("\n");
}

static void take_output(const struct copying_output *out) {
    for (uint32_t i = 0; i < out->message_count; i++) {
        const struct copying_message *m = &out->messages[i];
        say(m);
        assert_true(fixture.queued < QUEUE_MAX);
        struct envelope *e = &fixture.queue[fixture.queued++];
        e->size = copying_message_encoded_size(m);
        e->bytes = malloc(e->size);
        assert_int_equal(copying_message_encode(m, e->bytes), e->size);
    }
}

static enum larder_status receive(const struct envelope *e) {
    struct copying_output out;
    struct copying_message m;
    assert_int_equal(copying_message_decode(slice_of(e->bytes, e->size), &m), LARDER_OK);
    enum larder_status status =
        copying_receive(fixture.peers[m.to].copying, fixture.now_us, &m, &out);
    if (status == LARDER_OK)
        take_output(&out);
    return status;
}

static struct envelope pop(void) {
    struct envelope e = fixture.queue[0];
    fixture.queued--;
    memmove(fixture.queue, fixture.queue + 1, fixture.queued * sizeof(fixture.queue[0]));
    return e;
}

static void deliver_first(void) {
    struct envelope e = pop();
    assert_int_equal(receive(&e), LARDER_OK);
    free(e.bytes);
}

static void deliver(void) {
    while (fixture.queued > 0)
        deliver_first();
}

static void tick(int64_t elapsed_ms) {
    struct copying_output out;
    fixture.now_us += elapsed_ms * 1000;
    for (uint32_t i = A; i <= B; i++) {
        copying_tick(fixture.peers[i].copying, fixture.now_us, &out);
        take_output(&out);
    }
}

static void expect(const char *text) {
    golden_expect(&fixture.golden, text);
}

static void see_term(uint32_t n, uint64_t term, uint32_t primary, enum replica_role role) {
    struct partition_replica *r = &fixture.peers[n].r;
    r->view.term = term;
    r->view.primary = primary;
    r->primary_incarnation = primary * 10;
    r->role = role;
    copying_follow(fixture.peers[n].copying, r);
}

/* B was primary and executed records 1 and 2 of a term that A does not have. */
static void depose(void) {
    see_term(B, 1, B, REPLICA_OPEN);
    execute(B, "MSET x lost y lost");
    execute(B, "SET z lost");
    for (uint32_t i = A; i <= B; i++)
        see_term(i, 2, A, i == A ? REPLICA_OPEN : REPLICA_LEARNER);
    copying_cut(fixture.peers[B].copying, 1, 2);
    fixture.peers[B].r.log.last = 0;
}

/* ---- a deposed primary ---- */

static void a_deposed_primary_fetches_exactly_what_was_cut(void **state) {
    (void)state;
    found((struct copying_options){0});
    execute(A, "SET x kept");
    execute(A, "SET other 1");
    depose();
    assert_false(is_complete());
    tick(0);
    deliver();
    expect("  B>A ASK UNIT #1 256\n"
           "  B>A ASK KEYS #2 x y z\n"
           "  A>B UNIT #1 256 as of 2\n"
           "  A>B KEYS #2 x y(none) z(none) as of 2\n");
    assert_int_equal(copying_unsynced(fixture.peers[B].copying), 0);
    assert_false(is_complete());
    commit(2);
    assert_true(is_complete());
    expect_equal();
    finish();
}

static void what_is_lost_is_asked_for_again_and_late_answers_do_not_count(void **state) {
    (void)state;
    found((struct copying_options){0});
    execute(A, "SET x kept");
    depose();
    tick(0);
    deliver_first(); /* of the rest; its answer is on the way */
    struct envelope late = fixture.queue[1];
    fixture.queue[1].bytes = NULL;
    lose_all();
    tick(100);
    expect("  B>A ASK UNIT #1 256\n"
           "  B>A ASK KEYS #2 x y z\n"
           "  A>B UNIT #1 256 as of 1\n");
    tick(100);
    expect("  B>A ASK UNIT #3 256\n"
           "  B>A ASK KEYS #4 x y z\n");
    assert_int_equal(receive(&late), LARDER_OK);
    expect("");
    assert_int_equal(copying_unsynced(fixture.peers[B].copying), 4);
    deliver();
    assert_int_equal(copying_unsynced(fixture.peers[B].copying), 0);
    assert_int_equal(receive(&late), LARDER_OK);
    free(late.bytes);
    commit(1);
    expect_equal();
    finish();
}

static void an_item_from_before_a_left_out_record_is_refused(void **state) {
    (void)state;
    found((struct copying_options){0});
    execute(A, "SET x 1");
    depose();
    tick(0);
    deliver_first();
    deliver_first(); /* both questions are answered as of 1 */
    execute(A, "APPEND x 2");
    commit(2); /* arrives before the answers */
    fixture.golden.size = 0;
    deliver();
    expect("  B>A ASK UNIT #3 256\n"
           "  B>A ASK KEYS #4 x\n"
           "  A>B UNIT #3 256 as of 2\n"
           "  A>B KEYS #4 x as of 2\n");
    assert_int_equal(copying_counters(fixture.peers[B].copying)->refused, 2);
    assert_true(is_complete());
    expect_equal();
    finish();
}

static void a_record_that_the_item_has_is_not_applied_again(void **state) {
    (void)state;
    found((struct copying_options){0});
    execute(A, "APPEND x 1");
    depose();
    execute(A, "APPEND x 2");
    execute(A, "APPEND y 1");
    tick(0);
    deliver();
    execute(A, "APPEND x 3");
    commit(4);
    expect_equal();
    expect_reply(B, "GET x", "$3\r\n123\r\n");
    finish();
}

static void a_new_term_makes_uncommitted_items_unsynced_again(void **state) {
    (void)state;
    found((struct copying_options){0});
    execute(A, "SET x 1");
    depose();
    execute(A, "SET x 2");
    tick(0);
    deliver(); /* as of 2 */
    commit(1);
    assert_false(is_complete());
    fixture.golden.size = 0;
    see_term(B, 3, A, REPLICA_LEARNER);
    assert_int_equal(copying_unsynced(fixture.peers[B].copying), 4);
    tick(0);
    deliver(); /* the primary does not know the term yet: no answer */
    expect("  B>A ASK UNIT #3 256\n"
           "  B>A ASK KEYS #4 x y z\n");
    see_term(A, 3, A, REPLICA_ELECTED);
    tick(200);
    deliver(); /* nor while it is not open: its store may lack what its log has */
    expect("  B>A ASK UNIT #5 256\n"
           "  B>A ASK KEYS #6 x y z\n");
    see_term(A, 3, A, REPLICA_OPEN);
    tick(200);
    deliver();
    commit(2);
    assert_true(is_complete());
    expect_equal();
    finish();
}

static void an_answer_of_an_older_term_is_nothing(void **state) {
    (void)state;
    found((struct copying_options){0});
    execute(A, "SET x 1");
    depose();
    tick(0);
    deliver_first();
    deliver_first();
    see_term(B, 3, A, REPLICA_LEARNER);
    fixture.golden.size = 0;
    deliver();
    expect("  B>A ASK UNIT #3 256\n"
           "  B>A ASK KEYS #4 x y z\n");
    assert_int_equal(copying_unsynced(fixture.peers[B].copying), 4);
    finish();
}

static void messages_of_another_process_are_refused(void **state) {
    (void)state;
    found((struct copying_options){0});
    struct copying_output out;
    struct copying_message m = {.type = COPYING_ASK_UNIT,
                                .from = B,
                                .from_incarnation = 20,
                                .to = A,
                                .to_incarnation = 9,
                                .term = 1};
    assert_int_equal(copying_receive(fixture.peers[A].copying, 0, &m, &out), LARDER_DENIED);
    m.to_incarnation = 10;
    assert_int_equal(copying_receive(fixture.peers[A].copying, 0, &m, &out), LARDER_OK);
    assert_int_equal(out.message_count, 1);
    m.to = 3;
    assert_int_equal(copying_receive(fixture.peers[A].copying, 0, &m, &out), LARDER_DENIED);
    finish();
}

/* ---- long entries ---- */

static void fill(char *line, const char *command, size_t size, char with) {
    size_t used = (size_t)sprintf(line, "%s ", command);
    memset(line + used, with, size);
    line[used + size] = '\0';
}

static void a_long_entry_comes_in_pieces_and_keeps_what_happens_to_it(void **state) {
    (void)state;
    char line[2000];
    found((struct copying_options){.message_bytes = 400});
    fill(line, "SET x", 1000, 'a');
    execute(A, line);
    depose();
    tick(0);
    deliver_first();
    deliver_first();
    deliver_first();
    deliver_first(); /* the first piece is here */
    execute(A, "APPEND x b");
    commit(2);
    deliver();
    expect("  B>A ASK UNIT #1 256\n"
           "  B>A ASK KEYS #2 x y z\n"
           "  A>B UNIT #1 256 as of 1\n"
           "  A>B PIECE #2 x 0+400 of 1023 as of 1\n"
           "  B>A ASK PIECE #3 x from 400 as of 1\n"
           "  A>B PIECE #3 x 400+400 of 1023 as of 1\n"
           "  B>A ASK PIECE #4 x from 800 as of 1\n"
           "  A>B PIECE #4 x 800+223 of 1023 as of 1\n"
           "  B>A ASK KEYS #5 y z\n"
           "  A>B KEYS #5 y(none) z(none) as of 2\n");
    assert_true(is_complete());
    expect_equal();
    expect_reply(B, "STRLEN x", ":1001\r\n");
    finish();
}

static void a_long_entry_is_begun_anew_when_too_much_happens_to_it(void **state) {
    (void)state;
    char line[2000];
    found((struct copying_options){.message_bytes = 400, .pending_bytes = 60});
    fill(line, "SET x", 600, 'a');
    execute(A, line);
    depose();
    tick(0);
    for (unsigned i = 0; i < 4; i++)
        deliver_first();
    fill(line, "APPEND x", 100, 'b');
    execute(A, line);
    commit(2);
    fixture.golden.size = 0;
    deliver();
    expect("  A>B PIECE #3 x 400+223 of 623 as of 1\n"
           "  B>A ASK KEYS #4 x y z\n"
           "  A>B PIECE #4 x 0+400 of 723 as of 2\n"
           "  B>A ASK PIECE #5 x from 400 as of 2\n"
           "  A>B PIECE #5 x 400+323 of 723 as of 2\n"
           "  B>A ASK KEYS #6 y z\n"
           "  A>B KEYS #6 y(none) z(none) as of 2\n");
    assert_int_equal(copying_counters(fixture.peers[B].copying)->restarted, 1);
    assert_true(is_complete());
    expect_equal();
    finish();
}

static void a_forgotten_image_is_sent_from_its_start(void **state) {
    (void)state;
    char line[2000];
    found((struct copying_options){.message_bytes = 400});
    fill(line, "SET x", 600, 'a');
    execute(A, line);
    depose();
    tick(0);
    for (unsigned i = 0; i < 4; i++)
        deliver_first();
    lose_all();
    fill(line, "SET x", 500, 'c');
    execute(A, line);
    tick(10000); /* the image is gone */
    fixture.golden.size = 0;
    deliver();
    expect("  A>B PIECE #4 x 0+400 of 523 as of 2\n"
           "  B>A ASK PIECE #5 x from 400 as of 2\n"
           "  A>B PIECE #5 x 400+123 of 523 as of 2\n"
           "  B>A ASK KEYS #6 y z\n"
           "  A>B KEYS #6 y(none) z(none) as of 2\n");
    commit(2);
    assert_true(is_complete());
    expect_equal();
    finish();
}

/* ---- everything ---- */

static void run_workload(struct random *random, unsigned commands, unsigned keys) {
    for (unsigned i = 0; i < commands && fixture.peers[A].r.log.last < RECORDS_MAX; i++) {
        workload_draw(random, keys, &fixture.line);
        execute_line(A, true);
    }
}

static void begin_copy(void) {
    fixture.is_quiet = true;
    copying_begin(fixture.peers[B].copying, false);
}

static void a_learner_gets_everything_while_writes_go_on(void **state) {
    (void)state;
    struct random random = random_seeded(7);
    found((struct copying_options){.message_bytes = 5000});
    run_workload(&random, 2000, 500);
    begin_copy();
    uint64_t base = fixture.peers[A].r.log.last;
    fixture.peers[B].r.applied = base;
    commit(base);
    for (unsigned i = 0; i < 2000 && !is_complete(); i++) {
        run_workload(&random, 3, 500);
        tick(1);
        for (size_t k = fixture.queued; k > 0; k--)
            deliver_first();
        commit(fixture.peers[A].r.log.last - random_below(&random, 3));
    }
    assert_true(is_complete());
    assert_true(fixture.peers[A].r.log.last > base + 50);
    commit(fixture.peers[A].r.log.last);
    expect_equal();
    assert_true(copying_counters(fixture.peers[B].copying)->keys > 0);
    finish();
}

static void buckets_that_are_right_already_are_not_sent(void **state) {
    (void)state;
    struct random random = random_seeded(10);
    found((struct copying_options){0});
    run_workload(&random, 3000, 2000);
    commit(fixture.peers[A].r.log.last);
    begin_copy(); /* its log is of no use, its data is */
    fixture.peers[B].r.applied = fixture.peers[A].r.log.last;
    execute(A, "SET k1 changed");
    execute(A, "DEL k2");
    tick(0);
    deliver();
    const struct copying_counters *counters = copying_counters(fixture.peers[B].copying);
    assert_int_equal(counters->items, COPYING_UNITS);
    assert_in_range(counters->same, PARTITION_BUCKETS - 40, PARTITION_BUCKETS - 1);
    commit(fixture.peers[A].r.log.last);
    assert_true(is_complete());
    expect_equal();
    finish();
}

static void what_was_deleted_or_flushed_during_the_copy_does_not_come_back(void **state) {
    (void)state;
    struct random random = random_seeded(8);
    char line[64];
    found((struct copying_options){0});
    for (unsigned i = 0; i < 300; i++) {
        (void)sprintf(line, "SET k%u v", i);
        execute(A, line);
        execute(B, line); /* as of a former life */
    }
    fixture.peers[B].r.log.last = 0;
    begin_copy();
    tick(0);
    for (unsigned i = 0; i < 200; i++) {
        (void)sprintf(line, "DEL k%u", (unsigned)random_below(&random, 300));
        execute(A, line);
        if (i == 150)
            execute(A, "FLUSHALL");
        if (i % 2 == 0)
            commit(fixture.peers[A].r.log.last);
        if (fixture.queued > 0)
            deliver_first();
    }
    execute(A, "SET k1 again");
    deliver();
    tick(0);
    deliver();
    commit(fixture.peers[A].r.log.last);
    assert_true(is_complete());
    expect_equal();
    finish();
}

static void a_reset_primary_has_nothing_and_is_complete(void **state) {
    (void)state;
    found((struct copying_options){0});
    execute(A, "SET x 1");
    copying_begin(fixture.peers[A].copying, true);
    expect_reply(A, "EXISTS x", ":0\r\n");
    uint64_t sequence;
    assert_true(copying_is_complete(fixture.peers[A].copying, &sequence));
    assert_int_equal(sequence, 0);
    finish();
}

static void the_rate_is_kept(void **state) {
    (void)state;
    char line[2000], command[32];
    found((struct copying_options){.bytes_per_second = 100000});
    for (unsigned i = 0; i < 500; i++) {
        (void)sprintf(command, "SET k%u", i);
        fill(line, command, 1000, 'a');
        execute(A, line);
    }
    begin_copy();
    fixture.peers[B].r.applied = 500;
    commit(500);
    unsigned ms = 0;
    for (; ms < 20000 && !is_complete(); ms += 10) {
        tick(10);
        deliver();
    }
    assert_true(is_complete());
    assert_in_range(ms, 3500, 6000); /* half a megabyte, the first second's worth at once */
    expect_equal();
    finish();
}

static void without_memory_a_copy_waits_and_goes_on(void **state) {
    (void)state;
    struct random random = random_seeded(9);
    unsigned failures = 0;
    found((struct copying_options){.message_bytes = 3000});
    run_workload(&random, 3000, 300);
    begin_copy();
    fixture.peers[B].r.applied = fixture.peers[A].r.log.last;
    commit(fixture.peers[A].r.log.last);
    for (unsigned i = 0; i < 4000 && !is_complete(); i++) {
        tick(100);
        while (fixture.queued > 0) {
            struct envelope e = pop();
            struct test_allocator *victim =
                &fixture.peers[A + random_below(&random, MEMBERS)].allocator;
            test_allocator_fail_in(victim, 1 + random_below(&random, 3), 0);
            enum larder_status status = receive(&e);
            test_allocator_fail_never(victim);
            assert_true(status == LARDER_OK || status == LARDER_NO_MEMORY);
            failures += status == LARDER_NO_MEMORY;
            free(e.bytes);
        }
    }
    assert_true(failures > 20);
    assert_true(is_complete());
    expect_equal();
    finish();
}

static void without_memory_for_their_keys_cut_records_cost_a_whole_copy(void **state) {
    (void)state;
    found((struct copying_options){0});
    execute(A, "SET x kept");
    see_term(B, 1, B, REPLICA_OPEN);
    strcpy(fixture.line.text, "SET z lost");
    workload_split(&fixture.line);
    struct store_result result;
    struct peer *b = &fixture.peers[B];
    assert_int_equal(b->store.type->execute(b->store.context, 1700000000000, fixture.line.words,
                                            fixture.line.count, &result),
                     LARDER_OK);
    test_allocator_fail_in(&b->allocator, 1, 1);
    copying_note_executed(b->copying, 1, result.effect);
    test_allocator_fail_never(&b->allocator);
    see_term(B, 2, A, REPLICA_LEARNER);
    see_term(A, 2, A, REPLICA_OPEN);
    copying_cut(b->copying, 1, 1);
    assert_int_equal(copying_unsynced(b->copying), COPYING_UNITS);
    fixture.is_quiet = true;
    tick(0);
    deliver();
    commit(1);
    assert_true(is_complete());
    expect_equal();
    finish();
}

/* ---- digests ---- */

static uint32_t bucket_of(const char *key) {
    struct partition_store *store = &fixture.peers[A].store;
    return store->type->bucket_of(store->context, slice_of_string(key));
}

static struct copying_digest digest_of(uint32_t n, uint32_t bucket) {
    struct copying_digest digest = {.bucket = bucket};
    struct partition_store *store = &fixture.peers[n].store;
    store->type->digest_bucket(store->context, bucket, &digest.digest);
    return digest;
}

static void a_difference_is_counted_and_repaired(void **state) {
    (void)state;
    found((struct copying_options){0});
    execute(A, "SET x 1");
    execute(A, "SET w 1");
    commit(2);
    execute(A, "SET x 2"); /* not there yet: a digest is compared in its place */
    struct copying_digest digest = digest_of(A, bucket_of("x"));
    commit(3);
    struct copying *b = fixture.peers[B].copying;
    assert_true(copying_compare(b, 4, &digest));
    fixture.peers[B].r.applied = 4;
    execute(B, "SET x other"); /* what cannot happen */
    fixture.peers[B].r.log.last = 0;
    assert_false(copying_compare(b, 5, &digest));
    assert_int_equal(copying_counters(b)->divergence_total, 1);
    assert_int_equal(copying_unsynced(b), 1);
    assert_true(copying_compare(b, 6, &digest)); /* nothing to compare */
    fixture.peers[A].r.log.last = 6;
    copying_follow(fixture.peers[A].copying, &fixture.peers[A].r);
    tick(0);
    deliver();
    assert_int_equal(copying_unsynced(b), 0);
    assert_int_equal(workload_difference(&fixture.peers[A].store, &fixture.peers[B].store),
                     PARTITION_BUCKETS);
    assert_true(copying_compare(b, 7, &digest));
    finish();
}

static void the_primary_takes_the_digests_of_all_buckets_in_turn(void **state) {
    (void)state;
    found((struct copying_options){.digest_every_us = 256 * 1000});
    execute(A, "SET x 1");
    bool was_seen[PARTITION_BUCKETS] = {false};
    struct copying_digest digest, same;
    uint8_t bytes[COPYING_DIGEST_BYTES];
    unsigned count = 0;
    for (int64_t ms = 0; ms < 256; ms++) {
        while (copying_take_digest(fixture.peers[A].copying, ms * 1000, &digest)) {
            copying_digest_encode(&digest, bytes);
            assert_int_equal(copying_digest_decode(slice_of(bytes, sizeof(bytes)), &same),
                             LARDER_OK);
            assert_int_equal(same.bucket, digest.bucket);
            assert_true(store_digest_equal(same.digest, digest.digest));
            assert_int_equal(digest.digest.low != 0, digest.bucket == bucket_of("x"));
            was_seen[digest.bucket] = true;
            count++;
        }
    }
    assert_int_equal(count, PARTITION_BUCKETS);
    for (uint32_t i = 0; i < PARTITION_BUCKETS; i++)
        assert_true(was_seen[i]);
    assert_false(copying_take_digest(fixture.peers[B].copying, 1000000, &digest));
    assert_int_equal(copying_digest_decode(slice_of(bytes, sizeof(bytes) - 1), &same),
                     LARDER_CORRUPT);
    finish();
}

/* ---- bytes ---- */

static void messages_survive_their_bytes_and_no_part_of_them_does(void **state) {
    (void)state;
    uint8_t bytes[256];
    const struct copying_message m = {.type = COPYING_PIECE,
                                      .partition = 7,
                                      .from = 1,
                                      .to = 2,
                                      .from_incarnation = 3,
                                      .to_incarnation = 4,
                                      .term = 5,
                                      .number = 6,
                                      .unit = 256,
                                      .as_of = 8,
                                      .offset = 9,
                                      .total = 10,
                                      .keys = SLICE_LITERAL("abc"),
                                      .bytes = SLICE_LITERAL("defg")};
    struct copying_message copy;
    size_t size = copying_message_encode(&m, bytes);
    assert_int_equal(size, copying_message_encoded_size(&m));
    assert_int_equal(copying_message_decode(slice_of(bytes, size), &copy), LARDER_OK);
    assert_int_equal(copy.unit, 256);
    assert_int_equal(copy.total, 10);
    assert_int_equal(copy.number, 6);
    assert_memory_equal(copy.keys.data, "abc", 3);
    assert_memory_equal(copy.bytes.data, "defg", 4);
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(copying_message_decode(slice_of(bytes, cut), &copy), LARDER_CORRUPT);
    bytes[0] = COPYING_MESSAGE_END;
    assert_int_equal(copying_message_decode(slice_of(bytes, size), &copy), LARDER_CORRUPT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deposed_primary_fetches_exactly_what_was_cut),
        cmocka_unit_test(what_is_lost_is_asked_for_again_and_late_answers_do_not_count),
        cmocka_unit_test(an_item_from_before_a_left_out_record_is_refused),
        cmocka_unit_test(a_record_that_the_item_has_is_not_applied_again),
        cmocka_unit_test(a_new_term_makes_uncommitted_items_unsynced_again),
        cmocka_unit_test(an_answer_of_an_older_term_is_nothing),
        cmocka_unit_test(messages_of_another_process_are_refused),
        cmocka_unit_test(a_long_entry_comes_in_pieces_and_keeps_what_happens_to_it),
        cmocka_unit_test(a_long_entry_is_begun_anew_when_too_much_happens_to_it),
        cmocka_unit_test(a_forgotten_image_is_sent_from_its_start),
        cmocka_unit_test(a_learner_gets_everything_while_writes_go_on),
        cmocka_unit_test(buckets_that_are_right_already_are_not_sent),
        cmocka_unit_test(what_was_deleted_or_flushed_during_the_copy_does_not_come_back),
        cmocka_unit_test(a_reset_primary_has_nothing_and_is_complete),
        cmocka_unit_test(the_rate_is_kept),
        cmocka_unit_test(without_memory_a_copy_waits_and_goes_on),
        cmocka_unit_test(without_memory_for_their_keys_cut_records_cost_a_whole_copy),
        cmocka_unit_test(a_difference_is_counted_and_repaired),
        cmocka_unit_test(the_primary_takes_the_digests_of_all_buckets_in_turn),
        cmocka_unit_test(messages_survive_their_bytes_and_no_part_of_them_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
