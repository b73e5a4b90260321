/* SPDX-License-Identifier: BSD-3-Clause */
/* One partition at three members, over real stores: from a request to its reply. */
#include "cluster/partition_core.h"
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

static void forget(void) {
    world.golden.size = 0;
    world.golden.text[0] = 0;
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
    struct config_entry settings = {.type = CONFIG_SETTINGS, .settings = world.group->settings};
    settings.settings.min_insync = 2;
    assert_int_equal(world_commit(&settings), CONFIG_APPLIED);
    for (uint32_t n = A; n <= C; n++)
        world_see(n);
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

/* B is elected and waits for what it promised to A. */
static void elect_b(void) {
    world.is_quiet = true;
    world_promise(B, A, world.now_ms);
    world_change(CONFIG_ELECT, B);
    world_see(B);
    world_see(C);
    world_deliver("A");
    world_hear_coordinator(B);
    world_tick(B);
    world_deliver("A");
    world.is_quiet = false;
    assert_int_equal(partition_replica(world.members[B].partition)->role, REPLICA_ELECTED);
}

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

/* ---- locks ---- */

static const struct lock_request PATIENT = {.hold_ms = 500, .wait_ms = 2000};

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

/* All three are gone, the data is given up, and B begins anew. */
static void lose_everything(void) {
    world.is_quiet = true;
    world_change(CONFIG_SHRINK, B);
    world_change(CONFIG_SHRINK, C);
    struct config_entry down = {.type = CONFIG_DOWN, .member = {A, 1}};
    assert_int_equal(world_commit(&down), CONFIG_APPLIED);
    const struct partition_config *p = &world.group->partitions[0];
    struct config_entry reset = {.type = CONFIG_RESET,
                                 .change = {.epoch = p->epoch,
                                            .member = B,
                                            .incarnation = 1,
                                            .term = p->term,
                                            .ceiling = world.group->ceiling}};
    uint64_t ceiling = world.group->ceiling;
    assert_int_equal(world_commit(&reset), CONFIG_APPLIED);
    assert_true(world.group->ceiling > ceiling);
    world_change(CONFIG_ADD_LEARNER, C);
    struct config_entry raise = {.type = CONFIG_CEILING,
                                 .ceiling = world.group->ceiling + 120000000};
    assert_int_equal(world_commit(&raise), CONFIG_APPLIED);
    world.now_ms += 300;
    world_see(B);
    world_see(C);
    world_hear_coordinator(B);
    for (int i = 0; i < 10; i++) {
        world.now_ms += 20;
        world_tick(B);
        world_tick(C);
        world_deliver("A");
    }
    assert_int_equal(partition_replica(world.members[B].partition)->role, REPLICA_OPEN);
    assert_true(world_agree(B, C));
    world_hear_coordinator(B);
    world.is_quiet = false;
    forget();
}

static void after_a_reset_tokens_go_on_above_the_ceiling(void **state) {
    (void)state;
    world_lock(A, 1, LOCK_REQUEST_ACQUIRE, 1, 1, PATIENT);
    world_deliver("");
    uint64_t ceiling = world.group->ceiling;
    lose_everything();
    assert_true(locks_last_token(partition_locks(world.members[C].partition)) >= ceiling);
    world_lock(B, 2, LOCK_REQUEST_ACQUIRE, 2, 1, PATIENT);
    world_deliver("A");
    expect("  B: 2 DONE GRANTED newer\n");
    assert_true(world.token > ceiling);
}

static void let_b_come_back(void) {
    const struct config_entry down = {.type = CONFIG_DOWN, .member = {B, 1}};
    assert_int_equal(world_commit(&down), CONFIG_APPLIED);
    const struct config_entry join = {.type = CONFIG_JOIN,
                                      .join = {.node = {{B, 1}}, .incarnation = 1, .weight = 1}};
    assert_int_equal(world_commit(&join), CONFIG_APPLIED);
}

/* B was the last in sync; it is back with a log that may lack something. */
static void restore_b(void) {
    world.is_quiet = true;
    world_change(CONFIG_ELECT, B);
    world_change(CONFIG_SHRINK, C);
    let_b_come_back();
    const struct partition_config *p = &world.group->partitions[0];
    const struct config_entry restore = {.type = CONFIG_RESTORE,
                                         .change = {.epoch = p->epoch,
                                                    .member = B,
                                                    .incarnation = 1,
                                                    .may_have_lost = true,
                                                    .log_end = 5,
                                                    .ceiling = world.group->ceiling}};
    assert_int_equal(world_commit(&restore), CONFIG_APPLIED);
    assert_int_equal(p->loss_after, 5);
    world_change(CONFIG_ADD_LEARNER, C);
    world.now_ms += 300;
    world_see(B);
    world_see(C);
    for (int i = 0; i < 10; i++) {
        world_hear_coordinator(B);
        world.now_ms += 20;
        world_tick(B);
        world_tick(C);
        world_deliver("A");
    }
    assert_int_equal(partition_replica(world.members[B].partition)->role, REPLICA_OPEN);
    assert_true(world_agree(B, C));
    world.is_quiet = false;
    forget();
}

/* What may be lost may have granted tokens, and executed requests. */
static void after_a_restore_that_may_lack_something_tokens_go_on_above(void **state) {
    (void)state;
    struct request_id id = {
        .client = {7, 7}, .number = 1, .lowest = 1, .first_sent_us = world_time_us(0)};
    world_do(A, 1, "SET k v");
    world_lock(A, 2, LOCK_REQUEST_ACQUIRE, 1, 1, PATIENT);
    world_deliver("");
    uint64_t ceiling = world.group->ceiling;
    struct partition_fence old = {SLICE_LITERAL("lock"), world.token};
    restore_b();
    world_promise(C, B, world.now_ms); /* it is being added */
    world_do(B, 3, "GET k");
    world_lock(B, 4, LOCK_REQUEST_ACQUIRE, 2, 1, (struct lock_request){.hold_ms = 500});
    world_request(B, 5, "SET k w", (struct partition_request){.fences = &old, .fence_count = 1});
    world_do_as(B, 6, "INCR n", id);
    world_deliver("A");
    expect("  B: 3 DONE $1| v\n"
           "  B: 6 UNKNOWN SESSION\n"
           "  B: 4 DONE GRANTED newer\n"
           "  B: 5 FENCED\n");
    assert_true(world.token > ceiling);
}

/* It may have been executed on what was lost: its client was answered, or will not know. */
static void a_request_from_before_a_reset_is_not_executed(void **state) {
    (void)state;
    struct request_id id = {
        .client = {7, 7}, .number = 1, .lowest = 1, .first_sent_us = world_time_us(0)};
    world_do_as(A, 1, "INCR n", id);
    world_deliver("");
    lose_everything();
    world_do_as(B, 2, "INCR n", id);
    id = (struct request_id){.client = {7, 7}, .number = 2, .lowest = 2};
    world_do_as(B, 3, "INCR n", id);
    world_deliver("A");
    expect("  B: 2 UNKNOWN SESSION\n"
           "  B: 3 DONE :1\n");
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

/* ---- disks, bits, memory ---- */

/* C's process ends; another one has what C's log had on disk. */
static void restart_c(uint64_t commit) {
    struct world_member *m = &world.members[C];
    const struct partition_replica *r = partition_replica(m->partition);
    size_t count = (size_t)r->log.last;
    struct replica_record *records = calloc(count, sizeof(*records));
    assert_non_null(records);
    for (size_t i = 0; i < count; i++) {
        records[i] = replica_get_record(r, i + 1);
        uint8_t *bytes = malloc(records[i].payload.size + 1);
        assert_non_null(bytes);
        if (records[i].payload.size > 0)
            memcpy(bytes, records[i].payload.data, records[i].payload.size);
        records[i].payload.data = bytes;
    }
    partition_destroy(m->partition);
    store_host_destroy(m->host);
    lease_table_destroy(m->leases);
    configuration_destroy(m->view);
    world_make_member(C, &(struct partition_options){.digest_every_us = -1});
    assert_int_equal(partition_restore(m->partition, (struct log_position){0, 0}, slice_of(NULL, 0),
                                       records, count, commit, true),
                     LARDER_OK);
    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)records[i].payload.data);
    free(records);
    world.committed[C] = commit;
}

