/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes and what comes back. Writes are numbered; each gives the part of the log that was not yet
 * given out. An acknowledgement names the last entry it covers, and counts only if the log still
 * has that entry (index and term) and no write that removed entries came after it: the same entry
 * may have been cut and come back, and then the disk may be between the two.
 *
 * A failed write leaves in doubt what reached the disk. The entries stay in memory, in their
 * places, so an index is never used for another entry of the same term; when there is space again,
 * everything behind the durable end and the hard state are written again. */
#include "raft/core.h"

bool raft_is_hard_state_durable(const struct raft *raft) {
    return !raft->storage.is_hard_state_changed &&
           raft->storage.done_number >= raft->storage.hard_state_number;
}

uint64_t raft_durable_index(const struct raft *raft) {
    const struct raft_storage *storage = &raft->storage;
    bool is_reset_pending = storage->is_reset || storage->done_number < storage->reset_number;
    return is_reset_pending ? 0 : storage->durable;
}

void raft_cut_log(struct raft *raft, uint64_t from) {
    if (from > raft_log_last_index(&raft->log))
        return;
    raft_log_truncate(&raft->log, from);
    struct raft_storage *storage = &raft->storage;
    storage->is_cut = true;
    if (storage->durable >= from)
        storage->durable = from - 1;
    if (storage->issue_from > from)
        storage->issue_from = from;
}

enum larder_status raft_on_persisted(struct raft *raft, const struct raft_persisted *persisted) {
    struct raft_storage *storage = &raft->storage;
    if (persisted->number == 0 || persisted->number > storage->last_number)
        return LARDER_INVALID;
    bool is_current = persisted->number >= storage->cut_number && !storage->is_cut &&
                      raft_log_matches(&raft->log, persisted->index, persisted->term);
    if (RAFT_MUTATED(MUTANT_STALE_ACK_COUNTED))
        is_current = persisted->index <= raft_log_last_index(&raft->log);
    uint64_t before = raft_durable_index(raft);
    if (persisted->number > storage->done_number)
        storage->done_number = persisted->number;
    if (is_current && persisted->index > storage->durable)
        storage->durable = persisted->index;
    if (raft_durable_index(raft) > before)
        raft_owe_append_reply(raft);
    return LARDER_OK;
}

static void reuse_index(struct raft *raft) {
    raft_log_truncate(&raft->log, raft->storage.durable + 1);
    raft->storage.issue_from = raft->storage.durable + 1;
    raft->held = raft_log_last_index(&raft->log);
    raft_adopt_configuration(raft);
}

void raft_on_persist_failed(struct raft *raft, uint64_t number) {
    struct raft_storage *storage = &raft->storage;
    if (storage->is_failed || number <= storage->recovered_number || number > storage->last_number)
        return;
    storage->is_failed = true;
    if (RAFT_MUTATED(MUTANT_INDEX_REUSED) && raft->role == RAFT_LEADER) {
        reuse_index(raft);
        return;
    }
    if (raft->role == RAFT_LEADER)
        raft_hand_over(raft);
    if (raft->role != RAFT_FOLLOWER)
        raft_step_down(raft);
}

void raft_on_storage_ready(struct raft *raft) {
    struct raft_storage *storage = &raft->storage;
    if (!storage->is_failed)
        return;
    storage->is_failed = false;
    storage->recovered_number = storage->last_number;
    if (RAFT_MUTATED(MUTANT_DISK_FULL_WEDGES))
        return;
    storage->is_cut = true;
    storage->is_hard_state_changed = true;
    storage->is_reset |= storage->done_number < storage->reset_number;
    if (storage->issue_from > storage->durable + 1)
        storage->issue_from = storage->durable + 1;
}

void raft_issue_write(struct raft *raft) {
    struct raft_storage *storage = &raft->storage;
    struct raft_write *write = &raft->out->write;
    uint64_t last = raft_log_last_index(&raft->log);
    bool has_log = storage->is_cut || storage->is_reset || storage->issue_from <= last;
    if (storage->is_failed || (!has_log && !storage->is_hard_state_changed))
        return;
    write->number = ++storage->last_number;
    write->has_hard_state = storage->is_hard_state_changed;
    write->hard_state = (struct raft_hard_state){.term = raft->term, .vote = raft->vote};
    write->has_log = has_log;
    write->is_reset = storage->is_reset;
    write->after_index = storage->issue_from - 1;
    write->entries = raft_log_find(&raft->log, storage->issue_from);
    write->entry_count = (size_t)(last + 1 - storage->issue_from);
    write->last_index = last;
    write->last_term = raft_log_last_term(&raft->log);
    if (write->has_hard_state)
        storage->hard_state_number = write->number;
    if (storage->is_cut)
        storage->cut_number = write->number;
    if (storage->is_reset)
        storage->reset_number = write->number;
    storage->issue_from = last + 1;
    storage->is_hard_state_changed = storage->is_cut = storage->is_reset = false;
}
