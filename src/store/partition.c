/* SPDX-License-Identifier: BSD-3-Clause */
/* Entries of a partition: finding, storing, deleting. A put decides first where the record goes: in
 * place when its layout allows, else at the end of the log (small or main) that held the old
 * record. All memory is obtained before the first change; the changes themselves can't fail. */
#include "store/partition_state.h"

#include "store/access.h"

#include <stddef.h>

enum { FREED_ELEMENTS = 2000 /* of large containers, per call outside the lock */ };

void keyspace_place(const struct keyspace *keyspace, struct slice text, uint32_t collection,
                    struct key *out) {
    out->text = text;
    out->hash = hash_key(&keyspace->seed, text, collection);
    out->collection = collection;
    out->partition = keyspace_partition_id(keyspace, text);
}

void store_thread_drop(struct store_thread *thread, struct blob *blob) {
    if (!blob_is_exclusive(blob) || blob->capacity < sizeof(struct blob *)) {
        blob_release(blob);
        return;
    }
    memcpy(blob->data, &thread->dropped, sizeof(thread->dropped));
    thread->dropped = blob;
}

void store_thread_drop_object(struct store_thread *thread, struct object *object) {
    object->counted_bytes = (size_t)(uintptr_t)thread->dropped_objects;
    thread->dropped_objects = object;
}

bool store_thread_free_dropped(struct store_thread *thread) {
    while (thread->dropped != NULL) {
        struct blob *blob = thread->dropped;
        memcpy(&thread->dropped, blob->data, sizeof(thread->dropped));
        blob_release(blob);
    }
    size_t budget = FREED_ELEMENTS;
    while (thread->dropped_objects != NULL && budget > 0) {
        struct object *object = thread->dropped_objects;
        struct object *next = (struct object *)(uintptr_t)object->counted_bytes;
        size_t length = object_length(object) + 1;
        if (!object->type->free_some(object, thread->allocator, budget))
            return true;
        thread->dropped_objects = next;
        budget -= length < budget ? length : budget;
    }
    return thread->dropped_objects != NULL;
}

/* The value leaves the store. */
static void drop_value(struct store_thread *thread, const struct value *value) {
    if (value->kind == VALUE_BLOB)
        store_thread_drop(thread, value->blob);
    else if (value->kind == VALUE_OBJECT)
        store_thread_drop_object(thread, value->object);
}

static size_t value_external_bytes(const struct value *value) {
    if (value->kind == VALUE_BLOB)
        return blob_footprint(value->blob);
    return value->kind == VALUE_OBJECT ? value->object->counted_bytes : 0;
}

/* The same blob or container, so that storing one in place of the other drops nothing. */
static bool is_same_value(const struct value *a, const struct value *b) {
    if (a->kind != b->kind)
        return false;
    return (a->kind == VALUE_BLOB && a->blob == b->blob) ||
           (a->kind == VALUE_OBJECT && a->object == b->object);
}

/* ---- counts per collection ---- */

static struct collection_count *find_count(const struct partition *p, uint32_t collection) {
    for (uint32_t i = 0; i < p->count_length; i++)
        if (p->counts[i].collection == collection)
            return &p->counts[i];
    return NULL;
}

/* Takes the place of a collection without keys before it grows, unless keys are reserved, which
 * may be that collection's. */
static enum larder_status reserve_count(struct partition *p, const struct allocator *allocator,
                                        struct store_thread *thread, uint32_t collection) {
    if (find_count(p, collection) != NULL)
        return LARDER_OK;
    for (uint32_t i = 0; i < p->count_length && p->set_aside.entry_count == 0; i++) {
        if (p->counts[i].keys == 0) {
            p->counts[i] = (struct collection_count){.collection = collection};
            return LARDER_OK;
        }
    }
    if (p->count_length == p->count_capacity) {
        uint32_t capacity = p->count_capacity == 0 ? 1 : 2 * p->count_capacity;
        void *grown = allocator_resize(allocator, p->counts, p->count_capacity * sizeof(*p->counts),
                                       capacity * sizeof(*p->counts));
        if (grown == NULL)
            return LARDER_NO_MEMORY;
        p->counts = grown;
        thread->memory_delta += (int64_t)((capacity - p->count_capacity) * sizeof(*p->counts));
        p->count_capacity = capacity;
    }
    p->counts[p->count_length++] = (struct collection_count){.collection = collection};
    return LARDER_OK;
}

