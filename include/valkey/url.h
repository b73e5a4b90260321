/* SPDX-License-Identifier: BSD-3-Clause */
/* Servers and clusters given as URLs, the usual form in configuration files:
 *
 *     redis://[[user]:password@]host[:port][,host[:port] ...][/database]
 *     unix://[[user]:password@]/path[?db=database]
 *
 * "valkey" means the same as "redis"; "rediss" and "valkeys" ask for TLS. The port is 6379 unless
 * given, an IPv6 address stands in brackets, and %XX is a byte in user, password, host and path.
 * "redis://secret@host" has a user and no password. */
#ifndef VALKEY_URL_H
#define VALKEY_URL_H

#include "valkey.h"

#ifdef __cplusplus
extern "C" {
#endif

/* All texts belong to it. */
typedef struct valkeyUrl {
    enum valkeyConnectionType type; /* VALKEY_CONN_TCP or VALKEY_CONN_UNIX */
    int wants_tls;
    char *username, *password; /* NULL: none */
    char *host;                /* the first, or the path of a unix socket */
    int port;                  /* the first */
    char *nodes;               /* "host:port,host:port", all; for initial_nodes. NULL: unix */
    int database;              /* 0 unless given */
} valkeyUrl;

/* Take a URL apart. Returns owned; NULL: *error (may be NULL) is a text that says why, "Out of
 * memory" among them. */
LIBVALKEY_API valkeyUrl *valkeyUrlParse(const char *text, const char **error);
/* NULL is ignored. */
LIBVALKEY_API void valkeyUrlFree(valkeyUrl *url);
/* Connect to the first server of a URL, with AUTH and SELECT as it says. Returns as valkeyConnect.
 * A URL that asks for TLS is refused here: connect with what valkeyUrlParse says and the functions
 * of tls.h. Blocks. */
LIBVALKEY_API valkeyContext *valkeyConnectUrl(const char *text);

#ifdef __cplusplus
}
#endif

#endif
