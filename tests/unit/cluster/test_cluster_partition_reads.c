/* SPDX-License-Identifier: BSD-3-Clause */
/* Time and reads of one partition at three members. Cluster time does not run back over a failover,
 * and what a read says expired is gone. Reads by lease, by a round, and stale ones of backups see
 * nothing that may be cut; a watch holds for one term. */
#include "unit/cluster/partition_fixture.h"

/* ---- time ---- */

static void what_a_read_says_expired_is_gone_after_a_failover(void **state) {
    (void)state;
    world_do(A, 1, "SET k v PX 500");
    world_deliver("");
    world.now_ms += 600;
    world_promise_all();
    world_do(A, 2, "GET k");
    expect("  A: 1 DONE +OK\n"); /* the second waits for the record of the deletion */
    world_deliver("A");
    world.members[B].wall_ahead_ms = -1000;
    fail_over_to_b();
    world_do(B, 3, "GET k");
    expect("  B: 3 DONE $-1\n");
}

static void time_does_not_run_back_over_a_failover(void **state) {
    (void)state;
    world.members[A].wall_ahead_ms = 900;
    world_tick(A);
    for (int i = 0; i < 400; i++) { /* A's time creeps up to its wall clock */
        world.now_ms += 100;
        world_promise_all();
        world_tick(A);
        world_deliver("");
    }
    world_promise_all();
    world_do(A, 1, "SET k v");
    world_deliver("");
    int64_t time_us = partition_time_us(world.members[A].partition);
    assert_true(time_us > world_time_us(world.now_ms) + 890000);
    fail_over_to_b(); /* takes a quarter of a second */
    assert_true(partition_time_us(world.members[B].partition) >= time_us);
    forget();
}

static void backups_decide_nothing_by_their_own_clocks(void **state) {
    (void)state;
    struct request_id id = {.client = {7, 7}, .number = 1, .lowest = 1};
    world_do(A, 1, "SET k v PX 500");
    world_do_as(A, 2, "INCR n", id);
    world_deliver("");
    world.now_ms += 700000;
    world_tick(B);
    world_tick(C);
    world_lose_all();
    assert_true(world_agree(A, B));
    assert_true(world_agree(A, C));
    world_promise_all();
    world_tick(A);
    world_deliver("");
    world_tick(A);
    world_deliver("");
    assert_true(world_agree(A, B));
    world_promise_all();
    forget();
    world_do(A, 3, "EXISTS k");
    world_do_as(
        A, 4, "INCR n",
        (struct request_id){
            .client = {7, 7}, .number = 1, .lowest = 1, .first_sent_us = world_time_us(1000)});
    expect("  A: 3 DONE :0\n"
           "  A: 4 UNKNOWN SESSION\n");
}

/* ---- reads, watches ---- */

static void a_read_by_a_round_needs_no_lease(void **state) {
    (void)state;
    world.now_ms += 1000; /* all promises have run out, the coordinator's answer has not */
    world_do(A, 1, "GET k");
    world_request(A, 2, "GET k", (struct partition_request){.read_mode = PARTITION_READ_ROUND});
    expect("");
    world_deliver("");
    expect("  A: 2 DONE $-1\n");
    world_promise_all();
    world_request(A, 3, "GET k", (struct partition_request){.read_mode = PARTITION_READ_ROUND});
    expect("  A: 1 DONE $-1\n"); /* the lease alone is not enough for the third */
    world_lose_all();
    world.now_ms += 2000;
    world_tick(A);
    world_lose_all();
    expect("  A proposes SHRINK B\n"
           "  A: 3 REFUSED\n");
}

/* One of them hears no heartbeats, but what is replicated. */
static void a_read_that_waits_for_promises_gets_a_round(void **state) {
    (void)state;
    world.now_ms += 1000;
    world_do(A, 1, "GET k");
    world_tick(A);
    assert_int_equal(world.queued, 0);
    world.now_ms += 100;
    world_tick(A);
    expect("");
    world_do(A, 2, "GET k"); /* came after the record of the round */
    world_deliver("");
    expect("  A: 1 DONE $-1\n");
    world.now_ms += 2000; /* neither is the config group heard */
    world_tick(A);
    world_deliver("");
    expect("  A: 2 REFUSED\n");
}

