/* SPDX-License-Identifier: BSD-3-Clause */
/* Values that the whole cluster talks about: members, partitions and their replicas.
 *
 * A node id (128 random bits) names a node; each start of its process has a larger incarnation.
 * When a node joins, the config group gives it a member number, which grows with every join of a
 * new node id and is never used again: it is the order of joining and what sets of replicas hold.
 */
#ifndef LARDER_CLUSTER_TYPES_H
#define LARDER_CLUSTER_TYPES_H

#include "raft/types.h"

enum {
    CLUSTER_MEMBERS_MAX = 1024,
    CLUSTER_PARTITIONS_MAX = 16384,
    CLUSTER_REPLICAS_MAX = 8, /* of one partition: in sync, and again as many learners */
    CLUSTER_HOST_BYTES = 64,
    CLUSTER_LABEL_BYTES = 32,
    CLUSTER_NOBODY = 0, /* no member has this number */
};

/* Clocks may differ in speed by this much, in per cent, and leases stay safe. A duration that
 * another node's clock must outlast is shortened by twice that. */
enum { CLUSTER_DRIFT_PERCENT = 5 };

static inline int64_t cluster_shortened_us(int64_t duration_us) {
    return duration_us - duration_us * 2 * CLUSTER_DRIFT_PERCENT / 100;
}

/* Member numbers, each once, ascending. */
struct member_set {
    uint8_t count;
    uint32_t members[CLUSTER_REPLICAS_MAX];
};

static inline bool member_set_has(const struct member_set *set, uint32_t member) {
    for (uint8_t i = 0; i < set->count; i++)
        if (set->members[i] == member)
            return true;
    return false;
}

/* False if there is no room. */
static inline bool member_set_add(struct member_set *set, uint32_t member) {
    uint8_t at = set->count;
    if (member_set_has(set, member))
        return true;
    if (at == CLUSTER_REPLICAS_MAX)
        return false;
    for (; at > 0 && set->members[at - 1] > member; at--)
        set->members[at] = set->members[at - 1];
    set->members[at] = member;
    set->count++;
    return true;
}

static inline bool member_set_remove(struct member_set *set, uint32_t member) {
    for (uint8_t i = 0; i < set->count; i++) {
        if (set->members[i] != member)
            continue;
        set->count--;
        for (; i < set->count; i++)
            set->members[i] = set->members[i + 1];
        set->members[set->count] = CLUSTER_NOBODY;
        return true;
    }
    return false;
}

/* Names one record of one partition's log: the same pair never names two records. Sequence numbers
 * have no gaps, terms never fall. */
struct log_position {
    uint64_t term;
    uint64_t sequence;
};

static inline bool log_position_equal(struct log_position a, struct log_position b) {
    return a.term == b.term && a.sequence == b.sequence;
}

#endif
