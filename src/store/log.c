/* SPDX-License-Identifier: BSD-3-Clause */
/* The log of a partition: segments are opened, filled by appending, and freed when nothing in them
 * is live. The small and the main queue are two lists of segments over the same pool. */
#include "store/partition_state.h"

enum { SEGMENTS_PER_LOG = 32 };

unsigned log_run_order(const struct partition *p)
{
    uint64_t share = p->log_bytes / SEGMENTS_PER_LOG;
    unsigned order = 0;
    while (order < RUN_ORDERS - 1 && share >= (uint64_t)PAGE_BYTES << (order + 1))
        order++;
    return order;
}

/* A run that was set aside, or one of the thread's reserve. A smaller one serves when there is no
 * run of the right size. */
static void *take_run(struct partition *p, struct store_thread *thread, unsigned *out_order)
{
    struct run *run = p->set_aside.runs;
    if (run != NULL) {
        p->set_aside.runs = run->next;
        *out_order = p->run_order;
        return run;
    }
    unsigned order = log_run_order(p);
    run = reserve_take_run(&thread->reserve, order);
    while (run == NULL && order > 0)
        run = reserve_take_run(&thread->reserve, --order);
    *out_order = order;
    return run;
}

struct segment *log_open_segment(struct partition *p, struct keyspace *keyspace,
                                 struct store_thread *thread, enum queue_id queue,
                                 struct segment *after)
{
    unsigned order;
    void *run = take_run(p, thread, &order);
    if (run == NULL)
        return NULL;
    uint64_t birth =
        atomic_fetch_add_explicit(&keyspace->segment_clock, 1, memory_order_relaxed);
    struct segment *fresh = segment_init(run, order, queue, birth);
    queue_insert(&p->queues[queue], fresh, after);
    p->log_bytes += fresh->size;
    p->segment_count++;
    thread->memory_delta += fresh->size;
    return fresh;
}

struct segment *log_room(struct partition *p, struct keyspace *keyspace,
                         struct store_thread *thread, enum queue_id queue, uint32_t size)
{
    struct segment *open = p->queues[queue].newest;
    if (open != NULL && open->size - open->used >= size)
        return open;
    struct segment *fresh = log_open_segment(p, keyspace, thread, queue, open);
    if (fresh == NULL)
        return NULL;
    if (open != NULL && open->live_count == 0 && !open->is_cleaning && open != p->clean_into)
        log_free_segment(p, thread, open);
    return fresh;
}

void log_free_segment(struct partition *p, struct store_thread *thread, struct segment *segment)
{
    if (p->expiry_cursor == segment)
        p->expiry_cursor = segment->newer;
    if (p->sample_cursor == segment)
        p->sample_cursor = segment->newer;
    if (p->clean_cursor == segment)
        p->clean_cursor = segment->newer;
    queue_remove(&p->queues[segment->queue], segment);
    p->log_bytes -= segment->size;
    p->segment_count--;
    thread->memory_delta -= segment->size;
    reserve_give_run(&thread->reserve, segment->order, segment);
}

void log_count(struct partition *p, struct segment *segment, const uint8_t *record,
               const struct record_layout *layout, size_t external_bytes)
{
    segment_count_record(segment, layout->size, record_expiry(record, layout));
    segment->used += layout->size;
    p->live_bytes += layout->size;
    p->queues[segment->queue].bytes += layout->size + external_bytes;
}

void log_kill(struct partition *p, struct store_thread *thread, uint8_t *record,
              const struct record_layout *layout, size_t external_bytes)
{
    struct segment *segment = segment_of(record);
    struct queue *queue = &p->queues[segment->queue];
    segment_uncount_record(segment, layout->size, record_expiry(record, layout));
    record[0] |= RECORD_DEAD;
    p->live_bytes -= layout->size;
    queue->bytes -= layout->size + external_bytes;
    if (segment->live_count == 0 && segment != queue->newest && !segment->is_cleaning &&
        segment != p->clean_into)
        log_free_segment(p, thread, segment);
}
