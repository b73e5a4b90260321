/* SPDX-License-Identifier: BSD-3-Clause */
/* Chained hashing in each stripe, doubled when there are more keys than buckets. */
#include "server/tracking_table.h"

enum { FIRST_BUCKETS = 16 };

void tracking_table_init(struct tracking_table *table, const struct allocator *allocator,
                         struct hash_seed seed, void (*release)(struct tracker *tracker)) {
    memset(table, 0, sizeof(*table));
    table->allocator = allocator;
    table->seed = seed;
    table->release = release;
}

static struct tracking_stripe *lock_stripe(struct tracking_table *table, uint64_t hash)
    ACQUIRE(TRACKING_LOCK) NO_THREAD_SAFETY {
    struct tracking_stripe *stripe = &table->stripes[hash >> 58];
    lock_acquire(&stripe->lock);
    return stripe;
}

static void unlock_stripe(struct tracking_stripe *stripe) RELEASE(TRACKING_LOCK) NO_THREAD_SAFETY {
    lock_release(&stripe->lock);
}

static void add_count(_Atomic uint64_t *counter, uint64_t value) {
    atomic_fetch_add_explicit(counter, value, memory_order_relaxed);
}

static uint64_t hash_of(const struct tracking_table *table, struct slice key) {
    return hash_key(&table->seed, key, 0);
}

/* Where the pointer to the key is, or would be. */
static struct tracked_key **place_of(const struct tracking_stripe *stripe, uint64_t hash,
                                     struct slice key) REQUIRES(TRACKING_LOCK) {
    struct tracked_key **at = &stripe->buckets[hash & (stripe->bucket_count - 1)];
    while (*at != NULL &&
           ((*at)->hash != hash || !slice_equal(slice_of((*at)->text, (*at)->size), key)))
        at = &(*at)->next;
    return at;
}

/* False: there are no buckets at all. */
static bool grow(struct tracking_table *table, struct tracking_stripe *stripe)
    REQUIRES(TRACKING_LOCK) {
    if (stripe->count < stripe->bucket_count)
        return true;
    size_t count = stripe->bucket_count == 0 ? FIRST_BUCKETS : 2 * stripe->bucket_count;
    struct tracked_key **buckets =
        allocator_allocate_zeroed(table->allocator, count * sizeof(struct tracked_key *));
    if (buckets == NULL)
        return stripe->bucket_count > 0;
    for (size_t i = 0; i < stripe->bucket_count; i++) {
        for (struct tracked_key *k = stripe->buckets[i], *next; k != NULL; k = next) {
            next = k->next;
            struct tracked_key **bucket = &buckets[k->hash & (count - 1)];
            k->next = *bucket;
            *bucket = k;
        }
    }
    allocator_release(table->allocator, stripe->buckets,
                      stripe->bucket_count * sizeof(struct tracked_key *));
    stripe->buckets = buckets;
    stripe->bucket_count = count;
    stripe->hand = 0;
    return true;
}

static struct tracked_key *create(struct tracking_table *table, uint64_t hash, struct slice key) {
    struct tracked_key *k = allocator_allocate(table->allocator, sizeof(*k) + key.size);
    if (k == NULL)
        return NULL;
    *k = (struct tracked_key){.hash = hash, .size = key.size};
    if (key.size > 0)
        memcpy(k->text, key.data, key.size);
    return k;
}

static bool is_noted(const struct tracked_key *key, const struct tracker *tracker) {
    for (uint32_t i = 0; i < key->count; i++)
        if (key->trackers[i] == tracker)
            return true;
    return false;
}

static bool note(struct tracking_table *table, struct tracked_key *key, struct tracker *tracker) {
    if (key->count == key->capacity) {
        uint32_t capacity = key->capacity == 0 ? 1 : 2 * key->capacity;
        struct tracker **trackers = allocator_resize(table->allocator, key->trackers,
                                                     key->capacity * sizeof(struct tracker *),
                                                     capacity * sizeof(struct tracker *));
        if (trackers == NULL)
            return false;
        key->trackers = trackers;
        key->capacity = capacity;
    }
    key->trackers[key->count++] = tracker;
    add_count(&table->item_count, 1);
    return true;
}

