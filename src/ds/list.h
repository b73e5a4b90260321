/* SPDX-License-Identifier: BSD-3-Clause */
/* A list of byte strings. Flat ("listpack"): one run of packed elements in one allocation. Full
 * ("quicklist"): a chain of such runs. Elements at the ends are reached in constant time, those in
 * the middle by walking the chain from the nearer end. A list becomes full when it outgrows
 * limits->list_size or takes an element of limits->list_plain_bytes or more, and flat again when it
 * has shrunk to half of that.
 *
 * Functions that change a list take `struct object **`, for it may move; *list NULL is the empty
 * list, which a push creates. What they are given as text must not lie in the list itself. All or
 * nothing: see ds/object.h. An index counts from the head. */
#ifndef LARDER_DS_LIST_H
#define LARDER_DS_LIST_H

#include "ds/object.h"
#include "ds/packed.h"

/* Bytes of the largest element. */
#define LIST_ELEMENT_MAX ((size_t)3 << 30)

enum list_end { LIST_HEAD, LIST_TAIL };

static inline enum list_end list_other_end(enum list_end end) {
    return end == LIST_HEAD ? LIST_TAIL : LIST_HEAD;
}

/* Push one element after the other. Errors: LARDER_NO_MEMORY, LARDER_TOO_LARGE (an element above
 * LIST_ELEMENT_MAX). */
enum larder_status list_push(struct object **list, const struct object_context *context,
                             enum list_end end, const struct slice *elements,
                             size_t count) LARDER_NODISCARD;
/* Put an element before that of `index`, which exists. Errors: as list_push. */
enum larder_status list_insert(struct object **list, const struct object_context *context,
                               size_t index, struct slice text) LARDER_NODISCARD;
/* Give the element of `index`, which exists, another text. Errors: as list_push. */
enum larder_status list_replace(struct object **list, const struct object_context *context,
                                size_t index, struct slice text) LARDER_NODISCARD;
/* Move the element at one end to the other. The list is not empty. Errors: LARDER_NO_MEMORY. */
enum larder_status list_rotate(struct object **list, const struct object_context *context,
                               enum list_end from) LARDER_NODISCARD;

/* Take out `count` elements from `index` on, which exist. Can't fail. */
void list_remove(struct object **list, const struct object_context *context, size_t index,
                 size_t count);
/* Take out at most `limit` elements equal to `text`, from that end on. Returns how many. */
size_t list_remove_equal(struct object **list, const struct object_context *context,
                         struct slice text, size_t limit, enum list_end from);

/* A place in a list. Valid until the list changes. */
struct list_cursor {
    const struct object *list;
    const struct list_run *run; /* NULL: beyond an end */
    const uint8_t *at;          /* its element */
};

/* The element of `index`. False when there is none. */
bool list_seek(const struct object *list, size_t index, struct list_cursor *out);
/* The next, the previous element. False beyond the end. */
bool list_next(struct list_cursor *cursor);
bool list_previous(struct list_cursor *cursor);
/* Show the element at the cursor and step to the next, or back. False beyond the end. */
bool list_take(struct list_cursor *cursor, struct packed_element *out);
bool list_take_back(struct list_cursor *cursor, struct packed_element *out);

#endif
