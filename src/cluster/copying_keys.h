/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys that are in another state than their bucket: unsynced in a synced one, or synced as of later
 * than it. Found by name, walked in order of arrival. For copying alone. */
#ifndef LARDER_CLUSTER_COPYING_KEYS_H
#define LARDER_CLUSTER_COPYING_KEYS_H

#include "base/alloc.h"
#include "base/hash.h"

#include <stdbool.h>

struct copying_key {
    struct copying_key *chain; /* in the same slot of the table */
    struct copying_key *next, *previous;
    uint64_t hash;
    uint32_t bucket;
    bool is_unsynced;
    uint64_t as_of;  /* of a synced one */
    uint64_t missed; /* of an unsynced one: the newest record left out */
    size_t size;
    uint8_t bytes[];
};

struct copying_keys {
    const struct allocator *allocator;
    struct hash_seed seed;
    struct copying_key **slots;
    size_t slot_count; /* power of two, or 0 */
    size_t count, unsynced_count;
    struct copying_key *first, *last;
};

static inline struct slice copying_key_slice(const struct copying_key *key) {
    return slice_of(key->bytes, key->size);
}

/* `seed` is best not known to clients, who choose the keys. No allocation. */
void copying_keys_init(struct copying_keys *keys, const struct allocator *allocator, uint64_t seed);
/* Forget all; the memory is given back. */
void copying_keys_clear(struct copying_keys *keys);

/* NULL: not in it. */
struct copying_key *copying_keys_find(const struct copying_keys *keys, struct slice key);
/* Find it, or add it as synced as of 0 at the end. NULL: no memory. */
struct copying_key *copying_keys_add(struct copying_keys *keys, struct slice key, uint32_t bucket);
void copying_keys_remove(struct copying_keys *keys, struct copying_key *key);
void copying_keys_remove_bucket(struct copying_keys *keys, uint32_t bucket);
void copying_keys_set_unsynced(struct copying_keys *keys, struct copying_key *key,
                               bool is_unsynced);
void copying_keys_move_last(struct copying_keys *keys, struct copying_key *key);

#endif
