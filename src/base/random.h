/* SPDX-License-Identifier: BSD-3-Clause */
/* Seeded pseudo-random numbers: the caller holds the state and supplies the seed, so everything
 * that draws from it can be replayed. splitmix64 (Steele, Lea, Flood 2014). Not for secrets. */
#ifndef LARDER_BASE_RANDOM_H
#define LARDER_BASE_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state;
};

static inline struct random random_seeded(uint64_t seed) {
    return (struct random){.state = seed};
}

static inline uint64_t random_next(struct random *random) {
    uint64_t z = random->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Uniform in [0, bound) by multiplication (Lemire 2018), bias below 2^-32; bound > 0. */
static inline uint64_t random_below(struct random *random, uint64_t bound) {
    __extension__ unsigned __int128 wide = (unsigned __int128)random_next(random) * bound;
    return (uint64_t)(wide >> 64);
}

#endif
