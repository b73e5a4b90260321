/* SPDX-License-Identifier: BSD-3-Clause */
/* A chained hash table that doubles, its entries in a list. A table that can't grow stays correct.
 */
#include "cluster/copying_keys.h"

#include <string.h>

enum { SLOTS_FIRST = 64 };

void copying_keys_init(struct copying_keys *keys, const struct allocator *allocator,
                       uint64_t seed) {
    *keys = (struct copying_keys){.allocator = allocator, .seed = {{seed, ~seed * 3}}};
}

static void release(struct copying_keys *keys, struct copying_key *key) {
    allocator_release(keys->allocator, key, sizeof(*key) + key->size);
}

void copying_keys_clear(struct copying_keys *keys) {
    for (struct copying_key *key = keys->first, *next; key != NULL; key = next) {
        next = key->next;
        release(keys, key);
    }
    allocator_release(keys->allocator, keys->slots, keys->slot_count * sizeof(*keys->slots));
    keys->slots = NULL;
    keys->slot_count = keys->count = keys->unsynced_count = 0;
    keys->first = keys->last = NULL;
}

static struct copying_key **slot_of(const struct copying_keys *keys, uint64_t hash) {
    return &keys->slots[hash & (keys->slot_count - 1)];
}

static struct copying_key *find(const struct copying_keys *keys, struct slice text, uint64_t hash) {
    if (keys->slot_count == 0)
        return NULL;
    struct copying_key *key = *slot_of(keys, hash);
    while (key != NULL && (key->hash != hash || key->size != text.size ||
                           (text.size > 0 && memcmp(key->bytes, text.data, text.size) != 0)))
        key = key->chain;
    return key;
}

struct copying_key *copying_keys_find(const struct copying_keys *keys, struct slice text) {
    return keys->count == 0 ? NULL : find(keys, text, hash_key(&keys->seed, text, 0));
}

static bool grow(struct copying_keys *keys) {
    size_t count = keys->slot_count == 0 ? SLOTS_FIRST : 2 * keys->slot_count;
    struct copying_key **slots = allocator_allocate_zeroed(keys->allocator, count * sizeof(*slots));
    if (slots == NULL)
        return keys->slot_count > 0;
    allocator_release(keys->allocator, keys->slots, keys->slot_count * sizeof(*keys->slots));
    keys->slots = slots;
    keys->slot_count = count;
    for (struct copying_key *key = keys->first; key != NULL; key = key->next) {
        struct copying_key **slot = slot_of(keys, key->hash);
        key->chain = *slot;
        *slot = key;
    }
    return true;
}

static void link_last(struct copying_keys *keys, struct copying_key *key) {
    key->next = NULL;
    key->previous = keys->last;
    *(keys->last == NULL ? &keys->first : &keys->last->next) = key;
    keys->last = key;
}

static void unlink_key(struct copying_keys *keys, struct copying_key *key) {
    *(key->previous == NULL ? &keys->first : &key->previous->next) = key->next;
    *(key->next == NULL ? &keys->last : &key->next->previous) = key->previous;
}

struct copying_key *copying_keys_add(struct copying_keys *keys, struct slice text,
                                     uint32_t bucket) {
    uint64_t hash = hash_key(&keys->seed, text, 0);
    struct copying_key *key = find(keys, text, hash);
    if (key != NULL)
        return key;
    if (keys->count >= keys->slot_count && !grow(keys))
        return NULL;
    key = allocator_allocate(keys->allocator, sizeof(*key) + text.size);
    if (key == NULL)
        return NULL;
    struct copying_key **slot = slot_of(keys, hash);
    *key = (struct copying_key){.chain = *slot, .hash = hash, .bucket = bucket, .size = text.size};
    if (text.size > 0)
        memcpy(key->bytes, text.data, text.size);
    *slot = key;
    link_last(keys, key);
    keys->count++;
    return key;
}

void copying_keys_remove(struct copying_keys *keys, struct copying_key *key) {
    struct copying_key **at = slot_of(keys, key->hash);
    while (*at != key)
        at = &(*at)->chain;
    *at = key->chain;
    unlink_key(keys, key);
    keys->count--;
    keys->unsynced_count -= key->is_unsynced;
    release(keys, key);
}

void copying_keys_remove_bucket(struct copying_keys *keys, uint32_t bucket) {
    for (struct copying_key *key = keys->first, *next; key != NULL; key = next) {
        next = key->next;
        if (key->bucket == bucket)
            copying_keys_remove(keys, key);
    }
}

void copying_keys_set_unsynced(struct copying_keys *keys, struct copying_key *key,
                               bool is_unsynced) {
    keys->unsynced_count += (size_t)is_unsynced - (size_t)key->is_unsynced;
    key->is_unsynced = is_unsynced;
}

void copying_keys_move_last(struct copying_keys *keys, struct copying_key *key) {
    unlink_key(keys, key);
    link_last(keys, key);
}
