/* SPDX-License-Identifier: BSD-3-Clause */
/* Scripts about members that restart and leave while clients work, and about very small clusters.
 * Each client of the load adds to a counter or writes a register of its own and asks the primary
 * that the configuration names, at once again when it was answered. */
#include "sim/cluster_script.h"
#include "sim/subject_cluster.h"

enum {
    LOAD_CLIENTS = 4,
    LOAD_STEP_MS = 5,
    MOST_REFUSED = 10,
    LONGEST_US = 300000,
    ANSWERING_MS = 50,
    OTHER_COUNTER = 5,
    OTHER_REGISTER = 3
};

struct load {
    struct {
        bool is_begun;
        uint64_t done, refused, unknown;
        int64_t done_us;    /* the last one */
        int64_t longest_us; /* from one to the next */
    } each[LOAD_CLIENTS];
    uint64_t value;
};

static const uint64_t LOAD_KEYS[LOAD_CLIENTS] = {COUNTER, OTHER_COUNTER, OTHER_KEY, OTHER_REGISTER};

static void load_begin(struct scenario *s, struct load *load) {
    *load = (struct load){0};
    for (uint32_t i = 0; i < LOAD_CLIENTS; i++)
        load->each[i].done_us = s->world->now_us;
}

static void load_count(struct scenario *s, struct load *load, uint32_t i) {
    enum register_outcome outcome = s->clients->each[i + 1].outcome;
    load->each[i].is_begun = false;
    load->each[i].refused += outcome == OUTCOME_NONE;
    load->each[i].unknown += outcome == OUTCOME_UNKNOWN;
    if (outcome != OUTCOME_DONE)
        return;
    int64_t since_us = s->world->now_us - load->each[i].done_us;
    load->each[i].done++;
    load->each[i].done_us = s->world->now_us;
    if (since_us > load->each[i].longest_us)
        load->each[i].longest_us = since_us;
}

static void load_step(struct scenario *s, struct load *load, bool is_last) {
    for (uint32_t i = 0; i < LOAD_CLIENTS && s->world->violation == NULL; i++) {
        uint32_t primary = script_primary_of(s, LOAD_KEYS[i]);
        if (s->clients->each[i + 1].is_waiting)
            continue;
        if (load->each[i].is_begun)
            load_count(s, load, i);
        if (is_last || primary == NONE)
            continue;
        bool is_counter = LOAD_KEYS[i] == COUNTER || LOAD_KEYS[i] == OTHER_COUNTER;
        load->each[i].is_begun = true;
        scenario_begin(s, i + 1, primary, LOAD_KEYS[i],
                       is_counter ? OPERATION_ADD : OPERATION_WRITE, is_counter ? 1 : ++load->value,
                       0);
    }
    scenario_wait(s, LOAD_STEP_MS);
}

static void load_for(struct scenario *s, struct load *load, int64_t ms) {
    for (int64_t end_us = s->world->now_us + ms * 1000;
         s->world->now_us < end_us && s->world->violation == NULL;)
        load_step(s, load, false);
}

static void load_end(struct scenario *s, struct load *load) {
    bool is_waiting = true;
    while (is_waiting && s->world->violation == NULL) {
        load_step(s, load, true);
        is_waiting = false;
        for (uint32_t i = 0; i < LOAD_CLIENTS; i++)
            is_waiting |= load->each[i].is_begun;
    }
}

/* Everything acknowledged is there, once; so many were refused at most, and nobody waited longer.
 */
static void expect_load(struct scenario *s, const struct load *load, uint64_t least_done,
                        uint64_t most_refused, int64_t longest_us) {
    for (uint32_t i = 0; i < LOAD_CLIENTS; i++) {
        struct scenario_answer answer = {0};
        scenario_expect(s, load->each[i].done >= least_done, "enough requests were answered");
        scenario_expect(s, load->each[i].refused <= most_refused, "almost nothing was refused");
        scenario_expect(s, load->each[i].unknown == 0, "every request was answered");
        scenario_expect(s, load->each[i].longest_us <= longest_us, "nobody waited for long");
        if (i >= 2)
            continue;
        scenario_expect(s, script_ask(s, LOAD_KEYS[i], OPERATION_READ, 0, 8000, &answer),
                        "a read is answered");
        scenario_expect(s, answer.value == load->each[i].done,
                        "what was acknowledged was done, once");
    }
}

