/* SPDX-License-Identifier: BSD-3-Clause */
/* A ring of entries and a ring of bytes. A payload that does not fit before the end of the bytes
 * begins at their start; start == end means empty, so one byte always stays free. */
#include "cluster/replica_log.h"

enum larder_status replica_log_init(struct replica_log *log, size_t records_max, size_t bytes_max,
                                    const struct allocator *allocator) {
    *log = (struct replica_log){.allocator = allocator};
    log->entries = allocator_allocate_zeroed(allocator, records_max * sizeof(*log->entries));
    log->bytes = allocator_allocate(allocator, bytes_max);
    log->records_max = records_max;
    log->bytes_max = bytes_max;
    if (log->entries != NULL && log->bytes != NULL)
        return LARDER_OK;
    replica_log_finish(log);
    return LARDER_NO_MEMORY;
}

void replica_log_finish(struct replica_log *log) {
    allocator_release(log->allocator, log->entries, log->records_max * sizeof(*log->entries));
    allocator_release(log->allocator, log->bytes, log->bytes_max);
    log->entries = NULL;
    log->bytes = NULL;
}

static struct replica_log_entry *entry_at(const struct replica_log *log, uint64_t sequence) {
    return &log->entries[sequence % log->records_max];
}

uint64_t replica_log_term(const struct replica_log *log, uint64_t sequence) {
    if (sequence == log->base.sequence)
        return log->base.term;
    return sequence > log->base.sequence && sequence <= log->last ? entry_at(log, sequence)->term
                                                                  : 0;
}

struct log_position replica_log_end(const struct replica_log *log) {
    return (struct log_position){replica_log_term(log, log->last), log->last};
}

struct replica_record replica_log_get(const struct replica_log *log, uint64_t sequence) {
    const struct replica_log_entry *entry = entry_at(log, sequence);
    return (struct replica_record){.term = entry->term,
                                   .kind = entry->kind,
                                   .payload = slice_of(log->bytes + entry->offset, entry->size)};
}

static size_t count_of(const struct replica_log *log) {
    return (size_t)(log->last - log->base.sequence);
}

static void drop_first(struct replica_log *log) {
    log->base =
        (struct log_position){entry_at(log, log->base.sequence + 1)->term, log->base.sequence + 1};
    if (count_of(log) == 0)
        log->start = log->end = 0;
    else
        log->start = entry_at(log, log->base.sequence + 1)->offset;
}

/* SIZE_MAX: there is none. */
static size_t find_room(const struct replica_log *log, size_t size) {
    if (count_of(log) == log->records_max)
        return SIZE_MAX;
    if (count_of(log) == 0)
        return size < log->bytes_max ? 0 : SIZE_MAX;
    if (log->end >= log->start) {
        if (log->bytes_max - log->end > size)
            return log->end;
        return size > 0 && log->start > size ? 0 : SIZE_MAX;
    }
    return log->start - log->end > size ? log->end : SIZE_MAX;
}

/* Counts what is held by records that must stay. A payload may lie behind a gap as long as itself,
 * so twice the bytes are asked for. */
bool replica_log_has_room(const struct replica_log *log, size_t records, size_t bytes,
                          uint64_t keep_after) {
    if (keep_after < log->base.sequence)
        keep_after = log->base.sequence;
    size_t held = 0;
    for (uint64_t s = keep_after + 1; s <= log->last; s++)
        held += entry_at(log, s)->size;
    size_t kept = (size_t)(log->last - keep_after);
    return kept + records <= log->records_max && held + 2 * bytes < log->bytes_max / 2;
}

bool replica_log_append(struct replica_log *log, const struct replica_record *record,
                        uint64_t write_number, uint64_t keep_after) {
    size_t offset = find_room(log, record->payload.size);
    while (offset == SIZE_MAX && log->base.sequence < keep_after && count_of(log) > 0) {
        drop_first(log);
        offset = find_room(log, record->payload.size);
    }
    if (offset == SIZE_MAX)
        return false;
    if (count_of(log) == 0)
        log->start = 0;
    *entry_at(log, ++log->last) = (struct replica_log_entry){.term = record->term,
                                                             .write_number = write_number,
                                                             .kind = record->kind,
                                                             .size = (uint32_t)record->payload.size,
                                                             .offset = offset};
    if (record->payload.size > 0)
        memcpy(log->bytes + offset, record->payload.data, record->payload.size);
    log->end = offset + record->payload.size;
    return true;
}

void replica_log_cut(struct replica_log *log, uint64_t sequence) {
    if (sequence >= log->last)
        return;
    log->last = sequence > log->base.sequence ? sequence : log->base.sequence;
    if (count_of(log) == 0) {
        log->start = log->end = 0;
        return;
    }
    const struct replica_log_entry *entry = entry_at(log, log->last);
    log->end = entry->offset + entry->size;
}

void replica_log_reset(struct replica_log *log, struct log_position base) {
    log->base = base;
    log->last = base.sequence;
    log->start = log->end = 0;
}
