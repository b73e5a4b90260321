/* SPDX-License-Identifier: BSD-3-Clause */
/* One partition at three members, over real stores: from a request to its reply. A request is
 * applied once, however often it comes and whoever is primary then; it is parked while no primary
 * is open, and refused when there is no room for it. Other programs have the rest: _reads (time,
 * reads, watches), _locks (locks, fences), _recovery (resets, restarts, repair). */
#include "unit/cluster/partition_fixture.h"

/* ---- requests ---- */

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

/* ---- stored answers ---- */

static void a_stored_answer_waits_for_its_record(void **state) {
    (void)state;
    struct request_id id = {.client = {7, 7}, .number = 1, .lowest = 1};
    world_do_as(A, 1, "INCR n", id);
    world_do_as(A, 2, "INCR n", id);
    expect("");
    world_deliver("");
    expect("  A: 1 DONE :1\n"
           "  A: 2 DONE :1\n");
}

/* Whether it was sent once or twice: an acknowledged write is held by enough. */
static void a_stored_answer_waits_for_min_insync_too(void **state) {
    (void)state;
    struct request_id id = {.client = {7, 7}, .number = 1, .lowest = 1};
    world_require_in_sync(2);
    world_promise_all();
    world_do_as(A, 1, "INCR n", id);
    world_do_as(A, 2, "INCR n", id);
    world_change(CONFIG_SHRINK, B);
    world_change(CONFIG_SHRINK, C);
    world_see(A);
    world_promise_all();
    world_tick(A);
    expect("");
    world.now_ms += 1999;
    world_hear_coordinator(A);
    world_tick(A);
    world.now_ms += 10000;
    world_tick(A);
    expect("  A: 1 IN DOUBT\n"
           "  A: 2 REFUSED\n");
}

static void a_request_of_a_forgotten_session_is_not_executed(void **state) {
    (void)state;
    struct request_id id = {.client = {7, 7}, .number = 2, .lowest = 2};
    world_do_as(A, 1, "INCR n", id);
    world_deliver("");
    id = (struct request_id){.client = {7, 7}, .number = 1, .lowest = 1};
    world_do_as(A, 2, "INCR n", id);
    id = (struct request_id){
        .client = {8, 8}, .number = 1, .lowest = 1, .first_sent_us = world_time_us(-300001)};
    world_do_as(A, 3, "INCR n", id);
    expect("  A: 1 DONE :1\n"
           "  A: 2 UNKNOWN SESSION\n"
           "  A: 3 UNKNOWN SESSION\n");
}

/* A frame that comes twice, long after its client was told that nothing happened. */
static void a_write_that_changed_nothing_is_not_executed_later(void **state) {
    (void)state;
    struct request_id id = {.client = {7, 7}, .number = 1, .lowest = 1};
    world_do(A, 1, "SET k v");
    world_do_as(A, 2, "SETNX k w", id);
    world_do(A, 3, "DEL k");
    world_do_as(A, 4, "SETNX k w", id);
    world_do(A, 5, "GET k");
    world_deliver("");
    expect("  A: 1 DONE +OK\n"
           "  A: 2 DONE :0\n"
           "  A: 3 DONE :1\n"
           "  A: 4 DONE :0\n"
           "  A: 5 DONE $-1\n");
    assert_true(world_agree(A, B));
}

static void a_result_that_is_too_long_is_not_kept(void **state) {
    (void)state;
    char command[6000] = "SET k ";
    struct request_id id = {.client = {7, 7}, .number = 1, .lowest = 1};
    memset(command + 6, 'x', 5000);
    world_do(A, 1, command);
    world_deliver("");
    forget();
    world_do_as(A, 2, "GETDEL k", id);
    world_deliver("");
    assert_int_equal(world.answer, PARTITION_DONE);
    assert_int_equal(strlen(world.reply), WORLD_REPLY_MAX - 1);
    forget();
    world_do_as(A, 3, "GETDEL k", id);
    expect("  A: 3 RESULT LOST\n");
    assert_true(world_agree(A, B));
}

/* ---- parking ---- */

static void requests_are_parked_until_the_primary_opens(void **state) {
    (void)state;
    elect_b();
    world_do(B, 1, "INCR n");
    world_do(B, 2, "INCR n");
    expect("");
    world.now_ms += 250;
    world_tick(B);
    world_deliver("A");
    world_do(B, 3, "INCR n");
    world_deliver("A");
    expect("  B is open\n"
           "  B: 1 DONE :1\n"
           "  B: 2 DONE :2\n"
           "  B: 3 DONE :3\n");
}

static void a_request_is_parked_for_a_second_at_most(void **state) {
    (void)state;
    elect_b();
    world_change(CONFIG_ELECT, C); /* C does not learn of it, nor B of C */
    struct configuration *view = world.members[B].view;
    (void)view;
    world.members[B].leases->opens_from_us = INT64_MAX;
    world_do(B, 1, "INCR n");
    world.now_ms += 999;
    world_tick(B);
    expect("");
    world.now_ms += 1;
    world_tick(B);
    expect("  B: 1 CLOSED\n");
    world.members[B].leases->opens_from_us = 0;
    world_tick(B);
    world_deliver("A");
    world_promise(C, B, world.now_ms);
    world_hear_coordinator(B);
    world_do(B, 2, "GET n");
    expect("  B is open\n"
           "  B: 2 DONE $-1\n");
}

