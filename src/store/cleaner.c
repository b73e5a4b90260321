/* SPDX-License-Identifier: BSD-3-Clause */
/* Cleaning: when more than a fifth of the log holds nothing live, a window of neighbouring segments
 * is chosen whose live records fit into fewer bytes, the one that frees most per byte moved, and
 * its records are copied in order into new segments that take its place in the queue. So the order
 * of the queue, which is the age that eviction goes by, stays as it was, and each cleaning that is
 * carried through leaves a smaller log (Rosenblum and Ousterhout 1991, with neighbours instead of
 * single segments). The last new segment is cut to size. Work is done in slices of at most 64
 * records, each paid for by the write that comes along.
 *
 * The segment being emptied and the one being filled are marked busy. */
#include "store/access.h"

enum {
    SLICE_RECORDS = 64,
    SEARCH_SEGMENTS = 32, /* looked at when choosing */
    WINDOW_SEGMENTS = 8,
    WASTE_PERCENT = 20, /* of the log may be waste */
};

static uint64_t room_of(const struct segment *segment) {
    return segment == NULL ? 0 : segment->size - segment->used;
}

static uint64_t total_waste(const struct partition *p) {
    return p->log_bytes - (uint64_t)p->segment_count * SEGMENT_HEADER - p->live_bytes -
           room_of(p->queues[QUEUE_SMALL].newest) - room_of(p->queues[QUEUE_MAIN].newest);
}

/* Open segments are left alone unless memory is short, and so is the one that the sweep of dead
 * collections stands in: records that it has still to see must not move behind it. */
static bool is_eligible(const struct partition *p, const struct segment *segment, bool with_open) {
    return !segment->is_busy && segment != p->drop.segment &&
           (with_open || segment != p->queues[segment->queue].newest);
}

/* ---- choosing ---- */

/* Order of the next segment when `live` bytes are to be moved: the log's usual one, or one down to
 * a quarter of it when the bytes would leave more than a quarter of the segment empty. */
static unsigned output_order(unsigned usual, uint64_t live) {
    unsigned order = usual;
    while (order > 0 && order + 2 > usual && live * 4 <= ((uint64_t)PAGE_BYTES << order) * 3)
        order--;
    return order;
}

/* Bytes of segments that `live` bytes of records take when moved. */
static uint64_t output_bytes(unsigned usual, uint64_t live) {
    uint64_t size = (uint64_t)PAGE_BYTES << usual, room = size - SEGMENT_HEADER;
    uint64_t bytes = live / room * size;
    live %= room;
    while (live > 0) {
        size = (uint64_t)PAGE_BYTES << output_order(usual, live);
        bytes += size;
        live = live > size - SEGMENT_HEADER ? live - (size - SEGMENT_HEADER) : 0;
    }
    return bytes;
}

struct window {
    struct segment *first, *last;
    uint64_t live; /* bytes to move */
    uint64_t gain; /* bytes freed by that */
};

static void consider(const struct partition *p, struct segment *first, unsigned usual,
                     bool with_open, struct window *best) {
    uint64_t live = 0, size = 0, count = 0;
    struct segment *last = first;
    for (unsigned i = 0; i < WINDOW_SEGMENTS && last != NULL && is_eligible(p, last, with_open);
         i++) {
        live += last->live_bytes;
        size += last->size;
        count += last->live_count;
        /* The end of a segment stays empty where the next record does not fit: half a record on
         * average, reckoned as a whole one, so that large records are not moved for nothing. */
        uint64_t segments = live / ((uint64_t)PAGE_BYTES << usual) + 1;
        uint64_t ends = count == 0 ? 0 : segments * (live / count);
        uint64_t output = output_bytes(usual, live + ends);
        if (output < size &&
            (best->first == NULL || (size - output) * best->live > best->gain * live))
            *best = (struct window){first, last, live, size - output};
        last = last->newer;
    }
}

/* The best window that begins at one of the next segments; the search goes round both queues. */
static struct window choose(struct partition *p, bool with_open) {
    struct window best = {0};
    unsigned usual = log_run_order(p);
    for (unsigned i = 0; i < SEARCH_SEGMENTS && i < p->segment_count; i++) {
        if (p->clean_cursor == NULL)
            p->clean_cursor = log_next(p, NULL);
        if (is_eligible(p, p->clean_cursor, with_open))
            consider(p, p->clean_cursor, usual, with_open, &best);
        p->clean_cursor = log_next(p, p->clean_cursor);
    }
    return best;
}

