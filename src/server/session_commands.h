/* SPDX-License-Identifier: BSD-3-Clause */
/* Functions of the commands about sessions and the server, by the file they are in. */
#ifndef LARDER_SERVER_SESSION_COMMANDS_H
#define LARDER_SERVER_SESSION_COMMANDS_H

#include "server/session.h"

/* connection_commands.c */
void session_command_ping(struct session *session, struct call *call);
void session_command_echo(struct session *session, struct call *call);
void session_command_quit(struct session *session, struct call *call);
void session_command_select(struct session *session, struct call *call);

#endif
