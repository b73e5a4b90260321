/* SPDX-License-Identifier: BSD-3-Clause */
/* Scripts about the config group: what happens to whoever coordinates, to disks and to clocks. */
#include "sim/scenario.h"

enum { KEY = 1, OTHER_KEY = 2 };

/* A settled group that holds a value. Returns its leader. */
static uint32_t begin(struct scenario *s) {
    scenario_expect(s, scenario_write(s, KEY, 10, 5000), "a new group accepts a write");
    scenario_expect(s, scenario_settles(s, 5000), "a new group settles");
    return scenario_leader(s, 0);
}

static void expect_value(struct scenario *s, uint64_t value) {
    uint64_t found;
    scenario_expect(s, scenario_read(s, KEY, 5000, &found), "a read is answered");
    scenario_expect(s, found == value, "the read sees the last write");
}

static void end(struct scenario *s, uint64_t value) {
    scenario_expect(s, scenario_settles(s, 10000), "everything is available again");
    expect_value(s, value);
}

static void coordinator_lost(struct scenario *s) {
    uint32_t leader = begin(s);
    machine_crash(scenario_machine(s, leader));
    scenario_expect(s, scenario_write(s, KEY, 11, 1500),
                    "writes go on within 1.5 s of the coordinator's death");
    scenario_expect(s, scenario_leader(s, 0) != leader, "somebody else coordinates");
    scenario_wait(s, 3000);
    machine_start(scenario_machine(s, leader));
    end(s, 11);
}

static void coordinator_disk_full(struct scenario *s) {
    uint32_t leader = begin(s);
    scenario_note(s, "the coordinator's disk is full");
    scenario_machine(s, leader)->disk.is_full = true;
    (void)scenario_ask(s, leader, OTHER_KEY, OPERATION_WRITE, 5, 0);
    scenario_expect(s, scenario_write(s, KEY, 11, 3000), "writes go on at another member");
    uint32_t next = scenario_leader(s, 0);
    scenario_expect(s, next != leader, "who can't store does not coordinate");
    scenario_wait(s, 5000);
    struct raft_status status = scenario_status(s, next);
    scenario_expect(s, status.role == RAFT_LEADER, "who can't store disturbs nobody");
    scenario_note(s, "there is space again");
    scenario_machine(s, leader)->disk.is_full = false;
    end(s, 11);
}

static void every_disk_full(struct scenario *s) {
    (void)begin(s);
    for (uint32_t i = 0; i < s->world->options.machine_count; i++)
        scenario_machine(s, i)->disk.is_full = true;
    struct scenario_answer answer =
        scenario_ask(s, scenario_leader(s, 0), KEY, OPERATION_WRITE, 11, 0);
    scenario_expect(s, answer.outcome != OUTCOME_DONE, "what can't be stored is not acknowledged");
    scenario_wait(s, 5000);
    for (uint32_t i = 0; i < s->world->options.machine_count; i++)
        scenario_machine(s, i)->disk.is_full = false;
    scenario_expect(s, scenario_write(s, KEY, 12, 5000), "space brings the group back");
    end(s, 12);
}

static void power_everywhere(struct scenario *s) {
    uint64_t value = 10;
    (void)begin(s);
    for (uint32_t outage = 0; outage < 20; outage++) {
        scenario_expect(s, scenario_write(s, KEY, ++value, 5000), "a write is acknowledged");
        for (uint32_t client = 1; client < 6; client++)
            scenario_begin(s, client, scenario_leader(s, 1000), OTHER_KEY, OPERATION_WRITE,
                           100 * outage + client, 0);
        world_run_for(s->world, 100 + 150 * (int64_t)outage);
        for (uint32_t i = 0; i < s->world->options.machine_count; i++)
            machine_lose_power(scenario_machine(s, i));
        scenario_wait(s, 1000);
        for (uint32_t i = 0; i < s->world->options.machine_count; i++)
            machine_start(scenario_machine(s, i));
        expect_value(s, value);
    }
    end(s, value);
}

static void minority_side(struct scenario *s) {
    uint32_t leader = begin(s);
    uint32_t follower = scenario_other(s, leader);
    scenario_cut_off(s, 1u << leader | 1u << follower, false);
    scenario_begin(s, 1, leader, OTHER_KEY, OPERATION_WRITE, 5, 0);
    scenario_wait(s, 2000);
    uint32_t next = scenario_leader(s, 3000);
    scenario_expect(s, next != leader && next != follower, "the majority chose its own leader");
    scenario_expect(s, scenario_ask(s, next, KEY, OPERATION_WRITE, 12, 0).outcome == OUTCOME_DONE,
                    "the majority writes");
    struct scenario_answer answer = scenario_ask(s, leader, KEY, OPERATION_READ, 0, 0);
    scenario_expect(s, answer.outcome != OUTCOME_DONE, "the minority answers no read");
    answer = scenario_ask(s, leader, KEY, OPERATION_WRITE, 13, 0);
    scenario_expect(s, answer.outcome != OUTCOME_DONE, "the minority accepts no write");
    scenario_heal(s);
    end(s, 12);
}

