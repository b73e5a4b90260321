/* SPDX-License-Identifier: BSD-3-Clause */
/* The leader's side of the log. An entry commits when it is durable on a majority of the voters and
 * is of the leader's own term; everything before it commits with it (Raft 5.4.2). The leader's own
 * copy counts only once its storage said so.
 *
 * Per peer: PROBE finds the last common entry, one message per answer or heartbeat; REPLICATE sends
 * ahead within a window; SNAPSHOT when the log does not reach back. Any loss shows as a refused
 * heartbeat, which leads back to PROBE. */
#include "raft/core.h"

#include <assert.h>

enum { WINDOW = 4 * RAFT_APPEND_ENTRIES_MAX };

void raft_append_own(struct raft *raft, enum raft_entry_type type, uint8_t *data, size_t size) {
    struct raft_entry entry = {.index = raft_log_last_index(&raft->log) + 1,
                               .term = raft->term,
                               .type = type,
                               .data = slice_of(data, size)};
    raft_log_append(&raft->log, &entry);
    raft->held = entry.index;
}

static void reset_peer(struct raft *raft, struct raft_peer *peer) {
    peer->mode = PEER_PROBE;
    peer->durable = 0;
    peer->next = raft_log_last_index(&raft->log) + 1;
    peer->round = peer->round_sent = peer->commit_sent = 0;
    peer->contact_ms = raft->now_ms;
    peer->heartbeat_due_ms = raft->now_ms;
    peer->is_paused = false;
}

void raft_start_leading(struct raft *raft) {
    raft_become(raft, RAFT_LEADER);
    raft->leader = raft->options.self;
    raft->quorum_check_ms = raft->now_ms;
    raft->round = 0;
    raft->read_count = 0;
    raft->transfer_to = RAFT_NOBODY;
    raft->arriving.index = 0;
    raft->is_chunk_pending = false;
    for (uint32_t i = 0; i < raft->configuration.count; i++)
        reset_peer(raft, &raft->peers[i]);
    raft->held = raft_log_last_index(&raft->log);
    raft->term_start = raft->held + 1;
    if (!RAFT_MUTATED(MUTANT_NO_NOOP))
        raft_append_own(raft, RAFT_ENTRY_NOOP, NULL, 0);
}

/* Where the peer's log may agree, from the entry it named: terms only rise, so everything above
 * with a newer term than the peer's can be skipped. */
static uint64_t common_guess(const struct raft *raft, const struct raft_append_reply *reply) {
    uint64_t index = reply->hint_index;
    if (index >= reply->previous_index)
        index = reply->previous_index - 1;
    while (index > raft->log.base_index) {
        const struct raft_entry *entry = raft_log_find(&raft->log, index);
        if (entry != NULL && entry->term <= reply->hint_term)
            break;
        index--;
    }
    return index;
}

static void on_rejected(struct raft *raft, struct raft_peer *peer,
                        const struct raft_append_reply *reply) {
    bool is_old = reply->previous_index <= peer->durable || peer->mode == PEER_SNAPSHOT ||
                  (peer->mode == PEER_PROBE && reply->previous_index != peer->next - 1);
    if (is_old)
        return;
    peer->next = common_guess(raft, reply) + 1;
    if (peer->next <= peer->durable)
        peer->next = peer->durable + 1;
    peer->mode = PEER_PROBE;
    peer->is_paused = false;
}

static void on_accepted(struct raft *raft, struct raft_peer *peer,
                        const struct raft_append_reply *reply) {
    if (peer->mode == PEER_SNAPSHOT && reply->held < raft->log.base_index)
        return;
    peer->is_paused = reply->is_stalled;
    if (reply->is_stalled) {
        peer->mode = PEER_PROBE;
        peer->next = reply->held + 1;
    } else if (peer->mode != PEER_REPLICATE) {
        peer->mode = PEER_REPLICATE;
        peer->next = reply->held + 1;
    } else if (reply->held >= peer->next) {
        peer->next = reply->held + 1;
    }
    if (peer->next <= peer->durable)
        peer->next = peer->durable + 1;
}

void raft_on_append_reply(struct raft *raft, const struct raft_message *message) {
    const struct raft_append_reply *reply = &message->append_reply;
    struct raft_peer *peer = raft_find_peer(raft, message->from);
    if (raft->role != RAFT_LEADER || peer == NULL ||
        reply->held > raft_log_last_index(&raft->log) || reply->durable > reply->held)
        return;
    peer->contact_ms = raft->now_ms;
    if (reply->round > peer->round && reply->round <= raft->round)
        peer->round = reply->round;
    if (reply->durable > peer->durable)
        peer->durable = reply->durable;
    if (reply->is_rejected)
        on_rejected(raft, peer, reply);
    else
        on_accepted(raft, peer, reply);
}

