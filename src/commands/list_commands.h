/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on lists: the rows of the table in functions.c. */
#ifndef LARDER_COMMANDS_LIST_COMMANDS_H
#define LARDER_COMMANDS_LIST_COMMANDS_H

/* ROW(command id without COMMAND_, function) */
#define LIST_COMMANDS(ROW)

#endif
