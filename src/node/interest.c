/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables of watched and awaited keys, and the delivery of notices to them. A chained hash table per
 * partition: it exists only while somebody is interested. */
#include "node/interest.h"

#include "node/node_internal.h"
#include "node/section.h"
#include "node/waiting.h"
#include "store/expiry.h"

enum { FIRST_BUCKETS = 16 };

static struct slice text_of(const struct interest_key *key) {
    return slice_of(key->text, key->size);
}

static uint64_t hash_of(const struct node *node, uint32_t database, struct slice key) {
    return hash_key(&node->keyspace.seed, key, database);
}

static size_t key_bytes(size_t text) {
    return sizeof(struct interest_key) + text;
}

struct interest_key *interest_find(struct node *node, uint32_t partition, uint32_t database,
                                   struct slice key) {
    const struct interest_table *table = &node->interests[partition];
    if (table->key_count == 0)
        return NULL;
    uint64_t hash = hash_of(node, database, key);
    struct interest_key *at = table->buckets[hash & (table->bucket_count - 1)];
    while (at != NULL &&
           (at->hash != hash || at->database != database || !slice_equal(text_of(at), key)))
        at = at->next;
    return at;
}

static bool grow(struct interest_table *table, const struct allocator *a) {
    uint32_t count = table->bucket_count == 0 ? FIRST_BUCKETS : 2 * table->bucket_count;
    struct interest_key **buckets = allocator_allocate_zeroed(a, count * sizeof(*buckets));
    if (buckets == NULL)
        return table->bucket_count > 0; /* a full table works on, slower */
    for (uint32_t i = 0; i < table->bucket_count; i++) {
        for (struct interest_key *key = table->buckets[i], *next; key != NULL; key = next) {
            next = key->next;
            key->next = buckets[key->hash & (count - 1)];
            buckets[key->hash & (count - 1)] = key;
        }
    }
    allocator_release(a, table->buckets, table->bucket_count * sizeof(*buckets));
    table->buckets = buckets;
    table->bucket_count = count;
    return true;
}

static struct interest_key *add_key(struct node *node, uint32_t partition, uint32_t database,
                                    struct slice text) {
    struct interest_table *table = &node->interests[partition];
    if (table->key_count >= table->bucket_count && !grow(table, node->allocator))
        return NULL;
    struct interest_key *key = allocator_allocate(node->allocator, key_bytes(text.size));
    if (key == NULL)
        return NULL;
    *key = (struct interest_key){.hash = hash_of(node, database, text),
                                 .partition = partition,
                                 .database = database,
                                 .size = text.size};
    if (text.size > 0)
        memcpy(key->text, text.data, text.size);
    struct interest_key **bucket = &table->buckets[key->hash & (table->bucket_count - 1)];
    key->next = *bucket;
    *bucket = key;
    table->key_count++;
    return key;
}

static void count(_Atomic int64_t *keys, uint32_t *entries, bool is_added) {
    if (is_added ? (*entries)++ == 0 : --*entries == 0)
        atomic_fetch_add_explicit(keys, is_added ? 1 : -1, memory_order_relaxed);
}

/* Count the keys that are waited for, for figures. */
static void count_waiter(struct node *node, const struct interest_entry *entry, bool is_added) {
    if (entry->waiter == NULL)
        return;
    count(&node->awaited_keys, &entry->key->waiters, is_added);
    if (entry->waiter->spec->id == COMMAND_XREADGROUP)
        count(&node->awaited_group_keys, &entry->key->group_readers, is_added);
}

enum larder_status interest_add(struct node *node, uint32_t partition, uint32_t database,
                                struct slice text, struct interest_entry *entry) {
    struct interest_key *key = interest_find(node, partition, database, text);
    if (key == NULL)
        key = add_key(node, partition, database, text);
    if (key == NULL)
        return LARDER_NO_MEMORY;
    entry->key = key;
    entry->next = NULL;
    entry->previous = key->last;
    if (key->last != NULL)
        key->last->next = entry;
    else
        key->first = entry;
    key->last = entry;
    count_waiter(node, entry, true);
    atomic_fetch_add_explicit(&node->changes_wanted, 1, memory_order_relaxed);
    return LARDER_OK;
}

