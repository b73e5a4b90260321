/* SPDX-License-Identifier: BSD-3-Clause */
/* A segment is a run of pages that holds records one after another, and a link of a partition's
 * queue: oldest first, the newest is open for appending. Private to src/store; under the
 * partition's lock.
 *
 *   | struct segment | record | record | ... | free |
 *   0                SEGMENT_HEADER          used   size
 *
 * Expiring bytes are counted in eight steps of equal width: step i holds records that expire from
 * base + (i << shift) on and before the next step. A record outside of them lowers the base or
 * widens all steps. So "how many bytes have expired by now" is a lower bound found without reading
 * a record. */
#ifndef LARDER_STORE_SEGMENT_H
#define LARDER_STORE_SEGMENT_H

#include "base/lock_order.h"
#include "store/pool.h"

enum queue_id { QUEUE_SMALL, QUEUE_MAIN, QUEUE_COUNT };

enum { EXPIRY_STEPS = 8, EXPIRY_UNIT = 16 };

struct segment {
    struct segment *older;
    struct segment *newer;
    uint64_t birth;         /* node-wide number: the order in which segments began */
    int64_t expiry_base_ms; /* of the steps; 0 while nothing expires */
    int64_t latest_expiry_ms;
    uint32_t size;           /* bytes, header included */
    uint32_t used;           /* bytes, header included: where the next record goes */
    uint32_t live_bytes;     /* of records that are not dead */
    uint64_t external_bytes; /* of the blobs of live records */
    uint16_t live_count;
    uint16_t expiring_count;         /* live records with an expiry */
    uint32_t expiring[EXPIRY_STEPS]; /* units of EXPIRY_UNIT bytes, blobs included */
    uint8_t order;                   /* of the run */
    uint8_t queue;                   /* enum queue_id */
    uint8_t expiry_shift;
    bool is_busy; /* somebody is taking records out of it one by one: it is not freed meanwhile */
};

enum { SEGMENT_HEADER = (sizeof(struct segment) + 7) & ~7u };

struct queue {
    struct segment *oldest;
    struct segment *newest; /* open */
    uint64_t bytes;         /* of live records, blobs included */
};

static inline struct segment *segment_of(const uint8_t *record) {
    return chunk_run_of(record);
}

/* Make a segment in a run. */
struct segment *segment_init(void *run, unsigned order, enum queue_id queue, uint64_t birth);
/* Link a segment behind `after` (NULL: as the oldest). */
void queue_insert(struct queue *queue, struct segment *segment, struct segment *after);
void queue_remove(struct queue *queue, struct segment *segment);

/* What a record counts for. expiry_ms 0: it never expires. */
struct record_weight {
    uint32_t size;   /* of the record in the log */
    size_t external; /* footprint of its blobs */
    int64_t expiry_ms;
};

/* Count a live record in or out. */
void segment_count_record(struct segment *segment, const struct record_weight *weight);
void segment_uncount_record(struct segment *segment, const struct record_weight *weight);
/* A record of the segment changed in place; its size is the same. */
void segment_recount_record(struct segment *segment, const struct record_weight *from,
                            const struct record_weight *to);

/* Bytes of live records, with their blobs, that have certainly expired by now; each record is
 * rounded to units. */
uint64_t segment_expired_bytes(const struct segment *segment, int64_t now_ms);

#endif
