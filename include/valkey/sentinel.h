/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections to a service that sentinels watch: they know which server is its primary. */
#ifndef VALKEY_SENTINEL_H
#define VALKEY_SENTINEL_H

#include "valkey.h"

#ifdef __cplusplus
extern "C" {
#endif

struct valkeyTLSContext;

/* Zero is the default of everything but sentinels and service. Borrowed for the call. */
typedef struct valkeySentinelOptions {
    const char *sentinels; /* "host:port,host:port", asked in this order */
    const char *service;   /* its name at the sentinels */
    int wants_replica;     /* connect to one of its replicas, if there is one that is well */
    const struct timeval *connect_timeout; /* per connection; NULL: none */
    const struct timeval *command_timeout; /* per reply; NULL: none */
    const char *sentinel_username;         /* for AUTH at sentinels, with sentinel_password */
    const char *sentinel_password;
    const char *username; /* for AUTH at the server, with password */
    const char *password;
    int select_db;                /* SELECT this database if above 0 */
    struct valkeyTLSContext *tls; /* given to tls_init_fn, which starts TLS on new connections */
    int (*tls_init_fn)(struct valkeyContext *, struct valkeyTLSContext *);
} valkeySentinelOptions;

/* Ask the sentinels and connect to whom they name, once that server itself says that it has the
 * role; else the next sentinel is asked. Blocks. Returns owned: check `err`, which is that of the
 * last try; NULL without memory. After a failover the connection ends, or commands are refused with
 * READONLY: connect again. */
LIBVALKEY_API valkeyContext *valkeySentinelConnect(const valkeySentinelOptions *options);

#ifdef __cplusplus
}
#endif

#endif
