/* SPDX-License-Identifier: BSD-3-Clause */
/* Creation from what was persisted, and the step: check and reserve, then take the input, then
 * settle what goes out. Everything that can fail is in the first part. */
#include "raft/raft.h"

#include "raft/core.h"

#include <assert.h>

enum {
    ELECTION_MS_DEFAULT = 300,
    HEARTBEAT_MS_DEFAULT = 50,
    SNAPSHOT_CHUNK_DEFAULT = 64 * 1024,
    UNCOMMITTED_MAX = 4096, /* entries; more proposals wait */
};

static enum larder_status take_options(struct raft_options *options) {
    if (options->election_ms == 0)
        options->election_ms = ELECTION_MS_DEFAULT;
    if (options->heartbeat_ms == 0)
        options->heartbeat_ms = HEARTBEAT_MS_DEFAULT;
    if (options->snapshot_chunk_bytes == 0)
        options->snapshot_chunk_bytes = SNAPSHOT_CHUNK_DEFAULT;
    bool is_valid = raft_id_is_set(options->self) && options->heartbeat_ms > 0 &&
                    options->election_ms > options->heartbeat_ms &&
                    options->snapshot_chunk_bytes <= RAFT_SNAPSHOT_CHUNK_MAX;
    return is_valid ? LARDER_OK : LARDER_INVALID;
}

static enum larder_status check_entries(const struct raft_restored *restored) {
    for (size_t i = 0; i < restored->entry_count; i++) {
        const struct raft_entry *entry = &restored->entries[i];
        struct raft_configuration ignored;
        if (entry->index == 0 || entry->term == 0 || entry->term > restored->hard_state.term ||
            (i > 0 && (entry->index != entry[-1].index + 1 || entry->term < entry[-1].term)))
            return LARDER_CORRUPT;
        if (entry->type == RAFT_ENTRY_CONFIGURATION &&
            raft_configuration_decode(entry->data, &ignored) != LARDER_OK)
            return LARDER_CORRUPT;
    }
    if (restored->snapshot.term > restored->hard_state.term)
        return LARDER_CORRUPT;
    if (restored->entry_count > 0 && restored->entries[0].index > restored->snapshot.index + 1)
        return LARDER_CORRUPT;
    return LARDER_OK;
}

/* Whether the log begins before the snapshot's end and does not have its last entry. */
static bool is_log_replaced(const struct raft_restored *restored) {
    const struct raft_snapshot *snapshot = &restored->snapshot;
    if (restored->entry_count == 0 || restored->entries[0].index == snapshot->index + 1)
        return false;
    size_t last = (size_t)(snapshot->index - restored->entries[0].index);
    return last >= restored->entry_count || restored->entries[last].term != snapshot->term;
}

/* How many entries at the start are covered by the snapshot. */
static size_t covered_count(const struct raft_restored *restored) {
    if (restored->entry_count == 0 || is_log_replaced(restored))
        return restored->entry_count;
    return (size_t)(restored->snapshot.index + 1 - restored->entries[0].index);
}

static enum larder_status load_entries(struct raft *raft, const struct raft_restored *restored) {
    size_t first = covered_count(restored);
    enum larder_status status = raft_log_reserve(&raft->log, restored->entry_count - first + 2);
    for (size_t i = first; i < restored->entry_count && status == LARDER_OK; i++) {
        struct raft_entry entry = restored->entries[i];
        uint8_t *data;
        status = raft_log_allocate_data(&raft->log, entry.type, entry.data.size, &data);
        if (status != LARDER_OK)
            break;
        if (entry.data.size > 0)
            memcpy(data, entry.data.data, entry.data.size);
        entry.data.data = data;
        raft_log_append(&raft->log, &entry);
    }
    return status;
}

static void restore(struct raft *raft, const struct raft_restored *restored) {
    raft->now_ms = restored->now_ms;
    raft->term = restored->hard_state.term;
    raft->vote = restored->hard_state.vote;
    if (RAFT_MUTATED(MUTANT_VOTE_FORGOTTEN))
        raft->vote = RAFT_NOBODY;
    raft->commit = raft->given = raft->held = restored->snapshot.index;
    raft->snapshot = restored->snapshot;
    raft->base_configuration = restored->configuration;
    raft->base_configuration_index = restored->snapshot.index;
    raft->storage.durable = raft_log_last_index(&raft->log);
    raft->storage.issue_from = raft->storage.durable + 1;
    raft->storage.is_reset = raft->storage.is_cut = is_log_replaced(restored);
    raft_adopt_configuration(raft);
    raft_restart_election_timer(raft);
}

