/* SPDX-License-Identifier: BSD-3-Clause */
/* The latency monitor's series, their summary, and percentiles of histograms. */
#include "server/latency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void a_second_keeps_its_highest_spike(void **state) {
    (void)state;
    struct latency_monitor monitor = {0};
    const struct latency_series *s = &monitor.series[LATENCY_EVENT_COMMAND];
    latency_add(&monitor, LATENCY_EVENT_COMMAND, 100, 5);
    latency_add(&monitor, LATENCY_EVENT_COMMAND, 100, 9);
    latency_add(&monitor, LATENCY_EVENT_COMMAND, 100, 7);
    latency_add(&monitor, LATENCY_EVENT_COMMAND, 101, 2);
    assert_int_equal(s->count, 2);
    assert_int_equal(latency_sample_at(s, 0)->latency_ms, 9);
    assert_int_equal(latency_sample_at(s, 1)->latency_ms, 2);
    assert_int_equal(s->max_ms, 9);
    assert_int_equal(monitor.series[LATENCY_EVENT_FAST_COMMAND].count, 0);
}

static void a_full_series_forgets_the_oldest_but_not_the_highest(void **state) {
    (void)state;
    struct latency_monitor monitor = {0};
    const struct latency_series *s = &monitor.series[LATENCY_EVENT_COMMAND];
    latency_add(&monitor, LATENCY_EVENT_COMMAND, 0, 1000);
    for (int i = 1; i <= LATENCY_SAMPLES; i++)
        latency_add(&monitor, LATENCY_EVENT_COMMAND, i, (uint32_t)i);
    assert_int_equal(s->count, LATENCY_SAMPLES);
    assert_int_equal(latency_sample_at(s, 0)->time_s, 1);
    assert_int_equal(latency_sample_at(s, LATENCY_SAMPLES - 1)->time_s, LATENCY_SAMPLES);
    assert_int_equal(s->max_ms, 1000);
    latency_add(&monitor, LATENCY_EVENT_COMMAND, LATENCY_SAMPLES, 5000);
    assert_int_equal(latency_sample_at(s, LATENCY_SAMPLES - 1)->latency_ms, 5000);
}

static void reset_tells_whether_there_was_something(void **state) {
    (void)state;
    struct latency_monitor monitor = {0};
    enum latency_event event;
    latency_add(&monitor, LATENCY_EVENT_COMMAND, 1, 1);
    assert_true(latency_reset(&monitor, LATENCY_EVENT_COMMAND));
    assert_false(latency_reset(&monitor, LATENCY_EVENT_COMMAND));
    assert_true(latency_event_find(SLICE_LITERAL("fast-command"), &event));
    assert_int_equal(event, LATENCY_EVENT_FAST_COMMAND);
    assert_false(latency_event_find(SLICE_LITERAL("fast"), &event));
}

static void a_summary_has_mean_deviation_and_period(void **state) {
    (void)state;
    struct latency_monitor monitor = {0};
    latency_add(&monitor, LATENCY_EVENT_COMMAND, 10, 10);
    latency_add(&monitor, LATENCY_EVENT_COMMAND, 20, 30);
    struct latency_summary s = latency_summarize(&monitor.series[LATENCY_EVENT_COMMAND], 30);
    assert_int_equal(s.average_ms, 20);
    assert_int_equal(s.mean_deviation_ms, 10);
    assert_int_equal(s.min_ms, 10);
    assert_int_equal(s.max_ms, 30);
    assert_true(s.period_s > 9.9 && s.period_s < 10.1);
}

static void percentiles_lie_in_the_right_bucket_and_grow(void **state) {
    (void)state;
    uint64_t buckets[40] = {0};
    assert_int_equal(latency_percentile_ns(buckets, 40, 50), 0);
    buckets[10] = 90;
    buckets[14] = 9;
    buckets[20] = 1;
    uint64_t p50 = latency_percentile_ns(buckets, 40, 50);
    uint64_t p95 = latency_percentile_ns(buckets, 40, 95);
    uint64_t p999 = latency_percentile_ns(buckets, 40, 99.9);
    assert_in_range(p50, 1 << 10, 1 << 11);
    assert_in_range(p95, 1 << 14, 1 << 15);
    assert_in_range(p999, 1 << 20, 1 << 21);
    uint64_t previous = 0;
    for (double p = 0; p <= 100; p += 0.5) {
        uint64_t ns = latency_percentile_ns(buckets, 40, p);
        assert_true(ns >= previous);
        previous = ns;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_keeps_its_highest_spike),
        cmocka_unit_test(a_full_series_forgets_the_oldest_but_not_the_highest),
        cmocka_unit_test(reset_tells_whether_there_was_something),
        cmocka_unit_test(a_summary_has_mean_deviation_and_period),
        cmocka_unit_test(percentiles_lie_in_the_right_bucket_and_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
