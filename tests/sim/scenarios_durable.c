/* SPDX-License-Identifier: BSD-3-Clause */
/* Scripts about partitions that are logged on disk and acknowledged when that is synced: what a
 * restart finds is what was acknowledged. */
#include "sim/cluster_script.h"
#include "sim/partition_log.h"
#include "sim/subject_cluster.h"

enum { ALL = 5 };

static void expect_no_reset(struct scenario *s) {
    int64_t from_us, until_us;
    for (uint32_t p = 0; p < 4; p++)
        scenario_expect(
            s, !cluster_oracle_reset(cluster_subject_oracle(s->subject), p, 0, &from_us, &until_us),
            "no data was given up");
}

static void lose_power_everywhere(struct scenario *s) {
    for (uint32_t i = 0; i < ALL; i++)
        machine_lose_power(scenario_machine(s, i));
}

/* At the moment of the answer, in the middle of other writes, once more while all recover. */
static void power_everywhere(struct scenario *s) {
    script_begin(s);
    for (uint64_t round = 0; round < 6; round++) {
        script_write(s, KEY, 11 + round, 10000, "a write is acknowledged");
        scenario_begin(s, 1, script_primary_of(s, OTHER_KEY), OTHER_KEY, OPERATION_WRITE, 50, 0);
        world_run_for(s->world, (int64_t)round * 200);
        lose_power_everywhere(s);
        for (uint32_t i = 0; i < ALL && round % 2 == 1; i++)
            (void)machine_start(scenario_machine(s, i));
        world_run_for(s->world, 700);
        if (round % 2 == 1)
            lose_power_everywhere(s);
        script_end(s, 11 + round);
    }
    expect_no_reset(s);
}

/* The last one of the in-sync set is all that has the newest writes. */
static void last_one_lost(struct scenario *s) {
    script_begin(s);
    uint32_t primary = script_primary_of(s, KEY);
    machine_crash(scenario_machine(s, script_backup_of(s, KEY, 0)));
    script_write(s, KEY, 11, 5000, "writes go on with two replicas");
    machine_crash(scenario_machine(s, script_backup_of(s, KEY, 0)));
    script_write(s, KEY, 12, 5000, "writes go on with one");
    uint32_t last = script_primary_of(s, KEY);
    scenario_expect(s, last == primary, "the primary is the last one");
    machine_lose_power(scenario_machine(s, last));
    for (uint32_t i = 0; i < ALL; i++)
        if (i != last)
            (void)machine_start(scenario_machine(s, i));
    scenario_wait(s, 6000);
    scenario_expect(s, script_config_of(s, KEY)->state == PARTITION_LOST,
                    "older data is not gone on with");
    script_end(s, 12);
    expect_no_reset(s);
}

static void full_disk(struct scenario *s) {
    script_begin(s);
    uint32_t backup = script_backup_of(s, KEY, 0);
    scenario_machine(s, backup)->disk.is_full = true;
    script_write(s, KEY, 11, 3000, "writes go on without a backup whose disk is full");
    scenario_expect(s, script_config_of(s, KEY)->in_sync.count == 2, "which is in sync no more");
    scenario_machine(s, backup)->disk.is_full = false;
    scenario_expect(s, scenario_settles(s, 15000), "it comes back");
    uint32_t primary = script_primary_of(s, KEY);
    scenario_machine(s, primary)->disk.is_full = true;
    script_write(s, KEY, 12, 8000, "writes go on although the primary's disk is full");
    scenario_expect(s, script_primary_of(s, KEY) != primary, "another primary has them");
    scenario_machine(s, primary)->disk.is_full = false;
    lose_power_everywhere(s);
    script_end(s, 12);
    expect_no_reset(s);
}