static void count_expiry(struct collection_count *count, int64_t from_ms, int64_t to_ms) {
    if (from_ms != 0) {
        count->expiring--;
        count->expiry_sum_s -= (uint64_t)from_ms / 1000;
    }
    if (to_ms != 0) {
        count->expiring++;
        count->expiry_sum_s += (uint64_t)to_ms / 1000;
    }
}

struct collection_count partition_count(const struct partition *p, uint32_t collection) {
    const struct collection_count *count = find_count(p, collection);
    return count != NULL ? *count : (struct collection_count){.collection = collection};
}

/* ---- finding ---- */

uint64_t partition_hash_at(const void *keyspace, uint64_t address) {
    const struct keyspace *k = keyspace;
    const uint8_t *record = (const uint8_t *)(uintptr_t)address;
    struct record_layout layout = record_parse(record);
    return hash_key(&k->seed, record_key(record, &layout), layout.collection);
}

static void decode(uint8_t *record, const struct record_layout *layout, index_word *word,
                   uint64_t hash, struct entry *out) {
    out->key = record_key(record, layout);
    record_value(record, layout, &out->value);
    out->expiry_ms = record_expiry(record, layout);
    out->collection = layout->collection;
    out->hash = hash;
    out->record = record;
    out->word = word;
    out->counted_bytes = out->value.kind == VALUE_OBJECT ? out->value.object->counted_bytes : 0;
}

void partition_decode(uint8_t *record, index_word *word, uint64_t hash, struct entry *out) {
    struct record_layout layout = record_parse(record);
    decode(record, &layout, word, hash, out);
}

bool partition_find(struct partition *p, const struct keyspace *keyspace, const struct key *key,
                    struct entry *out) {
    (void)keyspace;
    uint32_t count = atomic_load_explicit(&p->index.bucket_count, memory_order_relaxed);
    if (count == 0)
        return false;
    uint64_t tag = index_tag(key->hash);
    index_word *bucket = index_bucket(&p->index, index_bucket_of(count, key->hash));
    while (bucket != NULL) {
        uint64_t word = 0;
        for (size_t i = 0; i < BUCKET_WORDS; i++) {
            word = index_load(&bucket[i]);
            if ((word & INDEX_TAG_MASK) != tag)
                continue;
            uint8_t *record = index_record(word);
            struct record_layout layout = record_parse(record);
            if (layout.collection != key->collection ||
                !slice_equal(record_key(record, &layout), key->text))
                continue;
            decode(record, &layout, &bucket[i], key->hash, out);
            return true;
        }
        bucket = index_next(word);
    }
    return false;
}

/* ---- storing ---- */

size_t record_external_bytes(const uint8_t *record, const struct record_layout *layout) {
    struct value value;
    record_value(record, layout, &value);
    size_t bytes = value_external_bytes(&value);
    const struct blob *key = record_key_blob(record, layout);
    return key == NULL ? bytes : bytes + blob_footprint(key);
}

/* What a new record for the key would look like. */
static struct record_layout plan(const struct keyspace *keyspace, const struct key *key,
                                 const struct value *value, int64_t expiry_ms) {
    struct record_layout l = {.collection = key->collection};
    bool is_external_key = key->text.size > RECORD_INLINE_KEY_MAX;
    l.key_size = (uint16_t)(is_external_key ? sizeof(struct blob *) : key->text.size);
    l.value_size = (uint16_t)value_stored_size(value);
    l.flags = (uint8_t)((unsigned)value->kind << RECORD_KIND_SHIFT);
    if (is_external_key)
        l.flags |= RECORD_EXTERNAL_KEY;
    unsigned at = 1 + varint_size(l.key_size) + varint_size(l.value_size);
    if (key->collection != 0) {
        l.flags |= RECORD_HAS_COLLECTION;
        at += varint_size(key->collection);
    }
    l.expiry_at = (uint16_t)at;
    if (expiry_ms != 0) {
        l.flags |= RECORD_HAS_EXPIRY;
        at += RECORD_EXPIRY_BYTES;
    }
    l.access_at = (uint16_t)at;
    if (access_is_tracked(keyspace)) {
        l.flags |= RECORD_HAS_ACCESS;
        at += RECORD_ACCESS_BYTES;
    }
    l.key_at = (uint16_t)at;
    l.size = (uint16_t)(at + l.key_size + l.value_size);
    return l;
}