/* The leader reaches everybody and hears nobody. */
static void one_way_cut(struct scenario *s) {
    uint32_t leader = begin(s);
    uint32_t others = ~(1u << leader) & ((1u << s->world->options.machine_count) - 1);
    scenario_cut_off(s, others, true);
    scenario_wait(s, 3000);
    struct raft_status status = scenario_status(s, leader);
    scenario_expect(s, status.role != RAFT_LEADER, "who hears no majority steps down");
    scenario_expect(s, scenario_write(s, KEY, 11, 3000), "the others go on");
    scenario_heal(s);
    end(s, 11);
}

/* Two halves that only one member connects. */
static void bridge(struct scenario *s) {
    uint32_t leader = begin(s);
    uint32_t count = s->world->options.machine_count;
    uint32_t middle = (leader + 2) % count;
    uint32_t left = 1u << leader | 1u << (leader + 1) % count;
    for (uint32_t a = 0; a < count; a++)
        for (uint32_t b = 0; b < count; b++)
            if (a != middle && b != middle && (left >> a & 1) != (left >> b & 1))
                network_cut(&s->world->network, a, b);
    scenario_wait(s, 3000);
    uint64_t term = scenario_status(s, middle).term;
    for (uint64_t value = 11; value < 20; value++)
        scenario_expect(s, scenario_write(s, KEY, value, 1500), "writes go on over the bridge");
    scenario_wait(s, 10000);
    scenario_expect(s, scenario_status(s, middle).term <= term + 1,
                    "members that can't reach the leader do not depose it");
    scenario_heal(s);
    end(s, 19);
}

/* It sleeps through its own deposition and wakes with reads and writes waiting. */
static void coordinator_paused(struct scenario *s) {
    uint32_t leader = begin(s);
    machine_pause(scenario_machine(s, leader), 4000000);
    scenario_begin(s, 1, leader, KEY, OPERATION_READ, 0, 0);
    scenario_begin(s, 2, leader, KEY, OPERATION_WRITE, 50, 0);
    scenario_wait(s, 2000);
    scenario_expect(s, scenario_write(s, KEY, 11, 1500), "somebody else leads by then");
    scenario_wait(s, 2000);
    end(s, 11);
}

static void clock_jumps(struct scenario *s) {
    uint32_t leader = begin(s);
    uint64_t term = scenario_status(s, leader).term;
    for (uint32_t i = 0; i < s->world->options.machine_count; i++) {
        machine_jump_wall(scenario_machine(s, i), (i % 2 == 0 ? 1 : -1) * 86400000000);
        scenario_wait(s, 500);
    }
    for (uint32_t i = 0; i < s->world->options.machine_count; i++)
        machine_set_drift(scenario_machine(s, i), (i % 2 == 0 ? 1 : -1) * SIM_DRIFT_MAX_PPM);
    scenario_wait(s, 30000);
    scenario_expect(s, scenario_status(s, leader).term == term,
                    "wall clocks and drift within bounds change no leader");
    end(s, 10);
}

static void disk_lost(struct scenario *s) {
    uint32_t leader = begin(s);
    struct raft_id before = scenario_machine(s, leader)->node_id;
    machine_lose_power(scenario_machine(s, leader));
    machine_replace(scenario_machine(s, leader));
    scenario_wait(s, 1000);
    machine_start(scenario_machine(s, leader));
    scenario_expect(s, !raft_id_equal(before, scenario_machine(s, leader)->node_id),
                    "who lost its memory is a new node");
    scenario_expect(s, scenario_write(s, KEY, 11, 3000), "writes go on");
    scenario_expect(s, scenario_settles(s, 10000), "the new node becomes a voter");
    end(s, 11);
}

/* Two voters get new disks one after the other, each while the group is whole. */
static void disks_lost_in_turn(struct scenario *s) {
    (void)begin(s);
    for (uint32_t i = 0; i < s->world->options.machine_count; i++) {
        machine_lose_power(scenario_machine(s, i));
        machine_replace(scenario_machine(s, i));
        machine_start(scenario_machine(s, i));
        scenario_expect(s, scenario_write(s, OTHER_KEY, 100 + i, 5000), "writes go on");
        scenario_expect(s, scenario_settles(s, 15000), "the new node becomes a voter");
    }
    end(s, 10);
}

