/* SPDX-License-Identifier: BSD-3-Clause */
/* Applying committed records that this member did not execute, and the state beside the data. A
 * record that finds no memory stays in the log and is tried again with each step. */
#include "cluster/mutants.h"
#include "cluster/partition_core.h"

#include "base/hash.h"
#include "raft/bytes.h"

/* Data was given up: tokens of before are void, and what was asked before may have been done. */
static enum larder_status reset_beside(struct cluster_partition *p,
                                       const struct partition_record *record) {
    struct byte_reader r = byte_reader_of(record->body);
    uint64_t ceiling = read_unsigned(&r, 8);
    if (r.is_failed || r.left != 0)
        return LARDER_CORRUPT;
    locks_reset(p->locks, ceiling);
    request_memory_raise_floor(p->requests, record->time_us);
    return LARDER_OK;
}

static enum larder_status apply_locks(struct cluster_partition *p, uint64_t sequence,
                                      const struct partition_record *record) {
    struct slice mark;
    size_t at = 0;
    enum larder_status status = LARDER_OK;
    if (record->kind == PARTITION_RECORD_LOCK)
        return locks_apply(p->locks, record->body, sequence);
    while (status == LARDER_OK && partition_next_mark(record->marks, &at, &mark))
        status = locks_apply(p->locks, mark, sequence);
    return status;
}

/* Locks come last: what is before, and marks, may be done again when they find no memory. */
enum larder_status partition_apply_beside(struct cluster_partition *p, uint64_t sequence,
                                          const struct partition_record *record) {
    enum larder_status status = LARDER_OK;
    if (record->kind == PARTITION_RECORD_SESSION_EXPIRE)
        status = request_memory_expire(p->requests, record->body);
    if (record->kind == PARTITION_RECORD_RESET)
        status = reset_beside(p, record);
    bool is_skipped = CLUSTER_MUTATED(MUTANT_RESULTS_AT_PRIMARY_ONLY) && !p->clock.is_running;
    if (status == LARDER_OK && record->has_request && !is_skipped)
        status = request_memory_add(p->requests, &record->id, record->time_us, &record->result);
    if (status == LARDER_OK)
        status = apply_locks(p, sequence, record);
    bool is_untimed = CLUSTER_MUTATED(MUTANT_TIME_NOT_REPLICATED) && !p->clock.is_running;
    if (status == LARDER_OK && !is_untimed)
        cluster_clock_note(&p->clock, record->time_us);
    return status;
}

static enum larder_status compare_digest(struct cluster_partition *p, uint64_t sequence,
                                         struct slice body) {
    struct copying_digest digest;
    enum larder_status status = copying_digest_decode(body, &digest);
    if (status == LARDER_OK && !copying_compare(p->copying, sequence, &digest))
        p->has_diverged = true;
    return status;
}

static enum larder_status apply_effect(struct cluster_partition *p, uint64_t sequence,
                                       const struct partition_record *record) {
    enum larder_status status = LARDER_OK;
    if (record->kind == PARTITION_RECORD_EFFECT)
        status = copying_apply(p->copying, sequence, record->body, &p->applied_bytes);
    else if (record->kind == PARTITION_RECORD_DIGEST)
        status = compare_digest(p, sequence, record->body);
    if (status == LARDER_OK) {
        p->is_effect_applied = true;
        p->is_rest_wanted = copying_takes_rest(p->copying, sequence);
    }
    return status;
}

static enum larder_status apply_payload(struct cluster_partition *p, uint64_t sequence,
                                        struct slice payload) {
    struct partition_record record;
    enum larder_status status = partition_record_decode(payload, &record);
    if (status == LARDER_OK && !p->is_effect_applied)
        status = apply_effect(p, sequence, &record);
    if (status == LARDER_OK && p->is_rest_wanted)
        status = partition_apply_beside(p, sequence, &record);
    return status;
}

void partition_apply_pending(struct cluster_partition *p) {
    while (partition_is_behind(p)) {
        struct replica_record record = replica_get_record(p->replica, p->apply_from);
        enum larder_status status = record.kind == RECORD_EFFECT
                                        ? apply_payload(p, p->apply_from, record.payload)
                                        : LARDER_OK;
        if (status == LARDER_NO_MEMORY)
            break;
        p->is_broken |= status != LARDER_OK;
        p->applied_bytes = 0;
        p->is_effect_applied = false;
        p->apply_from++;
    }
    replica_hold(p->replica, partition_is_behind(p) ? p->apply_from : UINT64_MAX);
}

