/* SPDX-License-Identifier: BSD-3-Clause */
/* How an asynchronous context gets from a name to a connection without blocking. Its descriptor is
 * a placeholder at first, an unconnected socket that must not be watched; a timer drives the steps.
 * The connection that wins takes the placeholder's number, with the options that were set on it. */
#ifndef LARDER_CLIENT_CONNECT_OPENING_H
#define LARDER_CLIENT_CONNECT_OPENING_H

#include "client/connection.h"

#include <netdb.h>

struct opening;

/* Begin. Takes ownership of `sources`, addresses to bind to. On VALKEY_ERR c->err is set. */
int opening_create(valkeyContext *c, const int families[2], struct addrinfo *sources);

enum opening_result { OPENING_WAITS, OPENING_DONE, OPENING_FAILED };
/* Go on; never blocks. DONE: c->fd is connected. FAILED: c->err is set. It is over then. */
enum opening_result opening_step(valkeyContext *c);
/* Go on to the end. Blocks. */
enum opening_result opening_finish(valkeyContext *c);
/* Give up, if there is one. */
void opening_end(valkeyContext *c);

#endif
