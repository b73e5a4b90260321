/* SPDX-License-Identifier: BSD-3-Clause */
/* An operator who changes settings of the cluster several times in a row. He does not know who
 * hears of it: if he can he does it while somebody who serves a partition does not. */
#ifndef LARDER_TESTS_SIM_CLUSTER_CHANGES_H
#define LARDER_TESTS_SIM_CLUSTER_CHANGES_H

#include "sim/cluster_oracle.h"

struct cluster_changes {
    struct sim_world *world;
    struct cluster_oracle *oracle;
    uint32_t partition_count;
    uint32_t left;  /* changes to come; the next one ... */
    int64_t due_us; /* ... is made now at the latest */
};

void cluster_changes_init(struct cluster_changes *changes, struct sim_world *world,
                          struct cluster_oracle *oracle, uint32_t partition_count);
/* So many changes as are drawn begin. There is a configuration. */
void cluster_changes_draw(struct cluster_changes *changes, uint64_t draw);
/* No more of them. */
void cluster_changes_end(struct cluster_changes *changes);

#endif
