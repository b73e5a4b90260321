/* SPDX-License-Identifier: BSD-3-Clause */
/* Buckets: the order in which the index is scanned is that of the reversed hash, where the lowest
 * bits come first, so a bucket is an interval of it. */
#include "node/partition_store.h"

#include "store/digest.h"
#include "store/flush.h"
#include "store/scan.h"

enum {
    BUCKET_BITS = 8,
    POSITION_BITS = 64,
    KEY_SIZE_BYTES = 4,
    DETACHED_BUDGET = 1024,
};

_Static_assert(PARTITION_BUCKETS == 1 << BUCKET_BITS, "buckets are the lowest bits of a hash");

static uint32_t bucket_of_hash(uint64_t hash) {
    return (uint32_t)hash & (PARTITION_BUCKETS - 1);
}

struct key hosted_key(const struct hosted_partition *p, struct slice text) {
    const struct keyspace *keyspace = &p->host->node->keyspace;
    return keyspace_key(keyspace, text, keyspace_collection(keyspace, 0));
}

uint32_t hosted_bucket_of(void *context, struct slice key) {
    return bucket_of_hash(hosted_key(context, key).hash);
}

/* ---- going through a bucket ---- */

struct bucket_walk {
    uint32_t bucket;
    entry_visitor visitor;
    void *context;
};

static void look(void *context, const struct entry *entry) {
    const struct bucket_walk *walk = context;
    if (bucket_of_hash(entry->hash) == walk->bucket)
        walk->visitor(walk->context, entry);
}

static uint64_t first_position(uint32_t bucket) {
    uint64_t reversed = 0;
    for (unsigned i = 0; i < BUCKET_BITS; i++)
        reversed |= (uint64_t)(bucket >> i & 1) << (BUCKET_BITS - 1 - i);
    return reversed << (POSITION_BITS - BUCKET_BITS);
}

/* From *position on to the end of one chain of the index. False: the bucket ended. */
static bool walk_chain(struct partition *p, const struct keyspace *keyspace,
                       struct bucket_walk *walk, uint64_t *position) REQUIRES(PARTITION_LOCK);

static bool walk_chain(struct partition *p, const struct keyspace *keyspace,
                       struct bucket_walk *walk, uint64_t *position) {
    const uint64_t width = (uint64_t)1 << (POSITION_BITS - BUCKET_BITS);
    uint64_t next;
    partition_scan(p, keyspace, *position, look, walk, &next);
    *position = next;
    return next != 0 && next - first_position(walk->bucket) < width;
}

static void visit_bucket(const struct hosted_partition *hosted, uint32_t bucket,
                         entry_visitor visitor, void *context) {
    struct node *node = hosted->host->node;
    struct bucket_walk walk = {bucket, visitor, context};
    uint64_t position = first_position(bucket);
    partition_lock(node, hosted->id);
    struct partition *p = keyspace_partition(&node->keyspace, hosted->id);
    while (walk_chain(p, &node->keyspace, &walk, &position)) {
    }
    partition_unlock(node, hosted->id);
}

/* ---- reading ---- */

struct reading {
    struct hosted_partition *hosted;
    size_t bytes_max;
    size_t left_out_bytes; /* in host->bytes */
    enum larder_status status;
};

enum larder_status hosted_write_entry(struct hosted_partition *hosted, const struct entry *entry,
                                      struct effects *to) {
    struct store_host *host = hosted->host;
    struct node_thread *thread = &host->thread;
    struct effects *own = thread->store.effects;
    struct call call = {.keyspace = &host->node->keyspace, .thread = &thread->store};
    struct key key = {entry->key, entry->hash, entry->collection, hosted->id};
    struct call_image image;
    thread->store.effects = to;
    enum larder_status status = call_image_create(&call, &key, &entry->value, &image);
    if (status == LARDER_OK)
        call_effect_image(&call, &image, &key, &entry->value, entry->expiry_ms);
    thread->store.effects = own;
    return status;
}

/* What the entry's part takes, roughly: containers are longer in memory than as bytes. */
size_t hosted_entry_size(const struct entry *entry) {
    uint8_t text[INT64_TEXT_MAX];
    size_t value = entry->value.kind == VALUE_OBJECT ? entry->counted_bytes
                                                     : value_text(&entry->value, text).size;
    return effects_part_bound(4, entry->key.size + value);
}

static void leave_out(struct reading *reading, struct slice key) {
    struct store_host *host = reading->hosted->host;
    size_t at = reading->left_out_bytes, end = at + KEY_SIZE_BYTES + key.size;
    if (end > host->bytes_capacity && !store_host_need_bytes(host, end + end / 2)) {
        reading->status = LARDER_NO_MEMORY;
        return;
    }
    for (unsigned i = 0; i < KEY_SIZE_BYTES; i++)
        host->bytes[at + i] = (uint8_t)(key.size >> 8 * i);
    memcpy(host->bytes + at + KEY_SIZE_BYTES, key.data, key.size);
    reading->left_out_bytes = end;
}

static void read_entry(void *context, const struct entry *entry) {
    struct reading *reading = context;
    const struct effects *items = &reading->hosted->host->items;
    if (reading->status != LARDER_OK)
        return;
    if (items->record_end - items->used + hosted_entry_size(entry) > reading->bytes_max)
        leave_out(reading, entry->key);
    else
        reading->status = hosted_write_entry(reading->hosted, entry, &reading->hosted->host->items);
}

