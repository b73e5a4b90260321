/* SPDX-License-Identifier: BSD-3-Clause */
/* Bucket of v: with s = the number of bits of v beyond 7, bucket = 64 * s + (v >> s). The shifted
 * value lies in 64..127 for every s > 0, so the buckets of one power of two follow those of the
 * last. */
#include "histogram.h"

#include <string.h>

void histogram_init(struct histogram *h) {
    memset(h, 0, sizeof(*h));
}

static unsigned bucket_shift(uint64_t duration_ns) {
    return duration_ns < 2 * HISTOGRAM_LINEAR ? 0 : 57U - (unsigned)__builtin_clzll(duration_ns);
}

void histogram_record(struct histogram *h, uint64_t duration_ns, uint64_t count) {
    unsigned shift = bucket_shift(duration_ns);
    uint64_t bucket = (uint64_t)HISTOGRAM_LINEAR * shift + (duration_ns >> shift);
    if (bucket >= HISTOGRAM_BUCKETS)
        bucket = HISTOGRAM_BUCKETS - 1;
    h->buckets[bucket] += count;
    h->count += count;
    if (count > 0 && duration_ns > h->max_ns)
        h->max_ns = duration_ns;
}

static uint64_t bucket_last_value(uint64_t bucket) {
    if (bucket < 2 * HISTOGRAM_LINEAR)
        return bucket;
    uint64_t shift = bucket / HISTOGRAM_LINEAR - 1;
    uint64_t start = bucket - HISTOGRAM_LINEAR * shift;
    return ((start + 1) << shift) - 1;
}

uint64_t histogram_percentile(const struct histogram *h, double fraction) {
    uint64_t wanted = (uint64_t)(fraction * (double)h->count + 0.5);
    if (wanted == 0)
        wanted = 1;
    uint64_t seen = 0;
    for (uint64_t bucket = 0; bucket < HISTOGRAM_BUCKETS - 1; bucket++) {
        seen += h->buckets[bucket];
        if (seen >= wanted) {
            uint64_t value = bucket_last_value(bucket);
            return value < h->max_ns ? value : h->max_ns;
        }
    }
    return h->max_ns;
}
