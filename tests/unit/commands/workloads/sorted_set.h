/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of effects and of memory run of these commands. */
#ifndef LARDER_TESTS_WORKLOAD_SORTED_SET_H
#define LARDER_TESTS_WORKLOAD_SORTED_SET_H

/* Templates of test_effect_replay.c, each ended by a comma. */
#define SORTED_SET_EFFECT_WORKLOAD                                                                 \
    "ZADD $k $i $v", "ZADD $k $i $v $f $v $i $i", "ZADD $k $f $v $f $v $f $v $f $l",               \
        "ZADD $k NX CH $i $i $f $i", "ZADD $k GT $i $i $i $i", "ZADD $k XX $i $i",                 \
        "ZADD $k INCR $f $i", "ZADD $k LT INCR $f $i", "ZINCRBY $k $f $i", "ZREM $k $i $v",        \
        "ZREM $k $i $i $i", "ZREMRANGEBYRANK $k 0 1", "ZREMRANGEBYSCORE $k $i $i",                 \
        "ZREMRANGEBYLEX $k [a [b", "ZPOPMIN $k", "ZPOPMAX $k 2", "ZMPOP 2 $k $k MIN COUNT 3",      \
        "BZPOPMIN $k $k 1", "BZPOPMAX $k 1", "BZMPOP 1 2 $k $k MAX", "ZRANGE $k 0 -1 WITHSCORES",  \
        "ZUNION 2 $k $k", "ZRANDMEMBER $k -3", "ZSCAN $k 0", "ZUNIONSTORE $k 2 $k $k",             \
        "ZINTERSTORE $k 2 $k $k", "ZDIFFSTORE $k 2 $k $k", "ZRANGESTORE $k $k 0 3",

/* Lines that prepare the keys which the lines of test_command_memory.c use, and these lines, each
 * ended by a comma. */
#define SORTED_SET_MEMORY_PREPARATION "ZADD z1 1 a 2.5 b 3 c", "ZADD z2 1 a 2 b 3 c 4 @k",
#define SORTED_SET_MEMORY_WORKLOAD                                                                 \
    "ZADD n 1 a", "ZADD n 1 @l", "ZADD n 1 a 2 b 3 @l", "ZADD z1 5 a", "ZADD z1 1.25 d",           \
        "ZADD z1 1 @k", "ZADD z1 7 a 8 b 9 new 4 @l", "ZADD z2 5 a", "ZADD z2 1 new",              \
        "ZADD z2 9 a 8 b 7 new 6 a 1 a", "ZADD z2 XX 5 a 6 c 7 none", "ZINCRBY z1 1 a",            \
        "ZINCRBY z2 1 none", "ZREM z1 a b", "ZREM z2 a @k", "ZREM z1 a b c", "ZPOPMIN z1",         \
        "ZPOPMAX z2 3", "ZPOPMIN z2 10", "ZMPOP 2 n z2 MAX COUNT 2", "BZPOPMIN n z1 0",            \
        "BZMPOP 0 1 z1 MIN", "ZREMRANGEBYRANK z2 0 1", "ZREMRANGEBYSCORE z1 -inf +inf",            \
        "ZREMRANGEBYLEX z1 - [b", "ZRANGE z2 0 -1 WITHSCORES", "ZUNION 2 z1 z2 WITHSCORES",        \
        "ZINTER 2 z1 z2", "ZDIFF 2 z2 z1", "ZINTERCARD 2 z1 z2", "ZSCAN z2 0", "ZRANDMEMBER z2 2", \
        "COPY z1 n", "COPY z2 n", "ZUNIONSTORE n 2 z1 z2", "ZINTERSTORE z1 2 z1 z2",               \
        "ZRANGESTORE s z2 0 -1",

#endif
