/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on sorted sets: the rows of the table in functions.c. */
#ifndef LARDER_COMMANDS_SORTED_SET_COMMANDS_H
#define LARDER_COMMANDS_SORTED_SET_COMMANDS_H

/* ROW(command id without COMMAND_, function) */
#define SORTED_SET_COMMANDS(ROW)                                                                   \
    ROW(BZMPOP, command_bzmpop)                                                                    \
    ROW(BZPOPMAX, command_bzpopmax)                                                                \
    ROW(BZPOPMIN, command_bzpopmin)                                                                \
    ROW(ZADD, command_zadd)                                                                        \
    ROW(ZCARD, command_zcard)                                                                      \
    ROW(ZCOUNT, command_zcount)                                                                    \
    ROW(ZDIFF, command_zdiff)                                                                      \
    ROW(ZDIFFSTORE, command_zdiffstore)                                                            \
    ROW(ZINCRBY, command_zincrby)                                                                  \
    ROW(ZINTER, command_zinter)                                                                    \
    ROW(ZINTERCARD, command_zintercard)                                                            \
    ROW(ZINTERSTORE, command_zinterstore)                                                          \
    ROW(ZLEXCOUNT, command_zlexcount)                                                              \
    ROW(ZMPOP, command_zmpop)                                                                      \
    ROW(ZMSCORE, command_zmscore)                                                                  \
    ROW(ZPOPMAX, command_zpopmax)                                                                  \
    ROW(ZPOPMIN, command_zpopmin)                                                                  \
    ROW(ZRANDMEMBER, command_zrandmember)                                                          \
    ROW(ZRANGE, command_zrange)                                                                    \
    ROW(ZRANGEBYLEX, command_zrangebylex)                                                          \
    ROW(ZRANGEBYSCORE, command_zrangebyscore)                                                      \
    ROW(ZRANGESTORE, command_zrangestore)                                                          \
    ROW(ZRANK, command_zrank)                                                                      \
    ROW(ZREM, command_zrem)                                                                        \
    ROW(ZREMRANGEBYLEX, command_zremrangebylex)                                                    \
    ROW(ZREMRANGEBYRANK, command_zremrangebyrank)                                                  \
    ROW(ZREMRANGEBYSCORE, command_zremrangebyscore)                                                \
    ROW(ZREVRANGE, command_zrevrange)                                                              \
    ROW(ZREVRANGEBYLEX, command_zrevrangebylex)                                                    \
    ROW(ZREVRANGEBYSCORE, command_zrevrangebyscore)                                                \
    ROW(ZREVRANK, command_zrevrank)                                                                \
    ROW(ZSCAN, command_zscan)                                                                      \
    ROW(ZSCORE, command_zscore)                                                                    \
    ROW(ZUNION, command_zunion)                                                                    \
    ROW(ZUNIONSTORE, command_zunionstore)

#endif
