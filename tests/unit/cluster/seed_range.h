/* SPDX-License-Identifier: BSD-3-Clause */
/* The seeds of a test that runs many small worlds: from LARDER_TEST_SEED (1) on, LARDER_TEST_SEEDS
 * of them, or as many as the test takes in a few seconds. */
#ifndef LARDER_TESTS_UNIT_CLUSTER_SEED_RANGE_H
#define LARDER_TESTS_UNIT_CLUSTER_SEED_RANGE_H

#include <stdint.h>
#include <stdlib.h>

struct seed_range {
    uint64_t first, count;
};

static inline uint64_t seed_setting(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static inline struct seed_range seed_range(uint64_t count) {
    return (struct seed_range){seed_setting("LARDER_TEST_SEED", 1),
                               seed_setting("LARDER_TEST_SEEDS", count)};
}

#endif
