/* SPDX-License-Identifier: BSD-3-Clause */
/* Log-linear histogram of durations: each power of two is cut into 64 equal buckets, so a
 * percentile is at most 1/64 too high. The maximum is kept exactly. Not thread-safe.
 *
 *   bucket   0 .. 127        one nanosecond each
 *            128 .. 191      two nanoseconds each (128 .. 255 ns)
 *            ...             64 buckets per further power of two
 */
#ifndef LARDER_BENCH_HISTOGRAM_H
#define LARDER_BENCH_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_LINEAR = 64, HISTOGRAM_BUCKETS = HISTOGRAM_LINEAR * 38 };

struct histogram {
    uint64_t count;
    uint64_t max_ns;
    uint64_t
        buckets[HISTOGRAM_BUCKETS]; /* the last takes everything beyond its range (2.4 hours) */
};

void histogram_init(struct histogram *h);

/* Record `count` events that each took `duration_ns`. */
void histogram_record(struct histogram *h, uint64_t duration_ns, uint64_t count);

/* The duration that `fraction` (0 to 1) of the events did not exceed; 0 when nothing was recorded.
 * Never less than the true value, at most 1/64 more, never above max_ns. */
uint64_t histogram_percentile(const struct histogram *h, double fraction);

#endif