static void remove_key(struct node *node, struct interest_key *key) {
    struct interest_table *table = &node->interests[key->partition];
    struct interest_key **at = &table->buckets[key->hash & (table->bucket_count - 1)];
    while (*at != key)
        at = &(*at)->next;
    *at = key->next;
    allocator_release(node->allocator, key, key_bytes(key->size));
    if (--table->key_count > 0)
        return;
    allocator_release(node->allocator, table->buckets,
                      table->bucket_count * sizeof(*table->buckets));
    *table = (struct interest_table){0};
}

void interest_remove(struct node *node, struct interest_entry *entry) {
    struct interest_key *key = entry->key;
    if (key == NULL)
        return;
    if (entry->previous != NULL)
        entry->previous->next = entry->next;
    else
        key->first = entry->next;
    if (entry->next != NULL)
        entry->next->previous = entry->previous;
    else
        key->last = entry->previous;
    count_waiter(node, entry, false);
    entry->key = NULL;
    atomic_fetch_sub_explicit(&node->changes_wanted, 1, memory_order_relaxed);
    if (key->first == NULL)
        remove_key(node, key);
}

void interest_finish(struct node *node) {
    for (uint32_t id = 0; id < node->keyspace.partition_count; id++) {
        struct interest_table *table = &node->interests[id];
        allocator_release(node->allocator, table->buckets,
                          table->bucket_count * sizeof(*table->buckets));
    }
    allocator_release(node->allocator, node->interests,
                      node->keyspace.partition_count * sizeof(*node->interests));
}

/* ---- delivery ---- */

/* The database that a collection id is. False: none, it was flushed. */
static bool database_of(const struct keyspace *keyspace, uint32_t collection, uint32_t *out)
    REQUIRES(PARTITION_LOCK) {
    for (uint32_t i = 0; i < keyspace->database_count; i++) {
        if (keyspace_collection(keyspace, i) == collection) {
            *out = i;
            return true;
        }
    }
    return false;
}

static void break_watches(struct interest_key *key) {
    for (struct interest_entry *e = key->first; e != NULL; e = e->next)
        if (e->watcher != NULL)
            atomic_store_explicit(&e->watcher->is_dirty, true, memory_order_relaxed);
}

static void tell_changed(struct node_thread *thread, uint32_t partition, uint32_t database,
                         struct slice text) REQUIRES(PARTITION_LOCK) {
    struct node *node = thread->node;
    struct interest_key *key = interest_find(node, partition, database, text);
    if (key != NULL) {
        break_watches(key);
        node_serve_key(thread, key);
    }
    if (node->listener.changed != NULL)
        node->listener.changed(node->listener.context, thread, database, text);
}

static struct interest_key *next_awaited(struct interest_table *table, uint32_t database,
                                         uint32_t *position);

static void serve_table(struct node_thread *thread, uint32_t partition, uint32_t database)
    REQUIRES(PARTITION_LOCK) {
    struct interest_table *table = &thread->node->interests[partition];
    uint32_t position = 0;
    struct interest_key *key;
    while ((key = next_awaited(table, database, &position)) != NULL) {
        uint32_t before = table->key_count;
        node_serve_key(thread, key);
        position -= table->key_count < before;
    }
}

/* Something was not noted for want of memory: every key that this thread holds counts as changed,
 * and whoever keeps copies forgets them all. */
