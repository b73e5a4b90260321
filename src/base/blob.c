/* SPDX-License-Identifier: BSD-3-Clause */
/* Reference counting: acquiring needs no order, since a reference is only taken from one that is
 * held; releasing publishes what the holder did, and the last holder sees it all before freeing. */
#include "base/blob.h"

struct blob *blob_create(const struct allocator *allocator, size_t capacity) {
    if (capacity > SIZE_MAX / 2)
        return NULL;
    struct blob *blob = allocator_allocate(allocator, sizeof(*blob) + capacity);
    if (blob == NULL)
        return NULL;
    blob->allocator = allocator;
    blob->capacity = capacity;
    blob->size = 0;
    atomic_init(&blob->references, 1);
    return blob;
}

struct blob *blob_grow(struct blob *blob, size_t capacity) {
    if (capacity <= blob->capacity)
        return blob;
    if (capacity > SIZE_MAX / 2)
        return NULL;
    struct blob *grown = allocator_resize(blob->allocator, blob, sizeof(*blob) + blob->capacity,
                                          sizeof(*blob) + capacity);
    if (grown != NULL)
        grown->capacity = capacity;
    return grown;
}

void blob_release(struct blob *blob) {
    if (blob == NULL)
        return;
    /* acq_rel: releases our writes to the last holder, acquires theirs if that is us. */
    if (atomic_fetch_sub_explicit(&blob->references, 1, memory_order_acq_rel) == 1)
        allocator_release(blob->allocator, blob, sizeof(*blob) + blob->capacity);
}
