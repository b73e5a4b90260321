/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections to one server, shared by all threads of a program.
 *
 * Any thread may call any function here at any time, but valkeyPoolFree. Commands of threads that
 * come at the same time travel together: whoever comes first sends for all and hands out the
 * replies, so a few connections serve many threads. The pool has no threads of its own.
 *
 * Shared connections are for commands that are answered at once and leave no state behind.
 * Transactions, blocking commands, subscriptions and whatever changes the connection are refused
 * there; take a connection of your own for them. */
#ifndef VALKEY_POOL_H
#define VALKEY_POOL_H

#include "valkey.h"

#ifdef __cplusplus
extern "C" {
#endif

struct valkeyTLSContext;

typedef struct valkeyPool valkeyPool;

/* Why a call failed; like c->err and c->errstr. */
typedef struct valkeyPoolError {
    int err; /* 0: it did not */
    char errstr[128];
} valkeyPoolError;

/* Zero is the default of everything but the endpoint. Borrowed for the call. */
typedef struct valkeyPoolOptions {
    valkeyOptions connection;     /* TCP or unix; its callbacks and privdata are not used */
    int connections;              /* shared ones; 0: 2 */
    const char *username;         /* for AUTH, with password */
    const char *password;         /* NULL: no AUTH */
    int select_db;                /* SELECT this database if above 0 */
    struct valkeyTLSContext *tls; /* given to tls_init_fn, which starts TLS on a new connection */
    int (*tls_init_fn)(struct valkeyContext *, struct valkeyTLSContext *);
} valkeyPoolOptions;

/* Connects nothing yet. Returns owned; NULL without memory. */
LIBVALKEY_API valkeyPool *valkeyPoolCreate(const valkeyPoolOptions *options);
/* No call may be under way. NULL is ignored. */
LIBVALKEY_API void valkeyPoolFree(valkeyPool *pool);

/* Send a command and wait for its reply. Returns it owned; NULL on errors, see *error, which may be
 * NULL. An error of a connection fails the commands that were sent over it; the next one connects
 * again. */
LIBVALKEY_API void *valkeyPoolCommand(valkeyPool *pool, valkeyPoolError *error, const char *format,
                                      ...);
LIBVALKEY_API void *valkeyPoolvCommand(valkeyPool *pool, valkeyPoolError *error, const char *format,
                                       va_list ap);
LIBVALKEY_API void *valkeyPoolCommandArgv(valkeyPool *pool, valkeyPoolError *error, int argc,
                                          const char **argv, const size_t *argvlen);

/* A blocking context of the caller's own, connected and logged in; NULL on errors. It is given back
 * as it was taken: not within a transaction, not subscribed, with no reply under way. One in error
 * may be given back too. */
LIBVALKEY_API valkeyContext *valkeyPoolTake(valkeyPool *pool, valkeyPoolError *error);
LIBVALKEY_API void valkeyPoolGive(valkeyPool *pool, valkeyContext *c);

#ifdef __cplusplus
}
#endif

#endif
