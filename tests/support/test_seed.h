/* SPDX-License-Identifier: BSD-3-Clause */
/* The seed of a randomised test: LARDER_TEST_SEED, or a fixed one, so that a run of all tests is
 * the same every time; it is printed. Other seeds are for long runs: for s in $(seq 1000); do
 * LARDER_TEST_SEED=$s build/asan/bin/test_set_model; done. */
#ifndef LARDER_TESTS_TEST_SEED_H
#define LARDER_TESTS_TEST_SEED_H

#include <stdint.h>

uint64_t test_seed(const char *test_name);

#endif
