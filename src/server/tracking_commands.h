/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands about client tracking: rows of the table in session_commands.c. */
#ifndef LARDER_SERVER_TRACKING_COMMANDS_H
#define LARDER_SERVER_TRACKING_COMMANDS_H

/* ROW(command id without COMMAND_, function) */
#define TRACKING_COMMANDS(ROW)

#endif
