/* SPDX-License-Identifier: BSD-3-Clause */
/* Mode async: requests that are answered before others have what they did. What is promised of
 * them, and what waits all the same. */
#include "cluster/partition_core.h"
#include "unit/cluster/partition_world.h"

static const struct partition_request EARLY = {.write_mode = WRITES_EXECUTED};
static const struct lock_request BRIEF = {.hold_ms = 500};

static int begin(void **state) {
    (void)state;
    world_begin(&(struct partition_options){.digest_every_us = -1});
    return 0;
}

static int end(void **state) {
    (void)state;
    world_end();
    return 0;
}

static void expect(const char *text) {
    golden_expect(&world.golden, text);
}

static void set(uint32_t min_insync, enum write_mode mode) {
    struct config_entry entry = {.type = CONFIG_SETTINGS, .settings = world.group->settings};
    entry.settings.min_insync = min_insync;
    entry.settings.write_mode = mode;
    assert_int_equal(world_commit(&entry), CONFIG_APPLIED);
    for (uint32_t n = A; n <= C; n++)
        world_see(n);
    world_promise_all();
}

static void let_a_follow(void) {
    world_change(CONFIG_ADD_LEARNER, A);
    world_see(A);
    world_see(B);
    world.now_ms += 100;
    world_tick(B);
    world_deliver("");
    world_tick(A);
    world_deliver("");
}

static void a_write_is_answered_when_it_is_executed_if_so_set(void **state) {
    (void)state;
    world_do(A, 1, "SET k v");
    expect("");
    world_deliver("");
    set(1, WRITES_EXECUTED);
    world_do(A, 2, "SET k w");
    world_do(A, 3, "GET k");
    expect("  A: 1 DONE +OK\n"
           "  A: 2 DONE +OK\n"
           "  A: 3 DONE $1| w\n");
    world_deliver("");
    expect("");
    assert_true(world_agree(A, B));
    assert_true(world_agree(A, C));
}

static void a_request_says_for_itself_how_long_it_waits(void **state) {
    (void)state;
    world_request(A, 1, "SET k v", EARLY);
    world_do(A, 2, "GET k");
    expect("  A: 1 DONE +OK\n");
    world_deliver("");
    expect("  A: 2 DONE $1| v\n");
    set(1, WRITES_EXECUTED);
    world_request(A, 3, "SET k w", (struct partition_request){.write_mode = WRITES_COMMITTED});
    expect("");
    world_deliver("");
    expect("  A: 3 DONE +OK\n");
}

static void a_survivor_has_a_prefix_of_what_was_answered(void **state) {
    (void)state;
    world_request(A, 1, "SET a 1", EARLY);
    world_deliver("");
    world_request(A, 2, "SET b 2", EARLY);
    world_deliver_at(0); /* to B, before A was lost */
    world_lose_all();
    world_request(A, 3, "SET c 3", EARLY);
    world_request(A, 4, "SET a 4", EARLY);
    world_lose_all();
    expect("  A: 1 DONE +OK\n"
           "  A: 2 DONE +OK\n"
           "  A: 3 DONE +OK\n"
           "  A: 4 DONE +OK\n");
    fail_over_to_b();
    world_do(B, 5, "MGET a b c");
    world_deliver("A");
    expect("  B: 5 DONE *3| $1| 1| $1| 2| $-1\n");
    let_a_follow();
    world_deliver("");
    assert_true(world_agree(A, B));
    assert_true(world_agree(B, C));
}

static void a_deposed_primary_takes_no_more_of_them(void **state) {
    (void)state;
    fail_over_to_b();
    world_request(A, 1, "SET k lost", EARLY);
    world_request(A, 2, "GET k", EARLY);
    world_lose_all();
    world.golden.size = 0;
    let_a_follow();
    world_tick(A);
    assert_non_null(strstr(world.golden.text, "A: 1 MOVED"));
    assert_null(strstr(world.golden.text, "DONE"));
    world.golden.size = 0;
}

static void they_wait_for_promises(void **state) {
    (void)state;
    world.now_ms += 300;
    world_hear_coordinator(A);
    world_request(A, 1, "SET k v", EARLY);
    world_lose_all();
    expect("");
    world_promise_all();
    world_tick(A);
    expect("  A: 1 DONE +OK\n");
    world_deliver("");
}

static void they_wait_for_the_disk_of_the_primary(void **state) {
    (void)state;
    struct partition_replica *r = world.members[A].partition->replica;
    r->options.waits_for_sync = true;
    r->synced = r->log.last;
    world_request(A, 1, "SET k v", EARLY);
    world_request(A, 2, "GET k", EARLY);
    world_tick(A);
    expect("");
    (void)world_step(
        A, (struct partition_input){.type = PARTITION_SYNCED, .number = world.members[A].written});
    expect("  A: 1 DONE +OK\n"
           "  A: 2 DONE $1| v\n");
    world_deliver("");
}

