/* SPDX-License-Identifier: BSD-3-Clause */
/* Partitions whose last in-sync member is gone: given back to one of them that still has the data,
 * or given up. */
#include "cluster/member_core.h"
#include "cluster/mutants.h"
#include "raft/bytes.h"

enum { RESET_LEASES = 2 }; /* config leases to wait before data is given up */

void coordinator_take_offer(struct cluster_member *m, const struct member *from,
                            struct slice body) {
    struct coordinator *c = &m->coordinator;
    struct byte_reader r = byte_reader_of(body);
    struct member_offer offer = {.partition = (uint32_t)read_unsigned(&r, 4),
                                 .member = from->number,
                                 .incarnation = from->incarnation};
    offer.end.term = read_unsigned(&r, 8);
    offer.end.sequence = read_unsigned(&r, 8);
    if (r.is_failed || r.left > 0 || offer.partition >= m->options.partition_count ||
        !c->is_leading)
        return;
    for (uint32_t i = 0; i < c->offer_count; i++)
        if (c->offers[i].partition == offer.partition && c->offers[i].member == offer.member) {
            c->offers[i] = offer;
            return;
        }
    if (c->offer_count < MEMBER_OFFERS_MAX)
        c->offers[c->offer_count++] = offer;
}

static bool is_behind(struct log_position a, struct log_position b) {
    return a.term != b.term ? a.term < b.term : a.sequence < b.sequence;
}

/* The longest log that the living members of the last set have; NULL: none. */
static const struct member_offer *find_best_offer(const struct cluster_member *m, uint32_t p,
                                                  uint32_t *out_count) {
    const struct coordinator *c = &m->coordinator;
    const struct member_offer *best = NULL;
    *out_count = 0;
    for (uint32_t i = 0; i < c->offer_count; i++) {
        const struct member_offer *offer = &c->offers[i];
        const struct member *member = configuration_find_member(m->configuration, offer->member);
        if (offer->partition != p || member == NULL || member->state == MEMBER_DOWN ||
            member->incarnation != offer->incarnation)
            continue;
        ++*out_count;
        if (best == NULL || is_behind(best->end, offer->end))
            best = offer;
    }
    return best;
}

static bool restore(struct cluster_member *m, uint32_t p, int64_t lost_us) {
    const struct partition_config *config = &m->configuration->partitions[p];
    uint32_t count;
    const struct member_offer *best = find_best_offer(m, p, &count);
    if (best == NULL || (count < config->last.count && lost_us < m->options.recovery_wait_us))
        return true;
    return coordinator_propose_change(m, CONFIG_RESTORE, p, best->member);
}

static uint32_t find_new_home(const struct cluster_member *m, uint32_t p) {
    const struct configuration *c = m->configuration;
    const struct member_set *target = &c->partitions[p].target;
    for (uint8_t i = 0; i < target->count; i++) {
        const struct member *member = configuration_find_member(c, target->members[i]);
        if (member != NULL && member->state == MEMBER_ACTIVE)
            return member->number;
    }
    uint32_t active = 0, found = CLUSTER_NOBODY;
    for (uint32_t i = 0; i < c->member_count; i++)
        if (c->members[i].state == MEMBER_ACTIVE && c->members[i].weight > 0 && active++ == 0)
            found = c->members[i].number;
    for (uint32_t i = 0, at = 0; active > 0 && i < c->member_count; i++)
        if (c->members[i].state == MEMBER_ACTIVE && c->members[i].weight > 0 && at++ == p % active)
            found = c->members[i].number;
    return found;
}

/* Data is given up when every lease that might still be held has run out, and never where a
 * minority may go on by itself. */
static bool reset(struct cluster_member *m, uint32_t p, int64_t lost_us) {
    const struct cluster_settings *settings = &m->configuration->settings;
    uint32_t home = find_new_home(m, p);
    uint32_t longest_ms = CLUSTER_MUTATED(MUTANT_RESET_FORGETS_LEASES)
                              ? settings->config_lease_ms
                              : m->configuration->longest_config_lease_ms;
    if (home == CLUSTER_NOBODY || settings->loss_policy != LOSS_RESET ||
        settings->quorum_policy != QUORUM_MAJORITY ||
        lost_us < (int64_t)RESET_LEASES * longest_ms * 1000)
        return true;
    struct config_entry entry = coordinator_change(m, CONFIG_RESET, p, home);
    entry.change.ceiling = (uint64_t)(m->wall_us + COORDINATOR_CEILING_AHEAD_US);
    return coordinator_propose(m, &entry);
}

bool coordinator_review_lost(struct cluster_member *m) {
    struct coordinator *c = &m->coordinator;
    for (uint32_t p = 0; p < m->configuration->partition_count; p++) {
        const struct partition_config *config = &m->configuration->partitions[p];
        struct coordinator_loss *loss = &c->losses[p];
        if (config->state != PARTITION_LOST)
            continue;
        if (loss->index != config->lost_index) /* it may be lost again since the last review */
            *loss = (struct coordinator_loss){config->lost_index, m->now_us};
        int64_t lost_us = m->now_us - loss->since_us;
        uint64_t before = c->proposed_index;
        if (!restore(m, p, lost_us))
            return false;
        if (c->proposed_index == before && !reset(m, p, lost_us))
            return false;
    }
    return true;
}
