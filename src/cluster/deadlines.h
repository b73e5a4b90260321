/* SPDX-License-Identifier: BSD-3-Clause */
/* What is due next, of many: a binary heap of pointers into the owner's objects.
 *
 *      struct lock { ...; struct deadline due; };      heap: [ &a.due | &b.due | ... ]
 *
 * Setting and removing take time in proportion to the logarithm of how many there are. One thread;
 * allocates in deadlines_reserve only. */
#ifndef LARDER_CLUSTER_DEADLINES_H
#define LARDER_CLUSTER_DEADLINES_H

#include "base/alloc.h"
#include "base/status.h"

#include <stdint.h>

/* All zero: is in no heap. */
struct deadline {
    int64_t due_us;
    uint32_t place; /* in the heap, from 1; 0: not there */
};

struct deadlines {
    const struct allocator *allocator;
    struct deadline **heap; /* from 0; parents are not due after their children */
    uint32_t count, room;
};

void deadlines_init(struct deadlines *deadlines, const struct allocator *allocator);
void deadlines_finish(struct deadlines *deadlines);

/* Room for so many in all. Errors: LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status deadlines_reserve(struct deadlines *deadlines, uint32_t count);
/* Put it in, or move it. There is room. */
void deadlines_set(struct deadlines *deadlines, struct deadline *deadline, int64_t due_us);
/* Nothing if it is not there. */
void deadlines_remove(struct deadlines *deadlines, struct deadline *deadline);
/* The one that is due first if that is by now_us, else NULL. */
struct deadline *deadlines_due(const struct deadlines *deadlines, int64_t now_us);

#endif
