/* SPDX-License-Identifier: BSD-3-Clause */
/* The time of a partition. Microseconds; `wall` is the wall clock that is right. */
#include "cluster/cluster_clock.h"

#include "base/random.h"
#include "support/test_seed.h"
#include "unit/cluster/golden.h"

static const int64_t MS = 1000, SECOND = 1000000, WALL = 1700000000 * INT64_C(1000000);

static void a_term_begins_with_the_wall_clock(void **state) {
    (void)state;
    struct cluster_clock c = {0};
    cluster_clock_sample(&c, 0, WALL, WALL);
    cluster_clock_begin(&c, 5 * MS);
    assert_int_equal(cluster_clock_now(&c, 5 * MS), WALL + 5 * MS);
    assert_int_equal(cluster_clock_now(&c, 105 * MS), WALL + 105 * MS);
}

static void a_term_begins_no_earlier_than_what_was_replicated(void **state) {
    (void)state;
    struct cluster_clock c = {0};
    cluster_clock_note(&c, WALL + 3 * SECOND);
    cluster_clock_note(&c, WALL);
    assert_int_equal(cluster_clock_now(&c, 0), WALL + 3 * SECOND);
    cluster_clock_sample(&c, 0, WALL, WALL);
    cluster_clock_begin(&c, 0);
    assert_int_equal(cluster_clock_now(&c, 0), WALL + 3 * SECOND);
    /* It waits for the wall clock by running slower. */
    assert_int_equal(cluster_clock_now(&c, SECOND), WALL + 3 * SECOND + SECOND * 95 / 100);
}

static void a_wrong_wall_clock_counts_as_near_the_median(void **state) {
    (void)state;
    struct cluster_clock c = {0};
    cluster_clock_sample(&c, 0, WALL + 3600 * SECOND, WALL);
    cluster_clock_begin(&c, 0);
    assert_int_equal(cluster_clock_now(&c, 0), WALL + SECOND);
    cluster_clock_end(&c);
    c = (struct cluster_clock){0};
    cluster_clock_sample(&c, 0, WALL - 3600 * SECOND, WALL);
    cluster_clock_begin(&c, 0);
    assert_int_equal(cluster_clock_now(&c, 0), WALL - SECOND);
}

static void a_wall_clock_that_is_set_moves_time_slowly(void **state) {
    (void)state;
    struct cluster_clock c = {0};
    cluster_clock_sample(&c, 0, WALL, WALL);
    cluster_clock_begin(&c, 0);
    cluster_clock_sample(&c, SECOND, WALL + 61 * SECOND, WALL + 61 * SECOND);
    assert_int_equal(cluster_clock_now(&c, SECOND), WALL + SECOND);
    assert_int_equal(cluster_clock_now(&c, 2 * SECOND), WALL + 2 * SECOND + 50 * MS);
    cluster_clock_sample(&c, 2 * SECOND, WALL - 60 * SECOND, WALL - 60 * SECOND);
    assert_int_equal(cluster_clock_now(&c, 3 * SECOND), WALL + 3 * SECOND);
}

static void a_small_error_is_made_up_for_exactly(void **state) {
    (void)state;
    struct cluster_clock c = {0};
    cluster_clock_sample(&c, 0, WALL, WALL);
    cluster_clock_begin(&c, 0);
    cluster_clock_sample(&c, 0, WALL + 10 * MS, WALL);
    assert_int_equal(cluster_clock_now(&c, SECOND), WALL + SECOND + 10 * MS);
}

/* Members take turns as primary, with wall clocks that are off and are set at random. */
static void time_never_runs_back_over_any_change_of_primary(void **state) {
    (void)state;
    struct random random = random_seeded(test_seed("cluster clock"));
    struct cluster_clock clocks[3] = {0};
    int64_t offsets[3] = {0}, now = 0, newest = 0;
    unsigned leader = 0;
    for (int step = 0; step < 20000; step++) {
        now += (int64_t)random_below(&random, 200 * (uint64_t)MS);
        if (random_below(&random, 50) == 0)
            offsets[random_below(&random, 3)] =
                (int64_t)random_below(&random, 20 * (uint64_t)SECOND) - 10 * SECOND;
        for (unsigned i = 0; i < 3; i++)
            cluster_clock_sample(&clocks[i], now, WALL + now + offsets[i], WALL + now);
        if (!clocks[leader].is_running || random_below(&random, 100) == 0) {
            cluster_clock_end(&clocks[leader]);
            leader = (unsigned)random_below(&random, 3);
            cluster_clock_begin(&clocks[leader], now);
        }
        int64_t time = cluster_clock_now(&clocks[leader], now);
        assert_true(time >= newest);
        assert_true(time <= WALL + now + 2 * SECOND && time >= WALL + now - 2 * SECOND);
        newest = time;
        for (unsigned i = 0; i < 3; i++)
            cluster_clock_note(&clocks[i], time);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_term_begins_with_the_wall_clock),
        cmocka_unit_test(a_term_begins_no_earlier_than_what_was_replicated),
        cmocka_unit_test(a_wrong_wall_clock_counts_as_near_the_median),
        cmocka_unit_test(a_wall_clock_that_is_set_moves_time_slowly),
        cmocka_unit_test(a_small_error_is_made_up_for_exactly),
        cmocka_unit_test(time_never_runs_back_over_any_change_of_primary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
