/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on lists: the rows of the table in functions.c. */
#ifndef LARDER_COMMANDS_LIST_COMMANDS_H
#define LARDER_COMMANDS_LIST_COMMANDS_H

/* ROW(command id without COMMAND_, function) */
#define LIST_COMMANDS(ROW)                                                                         \
    ROW(BLMOVE, command_blmove)                                                                    \
    ROW(BLMPOP, command_blmpop)                                                                    \
    ROW(BLPOP, command_blpop)                                                                      \
    ROW(BRPOP, command_brpop)                                                                      \
    ROW(BRPOPLPUSH, command_brpoplpush)                                                            \
    ROW(LINDEX, command_lindex)                                                                    \
    ROW(LINSERT, command_linsert)                                                                  \
    ROW(LLEN, command_llen)                                                                        \
    ROW(LMOVE, command_lmove)                                                                      \
    ROW(LMPOP, command_lmpop)                                                                      \
    ROW(LPOP, command_lpop)                                                                        \
    ROW(LPOS, command_lpos)                                                                        \
    ROW(LPUSH, command_lpush)                                                                      \
    ROW(LPUSHX, command_lpushx)                                                                    \
    ROW(LRANGE, command_lrange)                                                                    \
    ROW(LREM, command_lrem)                                                                        \
    ROW(LSET, command_lset)                                                                        \
    ROW(LTRIM, command_ltrim)                                                                      \
    ROW(RPOP, command_rpop)                                                                        \
    ROW(RPOPLPUSH, command_rpoplpush)                                                              \
    ROW(RPUSH, command_rpush)                                                                      \
    ROW(RPUSHX, command_rpushx)

#endif
