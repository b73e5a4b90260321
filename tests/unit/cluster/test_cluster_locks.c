/* SPDX-License-Identifier: BSD-3-Clause */
/* Golden traces of one partition's locks: a primary, a backup that has what is committed, sessions
 * A, B, C that ask. A line with a number is a record of the log; an answer is printed when it may
 * leave. Times are in ms; tokens are cluster time in ms unless that would not grow. */
#include "cluster/locks.h"

#include "support/test_allocator.h"
#include "unit/cluster/golden.h"

#include <stdlib.h>

enum { RECORDS = 256, MS = 1000 };

struct logged {
    uint8_t bytes[LOCK_RECORD_BYTES_MAX];
    size_t size;
    struct lock_step step;
};

struct fixture {
    struct golden golden;
    struct hash_seed seed;
    struct locks *primary, *backup;
    struct logged log[RECORDS];
    uint64_t last, commit;
    int64_t now_ms;
    uint64_t cluster_ms, ceiling_ms, above_ms;
};

static struct fixture fixture;

#define SAY(...) golden_say(&fixture.golden, __VA_ARGS__)

static struct raft_id session(char name) {
    return (struct raft_id){{(uint64_t)name, 1}};
}

static struct locks *make(const struct allocator *allocator) {
    struct locks *locks = NULL;
    struct locks_options options = {.waiters_max = 4, .marks_max = 3, .seed = &fixture.seed};
    assert_int_equal(locks_create(&options, allocator, &locks), LARDER_OK);
    return locks;
}

static struct fixture *begin(void) {
    struct fixture *f = &fixture;
    memset(f, 0, sizeof(*f));
    f->seed = (struct hash_seed){{1, 2}};
    f->primary = make(&ALLOCATOR_SYSTEM);
    f->backup = make(&ALLOCATOR_SYSTEM);
    f->cluster_ms = 1000000;
    f->ceiling_ms = 1120000;
    locks_lead(f->primary, 0);
    return f;
}

static void end(struct fixture *f, const char *expected) {
    golden_expect(&f->golden, expected);
    locks_destroy(f->primary);
    locks_destroy(f->backup);
}

static struct lock_moment moment(const struct fixture *f) {
    return (struct lock_moment){.now_us = f->now_ms * MS,
                                .cluster_us = f->cluster_ms * MS,
                                .ceiling = f->ceiling_ms * MS,
                                .above = f->above_ms * MS};
}

static void pass(struct fixture *f, int64_t ms) {
    f->now_ms += ms;
    f->cluster_ms += (uint64_t)ms;
}

/* Contexts are the session's letter and the request. */
static void say_answer(const struct lock_step *step) {
    if (step->context == 0)
        return;
    SAY("  %c%u %s", (char)(step->context / 1000), (unsigned)(step->context % 1000),
        lock_answer_name(step->answer));
    if (step->token != 0)
        SAY(" %.3f", (double)step->token / MS);
    SAY("\n");
}

static void append(struct fixture *f, const struct lock_step *step) {
    static const char *const TYPES[] = {"?",      "GRANT", "RENEW", "RELEASE", "CANCEL",
                                        "EXPIRE", "FORCE", "END",   "FENCE"};
    assert_true(f->last + 1 < RECORDS);
    struct logged *logged = &f->log[f->last + 1];
    logged->step = *step;
    logged->size = step->record.size;
    memcpy(logged->bytes, step->record.data, step->record.size);
    assert_int_equal(locks_apply(f->primary, slice_of(logged->bytes, logged->size), f->last + 1),
                     LARDER_OK);
    f->last++;
    SAY("%u %s", (unsigned)f->last, TYPES[logged->bytes[0]]);
    if (step->token != 0)
        SAY(" %.3f", (double)step->token / MS);
    SAY("\n");
}

static void take(struct fixture *f, const struct lock_step *step) {
    if (step->superseded != 0)
        SAY("  %c%u drops its first asking\n", (char)(step->superseded / 1000),
            (unsigned)(step->superseded % 1000));
    switch (step->verdict) {
    case LOCKS_RECORD: append(f, step); return;
    case LOCKS_ANSWER: say_answer(step); return;
    case LOCKS_WAITS:
        SAY("  %c%u waits\n", (char)(step->context / 1000), (unsigned)(step->context % 1000));
        return;
    default: return;
    }
}

