/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on sorted sets: the rows of the table in functions.c. */
#ifndef LARDER_COMMANDS_SORTED_SET_COMMANDS_H
#define LARDER_COMMANDS_SORTED_SET_COMMANDS_H

/* ROW(command id without COMMAND_, function) */
#define SORTED_SET_COMMANDS(ROW)

#endif
