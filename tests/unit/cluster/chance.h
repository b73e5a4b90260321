/* SPDX-License-Identifier: BSD-3-Clause */
/* What a random test draws. One sequence per world: chance_begin with its seed comes first. */
#ifndef LARDER_TESTS_UNIT_CLUSTER_CHANCE_H
#define LARDER_TESTS_UNIT_CLUSTER_CHANCE_H

#include "base/random.h"

#include <stdbool.h>

static struct random chance_random;

static inline void chance_begin(uint64_t seed) {
    chance_random = random_seeded(seed);
}

/* 0 to bound - 1. */
static inline uint64_t draw(uint64_t bound) {
    return random_below(&chance_random, bound);
}

static inline bool chance(unsigned per_cent) {
    return draw(100) < per_cent;
}

#endif