static void a_restart_knows_what_was_in_the_log(void **state) {
    (void)state;
    struct request_id id = {.client = {7, 7}, .number = 1, .lowest = 1};
    world_do_as(A, 1, "INCR n", id);
    world_lock(A, 2, LOCK_REQUEST_ACQUIRE, 1, 1, PATIENT);
    world_do(A, 3, "RPUSH list a b");
    world_deliver("");
    assert_true(world_agree(A, C));
    uint64_t commit = partition_replica(world.members[C].partition)->commit;
    id.number = 2;
    world_do_as(A, 4, "INCR n", id); /* logged at C, and not known to be committed */
    world_deliver_at(1);
    world_lose_all();
    forget();
    restart_c(commit);
    assert_int_equal(partition_stored(world.members[C].partition), commit);
    world_see(C);
    world.now_ms += 100;
    world_tick(A);
    world_deliver("");
    expect("  C is backup\n"
           "  A: 4 DONE :2\n");
    assert_true(world_agree(A, C));
    assert_int_equal(partition_time_us(world.members[C].partition),
                     world_time_us(world.now_ms - 100));
}

static void a_damaged_log_is_refused(void **state) {
    (void)state;
    world_do(A, 1, "SET k v");
    world_deliver("");
    struct replica_record record =
        replica_get_record(partition_replica(world.members[A].partition), 2);
    struct cluster_partition *fresh = NULL;
    struct partition_options options = {.replica = {.self = C, .incarnation = 1}};
    assert_int_equal(partition_create(&options, world.members[C].leases,
                                      store_host_partition(world.members[C].host, 0),
                                      &ALLOCATOR_SYSTEM, &fresh),
                     LARDER_OK);
    record.payload.size /= 2;
    assert_int_equal(partition_restore(fresh, (struct log_position){0, 0}, slice_of(NULL, 0),
                                       &record, 1, 1, true),
                     LARDER_CORRUPT);
    partition_destroy(fresh);
    forget();
}