static void no_more_is_parked_than_there_is_room_for(void **state) {
    (void)state;
    elect_b();
    char command[120000] = "SET k ";
    memset(command + 6, 'x', sizeof(command) - 7);
    for (uint64_t context = 1; context <= 40; context++)
        world_do(B, context, command);
    assert_int_equal(world.answer, PARTITION_BUSY);
    forget();
    world_do(B, 99, "GET k");
    expect(""); /* parked: a small one finds room */
}

static void a_hand_off_parks_requests_until_the_next_primary_is_open(void **state) {
    (void)state;
    world.is_quiet = true;
    world_do(A, 1, "INCR n");
    (void)world_step(A, (struct partition_input){.type = PARTITION_HAND_OFF, .member = B});
    world.is_quiet = false;
    world_do(A, 2, "INCR n");
    world_deliver("");
    expect("  A proposes TRANSFER B\n"
           "  A: 1 DONE :1\n");
    assert_int_equal(world_commit(&world.proposed), CONFIG_APPLIED);
    world_see(A);
    world_do(A, 3, "INCR n");
    expect("  A is backup\n");
    world_see(B);
    world_see(C);
    world_tick(B);
    world_deliver("");
    expect("  B is elected\n"
           "  B is open\n"
           "  A: 2 MOVED\n"
           "  A: 3 MOVED\n");
}

static void after_a_hand_off_that_did_not_apply_parked_requests_are_executed(void **state) {
    (void)state;
    world.is_quiet = true;
    (void)world_step(A, (struct partition_input){.type = PARTITION_HAND_OFF, .member = B});
    world.is_quiet = false;
    world_do(A, 1, "INCR n");
    world_change(CONFIG_NOP, 0);
    world_promise_all();
    world_see(A);
    world_deliver("");
    expect("  A is open\n"
           "  A: 1 DONE :1\n");
}

/* ---- limits ---- */

static void a_command_that_would_change_too_much_is_refused(void **state) {
    (void)state;
    static char command[300000] = "SET k ";
    memset(command + 6, 'x', sizeof(command) - 7);
    world_do(A, 1, command);
    world_do(A, 2, "EXISTS k");
    expect("  A: 1 DONE -OOM command not allowed when used memory > 'maxmemory'.\n"
           "  A: 2 DONE :0\n");
}

static void requests_beyond_the_room_are_refused_and_not_applied(void **state) {
    (void)state;
    world.is_quiet = true;
    unsigned refused = 0, taken = 0;
    for (uint64_t context = 1; context <= 400; context++) {
        world_do(A, context, "INCR n");
        refused += world.answer == PARTITION_BUSY;
        taken += world.answer == 0;
    }
    world_deliver("");
    world.is_quiet = false;
    assert_int_equal(refused + taken, 400);
    assert_int_equal(taken, 256);
    world_do(A, 500, "GET n");
    expect("  A: 500 DONE $3| 256\n");
}

static void a_primary_whose_store_is_behind_executes_nothing(void **state) {
    (void)state;
    char command[3000] = "SET k ";
    memset(command + 6, 'x', 2900);
    test_allocator_fail_in(&world.members[B].store_allocator, 1, 1);
    for (uint64_t context = 1; context <= 20; context++) {
        world_do(A, context, command);
        command[6] = (char)('a' + context % 26);
        world_deliver("");
        world_promise_all();
    }
    forget();
    const struct cluster_partition *b = world.members[B].partition;
    assert_true(partition_stored(b) < partition_replica(b)->commit);
    fail_over_to_b();
    forget();
    world_do(B, 1000, "STRLEN k");
    expect("");
    test_allocator_fail_never(&world.members[B].store_allocator);
    world_tick(B);
    world_tick(B);
    expect("  B: 1000 DONE :2900\n");
    assert_true(world_agree(B, C));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_command_is_answered_when_its_record_is_everywhere),
        TEST(a_command_that_changes_nothing_is_a_read),
        TEST(a_backup_sends_requests_away),
        TEST(a_retry_after_failover_is_applied_once),
        TEST(a_deposed_primary_fetches_what_was_cut),
        TEST(a_stored_answer_waits_for_its_record),
        TEST(a_stored_answer_waits_for_min_insync_too),
        TEST(a_request_of_a_forgotten_session_is_not_executed),
        TEST(a_write_that_changed_nothing_is_not_executed_later),
        TEST(a_result_that_is_too_long_is_not_kept),
        TEST(requests_are_parked_until_the_primary_opens),
        TEST(a_request_is_parked_for_a_second_at_most),
        TEST(no_more_is_parked_than_there_is_room_for),
        TEST(a_hand_off_parks_requests_until_the_next_primary_is_open),
        TEST(after_a_hand_off_that_did_not_apply_parked_requests_are_executed),
        TEST(a_command_that_would_change_too_much_is_refused),
        TEST(requests_beyond_the_room_are_refused_and_not_applied),
        TEST(a_primary_whose_store_is_behind_executes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
