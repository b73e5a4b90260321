/* SPDX-License-Identifier: BSD-3-Clause */
/* A block takes elements up to its limits; an element that does not fit at its place goes to the
 * neighbouring block, to a new one, or splits the block. Blocks that removals made small are merged
 * with a neighbour when both together fill half a block, so that neither splits nor removals leave
 * a chain of crumbs. */
#include "ds/list_blocks.h"

enum { END_BLOCK_BYTES = 512 }; /* of a new block at an end: more is to come */

/* ---- the chain ---- */

static void point_at(struct list_blocks *list, struct list_run *run) {
    *(run->previous == NULL ? &list->head : &run->previous->next) = run;
    *(run->next == NULL ? &list->tail : &run->next->previous) = run;
}

/* Link a new block in before `next`; NULL: at the tail. */
static void link_before(struct list_blocks *list, struct list_run *run, struct list_run *next) {
    run->next = next;
    run->previous = next == NULL ? list->tail : next->previous;
    point_at(list, run);
    list->count += run->count;
    list->bytes += list_run_footprint(run);
}

static void drop(struct list_blocks *list, const struct object_context *context,
                 struct list_run *run) {
    *(run->previous == NULL ? &list->head : &run->previous->next) = run->next;
    *(run->next == NULL ? &list->tail : &run->next->previous) = run->previous;
    list->count -= run->count;
    list->bytes -= list_run_footprint(run);
    list_run_destroy(run, context->allocator);
}

static enum larder_status make_room(struct list_blocks *list, const struct object_context *context,
                                    struct list_run **run, size_t size) {
    size_t before = list_run_footprint(*run);
    if (list_run_room(run, context->allocator, size) != LARDER_OK)
        return LARDER_NO_MEMORY;
    list->bytes += list_run_footprint(*run) - before;
    point_at(list, *run);
    return LARDER_OK;
}

static void shrink(struct list_blocks *list, const struct object_context *context,
                   struct list_run *run) {
    list->bytes -= list_run_footprint(run);
    list_run_shrink(&run, context->allocator);
    list->bytes += list_run_footprint(run);
    point_at(list, run);
}

struct list_blocks *list_blocks_create(const struct allocator *allocator, struct list_run *run) {
    struct list_blocks *list = allocator_allocate(allocator, sizeof(*list));
    if (list == NULL)
        return NULL;
    *list = (struct list_blocks){.object = {.type = &LIST_BLOCKS}, .bytes = sizeof(*list)};
    if (run != NULL)
        link_before(list, run, NULL);
    return list;
}

struct list_place list_blocks_place(const struct list_blocks *list, size_t index) {
    struct list_run *run;
    if (index < list->count / 2) {
        for (run = list->head; index >= run->count; run = run->next)
            index -= run->count;
    } else {
        size_t left = list->count - index;
        for (run = list->tail; left > run->count; run = run->previous)
            left -= run->count;
        index = run->count - left;
    }
    return (struct list_place){run, list_run_offset(run, list_run_at(run, index))};
}

/* ---- putting in ---- */

static bool takes(const struct list_run *run, const struct list_run_limits *limits,
                  struct slice text, size_t size) {
    return run != NULL && list_run_takes(run, limits, 1, size, text.size, 0);
}

static enum larder_status put(struct list_blocks *list, const struct object_context *context,
                              struct list_run *run, size_t at, struct slice text, size_t size) {
    if (make_room(list, context, &run, size) != LARDER_OK)
        return LARDER_NO_MEMORY;
    list_run_put(run, at, text, size);
    list->count++;
    return LARDER_OK;
}

/* A block of this element alone, before `next`. */
static enum larder_status put_alone(struct list_blocks *list, const struct object_context *context,
                                    struct list_run *next, struct slice text, size_t size,
                                    size_t room) {
    struct list_run *run = list_run_create(context->allocator, room > size ? room : size);
    if (run == NULL)
        return LARDER_NO_MEMORY;
    list_run_put(run, 0, text, size);
    link_before(list, run, next);
    return LARDER_OK;
}

enum larder_status list_blocks_push(struct list_blocks *list, const struct object_context *context,
                                    enum list_end end, struct slice text) {
    struct list_run_limits limits = list_run_limits(context->limits);
    struct list_run *run = end == LIST_HEAD ? list->head : list->tail;
    size_t size = packed_size(text);
    if (takes(run, &limits, text, size))
        return put(list, context, run, end == LIST_HEAD ? 0 : list_run_used(run), text, size);
    size_t room = size;
    if (text.size < limits.plain_bytes && limits.bytes > END_BLOCK_BYTES) {
        room = END_BLOCK_BYTES - sizeof(struct list_run);
        if (limits.count < room / size)
            room = limits.count * size;
    }
    return put_alone(list, context, end == LIST_HEAD ? list->head : NULL, text, size, room);
}

