/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands about transactions: rows of the table in session_commands.c. */
#ifndef LARDER_SERVER_TRANSACTION_COMMANDS_H
#define LARDER_SERVER_TRANSACTION_COMMANDS_H

/* ROW(command id without COMMAND_, function) */
#define TRANSACTION_COMMANDS(ROW)                                                                  \
    ROW(CLIENT_UNBLOCK, session_command_client_unblock)                                            \
    ROW(DISCARD, session_command_discard)                                                          \
    ROW(EXEC, session_command_exec)                                                                \
    ROW(MULTI, session_command_multi)                                                              \
    ROW(UNWATCH, session_command_unwatch)                                                          \
    ROW(WATCH, session_command_watch)

#endif
