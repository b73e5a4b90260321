/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may go, and when: pure functions of the configuration.
 *
 *      ACTIVE -- DRAIN -->  DRAINING   leads nothing new; the coordinator moves what it leads to
 *                              |       others, and what it holds unless it only restarts
 *                              |       it may go: see below
 *                            DOWN      the process may end
 *                              |
 *           removed; or, RESTART, back as ACTIVE by JOIN, or given up by DRAIN with NONE
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

/* It drains, and no partition has it as a replica any more, nor, unless it leaves by force, waits
 * for the data that it may still have. */
bool departure_is_empty(const struct configuration *configuration, const struct member *member);

/* It drains to restart, leads nothing, and whatever it holds another in-sync member holds too: so
 * many others as min-insync asks for, or as there are. Where replicas are single, or nobody else
 * lives who could have one, there is nothing to wait for: the data is on its disk. */
bool departure_may_pause(const struct configuration *configuration, const struct member *member);

/* Nobody else lives. */
bool departure_is_of_all(const struct configuration *configuration, const struct member *member);

/* It is not expected to come back. */
bool departure_is_for_good(const struct member *member);

/* It restarts: nobody else gets its replicas. */
bool departure_keeps_place(const struct member *member);

/* Whether any one member may be lost without any effect but a failover: every partition has all its
 * replicas, in sync and where they should be, nobody is about to go or to come back, and the voters
 * that live are a majority without any one of them. A single voter is never safe. */
bool cluster_is_safe(const struct configuration *configuration,
                     const struct raft_configuration *core);

#endif