/* Everybody sees what the config group decides, and decides for everything that is proposed. */
static void settle(int rounds) {
    for (int i = 0; i < rounds; i++) {
        world.now_ms += 10;
        for (uint32_t n = A; n <= C; n++) {
            world_see(n);
            world_tick(n);
        }
        world_promise_all();
        world_deliver("");
        if (world.has_proposed)
            (void)world_commit(&world.proposed);
        world.has_proposed = false;
        const struct partition_config *p = &world.group->partitions[0];
        for (uint32_t n = A; n <= C; n++)
            if (!member_set_has(&p->in_sync, n) && !member_set_has(&p->learners, n))
                world_change(CONFIG_ADD_LEARNER, n);
    }
}

static void a_replica_that_differs_is_copied_and_comes_back(void **state) {
    (void)state;
    world_end();
    world_begin(&(struct partition_options){.digest_every_us = 2560000, .sweep_every_us = 10000});
    world.is_quiet = true;
    world_do(A, 1, "SET k v");
    world_deliver("");
    struct partition_store store = store_host_partition(world.members[B].host, 0);
    const struct slice flipped[] = {SLICE_LITERAL("SET"), SLICE_LITERAL("k"), SLICE_LITERAL("w")};
    struct store_result result;
    assert_int_equal(store.type->execute(store.context, 1, flipped, 3, &result), LARDER_OK);
    assert_false(world_agree(A, B));
    settle(700);
    const struct copying *copying = partition_copying(world.members[B].partition);
    assert_int_equal(copying_counters(copying)->divergence_total, 1);
    assert_int_equal(world.group->partitions[0].in_sync.count, 3);
    assert_true(world_agree(A, B));
    assert_true(world_agree(A, C));
}

static void a_memory_of_requests_that_differs_is_copied_too(void **state) {
    (void)state;
    struct request_id id = {.client = {7, 7}, .number = 1, .lowest = 1};
    world_end();
    world_begin(&(struct partition_options){.digest_every_us = 2560000, .sweep_every_us = 10000});
    world.is_quiet = true;
    world_do_as(A, 1, "INCR n", id);
    world_deliver("");
    request_memory_clear(world.members[B].partition->requests);
    assert_false(world_agree(A, B));
    settle(700);
    const struct copying *copying = partition_copying(world.members[B].partition);
    assert_int_equal(copying_counters(copying)->divergence_total, 1);
    assert_int_equal(world.group->partitions[0].in_sync.count, 3);
    assert_true(world_agree(A, B));
}

static unsigned counted; /* INCRs that were answered well */

static void count_reply(const struct partition_reply *reply) {
    counted += reply->answer == PARTITION_DONE && reply->context < 100 && world.reply[0] == ':';
}

