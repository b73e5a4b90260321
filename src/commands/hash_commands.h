/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on hashes: the rows of the table in functions.c. */
#ifndef LARDER_COMMANDS_HASH_COMMANDS_H
#define LARDER_COMMANDS_HASH_COMMANDS_H

/* ROW(command id without COMMAND_, function) */
#define HASH_COMMANDS(ROW)                                                                         \
    ROW(HDEL, command_hdel)                                                                        \
    ROW(HEXISTS, command_hexists)                                                                  \
    ROW(HEXPIRE, command_hexpire)                                                                  \
    ROW(HEXPIREAT, command_hexpireat)                                                              \
    ROW(HEXPIRETIME, command_hexpiretime)                                                          \
    ROW(HGET, command_hget)                                                                        \
    ROW(HGETALL, command_hgetall)                                                                  \
    ROW(HGETDEL, command_hgetdel)                                                                  \
    ROW(HGETEX, command_hgetex)                                                                    \
    ROW(HINCRBY, command_hincrby)                                                                  \
    ROW(HINCRBYFLOAT, command_hincrbyfloat)                                                        \
    ROW(HKEYS, command_hkeys)                                                                      \
    ROW(HLEN, command_hlen)                                                                        \
    ROW(HMGET, command_hmget)                                                                      \
    ROW(HMSET, command_hmset)                                                                      \
    ROW(HPERSIST, command_hpersist)                                                                \
    ROW(HPEXPIRE, command_hpexpire)                                                                \
    ROW(HPEXPIREAT, command_hpexpireat)                                                            \
    ROW(HPEXPIRETIME, command_hpexpiretime)                                                        \
    ROW(HPTTL, command_hpttl)                                                                      \
    ROW(HRANDFIELD, command_hrandfield)                                                            \
    ROW(HSCAN, command_hscan)                                                                      \
    ROW(HSET, command_hset)                                                                        \
    ROW(HSETEX, command_hsetex)                                                                    \
    ROW(HSETNX, command_hsetnx)                                                                    \
    ROW(HSTRLEN, command_hstrlen)                                                                  \
    ROW(HTTL, command_httl)                                                                        \
    ROW(HVALS, command_hvals)

#endif
