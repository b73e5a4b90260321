/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes wrong while a cluster is being founded, which is over too soon for the faults of a
 * round to meet it: in two of three seeds founders crash or lose power in the middle, and in some
 * of those two sides do not see each other at first. It ends when the cluster is there, or soon. */
#ifndef LARDER_TESTS_SIM_CLUSTER_FOUNDING_FAULTS_H
#define LARDER_TESTS_SIM_CLUSTER_FOUNDING_FAULTS_H

#include "base/random.h"
#include "sim/world.h"

struct cluster_founding_faults {
    struct sim_world *world;
    struct random random;
    uint32_t rate;  /* per 1,000 looks at a founder: it dies */
    uint32_t left;  /* so many may die */
    uint64_t sides; /* a bit per machine; 0: all see each other */
    int64_t heal_us, end_us;
    bool is_over;
};

/* Before the machines start. */
void cluster_founding_faults_begin(struct cluster_founding_faults *faults, struct sim_world *world,
                                   uint64_t seed);
void cluster_founding_faults_end(struct cluster_founding_faults *faults);

#endif