/* A restarted backup has its data and gets the end of the log. */
static void caught_up_from_log(struct scenario *s) {
    script_begin(s);
    uint32_t backup = script_backup_of(s, KEY, 0);
    for (uint64_t i = 0; i < 20; i++)
        script_write(s, KEY, 100 + i, 2000, "a write");
    const struct partition_replica *r = script_replica_at(s, backup, KEY);
    uint64_t had = r == NULL ? 0 : r->commit;
    scenario_expect(s, had > 20, "the backup has the writes");
    machine_lose_power(scenario_machine(s, backup));
    script_write(s, KEY, 11, 3000, "writes go on");
    (void)machine_start(scenario_machine(s, backup));
    scenario_expect(s, scenario_settles(s, 15000), "it is back in sync");
    r = script_replica_at(s, backup, KEY);
    scenario_expect(s, r != NULL && r->log.base.sequence < had && r->log.last > had,
                    "its log goes on where it ended: nothing was copied");
    script_end(s, 11);
}

/* Power is lost at the moment in which a copy counts; the log that came along begins in the middle.
 * Syncs are slow, so that it would count long before it is durable. */
static void copy_then_power(struct scenario *s) {
    script_begin(s);
    for (uint64_t i = 0; i < 600; i++)
        script_write(s, KEY, 1000 + i, 2000, "a write");
    uint32_t receiver = script_backup_of(s, KEY, 0);
    machine_crash(scenario_machine(s, receiver));
    machine_replace(scenario_machine(s, receiver));
    (void)machine_start(scenario_machine(s, receiver));
    script_wait_for_role(s, KEY, REPLICA_LEARNER, 10000, &receiver);
    scenario_expect(s, receiver != NONE, "a copy begins");
    if (receiver == NONE)
        return;
    scenario_machine(s, receiver)->disk.slow_sync_us = 150000;
    uint32_t number = script_member_at(s, receiver) == NULL
                          ? CLUSTER_NOBODY
                          : member_number(script_member_at(s, receiver));
    for (uint32_t i = 0; i < 25000; i++) {
        const struct partition_replica *copy = script_replica_at(s, receiver, KEY);
        if (member_set_has(&script_config_of(s, KEY)->in_sync, number))
            break;
        if (copy != NULL && copy->is_unstored && !copy->is_unsynced)
            scenario_machine(s, receiver)->disk.slow_rate = 1000;
        world_run_for(s->world, 200);
    }
    scenario_expect(s, member_set_has(&script_config_of(s, KEY)->in_sync, number), "it counts");
    scenario_machine(s, receiver)->disk.slow_rate = 0;
    const struct partition_replica *r = script_replica_at(s, receiver, KEY);
    scenario_expect(s, r != NULL && r->log.base.sequence > 0, "it was copied");
    lose_power_everywhere(s);
    script_end(s, 1599);
    expect_no_reset(s);
}

/* A primary that is cut off logs what nobody else gets. The others go on; what it has more of is
 * cut, also on its disk. */
static void tail_is_cut(struct scenario *s) {
    script_begin(s);
    uint32_t primary = script_primary_of(s, KEY);
    scenario_cut_off(s, 1u << primary, false);
    scenario_begin(s, 1, primary, KEY, OPERATION_WRITE, 666, 0);
    scenario_wait(s, 100);
    const struct partition_replica *r = script_replica_at(s, primary, KEY);
    scenario_expect(s, r != NULL && r->log.last > r->commit && r->synced == r->log.last,
                    "the write is on its disk and not committed");
    struct log_position tail = {0, 0};
    if (r != NULL)
        tail = replica_log_end(&r->log);
    machine_lose_power(scenario_machine(s, primary));
    script_write(s, KEY, 11, 5000, "the others go on");
    scenario_heal(s);
    (void)machine_start(scenario_machine(s, primary));
    scenario_expect(s, scenario_settles(s, 15000), "it is back");
    scenario_wait(s, 3000); /* whoever asked for the write has asked again, or given up */
    r = script_replica_at(s, primary, KEY);
    bool has_seat = r != NULL && r->role != REPLICA_NONE; /* else it has nothing to do with it */
    scenario_expect(s,
                    !has_seat || tail.sequence <= r->log.base.sequence ||
                        replica_log_term(&r->log, tail.sequence) > tail.term,
                    "another record has the place of its tail");
    script_write(s, KEY, 12, 5000, "writes go on");
    lose_power_everywhere(s);
    script_end(s, 12);
    expect_no_reset(s);
}

