/* SPDX-License-Identifier: BSD-3-Clause */
/* Scripts about settings that change while the cluster runs. */
#include "sim/cluster_script.h"
#include "sim/subject_cluster.h"

static void set(struct scenario *s, uint32_t machine, enum quorum_policy policy,
                uint32_t replica_count) {
    struct cluster_member *member = script_member_at(s, machine);
    scenario_expect(s, member != NULL, "there is a member to ask");
    if (member == NULL)
        return;
    struct config_entry entry = {.type = CONFIG_SETTINGS,
                                 .settings = member_configuration(member)->settings};
    entry.settings.quorum_policy = policy;
    entry.settings.replica_count = replica_count;
    member_propose(member, &entry);
}

static void write_at(struct scenario *s, uint32_t machine, uint64_t value, const char *what) {
    struct scenario_answer answer = {0};
    for (uint32_t i = 0; i < 10 && answer.outcome != OUTCOME_DONE; i++) /* memory may be short */
        answer = scenario_ask(s, machine, KEY, OPERATION_WRITE, value, 0);
    scenario_expect(s, answer.outcome == OUTCOME_DONE, what);
}

/* One member leads the partition, is all of its in-sync set, and may go on by itself. */
static uint32_t begin_alone(struct scenario *s) {
    script_begin(s);
    set(s, 0, QUORUM_IN_SYNC, 1);
    for (uint32_t i = 0; i < 200 && script_config_of(s, KEY)->in_sync.count != 1; i++)
        scenario_wait(s, 100);
    scenario_expect(s, script_config_of(s, KEY)->in_sync.count == 1, "there is one replica");
    scenario_expect(s, scenario_settles(s, 15000), "that is all there should be");
    return script_primary_of(s, KEY);
}

/* It is cut off, and does not hear that the policy is another one now. */
static void policy_isr_ends_unheard(struct scenario *s) {
    uint32_t alone = begin_alone(s);
    if (s->world->violation != NULL)
        return;
    scenario_cut_off(s, 1u << alone, false);
    scenario_wait(s, 20);
    set(s, scenario_other(s, alone), QUORUM_MAJORITY, 1);
    scenario_wait(s, 3000);
    if (script_config_of(s, KEY)->state != PARTITION_LOST) /* it had been the coordinator */
        set(s, scenario_other(s, alone), QUORUM_MAJORITY, 1);
    write_at(s, alone, 11, "who is alone goes on under the policy that it knows");
    scenario_wait(s, 20000);
    scenario_expect(s, script_config_of(s, KEY)->state == PARTITION_LOST,
                    "so nobody else is elected, however long it takes");
    write_at(s, alone, 12, "who is alone still goes on");
    scenario_heal(s);
    script_end(s, 12);
}

/* All have heard of it: a partition whose last member is gone is given up by itself again. */
static void policy_isr_ends(struct scenario *s) {
    uint32_t alone = begin_alone(s);
    if (s->world->violation != NULL)
        return;
    set(s, scenario_other(s, alone), QUORUM_MAJORITY, 1);
    scenario_wait(s, 1000);
    scenario_expect(s, !script_config_of(s, KEY)->is_unleased, "its primary says that it knows");
    uint64_t term = script_config_of(s, KEY)->term;
    machine_crash(scenario_machine(s, alone));
    scenario_wait(s, 10000);
    scenario_expect(s, script_config_of(s, KEY)->reset_term > term, "the data is given up");
    script_write(s, KEY, 13, 5000, "writes go on");
    script_end(s, 13);
}

const struct scenario_type POLICY_SCENARIOS[] = {
    CLUSTER_SCRIPT("policy-change",
                   "policy isr ends while a member that may go on alone is cut off",
                   policy_isr_ends_unheard),
    CLUSTER_SCRIPT("policy-change-heard", "policy isr ends and everybody knows", policy_isr_ends),
    {0},
};