enum larder_status raft_create(const struct raft_options *options,
                               const struct raft_restored *restored,
                               const struct allocator *allocator, struct raft **out) {
    struct raft_options taken = *options;
    enum larder_status status = take_options(&taken);
    if (status == LARDER_OK)
        status = check_entries(restored);
    if (status != LARDER_OK)
        return status;
    struct raft *raft = allocator_allocate_zeroed(allocator, sizeof(*raft));
    if (raft == NULL)
        return LARDER_NO_MEMORY;
    raft->allocator = allocator;
    raft->options = taken;
    raft->random = random_seeded(taken.seed);
    raft_log_init(&raft->log, allocator, restored->snapshot.index, restored->snapshot.term);
    status = load_entries(raft, restored);
    if (status != LARDER_OK) {
        raft_destroy(raft);
        return status;
    }
    restore(raft, restored);
    *out = raft;
    return LARDER_OK;
}

static void release_staged(struct raft *raft, const struct raft_input *input) {
    for (size_t i = 0; i < raft->staged_count; i++) {
        enum raft_entry_type type = RAFT_ENTRY_COMMAND;
        size_t size = input->command.size;
        if (input->type == RAFT_MESSAGE) {
            type = input->message->append.entries[i].type;
            size = input->message->append.entries[i].data.size;
        }
        raft_log_release_data(&raft->log, type, raft->staged[i], size);
        raft->staged[i] = NULL;
    }
    raft->staged_count = 0;
}

void raft_destroy(struct raft *raft) {
    if (raft == NULL)
        return;
    raft_log_release_data(&raft->log, RAFT_ENTRY_CONFIGURATION, raft->spare, 0);
    raft_log_finish(&raft->log);
    allocator_release(raft->allocator, raft, sizeof(*raft));
}

struct raft_message *raft_send(struct raft *raft, enum raft_message_type type, struct raft_id to) {
    assert(raft->out->message_count < RAFT_MESSAGES_MAX);
    struct raft_message *message = &raft->out->messages[raft->out->message_count++];
    message->type = type;
    message->cluster = raft->options.cluster;
    message->generation = raft->options.generation;
    message->from = raft->options.self;
    message->to = to;
    message->term = raft->term;
    return message;
}

static enum larder_status prepare_message(struct raft *raft, const struct raft_message *message) {
    if (!raft_id_equal(message->cluster, raft->options.cluster) ||
        message->generation != raft->options.generation || !raft_is_self(raft, message->to))
        return LARDER_DENIED;
    if (!raft_id_is_set(message->from) || raft_is_self(raft, message->from))
        return LARDER_INVALID;
    if (message->type == RAFT_SNAPSHOT && raft->role == RAFT_LEADER && message->term == raft->term)
        return LARDER_CORRUPT;
    if (message->type != RAFT_APPEND)
        return LARDER_OK;
    enum larder_status status = raft_check_append(raft, message);
    if (status != LARDER_OK || message->term < raft->term)
        return status;
    raft->staged_count = message->append.entry_count;
    return raft_stage_append(raft, &message->append) == LARDER_OK ? LARDER_OK : LARDER_BUSY;
}

static enum larder_status prepare_proposal(struct raft *raft, struct slice command) {
    if (raft->role != RAFT_LEADER)
        return LARDER_AGAIN;
    if (command.size > RAFT_ENTRY_DATA_MAX)
        return LARDER_TOO_LARGE;
    if (raft_id_is_set(raft->transfer_to) ||
        raft_log_last_index(&raft->log) - raft->commit >= UNCOMMITTED_MAX)
        return LARDER_BUSY;
    raft->staged_count = 1;
    if (raft_log_allocate_data(&raft->log, RAFT_ENTRY_COMMAND, command.size, &raft->staged[0]) !=
        LARDER_OK)
        return LARDER_BUSY;
    if (command.size > 0)
        memcpy(raft->staged[0], command.data, command.size);
    return LARDER_OK;
}

/* Everything that may fail for lack of memory. Room for a no-op and a configuration is always kept;
 * without the block for a configuration only changes are refused. */
