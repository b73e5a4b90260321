/* SPDX-License-Identifier: BSD-3-Clause */
/* Scripts about what moves: copies, hand-offs, and clients that come to where something was. */
#include "cluster/copying.h"
#include "sim/cluster_script.h"
#include "sim/script_steps.h"
#include "sim/subject_cluster.h"

/* ---- copies ---- */

static void replace_machine(struct scenario *s, uint32_t machine) {
    machine_crash(scenario_machine(s, machine));
    machine_replace(scenario_machine(s, machine));
    (void)machine_start(scenario_machine(s, machine));
}

/* Logs are so short that what is missing has to be copied. */
static void begin_with_short_logs(struct scenario *s) {
    cluster_subject_settings(s->subject)->log_records = 16;
    script_restart(s);
    script_begin(s);
    for (uint32_t i = 0; i < 40; i++) {
        struct scenario_answer answer;
        scenario_expect(s, script_ask(s, KEY, OPERATION_WRITE, 200 + i, 2000, &answer), "a write");
        scenario_expect(s, script_ask(s, SET_KEY, OPERATION_SET_ADD, i % 8, 2000, &answer),
                        "and another");
    }
}

/* A machine gets an empty disk and is a new node, which needs copies. Returns it when one has begun
 * for the key's partition. */
static uint32_t begin_copy(struct scenario *s, uint64_t key) {
    uint32_t receiver = NONE, backup = script_backup_of(s, key, 0);
    if (backup == NONE)
        return NONE;
    replace_machine(s, backup);
    script_wait_for_role(s, key, REPLICA_LEARNER, 10000, &receiver);
    return receiver;
}

/* ---- a crash at each step ---- */

enum victim { VICTIM_RECEIVER, VICTIM_PRIMARY, VICTIM_COORDINATOR, VICTIM_LEAVING, VICTIM_COUNT };

struct crash {
    struct scenario *scenario;
    enum victim victim;
    uint32_t leaving, receiver; /* machines; NONE: there is none */
};

static uint32_t find_receiver(const struct crash *crash) {
    const struct partition_config *config = script_config_of(crash->scenario, KEY);
    uint32_t machine = NONE;
    if (config->learners.count > 0)
        machine = script_machine_of(crash->scenario, config->learners.members[0]);
    return machine != NONE ? machine : crash->receiver;
}

static void crash_victim(void *context) {
    const struct crash *crash = context;
    struct scenario *s = crash->scenario;
    uint32_t who = crash->victim == VICTIM_RECEIVER      ? find_receiver(crash)
                   : crash->victim == VICTIM_PRIMARY     ? script_primary_of(s, KEY)
                   : crash->victim == VICTIM_COORDINATOR ? scenario_important(s)
                                                         : crash->leaving;
    if (who != NONE && machine_is_running(scenario_machine(s, who)))
        machine_crash(scenario_machine(s, who));
}

/* Nobody votes who is no more: one more may be lost. */
static bool are_voters_here(const struct scenario *s) {
    uint32_t coordinator = scenario_important(s), here = 0, voters = 0;
    if (coordinator == NONE)
        return false;
    const struct raft_configuration *core =
        raft_get_configuration(member_raft(script_member_at(s, coordinator)));
    for (uint32_t i = 0; i < core->count; i++) {
        voters += core->members[i].is_voter;
        for (uint32_t k = 0; k < s->world->options.machine_count; k++)
            here += core->members[i].is_voter &&
                    raft_id_equal(core->members[i].id, s->world->machines[k].node_id);
    }
    return here == s->world->options.machine_count && voters == here;
}

/* What moves, until it is over. */
struct move {
    void (*begin)(struct scenario *s, struct crash *crash);
    bool (*is_over)(struct scenario *s, const struct crash *crash);
    uint32_t victims;
};

