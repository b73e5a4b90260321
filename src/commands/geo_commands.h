/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on positions: the rows of the table in functions.c. */
#ifndef LARDER_COMMANDS_GEO_COMMANDS_H
#define LARDER_COMMANDS_GEO_COMMANDS_H

/* ROW(command id without COMMAND_, function) */
#define GEO_COMMANDS(ROW)

#endif