static void write_record(uint8_t *out, const struct record_layout *l, const struct key *key,
                         struct blob *key_blob, const struct value *value, int64_t expiry_ms,
                         uint32_t access) {
    uint8_t *at = out;
    *at++ = l->flags;
    at = varint_put(at, l->key_size);
    at = varint_put(at, l->value_size);
    if ((l->flags & RECORD_HAS_COLLECTION) != 0)
        at = varint_put(at, l->collection);
    if ((l->flags & RECORD_HAS_EXPIRY) != 0)
        bytes_put(out + l->expiry_at, (uint64_t)expiry_ms, RECORD_EXPIRY_BYTES);
    if ((l->flags & RECORD_HAS_ACCESS) != 0)
        bytes_put(out + l->access_at, access, RECORD_ACCESS_BYTES);
    if (key_blob != NULL)
        memcpy(out + l->key_at, &key_blob, sizeof(key_blob));
    else
        memcpy(out + l->key_at, key->text.data, key->text.size);
    value_store(out + l->key_at + l->key_size, value, l->value_size);
}

/* Bring a new value into the bytes of the old record. False when its layout does not allow it. */
static bool overwrite_in_place(struct partition *p, struct keyspace *keyspace,
                               struct store_thread *thread, const struct entry *old,
                               const struct value *value, int64_t expiry_ms) {
    struct record_layout l = record_parse(old->record);
    if (l.value_size != value_stored_size(value) ||
        (expiry_ms != 0 && (l.flags & RECORD_HAS_EXPIRY) == 0) ||
        (access_is_tracked(keyspace) && (l.flags & RECORD_HAS_ACCESS) == 0))
        return false;
    struct segment *segment = segment_of(old->record);
    struct blob *key_blob = record_key_blob(old->record, &l);
    size_t key_bytes = key_blob != NULL ? blob_footprint(key_blob) : 0;
    size_t before = value_external_bytes(&old->value);
    size_t after = value_external_bytes(value);
    if (before != after || old->expiry_ms != expiry_ms) {
        struct record_weight from = {l.size, key_bytes + before, old->expiry_ms};
        struct record_weight to = {l.size, key_bytes + after, expiry_ms};
        segment_recount_record(segment, &from, &to);
    }
    if ((l.flags & RECORD_HAS_EXPIRY) != 0) {
        bytes_put(old->record + l.expiry_at, (uint64_t)expiry_ms, RECORD_EXPIRY_BYTES);
        count_expiry(find_count(p, l.collection), old->expiry_ms, expiry_ms);
    }
    old->record[0] = (uint8_t)((l.flags & ~(unsigned)RECORD_KIND_MASK) | (unsigned)value->kind
                                                                             << RECORD_KIND_SHIFT);
    value_store(old->record + l.key_at + l.key_size, value, l.value_size);
    if (before != after) {
        p->blob_bytes += after - before;
        p->queues[segment->queue].bytes += after - before;
        thread->memory_delta += (int64_t)after - (int64_t)before;
    }
    if (!is_same_value(&old->value, value))
        drop_value(thread, &old->value);
    access_touch(keyspace, thread, old->record, old->word);
    return true;
}

