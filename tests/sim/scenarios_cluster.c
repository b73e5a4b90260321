/* SPDX-License-Identifier: BSD-3-Clause */
/* Scripts about whole members: what becomes of partitions when the worst comes at the worst moment.
 * Data is in memory. */
#include "sim/cluster_script.h"
#include "sim/subject_cluster.h"

static void primary_lost(struct scenario *s) {
    script_begin(s);
    int64_t lost_us = s->world->now_us;
    machine_crash(scenario_machine(s, script_primary_of(s, KEY)));
    scenario_wait(s, 1);
    script_write(s, KEY, 11, 1000, "a write is accepted within a second of the primary's death");
    scenario_expect(s, s->world->now_us - lost_us < 1000000, "in less than a second");
    script_end(s, 11);
}

/* The one elected dies before it opens. */
static void double_failover(struct scenario *s) {
    script_begin(s);
    uint32_t next;
    machine_crash(scenario_machine(s, script_primary_of(s, KEY)));
    script_wait_for_role(s, KEY, REPLICA_ELECTED, 3000, &next);
    scenario_expect(s, next != NONE, "somebody is elected");
    if (next != NONE)
        machine_crash(scenario_machine(s, next));
    script_write(s, KEY, 11, 8000, "the third replica goes on");
    script_end(s, 11);
}

/* It is back, without data, before anybody noticed that it was gone. */
static void empty_fast_restart(struct scenario *s) {
    for (uint32_t round = 0; round < 5; round++) {
        if (round == 0)
            script_begin(s);
        uint32_t primary = script_primary_of(s, KEY);
        machine_crash(scenario_machine(s, primary));
        scenario_wait(s, 3);
        scenario_expect(s, machine_start(scenario_machine(s, primary)), "it starts");
        script_expect_value(s, KEY, 10 + round);
        script_write(s, KEY, 11 + round, 8000, "writes go on");
        scenario_expect(s, scenario_settles(s, 15000), "it gets its data again");
    }
    script_end(s, 15);
}

static void last_replica_standing(struct scenario *s) {
    script_begin(s);
    uint32_t first = script_backup_of(s, KEY, 0), second = script_backup_of(s, KEY, 1);
    machine_crash(scenario_machine(s, first));
    script_write(s, KEY, 11, 3000, "writes go on with two replicas");
    machine_crash(scenario_machine(s, second));
    script_write(s, KEY, 12, 3000, "writes go on with one");
    script_end(s, 12);
}

static void coordinator_and_primary_lost(struct scenario *s) {
    script_begin(s);
    uint32_t primary = script_primary_of(s, KEY), coordinator = scenario_important(s);
    machine_crash(scenario_machine(s, coordinator));
    if (primary != coordinator)
        machine_crash(scenario_machine(s, primary));
    script_write(s, KEY, 11, 4000, "writes go on after an election of each");
    script_end(s, 11);
}

/* Everybody who had the data is gone: the cache goes on, empty, and says so. */
static void all_replicas_lost(struct scenario *s) {
    script_begin(s);
    uint32_t members[3] = {script_primary_of(s, KEY), script_backup_of(s, KEY, 0),
                           script_backup_of(s, KEY, 1)};
    for (uint32_t i = 0; i < 3; i++)
        machine_crash(scenario_machine(s, members[i]));
    for (uint32_t i = 0; i < 3; i++)
        (void)machine_start(scenario_machine(s, members[i]));
    script_write(s, KEY, 12, 20000, "the partition is there again");
    int64_t from_us, until_us;
    scenario_expect(s,
                    cluster_oracle_reset(cluster_subject_oracle(s->subject),
                                         script_partition_of(s, KEY), 0, &from_us, &until_us),
                    "its data was given up, by an entry that says so");
    script_end(s, 12);
}

/* Nobody remembers a token, and all new ones are newer; the old ones are worth nothing. */
static void token_after_total_loss(struct scenario *s) {
    const struct lock_clients *locks = cluster_subject_locks(s->subject);
    struct lock_client_command acquire = {.type = LOCK_REQUEST_ACQUIRE, .hold_ms = 60000};
    script_begin(s);
    acquire.lock = script_lock_beside(s, KEY);
    uint64_t before = script_ask_lock(s, 0, &acquire)->result_token;
    struct lock_client_command old_write = {
        .is_write = true, .lock = acquire.lock, .token = before};
    (void)script_ask_lock(s, 0, &old_write);
    scenario_expect(s, before > 0 && !locks->each[0].is_stale, "its token is good");
    uint32_t members[3] = {script_primary_of(s, KEY), script_backup_of(s, KEY, 0),
                           script_backup_of(s, KEY, 1)};
    for (uint32_t i = 0; i < 3; i++)
        machine_crash(scenario_machine(s, members[i]));
    for (uint32_t i = 0; i < 3; i++)
        (void)machine_start(scenario_machine(s, members[i]));
    script_write(s, KEY, 12, 20000, "the partition is there again");
    int64_t from_us, until_us;
    scenario_expect(s,
                    cluster_oracle_reset(cluster_subject_oracle(s->subject),
                                         script_partition_of(s, KEY), 0, &from_us, &until_us),
                    "its data was given up");
    uint64_t after = script_ask_lock(s, 0, &acquire)->result_token;
    scenario_expect(s, after > before, "the next token is larger than any before");
    (void)script_ask_lock(s, 0, &old_write);
    scenario_expect(s, locks->each[0].is_stale, "the old token is refused");
    script_end(s, 12);
}

