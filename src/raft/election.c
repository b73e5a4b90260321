/* SPDX-License-Identifier: BSD-3-Clause */
/* Elections. A timeout first asks whether a majority would vote (pre-vote), without raising a term,
 * and nobody who hears a leader says yes: a member that was cut off or removed disturbs nobody.
 * Only then is the term raised and the vote for itself made durable; the requests leave after that,
 * and votes leave after the voter's hard state is durable. A leader that does not hear a majority
 * within an election timeout steps down (check-quorum), so that lease and leader end together. */
#include "raft/core.h"

void raft_restart_election_timer(struct raft *raft) {
    int64_t spread = (int64_t)random_below(&raft->random, (uint64_t)raft->options.election_ms);
    raft->election_deadline_ms = raft->now_ms + raft->options.election_ms + spread;
}

bool raft_is_leased(const struct raft *raft) {
    if (RAFT_MUTATED(MUTANT_LEASE_IGNORED))
        return false;
    if (raft->role == RAFT_LEADER)
        return true;
    return raft_id_is_set(raft->leader) &&
           raft->now_ms - raft->leader_contact_ms < raft->options.election_ms;
}

static bool may_campaign(const struct raft *raft) {
    return raft_is_electable(raft) && !raft->storage.is_failed;
}

static void vote_for_self(struct raft *raft) {
    struct raft_peer *self = raft_find_peer(raft, raft->options.self);
    if (self != NULL)
        self->vote = VOTE_GRANTED;
}

static bool has_granted(const struct raft *raft, const struct raft_peer *peer) {
    (void)raft;
    return peer->vote == VOTE_GRANTED;
}

/* Everything that belongs to a leader or to a term ends; the term and the vote stay. */
void raft_step_down(struct raft *raft) {
    raft_fail_reads(raft);
    raft->transfer_to = RAFT_NOBODY;
    raft->leader = RAFT_NOBODY;
    if (raft->role != RAFT_FOLLOWER)
        raft_restart_election_timer(raft);
    raft_become(raft, RAFT_FOLLOWER);
}

void raft_observe_term(struct raft *raft, uint64_t term) {
    if (term <= raft->term)
        return;
    raft->term = term;
    raft->vote = RAFT_NOBODY;
    raft->storage.is_hard_state_changed = true;
    raft->held = raft->commit;
    raft->vote_reply_to = RAFT_NOBODY;
    raft->is_append_reply_owed = false;
    raft->out->has_new_role = true;
    raft_step_down(raft);
}

void raft_follow(struct raft *raft, struct raft_id leader) {
    if (raft->role != RAFT_FOLLOWER)
        raft_become(raft, RAFT_FOLLOWER);
    if (!raft_id_equal(raft->leader, leader))
        raft->out->has_new_role = true;
    raft->leader = leader;
    raft->leader_contact_ms = raft->now_ms;
    raft_restart_election_timer(raft);
}

static void request_votes(struct raft *raft, enum raft_message_type type, uint64_t term) {
    for (uint32_t i = 0; i < raft->configuration.count; i++) {
        const struct raft_peer *peer = &raft->peers[i];
        if (!peer->is_voter || raft_is_self(raft, peer->id))
            continue;
        struct raft_message *request = raft_send(raft, type, peer->id);
        request->term = term;
        request->vote = (struct raft_vote){.last_index = raft_log_last_index(&raft->log),
                                           .last_term = raft_log_last_term(&raft->log),
                                           .is_transfer = raft->is_transfer_vote};
    }
}

static void begin_count(struct raft *raft) {
    for (uint32_t i = 0; i < raft->configuration.count; i++)
        raft->peers[i].vote = VOTE_UNKNOWN;
    raft->leader = RAFT_NOBODY;
    raft_restart_election_timer(raft);
}

/* Raise the term and vote for itself; raft_release_votes goes on when that is durable. */
static void campaign(struct raft *raft, bool is_transfer) {
    raft_become(raft, RAFT_CANDIDATE);
    begin_count(raft);
    raft->term++;
    raft->vote = raft->options.self;
    raft->storage.is_hard_state_changed = true;
    raft->held = raft->commit;
    raft->vote_reply_to = RAFT_NOBODY;
    raft->is_append_reply_owed = false;
    raft->is_vote_requested = false;
    raft->is_transfer_vote = is_transfer;
}

static void count_pre_votes(struct raft *raft) {
    if (raft_has_quorum(raft, has_granted))
        campaign(raft, false);
}

static void ask_for_pre_votes(struct raft *raft) {
    raft_become(raft, RAFT_PRE_CANDIDATE);
    begin_count(raft);
    raft->is_transfer_vote = false;
    vote_for_self(raft);
    if (RAFT_MUTATED(MUTANT_NO_PRE_VOTE)) {
        campaign(raft, false);
        return;
    }
    request_votes(raft, RAFT_PRE_VOTE, raft->term + 1);
    count_pre_votes(raft);
}

static bool is_in_contact(const struct raft *raft, const struct raft_peer *peer) {
    return raft_is_self(raft, peer->id) ||
           raft->now_ms - peer->contact_ms < raft->options.election_ms;
}

static void check_quorum(struct raft *raft) {
    if (raft->now_ms - raft->quorum_check_ms < raft->options.election_ms)
        return;
    raft->quorum_check_ms = raft->now_ms;
    if (!raft_has_quorum(raft, is_in_contact) && !RAFT_MUTATED(MUTANT_NO_CHECK_QUORUM))
        raft_step_down(raft);
}