static void a_round_that_a_newer_term_prevents_answers_nothing(void **state) {
    (void)state;
    world.now_ms += 1000;
    world_do(A, 1, "GET k");
    world.is_quiet = true;
    world_change(CONFIG_ELECT, B);
    world_see(B);
    world_see(C);
    world_lose_all();
    world.is_quiet = false;
    world.now_ms += 100;
    world_tick(A);
    world_deliver("");
    expect("  B is open\n");
    world_see(A);
    expect("  A is none\n"
           "  A: 1 MOVED\n");
}

static void a_watch_of_another_term_is_broken(void **state) {
    (void)state;
    uint64_t term = partition_term(world.members[B].partition);
    fail_over_to_b();
    world_request(B, 1, "SET k v", (struct partition_request){.watched_term = term});
    world_request(B, 2, "SET k v", (struct partition_request){.watched_term = term + 1});
    world_deliver("A");
    expect("  B: 1 WATCH BROKEN\n"
           "  B: 2 DONE +OK\n");
    /* A does not know that term yet: what it watches may have been executed where it began */
    world_request(A, 3, "SET k v", (struct partition_request){.watched_term = term + 1});
    expect("  A: 3 MOVED\n");
}

static void read_stale(uint32_t n, uint64_t context, const char *command) {
    world_request(n, context, command,
                  (struct partition_request){.read_mode = PARTITION_READ_STALE});
}

static void a_backup_answers_stale_reads_of_what_is_committed(void **state) {
    (void)state;
    world_do(A, 1, "SET k v PX 500");
    world_deliver_at(0);
    world_deliver_at(0); /* the others have it, and do not know that it is committed */
    read_stale(B, 2, "GET k");
    world_deliver("");
    read_stale(B, 3, "GET k");
    assert_int_equal(world.as_of_us, world_time_us(world.now_ms));
    read_stale(B, 4, "SET k w");
    read_stale(A, 5, "GET k");
    expect("  B: 2 DONE $-1\n"
           "  A: 1 DONE +OK\n"
           "  B: 3 DONE $1| v\n"
           "  B: 4 MOVED\n"
           "  A: 5 DONE $1| v\n");
    world.now_ms += 600;
    world_promise_all();
    world_do(A, 6, "SET other v"); /* time goes on with records */
    world_deliver("");
    read_stale(B, 7, "GET k");
    expect("  A: 6 DONE +OK\n"
           "  B: 7 DONE $-1\n");
    assert_true(world_agree(A, B)); /* the key is gone nowhere yet */
}

static void what_may_be_cut_or_is_not_copied_is_not_read(void **state) {
    (void)state;
    world_do(A, 1, "SET k old");
    world_deliver("");
    world_do(A, 2, "SET k new");
    world_lose_all();
    fail_over_to_b();
    world.is_quiet = true;
    world_change(CONFIG_ADD_LEARNER, A);
    world_see(A);
    world.is_quiet = false;
    forget();
    read_stale(A, 3, "GET k");
    expect("  A: 3 MOVED\n");
    world.is_quiet = true;
    world_see(B);
    world.now_ms += 100;
    world_tick(B);
    world_deliver_at(0); /* cut */
    world_deliver_at(0);
    while (world.queued > 0 && !world.queue[0].is_copy)
        world_deliver_at(0);
    assert_true(copying_unsynced(partition_copying(world.members[A].partition)) > 0);
    world.is_quiet = false;
    read_stale(A, 4, "GET k");
    expect("  A: 4 MOVED\n");
    world.is_quiet = true;
    world_deliver("");
    world_tick(A);
    world_deliver("");
    world.is_quiet = false;
    read_stale(A, 5, "GET k");
    expect("  A: 5 DONE $3| old\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_a_read_says_expired_is_gone_after_a_failover),
        TEST(time_does_not_run_back_over_a_failover),
        TEST(backups_decide_nothing_by_their_own_clocks),
        TEST(a_read_by_a_round_needs_no_lease),
        TEST(a_read_that_waits_for_promises_gets_a_round),
        TEST(a_round_that_a_newer_term_prevents_answers_nothing),
        TEST(a_watch_of_another_term_is_broken),
        TEST(a_backup_answers_stale_reads_of_what_is_committed),
        TEST(what_may_be_cut_or_is_not_copied_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
