/* SPDX-License-Identifier: BSD-3-Clause */
/* A run follows from its seed, and leaving faults out leaves the others as they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/swarm.h"

static struct swarm_result run(uint64_t seed) {
    struct swarm_options options = {
        .subject = &CONFIG_GROUP_SUBJECT, .seed = seed, .length_us = 60000000, .only_round = -1};
    struct swarm_result result;
    swarm_run(&options, &result);
    return result;
}

static void the_same_seed_gives_the_same_digest(void **state) {
    (void)state;
    struct swarm_result first = run(5), second = run(5);
    assert_null(first.violation);
    assert_string_equal(first.digest, second.digest);
    assert_int_equal(first.event_count, second.event_count);
    assert_int_equal(first.fault_count, second.fault_count);
    assert_true(first.length_us >= 60000000);
}

static void another_seed_gives_another_digest(void **state) {
    (void)state;
    struct swarm_result first = run(5), second = run(6);
    assert_string_not_equal(first.digest, second.digest);
}

static void a_few_seeds_are_clean_and_did_something(void **state) {
    (void)state;
    for (uint64_t seed = 100; seed < 106; seed++) {
        struct swarm_result result = run(seed);
        if (result.violation != NULL)
            fail_msg("seed %llu: %s", (unsigned long long)seed, result.violation);
        assert_true(result.counters.operations > 100);
        assert_true(result.counters.histories > 0);
        assert_int_equal(result.counters.undecided, 0);
        assert_true(result.fault_count > 0);
    }
}

static void a_fault_left_out_leaves_the_others_as_they_were(void **state) {
    (void)state;
    struct sim_round first, second;
    round_draw(&first, 9, 3);
    round_draw(&second, 9, 3);
    assert_memory_equal(&first, &second, sizeof(first));
    round_draw(&second, 9, 4);
    assert_memory_not_equal(&first, &second, sizeof(first));
    for (size_t i = 1; i < first.fault_count; i++)
        assert_true(first.faults[i - 1].at_us <= first.faults[i].at_us);
}

static void rare_events_are_counted_against_their_minima(void **state) {
    (void)state;
    struct swarm_result result = run(100);
    assert_true(result.rare_events[RARE_RESTART_IN_DETECTION] > 0);
    for (uint32_t i = 0; i < RARE_EVENT_COUNT; i++)
        if (!rare_event_concerns((enum rare_event)i, CONFIG_GROUP_SUBJECT.name))
            assert_int_equal(result.rare_events[i], 0);
    uint64_t minimum = rare_event_type(RARE_LOG_CUT)->minimum;
    assert_true(rare_event_is_enough(RARE_LOG_CUT, minimum, 1000));
    assert_false(rare_event_is_enough(RARE_LOG_CUT, minimum - 1, 1000));
    assert_true(rare_event_is_enough(RARE_LOG_CUT, minimum / 100, 10));
    assert_true(rare_event_concerns(RARE_SYNC_FAILED, "whatever"));
    assert_false(rare_event_concerns(RARE_LOG_CUT, "cluster"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_digest),
        cmocka_unit_test(another_seed_gives_another_digest),
        cmocka_unit_test(a_few_seeds_are_clean_and_did_something),
        cmocka_unit_test(a_fault_left_out_leaves_the_others_as_they_were),
        cmocka_unit_test(rare_events_are_counted_against_their_minima),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
