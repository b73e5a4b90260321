/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands about channels: rows of the table in session_commands.c. */
#ifndef LARDER_SERVER_PUBSUB_COMMANDS_H
#define LARDER_SERVER_PUBSUB_COMMANDS_H

/* ROW(command id without COMMAND_, function) */
#define PUBSUB_COMMANDS(ROW)

#endif
