/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may come in: the password of the default user. */
#ifndef LARDER_SERVER_AUTH_H
#define LARDER_SERVER_AUTH_H

#include "server/session.h"

/* Whether the user's password is right; without requirepass any password of the user "default" is.
 * How long it takes tells nothing about the password. The session then counts as authenticated.
 * Takes CONFIG_LOCK. */
bool auth_try(struct session *session, struct slice user, struct slice password);

#endif
