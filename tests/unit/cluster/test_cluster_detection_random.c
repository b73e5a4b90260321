/* SPDX-License-Identifier: BSD-3-Clause */
/* The failure detector beside a naive model that keeps the whole history: when it was called, what
 * it heard, what was refused. Peers fall silent, come back as other processes and send late frames
 * of former ones; the observer is late or stands still. After each event every judgement about
 * every peer must be the model's. */
#include "cluster/failure_detector.h"

#include "unit/cluster/chance.h"
#include "unit/cluster/golden.h"
#include "unit/cluster/seed_range.h"

enum { PEERS = 4, STEPS = 600, TICK_US = 10000, LATE_US = 30000, LEAST_US = 350000 };

struct model_peer {
    bool is_watched, is_silent;
    uint64_t incarnation;
    int64_t heard_us, refused_us; /* INT64_MAX: not refused */
    int64_t rhythm_us, unevenness_us;
    int64_t calm_until_us;
    int64_t failed_us[STEPS];
    uint32_t failure_count;
};

static struct test {
    uint64_t seed;
    struct failure_detector *detector;
    int64_t now_us, created_us;
    int64_t ticks[STEPS + 1]; /* the first is when it was created */
    uint32_t tick_count;
    int64_t most_us, calm_us;
    struct model_peer peers[PEERS + 1]; /* by number */
    uint64_t suspected, stalls, confirmed, unconfirmed;
} test;

/* ---- the model ---- */

/* How much of the time between two calls was the observer's fault. */
static int64_t own_fault_us(uint32_t tick) {
    int64_t late_us = test.ticks[tick] - test.ticks[tick - 1] - TICK_US;
    return late_us > LATE_US ? late_us : 0;
}

/* Time since then in which the observer could hear. */
static int64_t attentive_since_us(int64_t since_us) {
    int64_t us = test.now_us - test.ticks[test.tick_count - 1];
    if (since_us > test.ticks[test.tick_count - 1])
        us = test.now_us - since_us;
    for (uint32_t i = test.tick_count - 1; i > 0 && test.ticks[i] >= since_us; i--) {
        int64_t from_us = test.ticks[i - 1] > since_us ? test.ticks[i - 1] : since_us;
        int64_t heard_us = test.ticks[i] - from_us - own_fault_us(i);
        us += heard_us > 0 ? heard_us : 0;
    }
    return us;
}

/* Evidence is as old as the last time that the observer stood still, at most. */
static bool model_is_gone(const struct model_peer *p) {
    int64_t since_us = p->refused_us;
    for (uint32_t i = 1; i < test.tick_count; i++)
        if (own_fault_us(i) > 0 && test.ticks[i] > since_us)
            since_us = test.ticks[i];
    return p->refused_us != INT64_MAX && test.now_us - since_us >= 30000;
}

static int64_t model_patience_us(const struct model_peer *p) {
    int64_t us = p->rhythm_us + 6 * p->unevenness_us;
    if (us < LEAST_US)
        us = LEAST_US;
    return us > test.most_us ? test.most_us : us;
}

static bool model_suspects(const struct model_peer *p) {
    return model_is_gone(p) || attentive_since_us(p->heard_us) >= model_patience_us(p);
}

static bool model_confirms(const struct model_peer *p, uint32_t reporting, uint32_t others) {
    uint32_t accusers = reporting + 1, half = (others + 3) / 2;
    return model_suspects(p) && (model_is_gone(p) || accusers >= half ||
                                 attentive_since_us(p->heard_us) >= test.most_us);
}

/* Doubled by each failure that came soon after the calm of the one before. */
static void model_fail(struct model_peer *p) {
    static const int64_t MOST_US = 300000000;
    uint32_t row = 1;
    int64_t calm_us = test.calm_us;
    p->failed_us[p->failure_count++] = test.now_us;
    int64_t end_us = INT64_MIN;
    for (uint32_t i = 0; i < p->failure_count; i++) {
        row = end_us != INT64_MIN && p->failed_us[i] < end_us + MOST_US ? row + 1 : 1;
        calm_us = test.calm_us;
        for (uint32_t k = 1; k < row && calm_us < MOST_US; k++)
            calm_us *= 2;
        end_us = p->failed_us[i] + (calm_us < MOST_US ? calm_us : MOST_US);
    }
    p->calm_until_us = end_us;
}

/* ---- what happens ---- */

static void hear(uint32_t number, uint64_t incarnation) {
    struct model_peer *p = &test.peers[number];
    failure_detector_heard(test.detector, number, incarnation, test.now_us);
    if (!p->is_watched || incarnation != p->incarnation)
        return;
    /* the gap that counts is the one in which the observer could hear, and no outage */
    int64_t gap_us = attentive_since_us(p->heard_us);
    if (gap_us > 2 * model_patience_us(p))
        gap_us = 2 * model_patience_us(p);
    int64_t off_us = gap_us > p->rhythm_us ? gap_us - p->rhythm_us : p->rhythm_us - gap_us;
    p->rhythm_us += (gap_us - p->rhythm_us) / 8;
    p->unevenness_us += (off_us - p->unevenness_us) / 8;
    p->heard_us = test.now_us;
    p->refused_us = INT64_MAX;
}

