/* SPDX-License-Identifier: BSD-3-Clause */
/* Going through the entries of a partition: step by step between which it may change, at random, or
 * all at once. Under the partition's lock. */
#ifndef LARDER_STORE_SCAN_H
#define LARDER_STORE_SCAN_H

#include "store/partition.h"

/* Called with each entry, of any collection, live or expired. Must not change the partition. The
 * entry is borrowed for the call. */
typedef void (*entry_visitor)(void *context, const struct entry *entry);

/* A position is a point in the order of reversed hashes: bit i of the hash is bit 63 - i of the
 * position, of which the upper 50 bits count. A bucket holds an interval of that order, and halves
 * of it when it splits. Visits the entries from `position` on to the end of the bucket that holds
 * it; *out_position is that end, 0 at the end of the partition. An entry that is there from the
 * first call (position 0) to the last is visited at least once, whatever else comes and goes. */
void partition_scan(struct partition *p, const struct keyspace *keyspace, uint64_t position,
                    entry_visitor visitor, void *context, uint64_t *out_position)
    REQUIRES(PARTITION_LOCK);

/* All entries. */
void partition_visit(struct partition *p, const struct keyspace *keyspace, entry_visitor visitor,
                     void *context) REQUIRES(PARTITION_LOCK);

/* An entry of the collection that has not expired by now_ms, each with nearly the same probability.
 * False when there is none. Cost: a few buckets, more where the collection is a small part of the
 * partition; all of it when hardly any entry qualifies. */
bool partition_random(struct partition *p, const struct keyspace *keyspace, uint32_t collection,
                      int64_t now_ms, struct random *random, struct entry *out)
    REQUIRES(PARTITION_LOCK);

/* The cursor of SCAN over all partitions: partition id in the upper 14 bits, the upper 50 bits of
 * the position below. 0 is both the start and the end. */
enum { SCAN_POSITION_BITS = 50 };

static inline uint64_t scan_cursor_encode(uint32_t partition, uint64_t position) {
    return (uint64_t)partition << SCAN_POSITION_BITS | position >> (64 - SCAN_POSITION_BITS);
}

/* The cursor that follows when partition_scan of this partition gave `next_position`. */
static inline uint64_t scan_cursor_after(const struct keyspace *keyspace, uint32_t partition,
                                         uint64_t next_position) {
    if (next_position != 0)
        return scan_cursor_encode(partition, next_position);
    return partition + 1 == keyspace->partition_count ? 0 : scan_cursor_encode(partition + 1, 0);
}

/* False for a cursor that names no partition. */
static inline bool scan_cursor_decode(const struct keyspace *keyspace, uint64_t cursor,
                                      uint32_t *out_partition, uint64_t *out_position) {
    *out_partition = (uint32_t)(cursor >> SCAN_POSITION_BITS);
    *out_position = cursor << (64 - SCAN_POSITION_BITS);
    return *out_partition < keyspace->partition_count;
}

#endif
