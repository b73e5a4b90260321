/* SPDX-License-Identifier: BSD-3-Clause */
/* One founding after the other. `known` says of each founder of the present plan how far it is; it
 * is only ever added to, and forgotten when the plan is left. Whoever booted asks the others until
 * it starts or knows that nobody ever will. */
#include "cluster/founding_core.h"
#include "cluster/mutants.h"
#include "cluster/partition_config.h"

static bool is_plan(const struct founding *f, const struct founding_message *m) {
    return raft_id_is_set(f->plan.cluster) && raft_id_equal(f->plan.cluster, m->cluster);
}

static int id_compare(struct raft_id a, struct raft_id b) {
    for (int i = 0; i < 2; i++)
        if (a.words[i] != b.words[i])
            return a.words[i] < b.words[i] ? -1 : 1;
    return 0;
}

int founding_index(const struct founding_plan *plan, struct raft_id node) {
    for (uint32_t i = 0; i < plan->founder_count; i++)
        if (raft_id_equal(plan->founders[i].member.node, node))
            return (int)i;
    return -1;
}

static struct founder_progress *find_progress(struct founding *f, struct raft_id node) {
    int index = founding_index(&f->plan, node);
    return index < 0 ? NULL : &f->known[index];
}

uint32_t founding_voter_count(uint32_t founder_count, uint32_t voter_count) {
    uint32_t count = founder_count < voter_count ? founder_count : voter_count;
    return count % 2 == 0 && count > 0 ? count - 1 : count;
}

void founding_voters(const struct founding_plan *plan, struct raft_configuration *out) {
    uint32_t voters = founding_voter_count(plan->founder_count, plan->settings.voter_count);
    *out = (struct raft_configuration){0};
    for (uint32_t i = 0; i < plan->founder_count && i < RAFT_MEMBERS_MAX; i++)
        out->members[out->count++] =
            (struct raft_member){plan->founders[i].member.node, i < voters};
}

/* Whether the founders that are booted (or, with `is_possible`, have not refused) may start. */
static bool is_enough(const struct founding *f, bool is_possible) {
    const struct founding_plan *plan = &f->plan;
    uint32_t voters = founding_voter_count(plan->founder_count, plan->settings.voter_count);
    uint32_t count = 0, voter_count = 0;
    for (uint32_t i = 0; i < plan->founder_count; i++) {
        bool counts = is_possible ? !f->known[i].has_refused : f->known[i].is_booted;
        count += counts;
        voter_count += counts && i < voters;
    }
    if (plan->is_alone)
        return count == plan->founder_count;
    if (!f->is_durable && !CLUSTER_MUTATED(MUTANT_FOUNDING_WITHOUT_ALL_SEEDS))
        return count == f->seed_count;
    return 2 * count > f->seed_count && 2 * voter_count > voters;
}

void founding_leave(struct founding *f) {
    if (f->state == FOUNDING_PROPOSING || (f->state == FOUNDING_BOOTED && f->is_proposer))
        for (uint32_t i = 0; i < f->plan.founder_count; i++)
            if (f->plan.founders[i].seed != f->self_seed)
                founding_write(f, f->plan.founders[i].seed, FOUNDING_ABORT);
    if (f->has_booted)
        founding_set_mark(f);
    f->plan = (struct founding_plan){0};
    memset(f->known, 0, sizeof(f->known));
    f->is_proposer = f->has_booted = false;
    f->state = FOUNDING_OPEN;
    f->left_us = f->now_us;
    if (!CLUSTER_MUTATED(MUTANT_FOUNDING_COMES_BACK))
        f->round++;
}

static void boot(struct founding *f) {
    f->state = FOUNDING_BOOTED;
    f->has_booted = true;
    founding_set_mark(f);
    f->boot_mark_number = f->mark_number;
}

static bool is_boot_known(const struct founding *f) {
    return f->has_booted && (f->persisted_number >= f->boot_mark_number ||
                             CLUSTER_MUTATED(MUTANT_FOUNDING_MARK_LATE));
}

/* ---- the proposer ---- */

static void add_founder(struct founding_plan *plan, const struct member *member, uint32_t round,
                        uint8_t seed) {
    uint32_t at = plan->founder_count++;
    for (; at > 0 && id_compare(plan->founders[at - 1].member.node, member->node) > 0; at--)
        plan->founders[at] = plan->founders[at - 1];
    plan->founders[at] = (struct founder){.member = *member, .round = round, .seed = seed};
}

