/* SPDX-License-Identifier: BSD-3-Clause */
/* Members as packed elements in the order in which they came, searched from the begin: a set is
 * flat only while that is cheap. */
#include "ds/set_internal.h"
#include "ds/size_class.h"

static const size_t HEADER = offsetof(struct flat_set, bytes);

static size_t flat_bytes(const struct object *object) {
    return HEADER + flat_of(object)->capacity;
}

static size_t flat_length(const struct object *object) {
    return flat_of(object)->count;
}

static bool flat_free_some(struct object *object, const struct allocator *allocator,
                           size_t budget) {
    (void)budget;
    allocator_release(allocator, object, flat_bytes(object));
    return true;
}

static struct object *flat_copy(const struct object *object, const struct allocator *allocator) {
    struct object *copy = allocator_allocate(allocator, flat_bytes(object));
    if (copy != NULL)
        memcpy(copy, object, HEADER + flat_of(object)->used);
    return copy;
}

static void flat_visit(const struct object *object, object_visitor visitor, void *context) {
    uint8_t scratch[INT64_TEXT_MAX];
    const struct flat_set *set = flat_of(object);
    const uint8_t *end = set->bytes + set->used;
    for (const uint8_t *at = set->bytes; at < end; at = packed_next(at)) {
        struct slice member = packed_get_text(at, scratch);
        visitor(context, &member, 1);
    }
}

const struct object_type SET_FLAT = {
    .kind = OBJECT_SET,
    .encoding = "listpack",
    .bytes = flat_bytes,
    .length = flat_length,
    .free_some = flat_free_some,
    .copy = flat_copy,
    .visit = flat_visit,
};

struct object *flat_create(const struct object_context *context, size_t bytes) {
    size_t size = size_class(HEADER + bytes);
    struct flat_set *set = allocator_allocate(context->allocator, size);
    if (set == NULL)
        return NULL;
    *set = (struct flat_set){.object = {.type = &SET_FLAT}, .capacity = (uint32_t)(size - HEADER)};
    return &set->object;
}

enum larder_status flat_reserve(struct object **object, const struct object_context *context,
                                size_t bytes) {
    struct flat_set *set = flat_of(*object);
    if (set->used + bytes <= set->capacity)
        return LARDER_OK;
    size_t size = size_class(HEADER + set->used + bytes);
    struct flat_set *grown = allocator_resize(context->allocator, set, flat_bytes(*object), size);
    if (grown == NULL)
        return LARDER_NO_MEMORY;
    grown->capacity = (uint32_t)(size - HEADER);
    *object = &grown->object;
    return LARDER_OK;
}

bool flat_insert(struct flat_set *set, struct slice member) {
    if (packed_find(set->bytes, set->bytes + set->used, member, 1) != NULL)
        return false;
    uint8_t *end = packed_put(set->bytes + set->used, member);
    set->used = (uint32_t)(end - set->bytes);
    set->count++;
    return true;
}

bool flat_remove(struct object **object, const struct object_context *context,
                 struct slice member) {
    struct flat_set *set = flat_of(*object);
    uint8_t *end = set->bytes + set->used;
    uint8_t *at = (uint8_t *)(uintptr_t)packed_find(set->bytes, end, member, 1);
    if (at == NULL)
        return false;
    const uint8_t *next = packed_next(at);
    memmove(at, next, (size_t)(end - next));
    set->used -= (uint32_t)(next - at);
    set->count--;
    if (set->used * 2 < set->capacity && set->count > 0) {
        size_t size = size_class(HEADER + set->used);
        struct flat_set *smaller =
            size < flat_bytes(*object)
                ? allocator_resize(context->allocator, set, flat_bytes(*object), size)
                : NULL;
        if (smaller != NULL) {
            smaller->capacity = (uint32_t)(size - HEADER);
            *object = &smaller->object;
        }
    }
    return true;
}