/* One allocation, or all from then on for a while, fail at one member. */
static void run_short_of_memory(struct test_allocator *allocator, uint64_t fail_in,
                                int is_lasting) {
    struct request_id id = {.client = {7, 7}};
    test_allocator_fail_in(allocator, fail_in, is_lasting);
    for (uint64_t i = 1; i <= 12; i++) {
        id.number = id.lowest = i;
        world_do_as(A, i, "INCR n", id);
        world_do(A, 100, "RPUSH list some-element-of-a-list-that-is-not-very-short");
        world_lock(A, 101, LOCK_REQUEST_ACQUIRE, i, i, PATIENT);
        world_deliver("");
        world_tick(B);
    }
    test_allocator_fail_never(allocator);
    settle(30);
    world_do(A, 102, "GET n");
    char expected[32];
    (void)snprintf(expected, sizeof(expected), "$%d| %u", counted < 10 ? 1 : 2, counted);
    assert_string_equal(world.reply, counted == 0 ? "$-1" : expected);
    assert_int_equal(world.group->partitions[0].in_sync.count, 3);
    assert_true(world_agree(A, B));
    assert_true(world_agree(A, C));
}

static void without_memory_requests_are_refused_and_replicas_stay_equal(void **state) {
    (void)state;
    unsigned busy = 0;
    for (uint64_t run = 0; run < 8; run++)
        for (uint64_t fail_in = 1; fail_in <= (run < 4 ? 40 : 12); fail_in++) {
            struct world_member *m = &world.members[run % 2 == 0 ? A : B];
            world_end();
            world_begin(&(struct partition_options){.digest_every_us = -1});
            world.is_quiet = true;
            world.on_reply = count_reply;
            counted = 0;
            run_short_of_memory(run % 4 < 2 ? &m->allocator : &m->store_allocator, fail_in,
                                run >= 4);
            busy += counted < 12;
        }
    assert_true(busy >= 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

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
        TEST(a_result_that_is_too_long_is_not_kept),
        TEST(requests_are_parked_until_the_primary_opens),
        TEST(a_request_is_parked_for_a_second_at_most),
        TEST(no_more_is_parked_than_there_is_room_for),
        TEST(a_hand_off_parks_requests_until_the_next_primary_is_open),
        TEST(after_a_hand_off_that_did_not_apply_parked_requests_are_executed),
        TEST(what_a_read_says_expired_is_gone_after_a_failover),
        TEST(time_does_not_run_back_over_a_failover),
        TEST(a_deposed_primary_knows_the_time_of_its_own_locks),
        TEST(backups_decide_nothing_by_their_own_clocks),
        TEST(a_read_by_a_round_needs_no_lease),
        TEST(a_read_that_waits_for_promises_gets_a_round),
        TEST(a_round_that_a_newer_term_prevents_answers_nothing),
        TEST(a_watch_of_another_term_is_broken),
        TEST(a_backup_answers_stale_reads_of_what_is_committed),
        TEST(what_may_be_cut_or_is_not_copied_is_not_read),
        TEST(a_command_that_would_change_too_much_is_refused),
        TEST(requests_beyond_the_room_are_refused_and_not_applied),
        TEST(a_primary_whose_store_is_behind_executes_nothing),
        TEST(a_lock_goes_to_the_next_when_it_is_released),
        TEST(a_hold_runs_out_by_a_record),
        TEST(those_who_wait_at_a_deposed_primary_are_sent_on),
        TEST(a_write_with_an_old_token_is_refused_over_a_failover),
        TEST(the_time_of_lock_records_is_remembered_by_who_made_them),
        TEST(those_whose_connection_closes_leave_the_queue),
        TEST(a_lock_request_is_parked_and_a_queue_has_its_end),
        TEST(after_a_reset_tokens_go_on_above_the_ceiling),
        TEST(after_a_restore_that_may_lack_something_tokens_go_on_above),
        TEST(a_request_from_before_a_reset_is_not_executed),
        TEST(a_write_that_changed_nothing_is_not_executed_later),
        TEST(a_restart_knows_what_was_in_the_log),
        TEST(a_damaged_log_is_refused),
        TEST(a_replica_that_differs_is_copied_and_comes_back),
        TEST(a_memory_of_requests_that_differs_is_copied_too),
        TEST(without_memory_requests_are_refused_and_replicas_stay_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
