/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on streams: the rows of the table in functions.c. */
#ifndef LARDER_COMMANDS_STREAM_COMMANDS_H
#define LARDER_COMMANDS_STREAM_COMMANDS_H

/* ROW(command id without COMMAND_, function) */
#define STREAM_COMMANDS(ROW)                                                                       \
    ROW(XACK, command_xack)                                                                        \
    ROW(XADD, command_xadd)                                                                        \
    ROW(XAUTOCLAIM, command_xautoclaim)                                                            \
    ROW(XCLAIM, command_xclaim)                                                                    \
    ROW(XDEL, command_xdel)                                                                        \
    ROW(XGROUP_CREATE, command_xgroup_create)                                                      \
    ROW(XGROUP_CREATECONSUMER, command_xgroup_createconsumer)                                      \
    ROW(XGROUP_DELCONSUMER, command_xgroup_delconsumer)                                            \
    ROW(XGROUP_DESTROY, command_xgroup_destroy)                                                    \
    ROW(XGROUP_HELP, command_xgroup_help)                                                          \
    ROW(XGROUP_SETID, command_xgroup_setid)                                                        \
    ROW(XINFO_CONSUMERS, command_xinfo_consumers)                                                  \
    ROW(XINFO_GROUPS, command_xinfo_groups)                                                        \
    ROW(XINFO_HELP, command_xinfo_help)                                                            \
    ROW(XINFO_STREAM, command_xinfo_stream)                                                        \
    ROW(XLEN, command_xlen)                                                                        \
    ROW(XPENDING, command_xpending)                                                                \
    ROW(XRANGE, command_xrange)                                                                    \
    ROW(XREAD, command_xread)                                                                      \
    ROW(XREADGROUP, command_xreadgroup)                                                            \
    ROW(XREVRANGE, command_xrevrange)                                                              \
    ROW(XSETID, command_xsetid)                                                                    \
    ROW(XTRIM, command_xtrim)

#endif
