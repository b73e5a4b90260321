/* SPDX-License-Identifier: BSD-3-Clause */
/* Both forms of a hyperloglog against an array of registers; known bytes, known counts. */
#include "ds/hyperloglog.h"

#include "base/random.h"
#include "support/store_fixture.h"
#include "support/test_allocator.h"
#include "support/test_seed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct blob *empty(const struct test_allocator *a) {
    struct blob *image = blob_create(&a->base, HYPERLOGLOG_EMPTY_BYTES);
    hyperloglog_write_empty(image->data);
    image->size = HYPERLOGLOG_EMPTY_BYTES;
    return image;
}

static void expect_registers(const struct blob *image, const uint8_t *registers) {
    uint8_t found[HYPERLOGLOG_REGISTERS] = {0};
    uint64_t count;
    assert_true(hyperloglog_is_valid(blob_slice(image)));
    assert_true(hyperloglog_merge(blob_slice(image), found));
    assert_memory_equal(found, registers, sizeof(found));
    assert_true(hyperloglog_count(blob_slice(image), &count));
    assert_int_equal(count, hyperloglog_count_registers(registers));
}

static void an_empty_one_counts_nothing(void **state) {
    (void)state;
    struct test_allocator a;
    test_allocator_init(&a);
    struct blob *image = empty(&a);
    uint64_t count = 1;
    uint8_t registers[HYPERLOGLOG_REGISTERS] = {0};
    assert_memory_equal(image->data, "HYLL\1\0\0\0\0\0\0\0\0\0\0\0\x7f\xff", 18);
    assert_true(hyperloglog_cached(blob_slice(image), &count));
    assert_int_equal(count, 0);
    expect_registers(image, registers);
    hyperloglog_cache(image->data, 0x0102030405060708);
    assert_true(hyperloglog_cached(blob_slice(image), &count));
    assert_int_equal(count, 0x0102030405060708);
    hyperloglog_invalidate(image->data);
    assert_false(hyperloglog_cached(blob_slice(image), &count));
    blob_release(image);
    assert_int_equal(a.heap_bytes, 0);
}

/* What redis-server 7.0.15 shows as PFDEBUG DECODE after PFADD h a b c. */
static void known_elements_go_to_known_registers(void **state) {
    (void)state;
    struct hyperloglog_mark a = hyperloglog_mark(SLICE_LITERAL("a"));
    struct hyperloglog_mark b = hyperloglog_mark(SLICE_LITERAL("b"));
    struct hyperloglog_mark c = hyperloglog_mark(SLICE_LITERAL("c"));
    const unsigned indexes[] = {8436, 8436 + 1 + 4274, 8436 + 1 + 4274 + 1 + 3068};
    unsigned found = 0;
    for (unsigned i = 0; i < 3; i++)
        found += (a.index == indexes[i]) + (b.index == indexes[i]) + (c.index == indexes[i]);
    assert_int_equal(found, 3);
    assert_int_equal(a.value + b.value + c.value, 4);
}

static void play(uint64_t seed, size_t sparse_max, unsigned value_bound, unsigned index_bound) {
    struct random random = random_seeded(seed);
    struct test_allocator a;
    uint8_t registers[HYPERLOGLOG_REGISTERS] = {0};
    test_allocator_init(&a);
    struct blob *image = empty(&a);
    for (unsigned i = 0; i < 3000; i++) {
        struct hyperloglog_mark mark = {
            .index = (uint16_t)random_below(&random, index_bound),
            .value = (uint8_t)(1 + random_below(&random, value_bound)),
        };
        bool is_raised, expected = registers[mark.index] < mark.value;
        test_allocator_fail_in(&a, 1, 0);
        enum larder_status status = hyperloglog_raise(&image, mark, sparse_max, &is_raised);
        test_allocator_fail_never(&a);
        if (status != LARDER_OK) {
            assert_int_equal(status, LARDER_NO_MEMORY);
            expect_registers(image, registers);
            status = hyperloglog_raise(&image, mark, sparse_max, &is_raised);
        }
        assert_int_equal(status, LARDER_OK);
        assert_int_equal(is_raised, expected);
        if (expected)
            registers[mark.index] = mark.value;
        if (i % 64 == 0)
            expect_registers(image, registers);
    }
    expect_registers(image, registers);
    assert_int_equal(hyperloglog_make_dense(&image), LARDER_OK);
    assert_int_equal(image->size, HYPERLOGLOG_DENSE_BYTES);
    expect_registers(image, registers);
    blob_release(image);
    assert_int_equal(a.heap_bytes, 0);
}

static void both_forms_hold_the_same_registers(void **state) {
    (void)state;
    uint64_t seed = test_seed("hyperloglog");
    play(seed, 3000, 4, HYPERLOGLOG_REGISTERS);
    play(seed + 1, 100000, 2, HYPERLOGLOG_REGISTERS);
    play(seed + 2, 100000, 51, 300);
    play(seed + 3, 0, 51, HYPERLOGLOG_REGISTERS);
    play(seed + 4, 300, 3, 50);
}

