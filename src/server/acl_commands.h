/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands about users and permissions: rows of the table in session_commands.c. */
#ifndef LARDER_SERVER_ACL_COMMANDS_H
#define LARDER_SERVER_ACL_COMMANDS_H

/* ROW(command id without COMMAND_, function) */
#define ACL_COMMANDS(ROW)

#endif
