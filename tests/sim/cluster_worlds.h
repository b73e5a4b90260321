/* SPDX-License-Identifier: BSD-3-Clause */
/* What a seed draws for its cluster before anything happens, and what an operator does to it. */
#ifndef LARDER_TESTS_SIM_CLUSTER_WORLDS_H
#define LARDER_TESTS_SIM_CLUSTER_WORLDS_H

#include "sim/cluster_oracle.h"

/* Everything but `founders`, for so many machines. */
void cluster_world_draw(uint64_t seed, uint32_t machine_count, struct cluster_sim_settings *out);

/* A change that the configuration must refuse: late, of another process or term, or of a member
 * that may not have the role. False: there is none of the drawn kind now. */
bool cluster_stray_draw(uint64_t draw, const struct configuration *configuration,
                        struct config_entry *out);

/* Other settings for a cluster that runs: another policy, min-insync or duration. */
struct cluster_settings cluster_settings_draw(uint64_t draw,
                                              const struct configuration *configuration);

#endif
