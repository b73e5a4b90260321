/* SPDX-License-Identifier: BSD-3-Clause */
/* The system allocator. Mapped memory is over-reserved by one unit and trimmed to alignment, so
 * that every 2 MiB chunk can be one huge page. */
#include "base/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void *system_allocate(void *context, size_t size) {
    (void)context;
    return malloc(size);
}

static void *system_resize(void *context, void *pointer, size_t old_size, size_t new_size) {
    (void)context;
    (void)old_size;
    return realloc(pointer, new_size);
}

static void system_release(void *context, void *pointer, size_t size) {
    (void)context;
    (void)size;
    free(pointer);
}

static void *system_map(void *context, size_t size) {
    (void)context;
    size_t reserved = size + ALLOCATOR_MAP_UNIT;
    uint8_t *base =
        mmap(NULL, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return NULL;
    size_t before = (size_t)(-(uintptr_t)base & (ALLOCATOR_MAP_UNIT - 1));
    if (before > 0)
        (void)munmap(base, before);
    size_t after = reserved - before - size;
    if (after > 0)
        (void)munmap(base + before + size, after);
    (void)madvise(base + before, size, MADV_HUGEPAGE);
    return base + before;
}

static void system_unmap(void *context, void *pointer, size_t size) {
    (void)context;
    (void)munmap(pointer, size);
}

const struct allocator ALLOCATOR_SYSTEM = {
    .allocate = system_allocate,
    .resize = system_resize,
    .release = system_release,
    .map = system_map,
    .unmap = system_unmap,
};

void *allocator_allocate_zeroed(const struct allocator *a, size_t size) {
    void *pointer = a->allocate(a->context, size);
    if (pointer != NULL)
        memset(pointer, 0, size);
    return pointer;
}
