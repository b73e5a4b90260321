/* SPDX-License-Identifier: BSD-3-Clause */
/* Replicas and primaries are moved to where the placement wants them, a few at a time. */
#include "cluster/departures.h"
#include "cluster/member_core.h"
#include "cluster/mutants.h"
#include "raft/bytes.h"

enum {
    ENTRIES_PER_REVIEW = 32,    /* targets that are changed at once */
    PLACEMENT_EFFORT = 4000000, /* about 10 ms */
};

static bool same_set(const struct member_set *a, const struct member_set *b) {
    return a->count == b->count &&
           memcmp(a->members, b->members, a->count * sizeof(a->members[0])) == 0;
}

/* Who could hold a replica, or will when it is back. */
static bool is_place(const struct member *member) {
    return member != NULL && member->weight > 0 &&
           (member->state == MEMBER_ACTIVE || departure_keeps_place(member));
}

static uint32_t count_wanted(const struct configuration *c) {
    uint32_t places = 0;
    for (uint32_t i = 0; i < c->member_count; i++)
        places += is_place(&c->members[i]);
    return places < c->settings.replica_count ? places : c->settings.replica_count;
}

/* Whether replicas are to be elsewhere for other reasons than balance. */
static bool is_target_due(const struct configuration *c, uint32_t p, uint32_t wanted) {
    const struct member_set *target = &c->partitions[p].target;
    for (uint8_t i = 0; i < target->count; i++)
        if (!is_place(configuration_find_member(c, target->members[i])))
            return true;
    return target->count != wanted;
}

/* Nobody goes or is awaited, nothing is lost, and every partition has as many in sync as it can
 * have and no more on their way. */
static bool is_healthy(const struct configuration *c) {
    uint32_t wanted = count_wanted(c);
    for (uint32_t i = 0; i < c->member_count; i++)
        if (c->members[i].state == MEMBER_DRAINING || departure_keeps_place(&c->members[i]))
            return false;
    for (uint32_t p = 0; p < c->partition_count; p++)
        if (c->partitions[p].in_sync.count < wanted || c->partitions[p].learners.count > 0)
            return false;
    return true;
}

/* When it becomes calm the placement is made anew: the one there is began from what was there amid
 * changes. */
static bool note_calm(struct cluster_member *m) {
    struct coordinator *c = &m->coordinator;
    bool was_calm = c->is_calm;
    if (!is_healthy(m->configuration))
        c->unrest_us = m->now_us;
    int64_t since_us = c->changed_us > c->unrest_us ? c->changed_us : c->unrest_us;
    c->is_calm =
        m->now_us - since_us >= m->options.calm_us || CLUSTER_MUTATED(MUTANT_BALANCE_AT_ONCE);
    if (c->is_calm && !was_calm)
        coordinator_forget_placement(c);
    return c->is_calm;
}

static bool review_targets(struct cluster_member *m, bool is_calm) {
    const struct placement *placement = m->coordinator.placement;
    uint32_t wanted = count_wanted(m->configuration);
    uint32_t proposed = 0;
    for (uint32_t p = 0; p < m->configuration->partition_count; p++) {
        struct config_entry entry = coordinator_change(m, CONFIG_TARGET, p, CLUSTER_NOBODY);
        if (same_set(&m->configuration->partitions[p].target, &placement->targets[p]) ||
            (!is_calm && !is_target_due(m->configuration, p, wanted)))
            continue;
        entry.change.target = placement->targets[p];
        if (!coordinator_propose(m, &entry) || ++proposed == ENTRIES_PER_REVIEW)
            return false;
    }
    return proposed == 0;
}

static uint32_t slot_of(const struct configuration *c, uint32_t number) {
    const struct member *member = configuration_find_member(c, number);
    return member == NULL ? UINT32_MAX : (uint32_t)(member - c->members);
}

static void note_copy(struct cluster_member *m, uint32_t from, uint32_t to) {
    uint32_t *copies = m->coordinator.copies;
    uint32_t source = slot_of(m->configuration, from), target = slot_of(m->configuration, to);
    if (source != UINT32_MAX && !CLUSTER_MUTATED(MUTANT_SOURCES_UNLIMITED))
        copies[source]++;
    if (target != UINT32_MAX)
        copies[target]++;
}

static void count_copies(struct cluster_member *m) {
    const struct configuration *c = m->configuration;
    memset(m->coordinator.copies, 0, m->options.members_max * sizeof(*m->coordinator.copies));
    for (uint32_t p = 0; p < c->partition_count; p++)
        for (uint8_t i = 0; i < c->partitions[p].learners.count; i++)
            note_copy(m, c->partitions[p].primary, c->partitions[p].learners.members[i]);
}

/* A copy has room at both ends, and the last attempt is long enough ago. */
static bool may_begin_copy(struct cluster_member *m, uint32_t p, uint32_t to) {
    const struct configuration *c = m->configuration;
    const struct partition_config *config = &c->partitions[p];
    uint32_t source = slot_of(c, config->primary), target = slot_of(c, to);
    const uint32_t *copies = m->coordinator.copies;
    return source != UINT32_MAX && target != UINT32_MAX &&
           c->members[target].state == MEMBER_ACTIVE && !member_set_has(&config->learners, to) &&
           copies[source] < m->options.moves_max && copies[target] < m->options.moves_max &&
           coordinator_may_copy(m, p, &c->members[target]);
}

