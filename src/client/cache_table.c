/* SPDX-License-Identifier: BSD-3-Clause */
/* A chained hash table over keys: all commands about a key lie in one bucket, so that a change
 * drops them with one look. Entries are also in a list in the order of use; the oldest go when
 * there are too many bytes. */
#include "client/cache.h"

#include "base/hash.h"

#include <string.h>

enum { BUCKETS_MIN = 64 };

static uint64_t hash_of(const struct cache_table *table, const char *key, size_t size) {
    const struct hash_seed seed = {{table->seed, ~table->seed}};
    return hash_key(&seed, (struct slice){(const uint8_t *)key, size}, 0);
}

static struct cache_entry **bucket_of(const struct cache_table *table, uint64_t hash) {
    return &table->buckets[hash & (table->bucket_count - 1)];
}

bool cache_table_init(struct cache_table *table, size_t max_bytes) {
    *table = (struct cache_table){.bucket_count = BUCKETS_MIN, .max_bytes = max_bytes};
    table->seed = (uint64_t)clock_now_ms() * 0x9e3779b97f4a7c15u ^ (uintptr_t)table;
    table->buckets = vk_calloc(BUCKETS_MIN, sizeof(*table->buckets));
    return table->buckets != NULL;
}

static void list_remove(struct cache_table *table, struct cache_entry *entry) {
    if (entry->newer != NULL)
        entry->newer->older = entry->older;
    else
        table->newest = entry->older;
    if (entry->older != NULL)
        entry->older->newer = entry->newer;
    else
        table->oldest = entry->newer;
}

static void list_push(struct cache_table *table, struct cache_entry *entry) {
    entry->newer = NULL;
    entry->older = table->newest;
    if (table->newest != NULL)
        table->newest->newer = entry;
    else
        table->oldest = entry;
    table->newest = entry;
}

static void drop(struct cache_table *table, struct cache_entry *entry) {
    struct cache_entry **link = bucket_of(table, entry->hash);
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    list_remove(table, entry);
    table->count--;
    table->bytes -= entry->cost;
    freeReplyObject(entry->reply);
    vk_free(entry);
}

void cache_table_finish(struct cache_table *table) {
    while (table->oldest != NULL)
        drop(table, table->oldest);
    vk_free(table->buckets);
    table->buckets = NULL;
}

struct cache_entry *cache_table_find(struct cache_table *table, const char *command, size_t size,
                                     const char *key, size_t key_size) {
    struct cache_entry *at = *bucket_of(table, hash_of(table, key, key_size));
    while (at != NULL && (at->size != size || memcmp(at->command, command, size) != 0))
        at = at->next;
    if (at != NULL) {
        list_remove(table, at);
        list_push(table, at);
    }
    return at;
}

static size_t cost_of(const valkeyReply *reply) {
    size_t cost = sizeof *reply + reply->len + reply->elements * sizeof(valkeyReply *);
    for (size_t i = 0; i < reply->elements; i++)
        if (reply->element[i] != NULL)
            cost += cost_of(reply->element[i]);
    return cost;
}

/* Twice as many buckets; without memory it stays as it is. */
static void grow(struct cache_table *table) {
    size_t count = table->bucket_count * 2;
    struct cache_entry **buckets = vk_calloc(count, sizeof(*buckets));
    if (buckets == NULL)
        return;
    vk_free(table->buckets);
    table->buckets = buckets;
    table->bucket_count = count;
    for (struct cache_entry *at = table->newest; at != NULL; at = at->older) {
        struct cache_entry **bucket = bucket_of(table, at->hash);
        at->next = *bucket;
        *bucket = at;
    }
}

struct cache_entry *cache_table_add(struct cache_table *table, struct connection *source,
                                    const char *command, size_t size, const char *key,
                                    size_t key_size, valkeyReply *reply) {
    size_t cost = sizeof(struct cache_entry) + size + cost_of(reply);
    struct cache_entry *entry = cost > table->max_bytes ? NULL : vk_malloc(sizeof *entry + size);
    if (entry == NULL)
        return NULL;
    *entry = (struct cache_entry){.source = source,
                                  .reply = reply,
                                  .hash = hash_of(table, key, key_size),
                                  .cost = cost,
                                  .key_at = (size_t)(key - command),
                                  .key_size = key_size,
                                  .size = size};
    memcpy(entry->command, command, size);
    while (table->bytes + cost > table->max_bytes) {
        drop(table, table->oldest);
        table->evicted++;
    }
    if (table->count >= table->bucket_count)
        grow(table);
    struct cache_entry **bucket = bucket_of(table, entry->hash);
    entry->next = *bucket;
    *bucket = entry;
    list_push(table, entry);
    table->count++;
    table->bytes += cost;
    return entry;
}

void cache_table_drop_key(struct cache_table *table, const char *key, size_t key_size) {
    struct cache_entry *next;
    for (struct cache_entry *at = *bucket_of(table, hash_of(table, key, key_size)); at != NULL;
         at = next) {
        next = at->next;
        if (at->key_size != key_size || memcmp(at->command + at->key_at, key, key_size) != 0)
            continue;
        drop(table, at);
        table->invalidated++;
    }
}

void cache_table_drop_source(struct cache_table *table, const struct connection *source) {
    struct cache_entry *older;
    for (struct cache_entry *at = table->newest; at != NULL; at = older) {
        older = at->older;
        if (source == NULL || at->source == source)
            drop(table, at);
    }
}