/* Everyone it counts on is open, has a larger node id and counts on the same. */
static bool is_its_turn(const struct founding *f) {
    uint32_t count = 1;
    uint64_t weights = f->self.weight; /* somebody must hold data */
    uint64_t seen = founding_seen(f);
    for (uint32_t i = 0; i < f->seed_count; i++) {
        if (!founding_counts_on(f, (uint8_t)i))
            continue;
        weights += f->peers[i].member.weight;
        if (f->peers[i].seen != seen || id_compare(f->peers[i].node, f->self.node) < 0)
            return false;
        count++;
    }
    bool has_all =
        f->is_durable || count == f->seed_count ||
        (CLUSTER_MUTATED(MUTANT_FOUNDING_WITHOUT_ALL_SEEDS) && 2 * count > f->seed_count);
    bool is_expected =
        count >= f->expected_count || CLUSTER_MUTATED(MUTANT_FOUNDING_WITHOUT_ALL_SEEDS);
    return has_all && is_expected && weights > 0;
}

/* A founder that lost its mark would find its cluster by asking; so it asks first. */
static bool founds_alone(const struct founding *f) {
    if (f->now_us - f->created_us >= FOUNDING_PATIENCE_US)
        return true;
    for (uint32_t i = 0; i < f->seed_count; i++)
        if (i != f->self_seed && !founding_counts_on(f, (uint8_t)i))
            return false;
    return true;
}

static void propose(struct founding *f) {
    for (uint32_t i = 0; i < f->plan.founder_count; i++)
        if (f->plan.founders[i].seed != f->self_seed && !f->known[i].has_accepted)
            founding_write(f, f->plan.founders[i].seed, FOUNDING_PROPOSE)->plan = &f->plan;
}

static void check_accepts(struct founding *f) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < f->plan.founder_count; i++)
        count += f->known[i].has_accepted;
    bool is_early =
        CLUSTER_MUTATED(MUTANT_FOUNDING_BOOTS_EARLY) && 2 * count > f->plan.founder_count;
    if (count == f->plan.founder_count || is_early)
        boot(f);
}

void founding_try_propose(struct founding *f) {
    bool is_alone = f->mode == FOUNDING_BY_SELF;
    if (f->mode == FOUNDING_BY_OTHERS || !(is_alone ? founds_alone(f) : is_its_turn(f)))
        return;
    f->plan = (struct founding_plan){.generation = f->generation,
                                     .partition_count = f->partition_count,
                                     .is_alone = is_alone,
                                     .settings = f->settings};
    f->plan.cluster.words[0] = random_next(&f->random) | 1;
    f->plan.cluster.words[1] = random_next(&f->random);
    memset(f->known, 0, sizeof(f->known));
    add_founder(&f->plan, &f->self, f->round, f->self_seed);
    for (uint32_t i = 0; i < f->seed_count && !is_alone; i++)
        if (founding_counts_on(f, (uint8_t)i))
            add_founder(&f->plan, &f->peers[i].member, f->peers[i].round, (uint8_t)i);
    f->state = FOUNDING_PROPOSING;
    f->is_proposer = true;
    f->asker_link = FOUNDING_NO_LINK;
    f->proposed_us = f->now_us;
    find_progress(f, f->self.node)->has_accepted = true;
    propose(f);
    check_accepts(f);
}

void founding_take_accept(struct founding *f, const struct founding_message *m) {
    struct founder_progress *progress = find_progress(f, m->node);
    if (f->state != FOUNDING_PROPOSING || !is_plan(f, m) || progress == NULL)
        return;
    progress->has_accepted = true;
    check_accepts(f);
}

/* ---- all founders ---- */

static bool plan_is_sound(const struct founding *f, const struct founding_plan *plan, int self) {
    uint64_t seeds = 0, weights = 0;
    for (uint32_t i = 0; i < plan->founder_count; i++) {
        uint8_t seed = plan->founders[i].seed;
        weights += plan->founders[i].member.weight;
        if (seed >= f->seed_count || (seeds & (uint64_t)1 << seed) != 0)
            return false;
        seeds |= (uint64_t)1 << seed;
    }
    return !plan->is_alone && weights > 0 && plan->founders[self].seed == f->self_seed &&
           plan->partition_count > 0 && plan->partition_count <= CLUSTER_PARTITIONS_MAX &&
           cluster_settings_are_sound(&plan->settings);
}

static bool is_acceptable(const struct founding *f, const struct founding_message *m) {
    const struct founding_plan *plan = m->plan;
    int self = founding_index(plan, f->self.node);
    if (m->digest != f->digest || f->mode != FOUNDING_EXPECTED || self < 0 ||
        founding_index(plan, m->node) < 0 || !plan_is_sound(f, plan, self))
        return false;
    const struct founder *own = &plan->founders[self];
    bool is_present = own->member.incarnation == f->self.incarnation && own->round == f->round;
    bool is_free = f->state == FOUNDING_OPEN;
    if (CLUSTER_MUTATED(MUTANT_FOUNDING_TWO_ACCEPTS))
        is_free = f->state == FOUNDING_OPEN || f->state == FOUNDING_ACCEPTED;
    uint32_t least = f->is_durable ? f->expected_count : f->seed_count;
    bool is_full =
        plan->founder_count >= least || CLUSTER_MUTATED(MUTANT_FOUNDING_WITHOUT_ALL_SEEDS);
    return is_present && is_free && is_full;
}

