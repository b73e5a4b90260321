/* SPDX-License-Identifier: BSD-3-Clause */
/* Which clients have read which keys: for each key the trackers that are to be told when it
 * changes, once. Keys are names alone, of whatever database. Stripes by the key's hash, each under
 * its own lock (TRACKING_LOCK); any thread, partition locks may be held. */
#ifndef LARDER_SERVER_TRACKING_TABLE_H
#define LARDER_SERVER_TRACKING_TABLE_H

#include "base/alloc.h"
#include "base/hash.h"
#include "base/lock_order.h"
#include "base/slice.h"
#include "base/status.h"
#include "os/lock.h"

struct tracker;

enum { TRACKING_STRIPES = 64 };

/* A key and who has read it. Owned by the table until it is taken out. */
struct tracked_key {
    struct tracked_key *next; /* in its bucket; free for whoever took it out */
    uint64_t hash;
    struct tracker **trackers; /* a reference each */
    uint32_t count, capacity;
    size_t size; /* of the text that follows */
    uint8_t text[];
};

struct tracking_stripe {
    struct lock lock;
    struct tracked_key **buckets; /* guarded by TRACKING_LOCK, as what follows */
    size_t bucket_count, count;
    size_t hand; /* where the next key to be given up is looked for */
};

struct tracking_table {
    const struct allocator *allocator;
    struct hash_seed seed;
    void (*release)(struct tracker *tracker); /* gives back a reference */
    _Atomic uint64_t key_count, item_count;
    struct tracking_stripe stripes[TRACKING_STRIPES];
};

void tracking_table_init(struct tracking_table *table, const struct allocator *allocator,
                         struct hash_seed seed, void (*release)(struct tracker *tracker));
void tracking_table_finish(struct tracking_table *table);

/* Note that the tracker has read the key. `tracker` is a reference: taken over when *out_is_new,
 * else (it was noted already, or on failure) still the caller's. Errors: LARDER_NO_MEMORY. */
enum larder_status tracking_table_add(struct tracking_table *table, struct slice key,
                                      struct tracker *tracker, bool *out_is_new) LARDER_NODISCARD;
/* Whether it is noted still. */
bool tracking_table_has(struct tracking_table *table, struct slice key,
                        const struct tracker *tracker);
/* Take a key out. Returns owned, NULL when nobody has read it. */
struct tracked_key *tracking_table_take(struct tracking_table *table, struct slice key);
/* Take any key out. Returns owned, NULL when there is none. */
struct tracked_key *tracking_table_take_any(struct tracking_table *table, uint64_t start);
/* With its references. NULL is allowed. */
void tracked_key_destroy(struct tracking_table *table, struct tracked_key *key);
/* Forget all keys. */
void tracking_table_clear(struct tracking_table *table);

#endif
