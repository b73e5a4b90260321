/* SPDX-License-Identifier: BSD-3-Clause */
/* One partition at three members, over real stores: from a request to its reply. */
#include "unit/cluster/partition_world.h"

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

/* B goes on, as if A had fallen silent; A does not know. */
static void fail_over_to_b(void) {
    world.is_quiet = true;
    world_change(CONFIG_ELECT, B);
    world_see(B);
    world_see(C);
    world_deliver("A");
    world.now_ms += 250;
    world_tick(B);
    world_deliver("A");
    world_hear_coordinator(B);
    world_promise(C, B, world.now_ms);
    world_tick(B);
    world_deliver("A");
    world.is_quiet = false;
    assert_int_equal(partition_replica(world.members[B].partition)->role, REPLICA_OPEN);
}

/* A learns that it was deposed and becomes a learner of B's term. */
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

static void a_command_is_answered_when_its_record_is_everywhere(void **state) {
    (void)state;
    world.shows_messages = true;
    world_do(A, 1, "SET k v");
    expect("  A>B RECORDS 1.1 +1 effect\n"
           "  A>C RECORDS 1.1 +1 effect\n");
    world_deliver("");
    world_do(A, 2, "GET k");
    expect("  B>A ACK 1.2\n"
           "  C>A ACK 1.2\n"
           "  A: 1 DONE +OK\n"
           "  A>B RECORDS 1.2\n"
           "  A>C RECORDS 1.2\n"
           "  B>A ACK 1.2\n"
           "  C>A ACK 1.2\n"
           "  A: 2 DONE $1| v\n");
    assert_true(world_agree(A, B));
    assert_true(world_agree(A, C));
}

static void a_command_that_changes_nothing_is_a_read(void **state) {
    (void)state;
    world.shows_messages = true;
    world_do(A, 1, "DEL k");
    world_do(A, 2, "NOSUCH k");
    expect("  A: 1 DONE :0\n"
           "  A: 2 DONE -ERR unknown command\n");
}

static void a_backup_sends_requests_away(void **state) {
    (void)state;
    world_do(B, 1, "SET k v");
    expect("  B: 1 MOVED\n");
}

static void a_retry_after_failover_is_applied_once(void **state) {
    (void)state;
    struct request_id id = {
        .client = {7, 7}, .number = 1, .lowest = 1, .first_sent_us = world_time_us(world.now_ms)};
    world_do_as(A, 1, "INCR n", id);
    world_deliver("A"); /* the others have it, A does not know, and dies */
    fail_over_to_b();
    world_do_as(B, 2, "INCR n", id);
    world_deliver("A");
    id.number = 2;
    world_do_as(B, 3, "INCR n", id);
    world_deliver("A");
    expect("  B: 2 DONE :1\n"
           "  B: 3 DONE :2\n");
    assert_true(world_agree(B, C));
}

static void a_deposed_primary_fetches_what_was_cut(void **state) {
    (void)state;
    struct request_id id = {
        .client = {7, 7}, .number = 1, .lowest = 1, .first_sent_us = world_time_us(world.now_ms)};
    world_do(A, 1, "SET k old");
    world_deliver("");
    world_do_as(A, 2, "SET k new", id);
    world_lose_all();
    fail_over_to_b();
    world_do(B, 3, "GET k");
    expect("  A: 1 DONE +OK\n"
           "  B: 3 DONE $3| old\n");
    let_a_follow();
    expect("  A is learner\n"
           "  A: 2 MOVED\n"
           "  B proposes EXPAND A\n");
    assert_true(world_agree(A, B));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_command_is_answered_when_its_record_is_everywhere),
        TEST(a_command_that_changes_nothing_is_a_read),
        TEST(a_backup_sends_requests_away),
        TEST(a_retry_after_failover_is_applied_once),
        TEST(a_deposed_primary_fetches_what_was_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
