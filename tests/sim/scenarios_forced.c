/* SPDX-License-Identifier: BSD-3-Clause */
/* Scripts about an operator who gives up the majority of the config group: one member that is left
 * begins a new generation by force, and the others come back. That those can't do harm the oracle
 * sees as well. */
#include "sim/cluster_script.h"
#include "sim/subject_cluster.h"

enum { ALL = 5 };

/* Who is left of five: a survivor that is in sync with KEY, and a bystander. */
struct left {
    uint32_t survivor, bystander;
};

/* Neither leads KEY, and the survivor does not lead the config group. */
static struct left choose(const struct scenario *s) {
    uint32_t coordinator = scenario_important(s), primary = script_primary_of(s, KEY);
    struct left left = {script_backup_of(s, KEY, 0), NONE};
    if (left.survivor == coordinator)
        left.survivor = script_backup_of(s, KEY, 1);
    for (uint32_t i = 0; i < ALL; i++)
        if (i != left.survivor && i != primary && i != coordinator)
            left.bystander = i;
    return left;
}

static bool is_left(const struct left *left, uint32_t machine) {
    return machine == left->survivor || machine == left->bystander;
}

static void lose_the_others(struct scenario *s, const struct left *left) {
    for (uint32_t i = 0; i < ALL; i++)
        if (!is_left(left, i))
            machine_lose_power(scenario_machine(s, i));
}

static enum larder_status force(struct scenario *s, uint32_t machine,
                                struct forced_generation *out) {
    *out = (struct forced_generation){0};
    if (machine == NONE || script_member_at(s, machine) == NULL)
        return LARDER_DENIED;
    scenario_note(s, "the operator begins a new generation by force");
    return cluster_process_force(scenario_machine(s, machine)->process, out);
}

static const struct configuration *shown_by(const struct scenario *s, uint32_t machine) {
    const struct cluster_member *member = script_member_at(s, machine);
    return member == NULL ? NULL : member_configuration(member);
}

static bool is_of_generation(const struct scenario *s, uint32_t machine, uint16_t generation) {
    const struct configuration *c = shown_by(s, machine);
    return c != NULL && c->generation == generation;
}

static bool is_member(const struct scenario *s, uint32_t machine) {
    const struct cluster_member *member = script_member_at(s, machine);
    return member != NULL && member_number(member) != CLUSTER_NOBODY;
}

static void expect_refusal(struct scenario *s, uint32_t machine) {
    struct scenario_answer answer = scenario_ask(s, machine, KEY, OPERATION_WRITE, 666, 0);
    scenario_expect(s, answer.outcome != OUTCOME_DONE, "no write is accepted there");
    answer = scenario_ask(s, machine, KEY, OPERATION_READ, 0, 0);
    scenario_expect(s, answer.outcome != OUTCOME_DONE, "nor is a read answered");
}

/* Until the operator may: the coordinator is known to be gone. */
static void force_when_allowed(struct scenario *s, uint32_t survivor) {
    struct forced_generation forced;
    scenario_expect(s, force(s, survivor, &forced) == LARDER_AGAIN,
                    "the coordinator was heard a moment ago");
    scenario_wait(s, 8000);
    scenario_expect(s, force(s, survivor, &forced) == LARDER_OK, "a new generation begins");
    scenario_expect(s, forced.generation == 2 && forced.members_removed == ALL - 1,
                    "with one member");
    scenario_expect(s, forced.kept_count > 0, "that keeps what it was in sync with");
}

/* With its disk it is what it was: of the old generation, which it can't go on with, and the new
 * one does not hear it. Emptied it is a new node. */
static void come_back(struct scenario *s, uint32_t machine, uint32_t survivor) {
    uint32_t members = shown_by(s, survivor)->member_count;
    uint64_t term = script_config_of(s, KEY)->term;
    (void)machine_start(scenario_machine(s, machine));
    scenario_wait(s, 3000);
    scenario_expect(s, is_of_generation(s, machine, 1), "it is of the old generation");
    scenario_expect(s, shown_by(s, survivor)->member_count == members, "which is not let in");
    scenario_expect(s, script_config_of(s, KEY)->term == term, "and changes nothing");
    scenario_begin(s, machine + 1, machine, OTHER_KEY, OPERATION_WRITE, 666, 0);
    scenario_wait(s, 10); /* the oracle sees to it that it does not answer: others may, later */
    machine_crash(scenario_machine(s, machine));
    machine_replace(scenario_machine(s, machine));
    (void)machine_start(scenario_machine(s, machine));
    for (uint32_t i = 0; i < 15000 && !is_member(s, machine); i += 100)
        scenario_wait(s, 100);
    scenario_expect(s, is_member(s, machine) && is_of_generation(s, machine, 2),
                    "emptied it joins the new one");
}

