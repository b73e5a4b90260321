/* SPDX-License-Identifier: BSD-3-Clause */
/* An array of entries, each with its own block of data: blocks stay where they are when the array
 * grows or is cut, so an entry can be handed out without copying. */
#include "raft/log_view.h"

#include "raft/codec.h"

#include <assert.h>

static size_t data_capacity(enum raft_entry_type type, size_t size) {
    return type == RAFT_ENTRY_CONFIGURATION ? RAFT_CONFIGURATION_BYTES_MAX : size;
}

enum larder_status raft_log_allocate_data(struct raft_log *log, enum raft_entry_type type,
                                          size_t size, uint8_t **out) {
    size_t capacity = data_capacity(type, size);
    assert(size <= capacity);
    *out = NULL;
    if (capacity == 0)
        return LARDER_OK;
    *out = allocator_allocate(log->allocator, capacity);
    return *out == NULL ? LARDER_NO_MEMORY : LARDER_OK;
}

void raft_log_release_data(struct raft_log *log, enum raft_entry_type type, const uint8_t *data,
                           size_t size) {
    if (data != NULL)
        allocator_release(log->allocator, (void *)data, data_capacity(type, size));
}

static void release_entries(struct raft_log *log, size_t from, size_t to) {
    for (size_t i = from; i < to; i++) {
        const struct raft_entry *entry = &log->entries[i];
        raft_log_release_data(log, entry->type, entry->data.data, entry->data.size);
    }
}

void raft_log_init(struct raft_log *log, const struct allocator *allocator, uint64_t base_index,
                   uint64_t base_term) {
    *log =
        (struct raft_log){.allocator = allocator, .base_index = base_index, .base_term = base_term};
}

void raft_log_finish(struct raft_log *log) {
    release_entries(log, 0, log->count);
    if (log->entries != NULL)
        allocator_release(log->allocator, log->entries, log->capacity * sizeof(*log->entries));
    log->entries = NULL;
    log->count = log->capacity = 0;
}

bool raft_log_matches(const struct raft_log *log, uint64_t index, uint64_t term) {
    if (index == log->base_index)
        return term == log->base_term;
    const struct raft_entry *entry = raft_log_find(log, index);
    return entry != NULL && entry->term == term;
}

bool raft_log_is_behind_or_equal(const struct raft_log *log, uint64_t index, uint64_t term) {
    uint64_t last_term = raft_log_last_term(log);
    return term > last_term || (term == last_term && index >= raft_log_last_index(log));
}

enum larder_status raft_log_reserve(struct raft_log *log, size_t count) {
    size_t needed = log->count + count;
    if (needed <= log->capacity)
        return LARDER_OK;
    size_t capacity = log->capacity == 0 ? 64 : 2 * log->capacity;
    if (capacity < needed)
        capacity = needed;
    size_t size = sizeof(*log->entries);
    struct raft_entry *grown = log->allocator->resize(log->allocator->context, log->entries,
                                                      log->capacity * size, capacity * size);
    if (grown == NULL)
        return LARDER_NO_MEMORY;
    log->entries = grown;
    log->capacity = capacity;
    return LARDER_OK;
}

void raft_log_append(struct raft_log *log, const struct raft_entry *entry) {
    assert(log->count < log->capacity);
    assert(entry->index == raft_log_last_index(log) + 1);
    assert(entry->term >= raft_log_last_term(log));
    log->entries[log->count++] = *entry;
}

void raft_log_truncate(struct raft_log *log, uint64_t from) {
    assert(from > log->base_index);
    if (from > raft_log_last_index(log))
        return;
    size_t kept = (size_t)(from - log->base_index - 1);
    release_entries(log, kept, log->count);
    log->count = kept;
}

void raft_log_compact(struct raft_log *log, uint64_t index) {
    const struct raft_entry *base = raft_log_find(log, index);
    if (base == NULL)
        return;
    log->base_term = base->term;
    size_t cut = (size_t)(index - log->base_index);
    release_entries(log, 0, cut);
    log->count -= cut;
    memmove(log->entries, log->entries + cut, log->count * sizeof(*log->entries));
    log->base_index = index;
}

void raft_log_reset(struct raft_log *log, uint64_t index, uint64_t term) {
    release_entries(log, 0, log->count);
    log->count = 0;
    log->base_index = index;
    log->base_term = term;
}