static void run(struct fixture *f) {
    struct lock_step step;
    struct lock_moment now = moment(f);
    for (locks_next(f->primary, &now, &step); step.verdict != LOCKS_NOTHING;
         locks_next(f->primary, &now, &step))
        take(f, &step);
}

static void ask_for(struct fixture *f, char name, uint64_t request, struct lock_request r) {
    struct lock_step step;
    struct lock_moment now = moment(f);
    r.session = session(name);
    r.request = request;
    r.context = (uint64_t)name * 1000 + request;
    if (r.name.size == 0 && r.type != LOCK_REQUEST_END_SESSION)
        r.name = SLICE_LITERAL("door");
    assert_int_equal(locks_request(f->primary, &r, &now, &step), LARDER_OK);
    take(f, &step);
    run(f);
}

static void acquire(struct fixture *f, char name, uint64_t request, uint32_t hold_ms,
                    uint32_t wait_ms) {
    ask_for(f, name, request,
            (struct lock_request){.type = LOCK_REQUEST_ACQUIRE,
                                  .hold_ms = hold_ms,
                                  .wait_ms = wait_ms,
                                  .connection = (uint64_t)name});
}

static uint64_t token(const struct fixture *f) {
    struct lock_state state;
    assert_true(locks_find(f->primary, SLICE_LITERAL("door"), &state));
    return state.token;
}

static void release(struct fixture *f, char name, uint64_t request, uint64_t of) {
    ask_for(f, name, request, (struct lock_request){.type = LOCK_REQUEST_RELEASE, .token = of});
}

/* Everything logged so far is committed now: the backup gets it, answers leave. */
static void commit(struct fixture *f) {
    while (f->commit < f->last) {
        const struct logged *logged = &f->log[++f->commit];
        assert_int_equal(locks_apply(f->backup, slice_of(logged->bytes, logged->size), f->commit),
                         LARDER_OK);
        say_answer(&logged->step);
    }
    locks_commit(f->primary, f->commit, f->now_ms * MS);
    run(f);
}

/* The backup has what is committed and leads; who waited at the old primary hears of it. */
static void fail_over(struct fixture *f) {
    SAY("failover\n");
    locks_follow(f->primary);
    run(f);
    struct locks *old = f->primary;
    f->primary = f->backup;
    f->last = f->commit;
    locks_destroy(old);
    f->backup = make(&ALLOCATOR_SYSTEM);
    uint8_t *bytes = malloc(locks_encoded_size(f->primary));
    size_t size = locks_encode(f->primary, bytes);
    assert_int_equal(size, locks_encoded_size(f->primary));
    assert_int_equal(locks_decode(f->backup, slice_of(bytes, size)), LARDER_OK);
    free(bytes);
    struct store_digest a = locks_digest(f->primary), b = locks_digest(f->backup);
    assert_true(a.low == b.low && a.high == b.high);
    locks_lead(f->primary, f->now_ms * MS);
    run(f);
}

static void test_who_waits_is_served_in_order(void **state) {
    (void)state;
    struct fixture *f = begin();
    acquire(f, 'A', 1, 1000, 0);
    acquire(f, 'B', 1, 1000, 500);
    acquire(f, 'C', 1, 1000, 500);
    acquire(f, 'D', 1, 1000, 0);
    commit(f);
    pass(f, 10);
    release(f, 'A', 2, token(f));
    acquire(f, 'A', 3, 1000, 500);
    commit(f);
    release(f, 'B', 2, token(f));
    commit(f);
    end(f, "1 GRANT 1000000.000\n"
           "  B1 waits\n"
           "  C1 waits\n"
           "  D1 HELD\n"
           "  A1 GRANTED 1000000.000\n"
           "2 RELEASE 1000000.000\n"
           "3 GRANT 1000010.000\n"
           "  A3 waits\n"
           "  A2 DONE 1000000.000\n"
           "  B1 GRANTED 1000010.000\n"
           "4 RELEASE 1000010.000\n"
           "5 GRANT 1000010.001\n"
           "  B2 DONE 1000010.000\n"
           "  C1 GRANTED 1000010.001\n");
}

