/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on sets: the rows of the table in functions.c. */
#ifndef LARDER_COMMANDS_SET_COMMANDS_H
#define LARDER_COMMANDS_SET_COMMANDS_H

/* ROW(command id without COMMAND_, function) */
#define SET_COMMANDS(ROW)                                                                          \
    ROW(SADD, command_sadd)                                                                        \
    ROW(SCARD, command_scard)                                                                      \
    ROW(SDIFF, command_sdiff)                                                                      \
    ROW(SDIFFSTORE, command_sdiffstore)                                                            \
    ROW(SINTER, command_sinter)                                                                    \
    ROW(SINTERCARD, command_sintercard)                                                            \
    ROW(SINTERSTORE, command_sinterstore)                                                          \
    ROW(SISMEMBER, command_sismember)                                                              \
    ROW(SMEMBERS, command_smembers)                                                                \
    ROW(SMISMEMBER, command_smismember)                                                            \
    ROW(SMOVE, command_smove)                                                                      \
    ROW(SPOP, command_spop)                                                                        \
    ROW(SRANDMEMBER, command_srandmember)                                                          \
    ROW(SREM, command_srem)                                                                        \
    ROW(SSCAN, command_sscan)                                                                      \
    ROW(SUNION, command_sunion)                                                                    \
    ROW(SUNIONSTORE, command_sunionstore)

#endif
