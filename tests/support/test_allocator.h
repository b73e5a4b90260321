/* SPDX-License-Identifier: BSD-3-Clause */
/* An allocator that counts what is held and fails where a test wants it to. One thread. */
#ifndef LARDER_TESTS_TEST_ALLOCATOR_H
#define LARDER_TESTS_TEST_ALLOCATOR_H

#include "base/alloc.h"

#include <stdint.h>

struct test_allocator {
    struct allocator base; /* pass &base on */
    size_t heap_bytes;     /* held now, as sizes were given */
    size_t heap_blocks;
    size_t mapped_bytes;
    uint64_t calls;   /* allocate, resize (growing) and map, failed ones too */
    uint64_t fail_at; /* the call of this number fails, and all later ones if is_lasting; 0: none */
    int is_lasting;
    size_t bytes_max; /* what would hold more fails; 0: no limit */
    uint64_t failures;
};

void test_allocator_init(struct test_allocator *allocator);
/* Calls from now on until one fails. */
void test_allocator_fail_in(struct test_allocator *allocator, uint64_t calls, int is_lasting);
void test_allocator_fail_never(struct test_allocator *allocator);

#endif