/* The hold of B runs from when its grant is committed, not from when it was asked for. */
static void test_a_hold_runs_from_the_commit(void **state) {
    (void)state;
    struct fixture *f = begin();
    acquire(f, 'A', 1, 100, 0);
    acquire(f, 'B', 1, 100, 10000);
    pass(f, 90);
    commit(f);
    pass(f, 99);
    run(f);
    SAY("at %u\n", (unsigned)f->now_ms);
    pass(f, 1);
    run(f);
    pass(f, 500);
    run(f);
    SAY("at %u\n", (unsigned)f->now_ms);
    commit(f);
    end(f, "1 GRANT 1000000.000\n"
           "  B1 waits\n"
           "  A1 GRANTED 1000000.000\n"
           "at 189\n"
           "2 EXPIRE 1000000.000\n"
           "3 GRANT 1000190.000\n"
           "at 690\n"
           "  B1 GRANTED 1000190.000\n");
}

static void test_a_renewal_begins_the_hold_anew_and_needs_the_token(void **state) {
    (void)state;
    struct fixture *f = begin();
    acquire(f, 'A', 1, 100, 0);
    commit(f);
    uint64_t first = token(f);
    pass(f, 60);
    ask_for(f, 'A', 2,
            (struct lock_request){.type = LOCK_REQUEST_RENEW, .token = first, .hold_ms = 100});
    commit(f);
    pass(f, 60);
    run(f);
    ask_for(f, 'A', 2,
            (struct lock_request){.type = LOCK_REQUEST_RENEW, .token = first, .hold_ms = 100});
    pass(f, 60);
    run(f);
    ask_for(f, 'A', 3,
            (struct lock_request){.type = LOCK_REQUEST_RENEW, .token = first, .hold_ms = 100});
    acquire(f, 'A', 4, 100, 0);
    ask_for(f, 'A', 5,
            (struct lock_request){.type = LOCK_REQUEST_RENEW, .token = first, .hold_ms = 100});
    release(f, 'A', 6, first);
    release(f, 'B', 1, token(f));
    end(f, "1 GRANT 1000000.000\n"
           "  A1 GRANTED 1000000.000\n"
           "2 RENEW 1000000.000\n"
           "  A2 DONE 1000000.000\n"
           "  A2 DONE 1000000.000\n"
           "3 EXPIRE 1000000.000\n"
           "  A3 NOT HELD\n"
           "4 GRANT 1000180.000\n"
           "  A5 NOT HELD\n"
           "  A6 NOT HELD\n"
           "  B1 NOT HELD\n");
}

/* A, asking for less, does not know yet whether it was heard and counts on what it had. */
static void test_a_renewal_never_shortens_a_hold(void **state) {
    (void)state;
    struct fixture *f = begin();
    struct lock_request less = {.type = LOCK_REQUEST_RENEW, .hold_ms = 10};
    acquire(f, 'A', 1, 100, 0);
    commit(f);
    less.token = token(f);
    ask_for(f, 'A', 2, less);
    commit(f);
    fail_over(f);
    pass(f, 99);
    run(f);
    SAY("at %u\n", (unsigned)f->now_ms);
    pass(f, 1);
    run(f);
    end(f, "1 GRANT 1000000.000\n"
           "  A1 GRANTED 1000000.000\n"
           "2 RENEW 1000000.000\n"
           "  A2 DONE 1000000.000\n"
           "failover\n"
           "at 99\n"
           "3 EXPIRE 1000000.000\n");
}

static void test_its_owner_may_take_it_again(void **state) {
    (void)state;
    struct fixture *f = begin();
    acquire(f, 'A', 1, 0, 0);
    acquire(f, 'A', 2, 0, 0);
    acquire(f, 'A', 1, 0, 0);
    acquire(f, 'B', 1, 0, 1000);
    release(f, 'A', 3, token(f));
    release(f, 'A', 3, token(f));
    commit(f);
    release(f, 'A', 4, token(f));
    commit(f);
    end(f, "1 GRANT 1000000.000\n"
           "2 GRANT 1000000.000\n"
           "  A1 GRANTED 1000000.000\n"
           "  B1 waits\n"
           "3 RELEASE 1000000.000\n"
           "  A3 DONE 1000000.000\n"
           "  A1 GRANTED 1000000.000\n"
           "  A2 GRANTED 1000000.000\n"
           "  A3 DONE 1000000.000\n"
           "4 RELEASE 1000000.000\n"
           "5 GRANT 1000000.001\n"
           "  A4 DONE 1000000.000\n"
           "  B1 GRANTED 1000000.001\n");
}