/* Let it move, with a crash at the step of this number. False: there are not so many. */
static bool crash_at_step(struct scenario *s, const struct move *move, enum victim victim,
                          uint32_t number, uint64_t *value) {
    struct crash crash = {.scenario = s, .victim = victim, .leaving = NONE, .receiver = NONE};
    struct script_steps steps;
    int64_t end_us = s->world->now_us + 12000000;
    script_steps_begin(&steps, s, KEY, number, crash_victim, &crash);
    move->begin(s, &crash);
    scenario_begin(s, 1, script_primary_of(s, KEY), KEY, OPERATION_WRITE, ++*value, 0);
    while (!steps.is_done && !move->is_over(s, &crash) && s->world->violation == NULL &&
           s->world->now_us < end_us)
        scenario_wait(s, 1);
    script_steps_end(&steps);
    scenario_expect(s, s->world->now_us < end_us, "what moves comes to an end");
    while (s->clients->each[1].is_waiting && s->world->violation == NULL)
        scenario_wait(s, 5);
    script_write(s, KEY, ++*value, 8000, "writes go on");
    if (move->victims == VICTIM_COUNT && machine_is_running(scenario_machine(s, crash.leaving)))
        machine_crash(scenario_machine(s, crash.leaving));
    script_end(s, *value);
    for (uint32_t ms = 0; ms < 10000 && !are_voters_here(s) && s->world->violation == NULL;
         ms += 10)
        scenario_wait(s, 10);
    scenario_expect(s, are_voters_here(s), "those who are there vote");
    return steps.is_done;
}

static void crash_at_each_step(struct scenario *s, const struct move *move, uint32_t least,
                               const char *what) {
    uint64_t value = (uint64_t)s->world->now_us; /* larger than those before */
    uint32_t steps = 0;
    for (bool is_there = true; is_there && s->world->violation == NULL; steps += is_there) {
        is_there = false;
        for (uint32_t victim = 0; victim < move->victims && s->world->violation == NULL; victim++)
            is_there |= crash_at_step(s, move, (enum victim)victim, steps, &value);
    }
    scenario_expect(s, steps >= least, "it has so many steps");
    if (s->world->violation == NULL)
        scenario_report(s, "%s: %u steps, %u victims at each", what, (unsigned)steps,
                        (unsigned)move->victims);
}

/* ---- a replica is lost, and another one made ---- */

static void begin_replacing(struct scenario *s, struct crash *crash) {
    uint32_t lost = script_backup_of(s, KEY, 0);
    scenario_expect(s, lost != NONE, "there is a backup to lose");
    if (lost == NONE)
        return;
    crash->leaving = lost;
    replace_machine(s, lost);
}

/* And a surplus one removed, who lives. */
static bool is_whole(struct scenario *s, const struct crash *crash) {
    (void)crash;
    return s->type->is_settled(s->subject);
}

static void crash_at_each_step_of_a_copy(struct scenario *s) {
    static const struct move REPLACING = {begin_replacing, is_whole, VICTIM_LEAVING};
    begin_with_short_logs(s);
    crash_at_each_step(s, &REPLACING, 8, "a copy");
}

/* ---- a member leaves: its replicas move while it lives ---- */

static void begin_leaving(struct scenario *s, struct crash *crash, uint32_t who) {
    crash->leaving = who;
    struct cluster_member *member = who == NONE ? NULL : script_member_at(s, who);
    scenario_expect(s, member != NULL, "there is somebody to leave");
    if (member != NULL)
        member_drain(member, DEPARTURE_LEAVE);
}

static void begin_leaving_as_backup(struct scenario *s, struct crash *crash) {
    begin_leaving(s, crash, script_backup_of(s, KEY, 0));
}

static void begin_leaving_as_primary(struct scenario *s, struct crash *crash) {
    begin_leaving(s, crash, script_primary_of(s, KEY));
}

static bool has_left(struct scenario *s, const struct crash *crash) {
    const struct cluster_member *member = script_member_at(s, crash->leaving);
    return member == NULL || member_may_leave(member);
}

