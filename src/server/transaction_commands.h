/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands about transactions: rows of the table in session_commands.c. */
#ifndef LARDER_SERVER_TRANSACTION_COMMANDS_H
#define LARDER_SERVER_TRANSACTION_COMMANDS_H

/* ROW(command id without COMMAND_, function) */
#define TRANSACTION_COMMANDS(ROW)

#endif
