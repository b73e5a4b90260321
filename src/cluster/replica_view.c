/* SPDX-License-Identifier: BSD-3-Clause */
/* Following the configuration. Roles and the moves between them:
 *
 *   from            to             when
 *   any             elected        the view names this process primary of a newer term
 *   elected         open           promises have run out and this term's first record is committed
 *   open            draining       told to hand off
 *   draining        open           the proposal is settled and did not apply
 *   any             backup, learner, none    as the view says
 */
#include "cluster/mutants.h"
#include "cluster/replica_core.h"

#include <assert.h>

#define TO(role) (1u << (role))
enum { SEATS = TO(REPLICA_NONE) | TO(REPLICA_LEARNER) | TO(REPLICA_BACKUP) | TO(REPLICA_ELECTED) };

static const struct {
    const char *name;
    unsigned moves;
} ROLES[] = {
    [REPLICA_NONE] = {"none", SEATS},
    [REPLICA_LEARNER] = {"learner", SEATS},
    [REPLICA_BACKUP] = {"backup", SEATS},
    [REPLICA_ELECTED] = {"elected", SEATS | TO(REPLICA_OPEN)},
    [REPLICA_OPEN] = {"open", SEATS | TO(REPLICA_DRAINING)},
    [REPLICA_DRAINING] = {"draining", SEATS | TO(REPLICA_OPEN)},
};

const char *replica_role_name(enum replica_role role) {
    return ROLES[role].name;
}

void replica_become(struct partition_replica *r, enum replica_role role) {
    assert(ROLES[r->role].moves & TO(role));
    if (r->role != role)
        r->out->has_new_role = true;
    r->role = role;
}

/* Restraint towards the former primary moves from the member to the partition, where later promises
 * to that member do not prolong it. */
static void keep_promise(struct partition_replica *r, const struct partition_config *next) {
    uint32_t former = r->view.primary;
    if (former == next->primary || former == CLUSTER_NOBODY || former == r->options.self)
        return;
    int64_t until_us = lease_promised_until(r->leases, former);
    if (until_us > r->blocked_until_us && !CLUSTER_MUTATED(MUTANT_PROMISE_FORGOTTEN))
        r->blocked_until_us = until_us;
}

static void add_peers(struct partition_replica *r, const struct configuration *c,
                      const struct member_set *set, bool is_in_sync, uint64_t since,
                      const struct replica_peer *before, uint32_t before_count) {
    for (uint8_t i = 0; i < set->count; i++) {
        const struct member *m = configuration_find_member(c, set->members[i]);
        if (m == NULL || m->number == r->options.self)
            continue;
        struct replica_peer *peer = &r->peers[r->peer_count++];
        *peer = (struct replica_peer){.member = m->number,
                                      .incarnation = m->incarnation,
                                      .is_unsynced = !is_in_sync, /* until it says otherwise */
                                      .since = since,
                                      .next = r->log.last + 1,
                                      .sent_us = INT64_MIN / 2,
                                      .refused_us = INT64_MIN / 2,
                                      .waiting_since_us = INT64_MAX};
        for (uint32_t k = 0; k < before_count; k++)
            if (before[k].member == m->number && before[k].incarnation == m->incarnation)
                *peer = before[k];
        peer->is_in_sync = is_in_sync;
    }
}

static void set_peers(struct partition_replica *r, const struct configuration *c,
                      bool is_new_term) {
    struct replica_peer before[REPLICA_PEERS_MAX];
    uint32_t before_count = is_new_term ? 0 : r->peer_count;
    memcpy(before, r->peers, before_count * sizeof(before[0]));
    r->peer_count = 0;
    uint64_t since = is_new_term ? 0 : c->index;
    add_peers(r, c, &r->view.in_sync, true, since, before, before_count);
    add_peers(r, c, &r->view.learners, false, since, before, before_count);
}

/* A higher epoch: whatever was proposed before has applied or never will. */
static void settle_proposal(struct partition_replica *r) {
    if (r->view.epoch <= r->proposal.epoch)
        return;
    bool was_handing_off = r->role == REPLICA_DRAINING && r->proposal.is_open;
    r->proposal = (struct replica_proposal){0};
    r->pending = (struct member_set){0};
    if (r->role == REPLICA_DRAINING &&
        (was_handing_off || !member_set_has(&r->view.in_sync, r->hand_off_to)))
        replica_become(r, REPLICA_OPEN);
}

static enum replica_role seat_in(const struct partition_replica *r, const struct configuration *c) {
    const struct member *self = configuration_find_member(c, r->options.self);
    if (self == NULL || self->incarnation != r->options.incarnation || self->state == MEMBER_DOWN)
        return REPLICA_NONE;
    if (r->view.primary == r->options.self)
        return REPLICA_ELECTED;
    if (member_set_has(&r->view.in_sync, r->options.self))
        return REPLICA_BACKUP;
    return member_set_has(&r->view.learners, r->options.self) ? REPLICA_LEARNER : REPLICA_NONE;
}

/* Records of a term before the last RESET belong to data that was given up. Where the log is empty
 * there may still be data, of a copy that did not end: a primary begins without it. */
static void drop_given_up(struct partition_replica *r, bool is_new_reset) {
    struct log_position end = replica_log_end(&r->log);
    bool is_home = is_new_reset && r->view.primary == r->options.self;
    if (r->view.reset_term == 0 || end.term >= r->view.reset_term ||
        (end.sequence == 0 && !is_home))
        return;
    replica_forget_log(r, (struct log_position){0, 0});
    r->is_unsynced = r->view.primary != r->options.self;
    r->is_unstored = false; /* the log has all from the first record on */
    r->out->has_base = true;
}

static void seat_primary(struct partition_replica *r, bool is_new_term) {
    if (!is_new_term && replica_is_primary(r))
        return;
    replica_become(r, REPLICA_ELECTED);
    primary_begin_term(r);
}

void replica_take_view(struct partition_replica *r, const struct configuration *c) {
    const struct partition_config *next = &c->partitions[r->options.partition];
    bool is_new_term = next->term > r->view.term;
    bool is_new_reset = next->reset_term > r->view.reset_term;
    keep_promise(r, next);
    if (is_new_term && next->is_released)
        r->blocked_until_us = INT64_MIN;
    const struct member *primary = configuration_find_member(c, next->primary);
    r->view = *next;
    r->view_index = c->index;
    r->settings = c->settings;
    r->primary_incarnation = primary == NULL ? 0 : primary->incarnation;
    drop_given_up(r, is_new_reset);
    set_peers(r, c, is_new_term);
    settle_proposal(r);
    enum replica_role seat = seat_in(r, c);
    if (seat == REPLICA_ELECTED) {
        seat_primary(r, is_new_term);
        return;
    }
    if (r->role != seat)
        replica_become(r, seat);
    r->term_start = 0;
    r->pending = (struct member_set){0};
    r->proposal = (struct replica_proposal){0};
    if (is_new_term && seat != REPLICA_NONE && primary != NULL)
        replica_offer_log(r);
}
