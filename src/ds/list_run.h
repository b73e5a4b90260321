/* SPDX-License-Identifier: BSD-3-Clause */
/* A run of packed elements in one allocation with free room on either side of them, so that both
 * ends give and take without moving the rest. A short list is one run that begins with the object
 * itself; a long list is a chain of runs that begin with links instead. So the one becomes the
 * other without copying an element.
 *
 *   object or links 16 | count 4 | begin 4 | end 4 | capacity 4 | room | elements | room
 *                                                   data ^       begin ^    end ^
 *
 * A function that may move the run takes its address. Private to the list. */
#ifndef LARDER_DS_LIST_RUN_H
#define LARDER_DS_LIST_RUN_H

#include "ds/list.h"
#include "ds/packed.h"

struct list_run {
    union {
        struct object object; /* of a flat list */
        struct {
            struct list_run *next, *previous; /* of a block */
        };
    };
    uint32_t count; /* elements */
    uint32_t begin, end;
    uint32_t capacity; /* bytes of data */
    uint8_t data[];
};

/* How much a run holds. A large element stands alone, whatever these say. */
struct list_run_limits {
    size_t bytes;
    size_t count;
    size_t plain_bytes; /* elements of this size stand alone */
};
struct list_run_limits list_run_limits(const struct object_limits *limits);

static inline uint32_t list_run_used(const struct list_run *run) {
    return run->end - run->begin;
}

static inline uint32_t list_run_slack(const struct list_run *run) {
    return run->capacity - list_run_used(run);
}

static inline size_t list_run_footprint(const struct list_run *run) {
    return sizeof(*run) + run->capacity;
}

/* Whether the run may take `count` more elements of `size` packed bytes together, the largest of
 * which has `largest` bytes of text; `without` bytes of it are to go first. */
bool list_run_takes(const struct list_run *run, const struct list_run_limits *limits, size_t count,
                    size_t size, size_t largest, size_t without);

/* Returns owned: empty, not linked, with room for `bytes`. NULL without memory. */
struct list_run *list_run_create(const struct allocator *allocator, size_t bytes);
void list_run_destroy(struct list_run *run, const struct allocator *allocator);
/* Returns owned: one with the same elements, not linked. */
struct list_run *list_run_copy(const struct list_run *run, const struct allocator *allocator);

/* Make free room of `size` bytes in all. Errors: LARDER_NO_MEMORY. */
enum larder_status list_run_room(struct list_run **run, const struct allocator *allocator,
                                 size_t size) LARDER_NODISCARD;
/* Give back memory when more than half of it is unused. */
void list_run_shrink(struct list_run **run, const struct allocator *allocator);

/* Put an element of `size` packed bytes in at the byte offset `at` from the first element. There is
 * room. */
void list_run_put(struct list_run *run, size_t at, struct slice text, size_t size);
/* Put the `count` elements in the `size` bytes at `packed` in there. There is room. */
void list_run_put_packed(struct list_run *run, size_t at, const uint8_t *packed, size_t size,
                         size_t count);
/* Take out the `count` elements in the `size` bytes from offset `at` on. */
void list_run_remove(struct list_run *run, size_t at, size_t size, size_t count);
/* Take out at most `limit` elements equal to `text`, from that end on. Returns how many. */
size_t list_run_remove_equal(struct list_run *run, struct slice text, size_t limit,
                             enum list_end from);

static inline const uint8_t *list_run_first(const struct list_run *run) {
    return run->data + run->begin;
}
static inline const uint8_t *list_run_end(const struct list_run *run) {
    return run->data + run->end;
}
/* The element of this index (or the end, for index == count), sought from the nearer side. */
const uint8_t *list_run_at(const struct list_run *run, size_t index);
static inline size_t list_run_offset(const struct list_run *run, const uint8_t *at) {
    return (size_t)(at - list_run_first(run));
}

#endif
