/* SPDX-License-Identifier: BSD-3-Clause */
/* What a partition is made of. Private to src/store; everything is guarded by the partition's lock
 * except what index_hint_bucket reads. */
#ifndef LARDER_STORE_PARTITION_STATE_H
#define LARDER_STORE_PARTITION_STATE_H

#include "store/index.h"
#include "store/partition.h"
#include "store/record_codec.h"
#include "store/segment.h"

struct ghost;      /* store/ghost.h: fingerprints of what left the small queue */
struct candidates; /* store/eviction.c: what sampling found best so far */

/* Runs set aside by partition_reserve, so that reserved puts can't fail. */
struct set_aside {
    struct run *runs;              /* linked, in the order they were reserved */
    uint32_t room[QUEUE_COUNT];    /* left in the segment that the queue's next puts fill */
    bool is_counting[QUEUE_COUNT]; /* room[] is meaningful */
    struct blob *key_blobs;        /* for external keys, linked through their bytes */
    uint32_t entry_count;          /* new entries reserved in the index */
};

/* Where a walk over the log goes on. */
struct log_position {
    struct segment *segment; /* NULL: at the oldest of the small queue */
    uint32_t at;             /* offset of the next record; below SEGMENT_HEADER: at the first */
};

struct partition {
    struct index index;
    struct queue queues[QUEUE_COUNT];
    struct set_aside set_aside;
    struct ghost *ghost;
    struct candidates *candidates;
    struct log_position cleaning; /* in the segment being emptied, NULL when none */
    struct segment *clean_last;   /* the last that is emptied in this go */
    struct segment *clean_into; /* takes what is live in it; stands right before it in the queue */
    struct segment *clean_cursor; /* where the search for sparse segments goes on */
    struct log_position expiry;   /* of the sweeper */
    struct log_position evict;    /* of queue eviction */
    struct log_position drop;     /* of the sweep of dead collections */
    struct {
        int64_t due_ms;    /* no element of a container expires before; not what is_walking left */
        uint64_t position; /* of partition_scan, where the walk goes on */
        bool is_walking;
    } elements; /* that expire: their sweep */
    uint32_t segment_count;
    uint64_t log_bytes;  /* of all segments, whole */
    uint64_t live_bytes; /* of live records */
    uint64_t blob_bytes;
    uint64_t record_count;
    struct collection_count *counts;
    uint32_t count_length;
    uint32_t count_capacity;
};

/* ---- log.c ---- */

/* Order of the run for the partition's next segment: 4 to 64 KiB, at most 1/32 of its log. */
unsigned log_run_order(const struct partition *p);
/* A run of *order or, when the reserve has none, a smaller one. NULL without memory. */
void *log_take_run(struct reserve *reserve, unsigned *order);
/* The open segment of the queue with room for `size` bytes, a new one if need be; NULL without
 * memory. */
struct segment *log_room(struct partition *p, struct keyspace *keyspace,
                         struct store_thread *thread, enum queue_id queue, uint32_t size);
/* A new segment behind `after` in the queue, of the run order or a smaller one; NULL without
 * memory. */
struct segment *log_open_segment(struct partition *p, struct keyspace *keyspace,
                                 struct store_thread *thread, enum queue_id queue,
                                 struct segment *after, unsigned order);
/* The order of all segments: the small queue from its oldest, then main. From NULL the first; NULL
 * after the last. */
struct segment *log_next(const struct partition *p, const struct segment *segment);
/* Free a segment that holds no live record; positions in it go to the next. */
void log_free_segment(struct partition *p, struct store_thread *thread, struct segment *segment);
void log_free_if_empty(struct partition *p, struct store_thread *thread, struct segment *segment);
/* Count a record out of its segment, partition and queue and mark it dead; frees the segment when
 * it was the last, unless it is busy. Does not touch the index. Blobs are not released. */
void log_kill(struct partition *p, struct store_thread *thread, uint8_t *record,
              const struct record_layout *layout, size_t external_bytes);
/* Count a record just written at the end of the segment in. */
void log_count(struct partition *p, struct segment *segment, const uint8_t *record,
               const struct record_layout *layout, size_t external_bytes);

enum { LOG_BATCH = 16 };

/* A live record met on a walk. */
struct log_record {
    uint8_t *record;
    struct record_layout layout;
    uint64_t hash;
};

/* The next live records of the position's segment, at most LOG_BATCH, with their index buckets
 * prefetched; fewer at its end. The position moves behind them. */
unsigned log_collect(const struct partition *p, const struct keyspace *keyspace,
                     struct log_position *position, struct log_record *batch);

/* ---- partition.c ---- */

/* Hash of the record at an address, for index_balance. context: the keyspace. */
uint64_t partition_hash_at(const void *keyspace, uint64_t address);
void partition_decode(uint8_t *record, index_word *word, uint64_t hash, struct entry *out);
/* Footprint of the record's blobs (value and key). */
size_t record_external_bytes(const uint8_t *record, const struct record_layout *layout);
/* Copy a live record to the end of `into` (which has room), point its index word there, keep
 * everything else. Frequency as given. The old bytes are marked dead and counted out. */
uint8_t *partition_move_record(struct partition *p, struct store_thread *thread, uint8_t *record,
                               const struct record_layout *layout, index_word *word,
                               struct segment *into, unsigned frequency);
/* Delete an entry that goes without being asked to, with an event (NOTICE_EXPIRED or
 * NOTICE_EVICTED) and a DEL effect: a part
 * of the thread's record being written, or a record of its own. False without memory for the
 * effect: nothing changed. No cleaning. In expiry.c. */
bool partition_expel(struct partition *p, struct keyspace *keyspace, struct store_thread *thread,
                     uint32_t partition_id, const struct entry *entry, uint32_t class);
/* partition_delete without cleaning afterwards. */
void partition_remove(struct partition *p, struct keyspace *keyspace, struct store_thread *thread,
                      const struct entry *entry);
/* Give a blob back once no lock is held. */
void store_thread_drop(struct store_thread *thread, struct blob *blob);

/* ---- cleaner.c ---- */

/* Give up the cleaning under way, before segments are taken away by something else. */
void cleaner_stop(struct partition *p, struct store_thread *thread);
/* Move up to 64 live records out of sparse segments when dead space is above its share. */
void cleaner_step(struct partition *p, struct keyspace *keyspace, struct store_thread *thread);
/* The same with a share of our own, in percent of the log. Returns whether it moved anything. */
bool cleaner_compact(struct partition *p, struct keyspace *keyspace, struct store_thread *thread,
                     unsigned waste_percent);

#endif