/* ---- leases ---- */

/* Whether it executed a read that it has not answered. */
static bool has_held_read(const struct scenario *s, uint32_t machine) {
    const struct partition_replica *r = script_replica_at(s, machine, KEY);
    for (uint32_t i = 0; r != NULL && i < r->request_count; i++)
        if (r->requests[i].is_read)
            return true;
    return false;
}

/* A read, which waits for a write that it saw, is under way when the primary stops for longer than
 * its lease; meanwhile others go on. Returns whether the read was held. */
static bool pause_after(struct scenario *s, int64_t us, uint64_t value) {
    uint32_t primary = script_primary_of(s, KEY);
    scenario_begin(s, 2, primary, KEY, OPERATION_WRITE, 1000 + value, 0);
    scenario_begin(s, 1, primary, KEY, OPERATION_READ, 0, 0);
    world_run_for(s->world, us);
    bool is_held = has_held_read(s, primary);
    machine_pause(scenario_machine(s, primary), 1500000);
    scenario_wait(s, 900);
    script_write(s, KEY, value, 5000, "somebody else goes on");
    scenario_expect(s, script_primary_of(s, KEY) != primary, "another primary");
    scenario_wait(s, 3000);
    struct scenario_answer answer = scenario_ask(s, primary, KEY, OPERATION_READ, 0, 0);
    scenario_expect(s, answer.outcome != OUTCOME_DONE || answer.value != value - 1,
                    "the old primary shows nothing old");
    while ((s->clients->each[1].is_waiting || s->clients->each[2].is_waiting) &&
           s->world->violation == NULL)
        scenario_wait(s, 5);
    scenario_expect(s, scenario_settles(s, 15000), "everything is available again");
    return is_held;
}

static void pause_past_lease(struct scenario *s) {
    uint64_t value = 10;
    uint32_t held = 0, not_held = 0;
    script_begin(s);
    for (int64_t us = 250; us < 1500 && s->world->violation == NULL; us += 50) {
        bool is_held = pause_after(s, us, ++value);
        held += is_held;
        not_held += !is_held;
    }
    scenario_expect(s, held >= 2 && not_held >= 2, "some pauses lie between execution and answer");
    if (s->world->violation == NULL)
        scenario_report(s, "pauses: %u while a read was held, %u before or after", (unsigned)held,
                        (unsigned)not_held);
}

static void cut_one_way(struct scenario *s) {
    script_begin(s);
    for (uint64_t round = 0; round < 2; round++) {
        uint32_t primary = script_primary_of(s, KEY);
        uint32_t others = 31u & ~(1u << primary);
        scenario_cut_off(s, round == 0 ? 1u << primary : others, true);
        scenario_begin(s, 1, primary, KEY, OPERATION_READ, 0, 0);
        script_write(s, KEY, 11 + round, 8000, "writes go on");
        scenario_heal(s);
        scenario_expect(s, scenario_settles(s, 15000), "everything is available again");
    }
    script_end(s, 12);
}

/* The side without a majority of the voters accepts nothing, and loses nothing. */
static void minority(struct scenario *s) {
    script_begin(s);
    uint32_t primary = script_primary_of(s, KEY);
    uint32_t friend = (primary + 1) % 5;
    scenario_cut_off(s, 1u << primary | 1u << friend, false);
    scenario_wait(s, 3000);
    struct scenario_answer answer = scenario_ask(s, primary, KEY, OPERATION_WRITE, 99, 0);
    scenario_expect(s, answer.outcome != OUTCOME_DONE, "a minority accepts nothing");
    answer = scenario_ask(s, primary, KEY, OPERATION_READ, 0, 0);
    scenario_expect(s, answer.outcome != OUTCOME_DONE, "and answers nothing");
    script_write(s, OTHER_KEY, 21, 8000, "the majority goes on");
    scenario_heal(s);
    scenario_expect(s, scenario_settles(s, 15000), "everything is available again");
    script_expect_value(s, OTHER_KEY, 21);
}

/* What stays for ten minutes is there after jumps by hours, what stays for two seconds goes within
 * three: the one that a new primary's time may be wrong by. A lock is held on. */