/* Append a record; everything it needs is there. */
static void append(struct partition *p, struct keyspace *keyspace, struct store_thread *thread,
                   const struct key *key, const struct entry *old, const struct value *value,
                   int64_t expiry_ms, const struct record_layout *l, struct blob *key_blob,
                   struct segment *segment) {
    uint8_t *record = (uint8_t *)segment + segment->used;
    uint32_t access = access_initial(keyspace, thread, old);
    struct collection_count *count = find_count(p, key->collection);
    if (old != NULL && key_blob == NULL) {
        /* An external key moves with its entry. */
        struct record_layout old_layout = record_parse(old->record);
        key_blob = record_key_blob(old->record, &old_layout);
    }
    write_record(record, l, key, key_blob, value, expiry_ms, access);
    size_t key_bytes = key_blob != NULL ? blob_footprint(key_blob) : 0;
    size_t value_bytes = value_external_bytes(value);
    log_count(p, segment, record, l, key_bytes + value_bytes);
    if (old == NULL) {
        index_insert(&p->index, key->hash, (uint64_t)(uintptr_t)record, 0);
        p->blob_bytes += key_bytes + value_bytes;
        thread->memory_delta += (int64_t)(key_bytes + value_bytes);
        p->record_count++;
        count->keys++;
        count_expiry(count, 0, expiry_ms);
        return;
    }
    struct record_layout old_layout = record_parse(old->record);
    size_t old_value_bytes = value_external_bytes(&old->value);
    uint64_t word = index_load(old->word);
    index_store(old->word, (word & ~INDEX_ADDRESS_MASK) | (uint64_t)(uintptr_t)record);
    access_touch(keyspace, thread, record, old->word);
    p->blob_bytes += value_bytes - old_value_bytes;
    thread->memory_delta += (int64_t)value_bytes - (int64_t)old_value_bytes;
    count_expiry(count, old->expiry_ms, expiry_ms);
    log_kill(p, thread, old->record, &old_layout, old_value_bytes + key_bytes);
    if (!is_same_value(&old->value, value))
        drop_value(thread, &old->value);
}

static struct blob *copy_key(const struct keyspace *keyspace, struct slice text) {
    struct blob *blob = blob_create(keyspace->allocator, text.size);
    if (blob == NULL)
        return NULL;
    memcpy(blob->data, text.data, text.size);
    blob->size = text.size;
    return blob;
}

/* Room in the index and the counts for `count` new entries. */
static enum larder_status reserve_entry(struct partition *p, struct keyspace *keyspace,
                                        struct store_thread *thread, uint32_t collection,
                                        size_t count) {
    size_t old_index_bytes = p->index.bytes;
    enum larder_status status = reserve_count(p, keyspace->allocator, thread, collection);
    if (status == LARDER_OK)
        status = index_reserve(&p->index, keyspace->allocator, &thread->reserve, count);
    thread->memory_delta += (int64_t)(p->index.bytes - old_index_bytes);
    return status;
}

static void balance(struct partition *p, struct keyspace *keyspace, struct store_thread *thread) {
    size_t old_index_bytes = p->index.bytes;
    index_balance(&p->index, keyspace->allocator, &thread->reserve, partition_hash_at, keyspace);
    thread->memory_delta += (int64_t)(p->index.bytes - old_index_bytes);
}

/* A blob that partition_reserve made for a key of this length, filled with this one. */
static struct blob *take_key_blob(struct set_aside *aside, struct slice text) {
    for (struct blob *blob = aside->key_blobs, *before = NULL; blob != NULL;) {
        struct blob *next;
        memcpy(&next, blob->data, sizeof(next));
        if (blob->capacity == text.size) {
            if (before != NULL)
                memcpy(before->data, &next, sizeof(next));
            else
                aside->key_blobs = next;
            memcpy(blob->data, text.data, text.size);
            return blob;
        }
        before = blob;
        blob = next;
    }
    return NULL;
}

/* The sweep is to know when an element expires. */
static void note_due(struct partition *p, const struct object *object) {
    int64_t due_ms = object_due_ms(object);
    if (due_ms < p->elements.due_ms)
        p->elements.due_ms = due_ms;
}

