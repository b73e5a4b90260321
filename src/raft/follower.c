/* SPDX-License-Identifier: BSD-3-Clause */
/* The follower's side of the log. Entries that disagree with the leader's are cut, entries that
 * agree stay (an old append that comes late must not cut newer ones), new ones are appended. The
 * answer says two things: up to where the log is known to equal the leader's (held), and up to
 * where that is on stable storage (durable); only the second counts for commits. */
#include "raft/core.h"

enum larder_status raft_check_append(const struct raft *raft, const struct raft_message *message) {
    const struct raft_append *append = &message->append;
    if (message->term < raft->term)
        return LARDER_OK;
    if (raft->role == RAFT_LEADER && message->term == raft->term)
        return LARDER_CORRUPT;
    if (append->entry_count > RAFT_APPEND_ENTRIES_MAX)
        return LARDER_TOO_LARGE;
    for (uint32_t i = 0; i < append->entry_count; i++) {
        const struct raft_entry *entry = &append->entries[i];
        struct raft_configuration ignored;
        if (entry->index != append->previous_index + 1 + i || entry->term > message->term ||
            entry->term < (i == 0 ? append->previous_term : entry[-1].term))
            return LARDER_INVALID;
        if (entry->index > raft->log.base_index && entry->index <= raft->commit &&
            !raft_log_matches(&raft->log, entry->index, entry->term))
            return LARDER_CORRUPT;
        if (entry->type == RAFT_ENTRY_CONFIGURATION &&
            raft_configuration_decode(entry->data, &ignored) != LARDER_OK)
            return LARDER_CORRUPT;
    }
    return LARDER_OK;
}

/* The first entry that the log lacks; from there on the message replaces what the log has. */
static uint32_t first_new(const struct raft *raft, const struct raft_append *append) {
    uint32_t i = 0;
    for (; i < append->entry_count; i++) {
        const struct raft_entry *entry = &append->entries[i];
        if (RAFT_MUTATED(MUTANT_APPEND_TRUNCATES) && entry->index > raft->commit)
            break;
        if (entry->index > raft->log.base_index &&
            !raft_log_matches(&raft->log, entry->index, entry->term))
            break;
    }
    return i;
}

enum larder_status raft_stage_append(struct raft *raft, const struct raft_append *append) {
    enum larder_status status = raft_log_reserve(&raft->log, append->entry_count + 2u);
    for (uint32_t i = first_new(raft, append); i < append->entry_count && status == LARDER_OK;
         i++) {
        const struct raft_entry *entry = &append->entries[i];
        status =
            raft_log_allocate_data(&raft->log, entry->type, entry->data.size, &raft->staged[i]);
        if (status == LARDER_OK && entry->data.size > 0)
            memcpy(raft->staged[i], entry->data.data, entry->data.size);
    }
    return status;
}

static void take_entries(struct raft *raft, const struct raft_append *append, uint32_t from) {
    raft_cut_log(raft, append->entries[from].index);
    for (uint32_t i = from; i < append->entry_count; i++) {
        struct raft_entry entry = append->entries[i];
        entry.data.data = raft->staged[i];
        raft->staged[i] = NULL;
        raft_log_append(&raft->log, &entry);
    }
    raft_adopt_configuration(raft);
}

/* The newest entry not behind the refused one whose term is not newer: the leader needs to look at
 * one entry per term only. */
static void reject(struct raft *raft, const struct raft_append *append) {
    uint64_t index = raft_log_last_index(&raft->log);
    if (index >= append->previous_index)
        index = append->previous_index - 1;
    const struct raft_entry *entry = raft_log_find(&raft->log, index);
    while (entry != NULL && entry->term > append->previous_term)
        entry = raft_log_find(&raft->log, --index);
    raft->append_reply.is_rejected = true;
    raft->append_reply.hint_index = index;
    raft->append_reply.hint_term = entry != NULL ? entry->term : raft->log.base_term;
}

static void accept(struct raft *raft, const struct raft_append *append) {
    uint64_t agreed = append->previous_index + append->entry_count;
    uint32_t from = first_new(raft, append);
    if (from < append->entry_count && raft->storage.is_failed) {
        raft->append_reply.is_stalled = true;
        agreed = append->previous_index + from;
    } else if (from < append->entry_count) {
        take_entries(raft, append, from);
    }
    if (agreed > raft->held)
        raft->held = agreed;
    uint64_t known =
        RAFT_MUTATED(MUTANT_COMMIT_UNVERIFIED) ? raft_log_last_index(&raft->log) : raft->held;
    uint64_t commit = append->commit < known ? append->commit : known;
    if (commit > raft->commit)
        raft->commit = commit;
}

/* The sender is no leader any more: say so, else it and a candidate with a newer term that nobody
 * elects could wait for each other. */
static void refuse_old_leader(struct raft *raft, struct raft_id old_leader) {
    if (raft_is_hard_state_durable(raft))
        raft_send(raft, RAFT_APPEND_REPLY, old_leader)->append_reply =
            (struct raft_append_reply){.is_rejected = true};
}

void raft_on_append(struct raft *raft, const struct raft_message *message) {
    const struct raft_append *append = &message->append;
    if (message->term < raft->term) {
        refuse_old_leader(raft, message->from);
        return;
    }
    raft_follow(raft, message->from);
    raft->append_reply = (struct raft_append_reply){.previous_index = append->previous_index,
                                                    .round = append->round};
    raft->is_append_reply_owed = true;
    bool is_before_base = append->previous_index < raft->log.base_index;
    if (is_before_base ||
        raft_log_matches(&raft->log, append->previous_index, append->previous_term))
        accept(raft, append);
    else
        reject(raft, append);
}

void raft_owe_append_reply(struct raft *raft) {
    if (raft->is_append_reply_owed || raft->role != RAFT_FOLLOWER)
        return;
    raft->append_reply = (struct raft_append_reply){.previous_index = raft->held};
    raft->is_append_reply_owed = true;
}

void raft_release_append_reply(struct raft *raft) {
    if (!raft->is_append_reply_owed || !raft_id_is_set(raft->leader) ||
        !raft_is_hard_state_durable(raft))
        return;
    struct raft_append_reply *reply = &raft->append_reply;
    uint64_t durable = RAFT_MUTATED(MUTANT_ACK_BEFORE_DURABLE) ? raft_log_last_index(&raft->log)
                                                               : raft_durable_index(raft);
    reply->held = raft->held;
    reply->durable = durable < raft->held ? durable : raft->held;
    reply->is_stalled |= raft->storage.is_failed;
    raft_send(raft, RAFT_APPEND_REPLY, raft->leader)->append_reply = *reply;
    raft->is_append_reply_owed = false;
}
