/* SPDX-License-Identifier: BSD-3-Clause */
/* Binary heap; each element knows its place, from 1, so that it can be moved and removed. */
#include "cluster/deadlines.h"

#include <stddef.h>

void deadlines_init(struct deadlines *d, const struct allocator *allocator) {
    *d = (struct deadlines){.allocator = allocator};
}

void deadlines_finish(struct deadlines *d) {
    allocator_release(d->allocator, d->heap, d->room * sizeof(*d->heap));
    *d = (struct deadlines){.allocator = d->allocator};
}

enum larder_status deadlines_reserve(struct deadlines *d, uint32_t count) {
    if (count <= d->room)
        return LARDER_OK;
    uint32_t room = d->room == 0 ? 16 : d->room;
    while (room < count)
        room *= 2;
    struct deadline **heap =
        allocator_resize(d->allocator, d->heap, d->room * sizeof(*heap), room * sizeof(*heap));
    if (heap == NULL)
        return LARDER_NO_MEMORY;
    d->heap = heap;
    d->room = room;
    return LARDER_OK;
}

static void place(struct deadlines *d, struct deadline *deadline, uint32_t at) {
    d->heap[at - 1] = deadline;
    deadline->place = at;
}

static void rise(struct deadlines *d, struct deadline *deadline) {
    uint32_t at = deadline->place;
    for (; at > 1 && d->heap[at / 2 - 1]->due_us > deadline->due_us; at /= 2)
        place(d, d->heap[at / 2 - 1], at);
    place(d, deadline, at);
}

static void sink(struct deadlines *d, struct deadline *deadline) {
    uint32_t at = deadline->place;
    for (uint32_t child = 2 * at; child <= d->count; child = 2 * at) {
        if (child < d->count && d->heap[child]->due_us < d->heap[child - 1]->due_us)
            child++;
        if (d->heap[child - 1]->due_us >= deadline->due_us)
            break;
        place(d, d->heap[child - 1], at);
        at = child;
    }
    place(d, deadline, at);
}

void deadlines_set(struct deadlines *d, struct deadline *deadline, int64_t due_us) {
    deadline->due_us = due_us;
    if (deadline->place == 0)
        place(d, deadline, ++d->count);
    rise(d, deadline);
    sink(d, deadline);
}

void deadlines_remove(struct deadlines *d, struct deadline *deadline) {
    if (deadline->place == 0)
        return;
    struct deadline *last = d->heap[d->count - 1];
    d->count--;
    if (last != deadline) {
        place(d, last, deadline->place);
        rise(d, last);
        sink(d, last);
    }
    deadline->place = 0;
}

struct deadline *deadlines_due(const struct deadlines *d, int64_t now_us) {
    return d->count > 0 && d->heap[0]->due_us <= now_us ? d->heap[0] : NULL;
}
