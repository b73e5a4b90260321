/* SPDX-License-Identifier: BSD-3-Clause */
/* Scripts about what moves: copies, hand-offs, and clients that come to where something was. */
#include "sim/cluster_script.h"
#include "sim/subject_cluster.h"

/* ---- copies and hand-offs ---- */

/* A machine gets an empty disk and is a new node, which needs copies. Returns it when one has begun
 * for the key's partition. */
static uint32_t begin_copy(struct scenario *s, uint64_t key) {
    uint32_t receiver = NONE, backup = script_backup_of(s, key, 0);
    if (backup == NONE)
        return NONE;
    struct sim_machine *machine = scenario_machine(s, backup);
    machine_crash(machine);
    machine_replace(machine);
    for (uint32_t i = 0; i < s->world->options.machine_count; i++)
        (void)machine_start(scenario_machine(s, i));
    script_wait_for_role(s, key, REPLICA_LEARNER, 10000, &receiver);
    return receiver;
}

/* Somebody crashes so many milliseconds after a copy has begun. */
static void crash_in_copy(struct scenario *s, uint32_t victim, int64_t after_ms, uint64_t value) {
    uint32_t receiver = begin_copy(s, KEY);
    scenario_expect(s, receiver != NONE, "a copy begins");
    if (receiver == NONE)
        return;
    scenario_begin(s, 1, script_primary_of(s, KEY), OTHER_KEY, OPERATION_WRITE, value, 0);
    scenario_wait(s, after_ms);
    uint32_t who = victim == 0   ? receiver
                   : victim == 1 ? script_primary_of(s, KEY)
                                 : scenario_important(s);
    if (who != NONE)
        machine_crash(scenario_machine(s, who));
    script_write(s, KEY, value, 8000, "writes go on");
    script_end(s, value);
}

static void crash_at_each_step_of_a_copy(struct scenario *s) {
    static const int64_t AFTER_MS[] = {0, 1, 2, 3, 5, 8, 15, 30, 60, 120};
    uint64_t value = 10;
    script_begin(s);
    for (uint32_t i = 0; i < 10; i++)
        for (uint32_t victim = 0; victim < 3 && s->world->violation == NULL; victim++)
            crash_in_copy(s, victim, AFTER_MS[i], ++value);
}

/* The primary, its successor or the coordinator dies, so many microseconds after a hand-off began.
 */
static void crash_in_hand_off(struct scenario *s, uint32_t victim, int64_t after_us,
                              uint64_t value) {
    uint32_t primary = script_primary_of(s, KEY), next = script_backup_of(s, KEY, 0);
    scenario_expect(s, primary != NONE && next != NONE, "there is somebody to hand over to");
    if (s->world->violation != NULL)
        return;
    scenario_begin(s, 1, primary, KEY, OPERATION_WRITE, value, 0);
    cluster_data_hand_off(cluster_process_data(scenario_machine(s, primary)->process),
                          script_partition_of(s, KEY), member_number(script_member_at(s, next)));
    world_run_for(s->world, after_us);
    uint32_t who = victim == 0 ? primary : victim == 1 ? next : scenario_important(s);
    if (who != NONE)
        machine_crash(scenario_machine(s, who));
    while (s->clients->each[1].is_waiting && s->world->violation == NULL)
        scenario_wait(s, 5);
    script_write(s, KEY, value + 1, 8000, "writes go on");
    script_end(s, value + 1);
}

static void crash_at_each_step_of_a_hand_off(struct scenario *s) {
    uint64_t value = 11;
    script_begin(s);
    for (uint32_t i = 0; i < 12; i++)
        for (uint32_t victim = 0; victim < 3 && s->world->violation == NULL; victim++) {
            crash_in_hand_off(s, victim, 200 * i, value);
            value += 2;
        }
}

