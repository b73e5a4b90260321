/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of effects and of memory run of these commands. */
#ifndef LARDER_TESTS_WORKLOAD_SORT_H
#define LARDER_TESTS_WORKLOAD_SORT_H

/* Templates of test_effect_replay.c, each ended by a comma. */
#define SORT_EFFECT_WORKLOAD                                                                       \
    "SORT $k ALPHA STORE $k", "SORT $k BY nosort GET # STORE $k",                                  \
        "SORT $k ALPHA DESC LIMIT 1 5 STORE $k", "SORT $k ALPHA",

/* Lines that prepare the keys which the lines of test_command_memory.c use, and these lines, each
 * ended by a comma. */
#define SORT_MEMORY_PREPARATION
#define SORT_MEMORY_WORKLOAD                                                                       \
    "SORT list ALPHA", "SORT list ALPHA BY nosort GET # GET s",                                    \
        "SORT list ALPHA BY * GET * GET #", "SORT tall ALPHA DESC LIMIT 1 3",                      \
        "SORT_RO list BY list_* GET list_*", "SORT none", "SORT list ALPHA STORE n",               \
        "SORT tall ALPHA GET # GET s STORE one",

#endif
