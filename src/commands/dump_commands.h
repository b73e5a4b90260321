/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on serialised values: the rows of the table in functions.c. */
#ifndef LARDER_COMMANDS_DUMP_COMMANDS_H
#define LARDER_COMMANDS_DUMP_COMMANDS_H

/* ROW(command id without COMMAND_, function) */
#define DUMP_COMMANDS(ROW)                                                                         \
    ROW(DUMP, command_dump)                                                                        \
    ROW(RESTORE, command_restore)

#endif
