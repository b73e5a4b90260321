/* SPDX-License-Identifier: BSD-3-Clause */
#include "cluster/departures.h"

#include "cluster/mutants.h"

static bool is_forced(const struct member *m) {
    return m != NULL && m->departure == DEPARTURE_FORCED &&
           !CLUSTER_MUTATED(MUTANT_FORCED_LEAVE_WAITS);
}

static uint32_t least(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

bool departure_leaves_enough(const struct configuration *c, const struct partition_config *p,
                             uint32_t number) {
    uint32_t staying = 0, could = 0;
    if (is_forced(configuration_find_member(c, number)))
        return true;
    for (uint8_t i = 0; i < p->in_sync.count; i++)
        staying += p->in_sync.members[i] != number &&
                   !is_forced(configuration_find_member(c, p->in_sync.members[i]));
    for (uint32_t i = 0; i < c->member_count; i++)
        could += c->members[i].state != MEMBER_DOWN && c->members[i].weight > 0 &&
                 !is_forced(&c->members[i]);
    return staying >= least(could, c->settings.replica_count) ||
           CLUSTER_MUTATED(MUTANT_DRAIN_BELOW_COUNT);
}

bool departure_is_empty(const struct configuration *c, const struct member *m) {
    if (m->state != MEMBER_DRAINING)
        return false;
    for (uint32_t i = 0; i < c->partition_count; i++) {
        const struct partition_config *p = &c->partitions[i];
        bool is_source = member_set_has(&p->last, m->number) && m->departure != DEPARTURE_FORCED &&
                         !CLUSTER_MUTATED(MUTANT_SOURCE_LEAVES);
        if (is_source || member_set_has(&p->in_sync, m->number) ||
            member_set_has(&p->learners, m->number))
            return false;
    }
    return true;
}

static uint32_t count_others(const struct configuration *c, uint32_t number) {
    uint32_t others = 0;
    for (uint32_t i = 0; i < c->member_count; i++)
        others += c->members[i].state == MEMBER_ACTIVE && c->members[i].weight > 0 &&
                  c->members[i].number != number;
    return others;
}

bool departure_is_of_all(const struct configuration *c, const struct member *m) {
    for (uint32_t i = 0; i < c->member_count; i++)
        if (c->members[i].state != MEMBER_DOWN && c->members[i].number != m->number)
            return false;
    return true;
}

/* Whether others can hold what a member holds. */
static bool is_shared(const struct configuration *c, uint32_t number) {
    for (uint32_t i = 0; i < c->member_count; i++)
        if (c->members[i].state != MEMBER_DOWN && c->members[i].weight > 0 &&
            c->members[i].number != number)
            return c->settings.replica_count > 1;
    return false;
}

bool departure_may_pause(const struct configuration *c, const struct member *m) {
    uint32_t needed = least(c->settings.min_insync, count_others(c, m->number));
    bool is_alone = !is_shared(c, m->number);
    if (m->state != MEMBER_DRAINING || m->departure != DEPARTURE_RESTART)
        return false;
    for (uint32_t i = 0; i < c->partition_count && !is_alone; i++) {
        const struct partition_config *p = &c->partitions[i];
        if (!member_set_has(&p->in_sync, m->number) || CLUSTER_MUTATED(MUTANT_RESTART_ALONE))
            continue;
        if (p->primary == m->number || p->in_sync.count < 2 || p->in_sync.count - 1u < needed)
            return false;
    }
    return true;
}

bool departure_is_for_good(const struct member *m) {
    return m->departure == DEPARTURE_LEAVE || m->departure == DEPARTURE_FORCED;
}

bool departure_keeps_place(const struct member *m) {
    return m->departure == DEPARTURE_RESTART && !CLUSTER_MUTATED(MUTANT_RESTART_LOSES_PLACE);
}

static bool is_whole(const struct partition_config *p) {
    return p->state == PARTITION_OK && p->learners.count == 0 &&
           p->in_sync.count == p->target.count &&
           memcmp(p->in_sync.members, p->target.members,
                  p->target.count * sizeof(p->target.members[0])) == 0;
}

bool cluster_is_safe(const struct configuration *c, const struct raft_configuration *core) {
    uint32_t voters = 0, living = 0;
    for (uint32_t i = 0; i < c->member_count; i++)
        if (c->members[i].departure != DEPARTURE_NONE)
            return false;
    for (uint32_t i = 0; i < c->partition_count; i++)
        if (!is_whole(&c->partitions[i]))
            return false;
    for (uint32_t i = 0; i < core->count; i++) {
        const struct member *m = configuration_find_node(c, core->members[i].id);
        voters += core->members[i].is_voter;
        living += core->members[i].is_voter && m != NULL && m->state != MEMBER_DOWN;
    }
    return living > voters / 2 + (CLUSTER_MUTATED(MUTANT_SAFE_WITH_ONE_VOTER) ? 0 : 1);
}
