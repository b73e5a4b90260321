/* SPDX-License-Identifier: BSD-3-Clause */
/* Members and the lifecycle of a configuration; applying entries. Each entry is checked completely
 * before anything changes, so a refusal leaves no trace and `check` is the first half of `apply`.
 * What happens to a partition when a seat is taken is in partition_config.c. */
#include "cluster/configuration.h"

#include "cluster/mutants.h"
#include "cluster/partition_config.h"
#include "cluster/placement.h"

const struct cluster_settings CLUSTER_DEFAULT_SETTINGS = {
    .replica_count = 2,
    .min_insync = 1,
    .voter_count = 3,
    .loss_policy = LOSS_RESET,
    .quorum_policy = QUORUM_MAJORITY,
    .lease_ms = 250,
    .config_lease_ms = 2000,
    .node_timeout_ms = 2000,
    .write_mode = WRITES_COMMITTED,
};

static void note_leases(struct configuration *c) {
    if (c->settings.lease_ms > c->longest_lease_ms)
        c->longest_lease_ms = c->settings.lease_ms;
    if (c->settings.config_lease_ms > c->longest_config_lease_ms)
        c->longest_config_lease_ms = c->settings.config_lease_ms;
}

enum larder_status configuration_create(struct raft_id cluster, uint16_t generation,
                                        uint32_t partition_count, uint32_t members_max,
                                        const struct allocator *allocator,
                                        struct configuration **out) {
    if (partition_count == 0 || partition_count > CLUSTER_PARTITIONS_MAX || members_max == 0 ||
        members_max > CLUSTER_MEMBERS_MAX)
        return LARDER_INVALID;
    struct configuration *c = allocator_allocate_zeroed(allocator, sizeof(*c));
    if (c == NULL)
        return LARDER_NO_MEMORY;
    c->allocator = allocator;
    c->members_max = members_max;
    c->partition_count = partition_count;
    c->members = allocator_allocate_zeroed(allocator, members_max * sizeof(*c->members));
    c->scratch = allocator_allocate_zeroed(allocator, members_max * sizeof(*c->scratch));
    c->partitions = allocator_allocate_zeroed(allocator, partition_count * sizeof(*c->partitions));
    if (c->members == NULL || c->scratch == NULL || c->partitions == NULL) {
        configuration_destroy(c);
        return LARDER_NO_MEMORY;
    }
    c->cluster = cluster;
    c->generation = generation;
    c->settings = CLUSTER_DEFAULT_SETTINGS;
    note_leases(c);
    for (uint32_t p = 0; p < partition_count; p++)
        c->partitions[p].state = PARTITION_LOST;
    *out = c;
    return LARDER_OK;
}

void configuration_destroy(struct configuration *c) {
    if (c == NULL)
        return;
    const struct allocator *a = c->allocator;
    allocator_release(a, c->members, c->members_max * sizeof(*c->members));
    allocator_release(a, c->scratch, c->members_max * sizeof(*c->scratch));
    allocator_release(a, c->partitions, c->partition_count * sizeof(*c->partitions));
    allocator_release(a, c, sizeof(*c));
}