/* "I never will": from now on plans made for this round are not accepted either. */
static void refuse(struct founding *f, uint32_t link, struct raft_id cluster, uint32_t round) {
    if (round >= f->round && !CLUSTER_MUTATED(MUTANT_FOUNDING_COMES_BACK))
        f->round = round + 1;
    founding_write(f, link, FOUNDING_REFUSE)->cluster = cluster;
}

void founding_take_proposal(struct founding *f, uint32_t link, const struct founding_message *m) {
    if (f->state == FOUNDING_FORMED) {
        founding_tell_cluster(f, link);
        return;
    }
    if (is_plan(f, m)) {
        if (f->state == FOUNDING_ACCEPTED)
            founding_write(f, link, FOUNDING_ACCEPT);
        return;
    }
    if (!is_acceptable(f, m)) {
        int self = founding_index(m->plan, f->self.node);
        bool is_this =
            self >= 0 && m->plan->founders[self].member.incarnation == f->self.incarnation;
        refuse(f, link, m->cluster, is_this ? m->plan->founders[self].round : 0);
        return;
    }
    f->plan = *m->plan;
    memset(f->known, 0, sizeof(f->known));
    f->state = FOUNDING_ACCEPTED;
    f->asker_link = link;
    f->proposer = m->node;
    f->proposed_us = f->now_us;
    founding_write(f, link, FOUNDING_ACCEPT);
}

/* On disk: only if those that refused, none of which had booted, leave too few to start. */
static bool may_leave(const struct founding *f) {
    bool is_careful = f->is_durable && !CLUSTER_MUTATED(MUTANT_FOUNDING_BOOTED_LEAVES);
    return f->state != FOUNDING_BOOTED || !is_careful || !is_enough(f, true);
}

void founding_take_refusal(struct founding *f, const struct founding_message *m) {
    if (!is_plan(f, m) || f->state == FOUNDING_FORMED || f->state == FOUNDING_JOINING)
        return;
    struct founder_progress *progress = find_progress(f, m->node);
    if (progress == NULL || (m->type == FOUNDING_REFUSE && f->state == FOUNDING_ACCEPTED))
        return;
    if (m->type == FOUNDING_REFUSE)
        progress->has_refused = true;
    if (may_leave(f))
        founding_leave(f);
}

/* It has left the plan, for ever: each leaving raises the round. */
static bool has_left(const struct founding *f, const struct founding_peer *peer,
                     const struct founder *founder) {
    return peer->round > founder->round && !raft_id_equal(peer->cluster, f->plan.cluster);
}

void founding_lose(struct founding *f, uint8_t seed) {
    const struct founding_peer *peer = &f->peers[seed];
    for (uint32_t i = 0; i < f->plan.founder_count; i++) {
        const struct founder *founder = &f->plan.founders[i];
        if (founder->seed != seed || seed == f->self_seed)
            continue;
        bool is_same = peer->is_heard && raft_id_equal(peer->node, founder->member.node) &&
                       peer->incarnation == founder->member.incarnation;
        bool needs_it =
            f->state == FOUNDING_PROPOSING || (f->state == FOUNDING_BOOTED && !f->is_durable);
        bool is_proposer =
            f->state == FOUNDING_ACCEPTED && raft_id_equal(f->proposer, founder->member.node);
        if ((needs_it && !is_same) || (is_proposer && is_same && has_left(f, peer, founder))) {
            founding_leave(f);
            return;
        }
    }
}

void founding_take_boot(struct founding *f, uint32_t link, const struct founding_message *m) {
    bool is_own = is_plan(f, m);
    if (f->state == FOUNDING_FORMED) {
        if (is_own) {
            founding_write(f, link, FOUNDING_START)->plan = &f->plan;
            return;
        }
        founding_tell_cluster(f, link);
    }
    if (is_own && f->state == FOUNDING_ACCEPTED) {
        boot(f);
        f->asker_link = link;
        founding_note_booted(f, m->node);
        return;
    }
    if (is_own && f->has_booted) {
        founding_note_booted(f, m->node);
        if (is_boot_known(f))
            founding_write(f, link, FOUNDING_IS_BOOTED);
        return;
    }
    bool is_node = raft_id_equal(m->target, f->self.node);
    bool is_process = is_node && m->target_incarnation == f->self.incarnation;
    if (CLUSTER_MUTATED(MUTANT_FOUNDING_ANY_INCARNATION) && is_node && !is_process)
        founding_write(f, link, FOUNDING_IS_BOOTED)->cluster = m->cluster;
    else if (is_node && !is_own)
        refuse(f, link, m->cluster, is_process ? m->target_round : 0);
}