void raft_on_election_tick(struct raft *raft) {
    if (raft->role == RAFT_LEADER) {
        check_quorum(raft);
        if (raft_id_is_set(raft->transfer_to) && raft->now_ms >= raft->transfer_deadline_ms)
            raft->transfer_to = RAFT_NOBODY;
        return;
    }
    if (raft->now_ms < raft->election_deadline_ms)
        return;
    if (may_campaign(raft))
        ask_for_pre_votes(raft);
    else
        raft_restart_election_timer(raft);
}

/* Others may ask for its vote from now on. */
void raft_on_leader_gone(struct raft *raft, int64_t campaign_after_ms) {
    if (raft->role != RAFT_FOLLOWER)
        return;
    raft->leader = RAFT_NOBODY;
    if (raft->now_ms + campaign_after_ms < raft->election_deadline_ms)
        raft->election_deadline_ms = raft->now_ms + campaign_after_ms;
    raft_on_election_tick(raft);
}

static bool is_log_acceptable(const struct raft *raft, const struct raft_vote *vote) {
    return RAFT_MUTATED(MUTANT_OLD_LOG_ELECTED) ||
           raft_log_is_behind_or_equal(&raft->log, vote->last_index, vote->last_term);
}

void raft_on_pre_vote(struct raft *raft, const struct raft_message *message) {
    bool is_granted = message->term > raft->term && !raft_is_leased(raft) &&
                      !raft->storage.is_failed && is_log_acceptable(raft, &message->vote);
    struct raft_message *reply = raft_send(raft, RAFT_PRE_VOTE_REPLY, message->from);
    reply->vote_reply.is_granted = is_granted;
    if (is_granted)
        reply->term = message->term;
}

void raft_on_pre_vote_reply(struct raft *raft, const struct raft_message *message) {
    if (!message->vote_reply.is_granted) {
        raft_observe_term(raft, message->term);
        return;
    }
    struct raft_peer *peer = raft_find_peer(raft, message->from);
    if (raft->role != RAFT_PRE_CANDIDATE || message->term != raft->term + 1 || peer == NULL)
        return;
    peer->vote = VOTE_GRANTED;
    count_pre_votes(raft);
}

static void refuse_vote(struct raft *raft, struct raft_id candidate) {
    if (raft_is_hard_state_durable(raft))
        raft_send(raft, RAFT_VOTE_REPLY, candidate)->vote_reply.is_granted = false;
}

void raft_on_vote(struct raft *raft, const struct raft_message *message) {
    if (message->term > raft->term) {
        if (!message->vote.is_transfer && raft_is_leased(raft))
            return;
        raft_observe_term(raft, message->term);
    }
    bool is_free = !raft_id_is_set(raft->vote) || raft_id_equal(raft->vote, message->from) ||
                   RAFT_MUTATED(MUTANT_VOTED_TWICE);
    if (message->term < raft->term || raft->role == RAFT_LEADER || !is_free ||
        raft->storage.is_failed || !is_log_acceptable(raft, &message->vote)) {
        refuse_vote(raft, message->from);
        return;
    }
    if (!raft_id_equal(raft->vote, message->from)) {
        raft->vote = message->from;
        raft->storage.is_hard_state_changed = true;
    }
    raft->vote_reply_to = message->from;
    raft_restart_election_timer(raft);
}

void raft_on_vote_reply(struct raft *raft, const struct raft_message *message) {
    struct raft_peer *peer = raft_find_peer(raft, message->from);
    if (raft->role != RAFT_CANDIDATE || peer == NULL)
        return;
    peer->vote = message->vote_reply.is_granted ? VOTE_GRANTED : VOTE_REFUSED;
    if (raft->is_vote_requested && raft_has_quorum(raft, has_granted))
        raft_start_leading(raft);
}

void raft_on_timeout_now(struct raft *raft, const struct raft_message *message) {
    (void)message;
    if (raft->role == RAFT_FOLLOWER && may_campaign(raft))
        campaign(raft, true);
}

void raft_release_votes(struct raft *raft) {
    if (!raft_is_hard_state_durable(raft) && !RAFT_MUTATED(MUTANT_VOTE_BEFORE_DURABLE))
        return;
    if (raft_id_is_set(raft->vote_reply_to)) {
        raft_send(raft, RAFT_VOTE_REPLY, raft->vote_reply_to)->vote_reply.is_granted = true;
        raft->vote_reply_to = RAFT_NOBODY;
    }
    if (raft->role != RAFT_CANDIDATE || raft->is_vote_requested)
        return;
    raft->is_vote_requested = true;
    vote_for_self(raft);
    request_votes(raft, RAFT_VOTE, raft->term);
    if (raft_has_quorum(raft, has_granted))
        raft_start_leading(raft);
}

void raft_hand_over(struct raft *raft) {
    const struct raft_peer *best = NULL;
    for (uint32_t i = 0; i < raft->configuration.count; i++) {
        const struct raft_peer *peer = &raft->peers[i];
        if (peer->is_voter && !raft_is_self(raft, peer->id) && is_in_contact(raft, peer) &&
            (best == NULL || peer->durable > best->durable))
            best = peer;
    }
    if (best != NULL)
        raft_send(raft, RAFT_TIMEOUT_NOW, best->id);
}
