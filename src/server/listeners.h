/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the server listens, and which loop serves whom. */
#ifndef LARDER_SERVER_LISTENERS_H
#define LARDER_SERVER_LISTENERS_H

#include "server/server.h"

/* Open all listeners of the configuration. Before the threads run. Errors with a text:
 * LARDER_EXISTS (port taken), LARDER_NOT_FOUND, LARDER_DENIED, LARDER_INVALID. */
enum larder_status listeners_open(struct server *server, struct error_text *error) LARDER_NODISCARD;
/* Open them anew after a change of bind, port or tls-port; sockets that stay are kept. While the
 * threads run; CONFIG_LOCK is held. On failure the old ones go on. */
enum larder_status listeners_reopen(struct server *server,
                                    struct error_text *error) LARDER_NODISCARD;

/* Loop handler: the loop with the fewest connections. */
struct loop *listeners_place(struct loop *loop, const struct loop_listener *listener,
                             struct socket_peer *peer, struct tls_session **out_tls);

#endif
