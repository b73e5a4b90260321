/* SPDX-License-Identifier: BSD-3-Clause */
/* References, growth and failure of blobs; sharing between threads. */
#include "base/blob.h"
#include "support/test_allocator.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void the_last_release_frees(void **state) {
    (void)state;
    struct test_allocator allocator;
    test_allocator_init(&allocator);
    struct blob *blob = blob_create(&allocator.base, 100);
    assert_int_equal(allocator.heap_bytes, blob_footprint(blob));
    assert_int_equal(blob->size, 0);
    assert_true(blob_is_exclusive(blob));
    struct blob *second = blob_acquire(blob);
    assert_ptr_equal(second, blob);
    assert_false(blob_is_exclusive(blob));
    blob_release(second);
    assert_true(blob_is_exclusive(blob));
    blob_release(blob);
    assert_int_equal(allocator.heap_blocks, 0);
    blob_release(NULL);
}

static void growing_keeps_the_bytes(void **state) {
    (void)state;
    struct test_allocator allocator;
    test_allocator_init(&allocator);
    struct blob *blob = blob_create(&allocator.base, 4);
    memcpy(blob->data, "abcd", 4);
    blob->size = 4;
    assert_ptr_equal(blob_grow(blob, 3), blob);
    assert_int_equal(blob->capacity, 4);
    blob = blob_grow(blob, 5000);
    assert_int_equal(blob->capacity, 5000);
    assert_true(slice_equal(blob_slice(blob), SLICE_LITERAL("abcd")));
    assert_int_equal(allocator.heap_bytes, blob_footprint(blob));
    blob_release(blob);
    assert_int_equal(allocator.heap_blocks, 0);
}

static void without_memory_the_blob_stays_as_it_was(void **state) {
    (void)state;
    struct test_allocator allocator;
    test_allocator_init(&allocator);
    test_allocator_fail_in(&allocator, 1, 1);
    assert_null(blob_create(&allocator.base, 10));
    test_allocator_fail_never(&allocator);
    struct blob *blob = blob_create(&allocator.base, 10);
    memcpy(blob->data, "0123456789", 10);
    blob->size = 10;
    test_allocator_fail_in(&allocator, 1, 1);
    assert_null(blob_grow(blob, 100));
    assert_int_equal(blob->capacity, 10);
    assert_true(slice_equal(blob_slice(blob), SLICE_LITERAL("0123456789")));
    blob_release(blob);
    assert_int_equal(allocator.heap_blocks, 0);
}

static void sizes_that_overflow_are_refused(void **state) {
    (void)state;
    struct test_allocator allocator;
    test_allocator_init(&allocator);
    assert_null(blob_create(&allocator.base, SIZE_MAX));
    struct blob *blob = blob_create(&allocator.base, 0);
    assert_null(blob_grow(blob, SIZE_MAX - 8));
    blob_release(blob);
    assert_int_equal(allocator.calls, 1);
}

static void *share(void *context) {
    struct blob *blob = context;
    for (unsigned i = 0; i < 20000; i++) {
        struct blob *mine = blob_acquire(blob);
        if (mine->data[i % 8] != 'x')
            return blob;
        blob_release(mine);
    }
    blob_release(blob);
    return NULL;
}

static void threads_may_share_a_blob(void **state) {
    (void)state;
    enum { THREADS = 4 };
    struct blob *blob = blob_create(&ALLOCATOR_SYSTEM, 8);
    memset(blob->data, 'x', 8);
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, share, blob_acquire(blob)), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_true(blob_is_exclusive(blob));
    blob_release(blob);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_release_frees),
        cmocka_unit_test(growing_keeps_the_bytes),
        cmocka_unit_test(without_memory_the_blob_stays_as_it_was),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(threads_may_share_a_blob),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
