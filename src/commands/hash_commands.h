/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on hashes: the rows of the table in functions.c. */
#ifndef LARDER_COMMANDS_HASH_COMMANDS_H
#define LARDER_COMMANDS_HASH_COMMANDS_H

/* ROW(command id without COMMAND_, function) */
#define HASH_COMMANDS(ROW)                                                                         \
    ROW(HDEL, command_hdel)                                                                        \
    ROW(HEXISTS, command_hexists)                                                                  \
    ROW(HGET, command_hget)                                                                        \
    ROW(HGETALL, command_hgetall)                                                                  \
    ROW(HINCRBY, command_hincrby)                                                                  \
    ROW(HINCRBYFLOAT, command_hincrbyfloat)                                                        \
    ROW(HKEYS, command_hkeys)                                                                      \
    ROW(HLEN, command_hlen)                                                                        \
    ROW(HMGET, command_hmget)                                                                      \
    ROW(HMSET, command_hmset)                                                                      \
    ROW(HRANDFIELD, command_hrandfield)                                                            \
    ROW(HSCAN, command_hscan)                                                                      \
    ROW(HSET, command_hset)                                                                        \
    ROW(HSETNX, command_hsetnx)                                                                    \
    ROW(HSTRLEN, command_hstrlen)                                                                  \
    ROW(HVALS, command_hvals)

#endif
