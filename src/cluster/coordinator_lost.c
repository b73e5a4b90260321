/* SPDX-License-Identifier: BSD-3-Clause */
/* Partitions whose last in-sync member is gone: given back to one of them that still has the data,
 * or given up. */
#include "cluster/member_core.h"
#include "cluster/mutants.h"
#include "raft/bytes.h"

static const int64_t OFFERS_AGAIN_US = 1000000; /* twice as long as between offers */

/* It may be lost again since the last look: then nothing of before counts. */
static struct coordinator_loss *loss_of(struct cluster_member *m, uint32_t p) {
    struct coordinator_loss *loss = &m->coordinator.losses[p];
    uint64_t index = m->configuration->partitions[p].lost_index;
    if (loss->index != index)
        *loss = (struct coordinator_loss){.index = index, .since_us = m->now_us};
    return loss;
}

/* A log that has all that was acknowledged is complete, whatever others have behind it. */
static bool is_behind(const struct member_remains *a, const struct member_remains *b) {
    if (a->may_lack != b->may_lack && !CLUSTER_MUTATED(MUTANT_LACKING_FIRST))
        return a->may_lack;
    if (a->end.term != b->end.term)
        return a->end.term < b->end.term;
    return a->end.sequence < b->end.sequence;
}

static bool is_present(const struct cluster_member *m, const struct member_offer *offer) {
    const struct member *member = configuration_find_member(m->configuration, offer->member);
    return member != NULL && member->state != MEMBER_DOWN &&
           (member->incarnation == offer->incarnation ||
            CLUSTER_MUTATED(MUTANT_OFFER_OF_ANY_PROCESS));
}

/* One whose process is gone counts no more; those who live say again what they have, and have the
 * time to do so, however long the rest has been waited for. */
static void forget_the_gone(const struct cluster_member *m, struct coordinator_loss *loss) {
    if (loss->best.member == CLUSTER_NOBODY || is_present(m, &loss->best))
        return;
    int64_t latest_us = m->now_us + OFFERS_AGAIN_US - m->options.recovery_wait_us;
    if (loss->since_us < latest_us)
        loss->since_us = latest_us < m->now_us ? latest_us : m->now_us;
    loss->heard = (struct member_set){0};
    loss->best = (struct member_offer){0};
}

static void take(struct cluster_member *m, uint32_t p, const struct member_offer *offer) {
    struct coordinator_loss *loss = loss_of(m, p);
    forget_the_gone(m, loss);
    member_set_add(&loss->heard, offer->member);
    if (loss->best.member == CLUSTER_NOBODY || loss->best.member == offer->member ||
        is_behind(&loss->best.remains, &offer->remains))
        loss->best = *offer;
}

void coordinator_take_offers(struct cluster_member *m, const struct member *from,
                             struct slice body) {
    struct byte_reader r = byte_reader_of(body);
    while (m->coordinator.is_leading && r.left > 0) {
        struct member_offer offer = {.member = from->number, .incarnation = from->incarnation};
        uint32_t p = (uint32_t)read_unsigned(&r, 4);
        uint64_t lost_index = read_unsigned(&r, 8);
        offer.remains.end.term = read_unsigned(&r, 8);
        offer.remains.end.sequence = read_unsigned(&r, 8);
        offer.remains.may_lack = read_unsigned(&r, 1) != 0;
        if (r.is_failed || p >= m->configuration->partition_count)
            return;
        const struct partition_config *config = &m->configuration->partitions[p];
        if (config->state == PARTITION_LOST && config->lost_index == lost_index &&
            member_set_has(&config->last, from->number))
            take(m, p, &offer);
    }
}

/* By the best log of the last set, when all of it was heard or has been waited for. */
static bool restore(struct cluster_member *m, uint32_t p, struct coordinator_loss *loss) {
    const struct partition_config *config = &m->configuration->partitions[p];
    forget_the_gone(m, loss);
    if (loss->best.member == CLUSTER_NOBODY ||
        (loss->heard.count < config->last.count &&
         m->now_us - loss->since_us < m->options.recovery_wait_us))
        return true;
    struct config_entry entry = coordinator_change(m, CONFIG_RESTORE, p, loss->best.member);
    entry.change.may_have_lost = loss->best.remains.may_lack;
    entry.change.log_end = loss->best.remains.end.sequence;
    entry.change.ceiling = (uint64_t)(m->wall_us + COORDINATOR_CEILING_AHEAD_US);
    return coordinator_propose(m, &entry);
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

static bool reset(struct cluster_member *m, uint32_t p, int64_t lost_us) {
    const struct configuration *c = m->configuration;
    uint32_t home = find_new_home(m, p);
    if (home == CLUSTER_NOBODY || c->settings.loss_policy != LOSS_RESET ||
        !configuration_may_reset(c, p, lost_us))
        return true;
    struct config_entry entry = coordinator_change(m, CONFIG_RESET, p, home);
    entry.change.ceiling = (uint64_t)(m->wall_us + COORDINATOR_CEILING_AHEAD_US);
    return coordinator_propose(m, &entry);
}

bool coordinator_review_lost(struct cluster_member *m) {
    struct coordinator *c = &m->coordinator;
    for (uint32_t p = 0; p < m->configuration->partition_count; p++) {
        if (m->configuration->partitions[p].state != PARTITION_LOST)
            continue;
        struct coordinator_loss *loss = loss_of(m, p);
        uint64_t before = c->proposed_index;
        if (!restore(m, p, loss))
            return false;
        if (c->proposed_index == before && !reset(m, p, m->now_us - loss->since_us))
            return false;
    }
    return true;
}
