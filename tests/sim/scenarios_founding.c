/* SPDX-License-Identifier: BSD-3-Clause */
/* Scripts about the first second of a cluster: machines that do not see each other, and founders
 * that die at each step. Whatever happens, all members ever are of one cluster: the oracle sees to
 * that. Seeds that are multiples of three keep in memory what they promise while founding. */
#include "sim/cluster_script.h"
#include "sim/subject_cluster.h"

static enum founding_state state_of(const struct scenario *s, uint32_t machine) {
    const struct sim_machine *m = &s->world->machines[machine];
    return machine_is_running(m) ? cluster_process_founding(m->process) : (enum founding_state)0;
}

static uint32_t count_in(const struct scenario *s, enum founding_state state) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->world->options.machine_count; i++)
        count += state_of(s, i) == state;
    return count;
}

static uint32_t find_in(const struct scenario *s, enum founding_state state) {
    for (uint32_t i = 0; i < s->world->options.machine_count; i++)
        if (state_of(s, i) == state)
            return i;
    return NONE;
}

/* The first machine that gets there; its frames of that step have just left. */
static uint32_t wait_for(struct scenario *s, enum founding_state state) {
    int64_t end_us = s->world->now_us + 5000000;
    while (find_in(s, state) == NONE && s->world->now_us < end_us && s->world->violation == NULL)
        world_run_for(s->world, 20);
    scenario_expect(s, find_in(s, state) != NONE, "the founding comes as far as that");
    return find_in(s, state);
}

static void start_all(struct scenario *s) {
    for (uint32_t i = 0; i < s->world->options.machine_count; i++)
        (void)machine_start(scenario_machine(s, i));
}

/* All processes again, with other options; 0: all seeds. */
static void expect_nodes(struct scenario *s, uint32_t expected) {
    cluster_subject_settings(s->subject)->expected_nodes = expected;
    cluster_subject_settings(s->subject)->is_founding_durable |= expected != 0;
    for (uint32_t i = 0; i < s->world->options.machine_count; i++)
        machine_crash(scenario_machine(s, i));
    start_all(s);
}

static void end(struct scenario *s) {
    uint64_t deaths = s->world->rare_events[RARE_DEAD_FOUNDER];
    start_all(s);
    scenario_expect(s, scenario_settles(s, 15000), "all are in one cluster, which is complete");
    scenario_expect(s, s->world->rare_events[RARE_DEAD_FOUNDER] == deaths, "nobody died since");
    script_write(s, KEY, 10, 5000, "the cluster accepts a write");
    script_end(s, 10);
}

static void expect_dead_founder(struct scenario *s) {
    scenario_expect(s, s->world->rare_events[RARE_DEAD_FOUNDER] > 0, "a founder has died");
}

/* ---- machines that do not see each other ---- */

/* All are expected: neither half founds anything. */
static void twin_bootstrap(struct scenario *s) {
    scenario_cut_off(s, 3, false);
    scenario_wait(s, 4000);
    scenario_expect(s, count_in(s, FOUNDING_OPEN) == 5, "nobody founds a cluster yet");
    scenario_heal(s);
    end(s);
}

/* Three are expected: the larger half founds the cluster, the other one joins it. */
static void twin_bootstrap_expecting_most(struct scenario *s) {
    expect_nodes(s, 3);
    scenario_cut_off(s, 3, false);
    scenario_wait(s, 4000);
    scenario_expect(s, count_in(s, FOUNDING_FORMED) == 3, "three have founded a cluster");
    scenario_expect(s, count_in(s, FOUNDING_OPEN) == 2, "two wait");
    scenario_heal(s);
    end(s);
}

/* Two halves of three, either of which is enough, have one machine in common: while it sees more
 * than they do nobody founds anything. Then one link after the other works. */
static void twin_bootstrap_with_a_bridge(struct scenario *s) {
    expect_nodes(s, 3);
    for (uint32_t a = 0; a < 2; a++)
        for (uint32_t b = 3; b < 5; b++) {
            network_cut(&s->world->network, a, b);
            network_cut(&s->world->network, b, a);
        }
    scenario_wait(s, 3000);
    scenario_expect(s, count_in(s, FOUNDING_OPEN) == 5, "nobody founds a cluster yet");
    for (uint32_t a = 0; a < 2; a++)
        for (uint32_t b = 3; b < 5; b++) {
            network_heal(&s->world->network, a, b);
            network_heal(&s->world->network, b, a);
            scenario_wait(s, 150);
        }
    end(s);
}

/* ---- founders that die ---- */

/* The proposer, when the first one has accepted. */
static void dead_proposer(struct scenario *s) {
    (void)wait_for(s, FOUNDING_ACCEPTED);
    uint32_t victim = find_in(s, FOUNDING_PROPOSING);
    scenario_expect(s, victim != NONE, "somebody has proposed");
    if (victim == NONE)
        return;
    machine_crash(scenario_machine(s, victim));
    scenario_wait(s, 2000);
    expect_dead_founder(s);
    scenario_expect(s, count_in(s, FOUNDING_OPEN) == 4, "the others are free again");
    end(s);
}

/* Somebody who had accepted and did not boot yet: the others start without it if its word came to
 * the proposer before the news of its death, else with it when it is back. */
