/* SPDX-License-Identifier: BSD-3-Clause */
/* SHA-1 and CRC-64 against published values, LZF against texts compressed by hand. */
#include "base/crc64.h"
#include "base/lzf.h"
#include "base/random.h"
#include "base/sha1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void check_sha1(struct slice text, const char *expected) {
    char hex[SHA1_HEX_BYTES + 1];
    sha1_hex(text, hex);
    assert_string_equal(hex, expected);
}

static void test_sha1_gives_the_values_of_the_standard(void **state) {
    (void)state;
    check_sha1(SLICE_LITERAL("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
    check_sha1(SLICE_LITERAL(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    check_sha1(SLICE_LITERAL("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
               "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    uint8_t *many = malloc(1000000);
    assert_non_null(many);
    memset(many, 'a', 1000000);
    check_sha1(slice_of(many, 1000000), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    free(many);
}

static void test_crc64_gives_its_check_value_whole_or_in_parts(void **state) {
    (void)state;
    assert_true(crc64(0, SLICE_LITERAL("123456789")) == 0xe9c6d914c4b8d9ca);
    assert_true(crc64(crc64(0, SLICE_LITERAL("1234")), SLICE_LITERAL("56789")) ==
                0xe9c6d914c4b8d9ca);
}

static void test_lzf_reads_what_is_whole_and_refuses_the_rest(void **state) {
    (void)state;
    static const uint8_t PACKED[] = {0x01, 'a', 'b', 0xe0, 0x01, 0x01, 0x00, 'c'};
    uint8_t out[16];
    assert_true(lzf_decompress(slice_of(PACKED, sizeof(PACKED)), out, 13));
    assert_memory_equal(out, "ababababababc", 13);
    assert_false(lzf_decompress(slice_of(PACKED, sizeof(PACKED)), out, 12));
    assert_false(lzf_decompress(slice_of(PACKED, sizeof(PACKED)), out, 14));
    for (size_t size = 1; size < sizeof(PACKED); size++)
        assert_false(lzf_decompress(slice_of(PACKED, size), out, 13));
    static const uint8_t TOO_FAR[] = {0x00, 'a', 0x20, 0x01};
    assert_false(lzf_decompress(slice_of(TOO_FAR, sizeof(TOO_FAR)), out, 4));
}

static void check_round_trip(const uint8_t *text, size_t size, size_t expected_max) {
    uint8_t *packed = malloc(size + 1), *again = malloc(size + 1);
    assert_non_null(packed);
    assert_non_null(again);
    size_t packed_size = lzf_compress(slice_of(text, size), packed, size);
    assert_true(packed_size <= expected_max);
    if (packed_size > 0) {
        assert_true(lzf_decompress(slice_of(packed, packed_size), again, size));
        assert_memory_equal(again, text, size);
        assert_int_equal(lzf_compress(slice_of(text, size), packed, packed_size - 1), 0);
        assert_int_equal(lzf_compress(slice_of(text, size), packed, packed_size), packed_size);
    }
    free(packed);
    free(again);
}

static void test_lzf_gives_back_what_it_compressed(void **state) {
    enum { SIZE = 100000 };
    uint8_t *text = malloc(SIZE);
    struct random random = random_seeded(5);
    (void)state;
    assert_non_null(text);
    memset(text, 'x', SIZE);
    for (size_t size = 1; size < 600; size++)
        check_round_trip(text, size, size);
    check_round_trip(text, SIZE, SIZE / 80);
    for (unsigned letters = 1; letters <= 256; letters *= 2) {
        for (size_t i = 0; i < SIZE; i++)
            text[i] = (uint8_t)random_below(&random, letters);
        for (size_t size = 1; size <= SIZE; size = size * 3 + 1)
            check_round_trip(text, size, size);
    }
    for (size_t i = 0; i < SIZE; i++)
        text[i] = (uint8_t)(i % 8192 * 2654435761u >> 13);
    check_round_trip(text, SIZE, SIZE / 5);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha1_gives_the_values_of_the_standard),
        cmocka_unit_test(test_crc64_gives_its_check_value_whole_or_in_parts),
        cmocka_unit_test(test_lzf_reads_what_is_whole_and_refuses_the_rest),
        cmocka_unit_test(test_lzf_gives_back_what_it_compressed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
