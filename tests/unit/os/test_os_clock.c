/* SPDX-License-Identifier: BSD-3-Clause */
/* Clocks agree with each other. */
#include "os/clock.h"
#include "os/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void clocks_never_go_back(void **state) {
    (void)state;
    uint64_t monotonic = clock_monotonic_ns();
    uint64_t boot = clock_boot_ns();
    uint64_t cpu = clock_thread_cpu_ns();
    for (int i = 0; i < 1000; i++) {
        uint64_t next_monotonic = clock_monotonic_ns();
        uint64_t next_boot = clock_boot_ns();
        uint64_t next_cpu = clock_thread_cpu_ns();
        assert_true(next_monotonic >= monotonic && next_boot >= boot && next_cpu >= cpu);
        monotonic = next_monotonic;
        boot = next_boot;
        cpu = next_cpu;
    }
}

static void wall_clock_is_after_2020(void **state) {
    (void)state;
    assert_true(clock_wall_us() > 1577836800u * 1000000ull);
}

static void cycle_clock_measures_a_span_as_the_monotonic_clock_does(void **state) {
    (void)state;
    struct cycle_clock clock;
    cycle_clock_init(&clock);
    assert_true(clock_cycles_per_us(&clock) >= 1);
    uint64_t outer_start = clock_monotonic_ns();
    uint64_t start = cycle_clock_now(&clock);
    uint64_t inner_start = clock_monotonic_ns();
    thread_sleep_ms(20);
    uint64_t inner_end = clock_monotonic_ns();
    uint64_t end = cycle_clock_now(&clock);
    uint64_t outer_end = clock_monotonic_ns();
    uint64_t measured = cycle_clock_to_ns(&clock, end - start);
    uint64_t least = inner_end - inner_start, most = outer_end - outer_start;
    assert_true(measured + measured / 100 >= least);
    assert_true(measured - measured / 100 <= most);
}

static void sleeping_uses_no_processor_time(void **state) {
    (void)state;
    uint64_t cpu = clock_thread_cpu_ns();
    uint64_t start = clock_monotonic_ns();
    thread_sleep_ms(30);
    assert_true(clock_monotonic_ns() - start >= 30000000u);
    assert_true(clock_thread_cpu_ns() - cpu < 15000000u);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_never_go_back),
        cmocka_unit_test(wall_clock_is_after_2020),
        cmocka_unit_test(cycle_clock_measures_a_span_as_the_monotonic_clock_does),
        cmocka_unit_test(sleeping_uses_no_processor_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