/* The element goes into the middle of a block that has no place for it: what follows it moves to a
 * block of its own, and the element to the one or the other, or between them. Everything is
 * allocated first. */
static enum larder_status split_and_put(struct list_blocks *list,
                                        const struct object_context *context,
                                        const struct list_run_limits *limits,
                                        struct list_place place, struct slice text, size_t size) {
    struct list_run *first = place.run, *alone = NULL;
    const uint8_t *at = list_run_first(first) + place.at;
    size_t moved = list_run_used(first) - place.at, moved_count = 0;
    for (const uint8_t *each = at; each < list_run_end(first); each = packed_next(each))
        moved_count++;
    struct list_run *second = list_run_create(context->allocator, moved);
    if (second == NULL)
        return LARDER_NO_MEMORY;
    bool fits_first =
        moved >= size && text.size < limits->plain_bytes && place.at + size <= limits->bytes;
    if (!fits_first) {
        alone = list_run_create(context->allocator, size);
        if (alone == NULL) {
            list_run_destroy(second, context->allocator);
            return LARDER_NO_MEMORY;
        }
        list_run_put(alone, 0, text, size);
    }
    list_run_put_packed(second, 0, at, moved, moved_count);
    list_run_remove(first, place.at, moved, moved_count);
    list->count -= moved_count;
    link_before(list, second, first->next);
    if (alone != NULL) {
        link_before(list, alone, second);
    } else {
        list_run_put(first, place.at, text, size);
        list->count++;
    }
    shrink(list, context, first);
    return LARDER_OK;
}

enum larder_status list_blocks_insert(struct list_blocks *list,
                                      const struct object_context *context, size_t index,
                                      struct slice text) {
    struct list_run_limits limits = list_run_limits(context->limits);
    struct list_place place = list_blocks_place(list, index);
    struct list_run *run = place.run, *previous = run->previous;
    size_t size = packed_size(text);
    if (takes(run, &limits, text, size))
        return put(list, context, run, place.at, text, size);
    if (place.at > 0)
        return split_and_put(list, context, &limits, place, text, size);
    if (takes(previous, &limits, text, size))
        return put(list, context, previous, list_run_used(previous), text, size);
    return put_alone(list, context, run, text, size, size);
}

enum larder_status list_blocks_replace(struct list_blocks *list,
                                       const struct object_context *context, size_t index,
                                       struct slice text) {
    struct list_run_limits limits = list_run_limits(context->limits);
    struct list_place place = list_blocks_place(list, index);
    const uint8_t *at = list_run_first(place.run) + place.at;
    size_t size = packed_size(text), old_size = (size_t)(packed_next(at) - at);
    if (list_run_takes(place.run, &limits, 0, size, text.size, old_size)) {
        if (size > old_size && make_room(list, context, &place.run, size - old_size) != LARDER_OK)
            return LARDER_NO_MEMORY;
        list_run_remove(place.run, place.at, old_size, 1);
        list_run_put(place.run, place.at, text, size);
        shrink(list, context, place.run);
        return LARDER_OK;
    }
    enum larder_status status = list_blocks_insert(list, context, index, text);
    if (status == LARDER_OK)
        list_blocks_remove(list, context, index + 1, 1);
    return status;
}

/* ---- taking out ---- */

static bool may_merge(const struct list_run_limits *limits, const struct list_run *left,
                      const struct list_run *right) {
    size_t first = list_run_used(left), second = list_run_used(right);
    return first + second <= limits->bytes / 2 && first < limits->plain_bytes &&
           second < limits->plain_bytes && (size_t)left->count + right->count <= limits->count;
}

/* Make one block of two neighbours, either of which may be NULL, if they are small: of the one that
 * has room for the other. Returns it, or NULL: they stay two. */
static struct list_run *merge(struct list_blocks *list, const struct object_context *context,
                              const struct list_run_limits *limits, struct list_run *left,
                              struct list_run *right) {
    if (left == NULL || right == NULL || !may_merge(limits, left, right))
        return NULL;
    bool is_into_right =
        list_run_slack(left) < list_run_used(right) && list_run_slack(right) >= list_run_used(left);
    struct list_run *into = is_into_right ? right : left, *from = is_into_right ? left : right;
    if (make_room(list, context, &into, list_run_used(from)) != LARDER_OK)
        return NULL;
    list_run_put_packed(into, is_into_right ? 0 : list_run_used(into), list_run_first(from),
                        list_run_used(from), from->count);
    list->count += from->count;
    drop(list, context, from);
    return into;
}