/* By time, by its connection, by CANCEL; the same request asked again keeps its place. */
static void test_waiting_ends(void **state) {
    (void)state;
    struct fixture *f = begin();
    acquire(f, 'A', 1, 0, 0);
    acquire(f, 'B', 1, 0, 50);
    acquire(f, 'C', 1, 0, 500);
    acquire(f, 'D', 1, 0, 500);
    acquire(f, 'E', 1, 0, 500);
    acquire(f, 'F', 1, 0, 500);
    pass(f, 50);
    run(f);
    acquire(f, 'C', 1, 0, 900);
    ask_for(f, 'D', 1, (struct lock_request){.type = LOCK_REQUEST_CANCEL});
    locks_disconnect(f->primary, 'E');
    commit(f);
    release(f, 'A', 2, token(f));
    commit(f);
    SAY("door has %u waiting\n",
        (unsigned)(locks_find(f->primary, SLICE_LITERAL("door"), &(struct lock_state){0})));
    end(f, "1 GRANT 1000000.000\n"
           "  B1 waits\n"
           "  C1 waits\n"
           "  D1 waits\n"
           "  E1 waits\n"
           "  F1 REFUSED\n"
           "  B1 TIMED OUT\n"
           "  C1 drops its first asking\n"
           "  C1 waits\n"
           "  D1 DONE\n"
           "  D1 TIMED OUT\n"
           "  A1 GRANTED 1000000.000\n"
           "2 RELEASE 1000000.000\n"
           "3 GRANT 1000050.000\n"
           "  A2 DONE 1000000.000\n"
           "  C1 GRANTED 1000050.000\n"
           "door has 1 waiting\n");
}

static void test_a_late_grant_is_given_back(void **state) {
    (void)state;
    struct fixture *f = begin();
    acquire(f, 'A', 1, 0, 0);
    acquire(f, 'B', 1, 0, 100);
    release(f, 'A', 2, token(f));
    commit(f);
    ask_for(f, 'B', 1, (struct lock_request){.type = LOCK_REQUEST_CANCEL});
    ask_for(f, 'B', 1, (struct lock_request){.type = LOCK_REQUEST_CANCEL});
    acquire(f, 'C', 1, 0, 0);
    commit(f);
    end(f, "1 GRANT 1000000.000\n"
           "  B1 waits\n"
           "2 RELEASE 1000000.000\n"
           "3 GRANT 1000000.001\n"
           "  A1 GRANTED 1000000.000\n"
           "  A2 DONE 1000000.000\n"
           "  B1 GRANTED 1000000.001\n"
           "4 CANCEL 1000000.001\n"
           "  B1 NOT HELD\n"
           "5 GRANT 1000000.002\n"
           "  B1 DONE 1000000.001\n"
           "  C1 GRANTED 1000000.002\n");
}

/* A's grant is committed and B waits; C's grant elsewhere is not. The new primary counts A's hold
 * anew, B asks again, and A's repeated request is the same grant. */
static void test_a_failover_keeps_what_is_committed(void **state) {
    (void)state;
    struct fixture *f = begin();
    acquire(f, 'A', 1, 100, 0);
    acquire(f, 'B', 1, 100, 10000);
    commit(f);
    pass(f, 80);
    ask_for(f, 'C', 1,
            (struct lock_request){.type = LOCK_REQUEST_ACQUIRE, .name = SLICE_LITERAL("gate")});
    fail_over(f);
    acquire(f, 'B', 1, 100, 10000);
    acquire(f, 'A', 1, 100, 0);
    pass(f, 99);
    run(f);
    SAY("at %u\n", (unsigned)f->now_ms);
    pass(f, 1);
    run(f);
    commit(f);
    acquire(f, 'B', 1, 100, 0);
    end(f, "1 GRANT 1000000.000\n"
           "  B1 waits\n"
           "  A1 GRANTED 1000000.000\n"
           "2 GRANT 1000080.000\n"
           "failover\n"
           "  B1 MOVED\n"
           "  B1 waits\n"
           "  A1 GRANTED 1000000.000\n"
           "at 179\n"
           "2 EXPIRE 1000000.000\n"
           "3 GRANT 1000180.000\n"
           "  B1 GRANTED 1000180.000\n"
           "  B1 GRANTED 1000180.000\n");
}

