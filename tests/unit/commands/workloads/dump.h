/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of effects and of memory run of these commands. */
#ifndef LARDER_TESTS_WORKLOAD_DUMP_H
#define LARDER_TESTS_WORKLOAD_DUMP_H

/* A payload has a checksum and can't be written here; RESTORE is met as the effect of the others.
 * Templates of test_effect_replay.c, each ended by a comma. */
#define DUMP_EFFECT_WORKLOAD                                                                       \
    "DUMP $k", "SADD $k $v $i", "ZADD $k $i $v", "RPUSH $k $v $i", "COPY $k $k REPLACE",           \
        "COPY $k $k DB $d REPLACE", "RENAME $k $k", "MOVE $k $d", "SUNIONSTORE $k $k $k",          \
        "RESTORE $k 0 $v REPLACE",

/* Lines that prepare the keys which the lines of test_command_memory.c use, and these lines, each
 * ended by a comma. */
#define DUMP_MEMORY_PREPARATION
#define DUMP_MEMORY_WORKLOAD                                                                       \
    "DUMP l", "DUMP list", "DUMP tall", "DUMP z1", "DUMP xs", "COPY list n", "COPY tall n",        \
        "COPY z1 n", "COPY xs n", "RENAME list n", "RENAME xs n", "RENAME tall s", "MOVE z1 1",

#endif
