/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of effects and of memory run of these commands. */
#ifndef LARDER_TESTS_WORKLOAD_HYPERLOGLOG_H
#define LARDER_TESTS_WORKLOAD_HYPERLOGLOG_H

/* Templates of test_effect_replay.c, each ended by a comma. */
#define HYPERLOGLOG_EFFECT_WORKLOAD                                                                \
    "PFADD $k", "PFADD $k $v", "PFADD $k $v $v $v $i", "PFADD $k $l $i $v", "PFCOUNT $k",          \
        "PFCOUNT $k $k", "PFMERGE $k", "PFMERGE $k $k", "PFMERGE $k $k $k", "PFDEBUG TODENSE $k",  \
        "PFADD {a}1 $v $i", "PFADD b $v $i", "PFMERGE {a}1 b",

/* Lines that prepare the keys which the lines of test_command_memory.c use, and these lines, each
 * ended by a comma. */
#define HYPERLOGLOG_MEMORY_PREPARATION                                                             \
    "PFADD sparse a b c", "PFADD dense a b", "PFDEBUG TODENSE dense",
#define HYPERLOGLOG_MEMORY_WORKLOAD                                                                \
    "PFADD sparse d e", "PFADD sparse a", "PFADD n", "PFADD n x y", "PFADD dense x",               \
        "PFADD dense a", "PFCOUNT sparse", "PFCOUNT dense", "PFCOUNT sparse dense",                \
        "PFMERGE n sparse", "PFMERGE n dense sparse", "PFMERGE sparse dense",                      \
        "PFMERGE dense sparse", "PFDEBUG TODENSE sparse", "PFDEBUG DECODE sparse", "PFSELFTEST",

#endif