static void clock_jumps(struct scenario *s) {
    static const int64_t JUMPS_US[] = {3600000000, -7200000000, 86400000000, -86400000000, 1000};
    struct lock_client_command acquire = {.type = LOCK_REQUEST_ACQUIRE, .hold_ms = 600000};
    script_begin(s);
    acquire.lock = script_lock_beside(s, KEY);
    struct lock_client_command write = {.is_write = true,
                                        .lock = acquire.lock,
                                        .token = script_ask_lock(s, 0, &acquire)->result_token};
    for (uint64_t i = 0; i < 5 && s->world->violation == NULL; i++) {
        uint64_t key = i % 2 == 0 ? KEY : EXPIRING;
        struct scenario_answer answer = {0};
        script_write_for(s, EXPIRING, 31 + i, i == 4 ? 2000 : 600000);
        int64_t written_us = s->world->now_us;
        machine_jump_wall(scenario_machine(s, script_primary_of(s, key)), JUMPS_US[i]);
        script_write(s, KEY, 11 + i, 3000, "writes go on after a jump of the wall clock");
        machine_crash(scenario_machine(s, script_primary_of(s, key)));
        script_write(s, COUNTER, 5 + i, 5000, "and after a failover");
        script_expect_value(s, KEY, 11 + i);
        if (i < 4)
            script_expect_value(s, EXPIRING, 31 + i);
        scenario_expect(s, script_ask_lock(s, 1, &acquire)->answer == LOCK_HELD,
                        "the lock is held on");
        scenario_expect(s, !script_ask_lock(s, 0, &write)->is_stale, "and its token is good");
        script_end(s, 11 + i);
        if (i < 4)
            continue;
        int64_t left_us = written_us + 3100000 - s->world->now_us;
        world_run_for(s->world, left_us > 0 ? left_us : 0);
        scenario_expect(s, script_ask(s, EXPIRING, OPERATION_READ, 0, 2000, &answer),
                        "a read is answered");
        scenario_expect(s, answer.value == 0, "what was to go has gone");
    }
}

/* A key is in the store until somebody found it expired, which changes the store: the simulator
 * sees it until then, as a later primary may whose clock is behind. */
static void expired_but_kept(struct scenario *s) {
    struct scenario_answer answer = {0};
    uint64_t value = 0;
    script_begin(s);
    script_write_for(s, EXPIRING, 31, 2000);
    uint32_t primary = script_primary_of(s, EXPIRING);
    scenario_cut_off(s, 1u << primary, false);
    scenario_wait(s, 3000);
    scenario_expect(s,
                    cluster_data_value(cluster_process_data(scenario_machine(s, primary)->process),
                                       EXPIRING, &value),
                    "the value is looked up");
    scenario_expect(s, value == 31, "what a primary without a lease can't remove is there");
    scenario_expect(s, script_ask(s, EXPIRING, OPERATION_READ, 0, 2000, &answer),
                    "a read is answered elsewhere");
    scenario_expect(s, answer.value == 0, "and finds it expired");
    scenario_heal(s);
    script_end(s, 10);
}

static void coordinator_disk_full(struct scenario *s) {
    script_begin(s);
    uint32_t coordinator = scenario_important(s);
    scenario_machine(s, coordinator)->disk.is_full = true;
    uint32_t primary = script_primary_of(s, KEY);
    if (primary != coordinator)
        machine_crash(scenario_machine(s, primary));
    script_write(s, KEY, 11, 8000, "a failover happens although the coordinator can't store it");
    scenario_machine(s, coordinator)->disk.is_full = false;
    script_end(s, 11);
}

const struct scenario_type CLUSTER_SCENARIOS[] = {
    CLUSTER_SCRIPT("primary-lost", "a primary dies; another accepts writes within a second",
                   primary_lost),
    CLUSTER_SCRIPT("double-failover", "the one elected dies before it opens", double_failover),
    CLUSTER_SCRIPT("empty-fast-restart", "a primary is back, empty, within the detection time",
                   empty_fast_restart),
    CLUSTER_SCRIPT("last-replica-standing", "two of three replicas die", last_replica_standing),
    CLUSTER_SCRIPT("coordinator-and-primary", "both are lost together",
                   coordinator_and_primary_lost),
    CLUSTER_SCRIPT("all-replicas-lost", "LOST, then RESET, and everybody knows", all_replicas_lost),
    CLUSTER_SCRIPT("token-after-total-loss", "tokens grow although all replicas are lost",
                   token_after_total_loss),
    CLUSTER_SCRIPT("pause-past-lease", "a primary sleeps between check and reply",
                   pause_past_lease),
    CLUSTER_SCRIPT("primary-cut-one-way", "it is heard and does not hear, and the other way round",
                   cut_one_way),
    CLUSTER_SCRIPT("minority", "two of five cut off with a primary", minority),
    CLUSTER_SCRIPT("cluster-clock-jumps", "wall clocks jump by hours and days over failovers",
                   clock_jumps),
    CLUSTER_SCRIPT("expired-but-kept", "a primary that was cut off removes no expired key",
                   expired_but_kept),
    CLUSTER_SCRIPT("cluster-disk-full", "the coordinator's disk is full when a primary dies",
                   coordinator_disk_full),
    {0},
};
