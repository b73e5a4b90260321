/* SPDX-License-Identifier: BSD-3-Clause */
/* Queues of segments and the histogram of expiring bytes. A step's number is computed from the base
 * and width alone, so counting a record out finds the step that it was counted into: when steps
 * widen, pairs of steps merge into the one that their records are then computed to, and the base
 * moves by whole steps only. */
#include "store/segment.h"

#include <string.h>

struct segment *segment_init(void *run, unsigned order, enum queue_id queue, uint64_t birth) {
    struct segment *segment = run;
    memset(segment, 0, sizeof(*segment));
    segment->birth = birth;
    segment->size = (uint32_t)PAGE_BYTES << order;
    segment->used = SEGMENT_HEADER;
    segment->order = (uint8_t)order;
    segment->queue = (uint8_t)queue;
    chunk_map_run(run, order);
    return segment;
}

void queue_insert(struct queue *queue, struct segment *segment, struct segment *after) {
    segment->older = after;
    segment->newer = after == NULL ? queue->oldest : after->newer;
    if (segment->newer != NULL)
        segment->newer->older = segment;
    else
        queue->newest = segment;
    if (after != NULL)
        after->newer = segment;
    else
        queue->oldest = segment;
}

void queue_remove(struct queue *queue, struct segment *segment) {
    if (segment->older != NULL)
        segment->older->newer = segment->newer;
    else
        queue->oldest = segment->newer;
    if (segment->newer != NULL)
        segment->newer->older = segment->older;
    else
        queue->newest = segment->older;
}

static unsigned step_of(const struct segment *segment, int64_t expiry_ms) {
    return (unsigned)((uint64_t)(expiry_ms - segment->expiry_base_ms) >> segment->expiry_shift);
}

static void widen_steps(struct segment *segment) {
    for (unsigned i = 0; i < EXPIRY_STEPS / 2; i++)
        segment->expiring[i] = segment->expiring[2 * i] + segment->expiring[2 * i + 1];
    for (unsigned i = EXPIRY_STEPS / 2; i < EXPIRY_STEPS; i++)
        segment->expiring[i] = 0;
    segment->expiry_shift++;
}

/* Move the base down by whole steps, to where the expiry is not before it. */
static void lower_base(struct segment *segment, int64_t expiry_ms) {
    for (;;) {
        uint64_t width = (uint64_t)1 << segment->expiry_shift;
        uint64_t steps = ((uint64_t)(segment->expiry_base_ms - expiry_ms) + width - 1) / width;
        unsigned used = EXPIRY_STEPS;
        while (used > 0 && segment->expiring[used - 1] == 0)
            used--;
        if (used + steps > EXPIRY_STEPS) {
            widen_steps(segment);
            continue;
        }
        memmove(segment->expiring + steps, segment->expiring, used * sizeof(uint32_t));
        memset(segment->expiring, 0, steps * sizeof(uint32_t));
        segment->expiry_base_ms -= (int64_t)(steps * width);
        return;
    }
}

static uint32_t expiry_units(const struct record_weight *weight) {
    return (uint32_t)((weight->size + weight->external + EXPIRY_UNIT / 2) / EXPIRY_UNIT);
}

static void expiry_add(struct segment *segment, uint32_t units, int64_t expiry_ms) {
    enum { FIRST_SHIFT = 7 /* steps of 128 ms */ };
    if (segment->expiring_count++ == 0) {
        memset(segment->expiring, 0, sizeof(segment->expiring));
        segment->expiry_base_ms = expiry_ms;
        segment->expiry_shift = FIRST_SHIFT;
        segment->latest_expiry_ms = expiry_ms;
    }
    if (expiry_ms < segment->expiry_base_ms)
        lower_base(segment, expiry_ms);
    while (step_of(segment, expiry_ms) >= EXPIRY_STEPS)
        widen_steps(segment);
    segment->expiring[step_of(segment, expiry_ms)] += units;
    if (expiry_ms > segment->latest_expiry_ms)
        segment->latest_expiry_ms = expiry_ms;
}

void segment_count_record(struct segment *segment, const struct record_weight *weight) {
    segment->live_bytes += weight->size;
    segment->live_count++;
    segment->external_bytes += weight->external;
    if (weight->expiry_ms != 0)
        expiry_add(segment, expiry_units(weight), weight->expiry_ms);
}

void segment_uncount_record(struct segment *segment, const struct record_weight *weight) {
    segment->live_bytes -= weight->size;
    segment->live_count--;
    segment->external_bytes -= weight->external;
    if (weight->expiry_ms != 0) {
        segment->expiring_count--;
        segment->expiring[step_of(segment, weight->expiry_ms)] -= expiry_units(weight);
    }
}

void segment_recount_record(struct segment *segment, const struct record_weight *from,
                            const struct record_weight *to) {
    segment_uncount_record(segment, from);
    segment_count_record(segment, to);
}

uint64_t segment_expired_bytes(const struct segment *segment, int64_t now_ms) {
    if (segment->expiring_count == 0)
        return 0;
    bool have_all = segment->latest_expiry_ms < now_ms;
    uint64_t units = 0;
    for (unsigned i = 0; i < EXPIRY_STEPS; i++) {
        int64_t end_ms = segment->expiry_base_ms + ((int64_t)(i + 1) << segment->expiry_shift);
        if (end_ms > now_ms && !have_all)
            break;
        units += segment->expiring[i];
    }
    return units * EXPIRY_UNIT;
}
