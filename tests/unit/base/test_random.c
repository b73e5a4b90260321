/* SPDX-License-Identifier: BSD-3-Clause */
/* splitmix64 gives the published numbers, and bounded draws are uniform. */
#include "base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void the_sequence_is_the_published_one(void **state) {
    (void)state;
    struct random random = random_seeded(1234567);
    assert_int_equal(random_next(&random), 6457827717110365317u);
    assert_int_equal(random_next(&random), 3203168211198807973u);
    assert_int_equal(random_next(&random), 9817491932198370423u);
    assert_int_equal(random_next(&random), 4593380528125082431u);
    assert_int_equal(random_next(&random), 16408922859458223821u);
}

static void equal_seeds_give_equal_sequences(void **state) {
    (void)state;
    struct random a = random_seeded(5), b = random_seeded(5), c = random_seeded(6);
    unsigned equal = 0;
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t drawn = random_next(&a);
        assert_int_equal(drawn, random_next(&b));
        equal += drawn == random_next(&c);
    }
    assert_int_equal(equal, 0);
}

static void draws_stay_below_their_bound(void **state) {
    (void)state;
    struct random random = random_seeded(7);
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t bound = (random_next(&random) >> (i % 64)) | 1;
        assert_true(random_below(&random, bound) < bound);
    }
    assert_int_equal(random_below(&random, 1), 0);
}

static void draws_are_uniform(void **state) {
    (void)state;
    static const uint64_t BOUNDS[] = {2, 3, 7, 100, 1000};
    for (size_t i = 0; i < sizeof(BOUNDS) / sizeof(BOUNDS[0]); i++) {
        struct random random = random_seeded(i);
        unsigned counts[1000] = {0};
        uint64_t draws = BOUNDS[i] * 200;
        for (uint64_t j = 0; j < draws; j++)
            counts[random_below(&random, BOUNDS[i])]++;
        double chi = 0, freedom = (double)BOUNDS[i] - 1;
        for (uint64_t j = 0; j < BOUNDS[i]; j++)
            chi += pow((double)counts[j] - 200, 2) / 200;
        assert_true(chi < freedom + 6 * sqrt(2 * freedom));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sequence_is_the_published_one),
        cmocka_unit_test(equal_seeds_give_equal_sequences),
        cmocka_unit_test(draws_stay_below_their_bound),
        cmocka_unit_test(draws_are_uniform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
