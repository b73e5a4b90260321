/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on sorting: the rows of the table in functions.c. */
#ifndef LARDER_COMMANDS_SORT_COMMANDS_H
#define LARDER_COMMANDS_SORT_COMMANDS_H

/* ROW(command id without COMMAND_, function) */
#define SORT_COMMANDS(ROW)                                                                         \
    ROW(SORT, command_sort)                                                                        \
    ROW(SORT_RO, command_sort_ro)

#endif