struct replica_record partition_get_record(const struct cluster_partition *p, uint64_t sequence,
                                           struct partition_record *out) {
    struct replica_record record = replica_get_record(p->replica, sequence);
    *out = (struct partition_record){0};
    if (record.kind == RECORD_EFFECT && partition_record_decode(record.payload, out) != LARDER_OK)
        *out = (struct partition_record){0};
    return record;
}

/* ---- beside the data:  newest replicated time u64 | locks: size u32, bytes | request memory ----
 */

size_t partition_beside_size(const struct cluster_partition *p) {
    return 8 + 4 + locks_encoded_size(p->locks) + request_memory_encoded_size(p->requests);
}

size_t partition_beside_encode(const struct cluster_partition *p, uint8_t *out) {
    struct byte_writer w = {out};
    write_unsigned(&w, (uint64_t)p->clock.replicated_us, 8);
    write_unsigned(&w, locks_encoded_size(p->locks), 4);
    w.at += locks_encode(p->locks, w.at);
    w.at += request_memory_encode(p->requests, w.at);
    return (size_t)(w.at - out);
}

static enum larder_status restore_beside(struct cluster_partition *p, struct slice bytes) {
    struct byte_reader r = byte_reader_of(bytes);
    int64_t time_us = (int64_t)read_unsigned(&r, 8);
    struct slice locks = read_bytes(&r, (size_t)read_unsigned(&r, 4));
    if (r.is_failed)
        return LARDER_CORRUPT;
    enum larder_status status = request_memory_restore(p->requests, read_bytes(&r, r.left));
    if (status == LARDER_OK)
        status = locks_decode(p->locks, locks);
    if (status == LARDER_OK)
        cluster_clock_note(&p->clock, time_us);
    return status;
}

enum larder_status partition_read_rest(void *context, struct slice *out) {
    struct cluster_partition *p = context;
    size_t size = partition_beside_size(p);
    if (size > p->beside_size) {
        uint8_t *grown = allocator_resize(p->allocator, p->beside, p->beside_size, size);
        if (grown == NULL)
            return LARDER_NO_MEMORY;
        p->beside = grown;
        p->beside_size = size;
    }
    *out = slice_of(p->beside, partition_beside_encode(p, p->beside));
    return LARDER_OK;
}

enum larder_status partition_replace_rest(void *context, struct slice bytes) {
    return restore_beside(context, bytes);
}

void partition_digest_rest(void *context, struct store_digest *out) {
    partition_digest_beside(context, out);
}

static enum larder_status apply_restored(struct cluster_partition *p, uint64_t sequence,
                                         const struct replica_record *record) {
    enum larder_status status =
        record->kind == RECORD_EFFECT ? apply_payload(p, sequence, record->payload) : LARDER_OK;
    p->applied_bytes = 0;
    p->is_effect_applied = false;
    return status;
}

/* All that is not committed, and of the rest as much as fits into half of the log. */
static size_t kept_from(const struct cluster_partition *p, const struct replica_record *records,
                        size_t count, size_t committed) {
    size_t from = count, bytes = 0;
    while (from > 0) {
        bytes += records[from - 1].payload.size;
        bool fits = count - from < p->replica->options.records_max / 2 &&
                    bytes < p->replica->options.bytes_max / 2;
        if (from <= committed && !fits)
            break;
        from--;
    }
    return from;
}

enum larder_status partition_restore(struct cluster_partition *p, struct log_position base,
                                     struct slice beside, const struct replica_record *records,
                                     size_t record_count, uint64_t commit, bool is_complete) {
    if (commit < base.sequence || commit - base.sequence > record_count)
        return LARDER_CORRUPT;
    size_t committed = (size_t)(commit - base.sequence);
    enum larder_status status = beside.size == 0 ? LARDER_OK : restore_beside(p, beside);
    for (size_t i = 0; i < committed && status == LARDER_OK; i++)
        status = apply_restored(p, base.sequence + 1 + i, &records[i]);
    if (status != LARDER_OK)
        return status;
    size_t from = kept_from(p, records, record_count, committed);
    const struct replica_record *kept = records; /* NULL if there are none */
    if (from > 0) {
        kept = records + from;
        base = (struct log_position){records[from - 1].term, base.sequence + from};
    }
    status =
        replica_restore(p->replica, base, kept, record_count - from, commit, commit, is_complete);
    if (!is_complete)
        copying_begin(p->copying, false);
    p->announced = commit;
    p->apply_from = commit + 1;
    p->apply_to = commit;
    return status;
}

void partition_digest_beside(const struct cluster_partition *p, struct store_digest *out) {
    struct store_digest locks = locks_digest(p->locks);
    request_memory_digest(p->requests, &out->low, &out->high);
    out->low += locks.low;
    out->high += locks.high;
}
