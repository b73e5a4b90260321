/* SPDX-License-Identifier: BSD-3-Clause */
/* A cache in the program that servers keep fresh (CLIENT TRACKING, RESP3). Replies to commands that
 * read one key are kept until the server says that the key has changed, its connection ends, or
 * room is needed; then the next such command asks again. A look at the socket precedes every
 * answer from memory, so a change whose message has arrived is never missed.
 *
 * A cache belongs to one context, synchronous or of a cluster, and to that context's thread. */
#ifndef VALKEY_CACHE_H
#define VALKEY_CACHE_H

#include "cluster.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct valkeyCache valkeyCache;

typedef struct valkeyCacheStatistics {
    uint64_t hits, misses; /* of commands that can be kept */
    uint64_t invalidated;  /* replies dropped because their key changed */
    uint64_t evicted;      /* because room was needed */
    size_t entries, bytes; /* kept now */
} valkeyCacheStatistics;

/* A cache for a connected blocking context, which speaks RESP3 from here on, or for a cluster
 * context, whose connections are opened anew for that. Up to `max_bytes` are kept. Nothing may be
 * under way over it. Blocks. Returns owned; NULL: see the context's err; 0 there: the server
 * refuses, or no memory. */
LIBVALKEY_API valkeyCache *valkeyCacheCreate(valkeyContext *c, size_t max_bytes);
LIBVALKEY_API valkeyCache *valkeyCacheCreateCluster(valkeyClusterContext *cc, size_t max_bytes);
/* Before or after the context is freed. The context stays usable. NULL is ignored. */
LIBVALKEY_API void valkeyCacheFree(valkeyCache *cache);

/* The reply from memory, or from the server, whatever the command. Borrowed until the next call
 * with this cache or its context. NULL: see the context's err. Commands sent over the context
 * itself are neither kept nor answered from memory. After valkeyReconnect nothing is kept any more:
 * make a new cache then. */
LIBVALKEY_API const valkeyReply *valkeyCacheCommand(valkeyCache *cache, const char *format, ...);
LIBVALKEY_API const valkeyReply *valkeyCacheCommandArgv(valkeyCache *cache, int argc,
                                                        const char **argv, const size_t *argvlen);
LIBVALKEY_API void valkeyCacheGetStatistics(const valkeyCache *cache, valkeyCacheStatistics *out);

#ifdef __cplusplus
}
#endif

#endif
