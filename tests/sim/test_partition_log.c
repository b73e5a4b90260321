/* SPDX-License-Identifier: BSD-3-Clause */
/* What a log on disk makes of writes that found no room, when there is room again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "sim/partition_log.h"
#include "sim/world.h"

enum { PRIMARY = 1, LEARNER, BASE = 9, RECORDS = 4, SOON_US = 50000 };

/* One machine, on which a learner logs; its primary is the test. */
struct fixture {
    struct sim_world *world;
    struct partition_log log;
    struct configuration *configuration;
    struct lease_table *leases;
    struct partition_replica *replica;
    struct replica_output out;
};

static void step(struct fixture *f, struct replica_input input) {
    input.now_us = f->world->now_us;
    assert_int_equal(replica_step(f->replica, &input, &f->out), LARDER_OK);
    if (f->out.write.number != 0)
        partition_log_write(&f->log, f->replica, &f->out.write);
}

static enum larder_status start(struct sim_machine *machine, const void *settings, void **out) {
    struct fixture *f = (struct fixture *)(uintptr_t)settings;
    *out = f;
    return partition_log_open(&f->log, machine, 0);
}

static void synced(void *process, uint64_t ticket, enum larder_status status) {
    struct fixture *f = process;
    struct partition_log_synced done;
    assert_true(partition_log_owns(&f->log, ticket));
    partition_log_synced(&f->log, status, &done);
    if (done.is_recovered)
        partition_log_begin(&f->log, true);
    else if (done.number > 0)
        step(f, (struct replica_input){.type = REPLICA_SYNCED, .number = done.number});
}

static void stop(void *process) {
    (void)process;
}

static const struct sim_process_type LOGGER = {
    .name = "logger", .start = start, .synced = synced, .stop = stop};

static void make_configuration(struct fixture *f) {
    struct member founders[2] = {{.node = {{1, 1}}, .incarnation = 1, .weight = 1},
                                 {.node = {{2, 1}}, .incarnation = 1, .weight = 1}};
    struct cluster_settings settings = CLUSTER_DEFAULT_SETTINGS;
    settings.replica_count = 2;
    assert_int_equal(configuration_create((struct raft_id){{1, 1}}, 1, 1, 2, &ALLOCATOR_SYSTEM,
                                          &f->configuration),
                     LARDER_OK);
    assert_int_equal(configuration_found(f->configuration, founders, 2, &settings), LARDER_OK);
    struct partition_config *p = &f->configuration->partitions[0];
    p->primary = PRIMARY;
    p->in_sync = p->learners = (struct member_set){0};
    member_set_add(&p->in_sync, PRIMARY);
    member_set_add(&p->learners, LEARNER);
}

static void set_full(struct fixture *f, bool is_full) {
    f->world->machines[0].disk.is_full = is_full;
}

static int begin_with(void **state, bool is_full) {
    struct fixture *f = calloc(1, sizeof(*f));
    f->world = world_create(
        &(struct sim_world_options){.seed = 1, .machine_count = 1, .type = &LOGGER, .settings = f});
    set_full(f, is_full);
    assert_true(machine_start(&f->world->machines[0]));
    world_run_for(f->world, SOON_US);
    assert_false(f->log.is_recovering);
    make_configuration(f);
    assert_int_equal(lease_table_create(2, 250000, 1000000, 0, &ALLOCATOR_SYSTEM, &f->leases),
                     LARDER_OK);
    const struct replica_options options = {
        .self = LEARNER, .incarnation = 1, .waits_for_sync = true, .records_max = 8};
    assert_int_equal(replica_create(&options, f->leases, &ALLOCATOR_SYSTEM, &f->replica),
                     LARDER_OK);
    step(f, (struct replica_input){.type = REPLICA_VIEW, .configuration = f->configuration});
    assert_int_equal(f->replica->role, REPLICA_LEARNER);
    *state = f;
    return 0;
}

static int begin(void **state) {
    return begin_with(state, false);
}

static int begin_without_room(void **state) {
    return begin_with(state, true);
}

static int end(void **state) {
    struct fixture *f = *state;
    world_destroy(f->world);
    replica_destroy(f->replica);
    lease_table_destroy(f->leases);
    configuration_destroy(f->configuration);
    free(f);
    return 0;
}

static void receive(struct fixture *f, struct replica_message message) {
    message.from = PRIMARY;
    message.to = LEARNER;
    message.from_incarnation = message.to_incarnation = message.term = 1;
    step(f, (struct replica_input){.type = REPLICA_MESSAGE, .message = &message});
}

static void receive_base(struct fixture *f) {
    receive(f,
            (struct replica_message){.type = REPLICA_BASE, .position = {1, BASE}, .commit = BASE});
    assert_int_equal(f->replica->log.base.sequence, BASE);
}

