/* SPDX-License-Identifier: BSD-3-Clause */
/* The process-wide allocator table. Its initial value is known at compile time, so that the table
 * is usable before any constructor runs. */
#include "valkey/alloc.h"

#include <stdlib.h>
#include <string.h>

#define SYSTEM_ALLOCATORS                                                                          \
    {                                                                                              \
        .mallocFn = malloc, .callocFn = calloc, .reallocFn = realloc, .strdupFn = strdup,          \
        .freeFn = free                                                                             \
    }

valkeyAllocFuncs valkeyAllocFns = SYSTEM_ALLOCATORS;

valkeyAllocFuncs valkeySetAllocators(valkeyAllocFuncs *fns) {
    valkeyAllocFuncs previous = valkeyAllocFns;
    valkeyAllocFns = *fns;
    return previous;
}

void valkeyResetAllocators(void) {
    valkeyAllocFns = (valkeyAllocFuncs)SYSTEM_ALLOCATORS;
}
