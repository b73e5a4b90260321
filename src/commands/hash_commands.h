/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on hashes: the rows of the table in functions.c. */
#ifndef LARDER_COMMANDS_HASH_COMMANDS_H
#define LARDER_COMMANDS_HASH_COMMANDS_H

/* ROW(command id without COMMAND_, function) */
#define HASH_COMMANDS(ROW)

#endif