/* As many as it has room for. */
static void receive_records(struct fixture *f) {
    struct replica_record records[RECORDS];
    for (uint32_t i = 0; i < RECORDS; i++)
        records[i] = (struct replica_record){1, RECORD_EFFECT, slice_of_string("x")};
    receive(f, (struct replica_message){.type = REPLICA_RECORDS,
                                        .position = replica_log_end(&f->replica->log),
                                        .commit = f->replica->log.last + RECORDS,
                                        .record_count = RECORDS,
                                        .records = records});
}

static void expect_on_disk(const struct fixture *f, uint64_t base, size_t record_count) {
    struct journal_found found;
    uint8_t *bytes;
    assert_int_equal(partition_log_load(&f->log, &ALLOCATOR_SYSTEM, &found, &bytes), LARDER_OK);
    assert_false(found.is_damaged);
    assert_int_equal(found.base.sequence, base);
    assert_int_equal(found.record_count, record_count);
    assert_int_equal(found.has_data, base == 0);
    journal_finish(&found, &ALLOCATOR_SYSTEM);
    free(bytes);
}

/* A new process, whose replica has begun with nothing if it is given time. */
static void restart(struct fixture *f) {
    machine_crash(&f->world->machines[0]);
    assert_true(machine_start(&f->world->machines[0]));
}

static void writes_without_room_are_written_when_there_is_room(void **state) {
    struct fixture *f = *state;
    set_full(f, true);
    receive_records(f);
    world_run_for(f->world, SOON_US);
    partition_log_mend(&f->log, f->replica);
    assert_true(f->log.has_gap);
    assert_int_equal(f->replica->synced, 0);
    set_full(f, false);
    partition_log_mend(&f->log, f->replica);
    world_run_for(f->world, SOON_US);
    assert_false(f->log.has_gap);
    assert_int_equal(f->replica->synced, RECORDS);
    expect_on_disk(f, 0, RECORDS);
}

/* No image can be made of a copy that is not complete, and without syncs the log in memory has no
 * room for the records that complete it. */
static void a_beginning_in_the_middle_without_room_is_written_when_there_is_room(void **state) {
    struct fixture *f = *state;
    set_full(f, true);
    receive_base(f);
    receive_records(f);
    receive_records(f);
    uint64_t full = f->replica->log.last;
    assert_true(full < BASE + 2 * RECORDS);
    set_full(f, false);
    partition_log_mend(&f->log, f->replica);
    world_run_for(f->world, SOON_US);
    assert_false(f->log.has_gap);
    assert_int_equal(f->replica->synced, full);
    expect_on_disk(f, BASE, full - BASE);
    receive_records(f);
    assert_int_equal(f->replica->log.last, full + RECORDS);
    world_run_for(f->world, SOON_US);
    assert_int_equal(f->replica->synced, full + RECORDS);
}

/* What was before the beginning is on disk no more: a new process must not take it for its data. */
static void what_was_before_a_beginning_without_room_does_not_count(void **state) {
    struct fixture *f = *state;
    receive_records(f);
    world_run_for(f->world, SOON_US);
    expect_on_disk(f, 0, RECORDS);
    set_full(f, true);
    receive_base(f);
    world_run_for(f->world, SOON_US);
    set_full(f, false);
    partition_log_mend(&f->log, f->replica);
    world_run_for(f->world, SOON_US);
    assert_int_equal(f->replica->synced, BASE);
    expect_on_disk(f, BASE, 0);
}

static void a_log_that_began_without_room_is_found(void **state) {
    struct fixture *f = *state;
    receive_records(f);
    set_full(f, false);
    partition_log_mend(&f->log, f->replica);
    world_run_for(f->world, SOON_US);
    assert_int_equal(f->replica->synced, RECORDS);
    restart(f);
    expect_on_disk(f, 0, RECORDS);
}

/* The first frame of the log's file, which is durable. */
static void damage(struct fixture *f) {
    struct sim_disk *disk = &f->world->machines[0].disk;
    enum larder_status status =
        disk_write(disk, PARTITION_LOG_FILE + f->log.file, 0, slice_of_string("damage"));
    assert_int_equal(status, LARDER_OK);
}

static void a_log_that_begins_without_room_in_place_of_a_damaged_one_is_found(void **state) {
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 2; i++) {
        receive_records(f);
        world_run_for(f->world, SOON_US);
    }
    damage(f);
    set_full(f, true);
    restart(f);
    world_run_for(f->world, SOON_US);
    receive_base(f);
    set_full(f, false);
    partition_log_mend(&f->log, f->replica);
    world_run_for(f->world, SOON_US);
    assert_int_equal(f->replica->synced, BASE);
    restart(f);
    expect_on_disk(f, BASE, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(writes_without_room_are_written_when_there_is_room),
        TEST(a_beginning_in_the_middle_without_room_is_written_when_there_is_room),
        TEST(what_was_before_a_beginning_without_room_does_not_count),
        cmocka_unit_test_setup_teardown(a_log_that_began_without_room_is_found, begin_without_room,
                                        end),
        TEST(a_log_that_begins_without_room_in_place_of_a_damaged_one_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
