/* SPDX-License-Identifier: BSD-3-Clause */
/* An element is put in by moving the side of the run that has room next to it, the shorter one when
 * both have; an end that lacks room gets most of it by sliding the whole run. So a queue, a stack
 * and a list filled from the front all move nothing most of the time. */
#include "ds/list_run.h"

#include "ds/size_class.h"

enum {
    DEFAULT_RUN_BYTES = 8192,  /* when the limit counts elements */
    SMALLEST_RUN_BYTES = 2048, /* times 2 to the power of the setting -1 to -5 */
    SHRINK_MIN = 96,           /* bytes below which shrinking is not worth it */
};

struct list_run_limits list_run_limits(const struct object_limits *limits) {
    int64_t size = object_limit(&limits->list_size);
    struct list_run_limits out = {
        .bytes = DEFAULT_RUN_BYTES,
        .count = SIZE_MAX,
        .plain_bytes = (size_t)object_limit(&limits->list_plain_bytes),
    };
    if (size < 0)
        out.bytes = (size_t)SMALLEST_RUN_BYTES << (size < -5 ? 5 : -size);
    else
        out.count = size == 0 ? 1 : (size_t)size;
    out.bytes -= sizeof(struct list_run);
    return out;
}

bool list_run_takes(const struct list_run *run, const struct list_run_limits *limits, size_t count,
                    size_t size, size_t largest, size_t without) {
    size_t used = list_run_used(run);
    bool is_plain = run->count == 1 && used >= limits->plain_bytes;
    return !is_plain && largest < limits->plain_bytes && run->count + count <= limits->count &&
           used - without + size <= limits->bytes;
}

static uint32_t capacity_for(size_t bytes) {
    return (uint32_t)(size_class(sizeof(struct list_run) + bytes) - sizeof(struct list_run));
}

struct list_run *list_run_create(const struct allocator *allocator, size_t bytes) {
    uint32_t capacity = capacity_for(bytes);
    struct list_run *run = allocator_allocate(allocator, sizeof(*run) + capacity);
    if (run == NULL)
        return NULL;
    run->next = run->previous = NULL;
    run->count = run->begin = run->end = 0;
    run->capacity = capacity;
    return run;
}

void list_run_destroy(struct list_run *run, const struct allocator *allocator) {
    allocator_release(allocator, run, list_run_footprint(run));
}

struct list_run *list_run_copy(const struct list_run *run, const struct allocator *allocator) {
    struct list_run *copy = list_run_create(allocator, list_run_used(run));
    if (copy != NULL)
        list_run_put_packed(copy, 0, list_run_first(run), list_run_used(run), run->count);
    return copy;
}

static void slide(struct list_run *run, uint32_t begin) {
    uint32_t used = list_run_used(run);
    memmove(run->data + begin, run->data + run->begin, used);
    run->begin = begin;
    run->end = begin + used;
}

enum larder_status list_run_room(struct list_run **run, const struct allocator *allocator,
                                 size_t size) {
    struct list_run *old = *run;
    uint32_t used = list_run_used(old);
    if (list_run_slack(old) >= size)
        return LARDER_OK;
    uint32_t capacity = capacity_for(used + size);
    struct list_run *grown =
        allocator_resize(allocator, old, list_run_footprint(old), sizeof(*old) + capacity);
    if (grown == NULL)
        return LARDER_NO_MEMORY;
    grown->capacity = capacity;
    *run = grown;
    return LARDER_OK;
}

void list_run_shrink(struct list_run **run, const struct allocator *allocator) {
    struct list_run *old = *run;
    size_t footprint = list_run_footprint(old);
    uint32_t capacity = capacity_for(list_run_used(old));
    if (footprint < SHRINK_MIN || sizeof(*old) + capacity > footprint / 2)
        return;
    slide(old, 0);
    struct list_run *shrunk = allocator_resize(allocator, old, footprint, sizeof(*old) + capacity);
    if (shrunk == NULL)
        return;
    shrunk->capacity = capacity;
    *run = shrunk;
}

