/* SPDX-License-Identifier: BSD-3-Clause */
/* The clocks of one machine as functions of true time: a boot clock that drifts but never runs
 * back, and a wall clock that may also be set to anything. Microseconds. */
#ifndef LARDER_TESTS_SIM_CLOCK_H
#define LARDER_TESTS_SIM_CLOCK_H

#include <stdint.h>

enum { SIM_DRIFT_MAX_PPM = 50000 }; /* what the protocol allows: 5 % */

/* What a right wall clock shows when a world begins. */
#define SIM_WALL_EPOCH_US INT64_C(1700000000000000)

struct sim_clock {
    int64_t since_us;  /* true time of the last change */
    int64_t boot_us;   /* the boot clock then */
    int64_t drift_ppm; /* it gains this much from then on */
    int64_t wall_us;   /* wall clock less boot clock */
};

static inline int64_t clock_boot_us(const struct sim_clock *clock, int64_t true_us) {
    int64_t passed = true_us - clock->since_us;
    return clock->boot_us + passed + passed * clock->drift_ppm / 1000000;
}

static inline int64_t clock_wall_us(const struct sim_clock *clock, int64_t true_us) {
    return clock_boot_us(clock, true_us) + clock->wall_us;
}

/* True time at which the boot clock shows `boot_us`, to a few microseconds. */
static inline int64_t clock_true_us(const struct sim_clock *clock, int64_t boot_us) {
    int64_t shown = boot_us - clock->boot_us;
    return clock->since_us + shown - shown * clock->drift_ppm / (1000000 + clock->drift_ppm);
}

static inline void clock_set_drift(struct sim_clock *clock, int64_t true_us, int64_t drift_ppm) {
    clock->boot_us = clock_boot_us(clock, true_us);
    clock->since_us = true_us;
    clock->drift_ppm = drift_ppm;
}

static inline void clock_jump_wall(struct sim_clock *clock, int64_t by_us) {
    clock->wall_us += by_us;
}

#endif