enum larder_status hosted_read_bucket(void *context, uint32_t bucket, size_t bytes_max,
                                      struct store_items *out) {
    struct hosted_partition *hosted = context;
    struct store_host *host = hosted->host;
    struct reading reading = {.hosted = hosted, .bytes_max = bytes_max, .status = LARDER_OK};
    store_host_begin(host, host->thread.store.now_ms);
    enum larder_status status =
        hosted_settle(host) ? effects_begin(&host->items, 0) : LARDER_NO_MEMORY;
    if (status != LARDER_OK)
        return status;
    visit_bucket(hosted, bucket, read_entry, &reading);
    if (reading.status != LARDER_OK) {
        effects_abort(&host->items);
        return reading.status;
    }
    effects_commit(&host->items);
    out->effect = slice_of(host->items.data, host->items.used);
    out->left_out = slice_of(host->bytes, reading.left_out_bytes);
    return LARDER_OK;
}

enum larder_status hosted_read_key(void *context, struct slice text, struct slice *out) {
    struct hosted_partition *hosted = context;
    struct store_host *host = hosted->host;
    struct node *node = host->node;
    struct key key = hosted_key(hosted, text);
    struct entry entry;
    store_host_begin(host, host->thread.store.now_ms);
    *out = slice_of(NULL, 0);
    if (key.partition != hosted->id)
        return LARDER_OK;
    enum larder_status status =
        hosted_settle(host) ? effects_begin(&host->items, 0) : LARDER_NO_MEMORY;
    if (status != LARDER_OK)
        return status;
    partition_lock(node, hosted->id);
    struct partition *p = keyspace_partition(&node->keyspace, hosted->id);
    if (partition_find(p, &node->keyspace, &key, &entry))
        status = hosted_write_entry(hosted, &entry, &host->items);
    partition_unlock(node, hosted->id);
    effects_commit(&host->items);
    *out = slice_of(host->items.data, host->items.used);
    return status;
}

struct bucket_sum {
    struct digest_key key;
    struct digest sum;
};

static void add_digest(void *context, const struct entry *entry) {
    struct bucket_sum *to = context;
    to->sum = digest_add(to->sum, digest_entry_keyed(entry, 0, to->key));
}

void hosted_digest_bucket(void *context, uint32_t bucket, struct store_digest *out) {
    const struct hosted_partition *hosted = context;
    struct bucket_sum to = {.key = hosted->host->digest_key};
    visit_bucket(hosted, bucket, add_digest, &to);
    *out = (struct store_digest){to.sum.low, to.sum.high};
}

/* ---- clearing ---- */

struct first_entry {
    bool is_found;
    struct entry entry;
};

static void take_first(void *context, const struct entry *entry) {
    struct first_entry *first = context;
    if (!first->is_found) {
        first->is_found = true;
        first->entry = *entry;
    }
}

static void clear_one(struct hosted_partition *hosted, uint32_t bucket) {
    struct node_thread *thread = &hosted->host->thread;
    struct keyspace *keyspace = &thread->node->keyspace;
    uint64_t position = first_position(bucket);
    bool has_more = true;
    partition_lock(thread->node, hosted->id);
    struct partition *p = keyspace_partition(keyspace, hosted->id);
    while (has_more) {
        struct first_entry first = {.is_found = false};
        struct bucket_walk walk = {bucket, take_first, &first};
        uint64_t next = position;
        has_more = walk_chain(p, keyspace, &walk, &next);
        if (first.is_found) { /* the chain is looked at again */
            partition_delete(p, keyspace, &thread->store, &first.entry);
            has_more = true;
            continue;
        }
        position = next;
    }
    partition_unlock(thread->node, hosted->id);
}

static void clear_all(struct hosted_partition *hosted) NO_THREAD_SAFETY {
    struct node_thread *thread = &hosted->host->thread;
    struct detached detached = {NULL, 0};
    bool is_held = thread->section.kind != SECTION_NONE;
    if (!is_held)
        partition_lock(thread->node, hosted->id);
    partition_clear(keyspace_partition(&thread->node->keyspace, hosted->id),
                    &thread->node->keyspace, &thread->store, &detached);
    if (!is_held)
        partition_unlock(thread->node, hosted->id);
    while (detached_free(&detached, &thread->store, DETACHED_BUDGET)) {
    }
}

void hosted_clear_bucket(void *context, uint32_t bucket) {
    hosted_forget_undo(context, bucket, NULL);
    if (bucket == PARTITION_WHOLE)
        clear_all(context);
    else
        clear_one(context, bucket);
}

void hosted_clear_key(void *context, struct slice text) {
    hosted_forget_undo(context, PARTITION_WHOLE, &text);
    hosted_delete_key(context, text);
}

void hosted_delete_key(struct hosted_partition *hosted, struct slice text) {
    struct node_thread *thread = &hosted->host->thread;
    struct keyspace *keyspace = &thread->node->keyspace;
    struct key key = hosted_key(hosted, text);
    struct entry entry;
    if (key.partition != hosted->id)
        return;
    partition_lock(thread->node, hosted->id);
    struct partition *p = keyspace_partition(keyspace, hosted->id);
    if (partition_find(p, keyspace, &key, &entry))
        partition_delete(p, keyspace, &thread->store, &entry);
    partition_unlock(thread->node, hosted->id);
}
