/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/test_seed.h"

#include <stdio.h>
#include <stdlib.h>

enum { SEED_DEFAULT = 20260101 };

uint64_t test_seed(const char *test_name) {
    const char *given = getenv("LARDER_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : SEED_DEFAULT;
    printf("%s: LARDER_TEST_SEED=%llu\n", test_name, (unsigned long long)seed);
    return seed;
}
