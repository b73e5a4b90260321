/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/failing_allocator.h"

#include <valkey/alloc.h>

#include <stdlib.h>
#include <string.h>

static int fail_at, made, held;

static bool fails(void) {
    return made++ == fail_at;
}

static void *counted(void *block) {
    held += block != NULL;
    return block;
}

static void *test_malloc(size_t size) {
    return fails() ? NULL : counted(malloc(size));
}

static void *test_calloc(size_t count, size_t size) {
    return fails() ? NULL : counted(calloc(count, size));
}

static void *test_realloc(void *block, size_t size) {
    if (fails())
        return NULL;
    void *grown = realloc(block, size);
    held += block == NULL && grown != NULL;
    return grown;
}

static char *test_strdup(const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = test_malloc(size);
    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}

static void test_free(void *block) {
    held -= block != NULL;
    free(block);
}

void failing_allocator_install(int at) {
    fail_at = at;
    made = 0;
    held = 0;
    valkeyAllocFuncs functions = {test_malloc, test_calloc, test_realloc, test_strdup, test_free};
    (void)valkeySetAllocators(&functions);
}

bool failing_allocator_has_failed(void) {
    return fail_at >= 0 && made > fail_at;
}

int failing_allocator_held(void) {
    return held;
}

void failing_allocator_remove(void) {
    valkeyResetAllocators();
}