static void last_two_of_five(struct scenario *s) {
    uint32_t leader = begin(s), count = s->world->options.machine_count;
    for (uint32_t i = 1; i <= 3; i++)
        machine_crash(scenario_machine(s, (leader + i) % count));
    scenario_wait(s, 2000);
    struct scenario_answer answer = scenario_ask(s, leader, KEY, OPERATION_WRITE, 11, 0);
    scenario_expect(s, answer.outcome != OUTCOME_DONE, "two of five accept nothing");
    machine_start(scenario_machine(s, (leader + 1) % count));
    scenario_expect(s, scenario_write(s, KEY, 12, 5000), "three of five do");
    for (uint32_t i = 2; i <= 3; i++)
        machine_start(scenario_machine(s, (leader + i) % count));
    end(s, 12);
}

static void lying_disk(struct scenario *s) {
    uint32_t leader = begin(s);
    struct raft_id before = scenario_machine(s, leader)->node_id;
    scenario_machine(s, leader)->disk.is_lying = true;
    for (uint64_t value = 11; value < 30; value++)
        scenario_expect(s, scenario_write(s, KEY, value, 2000), "a lie goes unnoticed");
    machine_crash(scenario_machine(s, leader));
    machine_start(scenario_machine(s, leader));
    scenario_expect(s, raft_id_equal(before, scenario_machine(s, leader)->node_id),
                    "a crash of the process alone loses nothing");
    scenario_wait(s, 1000);
    machine_lose_power(scenario_machine(s, leader));
    scenario_machine(s, leader)->disk.is_lying = false;
    scenario_expect(s, !raft_id_equal(before, scenario_machine(s, leader)->node_id),
                    "what a lying disk loses with the power makes it a new node");
    machine_start(scenario_machine(s, leader));
    end(s, 29);
}

/* Every start fails to make durable what it found, and then the power goes. */
static void syncs_fail_in_recovery(struct scenario *s) {
    uint64_t value = 10;
    (void)begin(s);
    while (value < 150) /* a log of many sectors */
        scenario_expect(s, scenario_write(s, KEY, ++value, 5000), "a write is acknowledged");
    for (uint32_t turn = 0; turn < 40; turn++) {
        struct sim_machine *machine = scenario_machine(s, turn % s->world->options.machine_count);
        scenario_expect(s, scenario_write(s, KEY, ++value, 5000), "a write is acknowledged");
        machine_crash(machine);
        for (uint32_t start = 0; start < 40; start++) {
            machine->disk.sync_error_rate = 50000;
            (void)machine_start(machine);
            scenario_wait(s, 50);
            machine_crash(machine);
        }
        machine_lose_power(machine);
        machine->disk.sync_error_rate = 0;
        scenario_expect(s, machine_start(machine), "what was durable is found again");
        expect_value(s, value);
    }
    end(s, value);
}

const struct scenario_type CONFIG_GROUP_SCENARIOS[] = {
    {"coordinator-lost", "the coordinator dies: writes go on, and it comes back", coordinator_lost,
     NULL},
    {"coordinator-disk-full", "the coordinator can't store any more", coordinator_disk_full, NULL},
    {"every-disk-full", "nobody can store for a while", every_disk_full, NULL},
    {"power-everywhere", "all lose power, with writes under way, twenty times", power_everywhere,
     NULL},
    {"minority-side", "the coordinator and one member are cut off", minority_side, NULL},
    {"one-way-cut", "the coordinator sends and hears nothing", one_way_cut, NULL},
    {"bridge", "two halves that one member connects", bridge, NULL},
    {"coordinator-paused", "the coordinator sleeps through its deposition", coordinator_paused,
     NULL},
    {"clock-jumps", "wall clocks jump by days, all clocks drift by 5 %", clock_jumps, NULL},
    {"disk-lost", "the coordinator returns with an empty disk", disk_lost, NULL},
    {"disks-lost-in-turn", "every member is replaced, one after the other", disks_lost_in_turn,
     NULL},
    {"last-two-of-five", "three of five die at once", last_two_of_five, NULL},
    {"syncs-fail-in-recovery", "starts that can't make durable what they found, then power is lost",
     syncs_fail_in_recovery, NULL},
    {"lying-disk", "a disk says synced and was not", lying_disk, NULL},
    {.name = NULL},
};
