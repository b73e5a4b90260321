/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on sets: the rows of the table in functions.c. */
#ifndef LARDER_COMMANDS_SET_COMMANDS_H
#define LARDER_COMMANDS_SET_COMMANDS_H

/* ROW(command id without COMMAND_, function) */
#define SET_COMMANDS(ROW)

#endif