static enum larder_status prepare(struct raft *raft, const struct raft_input *input) {
    if (raft_log_reserve(&raft->log, 3) != LARDER_OK)
        return LARDER_BUSY;
    if (raft->role == RAFT_LEADER && raft->spare == NULL &&
        raft_log_allocate_data(&raft->log, RAFT_ENTRY_CONFIGURATION, 0, &raft->spare) != LARDER_OK)
        raft->spare = NULL;
    if (input->type == RAFT_MESSAGE)
        return prepare_message(raft, input->message);
    if (input->type == RAFT_PROPOSE)
        return prepare_proposal(raft, input->command);
    return LARDER_OK;
}

static void take_message(struct raft *raft, const struct raft_message *message) {
    enum raft_message_type type = message->type;
    bool is_prospective = type == RAFT_PRE_VOTE || type == RAFT_PRE_VOTE_REPLY || type == RAFT_VOTE;
    bool is_request = type == RAFT_PRE_VOTE || type == RAFT_VOTE || type == RAFT_APPEND;
    if (!is_prospective)
        raft_observe_term(raft, message->term);
    if (message->term < raft->term && !is_request && !RAFT_MUTATED(MUTANT_STALE_REPLY_COUNTED))
        return;
    switch (type) {
    case RAFT_PRE_VOTE: raft_on_pre_vote(raft, message); break;
    case RAFT_PRE_VOTE_REPLY: raft_on_pre_vote_reply(raft, message); break;
    case RAFT_VOTE: raft_on_vote(raft, message); break;
    case RAFT_VOTE_REPLY: raft_on_vote_reply(raft, message); break;
    case RAFT_APPEND: raft_on_append(raft, message); break;
    case RAFT_APPEND_REPLY: raft_on_append_reply(raft, message); break;
    case RAFT_SNAPSHOT: raft_on_snapshot(raft, message); break;
    case RAFT_SNAPSHOT_REPLY: raft_on_snapshot_reply(raft, message); break;
    case RAFT_TIMEOUT_NOW: raft_on_timeout_now(raft, message); break;
    }
}

static enum larder_status take_transfer(struct raft *raft, struct raft_id to) {
    const struct raft_peer *target = raft_find_peer(raft, to);
    if (raft->role != RAFT_LEADER)
        return LARDER_AGAIN;
    if (target == NULL || !target->is_voter)
        return LARDER_NOT_FOUND;
    if (raft_id_is_set(raft->transfer_to))
        return LARDER_BUSY;
    if (raft_is_self(raft, to))
        return LARDER_OK;
    raft->transfer_to = to;
    raft->is_transfer_sent = false;
    raft->transfer_deadline_ms = raft->now_ms + raft->options.election_ms;
    return LARDER_OK;
}

static enum larder_status take_member_dead(struct raft *raft, const struct raft_member_dead *dead) {
    struct raft_peer *peer = raft_find_peer(raft, dead->id);
    if (peer == NULL)
        return LARDER_NOT_FOUND;
    peer->is_dead = dead->is_dead;
    return LARDER_OK;
}

static void note_proposed(struct raft *raft) {
    raft->out->proposed_index = raft_log_last_index(&raft->log);
    raft->out->proposed_term = raft->term;
}

static enum larder_status take_change(struct raft *raft, const struct raft_change *change) {
    enum larder_status status = raft_change_configuration(raft, change);
    if (status == LARDER_OK)
        note_proposed(raft);
    return status;
}

static void take_proposal(struct raft *raft, struct slice command) {
    raft_append_own(raft, RAFT_ENTRY_COMMAND, raft->staged[0], command.size);
    raft->staged[0] = NULL;
    note_proposed(raft);
}