/* Cluster time may run behind: tokens grow all the same. */
static void test_tokens_grow_whatever_the_clock_says(void **state) {
    (void)state;
    struct fixture *f = begin();
    acquire(f, 'A', 1, 0, 0);
    release(f, 'A', 2, token(f));
    acquire(f, 'A', 3, 0, 0);
    release(f, 'A', 4, token(f));
    commit(f);
    f->cluster_ms -= 500000;
    fail_over(f);
    acquire(f, 'B', 1, 0, 0);
    release(f, 'B', 2, token(f));
    f->cluster_ms += 5000000;
    acquire(f, 'B', 3, 0, 0);
    commit(f);
    end(f, "1 GRANT 1000000.000\n"
           "2 RELEASE 1000000.000\n"
           "3 GRANT 1000000.001\n"
           "4 RELEASE 1000000.001\n"
           "  A1 GRANTED 1000000.000\n"
           "  A2 DONE 1000000.000\n"
           "  A3 GRANTED 1000000.001\n"
           "  A4 DONE 1000000.001\n"
           "failover\n"
           "5 GRANT 1000000.002\n"
           "6 RELEASE 1000000.002\n"
           "7 GRANT 1060000.000\n"
           "  B1 GRANTED 1000000.002\n"
           "  B2 DONE 1000000.002\n"
           "  B3 GRANTED 1060000.000\n");
}

/* The clock is far ahead: tokens stay a minute below the ceiling, then go one by one up to it. */
static void test_no_token_exceeds_the_ceiling(void **state) {
    (void)state;
    struct fixture *f = begin();
    f->cluster_ms = 9000000;
    acquire(f, 'A', 1, 0, 0);
    release(f, 'A', 2, token(f));
    f->ceiling_ms = 1060000;
    acquire(f, 'A', 3, 0, 0);
    ask_for(f, 'A', 4, (struct lock_request){.type = LOCK_REQUEST_FORCE});
    f->ceiling_ms = 1180000;
    acquire(f, 'A', 5, 0, 0);
    acquire(f, 'B', 1, 0, 1000);
    f->ceiling_ms = 1000;
    release(f, 'A', 6, token(f));
    SAY("B is not served\n");
    acquire(f, 'C', 1, 0, 0);
    f->ceiling_ms = 1200000;
    run(f);
    commit(f);
    end(f, "1 GRANT 1060000.000\n"
           "2 RELEASE 1060000.000\n"
           "  A3 REFUSED\n"
           "  A4 REFUSED\n"
           "3 GRANT 1120000.000\n"
           "  B1 waits\n"
           "4 RELEASE 1120000.000\n"
           "B is not served\n"
           "  C1 HELD\n"
           "5 GRANT 1140000.000\n"
           "  A1 GRANTED 1060000.000\n"
           "  A2 DONE 1060000.000\n"
           "  A5 GRANTED 1120000.000\n"
           "  A6 DONE 1120000.000\n"
           "  B1 GRANTED 1140000.000\n");
}

static void test_after_a_total_loss_tokens_are_above_all_former_ones(void **state) {
    (void)state;
    struct fixture *f = begin();
    struct slice record;
    acquire(f, 'A', 1, 0, 0);
    commit(f);
    uint64_t old = token(f);
    acquire(f, 'C', 1, 0, 1000);
    locks_reset(f->primary, f->ceiling_ms * MS);
    run(f);
    locks_lead(f->primary, f->now_ms * MS);
    acquire(f, 'B', 1, 0, 1000);
    f->ceiling_ms += 30000;
    acquire(f, 'B', 2, 0, 1000);
    assert_true(token(f) > old);
    assert_int_equal(locks_fence(f->primary, SLICE_LITERAL("door"), old, 1, &record),
                     LARDER_DENIED);
    assert_int_equal(locks_fence(f->primary, SLICE_LITERAL("door"), token(f), 1, &record),
                     LARDER_OK);
    end(f, "1 GRANT 1000000.000\n"
           "  A1 GRANTED 1000000.000\n"
           "  C1 waits\n"
           "  C1 MOVED\n"
           "  B1 REFUSED\n"
           "2 GRANT 1120000.001\n");
}

