/* SPDX-License-Identifier: BSD-3-Clause */
/* Packed pairs in the order in which the fields came. Room for all changes of a call is obtained
 * first, so that each of them is only a move of bytes. */
#include "ds/hash_internal.h"

#include "ds/size_class.h"

struct object *flat_hash_create(const struct object_context *context, size_t bytes) {
    size_t size = size_class(sizeof(struct flat_hash) + bytes);
    struct flat_hash *hash = allocator_allocate(context->allocator, size);
    if (hash == NULL)
        return NULL;
    *hash =
        (struct flat_hash){.object.type = &HASH_FLAT, .capacity = (uint32_t)(size - sizeof(*hash))};
    return &hash->object;
}

static bool resize(struct object **hash, const struct object_context *context, size_t bytes) {
    struct flat_hash *flat = flat_of(*hash);
    size_t size = size_class(sizeof(*flat) + bytes);
    flat = allocator_resize(context->allocator, flat, sizeof(*flat) + (size_t)flat->capacity, size);
    if (flat == NULL)
        return false;
    flat->capacity = (uint32_t)(size - sizeof(*flat));
    *hash = &flat->object;
    return true;
}

static uint8_t *find(const struct flat_hash *hash, struct slice field) {
    return (uint8_t *)(uintptr_t)packed_find(hash->bytes, hash->bytes + hash->used, field, 2);
}

enum larder_status flat_hash_reserve(struct object **hash, const struct object_context *context,
                                     const struct slice *pairs, size_t count) {
    struct flat_hash *flat = flat_of(*hash);
    size_t needed = flat->used;
    for (size_t i = 0; i < count; i++) {
        size_t size = packed_size(pairs[2 * i + 1]);
        const uint8_t *field = find(flat, pairs[2 * i]);
        if (field == NULL) {
            needed += packed_size(pairs[2 * i]) + size;
            continue;
        }
        const uint8_t *value = packed_next(field);
        size_t old_size = (size_t)(packed_next(value) - value);
        needed += size > old_size ? size - old_size : 0;
    }
    if (needed <= flat->capacity)
        return LARDER_OK;
    return needed < UINT32_MAX / 2 && resize(hash, context, needed) ? LARDER_OK : LARDER_NO_MEMORY;
}

bool flat_hash_put(struct flat_hash *hash, struct slice field, struct slice value) {
    uint8_t *end = hash->bytes + hash->used, *at = find(hash, field);
    if (at == NULL) {
        end = packed_put(packed_put(end, field), value);
        hash->used = (uint32_t)(end - hash->bytes);
        hash->count++;
        return true;
    }
    at = (uint8_t *)(uintptr_t)packed_next(at);
    const uint8_t *behind = packed_next(at);
    size_t size = packed_size(value);
    if (at + size != behind)
        memmove(at + size, behind, (size_t)(end - behind));
    hash->used = (uint32_t)((size_t)hash->used + size - (size_t)(behind - at));
    (void)packed_put(at, value);
    return false;
}

bool flat_hash_remove(struct object **hash, const struct object_context *context,
                      struct slice field) {
    struct flat_hash *flat = flat_of(*hash);
    uint8_t *at = find(flat, field), *end = flat->bytes + flat->used;
    if (at == NULL)
        return false;
    const uint8_t *behind = packed_next(packed_next(at));
    memmove(at, behind, (size_t)(end - behind));
    flat->used -= (uint32_t)(behind - at);
    flat->count--;
    if (flat->used < flat->capacity / 2 && flat->capacity > 64)
        (void)resize(hash, context, flat->used);
    return true;
}

/* ---- as the store sees it ---- */

static size_t flat_bytes(const struct object *hash) {
    return sizeof(struct flat_hash) + (size_t)flat_of(hash)->capacity;
}

static size_t flat_length(const struct object *hash) {
    return flat_of(hash)->count;
}

static bool flat_free_some(struct object *hash, const struct allocator *allocator, size_t budget) {
    (void)budget;
    allocator_release(allocator, hash, flat_bytes(hash));
    return true;
}

static struct object *flat_copy(const struct object *hash, const struct allocator *allocator) {
    struct object *copy = allocator_allocate(allocator, flat_bytes(hash));
    if (copy == NULL)
        return NULL;
    memcpy(copy, hash, sizeof(struct flat_hash) + flat_of(hash)->used);
    copy->counted_bytes = 0;
    return copy;
}

static void flat_visit(const struct object *hash, object_visitor visitor, void *context) {
    struct hash_walk walk;
    struct hash_pair pair;
    for (hash_walk_begin(&walk, hash, 0); hash_next(&walk, &pair);) {
        struct slice parts[] = {pair.field, pair.value};
        visitor(context, parts, 2);
    }
}

const struct object_type HASH_FLAT = {
    .kind = OBJECT_HASH,
    .encoding = "listpack",
    .bytes = flat_bytes,
    .length = flat_length,
    .free_some = flat_free_some,
    .copy = flat_copy,
    .visit = flat_visit,
};
