/* SPDX-License-Identifier: BSD-3-Clause */
/* What nodes say to each other while they found must be true when it is said, whether or not it
 * arrives, and stay so. This holds of every process, in memory and on disk:
 *
 *   ACCEPT     it has accepted no other founding in this round of its own
 *   BOOT       all founders of the plan have accepted it, and the sender is booted
 *   BOOTED     and with a disk a restart of it would say the same
 *   REFUSE     it is not booted for that plan and never will be; with a disk, who had said BOOTED
 *              only if those that have not refused are not enough
 *
 * and no time that passes releases an accept. */
#ifndef LARDER_TESTS_UNIT_CLUSTER_FOUNDING_WATCH_H
#define LARDER_TESTS_UNIT_CLUSTER_FOUNDING_WATCH_H

#include "cluster/founding.h"

enum { WATCH_PLANS = 128, WATCH_FOUNDERS = 8 };

struct watched_founder {
    struct raft_id node;
    uint64_t incarnation;
    uint32_t round;
    bool has_accepted, said_booted, has_refused;
};

struct watched_plan {
    struct raft_id cluster;
    uint32_t founder_count, voter_count;
    struct watched_founder founders[WATCH_FOUNDERS];
};

struct founding_watch {
    const char *violation; /* NULL: none yet; static */
    uint32_t seed_count;
    bool is_durable;
    uint64_t plan_count; /* ever; the last WATCH_PLANS are kept */
    struct watched_plan plans[WATCH_PLANS];
    /* how much there was to see */
    uint32_t accepts, refusals;
};

static inline void watch_violate(struct founding_watch *w, const char *text) {
    if (w->violation == NULL)
        w->violation = text;
}

static inline struct watched_plan *watch_find(struct founding_watch *w, struct raft_id cluster) {
    for (uint32_t i = 0; i < WATCH_PLANS; i++)
        if (raft_id_is_set(cluster) && raft_id_equal(w->plans[i].cluster, cluster))
            return &w->plans[i];
    return NULL;
}

static inline struct watched_founder *watch_founder(struct watched_plan *plan,
                                                    struct raft_id node) {
    for (uint32_t i = 0; plan != NULL && i < plan->founder_count; i++)
        if (raft_id_equal(plan->founders[i].node, node))
            return &plan->founders[i];
    return NULL;
}

/* The process has accepted; it must not have accepted any other plan in the same round. */
static inline void watch_accept(struct founding_watch *w, struct watched_plan *plan,
                                struct watched_founder *founder) {
    w->accepts += !founder->has_accepted;
    founder->has_accepted = true;
    for (uint32_t i = 0; i < WATCH_PLANS; i++) {
        const struct watched_founder *other = watch_founder(&w->plans[i], founder->node);
        if (&w->plans[i] != plan && other != NULL && other->has_accepted &&
            other->incarnation == founder->incarnation && other->round == founder->round)
            watch_violate(w, "a process accepted two foundings in one round");
    }
}

static inline void watch_plan(struct founding_watch *w, const struct founding_plan *plan,
                              struct raft_id proposer) {
    if (watch_find(w, plan->cluster) != NULL)
        return;
    struct watched_plan *watched = &w->plans[w->plan_count++ % WATCH_PLANS];
    *watched = (struct watched_plan){
        .cluster = plan->cluster,
        .founder_count = plan->founder_count,
        .voter_count = founding_voter_count(plan->founder_count, plan->settings.voter_count)};
    for (uint32_t i = 0; i < plan->founder_count; i++)
        watched->founders[i] =
            (struct watched_founder){.node = plan->founders[i].member.node,
                                     .incarnation = plan->founders[i].member.incarnation,
                                     .round = plan->founders[i].round};
    watch_accept(w, watched, watch_founder(watched, proposer));
}

static inline void watch_booted(struct founding_watch *w, const struct watched_plan *plan,
                                struct watched_founder *founder, bool is_on_disk) {
    founder->said_booted = true;
    for (uint32_t i = 0; i < plan->founder_count; i++)
        if (!plan->founders[i].has_accepted)
            watch_violate(w, "a process is booted before all founders have accepted");
    if (founder->has_refused)
        watch_violate(w, "a process is booted for what it had refused");
    if (w->is_durable && !is_on_disk)
        watch_violate(w, "a process is booted and its disk does not know");
}

/* Whether those that have not refused could still start it. */
static inline bool watch_is_possible(const struct founding_watch *w,
                                     const struct watched_plan *plan) {
    uint32_t count = 0, voters = 0;
    for (uint32_t i = 0; i < plan->founder_count; i++) {
        count += !plan->founders[i].has_refused;
        voters += !plan->founders[i].has_refused && i < plan->voter_count;
    }
    return 2 * count > w->seed_count && 2 * voters > plan->voter_count;
}

static inline void watch_refuse(struct founding_watch *w, const struct watched_plan *plan,
                                struct watched_founder *founder) {
    w->refusals++;
    if (founder->has_refused)
        return;
    if (w->is_durable && founder->said_booted && watch_is_possible(w, plan))
        watch_violate(w, "a process left what it was booted for and others may start");
    founder->has_refused = true;
}

/* Each letter, when it is sent. is_on_disk: a restart of the sender would be booted for what the
 * letter is about. */
static inline void watch_letter(struct founding_watch *w, const struct founding_message *m,
                                bool is_on_disk) {
    if (m->type == FOUNDING_PROPOSE)
        watch_plan(w, m->plan, m->node);
    struct watched_plan *plan = watch_find(w, m->cluster);
    struct watched_founder *founder = watch_founder(plan, m->node);
    if (founder == NULL)
        return;
    switch (m->type) {
    case FOUNDING_ACCEPT: watch_accept(w, plan, founder); return;
    case FOUNDING_BOOT:
    case FOUNDING_IS_BOOTED: watch_booted(w, plan, founder, is_on_disk); return;
    case FOUNDING_REFUSE: watch_refuse(w, plan, founder); return;
    default: return;
    }
}

static inline void watch_tick(struct founding_watch *w, enum founding_state before,
                              enum founding_state after) {
    if (before == FOUNDING_ACCEPTED && after != FOUNDING_ACCEPTED)
        watch_violate(w, "time released an accept");
}

#endif
