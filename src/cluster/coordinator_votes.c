/* SPDX-License-Identifier: BSD-3-Clause */
/* Who votes and who leads: the core's members follow those of the configuration, who leaves is
 * replaced as a voter before it goes, and leadership belongs to the oldest member. */
#include "cluster/departures.h"
#include "cluster/member_core.h"
#include "cluster/mutants.h"

enum {
    TRANSFER_US = 5000000,  /* between two attempts to hand leadership to the oldest member */
    HAND_OVER_US = 1000000, /* ... of one that departs */
};

static bool is_core_voter(const struct cluster_member *m, struct raft_id id) {
    const struct raft_configuration *core = raft_get_configuration(m->raft);
    for (uint32_t i = 0; i < core->count; i++)
        if (raft_id_equal(core->members[i].id, id))
            return core->members[i].is_voter;
    return false;
}

/* It leaves, and its vote is all that it still has. */
static bool has_only_a_vote(const struct cluster_member *m, const struct member *member) {
    return departure_is_for_good(member) && departure_is_empty(m->configuration, member);
}

/* Members that are down count: who comes back votes again, and fewer voters would make the next
 * loss the last. */
static uint32_t wanted_voters(const struct cluster_member *m) {
    const struct configuration *c = m->configuration;
    uint32_t members = 0, voters = c->settings.voter_count;
    for (uint32_t i = 0; i < c->member_count; i++)
        members += !has_only_a_vote(m, &c->members[i]);
    voters = voters < members ? voters : members;
    return voters - (voters > 0 && voters % 2 == 0);
}

/* Whether the core will take its vote soon: there are too many, or there is somebody instead. */
static bool is_vote_replaceable(const struct cluster_member *m) {
    const struct raft_configuration *core = raft_get_configuration(m->raft);
    uint32_t voters = 0;
    bool is_anybody = false;
    for (uint32_t i = 0; i < core->count; i++) {
        const struct member *member =
            configuration_find_node(m->configuration, core->members[i].id);
        voters += core->members[i].is_voter;
        is_anybody |= !core->members[i].is_voter && member != NULL &&
                      member->state == MEMBER_ACTIVE &&
                      !failure_detector_suspects(m->detector, member->number, m->now_us);
    }
    return is_anybody || voters > wanted_voters(m);
}

struct votes {
    uint32_t all, living;
};

/* Of the voters other than this member. */
static struct votes count_other_votes(const struct cluster_member *m, const struct member *member) {
    const struct raft_configuration *core = raft_get_configuration(m->raft);
    struct votes votes = {0};
    for (uint32_t i = 0; i < core->count; i++) {
        const struct member *other = configuration_find_node(m->configuration, core->members[i].id);
        if (!core->members[i].is_voter || raft_id_equal(core->members[i].id, member->node))
            continue;
        votes.all++;
        votes.living += other != NULL && other->state != MEMBER_DOWN &&
                        !failure_detector_suspects(m->detector, other->number, m->now_us);
    }
    return votes;
}

/* Whether the voters that live are a majority without this voter. */
static bool is_majority_without(const struct cluster_member *m, const struct member *member) {
    struct votes others = count_other_votes(m, member);
    return others.living > (others.all + 1) / 2;
}

/* Its vote may be taken: the others can decide that, and go on without. Those of the dead are taken
 * first. */
static bool is_vote_free(const struct cluster_member *m, const struct member *member) {
    struct votes others = count_other_votes(m, member);
    return !is_core_voter(m, member->node) || others.living > others.all / 2;
}

/* Nothing is left to be given up. Who leaves by force does not wait for another voter, and nobody
 * goes without whom the others could decide nothing any more. */
bool coordinator_has_departed(const struct cluster_member *m, const struct member *member) {
    const struct configuration *c = m->configuration;
    bool is_free = departure_is_for_good(member) ? departure_is_empty(c, member)
                                                 : departure_may_pause(c, member);
    if (!is_free || !is_core_voter(m, member->node) || CLUSTER_MUTATED(MUTANT_LEAVER_KEEPS_VOTE))
        return is_free;
    if (!is_majority_without(m, member) && !CLUSTER_MUTATED(MUTANT_LEAVER_STOPS_GROUP))
        return false;
    return member->departure != DEPARTURE_LEAVE || !is_vote_replaceable(m);
}

/* ---- the core's members ---- */

static bool core_has(const struct raft_configuration *core, struct raft_id id) {
    for (uint32_t i = 0; i < core->count; i++)
        if (raft_id_equal(core->members[i].id, id))
            return true;
    return false;
}

