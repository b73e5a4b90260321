/* SPDX-License-Identifier: BSD-3-Clause */
/* rename-command of the configuration. */
#ifndef LARDER_SERVER_RENAMED_COMMANDS_H
#define LARDER_SERVER_RENAMED_COMMANDS_H

#include "server/settings.h"

/* Before the threads run. Errors with a text: LARDER_INVALID, LARDER_NO_MEMORY. */
enum larder_status renamed_commands_init(struct server *server,
                                         struct error_text *error) LARDER_NODISCARD;
void renamed_commands_finish(struct server *server);

#endif