/* The write is with the others; with power lost everywhere nothing is promised but that the cluster
 * goes on. */
static void disk_lies(struct scenario *s) {
    script_begin(s);
    uint32_t backup = script_backup_of(s, KEY, 0);
    scenario_machine(s, backup)->disk.is_lying = true;
    script_write(s, KEY, 11, 2000, "a write that it says to have");
    machine_lose_power(scenario_machine(s, backup));
    script_end(s, 11);
    scenario_machine(s, script_backup_of(s, KEY, 0))->disk.is_lying = true;
    script_write(s, KEY, 12, 2000, "another one");
    lose_power_everywhere(s);
    for (uint32_t i = 0; i < ALL; i++)
        (void)machine_start(scenario_machine(s, i));
    scenario_expect(s, scenario_settles(s, 20000), "everything is available again");
    script_write(s, KEY, 13, 2000, "writes go on");
    script_end(s, 13);
}

/* A byte of what was durable is another one: the log is not believed at all. */
static void log_is_damaged(struct scenario *s) {
    script_begin(s);
    uint32_t backup = script_backup_of(s, KEY, 0), p = script_partition_of(s, KEY);
    struct sim_machine *machine = scenario_machine(s, backup);
    for (uint64_t i = 0; i < 10; i++)
        script_write(s, KEY, 100 + i, 2000, "a write");
    script_write(s, KEY, 11, 2000, "the last write");
    machine_crash(machine);
    cluster_oracle_forget_disk(cluster_subject_oracle(s->subject), machine);
    for (uint32_t file = 0; file < 2; file++) {
        uint32_t number = PARTITION_LOG_FILE + 2 * p + file;
        size_t size = disk_size(&machine->disk, number), got;
        uint8_t byte = 0;
        if (size < 300 || disk_read(&machine->disk, number, 200, &byte, 1, &got) != LARDER_OK)
            continue;
        byte ^= 0x40;
        scenario_expect(s, disk_write(&machine->disk, number, 200, slice_of(&byte, 1)) == LARDER_OK,
                        "a byte is changed");
    }
    (void)machine_start(machine);
    const struct partition_replica *r = NULL;
    for (uint32_t i = 0; i < 3000 && r == NULL; i++) {
        scenario_wait(s, 1);
        r = script_replica_at(s, backup, KEY);
    }
    scenario_expect(s, r != NULL && (r->log.last == 0 || r->role != REPLICA_NONE),
                    "it has nothing");
    scenario_expect(s, scenario_settles(s, 15000), "it gets its data from the others");
    lose_power_everywhere(s);
    script_end(s, 11);
    expect_no_reset(s);
}

#define DURABLE_SCRIPT(name, about, function)                                                      \
    { name, about, function, &CLUSTER_DURABLE_SUBJECT }

const struct scenario_type DURABLE_SCENARIOS[] = {
    DURABLE_SCRIPT("durable-power-everywhere",
                   "all lose power at once, again and again: every acknowledged write is there",
                   power_everywhere),
    DURABLE_SCRIPT("durable-last-one", "the last in-sync member is waited for", last_one_lost),
    DURABLE_SCRIPT("durable-disk-full", "the disk of a backup is full, then a primary's",
                   full_disk),
    DURABLE_SCRIPT("durable-catch-up", "a restarted backup gets the end of the log",
                   caught_up_from_log),
    DURABLE_SCRIPT("durable-copy", "power is lost when a copy has just begun to count",
                   copy_then_power),
    DURABLE_SCRIPT("durable-tail-cut", "what was never committed is cut on disk, too", tail_is_cut),
    DURABLE_SCRIPT("durable-disk-lies", "a disk lied, then power is lost everywhere", disk_lies),
    DURABLE_SCRIPT("durable-damage", "a log on disk is damaged where it was durable",
                   log_is_damaged),
    {0},
};
