/* SPDX-License-Identifier: BSD-3-Clause */
/* Snapshots: cutting the log behind an own one, and sending one to a peer whose log ends before
 * ours begins. A transfer goes chunk by chunk, each answered with the number of bytes stored, which
 * is where to go on: after a loss, a restart of the sender or a new leader with the same snapshot.
 *
 *   leader    read chunk -> SNAPSHOT(offset, data) ...            wait for SNAPSHOT_REPLY(offset')
 *   follower  store chunk -> stored -> SNAPSHOT_REPLY ... whole -> install
 */
#include "raft/core.h"

static bool is_same_snapshot(const struct raft_snapshot *a, const struct raft_snapshot *b) {
    return a->index == b->index && a->term == b->term && a->size == b->size &&
           a->checksum == b->checksum;
}

static bool is_transfer_under_way(const struct raft *raft) {
    for (uint32_t i = 0; raft->role == RAFT_LEADER && i < raft->configuration.count; i++)
        if (raft->peers[i].mode == PEER_SNAPSHOT &&
            raft->now_ms - raft->peers[i].contact_ms < raft->options.election_ms)
            return true;
    return false;
}

enum larder_status raft_on_snapshot_taken(struct raft *raft,
                                          const struct raft_snapshot_taken *taken) {
    const struct raft_snapshot *snapshot = &taken->snapshot;
    if (snapshot->index <= raft->snapshot.index || snapshot->index > raft->given ||
        !raft_log_matches(&raft->log, snapshot->index, snapshot->term) ||
        taken->keep_from > snapshot->index + 1 || taken->keep_from == 0)
        return LARDER_INVALID;
    if (snapshot->index > raft_durable_index(raft) || is_transfer_under_way(raft))
        return LARDER_BUSY;
    raft->snapshot = *snapshot;
    raft_compact(raft, taken->keep_from - 1);
    return LARDER_OK;
}

void raft_begin_snapshot(struct raft *raft, struct raft_peer *peer) {
    peer->mode = PEER_SNAPSHOT;
    peer->snapshot_offset = 0;
    peer->is_snapshot_wanted = true;
    peer->snapshot_due_ms = raft->now_ms;
}

static uint32_t chunk_size(const struct raft *raft, uint64_t offset) {
    uint64_t left = raft->snapshot.size - offset;
    return left < raft->options.snapshot_chunk_bytes ? (uint32_t)left
                                                     : raft->options.snapshot_chunk_bytes;
}

void raft_request_snapshot_reads(struct raft *raft) {
    for (uint32_t i = 0; i < raft->configuration.count; i++) {
        struct raft_peer *peer = &raft->peers[i];
        if (peer->mode != PEER_SNAPSHOT || raft_is_self(raft, peer->id) ||
            (!peer->is_snapshot_wanted && raft->now_ms < peer->snapshot_due_ms))
            continue;
        peer->is_snapshot_wanted = false;
        peer->snapshot_due_ms = raft->now_ms + raft->options.election_ms;
        raft->out->snapshot_reads[raft->out->snapshot_read_count++] =
            (struct raft_snapshot_read){.to = peer->id,
                                        .snapshot = raft->snapshot,
                                        .offset = peer->snapshot_offset,
                                        .size = chunk_size(raft, peer->snapshot_offset)};
    }
}

enum larder_status raft_on_snapshot_data(struct raft *raft, const struct raft_snapshot_data *data) {
    struct raft_peer *peer = raft_find_peer(raft, data->to);
    if (data->data.size > RAFT_SNAPSHOT_CHUNK_MAX || data->offset > data->snapshot.size ||
        data->data.size > data->snapshot.size - data->offset)
        return LARDER_INVALID;
    if (raft->role != RAFT_LEADER || peer == NULL || peer->mode != PEER_SNAPSHOT ||
        !is_same_snapshot(&data->snapshot, &raft->snapshot) ||
        data->offset != peer->snapshot_offset || (data->data.size == 0 && data->snapshot.size > 0))
        return LARDER_OK;
    struct raft_message *message = raft_send(raft, RAFT_SNAPSHOT, peer->id);
    message->snapshot.snapshot = raft->snapshot;
    message->snapshot.offset = data->offset;
    message->snapshot.data = data->data;
    return raft_get_configuration_at(raft, raft->snapshot.index, &message->snapshot.configuration);
}

