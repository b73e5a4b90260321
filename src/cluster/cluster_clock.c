/* SPDX-License-Identifier: BSD-3-Clause */
/* The wall clock is remembered as its distance from the running clock, so that between two samples
 * there is a wall clock to slew to as well. */
#include "cluster/cluster_clock.h"

#include "cluster/mutants.h"

static int64_t clamp(int64_t value, int64_t low, int64_t high) {
    if (value < low)
        return low;
    return value > high ? high : value;
}

void cluster_clock_sample(struct cluster_clock *c, int64_t now_us, int64_t wall_us,
                          int64_t median_wall_us) {
    (void)cluster_clock_now(c, now_us); /* until now the former distance held */
    int64_t near_us = clamp(wall_us, median_wall_us - CLUSTER_CLOCK_MEDIAN_US,
                            median_wall_us + CLUSTER_CLOCK_MEDIAN_US);
    if (CLUSTER_MUTATED(MUTANT_CLOCK_IGNORES_MEDIAN))
        near_us = wall_us;
    c->offset_us = near_us - now_us;
    c->has_sample = true;
}

void cluster_clock_note(struct cluster_clock *c, int64_t time_us) {
    if (time_us > c->replicated_us)
        c->replicated_us = time_us;
}

void cluster_clock_begin(struct cluster_clock *c, int64_t now_us) {
    int64_t wall_us = now_us + c->offset_us;
    c->time_us = wall_us > c->replicated_us || CLUSTER_MUTATED(MUTANT_CLOCK_RUNS_BACK)
                     ? wall_us
                     : c->replicated_us;
    c->at_us = now_us;
    c->is_running = true;
}

void cluster_clock_end(struct cluster_clock *c) {
    c->is_running = false;
}

int64_t cluster_clock_now(struct cluster_clock *c, int64_t now_us) {
    if (!c->is_running)
        return c->replicated_us;
    int64_t elapsed_us = now_us - c->at_us;
    if (elapsed_us <= 0)
        return c->time_us;
    int64_t slew_us = elapsed_us * CLUSTER_CLOCK_SLEW_PERCENT / 100;
    int64_t error_us = now_us + c->offset_us - (c->time_us + elapsed_us);
    if (CLUSTER_MUTATED(MUTANT_CLOCK_STEPS))
        slew_us = INT64_MAX / 4;
    c->time_us += elapsed_us + clamp(error_us, -slew_us, slew_us);
    c->at_us = now_us;
    return c->time_us;
}
