/* SPDX-License-Identifier: BSD-3-Clause */
/* Detection in virtual milliseconds: A observes B and C; ticks every 10, heartbeats every 50. */
#include "cluster/failure_detector.h"

#include "unit/cluster/golden.h"

enum { B = 2, C = 3 };

static struct failure_detector *detector;
static int64_t now_ms;

static int begin(void **state) {
    (void)state;
    now_ms = 1000;
    struct failure_detector_options options = {0};
    assert_int_equal(
        failure_detector_create(&options, 2, now_ms * 1000, &ALLOCATOR_SYSTEM, &detector),
        LARDER_OK);
    assert_true(failure_detector_watch(detector, B, 1, now_ms * 1000));
    assert_true(failure_detector_watch(detector, C, 1, now_ms * 1000));
    assert_false(failure_detector_watch(detector, 4, 1, now_ms * 1000));
    return 0;
}

static int end(void **state) {
    (void)state;
    failure_detector_destroy(detector);
    return 0;
}

/* Time passes; those named send heartbeats. */
static void run(int64_t until_ms, bool hears_b, bool hears_c, int64_t every_ms) {
    while (now_ms < until_ms) {
        now_ms += 10;
        failure_detector_tick(detector, now_ms * 1000);
        if (hears_b && now_ms % every_ms == 0)
            failure_detector_heard(detector, B, 1, now_ms * 1000);
        if (hears_c && now_ms % every_ms == 0)
            failure_detector_heard(detector, C, 1, now_ms * 1000);
    }
}

static bool suspects(uint32_t member) {
    return failure_detector_suspects(detector, member, now_ms * 1000);
}

static bool confirms(uint32_t member, uint32_t reporting, uint32_t others) {
    return failure_detector_confirms(detector, member, reporting, others, now_ms * 1000);
}

static void silence_is_suspected_after_350_ms(void **state) {
    (void)state;
    run(3000, true, true, 50);
    run(3340, false, true, 50);
    assert_false(suspects(B));
    run(3350, false, true, 50);
    assert_true(suspects(B));
    assert_false(suspects(C));
}

static void an_uneven_rhythm_gets_more_patience_up_to_the_timeout(void **state) {
    (void)state;
    run(9000, true, true, 300);
    run(9350, false, true, 300);
    assert_false(suspects(B));
    run(12000, false, true, 300);
    assert_true(suspects(B));
}

static void an_outage_is_not_taken_for_a_rhythm(void **state) {
    (void)state;
    run(3000, false, true, 50); /* not even the first gap */
    run(4000, true, true, 50);
    run(7000, false, true, 50);
    run(8000, true, true, 50);
    run(8340, false, true, 50);
    assert_false(suspects(B));
    run(8400, false, true, 50);
    assert_true(suspects(B));
}

static void others_confirm_or_the_timeout_does(void **state) {
    (void)state;
    run(3000, true, true, 50);
    run(3400, false, true, 50);
    assert_false(confirms(B, 0, 3)); /* five members: the coordinator and two more */
    assert_false(confirms(B, 1, 3));
    assert_true(confirms(B, 2, 3));
    run(5000, false, true, 50);
    assert_true(confirms(B, 0, 3));
    assert_false(confirms(C, 3, 3));
}

static void a_refused_connection_is_evidence_after_30_ms(void **state) {
    (void)state;
    run(3000, true, true, 50);
    failure_detector_refused(detector, B, now_ms * 1000);
    run(3020, false, true, 50);
    assert_false(suspects(B));
    run(3030, false, true, 50);
    assert_true(confirms(B, 0, 3));
    failure_detector_heard(detector, B, 1, now_ms * 1000);
    assert_false(suspects(B));
}

static void an_observer_that_stood_still_accuses_nobody(void **state) {
    (void)state;
    run(3000, true, true, 50);
    now_ms += 5000;
    failure_detector_tick(detector, now_ms * 1000);
    assert_false(suspects(B));
    run(now_ms + 300, false, false, 50);
    assert_false(suspects(B));
    run(now_ms + 50, false, false, 50);
    assert_true(suspects(B));
}

static void heartbeats_of_an_older_process_do_not_count(void **state) {
    (void)state;
    assert_true(failure_detector_watch(detector, B, 2, now_ms * 1000));
    run(1400, true, true, 50);
    assert_true(suspects(B));
}

static void who_flaps_leads_nothing_for_longer_and_longer(void **state) {
    (void)state;
    static const int64_t CALM_MS[] = {10000, 20000, 40000, 80000, 160000, 300000, 300000};
    assert_true(failure_detector_may_lead(detector, B, now_ms * 1000));
    for (size_t i = 0; i < sizeof(CALM_MS) / sizeof(CALM_MS[0]); i++) {
        failure_detector_failed(detector, B, now_ms * 1000);
        now_ms += CALM_MS[i] - 1;
        assert_false(failure_detector_may_lead(detector, B, now_ms * 1000));
        now_ms += 1;
        assert_true(failure_detector_may_lead(detector, B, now_ms * 1000));
    }
    now_ms += 300000;
    failure_detector_failed(detector, B, now_ms * 1000);
    now_ms += 10000;
    assert_true(failure_detector_may_lead(detector, B, now_ms * 1000));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(silence_is_suspected_after_350_ms),
        TEST(an_uneven_rhythm_gets_more_patience_up_to_the_timeout),
        TEST(an_outage_is_not_taken_for_a_rhythm),
        TEST(others_confirm_or_the_timeout_does),
        TEST(a_refused_connection_is_evidence_after_30_ms),
        TEST(an_observer_that_stood_still_accuses_nobody),
        TEST(heartbeats_of_an_older_process_do_not_count),
        TEST(who_flaps_leads_nothing_for_longer_and_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
