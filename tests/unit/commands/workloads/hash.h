/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of effects and of memory run of these commands. */
#ifndef LARDER_TESTS_WORKLOAD_HASH_H
#define LARDER_TESTS_WORKLOAD_HASH_H

/* Templates of test_effect_replay.c, each ended by a comma. */
#define HASH_EFFECT_WORKLOAD                                                                       \
    "HSET $k f1 $v f2 $i", "HSET $k f1 $v f2 $i", "HSET $k f3 $l", "HSETNX $k f4 $v",              \
        "HDEL $k f1 f2 f9", "HDEL $k f3 f4", "HINCRBY $k f2 $i", "HINCRBYFLOAT $k f5 $f",          \
        "HPEXPIRE $k $t FIELDS 2 f1 f2", "HPEXPIRE $k $t FIELDS 1 f2", "HEXPIRE $k 0 FIELDS 1 f3", \
        "HPEXPIRE $k $t GT FIELDS 2 f1 f5", "HPERSIST $k FIELDS 2 f1 f2",                          \
        "HSETEX $k PX $t FIELDS 2 f1 $v f6 $i", "HSETEX $k FXX KEEPTTL FIELDS 1 f1 $v",            \
        "HSETEX $k PXAT 5 FIELDS 1 f6 $v", "HGETEX $k PX $t FIELDS 2 f1 f6",                       \
        "HGETEX $k PERSIST FIELDS 1 f6", "HGETDEL $k FIELDS 2 f4 f6",

/* Lines that prepare the keys which the lines of test_command_memory.c use, and these lines, each
 * ended by a comma. */
#define HASH_MEMORY_PREPARATION                                                                    \
    "HSET hash a 1 b two c 3.5", "HSET table a @m b @l c 1 d 2.5", "HSET lone f v",
#define HASH_MEMORY_WORKLOAD                                                                       \
    "HSET hash a 2", "HSET hash d x e y f z", "HSET hash a @l", "HSET hash d @m e @m",             \
        "HSET table a x", "HSET table a @l b @l e @l", "HSET n a 1", "HSET n a @l b 2",            \
        "HMSET hash a @m", "HMSET n a 1 b 2", "HSETNX hash d @m", "HSETNX hash a 1",               \
        "HSETNX table x @l", "HSETNX n a b", "HGET table b", "HMGET table a b c", "HGETALL table", \
        "HKEYS table", "HVALS table", "HLEN hash", "HDEL hash a b", "HDEL table a", "HDEL lone f", \
        "HEXISTS hash a", "HSTRLEN table a", "HINCRBY hash a 5", "HINCRBY table c 5",              \
        "HINCRBY n c 5", "HINCRBYFLOAT hash c 1.25", "HINCRBYFLOAT table d 1e4900",                \
        "HINCRBYFLOAT n c 1.5", "HSCAN table 0 COUNT 100", "HEXPIRE hash 100 FIELDS 2 a b",        \
        "HEXPIRE table 100 NX FIELDS 3 a b none", "HEXPIRE lone 0 FIELDS 1 f",                     \
        "HPEXPIREAT hash 1 FIELDS 1 a", "HPERSIST table FIELDS 2 a b",                             \
        "HGETEX table EX 10 FIELDS 2 b a", "HGETEX hash PERSIST FIELDS 1 a",                       \
        "HGETDEL table FIELDS 2 b a", "HGETDEL lone FIELDS 1 f",                                   \
        "HSETEX hash EX 10 FIELDS 2 a @m d x", "HSETEX n PX 10 FIELDS 1 a @l",                     \
        "HSETEX table KEEPTTL FIELDS 1 a @m", "HTTL table FIELDS 2 a b", "HRANDFIELD lone 1",      \
        "HRANDFIELD lone -3 WITHVALUES", "OBJECT ENCODING hash",

#endif
