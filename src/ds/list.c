/* SPDX-License-Identifier: BSD-3-Clause */
/* The flat list, the passage between it and the chain, and walking both. The run of a flat list is
 * the first block of the chain that it becomes, as it is: its object gives way to links. */
#include "ds/list.h"

#include "ds/list_blocks.h"

enum { ROTATED_TEXT_MAX = 256 }; /* bytes of an element that is rotated without the heap */

static const struct object_type LIST_FLAT;

static bool is_flat(const struct object *list) {
    return list->type == &LIST_FLAT;
}

static struct list_run *as_run(struct object *list) {
    return (struct list_run *)list;
}

static struct list_blocks *as_blocks(struct object *list) {
    return (struct list_blocks *)list;
}

/* ---- from one representation to the other ---- */

static struct object *flat_of(struct list_run *run) {
    run->object = (struct object){.type = &LIST_FLAT};
    return &run->object;
}

static enum larder_status make_full(struct object **list, const struct object_context *context) {
    struct list_run *run = as_run(*list);
    struct object object = run->object;
    run->next = run->previous = NULL;
    struct list_blocks *blocks = list_blocks_create(context->allocator, run);
    if (blocks == NULL) {
        run->object = object;
        return LARDER_NO_MEMORY;
    }
    *list = &blocks->object;
    return LARDER_OK;
}

/* The list has one block. */
static void make_flat(struct object **list, const struct object_context *context) {
    struct list_blocks *blocks = as_blocks(*list);
    *list = flat_of(blocks->head);
    allocator_release(context->allocator, blocks, sizeof(*blocks));
}

/* After something was taken out. */
static void settle(struct object **list, const struct object_context *context) {
    if (is_flat(*list)) {
        struct list_run *run = as_run(*list);
        list_run_shrink(&run, context->allocator);
        *list = &run->object;
        return;
    }
    const struct list_run *only = as_blocks(*list)->head;
    if (only == NULL || only->next != NULL)
        return;
    struct list_run_limits limits = list_run_limits(context->limits);
    size_t used = list_run_used(only);
    if (used <= limits.bytes / 2 && only->count <= limits.count / 2 && used < limits.plain_bytes)
        make_flat(list, context);
}

/* ---- pushing ---- */

static bool has_too_large(const struct slice *elements, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (elements[i].size > LIST_ELEMENT_MAX)
            return true;
    return false;
}

/* Packed bytes of all, and the largest. */
static void measure(const struct slice *elements, size_t count, size_t *out_size,
                    size_t *out_largest) {
    *out_size = *out_largest = 0;
    for (size_t i = 0; i < count; i++) {
        *out_size += packed_size(elements[i]);
        if (elements[i].size > *out_largest)
            *out_largest = elements[i].size;
    }
}

static void push_to_run(struct list_run *run, enum list_end end, const struct slice *elements,
                        size_t count) {
    for (size_t i = 0; i < count; i++)
        list_run_put(run, end == LIST_HEAD ? 0 : list_run_used(run), elements[i],
                     packed_size(elements[i]));
}

static enum larder_status push_to_blocks(struct list_blocks *list,
                                         const struct object_context *context, enum list_end end,
                                         const struct slice *elements, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (list_blocks_push(list, context, end, elements[i]) == LARDER_OK)
            continue;
        if (i > 0)
            list_blocks_remove(list, context, end == LIST_HEAD ? 0 : list->count - i, i);
        return LARDER_NO_MEMORY;
    }
    return LARDER_OK;
}