/* ---- moving ---- */

static void begin(struct partition *p, struct segment *segment) {
    p->cleaning = (struct log_position){.segment = segment};
    segment->is_busy = true;
}

static void release(struct partition *p, struct store_thread *thread, struct segment **place) {
    struct segment *segment = *place;
    *place = NULL;
    if (segment == NULL)
        return;
    segment->is_busy = false;
    log_free_if_empty(p, thread, segment);
}

void cleaner_stop(struct partition *p, struct store_thread *thread) {
    release(p, thread, &p->cleaning.segment);
    release(p, thread, &p->clean_into);
    p->clean_last = NULL;
}

/* The source is empty: free it and go on with the next of the window. */
static void finish_source(struct partition *p, struct store_thread *thread) {
    struct segment *source = p->cleaning.segment;
    struct segment *next = source == p->clean_last ? NULL : source->newer;
    release(p, thread, &p->cleaning.segment);
    if (next != NULL && !next->is_busy)
        begin(p, next);
    else
        cleaner_stop(p, thread);
}

/* The segment that the next record goes into, a new one right before the source if need be. */
static struct segment *target(struct partition *p, struct keyspace *keyspace,
                              struct store_thread *thread, uint32_t size) {
    struct segment *source = p->cleaning.segment;
    if (p->clean_into != NULL && room_of(p->clean_into) >= size)
        return p->clean_into;
    uint64_t left = source->live_bytes;
    for (struct segment *s = source; s != p->clean_last && s->newer != NULL;) {
        s = s->newer;
        left += s->live_bytes;
    }
    struct segment *into = log_open_segment(p, keyspace, thread, (enum queue_id)source->queue,
                                            source->older, output_order(log_run_order(p), left));
    if (into == NULL)
        return NULL;
    into->birth = source->birth;
    into->is_busy = true;
    release(p, thread, &p->clean_into);
    p->clean_into = into;
    return into;
}

uint8_t *partition_move_record(struct partition *p, struct store_thread *thread, uint8_t *record,
                               const struct record_layout *layout, index_word *word,
                               struct segment *into, unsigned frequency) {
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

bool cleaner_compact(struct partition *p, struct keyspace *keyspace, struct store_thread *thread,
                     unsigned waste_percent) {
    if (p->set_aside.runs != NULL)
        return false; /* new segments would take what reserved puts count on */
    if (p->drop.segment != NULL &&
        (p->drop.segment == p->cleaning.segment || p->drop.segment == p->clean_into))
        return false; /* as in is_eligible */
    if (p->cleaning.segment == NULL) {
        if (total_waste(p) * 100 <= p->log_bytes * waste_percent)
            return false;
        struct window window = choose(p, waste_percent < WASTE_PERCENT);
        if (window.first == NULL)
            return false;
        begin(p, window.first);
        p->clean_last = window.last;
    }
    struct log_record batch[LOG_BATCH];
    for (unsigned moved = 0; moved < SLICE_RECORDS && p->cleaning.segment != NULL;) {
        uint32_t resume_at = p->cleaning.at;
        unsigned count = log_collect(p, keyspace, &p->cleaning, batch);
        for (unsigned i = 0; i < count; i++) {
            struct log_record *next = &batch[i];
            struct segment *into = target(p, keyspace, thread, next->layout.size);
            if (into == NULL) {
                p->cleaning.at = resume_at; /* those already moved are dead and will be skipped */
                return i > 0 || moved > 0;
            }
            index_word *word =
                index_word_of(&p->index, next->hash, (uint64_t)(uintptr_t)next->record);
            (void)partition_move_record(p, thread, next->record, &next->layout, word, into,
                                        index_frequency(index_load(word)));
        }
        moved += count;
        if (p->cleaning.at >= p->cleaning.segment->used)
            finish_source(p, thread);
    }
    return true;
}

void cleaner_step(struct partition *p, struct keyspace *keyspace, struct store_thread *thread) {
    (void)cleaner_compact(p, keyspace, thread, WASTE_PERCENT);
}