/* The bystander, which runs on and tells newcomers of its own generation, comes last. */
static void come_back_all(struct scenario *s, const struct left *left) {
    for (uint32_t i = 0; i < ALL; i++)
        if (!is_left(left, i))
            come_back(s, i, left->survivor);
    come_back(s, left->bystander, left->survivor);
}

/* ---- scripts ---- */

static void majority_is_gone(struct scenario *s) {
    script_begin(s);
    struct left left = choose(s);
    script_write(s, KEY, 11, 2000, "a write is acknowledged");
    lose_the_others(s, &left);
    scenario_wait(s, 5000);
    uint64_t index = shown_by(s, left.survivor)->index;
    expect_refusal(s, left.survivor);
    expect_refusal(s, left.bystander);
    scenario_wait(s, 5000);
    scenario_expect(s, shown_by(s, left.survivor)->index == index, "nothing is decided");
    struct forced_generation forced;
    scenario_expect(s, force(s, left.survivor, &forced) == LARDER_OK, "a new generation begins");
    script_expect_value(s, KEY, 11);
    script_write(s, KEY, 12, 5000, "the survivor goes on alone");
    scenario_expect(s, is_of_generation(s, left.bystander, 1), "the other one did not come along");
    expect_refusal(s, left.bystander);
    come_back_all(s, &left);
    script_end(s, 12);
}

/* Power is lost at the moment in which it has begun; whatever was not durable by then is not. */
static void power_lost_at_once(struct scenario *s) {
    script_begin(s);
    struct left left = choose(s);
    script_write(s, KEY, 11, 2000, "a write is acknowledged");
    lose_the_others(s, &left);
    force_when_allowed(s, left.survivor);
    machine_lose_power(scenario_machine(s, left.survivor));
    (void)machine_start(scenario_machine(s, left.survivor));
    scenario_wait(s, 3000);
    scenario_expect(s, is_of_generation(s, left.survivor, 2), "it has begun for ever");
    script_expect_value(s, KEY, 11);
    script_write(s, KEY, 12, 5000, "the survivor goes on alone");
    machine_lose_power(scenario_machine(s, left.survivor));
    (void)machine_start(scenario_machine(s, left.survivor));
    script_expect_value(s, KEY, 12);
    come_back_all(s, &left);
    for (uint32_t i = 0; i < ALL; i++)
        machine_lose_power(scenario_machine(s, i));
    script_end(s, 12);
}

/* The survivor has no copy of KEY: that is lost, and its partition begins anew, empty. */
static void survivor_lacks_data(struct scenario *s) {
    script_begin(s);
    struct left left = choose(s);
    for (uint32_t i = 0; i < ALL; i++) {
        const struct cluster_member *member = script_member_at(s, i);
        if (member != NULL &&
            !member_set_has(&script_config_of(s, KEY)->in_sync, member_number(member)))
            left.survivor = i;
    }
    scenario_expect(s, !script_has_role(s, left.survivor, KEY, REPLICA_BACKUP),
                    "somebody has no copy");
    left.bystander = left.survivor;
    lose_the_others(s, &left);
    force_when_allowed(s, left.survivor);
    scenario_expect(s, script_config_of(s, KEY)->state == PARTITION_LOST, "the partition is lost");
    scenario_wait(s, 6000);
    script_expect_value(s, KEY, 0);
    script_write(s, KEY, 12, 5000, "the survivor goes on alone");
    for (uint32_t i = 0; i < ALL; i++)
        if (i != left.survivor)
            come_back(s, i, left.survivor);
    script_end(s, 12);
}

const struct scenario_type FORCED_SCENARIOS[] = {
    CLUSTER_SCRIPT("forced-recovery",
                   "most voters are lost for ever: one that is left begins a new generation",
                   majority_is_gone),
    CLUSTER_SCRIPT("forced-recovery-lost",
                   "the one that is left has no copy of a partition: it begins anew, empty",
                   survivor_lacks_data),
    {"forced-recovery-power", "the same with logs on disk, and power is lost as it begins",
     power_lost_at_once, &CLUSTER_DURABLE_SUBJECT},
    {0},
};
