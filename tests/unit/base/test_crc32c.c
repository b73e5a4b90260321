/* SPDX-License-Identifier: BSD-3-Clause */
/* CRC-32C against the vectors of RFC 3720 appendix B.4 and against the definition, bit by bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "base/random.h"

static uint32_t bit_by_bit(const uint8_t *bytes, size_t size) {
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
    }
    return ~crc;
}

static void the_vectors_of_the_standard_come_out(void **state) {
    (void)state;
    uint8_t bytes[32];
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(crc32c(slice_of(bytes, 32)), 0x8a9136aa);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(crc32c(slice_of(bytes, 32)), 0x62a8ab43);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = i;
    assert_int_equal(crc32c(slice_of(bytes, 32)), 0x46dd794e);
    assert_int_equal(crc32c(SLICE_LITERAL("123456789")), 0xe3069283);
    assert_int_equal(crc32c(slice_of(NULL, 0)), 0);
}

static void any_length_and_any_cut_give_the_same(void **state) {
    (void)state;
    struct random random = random_seeded(1);
    uint8_t bytes[300];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)random_next(&random);
    for (size_t from = 0; from < 9; from++)
        for (size_t size = 0; from + size <= sizeof(bytes); size++) {
            uint32_t expected = bit_by_bit(bytes + from, size);
            size_t cut = random_below(&random, size + 1);
            uint32_t first = crc32c(slice_of(bytes + from, cut));
            assert_int_equal(crc32c(slice_of(bytes + from, size)), expected);
            assert_int_equal(crc32c_extend(first, slice_of(bytes + from + cut, size - cut)),
                             expected);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_the_standard_come_out),
        cmocka_unit_test(any_length_and_any_cut_give_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