static void tell_lost(struct node_thread *thread) REQUIRES(PARTITION_LOCK) {
    struct node *node = thread->node;
    bool has_section = thread->section.kind != SECTION_NONE;
    const uint32_t *ids = has_section ? thread->section.order : thread->held;
    size_t count = has_section ? thread->section.count : thread->held_count;
    for (size_t i = 0; i < count; i++) {
        struct interest_table *table = &node->interests[ids[i]];
        for (uint32_t b = 0; b < table->bucket_count; b++)
            for (struct interest_key *key = table->buckets[b]; key != NULL; key = key->next)
                break_watches(key);
        serve_table(thread, ids[i], UINT32_MAX);
    }
    if (node->listener.flushed != NULL)
        node->listener.flushed(node->listener.context, thread, UINT32_MAX);
    notices_clear(&thread->store.notices);
}

/* Serving a command may collect more notices, so the list may grow (and move) as it is told. */
void node_tell_notices(struct node_thread *thread) {
    struct node *node = thread->node;
    struct notices *notices = &thread->store.notices;
    for (uint32_t i = 0; i < notices->count; i++) {
        struct notice notice = notices->items[i];
        uint32_t database;
        if (!database_of(&node->keyspace, notice.collection, &database))
            continue;
        uint8_t copy[256];
        struct slice key = notice_key(notices, &notice);
        struct blob *large = NULL;
        if (key.size <= sizeof(copy)) {
            memcpy(copy, key.data, key.size);
            key.data = copy;
        } else if ((large = blob_create(node->allocator, key.size)) != NULL) {
            memcpy(large->data, key.data, key.size);
            key.data = large->data;
        } else {
            notices->is_incomplete = true;
            notices->lost_events += notice.event != NULL;
            continue;
        }
        if (notice.event == NULL)
            tell_changed(thread, notice.partition, database, key);
        else if (node->listener.event != NULL)
            node->listener.event(node->listener.context, thread, database, notice.class,
                                 notice.event, key);
        blob_release(large);
    }
    bool is_incomplete = notices->is_incomplete;
    if (notices->lost_events > 0)
        atomic_fetch_add_explicit(&node->lost_events, notices->lost_events, memory_order_relaxed);
    notices_clear(notices);
    if (is_incomplete)
        tell_lost(thread);
}

/* ---- whole databases ---- */

static bool exists(struct node *node, const struct interest_key *key, uint32_t database)
    REQUIRES(PARTITION_LOCK) {
    struct entry entry;
    struct keyspace *keyspace = &node->keyspace;
    if (database >= keyspace->database_count)
        return false;
    struct key sought =
        keyspace_key(keyspace, text_of(key), keyspace_collection(keyspace, database));
    return partition_find(keyspace_partition(keyspace, key->partition), keyspace, &sought, &entry);
}

void node_touch_database(struct node_thread *thread, uint32_t database, uint32_t other) {
    struct node *node = thread->node;
    for (uint32_t id = 0; id < node->keyspace.partition_count; id++) {
        struct interest_table *table = &node->interests[id];
        for (uint32_t b = 0; b < table->bucket_count; b++)
            for (struct interest_key *key = table->buckets[b]; key != NULL; key = key->next)
                if ((database == UINT32_MAX || key->database == database) &&
                    (exists(node, key, key->database) || exists(node, key, other)))
                    break_watches(key);
    }
}

static struct interest_key *next_awaited(struct interest_table *table, uint32_t database,
                                         uint32_t *position) {
    uint32_t at = 0;
    for (uint32_t b = 0; b < table->bucket_count; b++)
        for (struct interest_key *key = table->buckets[b]; key != NULL; key = key->next)
            if ((database == UINT32_MAX || key->database == database) && at++ == *position) {
                ++*position;
                return key;
            }
    return NULL;
}

void node_serve_database(struct node_thread *thread, uint32_t database) {
    for (uint32_t id = 0; id < thread->node->keyspace.partition_count; id++)
        serve_table(thread, id, database);
    node_tell(thread);
}

/* ---- WATCH ---- */

struct watch {
    struct interest_entry entry;
    struct watch *next;
    bool was_there; /* so that its expiry breaks the watch */
};

