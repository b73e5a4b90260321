/* SPDX-License-Identifier: BSD-3-Clause */
/* One spelling per number, order of bytes, words without case. */
#include "base/random.h"
#include "base/slice.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void integers_are_read_as_written(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } GOOD[] = {
        {"0", 0},
        {"7", 7},
        {"-1", -1},
        {"10", 10},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
    };
    for (size_t i = 0; i < sizeof(GOOD) / sizeof(GOOD[0]); i++) {
        int64_t value;
        assert_true(slice_to_int64(slice_of_string(GOOD[i].text), &value));
        assert_int_equal(value, GOOD[i].value);
    }
    uint64_t unsigned_value;
    assert_true(slice_to_uint64(SLICE_LITERAL("18446744073709551615"), &unsigned_value));
    assert_int_equal(unsigned_value, UINT64_MAX);
}

static void other_spellings_are_no_integers(void **state) {
    (void)state;
    static const char *const BAD[] = {"",
                                      "-",
                                      "+1",
                                      "01",
                                      "-0",
                                      "-01",
                                      "00",
                                      " 1",
                                      "1 ",
                                      "1.0",
                                      "1e3",
                                      "0x1",
                                      "--1",
                                      "1-",
                                      "a",
                                      "/",
                                      ":",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "99999999999999999999999",
                                      "18446744073709551616"};
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        int64_t value;
        assert_false(slice_to_int64(slice_of_string(BAD[i]), &value));
    }
    uint64_t value;
    assert_false(slice_to_uint64(SLICE_LITERAL("18446744073709551616"), &value));
    assert_false(slice_to_uint64(SLICE_LITERAL("18446744073709551620"), &value));
    assert_false(slice_to_uint64(SLICE_LITERAL("28446744073709551615"), &value));
    assert_false(slice_to_uint64(SLICE_LITERAL("-1"), &value));
    assert_false(slice_to_int64(slice_of("1\0", 2), &(int64_t){0}));
}

static void formatting_is_what_printf_gives_and_reads_back(void **state) {
    (void)state;
    struct random random = random_seeded(1);
    for (unsigned i = 0; i < 200000; i++) {
        int64_t value = (int64_t)(random_next(&random) >> (i % 64));
        if (i % 2 == 1)
            value = (int64_t)(0 - (uint64_t)value);
        if (i == 0)
            value = INT64_MIN;
        uint8_t text[INT64_TEXT_MAX];
        char expected[32];
        size_t size = int64_format(value, text);
        int length = snprintf(expected, sizeof(expected), "%" PRId64, value);
        assert_int_equal(size, length);
        assert_memory_equal(text, expected, size);
        int64_t back;
        assert_true(slice_to_int64(slice_of(text, size), &back));
        assert_int_equal(back, value);
        size = uint64_format((uint64_t)value, text);
        length = snprintf(expected, sizeof(expected), "%" PRIu64, (uint64_t)value);
        assert_int_equal(size, length);
        assert_memory_equal(text, expected, size);
        uint64_t unsigned_back;
        assert_true(slice_to_uint64(slice_of(text, size), &unsigned_back));
        assert_int_equal(unsigned_back, value);
    }
}

static void numbers_next_to_powers_of_ten_have_their_digits(void **state) {
    (void)state;
    uint64_t power = 1;
    for (unsigned digits = 1; digits <= 20; digits++, power *= 10) {
        for (uint64_t value = power - 1; value <= power + 1; value++) {
            uint8_t text[INT64_TEXT_MAX];
            char expected[32];
            int length = snprintf(expected, sizeof(expected), "%" PRIu64, value);
            assert_int_equal(uint64_format(value, text), length);
            assert_memory_equal(text, expected, (size_t)length);
        }
    }
}

static void a_change_of_one_character_is_another_number_or_none(void **state) {
    (void)state;
    struct random random = random_seeded(2);
    for (unsigned i = 0; i < 100000; i++) {
        uint8_t text[INT64_TEXT_MAX];
        int64_t value = (int64_t)(random_next(&random) >> (i % 64)), changed;
        size_t size = int64_format(value, text);
        text[random_below(&random, size)] ^= (uint8_t)(1 + random_below(&random, 255));
        if (slice_to_int64(slice_of(text, size), &changed)) {
            uint8_t again[INT64_TEXT_MAX];
            assert_int_equal(int64_format(changed, again), size);
            assert_memory_equal(again, text, size);
        }
    }
}

static void order_is_that_of_unsigned_bytes(void **state) {
    (void)state;
    assert_true(slice_compare(SLICE_LITERAL("a"), SLICE_LITERAL("b")) < 0);
    assert_true(slice_compare(SLICE_LITERAL("\xff"), SLICE_LITERAL("a")) > 0);
    assert_true(slice_compare(SLICE_LITERAL("ab"), SLICE_LITERAL("abc")) < 0);
    assert_true(slice_compare(SLICE_LITERAL("b"), SLICE_LITERAL("abc")) > 0);
    assert_int_equal(slice_compare(SLICE_LITERAL(""), slice_of(NULL, 0)), 0);
    assert_true(slice_compare(slice_of(NULL, 0), SLICE_LITERAL("a")) < 0);
    assert_int_equal(slice_compare(SLICE_LITERAL("abc"), SLICE_LITERAL("abc")), 0);
}

static void equality_compares_bytes_and_words_without_case(void **state) {
    (void)state;
    assert_true(slice_equal(slice_of(NULL, 0), SLICE_LITERAL("")));
    assert_true(slice_equal(SLICE_LITERAL("a\0b"), slice_of("a\0b", 3)));
    assert_false(slice_equal(SLICE_LITERAL("a\0b"), slice_of("a\0c", 3)));
    assert_false(slice_equal(SLICE_LITERAL("ab"), SLICE_LITERAL("abc")));
    assert_true(slice_equal_word(SLICE_LITERAL("GeT"), "get"));
    assert_false(slice_equal_word(SLICE_LITERAL("GET"), "gets"));
    assert_false(slice_equal_word(SLICE_LITERAL("GETS"), "get"));
    assert_true(slice_equal_word(SLICE_LITERAL(""), ""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_read_as_written),
        cmocka_unit_test(other_spellings_are_no_integers),
        cmocka_unit_test(formatting_is_what_printf_gives_and_reads_back),
        cmocka_unit_test(numbers_next_to_powers_of_ten_have_their_digits),
        cmocka_unit_test(a_change_of_one_character_is_another_number_or_none),
        cmocka_unit_test(order_is_that_of_unsigned_bytes),
        cmocka_unit_test(equality_compares_bytes_and_words_without_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
