/* SPDX-License-Identifier: BSD-3-Clause */
/* Slots as Redis Cluster clients compute them; a keyed hash that spreads and depends on every byte,
 * the length, the name space and the seed. */
#include "base/hash.h"
#include "base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct hash_seed SEED = {{0x0123456789abcdef, 0xfedcba9876543210}};

/* The same remainder bit by bit. */
static uint16_t crc16_slowly(struct slice bytes) {
    unsigned crc = 0;
    for (size_t i = 0; i < bytes.size; i++) {
        crc ^= (unsigned)bytes.data[i] << 8;
        for (unsigned bit = 0; bit < 8; bit++)
            crc = (crc & 0x8000) != 0 ? (crc << 1 ^ 0x1021) & 0xffff : crc << 1 & 0xffff;
    }
    return (uint16_t)crc;
}

static void crc16_is_xmodem(void **state) {
    (void)state;
    assert_int_equal(crc16(SLICE_LITERAL("123456789")), 0x31c3);
    assert_int_equal(crc16(SLICE_LITERAL("")), 0);
    struct random random = random_seeded(3);
    uint8_t bytes[300];
    for (unsigned i = 0; i < 3000; i++) {
        size_t size = random_below(&random, sizeof(bytes));
        for (size_t j = 0; j < size; j++)
            bytes[j] = (uint8_t)random_next(&random);
        assert_int_equal(crc16(slice_of(bytes, size)), crc16_slowly(slice_of(bytes, size)));
    }
}

static void slots_are_those_of_redis_cluster(void **state) {
    (void)state;
    assert_int_equal(key_slot(SLICE_LITERAL("foo")), 12182);
    assert_int_equal(key_slot(SLICE_LITERAL("bar")), 5061);
    assert_int_equal(key_slot(SLICE_LITERAL("123456789")), 0x31c3 % SLOT_COUNT);
    assert_int_equal(key_slot(SLICE_LITERAL("{foo}.a")), 12182);
}

static void a_hash_tag_is_what_stands_in_the_first_braces(void **state) {
    (void)state;
    static const struct {
        const char *key, *tag;
    } CASES[] = {
        {"plain", "plain"},
        {"{user1000}.following", "user1000"},
        {"foo{}{bar}", "foo{}{bar}"},
        {"foo{{bar}}zap", "{bar"},
        {"foo{bar}{zap}", "bar"},
        {"{", "{"},
        {"}", "}"},
        {"a}b{c}", "c"},
        {"{open", "{open"},
        {"{}", "{}"},
        {"", ""},
        {"x{y", "x{y"},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
        assert_true(slice_equal(key_hash_tag(slice_of_string(CASES[i].key)),
                                slice_of_string(CASES[i].tag)));
}

static void every_bit_of_a_key_matters(void **state) {
    (void)state;
    uint8_t bytes[70];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 37);
    for (size_t size = 1; size <= sizeof(bytes); size++) {
        uint64_t hash = hash_key(&SEED, slice_of(bytes, size), 5);
        for (size_t bit = 0; bit < 8 * size; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            uint64_t other = hash_key(&SEED, slice_of(bytes, size), 5);
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            int changed = __builtin_popcountll(hash ^ other);
            assert_true(changed > 8 && changed < 56);
        }
    }
}

static void length_space_and_seed_matter(void **state) {
    (void)state;
    static const uint8_t ZEROS[64];
    uint64_t seen[65];
    for (size_t size = 0; size <= 64; size++) {
        seen[size] = hash_key(&SEED, slice_of(ZEROS, size), 0);
        for (size_t i = 0; i < size; i++)
            assert_true(seen[i] != seen[size]);
    }
    struct slice key = SLICE_LITERAL("some key");
    assert_true(hash_key(&SEED, key, 0) != hash_key(&SEED, key, 1));
    struct hash_seed other = SEED;
    other.words[0]++;
    assert_true(hash_key(&SEED, key, 0) != hash_key(&other, key, 0));
    other = SEED;
    other.words[1]++;
    assert_true(hash_key(&SEED, key, 0) != hash_key(&other, key, 0));
}

/* Chi-square of `bits` bits of the hash from `shift` on, over keys that differ in a counter. */
static double chi_square(const char *format, unsigned shift) {
    enum { BITS = 10, KEYS = 1 << 17 };
    static unsigned counts[1 << BITS];
    memset(counts, 0, sizeof(counts));
    for (unsigned i = 0; i < KEYS; i++) {
        char text[64];
        int length = snprintf(text, sizeof(text), format, i);
        uint64_t hash = hash_key(&SEED, slice_of(text, (size_t)length), 0);
        counts[hash >> shift & ((1 << BITS) - 1)]++;
    }
    double chi = 0, expected = (double)KEYS / (1 << BITS);
    for (size_t i = 0; i < 1 << BITS; i++)
        chi += pow((double)counts[i] - expected, 2) / expected;
    return chi;
}

static void similar_keys_spread_evenly(void **state) {
    (void)state;
    static const char *const FORMATS[] = {"%u", "key:%u", "key:%012u", "user:%u:profile",
                                          "a long prefix before the number %020u"};
    for (size_t i = 0; i < sizeof(FORMATS) / sizeof(FORMATS[0]); i++)
        for (unsigned shift = 0; shift <= 54; shift += 6) {
            double chi = chi_square(FORMATS[i], shift);
            assert_true(chi > 1023 - 6 * sqrt(2 * 1023) && chi < 1023 + 6 * sqrt(2 * 1023));
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc16_is_xmodem),
        cmocka_unit_test(slots_are_those_of_redis_cluster),
        cmocka_unit_test(a_hash_tag_is_what_stands_in_the_first_braces),
        cmocka_unit_test(every_bit_of_a_key_matters),
        cmocka_unit_test(length_space_and_seed_matter),
        cmocka_unit_test(similar_keys_spread_evenly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
