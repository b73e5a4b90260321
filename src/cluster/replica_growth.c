/* SPDX-License-Identifier: BSD-3-Clause */
/* What the primary asks of the config group: SHRINK of the silent, EXPAND of learners that caught
 * up, LEASED when policy isr has ended, TRANSFER when drained. One proposal at a time. One whose
 * outcome stays unknown is settled by another at the same epoch that always applies if the first
 * did not: SHRINK or NOP. */
#include "cluster/mutants.h"
#include "cluster/replica_core.h"

void primary_propose(struct partition_replica *r, enum config_entry_type type, uint32_t member) {
    if (r->out->has_proposal)
        return;
    const struct replica_peer *peer = primary_find_peer(r, member);
    uint64_t incarnation = member == r->options.self ? r->options.incarnation
                           : peer != NULL            ? peer->incarnation
                                                     : 0;
    r->proposal = (struct replica_proposal){.is_open = true,
                                            .type = type,
                                            .epoch = r->view.epoch,
                                            .member = member,
                                            .proposed_us = r->now_us};
    r->out->has_proposal = true;
    r->out->proposal = (struct config_entry){.type = type,
                                             .change = {.partition = r->options.partition,
                                                        .epoch = r->view.epoch,
                                                        .member = member,
                                                        .incarnation = incarnation,
                                                        .term = r->view.term}};
}

static bool is_silent(const struct partition_replica *r, const struct replica_peer *peer) {
    return peer->waiting_since_us != INT64_MAX &&
           r->now_us - peer->waiting_since_us >= r->options.shrink_after_us;
}

/* A silent backup holds up everything, and one whose data was found to differ must not be elected,
 * so their SHRINK does not wait for another proposal. */
static bool check_backups(struct partition_replica *r) {
    bool is_shrinking = r->proposal.is_open && r->proposal.type == CONFIG_SHRINK;
    for (uint32_t i = 0; i < r->peer_count && !is_shrinking; i++)
        if (r->peers[i].is_in_sync &&
            (is_silent(r, &r->peers[i]) ||
             (r->peers[i].is_unsynced && !CLUSTER_MUTATED(MUTANT_DIVERGED_STAYS)))) {
            primary_propose(r, CONFIG_SHRINK, r->peers[i].member);
            return true;
        }
    return false;
}

static void check_outcome(struct partition_replica *r) {
    bool has_silent_pending = false;
    for (uint32_t i = 0; i < r->peer_count; i++)
        has_silent_pending |=
            member_set_has(&r->pending, r->peers[i].member) && is_silent(r, &r->peers[i]);
    bool is_nop = r->proposal.type == CONFIG_NOP;
    int64_t waited_us = r->now_us - r->proposal.proposed_us;
    if (waited_us < r->options.settle_after_us && (!has_silent_pending || is_nop))
        return;
    if (CLUSTER_MUTATED(MUTANT_PENDING_DROPPED))
        r->pending = (struct member_set){0};
    if (CLUSTER_MUTATED(MUTANT_HANDOFF_REOPENS) && r->role == REPLICA_DRAINING)
        replica_become(r, REPLICA_OPEN);
    bool is_shrink = r->proposal.type == CONFIG_SHRINK;
    primary_propose(r, is_shrink ? CONFIG_SHRINK : CONFIG_NOP,
                    is_shrink ? r->proposal.member : CLUSTER_NOBODY);
}

static void check_hand_off(struct partition_replica *r) {
    bool is_drained = r->commit == r->log.last || CLUSTER_MUTATED(MUTANT_HANDOFF_UNDRAINED);
    if (is_drained)
        primary_propose(r, CONFIG_TRANSFER, r->hand_off_to);
}

/* First the learner must acknowledge like the others; once it has what is committed, the config
 * group is asked. Until then nobody may add it, so one that falls silent is let go. */
static void check_learners(struct partition_replica *r) {
    for (uint32_t i = 0; i < r->peer_count; i++) {
        const struct replica_peer *peer = &r->peers[i];
        bool is_complete = !peer->is_unsynced || CLUSTER_MUTATED(MUTANT_EXPAND_UNSYNCED);
        uint64_t has = peer->durable;
        bool is_near = peer->is_matched && has + r->options.expand_lag >= r->log.last;
        if (peer->is_in_sync)
            continue;
        if (!is_complete || !is_near || is_silent(r, peer)) {
            member_set_remove(&r->pending, peer->member);
            continue;
        }
        member_set_add(&r->pending, peer->member);
        if (has < r->commit && !CLUSTER_MUTATED(MUTANT_EXPAND_BEHIND))
            continue;
        primary_propose(r, CONFIG_EXPAND, peer->member);
        return;
    }
}

/* A primary that can't log commits nothing. Another one has everything, and goes on when what was
 * promised to this one has run out. */
static bool check_room(struct partition_replica *r) {
    if (!r->is_full || r->proposal.is_open || CLUSTER_MUTATED(MUTANT_FULL_PRIMARY_STAYS))
        return false;
    for (uint32_t i = 0; i < r->peer_count; i++)
        if (r->peers[i].is_in_sync && !r->peers[i].is_unsynced && r->peers[i].is_matched) {
            primary_propose(r, CONFIG_ELECT, r->peers[i].member);
            return true;
        }
    return false;
}

/* This term is open, so no older one is; and this member's settings are those of its view. */
static bool check_policy(struct partition_replica *r) {
    if (!r->view.is_unleased || r->settings.quorum_policy != QUORUM_MAJORITY)
        return false;
    primary_propose(r, CONFIG_LEASED, r->options.self);
    return true;
}

void primary_check_proposals(struct partition_replica *r) {
    if (CLUSTER_MUTATED(MUTANT_NO_ROOM_FIRST) && check_room(r))
        return;
    if (check_backups(r) || check_room(r))
        return;
    if (r->proposal.is_open)
        check_outcome(r);
    else if (r->role == REPLICA_DRAINING)
        check_hand_off(r);
    else if (r->role == REPLICA_OPEN && !check_policy(r))
        check_learners(r);
}
