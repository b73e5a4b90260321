/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on hyperloglogs: the rows of the table in functions.c. */
#ifndef LARDER_COMMANDS_HYPERLOGLOG_COMMANDS_H
#define LARDER_COMMANDS_HYPERLOGLOG_COMMANDS_H

/* ROW(command id without COMMAND_, function) */
#define HYPERLOGLOG_COMMANDS(ROW)                                                                  \
    ROW(PFADD, command_pfadd)                                                                      \
    ROW(PFCOUNT, command_pfcount)                                                                  \
    ROW(PFDEBUG, command_pfdebug)                                                                  \
    ROW(PFMERGE, command_pfmerge)                                                                  \
    ROW(PFSELFTEST, command_pfselftest)

#endif
