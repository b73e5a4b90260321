/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of commands about sessions and the server. */
#include "server/session_commands.h"

const session_command session_commands[COMMAND_COUNT] = {
    [COMMAND_PING] = session_command_ping,
    [COMMAND_ECHO] = session_command_echo,
    [COMMAND_QUIT] = session_command_quit,
    [COMMAND_SELECT] = session_command_select,
};
