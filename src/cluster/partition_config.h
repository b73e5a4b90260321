/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside of the configuration: what entries do to one partition. For this folder only. */
#ifndef LARDER_CLUSTER_PARTITION_CONFIG_H
#define LARDER_CLUSTER_PARTITION_CONFIG_H

#include "cluster/configuration.h"

enum { CONFIG_RESET_ROOM_US = 1000000 }; /* by which a RESET raises the token ceiling at least */

enum config_outcome partition_config_check(const struct configuration *configuration,
                                           enum config_entry_type type,
                                           const struct config_partition_change *change);
/* What `check` found applicable. */
void partition_config_apply(struct configuration *configuration, enum config_entry_type type,
                            const struct config_partition_change *change);
/* A process is gone: all its seats in all partitions are taken, its primaries given to in-sync
 * members with the fewest primaries. */
void partition_config_take_seats(struct configuration *configuration, uint32_t number);
/* Nobody but this member is left. True: it goes on with the partition; else that is LOST, and
 * nobody has it. */
bool partition_config_force(struct configuration *configuration, struct partition_config *partition,
                            uint32_t number);
/* Make the state say how many are in sync. */
void partition_config_settle(const struct configuration *configuration,
                             struct partition_config *partition);

bool cluster_settings_are_sound(const struct cluster_settings *settings);

#endif