void raft_on_snapshot_reply(struct raft *raft, const struct raft_message *message) {
    const struct raft_snapshot_reply *reply = &message->snapshot_reply;
    struct raft_peer *peer = raft_find_peer(raft, message->from);
    if (raft->role != RAFT_LEADER || peer == NULL)
        return;
    peer->contact_ms = raft->now_ms;
    if (peer->mode != PEER_SNAPSHOT || !is_same_snapshot(&reply->snapshot, &raft->snapshot) ||
        reply->offset > raft->snapshot.size || reply->offset == peer->snapshot_offset)
        return;
    peer->snapshot_offset = reply->offset;
    peer->is_snapshot_wanted = reply->offset < raft->snapshot.size;
}

static void send_reply(struct raft *raft) {
    if (!raft_id_is_set(raft->leader) || !raft_is_hard_state_durable(raft))
        return;
    struct raft_message *message = raft_send(raft, RAFT_SNAPSHOT_REPLY, raft->leader);
    message->snapshot_reply =
        (struct raft_snapshot_reply){.snapshot = raft->arriving, .offset = raft->arriving_offset};
}

/* The log has what the snapshot ends with: it is committed, and nothing needs to be installed. */
static bool commit_by_snapshot(struct raft *raft, const struct raft_snapshot *snapshot) {
    bool is_in_log = raft_log_matches(&raft->log, snapshot->index, snapshot->term);
    if (RAFT_MUTATED(MUTANT_SNAPSHOT_KEEPS_TAIL))
        is_in_log |= raft_log_find(&raft->log, snapshot->index) != NULL;
    if (snapshot->index > raft->commit && !is_in_log)
        return false;
    if (raft->commit < snapshot->index)
        raft->commit = snapshot->index;
    if (raft->held < raft->commit)
        raft->held = raft->commit;
    raft_owe_append_reply(raft);
    return true;
}

void raft_on_snapshot(struct raft *raft, const struct raft_message *message) {
    const struct raft_snapshot_chunk *chunk = &message->snapshot;
    if (message->term < raft->term)
        return;
    raft_follow(raft, message->from);
    if (commit_by_snapshot(raft, &chunk->snapshot))
        return;
    if (!is_same_snapshot(&chunk->snapshot, &raft->arriving)) {
        raft->arriving = chunk->snapshot;
        raft->arriving_configuration = chunk->configuration;
        raft->arriving_offset = 0;
        raft->is_chunk_pending = false;
    }
    if (raft->is_chunk_pending)
        return;
    if (chunk->offset != raft->arriving_offset || raft->storage.is_failed) {
        send_reply(raft);
        return;
    }
    raft->is_chunk_pending = true;
    raft->out->has_snapshot_chunk = true;
    raft->out->snapshot_chunk = *chunk;
}

/* The log begins anew behind the snapshot; the write that says so also covers the snapshot. */
static void install(struct raft *raft) {
    const struct raft_snapshot *snapshot = &raft->arriving;
    struct raft_storage *storage = &raft->storage;
    raft_log_reset(&raft->log, snapshot->index, snapshot->term);
    storage->is_reset = storage->is_cut = true;
    storage->durable = snapshot->index;
    storage->issue_from = snapshot->index + 1;
    raft->base_configuration = raft->arriving_configuration;
    raft->base_configuration_index = snapshot->index;
    raft_adopt_configuration(raft);
    raft->snapshot = *snapshot;
    raft->commit = raft->given = snapshot->index;
    if (raft->held < snapshot->index)
        raft->held = snapshot->index;
    raft->out->has_install = true;
    raft->out->install = *snapshot;
}

void raft_on_snapshot_stored(struct raft *raft, const struct raft_snapshot_stored *stored) {
    if (raft->arriving.index == 0 || !is_same_snapshot(&stored->snapshot, &raft->arriving) ||
        stored->offset > raft->arriving.size)
        return;
    raft->is_chunk_pending = false;
    raft->arriving_offset = stored->offset;
    if (stored->offset < raft->arriving.size) {
        send_reply(raft);
        return;
    }
    if (!commit_by_snapshot(raft, &raft->arriving))
        install(raft);
    raft->arriving.index = 0;
}

void raft_on_snapshot_discarded(struct raft *raft, const struct raft_snapshot *snapshot) {
    if (raft->arriving.index == 0 || !is_same_snapshot(snapshot, &raft->arriving))
        return;
    raft->arriving_offset = 0;
    raft->is_chunk_pending = false;
    send_reply(raft);
}
