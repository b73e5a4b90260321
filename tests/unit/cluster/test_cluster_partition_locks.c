/* SPDX-License-Identifier: BSD-3-Clause */
/* Locks of one partition at three members: grants and the end of holds go by records, so they
 * survive a failover; those who wait at a deposed primary are sent on; a write with an old token is
 * refused by whoever is primary. */
#include "cluster/partition_core.h"
#include "unit/cluster/partition_fixture.h"

static void a_lock_goes_to_the_next_when_it_is_released(void **state) {
    (void)state;
    world_lock(A, 1, LOCK_REQUEST_ACQUIRE, 1, 1, PATIENT);
    expect("");
    world_deliver("");
    uint64_t token = world.token;
    world_lock(A, 2, LOCK_REQUEST_ACQUIRE, 2, 1, PATIENT);
    world_lock(A, 3, LOCK_REQUEST_ACQUIRE, 3, 1, (struct lock_request){.hold_ms = 500});
    expect("  A: 1 DONE GRANTED newer\n"
           "  A: 3 DONE HELD\n");
    world_lock(A, 4, LOCK_REQUEST_RELEASE, 1, 2, (struct lock_request){.token = token});
    world_deliver("");
    expect("  A: 4 DONE DONE same\n"
           "  A: 2 DONE GRANTED newer\n");
    assert_true(world_agree(A, B));
}

static void a_hold_runs_out_by_a_record(void **state) {
    (void)state;
    world_lock(A, 1, LOCK_REQUEST_ACQUIRE, 1, 1, PATIENT);
    world_deliver("");
    world_lock(A, 2, LOCK_REQUEST_ACQUIRE, 2, 1, PATIENT);
    world.now_ms += 500;
    for (uint32_t n = C; n >= A; n--)
        world_tick(n);
    world_deliver("");
    expect("  A: 1 DONE GRANTED newer\n"
           "  A: 2 DONE GRANTED newer\n");
    assert_true(world_agree(A, B));
}

/* The hold can't end, as that would be a record; who waits is told when its time is over. */
static void waiting_ends_though_too_few_are_in_sync(void **state) {
    (void)state;
    world_require_in_sync(2);
    world_promise_all();
    world_lock(A, 1, LOCK_REQUEST_ACQUIRE, 1, 1, PATIENT);
    world_deliver("");
    world_lock(A, 2, LOCK_REQUEST_ACQUIRE, 2, 1, PATIENT);
    world_change(CONFIG_SHRINK, B);
    world_change(CONFIG_SHRINK, C);
    world_see(A);
    forget();
    world.now_ms += PATIENT.wait_ms;
    world_hear_coordinator(A);
    world_tick(A);
    expect("  A: 2 DONE TIMED OUT\n");
}

static void those_whose_connection_closes_leave_the_queue(void **state) {
    (void)state;
    world_lock(A, 1, LOCK_REQUEST_ACQUIRE, 1, 1, PATIENT);
    world_lock(A, 2, LOCK_REQUEST_ACQUIRE, 2, 1, PATIENT);
    assert_int_equal(
        world_step(A, (struct partition_input){.type = PARTITION_DISCONNECT, .connection = 2}),
        LARDER_OK);
    world_deliver("");
    world_lock(A, 3, LOCK_REQUEST_END_SESSION, 1, 2, (struct lock_request){0});
    world_lock(A, 4, LOCK_REQUEST_ACQUIRE, 3, 1, PATIENT);
    world_deliver("");
    expect("  A: 1 DONE GRANTED newer\n"
           "  A: 3 DONE DONE\n"
           "  A: 4 DONE GRANTED newer\n");
}

static void a_lock_request_is_parked_and_a_queue_has_its_end(void **state) {
    (void)state;
    elect_b();
    world_lock(B, 1, LOCK_REQUEST_ACQUIRE, 1, 1, PATIENT);
    world.now_ms += 250;
    world_tick(B);
    world_deliver("A");
    expect("  B is open\n"
           "  B: 1 DONE GRANTED newer\n");
    for (uint64_t i = 0; i < 300; i++)
        world_lock(B, 10 + i, LOCK_REQUEST_ACQUIRE, 10 + i, 1, PATIENT);
    world_promise(C, B, world.now_ms);
    world_tick(B);
    assert_int_equal(world.reply_context, 309);
    forget();
    world_promise(C, B, world.now_ms);
    world_do(B, 2, "GET k");
    expect("  B: 2 DONE $-1\n");
}