/* ---- departures ---- */

static bool is_let_go(const struct scenario *s, uint32_t machine) {
    return script_member_at(s, machine) != NULL && member_may_leave(script_member_at(s, machine));
}

/* The load goes on until it is let go; then its process answers what it still can, and ends. */
static bool depart(struct scenario *s, struct load *load, uint32_t machine,
                   enum member_departure how, int64_t ms) {
    int64_t end_us = s->world->now_us + ms * 1000;
    member_drain(script_member_at(s, machine), how);
    while (!is_let_go(s, machine) && s->world->now_us < end_us && s->world->violation == NULL)
        load_step(s, load, false);
    bool was_let_go = is_let_go(s, machine);
    if (was_let_go) {
        load_for(s, load, ANSWERING_MS);
        machine_crash(scenario_machine(s, machine));
    }
    return was_let_go;
}

static bool is_member(const struct scenario *s, uint32_t machine) {
    return script_member_at(s, machine) != NULL &&
           member_number(script_member_at(s, machine)) != CLUSTER_NOBODY;
}

static void come_back(struct scenario *s, struct load *load, uint32_t machine) {
    int64_t end_us = s->world->now_us + 5000000;
    (void)machine_start(scenario_machine(s, machine));
    while (!is_member(s, machine) && s->world->now_us < end_us && s->world->violation == NULL)
        load_step(s, load, false);
    scenario_expect(s, is_member(s, machine), "it is a member again");
}

static bool is_safe(const struct scenario *s) {
    uint32_t coordinator = scenario_important(s);
    return coordinator != NONE && member_is_safe(script_member_at(s, coordinator));
}

/* One machine after the other is told to restart as soon as the one before has joined again: the
 * members themselves wait for what is not complete yet. */
static void rolling_restart(struct scenario *s) {
    struct load load;
    script_begin(s);
    scenario_expect(s, is_safe(s), "any member may be lost");
    load_begin(s, &load);
    load_for(s, &load, 500);
    for (uint32_t i = 0; i < s->world->options.machine_count; i++) {
        scenario_expect(s, depart(s, &load, i, DEPARTURE_RESTART, 10000), "it may restart");
        load_for(s, &load, 300);
        come_back(s, &load, i);
    }
    load_for(s, &load, 500);
    load_end(s, &load);
    script_end(s, 10);
    expect_load(s, &load, 500, MOST_REFUSED, LONGEST_US);
    scenario_expect(s, is_safe(s), "any member may be lost again");
}

static uint32_t count_voters(const struct scenario *s) {
    const struct raft_configuration *core =
        raft_get_configuration(member_raft(script_member_at(s, scenario_important(s))));
    uint32_t voters = 0;
    for (uint32_t i = 0; i < core->count; i++)
        voters += core->members[i].is_voter;
    return voters;
}

/* A member, then the coordinator, leave for good. */
static void graceful_leave(struct scenario *s) {
    struct load load;
    script_begin(s);
    load_begin(s, &load);
    load_for(s, &load, 500);
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t coordinator = scenario_important(s);
        uint32_t leaving = i == 0 ? scenario_other(s, coordinator) : coordinator;
        scenario_expect(s, depart(s, &load, leaving, DEPARTURE_LEAVE, 10000), "it may leave");
        scenario_expect(s, scenario_important(s) != NONE, "somebody coordinates");
        scenario_expect(s, script_config_of(s, KEY)->in_sync.count == 3, "every replica is there");
    }
    load_for(s, &load, 3000);
    scenario_expect(s, count_voters(s) == 3, "three members have three votes");
    scenario_expect(s, is_safe(s), "any member may be lost");
    uint32_t third = scenario_other(s, scenario_important(s));
    while (!is_member(s, third) || third == scenario_important(s))
        third = scenario_other(s, third);
    scenario_expect(s, !depart(s, &load, third, DEPARTURE_LEAVE, 3000),
                    "of three members none leaves what needs three replicas");
    scenario_expect(s, depart(s, &load, third, DEPARTURE_FORCED, 3000), "but by force");
    load_for(s, &load, 500);
    load_end(s, &load);
    expect_load(s, &load, 500, MOST_REFUSED, LONGEST_US);
    script_end(s, 10);
}

