/* SPDX-License-Identifier: BSD-3-Clause */
/* Sorted integers of one width, found by binary search. A wider integer widens all, from the end
 * backwards, in place. */
#include "ds/set_internal.h"
#include "ds/size_class.h"

static const size_t HEADER = offsetof(struct integer_set, bytes);

static size_t integers_bytes(const struct object *object) {
    return HEADER + integers_of(object)->capacity;
}

static size_t integers_length(const struct object *object) {
    return integers_of(object)->count;
}

static bool integers_free_some(struct object *object, const struct allocator *allocator,
                               size_t budget) {
    (void)budget;
    allocator_release(allocator, object, integers_bytes(object));
    return true;
}

static struct object *integers_copy(const struct object *object,
                                    const struct allocator *allocator) {
    size_t bytes = integers_bytes(object);
    struct object *copy = allocator_allocate(allocator, bytes);
    if (copy != NULL)
        memcpy(copy, object, bytes);
    return copy;
}

static void integers_visit(const struct object *object, object_visitor visitor, void *context) {
    uint8_t text[INT64_TEXT_MAX];
    const struct integer_set *set = integers_of(object);
    for (size_t i = 0; i < set->count; i++) {
        struct slice member = slice_of(text, int64_format(integers_get(set, i), text));
        visitor(context, &member, 1);
    }
}

const struct object_type SET_INTEGERS = {
    .kind = OBJECT_SET,
    .encoding = "intset",
    .bytes = integers_bytes,
    .length = integers_length,
    .free_some = integers_free_some,
    .copy = integers_copy,
    .visit = integers_visit,
};

struct object *integers_create(const struct object_context *context) {
    struct integer_set *set = allocator_allocate(context->allocator, HEADER);
    if (set == NULL)
        return NULL;
    /* not as a whole: its padding lies where the bytes will be, behind what was allocated */
    set->object = (struct object){.type = &SET_INTEGERS};
    set->count = set->capacity = 0;
    set->width = 2;
    return &set->object;
}

unsigned integers_width_of(int64_t integer) {
    if (integer == (int16_t)integer)
        return 2;
    return integer == (int32_t)integer ? 4 : 8;
}

static int64_t load(const uint8_t *at, unsigned width) {
    uint64_t word = 0;
    memcpy(&word, at, width);
    return (int64_t)(word << (64 - 8 * width)) >> (64 - 8 * width);
}

static void widen(struct integer_set *set, unsigned width) {
    for (size_t i = set->count; i-- > 0;) {
        int64_t integer = load(set->bytes + i * set->width, set->width);
        memcpy(set->bytes + i * width, &integer, width);
    }
    set->width = (uint8_t)width;
}

enum larder_status integers_reserve(struct object **object, const struct object_context *context,
                                    size_t count, unsigned width) {
    struct integer_set *set = integers_of(*object);
    if (width < set->width)
        width = set->width;
    size_t needed = (set->count + count) * width;
    if (needed > set->capacity) {
        size_t bytes = size_class(HEADER + needed);
        struct integer_set *grown =
            allocator_resize(context->allocator, set, integers_bytes(*object), bytes);
        if (grown == NULL)
            return LARDER_NO_MEMORY;
        grown->capacity = (uint32_t)(bytes - HEADER);
        *object = &grown->object;
        set = grown;
    }
    if (width > set->width)
        widen(set, width);
    return LARDER_OK;
}

int64_t integers_get(const struct integer_set *set, size_t index) {
    return load(set->bytes + index * set->width, set->width);
}

bool integers_find(const struct integer_set *set, int64_t integer, size_t *out_index) {
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int64_t found = integers_get(set, middle);
        if (found == integer) {
            *out_index = middle;
            return true;
        }
        if (found < integer)
            low = middle + 1;
        else
            high = middle;
    }
    *out_index = low;
    return false;
}

bool integers_insert(struct integer_set *set, int64_t integer) {
    size_t index;
    if (integers_find(set, integer, &index))
        return false;
    uint8_t *at = set->bytes + index * set->width;
    memmove(at + set->width, at, (set->count - index) * set->width);
    memcpy(at, &integer, set->width);
    set->count++;
    return true;
}

bool integers_remove(struct object **object, const struct object_context *context,
                     int64_t integer) {
    struct integer_set *set = integers_of(*object);
    size_t index;
    if (!integers_find(set, integer, &index))
        return false;
    uint8_t *at = set->bytes + index * set->width;
    memmove(at, at + set->width, (set->count - index - 1) * set->width);
    set->count--;
    size_t used = (size_t)set->count * set->width;
    if (used * 2 < set->capacity && set->count > 0) {
        size_t bytes = size_class(HEADER + used);
        struct integer_set *smaller =
            bytes < integers_bytes(*object)
                ? allocator_resize(context->allocator, set, integers_bytes(*object), bytes)
                : NULL;
        if (smaller != NULL) {
            smaller->capacity = (uint32_t)(bytes - HEADER);
            *object = &smaller->object;
        }
    }
    return true;
}
