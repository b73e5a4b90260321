/* SPDX-License-Identifier: BSD-3-Clause */
/* Seeded random numbers for load and traces: splitmix64 (a Weyl sequence through a 64-bit
 * finalizer) and Zipf-distributed ranks. Same seed, same numbers, on every machine. Not
 * thread-safe. */
#ifndef LARDER_BENCH_RANDOM_SOURCE_H
#define LARDER_BENCH_RANDOM_SOURCE_H

#include <stdint.h>

struct random_source {
    uint64_t state; /* the seed; any value will do */
};

static inline uint64_t random_mix(uint64_t x) {
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static inline uint64_t random_next(struct random_source *r) {
    r->state += UINT64_C(0x9e3779b97f4a7c15);
    return random_mix(r->state);
}

/* Scale a 64-bit number to 0 .. limit-1. */
static inline uint64_t random_scale(uint64_t x, uint64_t limit) {
    return (uint64_t)(((unsigned __int128)x * limit) >> 64);
}

static inline uint64_t random_below(struct random_source *r, uint64_t limit) {
    return random_scale(random_next(r), limit);
}

/* In [0, 1), 53 random bits. */
static inline double random_unit(struct random_source *r) {
    return (double)(random_next(r) >> 11) * 0x1p-53;
}

/* Ranks 1..n with probability proportional to rank^-exponent, by rejection from an inverted
 * integral (W. Hoermann, G. Derflinger, "Rejection-inversion to generate variates from monotone
 * discrete distributions", 1996): constant time and no table, whatever n is. */
struct zipf {
    uint64_t n;
    double exponent; /* > 0; 1 is allowed */
    double area_start;
    double area_end;
    double always_accept;
};

void zipf_init(struct zipf *z, uint64_t n, double exponent);
uint64_t zipf_next(const struct zipf *z, struct random_source *r);

#endif