static void those_who_wait_at_a_deposed_primary_are_sent_on(void **state) {
    (void)state;
    world_lock(A, 1, LOCK_REQUEST_ACQUIRE, 1, 1, PATIENT);
    world_deliver("");
    world_lock(A, 2, LOCK_REQUEST_ACQUIRE, 2, 1, PATIENT);
    uint64_t token = world.token;
    fail_over_to_b();
    world_see(A);
    expect("  A: 1 DONE GRANTED newer\n"
           "  A is none\n"
           "  A: 2 MOVED\n");
    world_lock(B, 3, LOCK_REQUEST_ACQUIRE, 2, 1, PATIENT);
    world_lock(B, 4, LOCK_REQUEST_RELEASE, 1, 2, (struct lock_request){.token = token});
    world_deliver("A");
    expect("  B: 4 DONE DONE same\n"
           "  B: 3 DONE GRANTED newer\n");
    assert_true(world_agree(B, C));
}

static void a_write_with_an_old_token_is_refused_over_a_failover(void **state) {
    (void)state;
    struct partition_fence old = {SLICE_LITERAL("lock"), 5}, new = {SLICE_LITERAL("lock"), 6};
    world_request(A, 1, "SET k v", (struct partition_request){.fences = &new, .fence_count = 1});
    world_request(A, 2, "SETNX k v", (struct partition_request){.fences = &new, .fence_count = 1});
    world_deliver("");
    fail_over_to_b();
    world_request(B, 3, "SET k w", (struct partition_request){.fences = &old, .fence_count = 1});
    expect("  A: 1 DONE +OK\n"
           "  A: 2 DONE :0\n"
           "  B: 3 FENCED\n");
    new.token = 7; /* a write that changes nothing has been seen too */
    world_request(B, 4, "SETNX k v", (struct partition_request){.fences = &new, .fence_count = 1});
    expect("");
    world_deliver("A");
    old.token = 6;
    world_request(B, 5, "SET k w", (struct partition_request){.fences = &old, .fence_count = 1});
    expect("  B: 4 DONE :0\n"
           "  B: 5 FENCED\n");
    assert_true(world_agree(B, C));
}

/* Or its next term here could begin before them. */
static void the_time_of_lock_records_is_remembered_by_who_made_them(void **state) {
    (void)state;
    world.is_quiet = true;
    world.now_ms += 300;
    world_promise_all();
    world_lock(A, 1, LOCK_REQUEST_ACQUIRE, 1, 1, PATIENT);
    world_deliver("");
    assert_int_equal(world.members[A].partition->clock.replicated_us, world_time_us(world.now_ms));
    assert_int_equal(world.members[B].partition->clock.replicated_us, world_time_us(world.now_ms));
}

/* Should it lead again, what it executed itself is not applied once more. */
static void a_deposed_primary_knows_the_time_of_its_own_locks(void **state) {
    (void)state;
    world.members[A].wall_ahead_ms = 900;
    world_tick(A);
    for (int i = 0; i < 400; i++) {
        world.now_ms += 100;
        world_promise_all();
        world_tick(A);
        world_deliver("");
    }
    world_promise_all();
    world_lock(A, 1, LOCK_REQUEST_ACQUIRE, 1, 1, PATIENT);
    world_deliver("");
    int64_t time_us = partition_time_us(world.members[A].partition);
    fail_over_to_b();
    world_see(A);
    assert_int_equal(partition_replica(world.members[A].partition)->role, REPLICA_NONE);
    assert_true(partition_time_us(world.members[A].partition) >= time_us);
    forget();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_lock_goes_to_the_next_when_it_is_released),
        TEST(a_hold_runs_out_by_a_record),
        TEST(waiting_ends_though_too_few_are_in_sync),
        TEST(those_whose_connection_closes_leave_the_queue),
        TEST(a_lock_request_is_parked_and_a_queue_has_its_end),
        TEST(those_who_wait_at_a_deposed_primary_are_sent_on),
        TEST(a_write_with_an_old_token_is_refused_over_a_failover),
        TEST(the_time_of_lock_records_is_remembered_by_who_made_them),
        TEST(a_deposed_primary_knows_the_time_of_its_own_locks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
