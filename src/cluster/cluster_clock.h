/* SPDX-License-Identifier: BSD-3-Clause */
/* The time of one partition: what expiry, sessions and lock tokens go by. The primary makes it,
 * each record carries it to the others.
 *
 *      term begins:  max(newest replicated time, wall clock, but near the members' median)
 *      within it:    the clock that counts suspends, slewed towards the wall clock by at most 5 %
 *
 * So it never runs back: not within a term, and not at its beginning, because a new primary has all
 * records that were committed. A wall clock that is set, or wrong, moves it slowly or by a second.
 * Microseconds. Pure; one thread. */
#ifndef LARDER_CLUSTER_CLUSTER_CLOCK_H
#define LARDER_CLUSTER_CLUSTER_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum {
    CLUSTER_CLOCK_SLEW_PERCENT = 5,
    CLUSTER_CLOCK_MEDIAN_US = 1000000, /* a wall clock counts as at most this far from the median */
};

/* All zero: nothing replicated, no wall clock seen, not running. */
struct cluster_clock {
    int64_t replicated_us; /* newest time of a record */
    bool has_sample;
    int64_t offset_us; /* wall clock, near the median, less the machine's running clock */
    bool is_running;   /* this member is the primary */
    int64_t time_us;   /* running: it was this ... */
    int64_t at_us;     /* ... at this moment of the machine's clock */
};

/* What the clocks show: of this machine, and the median of the members'. Every tick. */
void cluster_clock_sample(struct cluster_clock *clock, int64_t now_us, int64_t wall_us,
                          int64_t median_wall_us);
/* A record with this time was executed or applied. */
void cluster_clock_note(struct cluster_clock *clock, int64_t time_us);
/* A term begins at this member, all records of older ones are noted. Needs a sample. */
void cluster_clock_begin(struct cluster_clock *clock, int64_t now_us);
void cluster_clock_end(struct cluster_clock *clock);
/* The time now. Not running: the newest replicated. */
int64_t cluster_clock_now(struct cluster_clock *clock, int64_t now_us);

#endif
