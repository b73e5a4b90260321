/* SPDX-License-Identifier: BSD-3-Clause */
/* What contexts tell the cache that is fed by their connections. Each such connection is in the
 * cache's list; an entry knows over which one it came. */
#ifndef LARDER_CLIENT_CACHE_H
#define LARDER_CLIENT_CACHE_H

#include "client/connection.h"

struct valkeyCache;

/* Have a new blocking connection feed the cache: RESP3 and tracking. On VALKEY_ERR its err is set.
 * Blocks. */
int cache_feed(struct valkeyCache *cache, struct connection *connection);
/* The connection ends, or is made anew: what came over it is dropped. */
void cache_forget(struct connection *connection);
/* The cluster context ends. */
void cache_forget_cluster(struct valkeyCache *cache);
/* Whether a push message was for the cache; it is used up then. */
bool cache_take_push(struct valkeyCache *cache, const valkeyReply *push);

/* cache_table.c: replies by command, found by key. */
struct cache_entry {
    struct cache_entry *next;          /* in its bucket */
    struct cache_entry *newer, *older; /* in the order of use */
    struct connection *source;
    valkeyReply *reply; /* owned */
    uint64_t hash;      /* of the key */
    size_t cost;        /* bytes */
    size_t key_at, key_size, size;
    char command[];
};

struct cache_table {
    struct cache_entry **buckets; /* by hash; a power of two of them */
    uint64_t seed;
    size_t bucket_count, count, bytes, max_bytes;
    struct cache_entry *newest, *oldest;
    uint64_t evicted, invalidated;
};

/* False without memory. */
bool cache_table_init(struct cache_table *table, size_t max_bytes);
void cache_table_finish(struct cache_table *table);
/* The entry of a command whose key is given; it is the newest from now on. NULL: there is none. */
struct cache_entry *cache_table_find(struct cache_table *table, const char *command, size_t size,
                                     const char *key, size_t key_size);
/* Keep a reply of a command, which holds its key. Takes ownership of the reply if it returns an
 * entry; NULL: too large, or no memory. */
struct cache_entry *cache_table_add(struct cache_table *table, struct connection *source,
                                    const char *command, size_t size, const char *key,
                                    size_t key_size, valkeyReply *reply);
/* Drop the replies of a key; all that came over a connection (NULL: any). */
void cache_table_drop_key(struct cache_table *table, const char *key, size_t key_size);
void cache_table_drop_source(struct cache_table *table, const struct connection *source);

#endif
