/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys, values and their order: the load generator's keyspace and its random numbers. */
#include "server/keyspace.c"
#include "server/random_source.c"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { ZIPF_KEYS = 1000, ZIPF_DRAWS = 400000 };

static void zipf_ranks_come_as_often_as_their_weight_says(void **state) {
    (void)state;
    static const double EXPONENTS[] = {0.5, 0.8, 0.99, 1.0, 1.3, 2.0};
    for (size_t e = 0; e < sizeof(EXPONENTS) / sizeof(EXPONENTS[0]); e++) {
        struct zipf zipf;
        struct random_source random = {.state = 42 + e};
        uint32_t seen[ZIPF_KEYS + 1] = {0};
        double sum = 0;
        zipf_init(&zipf, ZIPF_KEYS, EXPONENTS[e]);
        for (int i = 0; i < ZIPF_DRAWS; i++) {
            uint64_t rank = zipf_next(&zipf, &random);
            assert_in_range(rank, 1, ZIPF_KEYS);
            seen[rank]++;
        }
        for (int rank = 1; rank <= ZIPF_KEYS; rank++)
            sum += pow(rank, -EXPONENTS[e]);
        for (int rank = 1; rank <= ZIPF_KEYS; rank++) {
            double p = pow(rank, -EXPONENTS[e]) / sum;
            double expected = p * ZIPF_DRAWS;
            double deviation = sqrt(expected * (1 - p));
            assert_true(fabs(seen[rank] - expected) <= 5 * deviation + 3);
        }
    }
}

static void keys_are_prefix_and_padded_number(void **state) {
    (void)state;
    struct keyspace k;
    char key[16];
    char expected[32];
    assert_true(keyspace_init(&k, 1234567, "k:", 16, 32));
    key_write(&k, 0, key);
    for (uint64_t number = 0; number < k.count; number += 977) {
        key_rewrite(&k, number, key);
        snprintf(expected, sizeof(expected), "k:%014llu", (unsigned long long)number);
        assert_memory_equal(key, expected, 16);
    }
    assert_false(keyspace_init(&k, 1000000, "prefix:", 10, 32));
    assert_true(keyspace_init(&k, 1000000, "pre:", 10, 32));
}

static void a_value_equals_only_itself(void **state) {
    (void)state;
    char value[64];
    for (size_t size = 1; size <= 40; size++) {
        struct keyspace k;
        assert_true(keyspace_init(&k, 1000, "k:", 16, size));
        value_write(&k, 77, value);
        assert_true(value_equals(&k, 77, value, size));
        assert_false(value_equals(&k, 77, value, size - 1));
        if (size >= 8)
            assert_false(value_equals(&k, 78, value, size));
        for (size_t i = 0; i < size; i++) {
            value[i] ^= 1;
            assert_false(value_equals(&k, 77, value, size));
            value[i] ^= 1;
        }
    }
}

static void sequences_stay_in_range_repeat_with_their_seed_and_cover(void **state) {
    (void)state;
    static const enum distribution ALL[] = {DISTRIBUTION_UNIFORM, DISTRIBUTION_ZIPF,
                                            DISTRIBUTION_SEQUENTIAL};
    for (size_t d = 0; d < 3; d++) {
        struct key_sequence a;
        struct key_sequence b;
        bool seen[100] = {false};
        int different = 0;
        assert_true(key_sequence_init(&a, ALL[d], 0.9, 100, 5));
        assert_true(key_sequence_init(&b, ALL[d], 0.9, 100, 5));
        for (int i = 0; i < 20000; i++) {
            uint64_t number = key_sequence_next(&a);
            assert_in_range(number, 0, 99);
            assert_int_equal(number, key_sequence_next(&b));
            different += !seen[number];
            seen[number] = true;
        }
        assert_int_equal(different, 100);
        key_sequence_finish(&a);
        key_sequence_finish(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zipf_ranks_come_as_often_as_their_weight_says),
        cmocka_unit_test(keys_are_prefix_and_padded_number),
        cmocka_unit_test(a_value_equals_only_itself),
        cmocka_unit_test(sequences_stay_in_range_repeat_with_their_seed_and_cover),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
