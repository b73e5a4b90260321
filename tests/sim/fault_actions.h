/* SPDX-License-Identifier: BSD-3-Clause */
/* Making single faults happen in a swarm's world, and ending them. For swarm.c. */
#ifndef LARDER_TESTS_SIM_FAULT_ACTIONS_H
#define LARDER_TESTS_SIM_FAULT_ACTIONS_H

#include "sim/swarm.h"

struct swarm {
    const struct swarm_options *options;
    void *subject;
    struct sim_world *world;
    struct sim_round round;
    uint32_t round_number, round_count;
    int64_t began_us, ends_us;
    bool is_calm;
    int64_t start_us[SIM_MACHINES_MAX]; /* a machine that is down starts then; 0: soon */
    bool stays_down[SIM_MACHINES_MAX];
    /* Only one disk a round may lose what was synced: what is promised ends there. */
    uint32_t lossy_machine;
    struct raft_id lossy_node; /* its node when the round began */
    bool is_loss_spent;
    uint32_t reign_rate; /* per 1,000 looks at who matters: it crashes; 0: off */
};

/* Calls for the world's heap; the stamp is the fault's index in the round. */
void fault_begin(void *swarm, uint64_t index);
void fault_end(void *swarm, uint64_t stamp);
void fault_heal_disk(struct sim_disk *disk);

#endif