static struct member *find_member(const struct configuration *c, uint32_t number) {
    uint32_t low = 0, high = c->member_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (c->members[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < c->member_count && c->members[low].number == number ? &c->members[low] : NULL;
}

const struct member *configuration_find_member(const struct configuration *c, uint32_t number) {
    return find_member(c, number);
}

static struct member *find_node(const struct configuration *c, struct raft_id node) {
    for (uint32_t i = 0; i < c->member_count; i++)
        if (raft_id_equal(c->members[i].node, node))
            return &c->members[i];
    return NULL;
}

const struct member *configuration_find_node(const struct configuration *c, struct raft_id node) {
    return find_node(c, node);
}

const struct member *configuration_oldest(const struct configuration *c) {
    for (uint32_t i = 0; i < c->member_count; i++)
        if (c->members[i].state == MEMBER_ACTIVE)
            return &c->members[i];
    return NULL;
}

bool cluster_settings_are_sound(const struct cluster_settings *s) {
    return s->replica_count >= 1 && s->replica_count <= CLUSTER_REPLICAS_MAX &&
           s->min_insync >= 1 && s->min_insync <= s->replica_count &&
           (s->voter_count == 1 || s->voter_count == 3 || s->voter_count == 5) &&
           (s->loss_policy == LOSS_HOLD || s->loss_policy == LOSS_RESET) &&
           (s->quorum_policy == QUORUM_MAJORITY || s->quorum_policy == QUORUM_IN_SYNC) &&
           s->lease_ms >= 10 && s->config_lease_ms >= s->lease_ms &&
           s->node_timeout_ms >= s->lease_ms &&
           (s->write_mode == WRITES_COMMITTED || s->write_mode == WRITES_EXECUTED);
}

static bool member_is_sound(const struct member *m) {
    return raft_id_is_set(m->node) && m->incarnation != 0;
}

static struct member *append_member(struct configuration *c, const struct member *from) {
    struct member *m = &c->members[c->member_count++];
    *m = *from;
    m->number = ++c->last_number;
    m->state = MEMBER_ACTIVE;
    m->departure = DEPARTURE_NONE;
    return m;
}

enum larder_status configuration_found(struct configuration *c, const struct member *founders,
                                       uint32_t founder_count,
                                       const struct cluster_settings *settings) {
    if (founder_count == 0 || founder_count > c->members_max || c->member_count != 0 ||
        !cluster_settings_are_sound(settings))
        return LARDER_INVALID;
    for (uint32_t i = 0; i < founder_count; i++) {
        if (!member_is_sound(&founders[i]))
            return LARDER_INVALID;
        for (uint32_t j = 0; j < i; j++)
            if (raft_id_equal(founders[i].node, founders[j].node))
                return LARDER_INVALID;
    }
    c->settings = *settings;
    c->longest_lease_ms = c->longest_config_lease_ms = 0;
    note_leases(c);
    for (uint32_t i = 0; i < founder_count; i++)
        append_member(c, &founders[i]);
    struct placement *placement = NULL;
    enum larder_status status = placement_create(c, c->allocator, &placement);
    if (status != LARDER_OK) {
        c->member_count = c->last_number = 0;
        return status;
    }
    for (uint32_t p = 0; p < c->partition_count; p++) {
        struct partition_config *partition = &c->partitions[p];
        partition->target = placement->targets[p];
        partition->in_sync = partition->target;
        partition->primary = placement->primaries[p];
        partition->epoch = partition->term = 1;
        partition->is_unleased = settings->quorum_policy == QUORUM_IN_SYNC;
        partition_config_settle(c, partition);
    }
    placement_destroy(placement);
    return LARDER_OK;
}

static enum config_outcome check_join(const struct configuration *c, const struct member *join) {
    if (!member_is_sound(join))
        return CONFIG_REFUSED;
    const struct member *known = find_node(c, join->node);
    if (known != NULL && join->incarnation < known->incarnation &&
        !CLUSTER_MUTATED(MUTANT_JOIN_OF_FORMER))
        return CONFIG_STALE; /* it came late: what joined since lives, and may lead */
    if (known != NULL)
        return known->incarnation == join->incarnation && known->state != MEMBER_DOWN
                   ? CONFIG_STALE
                   : CONFIG_APPLIED;
    return c->member_count < c->members_max ? CONFIG_APPLIED : CONFIG_FULL;
}

static void apply_join(struct configuration *c, const struct member *join) {
    struct member *m = find_node(c, join->node);
    if (m == NULL) {
        append_member(c, join);
        return;
    }
    uint32_t number = m->number;
    if (!CLUSTER_MUTATED(MUTANT_JOIN_KEEPS_ROLES))
        partition_config_take_seats(c, number);
    *m = *join;
    m->number = number;
    m->state = MEMBER_ACTIVE;
    m->departure = DEPARTURE_NONE;
}

static bool is_referred_to(const struct configuration *c, uint32_t number) {
    for (uint32_t p = 0; p < c->partition_count; p++) {
        const struct partition_config *partition = &c->partitions[p];
        if (member_set_has(&partition->in_sync, number) ||
            member_set_has(&partition->learners, number) ||
            member_set_has(&partition->last, number))
            return true;
    }
    return false;
}

static enum config_outcome check_drain(const struct configuration *c,
                                       const struct config_entry *entry) {
    const struct member *m = find_member(c, entry->drain.number);
    if (m == NULL)
        return CONFIG_UNKNOWN_MEMBER;
    if (m->incarnation != entry->drain.incarnation)
        return CONFIG_STALE;
    if (m->departure == entry->drain.departure)
        return CONFIG_REFUSED;
    bool is_given_up =
        m->departure == DEPARTURE_RESTART && entry->drain.departure == DEPARTURE_NONE;
    return m->state != MEMBER_DOWN || is_given_up ? CONFIG_APPLIED : CONFIG_REFUSED;
}

static void apply_drain(struct member *m, enum member_departure departure) {
    m->departure = departure;
    if (m->state == MEMBER_DOWN)
        return;
    m->state = departure == DEPARTURE_NONE ? MEMBER_ACTIVE : MEMBER_DRAINING;
}

static enum config_outcome check_member(const struct configuration *c,
                                        const struct config_entry *entry) {
    const struct member *m = find_member(c, entry->member.number);
    if (m == NULL)
        return CONFIG_UNKNOWN_MEMBER;
    switch (entry->type) {
    case CONFIG_DOWN:
        if (m->incarnation != entry->member.incarnation &&
            !CLUSTER_MUTATED(MUTANT_DOWN_ANY_INCARNATION))
            return CONFIG_STALE;
        return m->state == MEMBER_DOWN ? CONFIG_REFUSED : CONFIG_APPLIED;
    default: return is_referred_to(c, m->number) ? CONFIG_REFUSED : CONFIG_APPLIED;
    }
}

static void remove_member(struct configuration *c, struct member *m) {
    for (uint32_t p = 0; p < c->partition_count; p++)
        if (member_set_remove(&c->partitions[p].target, m->number))
            c->partitions[p].epoch++;
    size_t at = (size_t)(m - c->members);
    c->member_count--;
    memmove(m, m + 1, (c->member_count - at) * sizeof(*m));
    memset(&c->members[c->member_count], 0, sizeof(*m));
}

enum config_outcome configuration_check(const struct configuration *c,
                                        const struct config_entry *entry) {
    switch (entry->type) {
    case CONFIG_JOIN: return check_join(c, &entry->join);
    case CONFIG_DOWN:
    case CONFIG_REMOVE: return check_member(c, entry);
    case CONFIG_DRAIN: return check_drain(c, entry);
    case CONFIG_SETTINGS:
        return cluster_settings_are_sound(&entry->settings) ? CONFIG_APPLIED : CONFIG_REFUSED;
    case CONFIG_CEILING: return entry->ceiling > c->ceiling ? CONFIG_APPLIED : CONFIG_STALE;
    default: return partition_config_check(c, entry->type, &entry->change);
    }
}

/* Whoever does not hear that policy isr has ended goes on without the config lease. What was
 * proposed before it began must not say that nobody does: it raises epochs. */
static void apply_settings(struct configuration *c, const struct cluster_settings *settings) {
    bool is_left_alone =
        settings->quorum_policy == QUORUM_IN_SYNC && c->settings.quorum_policy != QUORUM_IN_SYNC;
    c->settings = *settings;
    note_leases(c);
    for (uint32_t i = 0; i < c->partition_count; i++) {
        struct partition_config *p = &c->partitions[i];
        if (is_left_alone) {
            p->is_unleased = true;
            p->epoch += CLUSTER_MUTATED(MUTANT_POLICY_KEEPS_EPOCH) ? 0 : 1;
        }
        partition_config_settle(c, p);
    }
}

static void apply(struct configuration *c, const struct config_entry *entry) {
    switch (entry->type) {
    case CONFIG_JOIN: apply_join(c, &entry->join); return;
    case CONFIG_DOWN:
        partition_config_take_seats(c, entry->member.number);
        find_member(c, entry->member.number)->state = MEMBER_DOWN;
        return;
    case CONFIG_DRAIN:
        apply_drain(find_member(c, entry->drain.number), entry->drain.departure);
        return;
    case CONFIG_REMOVE: remove_member(c, find_member(c, entry->member.number)); return;
    case CONFIG_SETTINGS: apply_settings(c, &entry->settings); return;
    case CONFIG_CEILING: c->ceiling = entry->ceiling; return;
    default: partition_config_apply(c, entry->type, &entry->change);
    }
}

enum larder_status configuration_apply(struct configuration *c, uint64_t index, struct slice bytes,
                                       enum config_outcome *out) {
    struct config_entry entry;
    enum larder_status status = config_entry_decode(bytes, &entry);
    if (status != LARDER_OK)
        return status;
    if (index <= c->index)
        return LARDER_INVALID;
    c->index = index;
    *out = configuration_check(c, &entry);
    if (*out == CONFIG_APPLIED)
        apply(c, &entry);
    return LARDER_OK;
}

void configuration_advance(struct configuration *c, uint64_t index) {
    if (index > c->index)
        c->index = index;
}

enum { FORCED_CEILING_US = 240000000 }; /* as far as any coordinator's clock may have raised it */

/* No token of the old generation is above it: the coordinator may have raised the ceiling ahead of
 * its clock, and once for a RESET of each partition, without this member. */
static uint64_t forced_ceiling(const struct configuration *c, uint64_t wall_us) {
    uint64_t known = c->ceiling > wall_us ? c->ceiling : wall_us;
    if (CLUSTER_MUTATED(MUTANT_FORCED_BY_CLOCK_ONLY))
        return c->ceiling > wall_us + FORCED_CEILING_US ? c->ceiling : wall_us + FORCED_CEILING_US;
    return known + FORCED_CEILING_US + c->partition_count * (uint64_t)CONFIG_RESET_ROOM_US;
}

bool configuration_force(struct configuration *c, uint32_t number, uint64_t wall_us,
                         struct forced_generation *out) {
    struct member *self = find_member(c, number);
    if (self == NULL || self->state == MEMBER_DOWN)
        return false;
    *out = (struct forced_generation){.members_removed = c->member_count - 1};
    c->generation = out->generation = (uint16_t)(c->generation + 1);
    c->index++;
    c->members[0] = *self;
    c->members[0].state = MEMBER_ACTIVE;
    c->members[0].departure = DEPARTURE_NONE;
    c->member_count = 1;
    if (!CLUSTER_MUTATED(MUTANT_FORCED_TOKENS_GO_ON)) {
        c->reset_ceiling = forced_ceiling(c, wall_us);
        c->ceiling = c->reset_ceiling + FORCED_CEILING_US;
    }
    for (uint32_t p = 0; p < c->partition_count; p++) {
        c->partitions[p].reset_ceiling = c->reset_ceiling;
        if (partition_config_force(c, &c->partitions[p], number))
            out->kept_count++;
        else
            out->lost_count++;
    }
    return true;
}

static bool partition_is_sound(const struct configuration *c, const struct partition_config *p) {
    if ((p->state == PARTITION_LOST) != (p->in_sync.count == 0) ||
        (p->primary != CLUSTER_NOBODY) != (p->in_sync.count > 0))
        return false;
    if (p->primary != CLUSTER_NOBODY && !member_set_has(&p->in_sync, p->primary))
        return false;
    const struct member_set *seats[] = {&p->in_sync, &p->learners};
    for (size_t s = 0; s < 2; s++)
        for (uint8_t i = 0; i < seats[s]->count; i++) {
            const struct member *m = find_member(c, seats[s]->members[i]);
            if (m == NULL || m->state == MEMBER_DOWN)
                return false;
        }
    for (uint8_t i = 0; i < p->learners.count; i++)
        if (member_set_has(&p->in_sync, p->learners.members[i]))
            return false;
    if (c->settings.quorum_policy == QUORUM_IN_SYNC && !p->is_unleased)
        return false;
    return p->term <= p->epoch && p->term_index <= c->index;
}

bool configuration_is_sound(const struct configuration *c) {
    for (uint32_t i = 0; i < c->member_count; i++) {
        const struct member *m = &c->members[i];
        bool is_departing = m->departure != DEPARTURE_NONE;
        if (m->number > c->last_number || (i > 0 && m->number <= c->members[i - 1].number) ||
            (m->state != MEMBER_DOWN && is_departing != (m->state == MEMBER_DRAINING)))
            return false;
    }
    for (uint32_t p = 0; p < c->partition_count; p++)
        if (!partition_is_sound(c, &c->partitions[p]))
            return false;
    return cluster_settings_are_sound(&c->settings);
}
