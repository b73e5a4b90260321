/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on streams: the rows of the table in functions.c. */
#ifndef LARDER_COMMANDS_STREAM_COMMANDS_H
#define LARDER_COMMANDS_STREAM_COMMANDS_H

/* ROW(command id without COMMAND_, function) */
#define STREAM_COMMANDS(ROW)

#endif
