/* SPDX-License-Identifier: BSD-3-Clause */
/* Cleaning: when more than a fifth of the log holds nothing live, the sparsest segment found is
 * emptied into a new one that takes its place in the queue, and the following segments into the same
 * one while it has room, so that the order of the queue, which is the age that eviction goes by,
 * stays as it was (greedy cleaning; Rosenblum and Ousterhout 1991). Work is done in slices of at
 * most 64 records, each paid for by the write that comes along. */
#include "store/access.h"

enum {
    SLICE_RECORDS = 64,
    BATCH_RECORDS = 16,       /* index buckets prefetched together */
    SEARCH_SEGMENTS = 64,     /* looked at when choosing */
    WASTE_DIVISOR = 5,        /* of the log may be waste */
    WORTH_CLEANING_PERMIL = 100, /* waste that makes a segment worth emptying */
};

static uint32_t waste_of(const struct segment *segment)
{
    return segment->size - SEGMENT_HEADER - segment->live_bytes;
}

static uint32_t room_of(const struct segment *segment)
{
    return segment == NULL ? 0 : segment->size - segment->used;
}

static uint64_t total_waste(const struct partition *p)
{
    return p->log_bytes - (uint64_t)p->segment_count * SEGMENT_HEADER - p->live_bytes -
           room_of(p->queues[QUEUE_SMALL].newest) - room_of(p->queues[QUEUE_MAIN].newest);
}

static bool is_sealed(const struct partition *p, const struct segment *segment)
{
    return segment != p->queues[segment->queue].newest && segment != p->clean_into;
}

static bool is_worth_cleaning(const struct segment *segment)
{
    return (uint64_t)waste_of(segment) * 1000 > (uint64_t)segment->size * WORTH_CLEANING_PERMIL;
}

/* The sparsest sealed segment among the next ones; the search goes round both queues. */
static struct segment *choose(struct partition *p)
{
    struct segment *best = NULL, *segment = p->clean_cursor;
    for (unsigned i = 0; i < SEARCH_SEGMENTS && i < p->segment_count; i++) {
        if (segment == NULL)
            segment = p->queues[QUEUE_SMALL].oldest != NULL ? p->queues[QUEUE_SMALL].oldest
                                                            : p->queues[QUEUE_MAIN].oldest;
        if (is_sealed(p, segment) &&
            (best == NULL || (uint64_t)waste_of(segment) * best->size >
                                 (uint64_t)waste_of(best) * segment->size))
            best = segment;
        bool is_small_end = segment->newer == NULL && segment->queue == QUEUE_SMALL;
        segment = is_small_end ? p->queues[QUEUE_MAIN].oldest : segment->newer;
    }
    p->clean_cursor = segment;
    return best != NULL && is_worth_cleaning(best) ? best : NULL;
}

static void begin(struct partition *p, struct segment *segment)
{
    p->cleaning = segment;
    p->cleaning_at = SEGMENT_HEADER;
    segment->is_cleaning = true;
}

void cleaner_stop(struct partition *p, struct store_thread *thread)
{
    struct segment *source = p->cleaning, *into = p->clean_into;
    p->cleaning = NULL;
    p->clean_into = NULL;
    if (source != NULL) {
        source->is_cleaning = false;
        if (source->live_count == 0 && is_sealed(p, source))
            log_free_segment(p, thread, source);
    }
    if (into != NULL && into->live_count == 0 && is_sealed(p, into))
        log_free_segment(p, thread, into);
}

/* The source is empty: free it, and go on with its neighbour while the target has room. */
static void finish_source(struct partition *p, struct store_thread *thread)
{
    struct segment *next = p->cleaning->newer, *into = p->clean_into;
    p->cleaning->is_cleaning = false;
    log_free_segment(p, thread, p->cleaning);
    p->cleaning = NULL;
    if (into != NULL && room_of(into) * 8 > into->size && next != NULL && is_sealed(p, next) &&
        is_worth_cleaning(next)) {
        begin(p, next);
        return;
    }
    cleaner_stop(p, thread);
}

/* The target with room for a record, a new one right before the source if need be. */
static struct segment *target(struct partition *p, struct keyspace *keyspace,
                              struct store_thread *thread, uint32_t size)
{
    struct segment *into = p->clean_into, *source = p->cleaning;
    if (into != NULL && room_of(into) >= size)
        return into;
    into = log_open_segment(p, keyspace, thread, (enum queue_id)source->queue, source->older);
    if (into == NULL)
        return NULL;
    into->birth = source->birth;
    p->clean_into = into;
    return into;
}

uint8_t *partition_move_record(struct partition *p, struct store_thread *thread, uint8_t *record,
                               const struct record_layout *layout, index_word *word,
                               struct segment *into, unsigned frequency)
{
    uint8_t *copy = (uint8_t *)into + into->used;
    size_t external = record_external_bytes(record, layout);
    memcpy(copy, record, layout->size);
    uint64_t moved = (index_load(word) & ~INDEX_ADDRESS_MASK) | (uint64_t)(uintptr_t)copy;
    index_store(word, index_with_frequency(moved, frequency));
    log_count(p, into, copy, layout, external);
    log_kill(p, thread, record, layout, external);
    counter_add(&thread->counters.records_moved, 1);
    return copy;
}

struct pending {
    uint8_t *record;
    struct record_layout layout;
    uint64_t hash;
};

/* Collect the next live records of the source and prefetch their buckets. */
static unsigned collect(struct partition *p, const struct keyspace *keyspace,
                        struct pending *batch)
{
    unsigned count = 0;
    struct segment *source = p->cleaning;
    while (count < BATCH_RECORDS && p->cleaning_at < source->used) {
        uint8_t *record = (uint8_t *)source + p->cleaning_at;
        struct pending *next = &batch[count];
        next->layout = record_parse(record);
        p->cleaning_at += next->layout.size;
        if ((record[0] & RECORD_DEAD) != 0)
            continue;
        next->record = record;
        next->hash = hash_key(&keyspace->seed, record_key(record, &next->layout),
                              next->layout.collection);
        uint32_t buckets = atomic_load_explicit(&p->index.bucket_count, memory_order_relaxed);
        __builtin_prefetch(
            (const void *)index_bucket(&p->index, index_bucket_of(buckets, next->hash)));
        count++;
    }
    return count;
}

void cleaner_step(struct partition *p, struct keyspace *keyspace, struct store_thread *thread)
{
    if (p->cleaning == NULL) {
        if (total_waste(p) * WASTE_DIVISOR <= p->log_bytes || p->segment_count < 3)
            return;
        struct segment *sparsest = choose(p);
        if (sparsest == NULL)
            return;
        begin(p, sparsest);
    }
    struct pending batch[BATCH_RECORDS];
    for (unsigned moved = 0; moved < SLICE_RECORDS && p->cleaning != NULL;) {
        uint32_t resume_at = p->cleaning_at;
        unsigned count = collect(p, keyspace, batch);
        for (unsigned i = 0; i < count; i++) {
            struct pending *next = &batch[i];
            struct segment *into = target(p, keyspace, thread, next->layout.size);
            if (into == NULL) {
                p->cleaning_at = resume_at; /* those already moved are dead and will be skipped */
                return;
            }
            index_word *word =
                index_word_of(&p->index, next->hash, (uint64_t)(uintptr_t)next->record);
            (void)partition_move_record(p, thread, next->record, &next->layout, word, into,
                                        index_frequency(index_load(word)));
        }
        moved += count;
        if (p->cleaning_at >= p->cleaning->used)
            finish_source(p, thread);
    }
}