static void dead_acceptor(struct scenario *s) {
    uint32_t victim = wait_for(s, FOUNDING_ACCEPTED);
    if (victim == NONE)
        return;
    machine_crash(scenario_machine(s, victim));
    scenario_wait(s, 1000);
    expect_dead_founder(s);
    end(s);
}

/* The proposer has booted, and its BOOT comes to nobody. */
static void dead_before_boot(struct scenario *s) {
    uint32_t proposer = wait_for(s, FOUNDING_PROPOSING);
    if (proposer == NONE)
        return;
    while (state_of(s, proposer) == FOUNDING_PROPOSING && s->world->violation == NULL) {
        if (count_in(s, FOUNDING_ACCEPTED) == 4)
            for (uint32_t i = 0; i < 5; i++)
                network_cut(&s->world->network, proposer, i);
        world_run_for(s->world, 20);
    }
    scenario_expect(s, state_of(s, proposer) == FOUNDING_BOOTED, "it has booted");
    scenario_wait(s, 50);
    machine_lose_power(scenario_machine(s, proposer));
    scenario_heal(s);
    scenario_wait(s, 1000);
    expect_dead_founder(s);
    scenario_expect(s, find_in(s, FOUNDING_FORMED) == NONE, "nobody has started");
    end(s);
}

/* The one that would start first dies when others have booted: they go on without it. */
static void dead_before_start(struct scenario *s) {
    uint32_t proposer = wait_for(s, FOUNDING_BOOTED);
    while (count_in(s, FOUNDING_BOOTED) < 3 && find_in(s, FOUNDING_FORMED) == NONE &&
           s->world->violation == NULL)
        world_run_for(s->world, 20);
    if (proposer == NONE || s->world->violation != NULL)
        return;
    machine_crash(scenario_machine(s, proposer));
    scenario_wait(s, 3000);
    expect_dead_founder(s);
    scenario_expect(s, count_in(s, FOUNDING_FORMED) == 4, "the others start");
    end(s);
}

/* Power is lost everywhere when some have booted. */
static void power_lost_while_founding(struct scenario *s) {
    (void)wait_for(s, FOUNDING_BOOTED);
    world_run_for(s->world, 700);
    for (uint32_t i = 0; i < s->world->options.machine_count; i++)
        machine_lose_power(scenario_machine(s, i));
    expect_dead_founder(s);
    end(s);
}

/* In memory; machine 4 is no seed. The proposer starts and lets it join, and loses power before it
 * has stored anything and before the others have heard. They found another cluster; machine 4 has
 * files of the one that never was. */
static void founded_in_vain(struct scenario *s) {
    struct sim_network *network = &s->world->network;
    struct cluster_sim_settings *settings = cluster_subject_settings(s->subject);
    struct sim_disk *disk = &scenario_machine(s, 4)->disk;
    settings->founders = 4;
    settings->is_founding_durable = false;
    expect_nodes(s, 0);
    (void)wait_for(s, FOUNDING_ACCEPTED);
    uint32_t proposer = find_in(s, FOUNDING_PROPOSING);
    scenario_expect(s, proposer != NONE && proposer != 4, "a seed has proposed");
    if (proposer == NONE)
        return;
    for (uint32_t a = 0; a < 4; a++)
        for (uint32_t b = 0; b < 4; b++)
            if (a != proposer && b != proposer)
                network_cut(network, a, b);
    struct sim_disk *lost = &scenario_machine(s, proposer)->disk;
    lost->slow_rate = 1000;
    lost->slow_sync_us = 30000000;
    while (count_in(s, FOUNDING_BOOTED) < 4 && s->world->violation == NULL)
        world_run_for(s->world, 20);
    for (uint32_t i = 0; i < 4; i++)
        network_cut(network, proposer, i);
    int64_t end_us = s->world->now_us + 2000000;
    while (disk_size(disk, 0) == 0 && s->world->now_us < end_us && s->world->violation == NULL)
        scenario_wait(s, 1);
    scenario_expect(s, disk_size(disk, 0) > 0, "machine 4 joins");
    scenario_expect(s, count_in(s, FOUNDING_FORMED) == 1, "one has started");
    machine_lose_power(scenario_machine(s, proposer));
    lost->slow_rate = 0;
    scenario_heal(s);
    end(s);
}

const struct scenario_type FOUNDING_SCENARIOS[] = {
    CLUSTER_SCRIPT("twin-bootstrap", "two halves start at once and do not see each other",
                   twin_bootstrap),
    CLUSTER_SCRIPT("twin-bootstrap-most", "the same, and the larger half is enough",
                   twin_bootstrap_expecting_most),
    CLUSTER_SCRIPT("twin-bootstrap-bridge", "two halves have one machine in common",
                   twin_bootstrap_with_a_bridge),
    CLUSTER_SCRIPT("dead-founder", "a proposer dies when it is accepted", dead_proposer),
    CLUSTER_SCRIPT("dead-founder-accepted", "a founder dies between accept and boot",
                   dead_acceptor),
    CLUSTER_SCRIPT("dead-founder-boot", "a proposer loses power between boot and its message",
                   dead_before_boot),
    CLUSTER_SCRIPT("dead-founder-start", "a proposer dies between boot and start",
                   dead_before_start),
    CLUSTER_SCRIPT("dead-founders", "all lose power when some have booted",
                   power_lost_while_founding),
    CLUSTER_SCRIPT("founded-in-vain", "a member joined a cluster that nobody remembers",
                   founded_in_vain),
    {0},
};