/* The highest index that is durable on a majority of the voters. */
static uint64_t majority_durable(const struct raft *raft) {
    uint64_t durable[RAFT_MEMBERS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < raft->configuration.count; i++) {
        const struct raft_peer *peer = &raft->peers[i];
        if (!peer->is_voter && !RAFT_MUTATED(MUTANT_LEARNER_COUNTED))
            continue;
        uint32_t at = count++;
        for (; at > 0 && durable[at - 1] < peer->durable; at--)
            durable[at] = durable[at - 1];
        durable[at] = peer->durable;
    }
    return count == 0 ? 0 : durable[count / 2];
}

void raft_advance_commit(struct raft *raft) {
    struct raft_peer *self = raft_find_peer(raft, raft->options.self);
    if (self != NULL)
        self->durable = RAFT_MUTATED(MUTANT_LEADER_COUNTS_EARLY) ? raft_log_last_index(&raft->log)
                                                                 : raft->storage.durable;
    uint64_t index = majority_durable(raft);
    if (index <= raft->commit)
        return;
    if (raft_log_matches(&raft->log, index, raft->term) || RAFT_MUTATED(MUTANT_OLD_TERM_COUNTED))
        raft->commit = index;
}

static uint32_t entries_to_send(const struct raft *raft, const struct raft_peer *peer) {
    uint64_t last = raft_log_last_index(&raft->log);
    bool is_window_full = peer->mode == PEER_REPLICATE && peer->next - peer->durable > WINDOW;
    if (peer->is_paused || is_window_full)
        return 0;
    uint32_t count = 0;
    size_t bytes = 0;
    for (uint64_t index = peer->next; index <= last && count < RAFT_APPEND_ENTRIES_MAX; index++) {
        bytes += raft_log_find(&raft->log, index)->data.size;
        if (bytes > RAFT_APPEND_BYTES_MAX)
            break;
        count++;
    }
    return count;
}

static void note_sent(struct raft *raft, struct raft_peer *peer) {
    peer->heartbeat_due_ms = raft->now_ms + raft->options.heartbeat_ms;
    peer->commit_sent = raft->commit;
    peer->round_sent = raft->round;
}

static void send_append(struct raft *raft, struct raft_peer *peer, uint64_t previous,
                        uint32_t count) {
    const struct raft_entry *before = raft_log_find(&raft->log, previous);
    assert(before != NULL || previous == raft->log.base_index);
    struct raft_message *message = raft_send(raft, RAFT_APPEND, peer->id);
    message->append =
        (struct raft_append){.previous_index = previous,
                             .previous_term = before != NULL ? before->term : raft->log.base_term,
                             .commit = raft->commit,
                             .round = raft->round,
                             .entries = count > 0 ? raft_log_find(&raft->log, previous + 1) : NULL,
                             .entry_count = count};
    note_sent(raft, peer);
}

void raft_send_heartbeat(struct raft *raft, struct raft_peer *peer) {
    send_append(raft, peer, raft->log.base_index, 0);
}

static void send_to_peer(struct raft *raft, struct raft_peer *peer) {
    bool is_due = raft->now_ms >= peer->heartbeat_due_ms;
    bool is_asked = is_due || peer->round_sent < raft->round;
    if (peer->mode != PEER_SNAPSHOT && peer->next <= raft->log.base_index)
        raft_begin_snapshot(raft, peer);
    if (peer->mode == PEER_SNAPSHOT) {
        if (is_asked)
            raft_send_heartbeat(raft, peer);
        return;
    }
    if (is_due)
        peer->is_paused = false;
    uint32_t count = entries_to_send(raft, peer);
    bool is_commit_new = peer->mode == PEER_REPLICATE && peer->commit_sent < raft->commit;
    if (count == 0 && !is_asked && !is_commit_new)
        return;
    send_append(raft, peer, peer->next - 1, count);
    if (peer->mode == PEER_REPLICATE)
        peer->next += count;
    else
        peer->is_paused = true;
}

static void advance_transfer(struct raft *raft) {
    const struct raft_peer *target = raft_find_peer(raft, raft->transfer_to);
    if (raft->is_transfer_sent || target == NULL ||
        target->durable < raft_log_last_index(&raft->log))
        return;
    raft_send(raft, RAFT_TIMEOUT_NOW, target->id);
    raft->is_transfer_sent = true;
}

void raft_send_appends(struct raft *raft) {
    for (uint32_t i = 0; i < raft->configuration.count; i++)
        if (!raft_is_self(raft, raft->peers[i].id))
            send_to_peer(raft, &raft->peers[i]);
    if (raft_id_is_set(raft->transfer_to))
        advance_transfer(raft);
    /* The configuration without this leader is committed, and everybody was told. */
    if (raft->commit >= raft->configuration_index && !raft_is_voter(raft)) {
        raft_hand_over(raft);
        raft_step_down(raft);
    }
}
