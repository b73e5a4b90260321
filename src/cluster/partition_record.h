/* SPDX-License-Identifier: BSD-3-Clause */
/* What the payload of an effect record (replica_log.h) says: one command, EXEC, script or step of
 * housekeeping, whole, with everything a replica needs to do the same.
 *
 *      kind u8 | flags u8 | cluster time u64 | [request] | [marks] | body: the rest
 *      request: client 2 x u64 | number u64 | lowest u64 | first sent u64 |
 *               result: kind u8, size u16, bytes
 *      marks:   size u16, then for each: size u16, a record of the locks that goes with a token
 *
 * Integers are little-endian. Pure. */
#ifndef LARDER_CLUSTER_PARTITION_RECORD_H
#define LARDER_CLUSTER_PARTITION_RECORD_H

#include "cluster/locks.h"
#include "cluster/request_memory.h"

enum partition_record_kind {
    PARTITION_RECORD_EFFECT = 1,     /* body: what changed in the store (partition_store.h) */
    PARTITION_RECORD_LOCK,           /* body: what changed in the locks */
    PARTITION_RECORD_SESSION_EXPIRE, /* body: clients, 16 bytes each, that are forgotten */
    PARTITION_RECORD_DIGEST,         /* body: bucket u16, digest 2 x u64, as of the record before */
    PARTITION_RECORD_CONFIRM, /* no body: that it is committed says that its maker still led */
    PARTITION_RECORD_RESET,   /* body: token ceiling u64; data was given up before this term */
    PARTITION_RECORD_KIND_END,
};

struct partition_record {
    enum partition_record_kind kind;
    int64_t time_us; /* cluster time */
    bool has_request;
    struct request_id id;
    struct request_result result;
    struct slice marks; /* EFFECT: partition_next_mark; empty: none */
    struct slice body;
};

enum {
    PARTITION_FENCES_MAX = 8, /* of one request, with names of LOCK_NAME_MAX bytes in all */
    PARTITION_MARKS_BYTES_MAX =
        LOCK_NAME_MAX + PARTITION_FENCES_MAX * (2 + LOCK_RECORD_BYTES_MAX - LOCK_NAME_MAX),
    /* bytes around a body, with the largest result */
    PARTITION_RECORD_OVERHEAD =
        2 + 8 + 5 * 8 + 3 + REQUEST_RESULT_MAX + 2 + PARTITION_MARKS_BYTES_MAX,
};

/* Walk marks: the one at *at (0 at first), which moves behind it. False at their end, or where they
 * are damaged: *at is not their size then. */
static inline bool partition_next_mark(struct slice marks, size_t *at, struct slice *out) {
    if (marks.size - *at < 2)
        return false;
    size_t size = (size_t)marks.data[*at] | (size_t)marks.data[*at + 1] << 8;
    if (size == 0 || size > marks.size - *at - 2)
        return false;
    *out = slice_of(marks.data + *at + 2, size);
    *at += 2 + size;
    return true;
}

size_t partition_record_encoded_size(const struct partition_record *record);
/* Writes that many bytes and returns how many. */
size_t partition_record_encode(const struct partition_record *record, uint8_t *out);
/* Borrows `bytes`. Errors: LARDER_CORRUPT. */
LARDER_NODISCARD
enum larder_status partition_record_decode(struct slice bytes, struct partition_record *out);

#endif
