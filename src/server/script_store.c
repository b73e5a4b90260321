/* SPDX-License-Identifier: BSD-3-Clause */
/* Scripts in a hash table by SHA-1, which needs no hashing of its own. Which script was used
 * longest ago is found by looking at all that EVAL brought: that happens only when one too many is
 * added, and saves every use a lock. */
#include "server/script_store.h"

#include "script/key_scan.h"

#include <stdlib.h>

enum { FIRST_BUCKETS = 64 };

enum larder_status script_store_init(struct script_store *store,
                                     const struct allocator *allocator) {
    *store = (struct script_store){.allocator = allocator, .bucket_count = FIRST_BUCKETS};
    store->buckets = allocator_allocate_zeroed(allocator, FIRST_BUCKETS * sizeof(*store->buckets));
    return store->buckets != NULL ? LARDER_OK : LARDER_NO_MEMORY;
}

void script_store_finish(struct script_store *store) {
    if (store->buckets == NULL)
        return;
    script_store_flush(store);
    script_store_flush_libraries(store);
    allocator_release(store->allocator, store->buckets,
                      store->bucket_count * sizeof(*store->buckets));
    store->buckets = NULL;
}

void script_store_lock(struct script_store *store) NO_THREAD_SAFETY {
    lock_acquire(&store->lock);
}

void script_store_unlock(struct script_store *store) NO_THREAD_SAFETY {
    lock_release(&store->lock);
}

/* ---- scripts ---- */

void cached_script_release(struct script_store *store, struct cached_script *script) {
    if (script == NULL ||
        atomic_fetch_sub_explicit(&script->references, 1, memory_order_acq_rel) > 1)
        return;
    blob_release(script->text);
    allocator_release(store->allocator, script, sizeof(*script));
}

static size_t hex_value(char c) {
    return (size_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static struct cached_script **bucket_of(const struct script_store *store, const char *sha) {
    size_t hash = 0;
    for (size_t i = 0; i < 8; i++)
        hash = hash << 4 | (hex_value(sha[i]) & 15);
    return &store->buckets[hash & (store->bucket_count - 1)];
}

static struct cached_script *find(const struct script_store *store, const char *sha)
    REQUIRES(SCRIPT_TABLE_LOCK) {
    struct cached_script *script = *bucket_of(store, sha);
    while (script != NULL && memcmp(script->sha, sha, SHA1_HEX_BYTES) != 0)
        script = script->next;
    return script;
}

struct cached_script *script_store_find(struct script_store *store, const char *sha) {
    script_store_lock(store);
    struct cached_script *script = find(store, sha);
    if (script != NULL)
        cached_script_acquire(script);
    script_store_unlock(store);
    return script;
}

static size_t footprint(const struct cached_script *script) {
    return sizeof(*script) + blob_footprint(script->text);
}

static void unlink_script(struct script_store *store, struct cached_script *script)
    REQUIRES(SCRIPT_TABLE_LOCK) {
    struct cached_script **at = bucket_of(store, script->sha);
    while (*at != script)
        at = &(*at)->next;
    *at = script->next;
    store->script_count--;
    store->script_bytes -= footprint(script);
    if (!atomic_load_explicit(&script->is_loaded, memory_order_relaxed))
        store->eval_count--;
    /* Pairs with the acquire of threads that look at their own tables. */
    atomic_store_explicit(&script->is_gone, true, memory_order_release);
    atomic_fetch_add_explicit(&store->removals, 1, memory_order_release);
    cached_script_release(store, script);
}

static void evict(struct script_store *store) REQUIRES(SCRIPT_TABLE_LOCK) {
    struct cached_script *oldest = NULL;
    for (size_t i = 0; i < store->bucket_count; i++)
        for (struct cached_script *s = store->buckets[i]; s != NULL; s = s->next)
            if (!atomic_load_explicit(&s->is_loaded, memory_order_relaxed) &&
                (oldest == NULL ||
                 atomic_load_explicit(&s->used_at, memory_order_relaxed) <
                     atomic_load_explicit(&oldest->used_at, memory_order_relaxed)))
                oldest = s;
    if (oldest == NULL)
        return;
    unlink_script(store, oldest);
    atomic_fetch_add_explicit(&store->evictions, 1, memory_order_relaxed);
}

/* Without memory the buckets only get longer. */
static void grow(struct script_store *store) REQUIRES(SCRIPT_TABLE_LOCK) {
    size_t old_count = store->bucket_count;
    struct cached_script **old = store->buckets;
    struct cached_script **buckets =
        allocator_allocate_zeroed(store->allocator, 2 * old_count * sizeof(*buckets));
    if (buckets == NULL)
        return;
    store->buckets = buckets;
    store->bucket_count = 2 * old_count;
    for (size_t i = 0; i < old_count; i++) {
        for (struct cached_script *s = old[i], *next; s != NULL; s = next) {
            struct cached_script **at = bucket_of(store, s->sha);
            next = s->next;
            s->next = *at;
            *at = s;
        }
    }
    allocator_release(store->allocator, old, old_count * sizeof(*old));
}

static struct cached_script *create(struct script_store *store, const char *sha, struct slice text,
                                    const struct script_header *header) {
    struct cached_script *script = allocator_allocate_zeroed(store->allocator, sizeof(*script));
    if (script == NULL)
        return NULL;
    script->text = blob_create(store->allocator, text.size);
    if (script->text == NULL) {
        allocator_release(store->allocator, script, sizeof(*script));
        return NULL;
    }
    memcpy(script->text->data, text.data, text.size);
    script->text->size = text.size;
    memcpy(script->sha, sha, SHA1_HEX_BYTES);
    script->header = *header;
    script->header.code.data = script->text->data + (header->code.data - text.data);
    script->is_declared = key_scan_is_declared(script->header.code);
    atomic_init(&script->references, 2); /* the store's and the caller's */
    return script;
}

static void mark_loaded(struct script_store *store, struct cached_script *script)
    REQUIRES(SCRIPT_TABLE_LOCK) {
    if (atomic_load_explicit(&script->is_loaded, memory_order_relaxed))
        return;
    atomic_store_explicit(&script->is_loaded, true, memory_order_relaxed);
    store->eval_count--;
}

struct cached_script *script_store_add(struct script_store *store, const char *sha,
                                       struct slice text, const struct script_header *header,
                                       bool is_loaded) {
    struct cached_script *script = create(store, sha, text, header), *known;
    if (script == NULL)
        return NULL;
    script_store_lock(store);
    known = find(store, sha);
    if (known != NULL) {
        cached_script_acquire(known);
        if (is_loaded)
            mark_loaded(store, known);
    } else {
        if (store->eval_count >= SCRIPTS_OF_EVAL_MAX && !is_loaded)
            evict(store);
        if (store->script_count >= 2 * store->bucket_count)
            grow(store);
        struct cached_script **at = bucket_of(store, sha);
        script->next = *at;
        *at = script;
        store->script_count++;
        store->script_bytes += footprint(script);
        atomic_init(&script->is_loaded, is_loaded);
        store->eval_count += !is_loaded;
        cached_script_use(store, script);
    }
    script_store_unlock(store);
    if (known != NULL) { /* neither of the two references was given away */
        cached_script_release(store, script);
        cached_script_release(store, script);
        return known;
    }
    return script;
}

void script_store_flush(struct script_store *store) {
    script_store_lock(store);
    for (size_t i = 0; i < store->bucket_count; i++)
        while (store->buckets[i] != NULL)
            unlink_script(store, store->buckets[i]);
    atomic_fetch_add_explicit(&store->flushes, 1, memory_order_release);
    script_store_unlock(store);
}