enum larder_status partition_put(struct partition *p, struct keyspace *keyspace,
                                 struct store_thread *thread, const struct key *key,
                                 const struct entry *old, struct value value, int64_t expiry_ms) {
    if (expiry_ms > RECORD_EXPIRY_MAX_MS)
        expiry_ms = RECORD_EXPIRY_MAX_MS;
    if (expiry_ms < 0)
        expiry_ms = 1; /* as long past as any */
    if (value.kind == VALUE_OBJECT && (old == NULL || !is_same_value(&old->value, &value))) {
        value.object->counted_bytes = object_bytes(value.object);
        note_due(p, value.object);
    }
    if (old != NULL && overwrite_in_place(p, keyspace, thread, old, &value, expiry_ms))
        return LARDER_OK;
    struct record_layout layout = plan(keyspace, key, &value, expiry_ms);
    if (old == NULL && reserve_entry(p, keyspace, thread, key->collection, 1) != LARDER_OK)
        return LARDER_NO_MEMORY;
    enum queue_id queue = QUEUE_SMALL;
    if (old != NULL)
        queue = (enum queue_id)segment_of(old->record)->queue;
    else if (eviction_remembers(p, key->hash))
        queue = QUEUE_MAIN;
    struct segment *segment = log_room(p, keyspace, thread, queue, layout.size);
    if (segment == NULL)
        return LARDER_NO_MEMORY;
    struct blob *key_blob = NULL;
    if (old == NULL && key->text.size > RECORD_INLINE_KEY_MAX) {
        key_blob = take_key_blob(&p->set_aside, key->text);
        if (key_blob == NULL)
            key_blob = copy_key(keyspace, key->text);
        if (key_blob == NULL)
            return LARDER_NO_MEMORY;
    }
    append(p, keyspace, thread, key, old, &value, expiry_ms, &layout, key_blob, segment);
    if (old == NULL)
        balance(p, keyspace, thread);
    cleaner_step(p, keyspace, thread);
    return LARDER_OK;
}

enum larder_status partition_set_expiry(struct partition *p, struct keyspace *keyspace,
                                        struct store_thread *thread, struct entry *entry,
                                        int64_t expiry_ms) {
    struct key key = {.text = entry->key, .hash = entry->hash, .collection = entry->collection};
    return partition_put(p, keyspace, thread, &key, entry, entry->value, expiry_ms);
}

static void recount_external(struct partition *p, struct store_thread *thread,
                             const struct entry *entry, const struct record_layout *l,
                             size_t before, size_t after) {
    struct segment *segment = segment_of(entry->record);
    struct blob *key_blob = record_key_blob(entry->record, l);
    size_t key_bytes = key_blob != NULL ? blob_footprint(key_blob) : 0;
    struct record_weight from = {l->size, key_bytes + before, entry->expiry_ms};
    struct record_weight to = {l->size, key_bytes + after, entry->expiry_ms};
    segment_recount_record(segment, &from, &to);
    p->blob_bytes += after - before;
    p->queues[segment->queue].bytes += after - before;
    thread->memory_delta += (int64_t)after - (int64_t)before;
}

void partition_disown_object(struct partition *p, struct store_thread *thread,
                             struct entry *entry) {
    struct record_layout l = record_parse(entry->record);
    recount_external(p, thread, entry, &l, entry->counted_bytes, 0);
    entry->record[0] = (uint8_t)((l.flags & ~(unsigned)RECORD_KIND_MASK) |
                                 (unsigned)VALUE_BYTES << RECORD_KIND_SHIFT);
    partition_decode(entry->record, entry->word, entry->hash, entry);
}

void partition_replace_object(struct partition *p, struct store_thread *thread, struct entry *entry,
                              struct object *object) {
    struct record_layout l = record_parse(entry->record);
    size_t before = entry->counted_bytes, after = object_bytes(object);
    object->counted_bytes = after;
    if (object != entry->value.object) {
        entry->value = value_of_object(object);
        value_store(entry->record + l.key_at + l.key_size, &entry->value, l.value_size);
    }
    if (before != after)
        recount_external(p, thread, entry, &l, before, after);
    entry->counted_bytes = after;
    note_due(p, object);
}

void partition_delete(struct partition *p, struct keyspace *keyspace, struct store_thread *thread,
                      const struct entry *entry) {
    partition_remove(p, keyspace, thread, entry);
    cleaner_step(p, keyspace, thread);
}

void partition_remove(struct partition *p, struct keyspace *keyspace, struct store_thread *thread,
                      const struct entry *entry) {
    struct record_layout layout = record_parse(entry->record);
    struct collection_count *count = find_count(p, layout.collection);
    size_t external = record_external_bytes(entry->record, &layout);
    struct blob *key_blob = record_key_blob(entry->record, &layout);
    count->keys--;
    count_expiry(count, entry->expiry_ms, 0);
    p->record_count--;
    p->blob_bytes -= external;
    thread->memory_delta -= (int64_t)external;
    index_remove(&p->index, entry->hash, entry->word);
    log_kill(p, thread, entry->record, &layout, external);
    if (key_blob != NULL)
        store_thread_drop(thread, key_blob);
    drop_value(thread, &entry->value);
    balance(p, keyspace, thread);
}

