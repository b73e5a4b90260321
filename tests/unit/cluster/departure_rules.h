/* SPDX-License-Identifier: BSD-3-Clause */
/* The rules of departures.h written down once more, as docs/consistency.md tells them, for tests
 * that make configurations at random. Sets are masks of member numbers, which are below 64. */
#ifndef LARDER_TESTS_UNIT_CLUSTER_DEPARTURE_RULES_H
#define LARDER_TESTS_UNIT_CLUSTER_DEPARTURE_RULES_H

#include "cluster/departures.h"

static inline uint64_t rules_bit(uint32_t number) {
    return UINT64_C(1) << number;
}

static inline uint32_t rules_size(uint64_t set) {
    return (uint32_t)__builtin_popcountll(set);
}

static inline uint64_t rules_mask(const struct member_set *set) {
    uint64_t mask = 0;
    for (uint8_t i = 0; i < set->count; i++)
        mask |= rules_bit(set->members[i]);
    return mask;
}

/* Who departs in this way, drained or down already. */
static inline uint64_t rules_departing(const struct configuration *c, enum member_departure way) {
    uint64_t mask = 0;
    for (uint32_t i = 0; i < c->member_count; i++)
        if (c->members[i].departure == way)
            mask |= rules_bit(c->members[i].number);
    return mask;
}

static inline uint64_t rules_in_state(const struct configuration *c, enum member_state state) {
    uint64_t mask = 0;
    for (uint32_t i = 0; i < c->member_count; i++)
        if (c->members[i].state == state)
            mask |= rules_bit(c->members[i].number);
    return mask;
}

static inline uint64_t rules_with_weight(const struct configuration *c) {
    uint64_t mask = 0;
    for (uint32_t i = 0; i < c->member_count; i++)
        if (c->members[i].weight != 0)
            mask |= rules_bit(c->members[i].number);
    return mask;
}

/* A drain leaves as many in sync as replica_count says, or as could hold a replica: all that live,
 * with a weight, and do not go by force. Who goes by force goes. */
static inline bool rules_leave_enough(const struct configuration *c,
                                      const struct partition_config *p, uint32_t number) {
    uint64_t forced = rules_departing(c, DEPARTURE_FORCED);
    uint64_t stay = rules_mask(&p->in_sync) & ~rules_bit(number) & ~forced;
    uint64_t live = rules_in_state(c, MEMBER_ACTIVE) | rules_in_state(c, MEMBER_DRAINING);
    uint64_t could = live & rules_with_weight(c) & ~forced;
    bool are_all = rules_size(stay) >= c->settings.replica_count;
    return (forced & rules_bit(number)) != 0 || are_all || rules_size(stay) >= rules_size(could);
}

/* It drains, has no seat, and is no source of a lost partition; only by force it goes as one. */
static inline bool rules_empty(const struct configuration *c, uint32_t number) {
    uint64_t seated = 0, sources = 0;
    for (uint32_t i = 0; i < c->partition_count; i++) {
        seated |= rules_mask(&c->partitions[i].in_sync) | rules_mask(&c->partitions[i].learners);
        sources |= rules_mask(&c->partitions[i].last);
    }
    uint64_t kept = seated | (sources & ~rules_departing(c, DEPARTURE_FORCED));
    return (rules_in_state(c, MEMBER_DRAINING) & ~kept & rules_bit(number)) != 0;
}

/* It drains to restart and leads nothing; where it is in sync another is too, and as many as
 * min-insync asks for, or all others that could be. Nothing of it where nobody else can hold
 * anything. */
static inline bool rules_may_pause(const struct configuration *c, uint32_t number) {
    uint64_t self = rules_bit(number);
    uint64_t others = rules_in_state(c, MEMBER_ACTIVE) & rules_with_weight(c) & ~self;
    if ((rules_in_state(c, MEMBER_DRAINING) & rules_departing(c, DEPARTURE_RESTART) & self) == 0)
        return false;
    uint64_t live = rules_in_state(c, MEMBER_ACTIVE) | rules_in_state(c, MEMBER_DRAINING);
    if (c->settings.replica_count == 1 || (live & rules_with_weight(c) & ~self) == 0)
        return true;
    for (uint32_t i = 0; i < c->partition_count; i++) {
        const struct partition_config *p = &c->partitions[i];
        uint64_t in_sync = rules_mask(&p->in_sync), stay = in_sync & ~self;
        bool are_enough =
            rules_size(stay) >= c->settings.min_insync || rules_size(stay) >= rules_size(others);
        if (p->primary == number || ((in_sync & self) != 0 && (stay == 0 || !are_enough)))
            return false;
    }
    return true;
}

/* The voters that live without that member are more than half of all. */
static inline bool rules_majority_without(const struct configuration *c,
                                          const struct raft_configuration *core, uint32_t number) {
    uint32_t voters = 0, living = 0;
    for (uint32_t i = 0; i < core->count; i++) {
        const struct member *m = configuration_find_node(c, core->members[i].id);
        if (!core->members[i].is_voter)
            continue;
        voters++;
        if (m != NULL && m->state != MEMBER_DOWN && m->number != number)
            living++;
    }
    return 2 * living > voters;
}

/* Whoever is lost, nothing but a failover comes of it. */
static inline bool rules_safe(const struct configuration *c,
                              const struct raft_configuration *core) {
    bool is_safe = rules_majority_without(c, core, CLUSTER_NOBODY);
    for (uint32_t i = 0; i < c->member_count; i++) {
        is_safe &= c->members[i].departure == DEPARTURE_NONE;
        is_safe &= rules_majority_without(c, core, c->members[i].number);
    }
    for (uint32_t i = 0; i < c->partition_count; i++) {
        const struct partition_config *p = &c->partitions[i];
        is_safe &= rules_mask(&p->in_sync) == rules_mask(&p->target) && p->learners.count == 0 &&
                   p->in_sync.count > 0 && p->in_sync.count >= c->settings.replica_count;
    }
    return is_safe;
}

/* The first judgement about a member that is another than the rules'; NULL: none. */
static inline const char *rules_differ(const struct configuration *c, const struct member *m) {
    bool goes = m->departure == DEPARTURE_LEAVE || m->departure == DEPARTURE_FORCED;
    for (uint32_t i = 0; i < c->partition_count; i++) {
        const struct partition_config *p = &c->partitions[i];
        if (departure_leaves_enough(c, p, m->number) != rules_leave_enough(c, p, m->number))
            return "whether a partition can do without a member";
    }
    if (departure_is_empty(c, m) != rules_empty(c, m->number))
        return "whether a member that leaves is needed for nothing";
    if (departure_may_pause(c, m) != rules_may_pause(c, m->number))
        return "whether a member may restart";
    if (departure_is_for_good(m) != goes)
        return "whether a member leaves for good";
    if (departure_keeps_place(m) != (m->departure == DEPARTURE_RESTART))
        return "whether the place of a member is kept";
    return NULL;
}

#endif