void founding_note_booted(struct founding *f, struct raft_id node) {
    struct founder_progress *progress = find_progress(f, node);
    if (progress != NULL)
        progress->is_booted = true;
}

static void ask_to_boot(struct founding *f) {
    for (uint32_t i = 0; i < f->plan.founder_count; i++) {
        const struct founder *founder = &f->plan.founders[i];
        if (raft_id_equal(founder->member.node, f->self.node) || f->known[i].is_booted ||
            f->known[i].has_refused)
            continue;
        struct founding_message *m = founding_write(f, founder->seed, FOUNDING_BOOT);
        m->target = founder->member.node;
        m->target_incarnation = founder->member.incarnation;
        m->target_round = founder->round;
    }
}

void founding_repeat(struct founding *f) {
    if (f->state == FOUNDING_PROPOSING) {
        if (f->now_us - f->proposed_us >= FOUNDING_PATIENCE_US)
            founding_leave(f);
        else
            propose(f);
    } else if (f->state == FOUNDING_BOOTED && is_boot_known(f)) {
        ask_to_boot(f);
    } else if (f->state == FOUNDING_ACCEPTED && CLUSTER_MUTATED(MUTANT_FOUNDING_ACCEPT_EXPIRES) &&
               f->now_us - f->proposed_us >= FOUNDING_FRESH_US) {
        founding_leave(f);
    }
}

static void form(struct founding *f) {
    const struct founding_plan *plan = &f->plan;
    f->state = FOUNDING_FORMED;
    f->cluster = plan->cluster;
    f->cluster_generation = plan->generation;
    f->address_count = 0;
    for (uint32_t i = 0; i < plan->founder_count; i++) {
        const struct founder *founder = &plan->founders[i];
        if (f->address_count < FOUNDING_ADDRESSES_MAX)
            f->addresses[f->address_count++] = founder->member.address;
        if (f->is_proposer && founder->seed != f->self_seed)
            founding_write(f, founder->seed, FOUNDING_START)->plan = plan;
    }
    f->out.outcome = FOUNDING_STARTS;
}

/* It is named, and is not in that founding (any more): it asks anew, and goes by the answer. */
static void start_late(struct founding *f, uint32_t link, const struct founding_message *m) {
    if (CLUSTER_MUTATED(MUTANT_FOUNDING_FORMED_IGNORED))
        return;
    if (f->state == FOUNDING_OPEN && link < f->seed_count && m->target_round == f->round) {
        f->plan = *m->plan;
        form(f);
    } else if (f->state == FOUNDING_PROPOSING || f->state == FOUNDING_ACCEPTED ||
               (f->state == FOUNDING_BOOTED && !f->is_durable)) {
        founding_leave(f);
    }
}

void founding_take_start(struct founding *f, uint32_t link, const struct founding_message *m) {
    bool is_founding = f->state == FOUNDING_PROPOSING || f->state == FOUNDING_ACCEPTED ||
                       f->state == FOUNDING_BOOTED;
    if (is_founding && is_plan(f, m)) {
        form(f);
        return;
    }
    if (founding_index(m->plan, f->self.node) >= 0) {
        start_late(f, link, m);
        return;
    }
    struct founding_message formed = *m;
    formed.generation = m->plan->generation;
    for (uint32_t i = 0; i < m->plan->founder_count; i++)
        if (formed.address_count < FOUNDING_ADDRESSES_MAX)
            formed.addresses[formed.address_count++] = m->plan->founders[i].member.address;
    founding_join(f, &formed);
}

void founding_check_start(struct founding *f) {
    if (f->state != FOUNDING_BOOTED || !is_boot_known(f))
        return;
    struct founder_progress *own = find_progress(f, f->self.node);
    if (!own->is_booted && f->asker_link != FOUNDING_NO_LINK)
        founding_write(f, f->asker_link, FOUNDING_IS_BOOTED);
    else if (!own->is_booted)
        ask_to_boot(f);
    own->is_booted = true;
    if (is_enough(f, false))
        form(f);
}

enum larder_status founding_configure(const struct founding_plan *plan, uint32_t members_max,
                                      const struct allocator *allocator,
                                      struct configuration **out) {
    struct member members[FOUNDING_SEEDS_MAX];
    for (uint32_t i = 0; i < plan->founder_count; i++)
        members[i] = plan->founders[i].member;
    struct configuration *c = NULL;
    enum larder_status status = configuration_create(
        plan->cluster, plan->generation, plan->partition_count, members_max, allocator, &c);
    if (status != LARDER_OK)
        return status;
    status = configuration_found(c, members, plan->founder_count, &plan->settings);
    if (status != LARDER_OK)
        configuration_destroy(c);
    else
        *out = c;
    return status;
}