void partition_touch(struct partition *p, struct keyspace *keyspace, struct store_thread *thread,
                     struct entry *entry) {
    if (!access_is_tracked(keyspace) || (entry->record[0] & RECORD_HAS_ACCESS) != 0) {
        access_touch(keyspace, thread, entry->record, entry->word);
        return;
    }
    /* The record was written before the policy was on: write it anew with room for the access word.
     * Without memory it stays as it is, and sampling takes it for old. */
    struct key key = {.text = entry->key, .hash = entry->hash, .collection = entry->collection};
    if (partition_put(p, keyspace, thread, &key, entry, entry->value, entry->expiry_ms) ==
        LARDER_OK)
        partition_decode(index_record(index_load(entry->word)), entry->word, entry->hash, entry);
}

/* ---- reserving for several puts ---- */

enum larder_status partition_reserve(struct partition *p, struct keyspace *keyspace,
                                     struct store_thread *thread, const struct key *key,
                                     size_t value_size) {
    struct set_aside *aside = &p->set_aside;
    struct entry old;
    bool is_there = partition_find(p, keyspace, key, &old);
    if (!is_there) {
        if (reserve_entry(p, keyspace, thread, key->collection, aside->entry_count + 1) !=
            LARDER_OK)
            return LARDER_NO_MEMORY;
        aside->entry_count++;
        p->index.overflow_kept = aside->entry_count;
        if (key->text.size > RECORD_INLINE_KEY_MAX) {
            struct blob *blob = copy_key(keyspace, key->text);
            if (blob == NULL)
                return LARDER_NO_MEMORY;
            memcpy(blob->data, &aside->key_blobs, sizeof(aside->key_blobs));
            aside->key_blobs = blob;
        }
    }
    enum queue_id queue = QUEUE_SMALL;
    if (is_there)
        queue = (enum queue_id)segment_of(old.record)->queue;
    else if (eviction_remembers(p, key->hash))
        queue = QUEUE_MAIN;
    size_t stored = value_size > RECORD_INLINE_VALUE_MAX ? sizeof(struct blob *) : value_size;
    if (stored < sizeof(int64_t))
        stored = sizeof(int64_t);
    uint32_t size = (uint32_t)(RECORD_HEADER_MAX + stored +
                               (key->text.size > RECORD_INLINE_KEY_MAX ? sizeof(struct blob *)
                                                                       : key->text.size));
    /* Next fit, as the puts will do it; the open segment's rest is not counted on, because a put
     * between may have used it. */
    if (aside->is_counting[queue] && aside->room[queue] >= size) {
        aside->room[queue] -= size;
        return LARDER_OK;
    }
    unsigned order = log_run_order(p);
    struct run *run = log_take_run(&thread->reserve, &order);
    if (run == NULL)
        return LARDER_NO_MEMORY;
    run->next = NULL;
    run->order = order;
    struct run **end = &aside->runs;
    while (*end != NULL)
        end = &(*end)->next;
    *end = run;
    aside->is_counting[queue] = true;
    aside->room[queue] = ((uint32_t)PAGE_BYTES << order) - SEGMENT_HEADER - size;
    return LARDER_OK;
}

void partition_end_reserve(struct partition *p, struct store_thread *thread) {
    struct run *run = p->set_aside.runs;
    while (run != NULL) {
        struct run *next = run->next;
        reserve_give_run(&thread->reserve, run->order, run);
        run = next;
    }
    while (p->set_aside.key_blobs != NULL) {
        struct blob *blob = p->set_aside.key_blobs;
        memcpy(&p->set_aside.key_blobs, blob->data, sizeof(blob));
        blob_release(blob);
    }
    p->set_aside = (struct set_aside){0};
    p->index.overflow_kept = 0;
}

bool partition_has_expiring(const struct partition *p) {
    for (uint32_t i = 0; i < p->count_length; i++)
        if (p->counts[i].expiring > 0)
            return true;
    return false;
}

struct partition_usage partition_usage(const struct partition *p) {
    return (struct partition_usage){
        .log_bytes = p->log_bytes,
        .live_bytes = p->live_bytes,
        .blob_bytes = p->blob_bytes,
        .index_bytes = p->index.bytes,
        .record_count = p->record_count,
    };
}
