/* SPDX-License-Identifier: BSD-3-Clause */
/* The load generator's histogram against a sorted list of everything recorded. */
#include "server/histogram.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SAMPLES = 20000 };

static struct histogram histogram;
static uint64_t samples[SAMPLES];

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void percentiles_are_never_low_and_at_most_a_64th_high(void **state) {
    (void)state;
    histogram_init(&histogram);
    uint64_t random = 7;
    for (size_t i = 0; i < SAMPLES; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        samples[i] = (random >> 24) >> (random >> 59);
        histogram_record(&histogram, samples[i], 1);
    }
    qsort(samples, SAMPLES, sizeof(samples[0]), compare);
    for (size_t rank = 1; rank <= SAMPLES; rank++) {
        uint64_t truth = samples[rank - 1];
        uint64_t seen = histogram_percentile(&histogram, (double)rank / SAMPLES);
        assert_true(seen >= truth);
        assert_true(seen - truth <= truth / 64);
    }
    assert_int_equal(histogram_percentile(&histogram, 1.0), samples[SAMPLES - 1]);
}

static void counts_weigh_like_repeated_records(void **state) {
    (void)state;
    histogram_init(&histogram);
    histogram_record(&histogram, 100, 90);
    histogram_record(&histogram, 5000, 9);
    histogram_record(&histogram, 70000, 1);
    assert_int_equal(histogram.count, 100);
    assert_int_equal(histogram_percentile(&histogram, 0.5), 100);
    assert_int_equal(histogram_percentile(&histogram, 0.9), 100);
    assert_in_range(histogram_percentile(&histogram, 0.99), 5000, 5078);
    assert_int_equal(histogram_percentile(&histogram, 1.0), 70000);
}

static void durations_beyond_the_range_are_kept_as_the_maximum(void **state) {
    (void)state;
    histogram_init(&histogram);
    assert_int_equal(histogram_percentile(&histogram, 0.5), 0);
    histogram_record(&histogram, UINT64_MAX, 1);
    assert_true(histogram_percentile(&histogram, 0.5) == UINT64_MAX);
    histogram_record(&histogram, 3, 0);
    assert_int_equal(histogram.count, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_never_low_and_at_most_a_64th_high),
        cmocka_unit_test(counts_weigh_like_repeated_records),
        cmocka_unit_test(durations_beyond_the_range_are_kept_as_the_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
