/* SPDX-License-Identifier: BSD-3-Clause */
/* A blob is a block of bytes shared by reference count: a value too large for the log, a large
 * argument as it arrived from the network, a value that a reply is still sending. While more than
 * one reference exists its bytes are immutable; the only holder may change them in place.
 *
 * Any thread may acquire and release; the last release frees the memory through the allocator it
 * came from. */
#ifndef LARDER_BASE_BLOB_H
#define LARDER_BASE_BLOB_H

#include "base/alloc.h"
#include "base/slice.h"

#include <stdatomic.h>

struct blob {
    const struct allocator *allocator; /* immutable after create */
    size_t capacity;                   /* bytes of data[]; changed by the only holder */
    size_t size;                       /* bytes in use; changed by the only holder */
    _Atomic uint32_t references;
    uint8_t data[];
};

/* Returns owned: one reference, size 0. NULL when there is no memory. */
struct blob *blob_create(const struct allocator *allocator, size_t capacity);

/* Make room for `capacity` bytes. The caller is the only holder; it must use the returned pointer
 * from then on. NULL when there is no memory; the blob stays as it was. */
struct blob *blob_grow(struct blob *blob, size_t capacity);

static inline struct blob *blob_acquire(struct blob *blob) {
    atomic_fetch_add_explicit(&blob->references, 1, memory_order_relaxed);
    return blob;
}

/* NULL is allowed. */
void blob_release(struct blob *blob);

/* Whether the caller's reference is the only one, so that it may change the bytes. Acquire pairs
 * with the release of the last other holder. */
static inline bool blob_is_exclusive(struct blob *blob) {
    return atomic_load_explicit(&blob->references, memory_order_acquire) == 1;
}

static inline struct slice blob_slice(const struct blob *blob) {
    return slice_of(blob->data, blob->size);
}

/* Bytes that a blob of this capacity occupies, for memory accounting. */
static inline size_t blob_footprint(const struct blob *blob) {
    return sizeof(struct blob) + blob->capacity;
}

#endif
