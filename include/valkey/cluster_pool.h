/* SPDX-License-Identifier: BSD-3-Clause */
/* A cluster for all threads of a program. It is to valkey/pool.h what valkey/cluster.h is to
 * valkey/valkey.h: any thread may call any function at any time, but valkeyClusterPoolFree;
 * commands of threads that come at the same time travel together, over a few connections per node;
 * redirections are followed, and busy nodes are asked again after a while, by the thread whose
 * command it is. */
#ifndef VALKEY_CLUSTER_POOL_H
#define VALKEY_CLUSTER_POOL_H

#include "pool.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct valkeyClusterPool valkeyClusterPool;

/* Zero is the default of everything but initial_nodes. Borrowed for the call. */
typedef struct valkeyClusterPoolOptions {
    const char *initial_nodes;             /* "host:port,host:port"; the last colon is the port's */
    const struct timeval *connect_timeout; /* per connection; NULL: none */
    const struct timeval *command_timeout; /* per reply, and for all retries; NULL: none */
    const char *username;                  /* for AUTH, with password */
    const char *password;                  /* NULL: no AUTH */
    int select_db;                         /* SELECT this database if above 0 */
    int max_retry;                         /* redirections per command; 0: 5 */
    int connections;                       /* shared ones per node; 0: 2 */
    struct valkeyTLSContext *tls; /* given to tls_init_fn, which starts TLS on a new connection */
    int (*tls_init_fn)(struct valkeyContext *, struct valkeyTLSContext *);
} valkeyClusterPoolOptions;

/* Fetch the map. Blocks. Returns owned; NULL: *error, which may be NULL, says why. */
LIBVALKEY_API valkeyClusterPool *valkeyClusterPoolCreate(const valkeyClusterPoolOptions *options,
                                                         valkeyPoolError *error);
/* No call may be under way, and all taken connections are given back. NULL is ignored. */
LIBVALKEY_API void valkeyClusterPoolFree(valkeyClusterPool *pool);

/* Send a command to the node of its key and wait for the reply. Returns it owned; NULL on errors,
 * see *error, which may be NULL. */
LIBVALKEY_API void *valkeyClusterPoolCommand(valkeyClusterPool *pool, valkeyPoolError *error,
                                             const char *format, ...);
LIBVALKEY_API void *valkeyClusterPoolvCommand(valkeyClusterPool *pool, valkeyPoolError *error,
                                              const char *format, va_list ap);
LIBVALKEY_API void *valkeyClusterPoolCommandArgv(valkeyClusterPool *pool, valkeyPoolError *error,
                                                 int argc, const char **argv,
                                                 const size_t *argvlen);

/* A blocking context of the caller's own to the node of a key, for transactions and commands that
 * wait; redirections are for the caller. Given back as valkeyPoolGive says. */
LIBVALKEY_API valkeyContext *valkeyClusterPoolTake(valkeyClusterPool *pool, valkeyPoolError *error,
                                                   const char *key, size_t keylen);
LIBVALKEY_API void valkeyClusterPoolGive(valkeyClusterPool *pool, valkeyContext *c);

#ifdef __cplusplus
}
#endif

#endif
