/* SPDX-License-Identifier: BSD-3-Clause */
/* Where replicas should be: a pure function of members, their weights and labels, and where the
 * replicas are now. Same arguments, same answer, on every member.
 *
 * In this order: no two replicas of a partition on one member; on as many different machines, then
 * zones, as there are; loads in proportion to weights (the whole numbers next to the exact share);
 * as few replicas moved as that takes; neighbouring partitions led by the same member. Primaries
 * are balanced in the same way among the replicas, which moves no data. */
#ifndef LARDER_CLUSTER_PLACEMENT_H
#define LARDER_CLUSTER_PLACEMENT_H

#include "cluster/configuration.h"

struct placement {
    const struct allocator *allocator;
    uint32_t partition_count;
    struct member_set *targets; /* per partition */
    uint32_t *primaries;        /* per partition: one of its targets */
    uint32_t moves;             /* replicas that have to be copied to a member without one */
};

/* Only active members with a weight get replicas. Takes time in proportion to members times
 * replicas that must find a place. Returns owned in *out.
 * Errors: LARDER_NO_MEMORY; LARDER_NOT_FOUND (nobody may hold replicas). */
LARDER_NODISCARD
enum larder_status placement_create(const struct configuration *configuration,
                                    const struct allocator *allocator, struct placement **out);
/* The same in parts, for who must not be away for long; `configuration` may change meanwhile, but
 * for its members, their states and weights, the number of replicas and of partitions: then abandon
 * it. Effort is counted in seats or partitions that are looked at: some nanoseconds each. */
struct placement_plan;

/* Returns owned in *out. Errors: as placement_create. */
LARDER_NODISCARD
enum larder_status placement_begin(const struct configuration *configuration,
                                   const struct allocator *allocator, struct placement_plan **out);
/* True: it is done. A little more than `effort` at most. */
bool placement_continue(struct placement_plan *plan, const struct configuration *configuration,
                        int64_t effort);
/* Of one that is done. Takes ownership of `plan`, returns owned. */
struct placement *placement_end(struct placement_plan *plan);
/* NULL is allowed. */
void placement_abandon(struct placement_plan *plan);

/* NULL is allowed. */
void placement_destroy(struct placement *placement);

struct placement_figures {
    double replica_imbalance; /* the most loaded member's load over its share, less 1 */
    double primary_imbalance;
    uint32_t replicas_beyond; /* the largest distance of a member's load from its exact share */
    uint32_t primaries_beyond;
    uint32_t shared_hosts; /* pairs of replicas of one partition on one machine */
    uint32_t shared_zones;
    uint32_t ranges; /* maximal runs of partitions with one primary */
};

/* Writes zeros if nobody may hold replicas. Errors: LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status placement_measure(const struct configuration *configuration,
                                     const struct placement *placement,
                                     struct placement_figures *out);

#endif