static void change_core(struct cluster_member *m, enum raft_change_type type, struct raft_id id) {
    struct raft_input input = {.type = RAFT_CHANGE, .change = {type, id}};
    (void)member_raft_step(m, &input);
}

static void set_dead(struct cluster_member *m, struct raft_id id, bool is_dead) {
    struct raft_input input = {.type = RAFT_MEMBER_DEAD, .member_dead = {id, is_dead}};
    (void)member_raft_step(m, &input);
}

static bool is_departing(const struct cluster_member *m) {
    const struct member *self = configuration_find_member(m->configuration, m->number);
    return self != NULL && self->state == MEMBER_DRAINING &&
           !CLUSTER_MUTATED(MUTANT_LEAVER_LEADS_ON);
}

static bool may_take_over(const struct cluster_member *m, const struct member *member) {
    return member->state == MEMBER_ACTIVE && member->number != m->number &&
           !failure_detector_suspects(m->detector, member->number, m->now_us) &&
           failure_detector_may_lead(m->detector, member->number, m->now_us);
}

/* The oldest that could, of those whom the core knows already; NULL: nobody. */
static const struct member *find_successor(const struct cluster_member *m, bool is_voter) {
    const struct configuration *c = m->configuration;
    const struct raft_configuration *core = raft_get_configuration(m->raft);
    for (uint32_t i = 0; i < c->member_count; i++)
        if (may_take_over(m, &c->members[i]) && core_has(core, c->members[i].node) &&
            is_core_voter(m, c->members[i].node) == is_voter)
            return &c->members[i];
    return NULL;
}

/* A coordinator that departs and has the only vote makes another voter, to which it can hand over.
 * The core alone would take that vote back: there is one too many. */
static bool promote_successor(struct cluster_member *m) {
    if (!is_departing(m) || find_successor(m, true) != NULL)
        return false;
    const struct member *successor = find_successor(m, false);
    if (successor != NULL)
        change_core(m, RAFT_PROMOTE, successor->node);
    return successor != NULL;
}

static void set_policy(struct cluster_member *m) {
    struct raft_input input = {.type = RAFT_POLICY};
    input.policy.voters_target = is_departing(m) ? 0 : wanted_voters(m);
    (void)member_raft_step(m, &input);
}

/* One change at a time: the core says when it can't. */
static void review_core(struct cluster_member *m) {
    const struct configuration *c = m->configuration;
    struct raft_configuration core = *raft_get_configuration(m->raft);
    set_policy(m);
    if (promote_successor(m))
        return;
    for (uint32_t i = 0; i < core.count; i++) {
        const struct member *member = configuration_find_node(c, core.members[i].id);
        bool is_gone = member == NULL || member->state == MEMBER_DOWN ||
                       (has_only_a_vote(m, member) && is_vote_free(m, member));
        set_dead(m, core.members[i].id, is_gone);
        if (member == NULL && !core.members[i].is_voter)
            change_core(m, RAFT_REMOVE, core.members[i].id);
    }
    for (uint32_t i = 0; i < c->member_count && core.count < RAFT_MEMBERS_MAX; i++)
        if (c->members[i].state != MEMBER_DOWN && !core_has(&core, c->members[i].node))
            change_core(m, RAFT_ADD_LEARNER, c->members[i].node);
}

static void transfer(struct cluster_member *m, const struct member *to) {
    m->coordinator.transferred_us = m->now_us;
    struct raft_input input = {.type = RAFT_TRANSFER, .transfer_to = to->node};
    (void)member_raft_step(m, &input);
}

/* Leadership belongs to the oldest member, where it votes and answers. One that departs hands it to
 * whoever can have it. */
static void review_leadership(struct cluster_member *m) {
    const struct member *oldest = configuration_oldest(m->configuration);
    struct coordinator *c = &m->coordinator;
    if (is_departing(m)) {
        const struct member *successor = find_successor(m, true);
        if (successor != NULL && m->now_us - c->transferred_us >= HAND_OVER_US)
            transfer(m, successor);
        return;
    }
    if (oldest == NULL || !may_take_over(m, oldest) || !is_core_voter(m, oldest->node) ||
        m->now_us - c->since_us < m->options.calm_us || m->now_us - c->transferred_us < TRANSFER_US)
        return;
    transfer(m, oldest);
}

bool coordinator_is_handing_over(const struct cluster_member *m) {
    return is_departing(m) && (find_successor(m, true) != NULL || find_successor(m, false) != NULL);
}

void coordinator_review_votes(struct cluster_member *m) {
    review_core(m);
    review_leadership(m);
}