static enum larder_status push_to_new(struct object **list, const struct object_context *context,
                                      enum list_end end, const struct slice *elements,
                                      size_t count) {
    struct list_blocks *blocks = list_blocks_create(context->allocator, NULL);
    if (blocks == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status = push_to_blocks(blocks, context, end, elements, count);
    if (status == LARDER_OK)
        *list = &blocks->object;
    else
        object_destroy(&blocks->object, context->allocator);
    return status;
}

static enum larder_status push_to_full(struct object **list, const struct object_context *context,
                                       enum list_end end, const struct slice *elements,
                                       size_t count) {
    bool was_flat = is_flat(*list);
    if (was_flat && make_full(list, context) != LARDER_OK)
        return LARDER_NO_MEMORY;
    enum larder_status status = push_to_blocks(as_blocks(*list), context, end, elements, count);
    if (status != LARDER_OK && was_flat)
        make_flat(list, context);
    return status;
}

enum larder_status list_push(struct object **list, const struct object_context *context,
                             enum list_end end, const struct slice *elements, size_t count) {
    static const struct list_run EMPTY = {.count = 0};
    size_t size, largest;
    if (has_too_large(elements, count))
        return LARDER_TOO_LARGE;
    if (*list != NULL && !is_flat(*list))
        return push_to_full(list, context, end, elements, count);
    measure(elements, count, &size, &largest);
    struct list_run_limits limits = list_run_limits(context->limits);
    const struct list_run *old = *list == NULL ? &EMPTY : as_run(*list);
    if (!list_run_takes(old, &limits, count, size, largest, 0))
        return *list == NULL ? push_to_new(list, context, end, elements, count)
                             : push_to_full(list, context, end, elements, count);
    struct list_run *run =
        *list == NULL ? list_run_create(context->allocator, size) : as_run(*list);
    if (run == NULL || list_run_room(&run, context->allocator, size) != LARDER_OK)
        return LARDER_NO_MEMORY;
    if (*list == NULL)
        (void)flat_of(run);
    push_to_run(run, end, elements, count);
    *list = &run->object;
    return LARDER_OK;
}

/* ---- changing in the middle ---- */

/* Run `change` on the chain that the flat list becomes; flat again if that fails. */
static enum larder_status change_full(struct object **list, const struct object_context *context,
                                      size_t index, struct slice text,
                                      enum larder_status (*change)(struct list_blocks *,
                                                                   const struct object_context *,
                                                                   size_t, struct slice)) {
    bool was_flat = is_flat(*list);
    if (was_flat && make_full(list, context) != LARDER_OK)
        return LARDER_NO_MEMORY;
    enum larder_status status = change(as_blocks(*list), context, index, text);
    if (status != LARDER_OK && was_flat)
        make_flat(list, context);
    return status;
}

enum larder_status list_insert(struct object **list, const struct object_context *context,
                               size_t index, struct slice text) {
    if (text.size > LIST_ELEMENT_MAX)
        return LARDER_TOO_LARGE;
    struct list_run_limits limits = list_run_limits(context->limits);
    size_t size = packed_size(text);
    if (!is_flat(*list) || !list_run_takes(as_run(*list), &limits, 1, size, text.size, 0))
        return change_full(list, context, index, text, list_blocks_insert);
    struct list_run *run = as_run(*list);
    if (list_run_room(&run, context->allocator, size) != LARDER_OK)
        return LARDER_NO_MEMORY;
    list_run_put(run, list_run_offset(run, list_run_at(run, index)), text, size);
    *list = &run->object;
    return LARDER_OK;
}

enum larder_status list_replace(struct object **list, const struct object_context *context,
                                size_t index, struct slice text) {
    if (text.size > LIST_ELEMENT_MAX)
        return LARDER_TOO_LARGE;
    struct list_run_limits limits = list_run_limits(context->limits);
    size_t size = packed_size(text);
    if (!is_flat(*list))
        return change_full(list, context, index, text, list_blocks_replace);
    struct list_run *run = as_run(*list);
    const uint8_t *at = list_run_at(run, index);
    size_t offset = list_run_offset(run, at), old_size = (size_t)(packed_next(at) - at);
    if (!list_run_takes(run, &limits, 0, size, text.size, old_size))
        return change_full(list, context, index, text, list_blocks_replace);
    if (size > old_size && list_run_room(&run, context->allocator, size - old_size) != LARDER_OK)
        return LARDER_NO_MEMORY;
    list_run_remove(run, offset, old_size, 1);
    list_run_put(run, offset, text, size);
    list_run_shrink(&run, context->allocator);
    *list = &run->object;
    return LARDER_OK;
}

/* The element's room is free once it is taken out, so in one run nothing is allocated. */
static enum larder_status rotate(struct object **list, const struct object_context *context,
                                 enum list_end from, struct slice text) {
    enum list_end to = list_other_end(from);
    if (!is_flat(*list)) {
        enum larder_status status = list_push(list, context, to, &text, 1);
        if (status == LARDER_OK)
            list_remove(list, context, from == LIST_HEAD ? 0 : object_length(*list) - 1, 1);
        return status;
    }
    struct list_run *run = as_run(*list);
    size_t size = packed_size(text);
    list_run_remove(run, from == LIST_HEAD ? 0 : list_run_used(run) - size, size, 1);
    push_to_run(run, to, &text, 1);
    return LARDER_OK;
}

enum larder_status list_rotate(struct object **list, const struct object_context *context,
                               enum list_end from) {
    uint8_t scratch[ROTATED_TEXT_MAX];
    struct list_cursor cursor;
    (void)list_seek(*list, from == LIST_HEAD ? 0 : object_length(*list) - 1, &cursor);
    struct slice text = packed_get_text(cursor.at, scratch);
    uint8_t *copy = scratch;
    if (text.size > sizeof(scratch)) {
        copy = allocator_allocate(context->allocator, text.size);
        if (copy == NULL)
            return LARDER_NO_MEMORY;
    }
    if (text.data != copy && text.size > 0)
        memcpy(copy, text.data, text.size);
    enum larder_status status = rotate(list, context, from, slice_of(copy, text.size));
    if (copy != scratch)
        allocator_release(context->allocator, copy, text.size);
    return status;
}

/* ---- taking out ---- */

void list_remove(struct object **list, const struct object_context *context, size_t index,
                 size_t count) {
    if (is_flat(*list)) {
        struct list_run *run = as_run(*list);
        const uint8_t *begin = list_run_at(run, index), *end = begin;
        if (index + count == run->count)
            end = list_run_end(run);
        else
            for (size_t i = 0; i < count; i++)
                end = packed_next(end);
        list_run_remove(run, list_run_offset(run, begin), (size_t)(end - begin), count);
    } else {
        list_blocks_remove(as_blocks(*list), context, index, count);
    }
    settle(list, context);
}

size_t list_remove_equal(struct object **list, const struct object_context *context,
                         struct slice text, size_t limit, enum list_end from) {
    size_t removed = is_flat(*list)
                         ? list_run_remove_equal(as_run(*list), text, limit, from)
                         : list_blocks_remove_equal(as_blocks(*list), context, text, limit, from);
    if (removed > 0)
        settle(list, context);
    return removed;
}

/* ---- walking ---- */

static bool is_beyond(struct list_cursor *cursor) {
    cursor->run = NULL;
    return false;
}

bool list_seek(const struct object *list, size_t index, struct list_cursor *out) {
    out->list = list;
    if (index >= object_length(list))
        return is_beyond(out);
    if (is_flat(list)) {
        out->run = (const struct list_run *)list;
        out->at = list_run_at(out->run, index);
        return true;
    }
    struct list_place place = list_blocks_place((const struct list_blocks *)list, index);
    out->run = place.run;
    out->at = list_run_first(place.run) + place.at;
    return true;
}

/* `at` is where the next element begins. */
static inline bool go_forward(struct list_cursor *cursor, const uint8_t *at) {
    cursor->at = at;
    if (at < list_run_end(cursor->run))
        return true;
    if (is_flat(cursor->list) || cursor->run->next == NULL)
        return is_beyond(cursor);
    cursor->run = cursor->run->next;
    cursor->at = list_run_first(cursor->run);
    return true;
}

bool list_next(struct list_cursor *cursor) {
    return go_forward(cursor, packed_next(cursor->at));
}

bool list_previous(struct list_cursor *cursor) {
    if (cursor->at == list_run_first(cursor->run)) {
        if (is_flat(cursor->list) || cursor->run->previous == NULL)
            return is_beyond(cursor);
        cursor->run = cursor->run->previous;
        cursor->at = list_run_end(cursor->run);
    }
    cursor->at = packed_previous(cursor->at);
    return true;
}

bool list_take(struct list_cursor *cursor, struct packed_element *out) {
    if (cursor->run == NULL)
        return false;
    (void)go_forward(cursor, packed_get(cursor->at, out));
    return true;
}

bool list_take_back(struct list_cursor *cursor, struct packed_element *out) {
    if (cursor->run == NULL)
        return false;
    (void)packed_get(cursor->at, out);
    (void)list_previous(cursor);
    return true;
}

/* ---- as an object ---- */

static size_t flat_bytes(const struct object *object) {
    return list_run_footprint((const struct list_run *)object);
}

static size_t flat_length(const struct object *object) {
    return ((const struct list_run *)object)->count;
}

static bool flat_free_some(struct object *object, const struct allocator *allocator,
                           size_t budget) {
    (void)budget;
    list_run_destroy((struct list_run *)object, allocator);
    return true;
}

static struct object *flat_copy(const struct object *object, const struct allocator *allocator) {
    struct list_run *copy = list_run_copy((const struct list_run *)object, allocator);
    return copy == NULL ? NULL : flat_of(copy);
}

static void flat_visit(const struct object *object, object_visitor visitor, void *context) {
    uint8_t scratch[INT64_TEXT_MAX];
    const struct list_run *run = (const struct list_run *)object;
    for (const uint8_t *at = list_run_first(run); at < list_run_end(run); at = packed_next(at)) {
        struct slice text = packed_get_text(at, scratch);
        visitor(context, &text, 1);
    }
}

static const struct object_type LIST_FLAT = {
    .kind = OBJECT_LIST,
    .is_ordered = true,
    .encoding = "listpack",
    .bytes = flat_bytes,
    .length = flat_length,
    .free_some = flat_free_some,
    .copy = flat_copy,
    .visit = flat_visit,
};