/* Let most of the free room be on the side where an element comes, for those that follow it. */
static void slide_for(struct list_run *run, bool is_at_head, uint32_t size) {
    uint32_t slack = list_run_slack(run);
    uint32_t share = slack - slack / 4;
    if (share < size)
        share = slack;
    slide(run, is_at_head ? share : slack - share);
}

/* Open a gap of `size` bytes at an offset; there is room in all. */
static uint8_t *open_gap(struct list_run *run, uint32_t at, uint32_t size) {
    uint32_t used = list_run_used(run);
    bool is_near_head = at < used - at;
    uint32_t front = run->begin, back = run->capacity - run->end;
    bool is_at_end = at == 0 || at == used;
    if ((is_near_head ? front : back) < size && (is_at_end || (front < size && back < size)))
        slide_for(run, is_near_head, size);
    bool has_front = run->begin >= size, has_back = run->capacity - run->end >= size;
    uint8_t *first = run->data + run->begin;
    if (has_front && (is_near_head || !has_back)) {
        memmove(first - size, first, at);
        run->begin -= size;
        return first - size + at;
    }
    memmove(first + at + size, first + at, used - at);
    run->end += size;
    return first + at;
}

void list_run_put(struct list_run *run, size_t at, struct slice text, size_t size) {
    (void)packed_put(open_gap(run, (uint32_t)at, (uint32_t)size), text);
    run->count++;
}

void list_run_put_packed(struct list_run *run, size_t at, const uint8_t *packed, size_t size,
                         size_t count) {
    memcpy(open_gap(run, (uint32_t)at, (uint32_t)size), packed, size);
    run->count += (uint32_t)count;
}

void list_run_remove(struct list_run *run, size_t at, size_t size, size_t count) {
    uint8_t *first = run->data + run->begin;
    size_t after = list_run_used(run) - at - size;
    if (at < after) {
        memmove(first + size, first, at);
        run->begin += (uint32_t)size;
    } else {
        memmove(first + at, first + at + size, after);
        run->end -= (uint32_t)size;
    }
    run->count -= (uint32_t)count;
    if (run->count == 0)
        run->begin = run->end = 0;
}

/* What stands between two matches moves in one piece. */
static size_t remove_from_head(struct list_run *run, struct slice text, size_t limit) {
    uint8_t *out = run->data + run->begin;
    const uint8_t *at = out, *end = list_run_end(run), *match;
    size_t removed = 0;
    while (removed < limit && (match = packed_find(at, end, text, 1)) != NULL) {
        size_t kept = (size_t)(match - at);
        memmove(out, at, kept);
        out += kept;
        at = packed_next(match);
        removed++;
    }
    if (removed > 0)
        memmove(out, at, (size_t)(end - at));
    run->end -= (uint32_t)(at - out);
    run->count -= (uint32_t)removed;
    return removed;
}

static size_t remove_from_tail(struct list_run *run, struct slice text, size_t limit) {
    const uint8_t *at = list_run_end(run);
    size_t removed = 0;
    while (removed < limit && at > list_run_first(run)) {
        const uint8_t *match = packed_previous(at);
        if (!packed_equal(match, text)) {
            at = match;
            continue;
        }
        /* What was before `match` may be moved towards the end, up to `at`. */
        size_t offset = list_run_offset(run, match), size = (size_t)(at - match);
        list_run_remove(run, offset, size, 1);
        at = list_run_first(run) + offset;
        removed++;
    }
    return removed;
}

size_t list_run_remove_equal(struct list_run *run, struct slice text, size_t limit,
                             enum list_end from) {
    return from == LIST_HEAD ? remove_from_head(run, text, limit)
                             : remove_from_tail(run, text, limit);
}

const uint8_t *list_run_at(const struct list_run *run, size_t index) {
    const uint8_t *at = list_run_first(run);
    if (index <= run->count / 2) {
        for (; index > 0; index--)
            at = packed_next(at);
        return at;
    }
    at = list_run_end(run);
    for (size_t left = run->count - index; left > 0; left--)
        at = packed_previous(at);
    return at;
}
