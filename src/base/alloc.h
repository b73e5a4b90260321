/* SPDX-License-Identifier: BSD-3-Clause */
/* Where memory comes from. Every module that allocates takes a `struct allocator`, so that tests
 * can make any single allocation fail and count what is held. Nothing in the library aborts when
 * memory runs out: NULL is returned and becomes LARDER_NO_MEMORY.
 *
 * The functions of an allocator may be called from any thread at once. Sizes are passed back on
 * release, so that use is accounted exactly without asking the heap. */
#ifndef LARDER_BASE_ALLOC_H
#define LARDER_BASE_ALLOC_H

#include <stddef.h>

struct allocator {
    /* NULL when there is no memory. `size` > 0. Aligned for any type. Not cleared. */
    void *(*allocate)(void *context, size_t size);
    /* `pointer` NULL allocates. On failure NULL, and the old block stays as it was. */
    void *(*resize)(void *context, void *pointer, size_t old_size, size_t new_size);
    /* `pointer` may be NULL. `size` is what it was allocated or last resized with. */
    void (*release)(void *context, void *pointer, size_t size);
    /* Memory in units of 2 MiB aligned to 2 MiB, from the system and zeroed; NULL when there is
     * none. May block in the kernel: never called under a lock. */
    void *(*map)(void *context, size_t size);
    void (*unmap)(void *context, void *pointer, size_t size);
    void *context;
};

enum { ALLOCATOR_MAP_UNIT = 2 << 20 };

/* The C heap and anonymous mappings. */
extern const struct allocator ALLOCATOR_SYSTEM;

static inline void *allocator_allocate(const struct allocator *a, size_t size) {
    return a->allocate(a->context, size);
}

/* As allocate, cleared to zero. */
void *allocator_allocate_zeroed(const struct allocator *a, size_t size);

static inline void *allocator_resize(const struct allocator *a, void *pointer, size_t old_size,
                                     size_t new_size) {
    return a->resize(a->context, pointer, old_size, new_size);
}

static inline void allocator_release(const struct allocator *a, void *pointer, size_t size) {
    a->release(a->context, pointer, size);
}

#endif
