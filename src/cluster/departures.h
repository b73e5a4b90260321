/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may go, and when: pure functions of the configuration.
 *
 *      ACTIVE -- DRAIN -->  DRAINING   leads nothing new; the coordinator moves what it leads and
 *                              |       holds to others
 *                              |       no seat is left, and nothing waits for its vote
 *                            DOWN      the process may end
 *                              |
 *                           removed
 *
 * What would leave a partition with fewer replicas than it should have and could have waits: for
 * another member, or for the operator who insists (DEPARTURE_FORCED). */
#ifndef LARDER_CLUSTER_DEPARTURES_H
#define LARDER_CLUSTER_DEPARTURES_H

#include "cluster/configuration.h"

/* Whether the partition may do without this in-sync member: those that stay are as many as it
 * should have, or as many as there are members that could hold one. Who leaves by force goes in any
 * case, and is not counted on. As min-insync is no more than what it should have, it is kept too
 * wherever that is possible. */
bool departure_leaves_enough(const struct configuration *configuration,
                             const struct partition_config *partition, uint32_t number);

/* It drains, and no partition has it as a replica any more. */
bool departure_is_empty(const struct configuration *configuration, const struct member *member);

/* It is not expected to come back. */
bool departure_is_for_good(const struct member *member);

#endif