static void watch(uint32_t number, uint64_t incarnation) {
    struct model_peer *p = &test.peers[number];
    assert_true(failure_detector_watch(test.detector, number, incarnation, test.now_us));
    if (p->is_watched && p->incarnation == incarnation)
        return;
    p->is_watched = true;
    p->incarnation = incarnation;
    p->heard_us = test.now_us;
    p->refused_us = INT64_MAX;
    p->rhythm_us = LEAST_US / 8;
    p->unevenness_us = 0;
}

static void tick(void) {
    failure_detector_tick(test.detector, test.now_us);
    test.ticks[test.tick_count++] = test.now_us;
}

static void pass_time(void) {
    int64_t us = chance(90) ? TICK_US + (int64_t)draw(5000) : TICK_US + (int64_t)draw(2 * LATE_US);
    if (chance(2)) {
        us = (int64_t)draw(5000000);
        test.stalls++;
    }
    test.now_us += us;
    tick();
}

static void happen_to(uint32_t number) {
    struct model_peer *p = &test.peers[number];
    if (chance(3))
        p->is_silent = !p->is_silent;
    if (!p->is_silent && chance(20))
        hear(number, p->incarnation);
    if (chance(5))
        hear(number, p->incarnation - 1); /* late, of the former process */
    if (p->is_silent && chance(3)) {
        failure_detector_refused(test.detector, number, test.now_us);
        p->refused_us = p->refused_us == INT64_MAX ? test.now_us : p->refused_us;
    }
    if (chance(1) && model_suspects(p)) {
        failure_detector_failed(test.detector, number, test.now_us);
        model_fail(p);
        watch(number, p->incarnation + 1);
        p->is_silent = p->is_silent && chance(50);
    }
}

static void require(bool is_right, uint32_t step, const char *what) {
    if (!is_right)
        fail_msg("LARDER_TEST_SEED=%llu, step %u: %s", (unsigned long long)test.seed, step, what);
}

static void compare(uint32_t step, uint32_t number) {
    const struct model_peer *p = &test.peers[number];
    const struct failure_detector *d = test.detector;
    uint32_t others = (uint32_t)draw(6), reporting = (uint32_t)draw(others + 1);
    bool is_suspect = model_suspects(p), is_confirmed = model_confirms(p, reporting, others);
    require(failure_detector_is_gone(d, number, test.now_us) == model_is_gone(p), step,
            "whether the process is gone");
    require(failure_detector_suspects(d, number, test.now_us) == is_suspect, step,
            "whether it is suspected");
    require(failure_detector_confirms(d, number, reporting, others, test.now_us) == is_confirmed,
            step, "whether that is enough");
    require(failure_detector_may_lead(d, number, test.now_us) == (test.now_us >= p->calm_until_us),
            step, "whether it may lead");
    test.suspected += is_suspect;
    test.confirmed += is_confirmed;
    test.unconfirmed += is_suspect && !is_confirmed;
}

static void run(uint64_t seed) {
    test.seed = seed;
    chance_begin(seed);
    test.now_us = 1 + (int64_t)draw(1000000);
    test.most_us = 500000 * (1 + (int64_t)draw(4));
    test.calm_us = 100000 << draw(8);
    test.ticks[0] = test.now_us;
    test.tick_count = 1;
    const struct failure_detector_options options = {.most_us = test.most_us,
                                                     .calm_us = test.calm_us};
    assert_int_equal(
        failure_detector_create(&options, PEERS, test.now_us, &ALLOCATOR_SYSTEM, &test.detector),
        LARDER_OK);
    for (uint32_t n = 1; n <= PEERS; n++) {
        test.peers[n] = (struct model_peer){.calm_until_us = INT64_MIN};
        watch(n, 10);
    }
    for (uint32_t step = 0; step < STEPS - 1; step++) {
        pass_time();
        for (uint32_t n = 1; n <= PEERS; n++) {
            happen_to(n);
            compare(step, n);
        }
    }
    failure_detector_destroy(test.detector);
}

static void judgements_are_those_of_the_whole_history(void **state) {
    (void)state;
    struct seed_range seeds = seed_range(200);
    for (uint64_t i = 0; i < seeds.count; i++)
        run(seeds.first + i);
    print_message("%llu suspected, %llu confirmed, %llu not, %llu stalls\n",
                  (unsigned long long)test.suspected, (unsigned long long)test.confirmed,
                  (unsigned long long)test.unconfirmed, (unsigned long long)test.stalls);
    assert_true(test.confirmed > 0 && test.unconfirmed > 0 && test.stalls > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judgements_are_those_of_the_whole_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