/* One step for one partition: begin a copy, or end a seat that is not wanted any more. A replica
 * goes only when all that are wanted are in sync, and enough stay. */
static bool move_replica(struct cluster_member *m, uint32_t p) {
    const struct configuration *c = m->configuration;
    const struct partition_config *config = &c->partitions[p];
    uint32_t missing = 0;
    for (uint8_t i = 0; i < config->target.count; i++) {
        uint32_t number = config->target.members[i];
        if (member_set_has(&config->in_sync, number))
            continue;
        missing++;
        if (!may_begin_copy(m, p, number))
            continue;
        note_copy(m, config->primary, number);
        return coordinator_propose_change(m, CONFIG_ADD_LEARNER, p, number);
    }
    for (uint8_t i = 0; i < config->learners.count; i++)
        if (!member_set_has(&config->target, config->learners.members[i]))
            return coordinator_propose_change(m, CONFIG_REMOVE_LEARNER, p,
                                              config->learners.members[i]);
    for (uint8_t i = 0; missing == 0 && i < config->in_sync.count; i++)
        if (!member_set_has(&config->target, config->in_sync.members[i]) &&
            config->in_sync.members[i] != config->primary &&
            departure_leaves_enough(c, config, config->in_sync.members[i]))
            return coordinator_propose_change(m, CONFIG_SHRINK, p, config->in_sync.members[i]);
    return true;
}

static void ask_hand_off(struct cluster_member *m, uint32_t p, uint32_t from, uint32_t to) {
    if (from == m->number) {
        m->host->hand_off(m->host->context, p, to);
        return;
    }
    const struct member *primary = configuration_find_member(m->configuration, from);
    struct byte_writer w = {member_body(m)};
    write_unsigned(&w, p, 4);
    write_unsigned(&w, to, 4);
    if (primary != NULL)
        member_send(m, &primary->address, primary->node, FRAME_HAND_OFF, 8);
}

/* A process that has just begun opens nothing yet: what it was given would wait. */
static bool is_fresh(const struct cluster_member *m, uint32_t number) {
    const struct member_peer *peer = member_find_peer(m, number);
    int64_t since_us = peer == NULL ? m->started_us : peer->since_us;
    return m->now_us - since_us < (int64_t)m->configuration->longest_lease_ms * 1000 &&
           !CLUSTER_MUTATED(MUTANT_HAND_OFF_TO_FRESH);
}

static bool may_be_primary(const struct cluster_member *m, const struct partition_config *config,
                           uint32_t number) {
    const struct member *member = configuration_find_member(m->configuration, number);
    return member != NULL && member->state == MEMBER_ACTIVE &&
           member_set_has(&config->in_sync, number) && !is_fresh(m, number) &&
           (number == m->number || (failure_detector_may_lead(m->detector, number, m->now_us) &&
                                    !failure_detector_suspects(m->detector, number, m->now_us)));
}

/* A primary that is not wanted goes when another replica can take over; one that is merely not the
 * best only when nothing else is going on. */
static void move_primary(struct cluster_member *m, uint32_t p, bool is_calm) {
    const struct partition_config *config = &m->configuration->partitions[p];
    uint32_t best = m->coordinator.placement->primaries[p];
    const struct member *primary = configuration_find_member(m->configuration, config->primary);
    bool is_wanted = member_set_has(&config->target, config->primary) && primary != NULL &&
                     primary->state == MEMBER_ACTIVE;
    if (config->primary == CLUSTER_NOBODY || config->primary == best || (is_wanted && !is_calm))
        return;
    if (may_be_primary(m, config, best)) {
        ask_hand_off(m, p, config->primary, best);
        return;
    }
    for (uint8_t i = 0; !is_wanted && i < config->target.count; i++)
        if (may_be_primary(m, config, config->target.members[i])) {
            ask_hand_off(m, p, config->primary, config->target.members[i]);
            return;
        }
}

/* A part at a time: whoever leads has voters to answer. */
static bool make_placement(struct cluster_member *m) {
    struct coordinator *c = &m->coordinator;
    if (c->placement != NULL)
        return true;
    if (c->plan == NULL && placement_begin(m->configuration, m->allocator, &c->plan) != LARDER_OK)
        return false;
    if (!placement_continue(c->plan, m->configuration, PLACEMENT_EFFORT))
        return false;
    c->placement = placement_end(c->plan);
    c->plan = NULL;
    return true;
}

void coordinator_review_replicas(struct cluster_member *m) {
    const struct configuration *c = m->configuration;
    bool is_calm = note_calm(m);
    if (!make_placement(m) || !review_targets(m, is_calm) || !coordinator_review_moves(m))
        return;
    count_copies(m);
    /* those that lack the most replicas come first */
    for (uint32_t has = 1; has <= c->settings.replica_count + 1; has++)
        for (uint32_t p = 0; p < c->partition_count; p++) {
            uint32_t in_sync = c->partitions[p].in_sync.count;
            bool is_turn = has > c->settings.replica_count ? in_sync >= has : in_sync == has;
            if (is_turn && !move_replica(m, p))
                return;
        }
    /* while leadership moves a hand-off would wait for it, closed */
    if (coordinator_is_handing_over(m))
        return;
    for (uint32_t p = 0; p < c->partition_count; p++)
        move_primary(m, p, is_calm);
}
