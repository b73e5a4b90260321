/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of effects and of memory run of these commands. */
#ifndef LARDER_TESTS_WORKLOAD_SET_H
#define LARDER_TESTS_WORKLOAD_SET_H

/* Templates of test_effect_replay.c, each ended by a comma. */
#define SET_EFFECT_WORKLOAD                                                                        \
    "SADD $k $i $i $v $v", "SADD $k $i", "SADD $k $v $l", "SREM $k $i $i $v", "SPOP $k",           \
        "SPOP $k 3", "SPOP $k 1000", "SMOVE $k $k $i", "SINTERSTORE $k $k $k",                     \
        "SUNIONSTORE $k $k $k", "SDIFFSTORE $k $k $k", "SMEMBERS $k",

/* Lines that prepare the keys which the lines of test_command_memory.c use, and these lines, each
 * ended by a comma. */
#define SET_MEMORY_PREPARATION                                                                     \
    "SADD set_ints 1 2 3 70000", "SADD set_texts a b c 1", "SADD set_wide @m a b 1 2 3 4 5",       \
        "SADD set_lone x",
#define SET_MEMORY_WORKLOAD                                                                        \
    "SADD set_ints 4", "SADD set_ints 5000000000", "SADD set_ints x", "SADD set_ints @m y",        \
        "SADD set_texts d e f", "SADD set_texts @l", "SADD set_wide q", "SADD set_wide a @l z",    \
        "SADD n 1 2", "SADD n a @m", "SADD n a b c", "SREM set_ints 1 2",                          \
        "SREM set_texts a b c 1", "SREM set_wide a", "SPOP set_ints", "SPOP set_texts 2",          \
        "SPOP set_wide 3", "SPOP set_lone", "SPOP set_wide 100", "SMEMBERS set_wide",              \
        "SMOVE set_ints set_texts 1", "SMOVE set_lone n x", "SMOVE set_wide set_ints a",           \
        "SINTER set_wide set_texts", "SUNION set_ints set_texts set_wide",                         \
        "SDIFF set_wide set_texts", "SINTERSTORE n set_wide set_texts",                            \
        "SUNIONSTORE n set_ints set_texts set_wide", "SDIFFSTORE set_wide set_wide set_texts",     \
        "SDIFFSTORE n set_lone set_lone", "SINTERCARD 2 set_wide set_texts", "SSCAN set_wide 0",   \
        "SISMEMBER set_wide a", "SMISMEMBER set_wide a q", "COPY set_wide n", "RENAME set_wide n", \
        "DEL set_wide", "OBJECT ENCODING set_wide",

#endif
