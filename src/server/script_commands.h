/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands about scripts and functions: rows of the table in session_commands.c. */
#ifndef LARDER_SERVER_SCRIPT_COMMANDS_H
#define LARDER_SERVER_SCRIPT_COMMANDS_H

/* ROW(command id without COMMAND_, function) */
#define SCRIPT_COMMANDS(ROW)

#endif