static enum larder_status add_locked(struct tracking_table *table, struct tracking_stripe *stripe,
                                     uint64_t hash, struct slice key, struct tracker *tracker,
                                     bool *out_is_new) REQUIRES(TRACKING_LOCK) {
    if (!grow(table, stripe))
        return LARDER_NO_MEMORY;
    struct tracked_key **at = place_of(stripe, hash, key), *found = *at;
    if (found != NULL && is_noted(found, tracker))
        return LARDER_OK;
    if (found == NULL)
        found = create(table, hash, key);
    if (found == NULL || !note(table, found, tracker)) {
        if (*at == NULL)
            tracked_key_destroy(table, found);
        return LARDER_NO_MEMORY;
    }
    if (*at == NULL) {
        *at = found;
        stripe->count++;
        add_count(&table->key_count, 1);
    }
    *out_is_new = true;
    return LARDER_OK;
}

enum larder_status tracking_table_add(struct tracking_table *table, struct slice key,
                                      struct tracker *tracker, bool *out_is_new) {
    uint64_t hash = hash_of(table, key);
    *out_is_new = false;
    struct tracking_stripe *stripe = lock_stripe(table, hash);
    enum larder_status status = add_locked(table, stripe, hash, key, tracker, out_is_new);
    unlock_stripe(stripe);
    return status;
}

bool tracking_table_has(struct tracking_table *table, struct slice key,
                        const struct tracker *tracker) {
    uint64_t hash = hash_of(table, key);
    bool has_it = false;
    struct tracking_stripe *stripe = lock_stripe(table, hash);
    if (stripe->count > 0) {
        const struct tracked_key *found = *place_of(stripe, hash, key);
        has_it = found != NULL && is_noted(found, tracker);
    }
    unlock_stripe(stripe);
    return has_it;
}

static struct tracked_key *take_out(struct tracking_table *table, struct tracking_stripe *stripe,
                                    struct tracked_key **at) REQUIRES(TRACKING_LOCK) {
    struct tracked_key *key = *at;
    *at = key->next;
    key->next = NULL;
    stripe->count--;
    add_count(&table->key_count, (uint64_t)-1);
    add_count(&table->item_count, (uint64_t)0 - key->count);
    return key;
}

struct tracked_key *tracking_table_take(struct tracking_table *table, struct slice key) {
    uint64_t hash = hash_of(table, key);
    struct tracked_key *taken = NULL;
    struct tracking_stripe *stripe = lock_stripe(table, hash);
    if (stripe->count > 0) {
        struct tracked_key **at = place_of(stripe, hash, key);
        if (*at != NULL)
            taken = take_out(table, stripe, at);
    }
    unlock_stripe(stripe);
    return taken;
}

struct tracked_key *tracking_table_take_any(struct tracking_table *table, uint64_t start) {
    struct tracked_key *taken = NULL;
    for (uint64_t i = 0; i < TRACKING_STRIPES && taken == NULL; i++) {
        struct tracking_stripe *stripe = lock_stripe(table, (start + i) << 58);
        while (stripe->count > 0 && taken == NULL) {
            struct tracked_key **at = &stripe->buckets[stripe->hand & (stripe->bucket_count - 1)];
            if (*at != NULL)
                taken = take_out(table, stripe, at);
            else
                stripe->hand++;
        }
        unlock_stripe(stripe);
    }
    return taken;
}

void tracked_key_destroy(struct tracking_table *table, struct tracked_key *key) {
    if (key == NULL)
        return;
    for (uint32_t i = 0; i < key->count; i++)
        table->release(key->trackers[i]);
    allocator_release(table->allocator, key->trackers, key->capacity * sizeof(struct tracker *));
    allocator_release(table->allocator, key, sizeof(*key) + key->size);
}

void tracking_table_clear(struct tracking_table *table) {
    for (uint64_t i = 0; i < TRACKING_STRIPES; i++) {
        struct tracking_stripe *stripe = lock_stripe(table, i << 58);
        for (size_t b = 0; b < stripe->bucket_count && stripe->count > 0; b++)
            while (stripe->buckets[b] != NULL)
                tracked_key_destroy(table, take_out(table, stripe, &stripe->buckets[b]));
        unlock_stripe(stripe);
    }
}

void tracking_table_finish(struct tracking_table *table) {
    tracking_table_clear(table);
    for (size_t i = 0; i < TRACKING_STRIPES; i++)
        allocator_release(table->allocator, table->stripes[i].buckets,
                          table->stripes[i].bucket_count * sizeof(struct tracked_key *));
}