/* Another partition lost its data: its floor is what the ceiling was then. */
static void test_who_acquires_after_a_reset_elsewhere_can_write_there(void **state) {
    (void)state;
    struct fixture *f = begin();
    struct slice record;
    acquire(f, 'A', 1, 0, 0);
    commit(f);
    locks_reset(f->backup, f->ceiling_ms * MS);
    assert_int_equal(locks_fence(f->backup, SLICE_LITERAL("door"), token(f), 1, &record),
                     LARDER_DENIED);
    f->above_ms = f->ceiling_ms;
    f->ceiling_ms += 1000;
    ask_for(f, 'A', 2, (struct lock_request){.type = LOCK_REQUEST_RELEASE, .token = token(f)});
    acquire(f, 'A', 3, 0, 0);
    commit(f);
    assert_int_equal(locks_fence(f->backup, SLICE_LITERAL("door"), token(f), 1, &record),
                     LARDER_OK);
    end(f, "1 GRANT 1000000.000\n"
           "  A1 GRANTED 1000000.000\n"
           "2 RELEASE 1000000.000\n"
           "3 GRANT 1120000.001\n"
           "  A2 DONE 1000000.000\n"
           "  A3 GRANTED 1120000.001\n");
}

static void see_token(struct fixture *f, struct slice name, uint64_t token, uint64_t cluster_us) {
    struct slice record;
    assert_int_equal(locks_fence(f->primary, name, token, cluster_us, &record), LARDER_OK);
    assert_int_equal(locks_apply(f->primary, record, ++f->last), LARDER_OK);
}

/* Tokens of another partition's locks became the floor here. */
static void test_own_tokens_are_valid_whatever_the_floor_is(void **state) {
    (void)state;
    static const uint64_t DAY_US = UINT64_C(86400000000);
    struct fixture *f = begin();
    struct slice record;
    acquire(f, 'A', 1, 0, 0);
    see_token(f, SLICE_LITERAL("elsewhere"), 1050000 * MS, 1000000 * MS);
    see_token(f, SLICE_LITERAL("there too"), 1060000 * MS, 1000000 * MS + DAY_US);
    assert_int_equal(locks_fence_of(f->primary, SLICE_LITERAL("door")), 1050000 * MS);
    assert_int_equal(locks_fence(f->primary, SLICE_LITERAL("door"), token(f), 1, &record),
                     LARDER_OK);
    release(f, 'A', 2, token(f));
    assert_int_equal(locks_fence(f->primary, SLICE_LITERAL("door"), 1000000 * MS, 1, &record),
                     LARDER_DENIED);
    acquire(f, 'B', 1, 0, 0);
    assert_int_equal(locks_fence(f->primary, SLICE_LITERAL("door"), token(f), 1, &record),
                     LARDER_OK);
    f->golden.size = 0;
    f->golden.text[0] = 0;
    end(f, "");
}

static void test_force_release_makes_the_old_token_void(void **state) {
    (void)state;
    struct fixture *f = begin();
    struct slice record;
    acquire(f, 'A', 1, 0, 0);
    acquire(f, 'B', 1, 0, 1000);
    uint64_t old = token(f);
    ask_for(f, 'C', 1, (struct lock_request){.type = LOCK_REQUEST_FORCE});
    commit(f);
    release(f, 'A', 2, old);
    assert_int_equal(locks_fence(f->primary, SLICE_LITERAL("door"), old, 1, &record),
                     LARDER_DENIED);
    assert_int_equal(locks_fence(f->backup, SLICE_LITERAL("door"), old, 1, &record), LARDER_DENIED);
    end(f, "1 GRANT 1000000.000\n"
           "  B1 waits\n"
           "2 FORCE 1000000.001\n"
           "3 GRANT 1000000.002\n"
           "  A1 GRANTED 1000000.000\n"
           "  C1 DONE 1000000.001\n"
           "  B1 GRANTED 1000000.002\n"
           "  A2 NOT HELD\n");
}