static enum larder_status take(struct raft *raft, const struct raft_input *input) {
    switch (input->type) {
    case RAFT_TICK:
        raft_on_election_tick(raft);
        raft_apply_policy(raft);
        return LARDER_OK;
    case RAFT_MESSAGE: take_message(raft, input->message); return LARDER_OK;
    case RAFT_PROPOSE: take_proposal(raft, input->command); return LARDER_OK;
    case RAFT_CHANGE: return take_change(raft, &input->change);
    case RAFT_READ: return raft_on_read(raft, input->read_context);
    case RAFT_TRANSFER: return take_transfer(raft, input->transfer_to);
    case RAFT_PERSISTED: return raft_on_persisted(raft, &input->persisted);
    case RAFT_PERSIST_FAILED: raft_on_persist_failed(raft, input->failed_number); return LARDER_OK;
    case RAFT_STORAGE_READY: raft_on_storage_ready(raft); return LARDER_OK;
    case RAFT_SNAPSHOT_TAKEN: return raft_on_snapshot_taken(raft, &input->snapshot_taken);
    case RAFT_SNAPSHOT_DATA: return raft_on_snapshot_data(raft, &input->snapshot_data);
    case RAFT_SNAPSHOT_STORED:
        raft_on_snapshot_stored(raft, &input->snapshot_stored);
        return LARDER_OK;
    case RAFT_SNAPSHOT_DISCARDED:
        raft_on_snapshot_discarded(raft, &input->snapshot_stored.snapshot);
        return LARDER_OK;
    case RAFT_POLICY: raft->policy = input->policy; return LARDER_OK;
    case RAFT_MEMBER_DEAD: return take_member_dead(raft, &input->member_dead);
    case RAFT_LEADER_GONE: raft_on_leader_gone(raft, input->campaign_after_ms); return LARDER_OK;
    }
    return LARDER_INVALID;
}

static void give_committed(struct raft *raft) {
    if (raft->commit <= raft->given)
        return;
    raft->out->apply = raft_log_find(&raft->log, raft->given + 1);
    raft->out->apply_count = (size_t)(raft->commit - raft->given);
    raft->given = raft->commit;
}

static void settle(struct raft *raft) {
    raft_release_votes(raft);
    if (raft->role == RAFT_LEADER)
        raft_advance_commit(raft);
    raft_issue_write(raft);
    raft_release_append_reply(raft);
    if (raft->role == RAFT_LEADER) {
        raft_release_reads(raft);
        raft_send_appends(raft);
    }
    if (raft->role == RAFT_LEADER)
        raft_request_snapshot_reads(raft);
    give_committed(raft);
}

static void clear_output(struct raft_output *out) {
    out->write = (struct raft_write){0};
    out->message_count = 0;
    out->apply = NULL;
    out->apply_count = 0;
    out->read_count = 0;
    out->snapshot_read_count = 0;
    out->has_snapshot_chunk = false;
    out->has_install = false;
    out->proposed_index = 0;
    out->proposed_term = 0;
    out->has_new_role = false;
}

enum larder_status raft_step(struct raft *raft, const struct raft_input *input,
                             struct raft_output *out) {
    clear_output(out);
    if (input->now_ms > raft->now_ms)
        raft->now_ms = input->now_ms;
    enum larder_status status = prepare(raft, input);
    if (status == LARDER_OK) {
        raft->out = out;
        status = take(raft, input);
        if (status == LARDER_OK)
            settle(raft);
        raft->out = NULL;
    }
    release_staged(raft, input);
    return status;
}

void raft_get_status(const struct raft *raft, struct raft_status *out) {
    *out = (struct raft_status){.role = raft->role,
                                .term = raft->term,
                                .vote = raft->vote,
                                .leader = raft->leader,
                                .commit_index = raft->commit,
                                .given_index = raft->given,
                                .durable_index = raft_durable_index(raft),
                                .first_index = raft->log.base_index + 1,
                                .last_index = raft_log_last_index(&raft->log),
                                .last_term = raft_log_last_term(&raft->log),
                                .configuration_index = raft->configuration_index,
                                .snapshot_index = raft->snapshot.index,
                                .election_deadline_ms = raft->election_deadline_ms,
                                .is_storage_failed = raft->storage.is_failed};
}

const struct raft_configuration *raft_get_configuration(const struct raft *raft) {
    return &raft->configuration;
}

enum larder_status raft_get_durable_index(const struct raft *raft, struct raft_id member,
                                          uint64_t *out) {
    if (raft->role != RAFT_LEADER)
        return LARDER_AGAIN;
    for (uint32_t i = 0; i < raft->configuration.count; i++)
        if (raft_id_equal(raft->peers[i].id, member)) {
            *out = raft->peers[i].durable;
            return LARDER_OK;
        }
    return LARDER_NOT_FOUND;
}

const struct raft_entry *raft_find_entry(const struct raft *raft, uint64_t index) {
    return raft_log_find(&raft->log, index);
}
