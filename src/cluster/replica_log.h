/* SPDX-License-Identifier: BSD-3-Clause */
/* The newest records of one partition, in memory of fixed size.
 *
 *      base | base + 1 ... commit ... last
 *           ^ records before are gone: what they did is in the data
 *
 * One thread; no allocation after create. */
#ifndef LARDER_CLUSTER_REPLICA_LOG_H
#define LARDER_CLUSTER_REPLICA_LOG_H

#include "base/alloc.h"
#include "cluster/types.h"

enum replica_record_kind {
    RECORD_EFFECT = 1, /* payload is what one command, EXEC or script changed */
    RECORD_TERM_START, /* a primary begins its term; no payload */
    RECORD_KIND_END,
};

struct replica_record {
    uint64_t term;
    enum replica_record_kind kind;
    struct slice payload;
};

struct replica_log_entry {
    uint64_t term;
    uint64_t write_number; /* of the write to storage that holds it */
    enum replica_record_kind kind;
    uint32_t size;
    size_t offset;
};

struct replica_log {
    const struct allocator *allocator;
    size_t records_max, bytes_max;
    struct log_position base;
    uint64_t last;                     /* sequence; the base's if there is no record */
    struct replica_log_entry *entries; /* by sequence modulo records_max */
    uint8_t *bytes;                    /* payloads, each in one piece, around and around */
    size_t start, end;
};

/* Errors: LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status replica_log_init(struct replica_log *log, size_t records_max, size_t bytes_max,
                                    const struct allocator *allocator);
void replica_log_finish(struct replica_log *log);

/* Of the record, or of the base; term 0 for what the log does not know. */
uint64_t replica_log_term(const struct replica_log *log, uint64_t sequence);
struct log_position replica_log_end(const struct replica_log *log);
/* Borrowed until the log changes. `sequence` is above the base and at most the last. */
struct replica_record replica_log_get(const struct replica_log *log, uint64_t sequence);

/* Whether the records could be appended now if those up to `keep_after` were dropped. */
bool replica_log_has_room(const struct replica_log *log, size_t records, size_t bytes,
                          uint64_t keep_after);
/* Copies the payload. Drops as many of the records up to `keep_after` as it needs. False: no room,
 * nothing changed but what was dropped. */
bool replica_log_append(struct replica_log *log, const struct replica_record *record,
                        uint64_t write_number, uint64_t keep_after);
/* Drop all records behind `sequence`. */
void replica_log_cut(struct replica_log *log, uint64_t sequence);
/* Forget everything; the next record is the one behind `base`. */
void replica_log_reset(struct replica_log *log, struct log_position base);

#endif
