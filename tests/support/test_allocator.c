/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocks carry their size in front and a guard behind, so that a wrong size and a write behind the
 * end are caught on release, those that only an optimizer makes among them. */
#include "support/test_allocator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t GUARD[8] = {0x5a, 0xc3, 0x99, 0x0f, 0x5a, 0xc3, 0x99, 0x0f};

#ifdef __has_feature
#define HAS_FEATURE(name) __has_feature(name)
#else
#define HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
enum { HEADER = 16, BEHIND = 0 }; /* it has guards of its own, for reads too */
#else
enum { HEADER = 16, BEHIND = sizeof(GUARD) };
#endif

static int must_fail(struct test_allocator *a, size_t size) {
    a->calls++;
    if (a->bytes_max != 0 && a->heap_bytes + a->mapped_bytes + size > a->bytes_max) {
        a->failures++;
        return 1;
    }
    if (a->fail_at == 0 || a->calls < a->fail_at || (a->calls > a->fail_at && !a->is_lasting))
        return 0;
    a->failures++;
    return 1;
}

static void check_block(const uint8_t *block, size_t size) {
    size_t known;
    memcpy(&known, block, sizeof(known));
    if (known != size) {
        fprintf(stderr, "released with size %zu, allocated with %zu\n", size, known);
        abort();
    }
    if (memcmp(block + HEADER + size, GUARD, BEHIND) != 0) {
        fprintf(stderr, "written behind the end of a block of %zu bytes\n", size);
        abort();
    }
}

static void *test_allocate(void *context, size_t size) {
    struct test_allocator *a = context;
    if (must_fail(a, size))
        return NULL;
    uint8_t *block = malloc(HEADER + size + BEHIND);
    if (block == NULL)
        abort();
    memcpy(block, &size, sizeof(size));
    memset(block + HEADER, 0xa5, size);
    memcpy(block + HEADER + size, GUARD, BEHIND);
    a->heap_bytes += size;
    a->heap_blocks++;
    return block + HEADER;
}

static void test_release(void *context, void *pointer, size_t size) {
    struct test_allocator *a = context;
    if (pointer == NULL)
        return;
    uint8_t *block = (uint8_t *)pointer - HEADER;
    check_block(block, size);
    a->heap_bytes -= size;
    a->heap_blocks--;
    free(block);
}

static void *test_resize(void *context, void *pointer, size_t old_size, size_t new_size) {
    void *moved = test_allocate(context, new_size);
    if (moved == NULL || pointer == NULL)
        return moved;
    memcpy(moved, pointer, old_size < new_size ? old_size : new_size);
    test_release(context, pointer, old_size);
    return moved;
}

static void *test_map(void *context, size_t size) {
    struct test_allocator *a = context;
    if (must_fail(a, size))
        return NULL;
    void *pointer = aligned_alloc(ALLOCATOR_MAP_UNIT, size);
    if (pointer == NULL)
        abort();
    memset(pointer, 0, size);
    a->mapped_bytes += size;
    return pointer;
}

static void test_unmap(void *context, void *pointer, size_t size) {
    struct test_allocator *a = context;
    a->mapped_bytes -= size;
    free(pointer);
}

void test_allocator_init(struct test_allocator *a) {
    *a = (struct test_allocator){.base = {.allocate = test_allocate,
                                          .resize = test_resize,
                                          .release = test_release,
                                          .map = test_map,
                                          .unmap = test_unmap}};
    a->base.context = a;
}

void test_allocator_fail_in(struct test_allocator *a, uint64_t calls, int is_lasting) {
    a->fail_at = a->calls + calls;
    a->is_lasting = is_lasting;
}

void test_allocator_fail_never(struct test_allocator *a) {
    a->fail_at = 0;
}
