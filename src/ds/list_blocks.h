/* SPDX-License-Identifier: BSD-3-Clause */
/* The full list: a chain of runs, linked both ways. Functions do what those of ds/list.h do, and
 * never turn the list into a flat one. Private to the list. */
#ifndef LARDER_DS_LIST_BLOCKS_H
#define LARDER_DS_LIST_BLOCKS_H

#include "ds/list_run.h"

struct list_blocks {
    struct object object;
    struct list_run *head, *tail; /* NULL when empty */
    size_t count;                 /* elements */
    size_t bytes;                 /* of all blocks and of this */
};

extern const struct object_type LIST_BLOCKS;

/* Returns owned: its only block is `run`, which is taken over; NULL: it has none. NULL
 * without memory. */
struct list_blocks *list_blocks_create(const struct allocator *allocator, struct list_run *run);

/* Where an element is. */
struct list_place {
    struct list_run *run;
    size_t at; /* bytes from its first element */
};
/* The place of an index that exists. */
struct list_place list_blocks_place(const struct list_blocks *list, size_t index);

enum larder_status list_blocks_push(struct list_blocks *list, const struct object_context *context,
                                    enum list_end end, struct slice text) LARDER_NODISCARD;
enum larder_status list_blocks_insert(struct list_blocks *list,
                                      const struct object_context *context, size_t index,
                                      struct slice text) LARDER_NODISCARD;
enum larder_status list_blocks_replace(struct list_blocks *list,
                                       const struct object_context *context, size_t index,
                                       struct slice text) LARDER_NODISCARD;
void list_blocks_remove(struct list_blocks *list, const struct object_context *context,
                        size_t index, size_t count);
size_t list_blocks_remove_equal(struct list_blocks *list, const struct object_context *context,
                                struct slice text, size_t limit, enum list_end from);

#endif