static bool is_watched(const struct interest_key *key, const struct watch_set *set) {
    for (const struct interest_entry *e = key->first; e != NULL; e = e->next)
        if (e->watcher == set)
            return true;
    return false;
}

/* Whether the key is there and has not expired. */
static bool is_alive(struct node_thread *thread, const struct interest_key *key)
    REQUIRES(PARTITION_LOCK) {
    struct entry entry;
    struct keyspace *keyspace = &thread->node->keyspace;
    struct key sought =
        keyspace_key(keyspace, text_of(key), keyspace_collection(keyspace, key->database));
    return partition_find(keyspace_partition(keyspace, key->partition), keyspace, &sought,
                          &entry) &&
           !expiry_has_passed(entry.expiry_ms, thread->store.now_ms);
}

static bool lock_to_watch(struct node *node, uint32_t id, bool is_brief) NO_THREAD_SAFETY {
    return is_brief ? partition_lock_briefly(node, id)
                    : lock_try_acquire(&node->locks[id].lock) || partition_lock_patiently(node, id);
}

static bool lock_to_forget(struct node *node, uint32_t id, bool is_brief) NO_THREAD_SAFETY {
    if (is_brief)
        return partition_lock_briefly(node, id);
    partition_lock(node, id);
    return true;
}

enum larder_status node_watch(struct node_thread *thread, struct watch_set *set, uint32_t database,
                              struct slice text, bool is_brief) NO_THREAD_SAFETY {
    struct node *node = thread->node;
    uint32_t id = keyspace_partition_id(&node->keyspace, text);
    struct watch *watch = allocator_allocate_zeroed(node->allocator, sizeof(*watch));
    if (watch == NULL)
        return LARDER_NO_MEMORY;
    watch->entry.watcher = set;
    if (!lock_to_watch(node, id, is_brief)) {
        allocator_release(node->allocator, watch, sizeof(*watch));
        return LARDER_BUSY;
    }
    struct interest_key *key = interest_find(node, id, database, text);
    bool is_new = key == NULL || !is_watched(key, set);
    enum larder_status status =
        is_new ? interest_add(node, id, database, text, &watch->entry) : LARDER_OK;
    if (is_new && status == LARDER_OK)
        watch->was_there = is_alive(thread, watch->entry.key);
    partition_unlock(node, id);
    if (!is_new || status != LARDER_OK) {
        allocator_release(node->allocator, watch, sizeof(*watch));
        return status;
    }
    watch->next = set->first;
    set->first = watch;
    set->count++;
    return LARDER_OK;
}

bool node_unwatch(struct node_thread *thread, struct watch_set *set,
                  bool is_brief) NO_THREAD_SAFETY {
    struct node *node = thread->node;
    while (set->first != NULL) {
        struct watch *watch = set->first;
        uint32_t id = watch->entry.key->partition;
        if (!lock_to_forget(node, id, is_brief))
            return false;
        set->first = watch->next;
        interest_remove(node, &watch->entry);
        partition_unlock(node, id);
        allocator_release(node->allocator, watch, sizeof(*watch));
    }
    set->count = 0;
    atomic_store_explicit(&set->is_dirty, false, memory_order_relaxed);
    return true;
}

enum larder_status node_watch_plan(const struct node *node, const struct watch_set *set,
                                   struct section_plan *plan) {
    for (const struct watch *w = set->first; w != NULL; w = w->next) {
        enum larder_status status = section_plan_add_key(plan, node, text_of(w->entry.key));
        if (status != LARDER_OK)
            return status;
    }
    return LARDER_OK;
}

bool node_watch_is_broken(struct node_thread *thread, struct watch_set *set) NO_THREAD_SAFETY {
    if (atomic_load_explicit(&set->is_dirty, memory_order_relaxed))
        return true;
    for (const struct watch *w = set->first; w != NULL; w = w->next)
        if (w->was_there && !is_alive(thread, w->entry.key))
            return true;
    return false;
}
