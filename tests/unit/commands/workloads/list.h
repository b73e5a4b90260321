/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of effects and of memory run of these commands. */
#ifndef LARDER_TESTS_WORKLOAD_LIST_H
#define LARDER_TESTS_WORKLOAD_LIST_H

/* Templates of test_effect_replay.c, each ended by a comma. */
#define LIST_EFFECT_WORKLOAD                                                                       \
    "LPUSH $k $v", "RPUSH $k $v $i $v", "LPUSH $k $l", "RPUSH $k $i $i $i $i $i $i $i $i",         \
        "RPUSH $k $l $l $l", "LPUSHX $k $v", "RPUSHX $k $i", "LPOP $k", "RPOP $k", "LPOP $k 3",    \
        "RPOP $k 2", "LPOP $k $o", "LINSERT $k BEFORE $i $v", "LINSERT $k AFTER $i $l",            \
        "LSET $k 1 $v", "LSET $k -1 $l", "LSET $k 0 $i", "LREM $k 0 $i", "LREM $k -2 $i",          \
        "LTRIM $k 1 -2", "LTRIM $k 0 20", "LTRIM $k 5 1", "LMOVE $k $k LEFT RIGHT",                \
        "LMOVE $k $k RIGHT RIGHT", "RPOPLPUSH $k $k", "LMPOP 2 $k $k LEFT",                        \
        "LMPOP 2 $k $k RIGHT COUNT 3", "BLPOP $k $k 1", "BRPOP $k 1", "BLMOVE $k $k RIGHT LEFT 1", \
        "BRPOPLPUSH $k $k 1", "BLMPOP 1 2 $k $k LEFT COUNT 2", "LRANGE $k 0 -1", "LPOS $k $i",

/* Lines that prepare the keys which the lines of test_command_memory.c use, and these lines, each
 * ended by a comma. */
#define LIST_MEMORY_PREPARATION                                                                    \
    "RPUSH list a b c 1 2 3 a", "RPUSH tall @m @m @m @m @m a b", "RPUSH one x",
#define LIST_MEMORY_WORKLOAD                                                                       \
    "LPUSH list x", "LPUSH list @l", "RPUSH list @m @m @m @m @m @m", "LPUSH n @l @l",              \
        "RPUSH n a b c", "RPUSH n @m @m @m @m @m @m", "RPUSH tall @l @m a", "LPUSHX list @m",      \
        "RPUSHX one @l", "LPOP list", "LPOP one", "RPOP tall 3", "LPOP tall 100", "LPOP tall",     \
        "LINSERT list BEFORE b @m", "LINSERT list AFTER 1 @l", "LINSERT tall BEFORE a @m",         \
        "LINSERT tall AFTER b @l", "LSET list 1 @l", "LSET list 1 @m", "LSET tall 1 x",            \
        "LSET tall 2 @l", "LREM list 0 a", "LREM tall 4 @m", "LTRIM list 1 3", "LTRIM tall 5 6",   \
        "LTRIM tall 9 8", "LRANGE tall 0 -1", "LINDEX tall 2", "LPOS list a COUNT 0",              \
        "LMOVE list n LEFT RIGHT", "LMOVE tall n LEFT LEFT", "LMOVE tall list RIGHT LEFT",         \
        "LMOVE tall tall LEFT RIGHT", "LMOVE one n LEFT LEFT", "LMOVE one tall LEFT LEFT",         \
        "RPOPLPUSH list list", "LMPOP 2 n tall LEFT COUNT 3", "BLPOP n list 0", "BRPOP tall 0",    \
        "BLMOVE tall n LEFT RIGHT 0", "BRPOPLPUSH list tall 0", "BLMPOP 0 2 n list RIGHT COUNT 9", \
        "COPY tall n", "COPY list one REPLACE", "RENAME tall n", "DEL tall", "TYPE list",          \
        "OBJECT ENCODING tall",

#endif
