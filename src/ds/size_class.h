/* SPDX-License-Identifier: BSD-3-Clause */
/* The sizes that a heap hands out: four to each doubling, multiples of 16 below. An allocation of
 * such a size wastes nothing (jemalloc's classes are these), and growing from one to the next
 * copies each byte a bounded number of times. */
#ifndef LARDER_DS_SIZE_CLASS_H
#define LARDER_DS_SIZE_CLASS_H

#include <stddef.h>

/* The smallest such size that is at least `size` bytes; size > 0 and at most 2^62. */
static inline size_t size_class(size_t size) {
    size_t step = 16;
    if (size > 128)
        step = (size_t)1 << (61 - __builtin_clzll((unsigned long long)size - 1));
    return (size + step - 1) & ~(step - 1);
}

#endif