/* Elements of a block were taken out, not all. */
static void settle(struct list_blocks *list, const struct object_context *context,
                   const struct list_run_limits *limits, struct list_run *run) {
    struct list_run *merged = merge(list, context, limits, run, run->next);
    if (merged != NULL)
        run = merged;
    merged = merge(list, context, limits, run->previous, run);
    if (merged != NULL)
        run = merged;
    shrink(list, context, run);
}

/* Take out at most `count` elements of a block from a place on, not all. Returns how many. */
static size_t remove_within(struct list_blocks *list, struct list_run *run, size_t at,
                            size_t count) {
    const uint8_t *begin = list_run_first(run) + at, *end = begin;
    size_t removed = 0;
    for (; removed < count && end < list_run_end(run); end = packed_next(end))
        removed++;
    list_run_remove(run, at, (size_t)(end - begin), removed);
    list->count -= removed;
    return removed;
}

void list_blocks_remove(struct list_blocks *list, const struct object_context *context,
                        size_t index, size_t count) {
    struct list_run_limits limits = list_run_limits(context->limits);
    struct list_place place = list_blocks_place(list, index);
    struct list_run *run = place.run, *next, *kept = NULL;
    for (size_t at = place.at; count > 0; run = next, at = 0) {
        next = run->next;
        if (at == 0 && run->count <= count) {
            count -= run->count;
            drop(list, context, run);
            continue;
        }
        count -= remove_within(list, run, at, count);
        if (kept == NULL)
            kept = run;
        else
            shrink(list, context, run);
    }
    if (kept != NULL)
        settle(list, context, &limits, kept);
}

size_t list_blocks_remove_equal(struct list_blocks *list, const struct object_context *context,
                                struct slice text, size_t limit, enum list_end from) {
    struct list_run_limits limits = list_run_limits(context->limits);
    struct list_run *run = from == LIST_HEAD ? list->head : list->tail, *following;
    size_t removed = 0;
    for (; run != NULL && removed < limit; run = following) {
        following = from == LIST_HEAD ? run->next : run->previous;
        size_t taken = list_run_remove_equal(run, text, limit - removed, from);
        if (taken == 0)
            continue;
        list->count -= taken;
        removed += taken;
        if (run->count == 0) {
            drop(list, context, run);
            continue;
        }
        struct list_run *merged = from == LIST_HEAD
                                      ? merge(list, context, &limits, run->previous, run)
                                      : merge(list, context, &limits, run, run->next);
        shrink(list, context, merged != NULL ? merged : run);
    }
    return removed;
}

/* ---- as an object ---- */

static const struct list_blocks *as_blocks(const struct object *object) {
    return (const struct list_blocks *)object;
}

static size_t blocks_bytes(const struct object *object) {
    return as_blocks(object)->bytes;
}

static size_t blocks_length(const struct object *object) {
    return as_blocks(object)->count;
}

static bool blocks_free_some(struct object *object, const struct allocator *allocator,
                             size_t budget) {
    struct list_blocks *list = (struct list_blocks *)object;
    while (list->head != NULL) {
        if (budget == 0)
            return false;
        struct list_run *run = list->head;
        list->head = run->next;
        budget -= run->count < budget ? run->count : budget;
        list_run_destroy(run, allocator);
    }
    allocator_release(allocator, list, sizeof(*list));
    return true;
}

static struct object *blocks_copy(const struct object *object, const struct allocator *allocator) {
    const struct list_blocks *list = as_blocks(object);
    struct list_blocks *copy = list_blocks_create(allocator, NULL);
    if (copy == NULL)
        return NULL;
    for (const struct list_run *run = list->head; run != NULL; run = run->next) {
        struct list_run *copied = list_run_copy(run, allocator);
        if (copied == NULL) {
            object_destroy(&copy->object, allocator);
            return NULL;
        }
        link_before(copy, copied, NULL);
    }
    return &copy->object;
}

static void blocks_visit(const struct object *object, object_visitor visitor, void *context) {
    uint8_t scratch[INT64_TEXT_MAX];
    for (const struct list_run *run = as_blocks(object)->head; run != NULL; run = run->next) {
        const uint8_t *at = list_run_first(run);
        for (; at < list_run_end(run); at = packed_next(at)) {
            struct slice text = packed_get_text(at, scratch);
            visitor(context, &text, 1);
        }
    }
}

const struct object_type LIST_BLOCKS = {
    .kind = OBJECT_LIST,
    .is_ordered = true,
    .encoding = "quicklist",
    .bytes = blocks_bytes,
    .length = blocks_length,
    .free_some = blocks_free_some,
    .copy = blocks_copy,
    .visit = blocks_visit,
};
