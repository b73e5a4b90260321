/* SPDX-License-Identifier: BSD-3-Clause */
/* The part of the log that is in memory: consecutive entries after a base. Everything up to the
 * base is committed and covered by a snapshot.
 *
 *      base_index        base_index + 1 ................ last
 *      (cut, only its    entries[0]         entries[count - 1]
 *       term is known)
 *
 * Entries own their data. Room is reserved beforehand; changes then can't fail. */
#ifndef LARDER_RAFT_LOG_VIEW_H
#define LARDER_RAFT_LOG_VIEW_H

#include "base/alloc.h"
#include "raft/types.h"

struct raft_log {
    const struct allocator *allocator;
    struct raft_entry *entries;
    size_t count;
    size_t capacity;
    uint64_t base_index;
    uint64_t base_term;
};

static inline uint64_t raft_log_last_index(const struct raft_log *log) {
    return log->base_index + log->count;
}

static inline uint64_t raft_log_last_term(const struct raft_log *log) {
    return log->count == 0 ? log->base_term : log->entries[log->count - 1].term;
}

/* NULL if the entry is cut or not there yet. */
static inline const struct raft_entry *raft_log_find(const struct raft_log *log, uint64_t index) {
    if (index <= log->base_index || index > raft_log_last_index(log))
        return NULL;
    return &log->entries[index - log->base_index - 1];
}

/* Whether the entry at `index`, or the base, has this term. */
bool raft_log_matches(const struct raft_log *log, uint64_t index, uint64_t term);

/* Whether a log that ends with (index, term) has everything that this one may have committed
 * (Raft 5.4.1). */
bool raft_log_is_behind_or_equal(const struct raft_log *log, uint64_t index, uint64_t term);

void raft_log_init(struct raft_log *log, const struct allocator *allocator, uint64_t base_index,
                   uint64_t base_term);
void raft_log_finish(struct raft_log *log);

/* Room for `count` more entries. Errors: LARDER_NO_MEMORY (nothing changed). */
LARDER_NODISCARD
enum larder_status raft_log_reserve(struct raft_log *log, size_t count);

/* Memory for an entry's data, to be given to raft_log_append or raft_log_release_data. Entries that
 * hold a configuration get room for the largest. NULL data for size 0.
 * Errors: LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status raft_log_allocate_data(struct raft_log *log, enum raft_entry_type type,
                                          size_t size, uint8_t **out);
void raft_log_release_data(struct raft_log *log, enum raft_entry_type type, const uint8_t *data,
                           size_t size);

/* Append behind the last entry, for which there is room. Takes ownership of entry->data. */
void raft_log_append(struct raft_log *log, const struct raft_entry *entry);

/* Drop `from` and everything behind it; from > base_index. */
void raft_log_truncate(struct raft_log *log, uint64_t from);

/* Make `index`, which is in the log, the base. */
void raft_log_compact(struct raft_log *log, uint64_t index);

/* Drop everything and begin again after (index, term). */
void raft_log_reset(struct raft_log *log, uint64_t index, uint64_t term);

#endif
