/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of effects and of memory run of these commands. */
#ifndef LARDER_TESTS_WORKLOAD_SET_H
#define LARDER_TESTS_WORKLOAD_SET_H

/* Templates of test_effect_replay.c, each ended by a comma. */
#define SET_EFFECT_WORKLOAD

/* Lines that prepare the keys which the lines of test_command_memory.c use, and these lines, each
 * ended by a comma. */
#define SET_MEMORY_PREPARATION
#define SET_MEMORY_WORKLOAD

#endif
