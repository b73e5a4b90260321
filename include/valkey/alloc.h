/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the client's memory comes from: one table for the whole process, the C heap by default.
 * Replace it before the first context is created and not while other threads use the library: what
 * one table gave, the next one would have to free. Any function may return NULL at any time. */
#ifndef VALKEY_ALLOC_H
#define VALKEY_ALLOC_H

#include "visibility.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct valkeyAllocFuncs {
    void *(*mallocFn)(size_t);
    void *(*callocFn)(size_t, size_t);
    void *(*reallocFn)(void *, size_t);
    char *(*strdupFn)(const char *);
    void (*freeFn)(void *);
} valkeyAllocFuncs;

/* Use these functions from now on; all five must be set. Returns the table used so far. */
LIBVALKEY_API valkeyAllocFuncs valkeySetAllocators(valkeyAllocFuncs *fns);
/* Back to the C heap. */
LIBVALKEY_API void valkeyResetAllocators(void);

extern LIBVALKEY_API valkeyAllocFuncs valkeyAllocFns;

static inline void *vk_malloc(size_t size) {
    return valkeyAllocFns.mallocFn(size);
}

/* NULL when count * size does not fit in a size_t. */
static inline void *vk_calloc(size_t count, size_t size) {
    if (size != 0 && count > SIZE_MAX / size)
        return NULL;
    return valkeyAllocFns.callocFn(count, size);
}

static inline void *vk_realloc(void *pointer, size_t size) {
    return valkeyAllocFns.reallocFn(pointer, size);
}

static inline char *vk_strdup(const char *text) {
    return valkeyAllocFns.strdupFn(text);
}

static inline void vk_free(void *pointer) {
    valkeyAllocFns.freeFn(pointer);
}

#ifdef __cplusplus
}
#endif

#endif