static void crash_at_each_step_of_leaving(struct scenario *s) {
    static const struct move AS_BACKUP = {begin_leaving_as_backup, has_left, VICTIM_COUNT};
    static const struct move AS_PRIMARY = {begin_leaving_as_primary, has_left, VICTIM_COUNT};
    begin_with_short_logs(s);
    crash_at_each_step(s, &AS_BACKUP, 8, "a backup leaves");
    crash_at_each_step(s, &AS_PRIMARY, 8, "a primary leaves");
}

/* ---- a hand-off ---- */

static void begin_hand_off(struct scenario *s, struct crash *crash) {
    uint32_t primary = script_primary_of(s, KEY), next = script_backup_of(s, KEY, 0);
    scenario_expect(s, primary != NONE && next != NONE, "there is somebody to hand over to");
    if (s->world->violation != NULL)
        return;
    crash->receiver = next;
    cluster_data_hand_off(cluster_process_data(scenario_machine(s, primary)->process),
                          script_partition_of(s, KEY), member_number(script_member_at(s, next)));
}

static bool is_handed_over(struct scenario *s, const struct crash *crash) {
    return script_primary_of(s, KEY) == crash->receiver &&
           script_has_role(s, crash->receiver, KEY, REPLICA_OPEN);
}

static void crash_at_each_step_of_a_hand_off(struct scenario *s) {
    static const struct move HAND_OFF = {begin_hand_off, is_handed_over, VICTIM_LEAVING};
    script_begin(s);
    crash_at_each_step(s, &HAND_OFF, 4, "a hand-off");
}

/* ---- deletes ---- */

struct seen_item {
    struct scenario *scenario;
    uint32_t receiver;
    bool is_sent;
};

/* Once the bucket of the key is on its way, nothing that the receiver says arrives: the copy can't
 * end. */
static bool watch_for_item(void *context) {
    struct seen_item *seen = context;
    struct scenario *s = seen->scenario;
    const struct sim_event *event = &s->world->events[0];
    if (seen->is_sent ||
        script_frame_kind(event, script_partition_of(s, SET_KEY)) !=
            STEP_FRAME_COPYING + COPYING_UNIT ||
        !script_frame_names(event, SET_KEY))
        return false;
    seen->is_sent = true;
    seen->receiver = event->target;
    world_note(s->world, "the item is on its way to machine", seen->receiver, 0);
    network_cut(&s->world->network, seen->receiver, event->source);
    return false;
}

/* What is deleted while it is copied does not come back with the copy. */
static void delete_during_copy(struct scenario *s) {
    struct scenario_answer answer;
    struct seen_item seen = {.scenario = s, .receiver = NONE};
    begin_with_short_logs(s);
    for (uint64_t i = 0; i < 8; i++)
        scenario_expect(s,
                        script_ask(s, SET_KEY, i == 3 ? OPERATION_SET_ADD : OPERATION_SET_REMOVE, i,
                                   2000, &answer),
                        "one member is left");
    s->world->before_event = watch_for_item;
    s->world->before_event_context = &seen;
    scenario_expect(s, begin_copy(s, SET_KEY) != NONE, "a copy begins");
    for (uint32_t ms = 0; ms < 2000 && !seen.is_sent && s->world->violation == NULL; ms++)
        scenario_wait(s, 1);
    s->world->before_event = NULL;
    scenario_expect(s, seen.is_sent, "the item is sent");
    scenario_expect(s, script_ask(s, SET_KEY, OPERATION_SET_REMOVE, 3, 2000, &answer),
                    "then its last member is removed");
    scenario_expect(s, answer.is_done, "it was there");
    scenario_expect(s, script_has_role(s, seen.receiver, SET_KEY, REPLICA_LEARNER),
                    "the copy is under way still");
    scenario_heal(s);
    scenario_expect(s, scenario_settles(s, 15000), "the copy ends");
    for (uint32_t i = 0; i < s->world->options.machine_count; i++)
        if (i != seen.receiver)
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
    CLUSTER_SCRIPT(
        "crash-in-leaving",
        "receiver, primary, coordinator, who leaves: at each step of moving its replicas",
        crash_at_each_step_of_leaving),
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
