/* SPDX-License-Identifier: BSD-3-Clause */
/* A server that answers by rules: for each command the first rule that matches and is not used up
 * says what is sent, how late, in what pieces, and what becomes of the connection. It listens on
 * 127.0.0.1; each connection has a thread, so a delayed answer holds up only its own connection.
 * Safe to use from one test thread while it runs. Failures to set it up end the test program. */
#ifndef LARDER_TESTS_CLIENT_FAKE_SERVER_H
#define LARDER_TESTS_CLIENT_FAKE_SERVER_H

#include <stdbool.h>
#include <stddef.h>

enum fake_after {
    FAKE_KEEP,   /* go on with the next command */
    FAKE_CLOSE,  /* close after the reply */
    FAKE_RESET,  /* close so that the client sees a reset */
    FAKE_SILENT, /* answer nothing more on this connection, but keep it */
};

struct fake_rule {
    const char *command; /* beginning of the command, its words joined by spaces; NULL: any */
    const char *reply;   /* raw bytes; NULL: none */
    size_t reply_size;   /* 0: strlen(reply) */
    int delay_ms;        /* before the reply */
    size_t piece;        /* send the reply in pieces of this size, a moment apart; 0: at once */
    enum fake_after after;
    int times; /* how often the rule may be used; 0: always */
};

struct fake_server;

/* `port` 0: any free one. The rules and what they point to are borrowed until the next
 * fake_server_use or the stop. */
struct fake_server *fake_server_start(int port, const struct fake_rule *rules, size_t count);
void fake_server_use(struct fake_server *server, const struct fake_rule *rules, size_t count);
int fake_server_port(const struct fake_server *server);
/* Connections accepted so far. */
int fake_server_connections(struct fake_server *server);
/* Commands received so far that begin with `command` (NULL: all). */
int fake_server_count(struct fake_server *server, const char *command);
/* All commands so far, one per line. Valid until the next call. */
const char *fake_server_log(struct fake_server *server);
/* Close all connections and the listener; the port then refuses. NULL is ignored. */
void fake_server_stop(struct fake_server *server);

#endif
