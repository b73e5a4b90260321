/* SPDX-License-Identifier: BSD-3-Clause */
/* SHA-1 and CRC-64 against published values, LZF against texts compressed by hand. */
#include "base/crc64.h"
#include "base/lzf.h"
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha1_gives_the_values_of_the_standard),
        cmocka_unit_test(test_crc64_gives_its_check_value_whole_or_in_parts),
        cmocka_unit_test(test_lzf_reads_what_is_whole_and_refuses_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
