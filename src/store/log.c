/* SPDX-License-Identifier: BSD-3-Clause */
/* The log of a partition: segments are opened, filled by appending, and freed when nothing in them
 * is live. The small and the main queue are two lists of segments over the same pool. */
#include "store/partition_state.h"

enum { SEGMENTS_PER_LOG = 32 };

unsigned log_run_order(const struct partition *p) {
    uint64_t share = p->log_bytes / SEGMENTS_PER_LOG;
    unsigned order = 0;
    while (order < RUN_ORDERS - 1 && share >= (uint64_t)PAGE_BYTES << (order + 1))
        order++;
    return order;
}

void *log_take_run(struct reserve *reserve, unsigned *order) {
    void *run = reserve_take_run(reserve, *order);
    while (run == NULL && *order > 0)
        run = reserve_take_run(reserve, --*order);
    return run;
}

/* The first run that was set aside, or one of the thread's reserve. */
static void *take_run(struct partition *p, struct store_thread *thread, unsigned *order) {
    struct run *run = p->set_aside.runs;
    if (run == NULL)
        return log_take_run(&thread->reserve, order);
    p->set_aside.runs = run->next;
    *order = run->order;
    return run;
}

struct segment *log_open_segment(struct partition *p, struct keyspace *keyspace,
                                 struct store_thread *thread, enum queue_id queue,
                                 struct segment *after, unsigned order) {
    void *run = take_run(p, thread, &order);
    if (run == NULL)
        return NULL;
    uint64_t birth = atomic_fetch_add_explicit(&keyspace->segment_clock, 1, memory_order_relaxed);
    struct segment *fresh = segment_init(run, order, queue, birth);
    queue_insert(&p->queues[queue], fresh, after);
    p->log_bytes += fresh->size;
    p->segment_count++;
    thread->memory_delta += fresh->size;
    return fresh;
}

struct segment *log_room(struct partition *p, struct keyspace *keyspace,
                         struct store_thread *thread, enum queue_id queue, uint32_t size) {
    struct segment *open = p->queues[queue].newest;
    if (open != NULL && !open->is_busy && open->size - open->used >= size)
        return open;
    struct segment *fresh = log_open_segment(p, keyspace, thread, queue, open, log_run_order(p));
    if (fresh == NULL)
        return NULL;
    if (open != NULL)
        log_free_if_empty(p, thread, open);
    return fresh;
}

struct segment *log_next(const struct partition *p, const struct segment *segment) {
    if (segment == NULL)
        segment = p->queues[QUEUE_SMALL].oldest;
    else if (segment->newer != NULL || segment->queue == QUEUE_MAIN)
        return segment->newer;
    else
        segment = NULL;
    return segment != NULL ? (struct segment *)segment : p->queues[QUEUE_MAIN].oldest;
}

void log_free_if_empty(struct partition *p, struct store_thread *thread, struct segment *segment) {
    if (segment->live_count == 0 && !segment->is_busy)
        log_free_segment(p, thread, segment);
}

void log_free_segment(struct partition *p, struct store_thread *thread, struct segment *segment) {
    struct log_position *positions[] = {&p->expiry, &p->evict, &p->drop};
    for (size_t i = 0; i < sizeof(positions) / sizeof(positions[0]); i++)
        if (positions[i]->segment == segment)
            *positions[i] = (struct log_position){.segment = log_next(p, segment)};
    if (p->clean_cursor == segment)
        p->clean_cursor = log_next(p, segment);
    if (p->clean_last == segment)
        p->clean_last = segment->older;
    queue_remove(&p->queues[segment->queue], segment);
    p->log_bytes -= segment->size;
    p->segment_count--;
    thread->memory_delta -= segment->size;
    reserve_give_run(&thread->reserve, segment->order, segment);
}

void log_count(struct partition *p, struct segment *segment, const uint8_t *record,
               const struct record_layout *layout, size_t external_bytes) {
    struct record_weight weight = {layout->size, external_bytes, record_expiry(record, layout)};
    segment_count_record(segment, &weight);
    segment->used += layout->size;
    p->live_bytes += layout->size;
    p->queues[segment->queue].bytes += layout->size + external_bytes;
}

void log_kill(struct partition *p, struct store_thread *thread, uint8_t *record,
              const struct record_layout *layout, size_t external_bytes) {
    struct segment *segment = segment_of(record);
    struct queue *queue = &p->queues[segment->queue];
    struct record_weight weight = {layout->size, external_bytes, record_expiry(record, layout)};
    segment_uncount_record(segment, &weight);
    record[0] |= RECORD_DEAD;
    p->live_bytes -= layout->size;
    queue->bytes -= layout->size + external_bytes;
    log_free_if_empty(p, thread, segment);
}

unsigned log_collect(const struct partition *p, const struct keyspace *keyspace,
                     struct log_position *position, struct log_record *batch) {
    struct segment *segment = position->segment;
    unsigned count = 0;
    if (position->at < SEGMENT_HEADER)
        position->at = SEGMENT_HEADER;
    while (count < LOG_BATCH && position->at < segment->used) {
        struct log_record *next = &batch[count];
        next->record = (uint8_t *)segment + position->at;
        next->layout = record_parse(next->record);
        position->at += next->layout.size;
        if ((next->layout.flags & RECORD_DEAD) != 0)
            continue;
        next->hash = hash_key(&keyspace->seed, record_key(next->record, &next->layout),
                              next->layout.collection);
        uint32_t buckets = atomic_load_explicit(&p->index.bucket_count, memory_order_relaxed);
        __builtin_prefetch(
            (const void *)index_bucket(&p->index, index_bucket_of(buckets, next->hash)));
        count++;
    }
    return count;
}