static void test_a_session_that_ends_leaves_nothing(void **state) {
    (void)state;
    struct fixture *f = begin();
    static const char *const NAMES[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    for (uint64_t i = 0; i < 10; i++)
        ask_for(
            f, i % 2 == 0 ? 'A' : 'B', i + 1,
            (struct lock_request){.type = LOCK_REQUEST_ACQUIRE, .name = slice_of_string(NAMES[i])});
    ask_for(f, 'A', 20,
            (struct lock_request){
                .type = LOCK_REQUEST_ACQUIRE, .wait_ms = 100, .name = SLICE_LITERAL("b")});
    f->golden.size = 0;
    ask_for(f, 'A', 21, (struct lock_request){.type = LOCK_REQUEST_END_SESSION});
    ask_for(f, 'A', 22, (struct lock_request){.type = LOCK_REQUEST_END_SESSION});
    commit(f);
    f->golden.size = 0;
    for (int i = 0; i < 10; i++) {
        struct lock_state lock;
        assert_int_equal(locks_find(f->backup, slice_of_string(NAMES[i]), &lock), i % 2);
        SAY("%s %u\n", NAMES[i], lock.depth);
    }
    end(f, "a 0\n"
           "b 1\n"
           "c 0\n"
           "d 1\n"
           "e 0\n"
           "f 1\n"
           "g 0\n"
           "h 1\n"
           "i 0\n"
           "j 1\n");
}

static bool may_write(struct locks *locks, const char *name, uint64_t with, uint64_t cluster_us) {
    struct slice record;
    enum larder_status status =
        locks_fence(locks, slice_of_string(name), with, cluster_us, &record);
    if (status == LARDER_OK && record.size > 0)
        assert_int_equal(locks_apply(locks, record, 1), LARDER_OK);
    assert_true(status == LARDER_OK || status == LARDER_DENIED);
    return status == LARDER_OK;
}

/* A mark that was not raised for a day becomes part of the floor for locks without one. */
static void test_marks_refuse_older_tokens_and_fold_after_a_day(void **state) {
    (void)state;
    struct fixture *f = begin();
    struct locks *locks = f->backup;
    const uint64_t hour = (uint64_t)3600 * 1000 * MS;
    assert_true(may_write(locks, "door", 50, hour));
    assert_true(may_write(locks, "door", 50, hour));
    assert_false(may_write(locks, "door", 49, hour));
    assert_true(may_write(locks, "gate", 10, 2 * hour));
    assert_true(may_write(locks, "gate", 60, 20 * hour));
    assert_true(may_write(locks, "wall", 5, 24 * hour));
    assert_int_equal(locks_fence_of(locks, SLICE_LITERAL("none")), 0);
    assert_true(may_write(locks, "wall", 6, 25 * hour));
    assert_int_equal(locks_fence_of(locks, SLICE_LITERAL("none")), 50);
    assert_int_equal(locks_fence_of(locks, SLICE_LITERAL("door")), 50);
    assert_false(may_write(locks, "door", 49, 25 * hour));
    assert_false(may_write(locks, "moat", 49, 25 * hour));
    assert_true(may_write(locks, "wall", 7, 25 * hour));
    uint8_t bytes[1024];
    size_t size = locks_encode(locks, bytes);
    assert_true(size == locks_encoded_size(locks) && size < sizeof(bytes));
    struct locks *copy = make(&ALLOCATOR_SYSTEM);
    assert_int_equal(locks_decode(copy, slice_of(bytes, size)), LARDER_OK);
    assert_false(may_write(copy, "gate", 59, 25 * hour));
    assert_false(may_write(copy, "none", 49, 25 * hour));
    for (size_t i = 0; i < size; i++)
        assert_int_equal(locks_decode(copy, slice_of(bytes, i)), LARDER_CORRUPT);
    locks_destroy(copy);
    assert_true(may_write(locks, "moat", 70, 25 * hour));
    assert_true(may_write(locks, "pond", 71, 25 * hour));
    assert_int_equal(locks_fence_of(locks, SLICE_LITERAL("none")), 60);
    end(f, "");
}

/* Its holder counts from before it asked, and less than in full. */
static void test_a_holder_gives_up_before_the_primary_does(void **state) {
    (void)state;
    struct fixture *f = begin();
    struct lock_state lock;
    acquire(f, 'A', 1, 1000, 0);
    f->golden.size = 0;
    commit(f);
    assert_true(locks_find(f->primary, SLICE_LITERAL("door"), &lock));
    assert_int_equal(lock.expires_us, 1000 * MS);
    assert_int_equal(lock_lost_at_us(0, 1000), 900 * MS);
    assert_int_equal(lock_lost_at_us(0, 0), INT64_MAX);
    f->golden.size = 0;
    f->golden.text[0] = 0;
    end(f, "");
}

/* Whatever allocation fails, a record is applied as a whole or not at all. */
static void test_without_memory_nothing_changes(void **state) {
    (void)state;
    struct fixture *f = begin();
    struct test_allocator allocator;
    test_allocator_init(&allocator);
    struct locks *locks = make(&allocator.base);
    char name[] = "lock 00";
    for (int i = 0; i < 40; i++) {
        name[5] = (char)('0' + i / 10);
        name[6] = (char)('0' + i % 10);
        ask_for(
            f, 'A', 1,
            (struct lock_request){.type = i % 4 == 3 ? LOCK_REQUEST_FORCE : LOCK_REQUEST_ACQUIRE,
                                  .name = slice_of_string(name)});
        f->golden.size = 0;
        const struct logged *logged = &f->log[f->last];
        struct store_digest before = locks_digest(locks);
        for (uint64_t fail = 1;; fail++) {
            test_allocator_fail_in(&allocator, fail, 0);
            enum larder_status status =
                locks_apply(locks, slice_of(logged->bytes, logged->size), f->last);
            test_allocator_fail_never(&allocator);
            struct store_digest after = locks_digest(locks);
            if (status == LARDER_OK)
                break;
            assert_int_equal(status, LARDER_NO_MEMORY);
            assert_true(before.low == after.low && before.high == after.high);
        }
    }
    struct store_digest digest = locks_digest(f->primary), own = locks_digest(locks);
    assert_true(digest.low == own.low && digest.high == own.high);
    uint8_t bytes[8192];
    size_t size = locks_encode(locks, bytes);
    for (uint64_t fail = 1;; fail++) {
        struct locks *copy = NULL;
        struct locks_options options = {.seed = &f->seed};
        test_allocator_fail_in(&allocator, fail, 0);
        enum larder_status status = locks_create(&options, &allocator.base, &copy);
        if (status == LARDER_OK)
            status = locks_decode(copy, slice_of(bytes, size));
        bool is_over = allocator.fail_at == 0 || allocator.calls < allocator.fail_at;
        test_allocator_fail_never(&allocator);
        locks_destroy(copy);
        if (is_over)
            break;
        (void)status;
    }
    locks_destroy(locks);
    assert_int_equal(allocator.heap_bytes, 0);
    f->golden.text[0] = 0;
    end(f, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_waits_is_served_in_order),
        cmocka_unit_test(test_a_hold_runs_from_the_commit),
        cmocka_unit_test(test_a_renewal_begins_the_hold_anew_and_needs_the_token),
        cmocka_unit_test(test_a_renewal_never_shortens_a_hold),
        cmocka_unit_test(test_its_owner_may_take_it_again),
        cmocka_unit_test(test_waiting_ends),
        cmocka_unit_test(test_a_late_grant_is_given_back),
        cmocka_unit_test(test_a_failover_keeps_what_is_committed),
        cmocka_unit_test(test_tokens_grow_whatever_the_clock_says),
        cmocka_unit_test(test_no_token_exceeds_the_ceiling),
        cmocka_unit_test(test_after_a_total_loss_tokens_are_above_all_former_ones),
        cmocka_unit_test(test_who_acquires_after_a_reset_elsewhere_can_write_there),
        cmocka_unit_test(test_own_tokens_are_valid_whatever_the_floor_is),
        cmocka_unit_test(test_force_release_makes_the_old_token_void),
        cmocka_unit_test(test_a_session_that_ends_leaves_nothing),
        cmocka_unit_test(test_marks_refuse_older_tokens_and_fold_after_a_day),
        cmocka_unit_test(test_a_holder_gives_up_before_the_primary_does),
        cmocka_unit_test(test_without_memory_nothing_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