static void equal_neighbours_become_one_run(void **state) {
    (void)state;
    struct test_allocator a;
    test_allocator_init(&a);
    struct blob *image = empty(&a);
    for (uint16_t i = 0; i < 4; i++) {
        bool is_raised;
        struct hyperloglog_mark mark = {(uint16_t)(100 + i), 7};
        assert_int_equal(hyperloglog_raise(&image, mark, 3000, &is_raised), LARDER_OK);
    }
    size_t at = HYPERLOGLOG_HEADER_BYTES;
    struct hyperloglog_run run;
    assert_true(hyperloglog_next_run(blob_slice(image), &at, &run));
    assert_int_equal(run.span, 100);
    assert_true(run.is_long);
    assert_true(hyperloglog_next_run(blob_slice(image), &at, &run));
    assert_int_equal(run.span, 4);
    assert_int_equal(run.value, 7);
    assert_true(hyperloglog_next_run(blob_slice(image), &at, &run));
    assert_int_equal(run.span, HYPERLOGLOG_REGISTERS - 104);
    assert_false(hyperloglog_next_run(blob_slice(image), &at, &run));
    blob_release(image);
}

static void estimates_are_near(void **state) {
    (void)state;
    uint8_t registers[HYPERLOGLOG_REGISTERS] = {0};
    uint64_t checked = 1;
    for (uint64_t i = 1; i <= 1000000; i++) {
        char text[32];
        int size = snprintf(text, sizeof(text), "element %llu", (unsigned long long)i);
        struct hyperloglog_mark mark = hyperloglog_mark(slice_of(text, (size_t)size));
        if (registers[mark.index] < mark.value)
            registers[mark.index] = mark.value;
        if (i != checked)
            continue;
        uint64_t count = hyperloglog_count_registers(registers);
        uint64_t off = count > i ? count - i : i - count;
        assert_true(off * 100 <= i * 3);
        checked *= 10;
    }
}

static void damaged_bytes_are_told(void **state) {
    (void)state;
    struct test_allocator a;
    test_allocator_init(&a);
    static const struct slice BAD[] = {
        SLICE_LITERAL(""),
        SLICE_LITERAL("HYLL\1"),
        SLICE_LITERAL("HYLX\1\0\0\0\0\0\0\0\0\0\0\0\x7f\xff"),
        SLICE_LITERAL("HYLL\2\0\0\0\0\0\0\0\0\0\0\0\x7f\xff"),
        SLICE_LITERAL("HYLL\0\0\0\0\0\0\0\0\0\0\0\0\x7f\xff"),
    };
    for (size_t i = 0; i < sizeof(BAD) / sizeof(*BAD); i++)
        assert_false(hyperloglog_is_valid(BAD[i]));
    static const struct slice CORRUPT[] = {
        SLICE_LITERAL("HYLL\1\0\0\0\0\0\0\0\0\0\0\0"),             /* no runs */
        SLICE_LITERAL("HYLL\1\0\0\0\0\0\0\0\0\0\0\0\x7f"),         /* half a run */
        SLICE_LITERAL("HYLL\1\0\0\0\0\0\0\0\0\0\0\0\x7f\xfe"),     /* too few registers */
        SLICE_LITERAL("HYLL\1\0\0\0\0\0\0\0\0\0\0\0\x7f\xff\x00"), /* too many */
    };
    for (size_t i = 0; i < sizeof(CORRUPT) / sizeof(*CORRUPT); i++) {
        uint8_t registers[HYPERLOGLOG_REGISTERS] = {0};
        uint64_t count;
        bool is_raised;
        assert_true(hyperloglog_is_valid(CORRUPT[i]));
        assert_false(hyperloglog_count(CORRUPT[i], &count));
        assert_false(hyperloglog_merge(CORRUPT[i], registers));
        struct blob *image = blob_create(&a.base, CORRUPT[i].size);
        memcpy(image->data, CORRUPT[i].data, CORRUPT[i].size);
        image->size = CORRUPT[i].size;
        if (i < 3) {
            struct hyperloglog_mark mark = {HYPERLOGLOG_REGISTERS - 1, 3};
            assert_int_equal(hyperloglog_raise(&image, mark, 3000, &is_raised), LARDER_CORRUPT);
            assert_int_equal(hyperloglog_make_dense(&image), LARDER_CORRUPT);
        }
        blob_release(image);
    }
    assert_int_equal(a.heap_bytes, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_one_counts_nothing),
        cmocka_unit_test(known_elements_go_to_known_registers),
        cmocka_unit_test(both_forms_hold_the_same_registers),
        cmocka_unit_test(equal_neighbours_become_one_run),
        cmocka_unit_test(estimates_are_near),
        cmocka_unit_test(damaged_bytes_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
