/* SPDX-License-Identifier: BSD-3-Clause */
/* The checker of lock histories against histories whose verdict is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "sim/lock_history.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define GRANT(call, end, token, hold)                                                              \
    { LOCK_GRANT, call, end, token, hold, 0, false }
#define RENEW(call, end, token, hold)                                                              \
    { LOCK_RENEW, call, end, token, hold, 0, false }
#define RELEASE(call, end, token)                                                                  \
    { LOCK_RELEASE, call, end, token, 0, 0, false }
#define FORCE(call, end)                                                                           \
    { LOCK_FORCE, call, end, 0, 0, 0, false }
#define WRITE(call, end, token, key, stale)                                                        \
    { LOCK_WRITE, call, end, token, 0, key, stale }
#define NEVER INT64_MAX

static const char *verdict_of(const struct lock_event *events, size_t count) {
    size_t first, second;
    return lock_history_check(
        events, count, &(struct lock_history_options){.checks_time = true, .drift_ppm = 50000},
        &first, &second);
}

#define ASSERT_GOOD(...)                                                                           \
    do {                                                                                           \
        const struct lock_event history[] = {__VA_ARGS__};                                         \
        const char *wrong = verdict_of(history, COUNT_OF(history));                                \
        if (wrong != NULL)                                                                         \
            fail_msg("%s", wrong);                                                                 \
    } while (0)
#define ASSERT_BAD(text, ...)                                                                      \
    do {                                                                                           \
        const struct lock_event history[] = {__VA_ARGS__};                                         \
        const char *wrong = verdict_of(history, COUNT_OF(history));                                \
        assert_non_null(wrong);                                                                    \
        assert_string_equal(wrong, text);                                                          \
    } while (0)

static void holders_one_after_the_other_are_right(void **state) {
    (void)state;
    ASSERT_GOOD(GRANT(0, 10, 1, 1000), WRITE(20, 30, 1, 7, false), RELEASE(40, 50, 1),
                GRANT(60, 70, 2, 1000), WRITE(80, 90, 2, 7, false));
    /* asked while it was held, given when it was released */
    ASSERT_GOOD(GRANT(0, 10, 1, 1000), GRANT(5, 60, 2, 1000), RELEASE(40, 50, 1));
    /* expired */
    ASSERT_GOOD(GRANT(0, 10, 1, 1000), GRANT(20, 990, 5, 1000), WRITE(1000, 1010, 5, 7, false),
                WRITE(1020, 1030, 1, 7, true));
}

static void a_token_given_twice_is_noticed(void **state) {
    (void)state;
    ASSERT_BAD("a token was given twice", GRANT(0, 10, 1, 5), GRANT(100, 110, 1, 5));
}

static void a_token_that_runs_back_is_noticed(void **state) {
    (void)state;
    ASSERT_BAD("a later grant has an older token", GRANT(0, 10, 9, 5), GRANT(100, 110, 8, 5));
    /* they overlapped: either may have come first */
    ASSERT_GOOD(GRANT(0, 110, 9, 5), GRANT(100, 110, 8, 5));
}

static void a_write_with_an_old_token_is_noticed(void **state) {
    (void)state;
    ASSERT_BAD("a write with an older token followed one with a newer", WRITE(0, 10, 2, 7, false),
               WRITE(20, 30, 1, 7, false));
    ASSERT_GOOD(WRITE(0, 10, 2, 7, false), WRITE(20, 30, 1, 8, false));
    ASSERT_GOOD(WRITE(0, 25, 2, 7, false), WRITE(20, 30, 1, 7, false));
    /* what the second did is not known: it may have been refused */
    ASSERT_GOOD(WRITE(0, 10, 2, 7, false), WRITE(20, NEVER, 1, 7, false));
}

static void a_refusal_without_reason_is_noticed(void **state) {
    (void)state;
    ASSERT_BAD("a write was refused as stale and no newer token was used",
               WRITE(0, 10, 2, 7, true));
    ASSERT_BAD("a write was refused as stale and no newer token was used", WRITE(0, 10, 2, 7, true),
               WRITE(20, 30, 3, 7, false));
    ASSERT_GOOD(WRITE(5, NEVER, 3, 7, false), WRITE(0, 10, 2, 7, true));
}

static void two_holders_at_once_are_noticed(void **state) {
    (void)state;
    ASSERT_BAD("the lock was given away while its holder counted on it", GRANT(0, 10, 1, 1000),
               GRANT(20, 800, 2, 1000));
    ASSERT_BAD("the lock was given away while its holder counted on it", GRANT(0, 10, 1, 1000),
               RENEW(700, 710, 1, 1000), GRANT(20, 1500, 2, 1000));
    /* a renewal that is not known to have worked is not counted on, nor is one that came late */
    ASSERT_GOOD(GRANT(0, 10, 1, 1000), RENEW(700, NEVER, 1, 1000), GRANT(20, 1500, 2, 1000));
    ASSERT_GOOD(GRANT(0, 10, 1, 1000), RENEW(700, 950, 1, 1000), GRANT(20, 1500, 2, 1000));
    ASSERT_GOOD(GRANT(0, 10, 1, 1000), FORCE(100, 110), GRANT(20, 120, 2, 1000));
    /* one that has ended does not count, one that may come again does */
    ASSERT_BAD("the lock was given away while its holder counted on it", FORCE(0, 10),
               GRANT(20, 30, 1, 1000), GRANT(100, 120, 2, 1000));
    ASSERT_GOOD(FORCE(0, NEVER), GRANT(20, 30, 1, 1000), GRANT(100, 120, 2, 1000));
    ASSERT_GOOD(GRANT(0, 10, 1, 1000), RELEASE(100, NEVER, 1), GRANT(20, 120, 2, 1000));
}

/* A real lock, played: its histories are right; with one token changed most are not. */
static void what_a_real_lock_did_is_right_until_it_is_changed(void **state) {
    (void)state;
    struct lock_event history[120];
    size_t noticed = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct random random = random_seeded(seed);
        uint64_t token = 0, newest_written = 0;
        int64_t now = 0;
        for (size_t i = 0; i < COUNT_OF(history); i += 3) {
            token += 1 + random_below(&random, 3);
            now += 2000;
            history[i] = (struct lock_event)GRANT(now, now + 50, token, 1000);
            uint64_t used = random_below(&random, 4) == 0 && token > 4 ? token - 4 : token;
            bool is_stale = used < newest_written;
            history[i + 1] = (struct lock_event)WRITE(now + 60, now + 90, used, 1, is_stale);
            if (used > newest_written)
                newest_written = used;
            history[i + 2] = (struct lock_event)RELEASE(now + 100, now + 110, token);
        }
        const char *wrong = verdict_of(history, COUNT_OF(history));
        if (wrong != NULL)
            fail_msg("seed %llu: %s", (unsigned long long)seed, wrong);
        size_t broken = 3 * (1 + random_below(&random, COUNT_OF(history) / 3 - 1));
        history[broken].token = history[broken - 3].token - random_below(&random, 2);
        noticed += verdict_of(history, COUNT_OF(history)) != NULL;
    }
    assert_int_equal(noticed, 200);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holders_one_after_the_other_are_right),
        cmocka_unit_test(a_token_given_twice_is_noticed),
        cmocka_unit_test(a_token_that_runs_back_is_noticed),
        cmocka_unit_test(a_write_with_an_old_token_is_noticed),
        cmocka_unit_test(a_refusal_without_reason_is_noticed),
        cmocka_unit_test(two_holders_at_once_are_noticed),
        cmocka_unit_test(what_a_real_lock_did_is_right_until_it_is_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