static void they_need_enough_in_sync(void **state) {
    (void)state;
    set(3, WRITES_EXECUTED);
    world.now_ms += 300;
    world_hear_coordinator(A);
    world_do(A, 1, "SET k v");
    world_lose_all();
    world_change(CONFIG_SHRINK, C);
    world_see(A);
    world_see(B);
    world_promise_all();
    world_do(A, 2, "SET k w");
    world_tick(A);
    expect("  A: 2 REFUSED\n");
    world.now_ms += 2000;
    world_hear_coordinator(A);
    world_tick(A);
    assert_non_null(strstr(world.golden.text, "  A: 1 IN DOUBT\n"));
    world.golden.size = 0;
}

static void locks_are_granted_when_that_is_committed(void **state) {
    (void)state;
    set(1, WRITES_EXECUTED);
    world_lock(A, 1, LOCK_REQUEST_ACQUIRE, 1, 1, BRIEF);
    expect("");
    world_deliver("");
    expect("  A: 1 DONE GRANTED newer\n");
    world_lock(A, 2, LOCK_REQUEST_ACQUIRE, 2, 1, BRIEF);
    expect("  A: 2 DONE HELD\n");
}

static void a_token_counts_when_that_is_committed(void **state) {
    (void)state;
    set(1, WRITES_EXECUTED);
    struct partition_fence old = {SLICE_LITERAL("lock"), 5}, new = {SLICE_LITERAL("lock"), 6};
    world_do(A, 1, "SET other v");
    world_request(A, 2, "SET k new", (struct partition_request){.fences = &new, .fence_count = 1});
    world_request(A, 3, "SET k old", (struct partition_request){.fences = &old, .fence_count = 1});
    expect("  A: 1 DONE +OK\n");
    world_deliver("");
    expect("  A: 2 DONE +OK\n"
           "  A: 3 FENCED\n");
}

static void a_read_by_a_round_says_what_is_safe(void **state) {
    (void)state;
    set(1, WRITES_EXECUTED);
    world_do(A, 1, "SET k v");
    world_request(A, 2, "GET k", (struct partition_request){.read_mode = PARTITION_READ_ROUND});
    expect("  A: 1 DONE +OK\n");
    world_deliver("");
    expect("  A: 2 DONE $1| v\n");
}

static void what_is_abandoned_is_never_executed(void **state) {
    (void)state;
    set(1, WRITES_EXECUTED);
    struct request_id id = {
        .client = {7, 7}, .number = 1, .lowest = 1, .first_sent_us = world_time_us(world.now_ms)};
    struct partition_request abandon = {.kind = PARTITION_ABANDON,
                                        .context = 1,
                                        .id = &id,
                                        .deadline_us = (world.now_ms + 2000) * 1000};
    (void)world_step(A, (struct partition_input){.type = PARTITION_REQUEST, .request = &abandon});
    expect("");
    world_deliver("");
    world_do_as(A, 2, "SET k v", id);
    expect("  A: 1 DONE\n"
           "  A: 2 REFUSED\n");
}

/* What they did while it waits is there when they are sent once more. */
static void a_retry_is_answered_as_early_and_executed_once(void **state) {
    (void)state;
    set(1, WRITES_EXECUTED);
    struct request_id id = {
        .client = {7, 7}, .number = 1, .lowest = 1, .first_sent_us = world_time_us(world.now_ms)};
    world_do_as(A, 1, "INCR n", id);
    world_do_as(A, 2, "INCR n", id);
    expect("  A: 1 DONE :1\n"
           "  A: 2 DONE :1\n");
    world_deliver("A");
    fail_over_to_b();
    world_do_as(B, 3, "INCR n", id);
    expect("  B: 3 DONE :1\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_write_is_answered_when_it_is_executed_if_so_set),
        TEST(a_request_says_for_itself_how_long_it_waits),
        TEST(a_survivor_has_a_prefix_of_what_was_answered),
        TEST(a_deposed_primary_takes_no_more_of_them),
        TEST(they_wait_for_promises),
        TEST(they_wait_for_the_disk_of_the_primary),
        TEST(they_need_enough_in_sync),
        TEST(locks_are_granted_when_that_is_committed),
        TEST(a_token_counts_when_that_is_committed),
        TEST(a_read_by_a_round_says_what_is_safe),
        TEST(what_is_abandoned_is_never_executed),
        TEST(a_retry_is_answered_as_early_and_executed_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
