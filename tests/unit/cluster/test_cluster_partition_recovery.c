/* SPDX-License-Identifier: BSD-3-Clause */
/* One partition at three members after something was lost: everything (a reset), perhaps the end of
 * a log (a restore), a process (a restart from its log), bits of a replica (found by digests,
 * copied anew), memory (requests are refused, replicas stay equal). Tokens go on above all that may
 * have been granted, and no request is executed twice. */
#include "cluster/partition_core.h"
#include "unit/cluster/partition_fixture.h"

/* ---- resets, restores ---- */

/* C is added to B, which leads as soon as it may. */
static void let_c_follow_b(void) {
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

/* All three are gone, the data is given up, and B is to begin anew. */
static void give_data_up(void) {
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
    struct config_entry raise = {.type = CONFIG_CEILING,
                                 .ceiling = world.group->ceiling + 120000000};
    assert_int_equal(world_commit(&raise), CONFIG_APPLIED);
}

static void lose_everything(void) {
    give_data_up();
    let_c_follow_b();
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

static void let_b_come_back(void) {
    const struct config_entry down = {.type = CONFIG_DOWN, .member = {B, 1}};
    assert_int_equal(world_commit(&down), CONFIG_APPLIED);
    const struct config_entry join = {.type = CONFIG_JOIN,
                                      .join = {.node = {{B, 1}}, .incarnation = 1, .weight = 1}};
    assert_int_equal(world_commit(&join), CONFIG_APPLIED);
}

/* B was the last in sync; it is back with its log, which may lack something. */
static void commit_restore(bool may_have_lost) {
    let_b_come_back();
    const struct partition_config *p = &world.group->partitions[0];
    const struct config_entry restore = {.type = CONFIG_RESTORE,
                                         .change = {.epoch = p->epoch,
                                                    .member = B,
                                                    .incarnation = 1,
                                                    .may_have_lost = may_have_lost,
                                                    .log_end = 5,
                                                    .ceiling = world.group->ceiling}};
    assert_int_equal(world_commit(&restore), CONFIG_APPLIED);
}

static void restore_b(void) {
    world.is_quiet = true;
    world_change(CONFIG_ELECT, B);
    world_change(CONFIG_SHRINK, C);
    commit_restore(true);
    assert_int_equal(world.group->partitions[0].loss_after, 5);
    let_c_follow_b();
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

static void make_c_anew(void) {
    struct world_member *m = &world.members[C];
    partition_destroy(m->partition);
    store_host_destroy(m->host);
    lease_table_destroy(m->leases);
    configuration_destroy(m->view);
    world_make_member(C, &(struct partition_options){.digest_every_us = -1});
    world.committed[C] = 0;
}

/* B saw the reset and was gone before it was open. C has an empty log, which B's continues: it
 * copies nothing, so that it knows of the reset what records say. */
static void a_reset_is_in_the_log_if_its_primary_was_never_open(void **state) {
    (void)state;
    struct request_id id = {
        .client = {7, 7}, .number = 1, .lowest = 1, .first_sent_us = world_time_us(0)};
    world_do_as(A, 1, "INCR n", id);
    world_deliver("");
    uint64_t ceiling = world.group->ceiling;
    give_data_up();
    world_see(B);
    assert_int_equal(partition_replica(world.members[B].partition)->role, REPLICA_ELECTED);
    commit_restore(false);
    make_c_anew();
    let_c_follow_b();
    assert_int_equal(copying_counters(partition_copying(world.members[C].partition))->items, 0);
    assert_true(locks_floor(partition_locks(world.members[C].partition)) >= ceiling);
    world_do_as(B, 2, "INCR n", id);
    world_deliver("A");
    expect("  B: 2 UNKNOWN SESSION\n");
}

/* ---- disks ---- */

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
    make_c_anew();
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

/* ---- bits, memory ---- */

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

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(after_a_reset_tokens_go_on_above_the_ceiling),
        TEST(a_request_from_before_a_reset_is_not_executed),
        TEST(after_a_restore_that_may_lack_something_tokens_go_on_above),
        TEST(a_reset_is_in_the_log_if_its_primary_was_never_open),
        TEST(a_restart_knows_what_was_in_the_log),
        TEST(a_damaged_log_is_refused),
        TEST(a_replica_that_differs_is_copied_and_comes_back),
        TEST(a_memory_of_requests_that_differs_is_copied_too),
        TEST(without_memory_requests_are_refused_and_replicas_stay_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