/* What is deleted while it is copied does not come back with the copy. */
static void delete_during_copy(struct scenario *s) {
    struct scenario_answer answer;
    script_begin(s);
    scenario_expect(s, script_ask(s, SET_KEY, OPERATION_SET_ADD, 3, 2000, &answer),
                    "a member is added");
    uint32_t receiver = begin_copy(s, SET_KEY);
    scenario_expect(s, receiver != NONE, "a copy begins");
    scenario_expect(s, script_ask(s, SET_KEY, OPERATION_SET_REMOVE, 3, 2000, &answer),
                    "the last member is removed while the copy is under way");
    scenario_expect(s, answer.is_done, "it was there");
    scenario_expect(s, scenario_settles(s, 15000), "the copy ends");
    for (uint32_t i = 0; i < s->world->options.machine_count; i++)
        if (i != receiver)
            machine_crash(scenario_machine(s, i));
    for (uint32_t i = 0; i < s->world->options.machine_count; i++)
        (void)machine_start(scenario_machine(s, i));
    scenario_expect(s, script_ask(s, SET_KEY, OPERATION_READ, 0, 20000, &answer),
                    "a read is answered");
    scenario_expect(s, answer.value == 0, "what was deleted stays deleted");
}

/* The learner is reborn, empty, while the config group decides whether it is in sync. */
static void expand_against_a_reborn_member(struct scenario *s) {
    uint64_t value = 10;
    script_begin(s);
    for (int64_t us = 500; us < 20000; us += 500) {
        uint32_t receiver = begin_copy(s, KEY);
        scenario_expect(s, receiver != NONE, "a copy begins");
        if (receiver == NONE)
            return;
        world_run_for(s->world, us);
        machine_crash(scenario_machine(s, receiver));
        (void)machine_start(scenario_machine(s, receiver));
        script_write(s, KEY, ++value, 8000, "writes go on");
        script_end(s, value);
    }
}

/* ---- clients ---- */

static void stale_client_table(struct scenario *s) {
    script_begin(s);
    uint32_t before = script_primary_of(s, KEY);
    machine_crash(scenario_machine(s, before));
    script_write(s, KEY, 11, 5000, "writes go on");
    (void)machine_start(scenario_machine(s, before));
    scenario_expect(s, scenario_settles(s, 15000), "it is back");
    for (uint32_t i = 0; i < s->world->options.machine_count; i++) {
        struct scenario_answer answer = scenario_ask(s, i, KEY, OPERATION_READ, 0, 0);
        scenario_expect(s, answer.outcome == OUTCOME_DONE ? answer.value == 11 : true,
                        "nobody but the primary answers for it");
    }
    script_end(s, 11);
}

/* Executed, and the primary dies before the reply: sent again, it is not executed again. */
static void retry_after_failover(struct scenario *s) {
    uint64_t total = 0;
    script_begin(s);
    for (int64_t us = 100; us < 3000; us += 150) {
        uint32_t primary = script_primary_of(s, COUNTER);
        scenario_begin(s, 1, primary, COUNTER, OPERATION_ADD, 1, 0);
        world_run_for(s->world, us);
        machine_crash(scenario_machine(s, primary));
        while (s->clients->each[1].is_waiting && s->world->violation == NULL)
            scenario_wait(s, 5);
        bool is_done = s->clients->each[1].outcome == OUTCOME_DONE;
        struct scenario_answer answer = {0};
        scenario_expect(s, script_ask(s, COUNTER, OPERATION_READ, 0, 8000, &answer),
                        "a read is answered");
        scenario_expect(s, answer.value <= total + 1, "it was executed once at most");
        scenario_expect(s, !is_done || answer.value == total + 1, "if it was answered, once");
        total = answer.value;
        script_end(s, 10);
    }
}

/* ---- disks ---- */

const struct scenario_type MOVES_SCENARIOS[] = {
    CLUSTER_SCRIPT("crash-in-copy", "receiver, primary, coordinator: at each step of a copy",
                   crash_at_each_step_of_a_copy),
    CLUSTER_SCRIPT("crash-in-hand-off", "primary, successor, coordinator: at each step",
                   crash_at_each_step_of_a_hand_off),
    CLUSTER_SCRIPT("delete-during-copy", "what is deleted while it moves stays deleted",
                   delete_during_copy),
    CLUSTER_SCRIPT("expand-reborn", "EXPAND of a learner that was reborn empty",
                   expand_against_a_reborn_member),
    CLUSTER_SCRIPT("stale-client-table", "clients ask who was the primary", stale_client_table),
    CLUSTER_SCRIPT("retry-after-failover", "a request is sent again to another primary",
                   retry_after_failover),
    {0},
};