/* ---- small clusters ---- */

static uint32_t other_of_two(uint32_t machine) {
    return 1 - machine;
}

/* One of two has the vote: the loss of the other is a failover, its own loss is the end until it is
 * back, its restart is neither. */
static void two_nodes(struct scenario *s) {
    struct load load;
    struct scenario_answer answer;
    script_begin(s);
    uint32_t voter = scenario_important(s);
    scenario_expect(s, voter != NONE && count_voters(s) == 1, "two members have one vote");
    scenario_expect(s, !is_safe(s), "two members are never safe");
    machine_crash(scenario_machine(s, other_of_two(voter)));
    script_write(s, KEY, 11, 1000, "the voter goes on alone");
    script_end(s, 11);
    scenario_wait(s, 12000); /* whoever failed leads nothing for a while */
    load_begin(s, &load);
    load_for(s, &load, 500);
    scenario_expect(s, depart(s, &load, voter, DEPARTURE_RESTART, 5000), "the voter may restart");
    scenario_expect(s, scenario_important(s) == other_of_two(voter), "the other one votes now");
    load_for(s, &load, 500);
    come_back(s, &load, voter);
    load_for(s, &load, 500);
    load_end(s, &load);
    expect_load(s, &load, 100, MOST_REFUSED, LONGEST_US);
    script_end(s, 11);
    voter = scenario_important(s);
    machine_crash(scenario_machine(s, voter));
    scenario_expect(s, !script_ask(s, KEY, OPERATION_WRITE, 12, 5000, &answer),
                    "without the vote nobody takes over");
    scenario_expect(s, scenario_important(s) == NONE, "nor coordinates");
    (void)machine_start(scenario_machine(s, voter));
    script_write(s, KEY, 13, 5000, "when the voter is back writes go on");
    script_end(s, 13);
}

/* A third member that votes and holds no data. */
static void witness(struct scenario *s) {
    script_begin(s);
    uint32_t coordinator = scenario_important(s);
    scenario_expect(s, count_voters(s) == 3 && is_safe(s), "any member may be lost");
    for (uint32_t turn = 0; turn < 3; turn++) {
        uint32_t lost = (coordinator + turn) % 3;
        machine_crash(scenario_machine(s, lost));
        script_write(s, KEY, 11 + turn, 2000, "the others go on");
        scenario_expect(s,
                        script_config_of(s, KEY)->primary != CLUSTER_NOBODY &&
                            script_machine_of(s, script_config_of(s, KEY)->primary) != 2,
                        "a member with data leads");
        script_end(s, 11 + turn);
    }
}

const struct scenario_type DEPARTURE_SCENARIOS[] = {
    CLUSTER_SCRIPT("rolling-restart", "every member restarts once, clients work on",
                   rolling_restart),
    CLUSTER_SCRIPT("graceful-leave", "members leave for good, clients work on", graceful_leave),
    {"two-nodes", "two members, of which one votes", two_nodes, &CLUSTER_PAIR_SUBJECT},
    {"witness", "two members with data and one that only votes", witness, &CLUSTER_WITNESS_SUBJECT},
    {"durable-rolling-restart", "the same with logs on disk", rolling_restart,
     &CLUSTER_DURABLE_SUBJECT},
    {0},
};
