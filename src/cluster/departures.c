/* SPDX-License-Identifier: BSD-3-Clause */
#include "cluster/departures.h"

#include "cluster/mutants.h"

static bool is_forced(const struct configuration *c, uint32_t number) {
    const struct member *m = configuration_find_member(c, number);
    return m != NULL && m->departure == DEPARTURE_FORCED &&
           !CLUSTER_MUTATED(MUTANT_FORCED_LEAVE_WAITS);
}

/* How many replicas a partition should have of those who are there. */
static uint32_t count_wanted(const struct configuration *c) {
    uint32_t could = 0;
    for (uint32_t i = 0; i < c->member_count; i++)
        could += c->members[i].state != MEMBER_DOWN && c->members[i].weight > 0 &&
                 c->members[i].departure != DEPARTURE_FORCED;
    return could < c->settings.replica_count ? could : c->settings.replica_count;
}

bool departure_leaves_enough(const struct configuration *c, const struct partition_config *p,
                             uint32_t number) {
    uint32_t staying = 0;
    for (uint8_t i = 0; i < p->in_sync.count; i++)
        staying += p->in_sync.members[i] != number && !is_forced(c, p->in_sync.members[i]);
    return is_forced(c, number) || staying >= count_wanted(c) ||
           CLUSTER_MUTATED(MUTANT_DRAIN_BELOW_COUNT);
}

bool departure_is_empty(const struct configuration *c, const struct member *m) {
    if (m->state != MEMBER_DRAINING)
        return false;
    for (uint32_t p = 0; p < c->partition_count; p++)
        if (member_set_has(&c->partitions[p].in_sync, m->number) ||
            member_set_has(&c->partitions[p].learners, m->number))
            return false;
    return true;
}

bool departure_is_for_good(const struct member *m) {
    return m->departure == DEPARTURE_LEAVE || m->departure == DEPARTURE_FORCED;
}
