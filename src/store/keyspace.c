/* SPDX-License-Identifier: BSD-3-Clause */
/* Creating and destroying a keyspace, and what a thread brings to it. */
#include "store/partition_state.h"

#include "store/eviction.h"

#include <string.h>

enum larder_status keyspace_init(struct keyspace *keyspace,
                                 const struct keyspace_options *options) {
    memset(keyspace, 0, sizeof(*keyspace));
    keyspace->allocator = options->allocator != NULL ? options->allocator : &ALLOCATOR_SYSTEM;
    keyspace->partition_count =
        options->partition_count != 0 ? options->partition_count : KEYSPACE_PARTITIONS_DEFAULT;
    keyspace->database_count = options->database_count != 0 ? options->database_count : 16;
    if (keyspace->partition_count > SLOT_COUNT || keyspace->database_count > KEYSPACE_DATABASES_MAX)
        return LARDER_INVALID;
    struct random random = random_seeded(options->seed);
    keyspace->seed.words[0] = random_next(&random);
    keyspace->seed.words[1] = random_next(&random);
    keyspace->delete_command = options->delete_command;
    keyspace->element_delete_command = options->element_delete_command;
    atomic_store(&keyspace->lfu_log_factor, 10);
    atomic_store(&keyspace->lfu_decay_min, 1);
    atomic_store(&keyspace->samples, 5);
    pool_init(&keyspace->pool, keyspace->allocator);
    size_t bytes = keyspace->partition_count * sizeof(struct partition);
    keyspace->partitions = allocator_allocate_zeroed(keyspace->allocator, bytes);
    keyspace->collections = allocator_allocate(
        keyspace->allocator, keyspace->database_count * sizeof(*keyspace->collections));
    if (keyspace->partitions == NULL || keyspace->collections == NULL) {
        allocator_release(keyspace->allocator, keyspace->partitions, bytes);
        allocator_release(keyspace->allocator, keyspace->collections,
                          keyspace->database_count * sizeof(*keyspace->collections));
        return LARDER_NO_MEMORY;
    }
    for (uint32_t i = 0; i < keyspace->partition_count; i++)
        keyspace->partitions[i].elements.due_ms = INT64_MAX;
    for (uint32_t i = 0; i < keyspace->database_count; i++)
        atomic_init(&keyspace->collections[i], i);
    keyspace->next_collection = keyspace->database_count;
    object_limits_init(&keyspace->limits);
    keyspace->objects = (struct object_context){
        .allocator = keyspace->allocator, .seed = &keyspace->seed, .limits = &keyspace->limits};
    return LARDER_OK;
}

/* Blobs and containers are the only memory that records hold outside the pool. */
static void free_external(struct partition *p, const struct allocator *a) {
    for (unsigned q = 0; q < QUEUE_COUNT; q++) {
        for (struct segment *s = p->queues[q].oldest; s != NULL; s = s->newer) {
            for (uint32_t at = SEGMENT_HEADER; at < s->used;) {
                uint8_t *record = (uint8_t *)s + at;
                struct record_layout layout = record_parse(record);
                at += layout.size;
                if ((layout.flags & RECORD_DEAD) != 0)
                    continue;
                blob_release(record_key_blob(record, &layout));
                struct value value;
                record_value(record, &layout, &value);
                if (value.kind == VALUE_BLOB)
                    blob_release(value.blob);
                else if (value.kind == VALUE_OBJECT)
                    object_destroy(value.object, a);
            }
        }
    }
}

void keyspace_finish(struct keyspace *keyspace) NO_THREAD_SAFETY {
    const struct allocator *a = keyspace->allocator;
    for (uint32_t i = 0; i < keyspace->partition_count; i++) {
        struct partition *p = &keyspace->partitions[i];
        if (p->blob_bytes > 0)
            free_external(p, a);
        index_finish(&p->index, a);
        eviction_finish(p, a);
        allocator_release(a, p->counts, p->count_capacity * sizeof(*p->counts));
    }
    pool_finish(&keyspace->pool);
    allocator_release(a, keyspace->partitions,
                      keyspace->partition_count * sizeof(struct partition));
    allocator_release(a, keyspace->collections,
                      keyspace->database_count * sizeof(*keyspace->collections));
}

struct partition *keyspace_partition(const struct keyspace *keyspace, uint32_t id) {
    return &keyspace->partitions[id];
}

void keyspace_prefetch_bucket(const struct keyspace *keyspace, const struct key *key,
                              const void **out_bucket) {
    const struct partition *p = &keyspace->partitions[key->partition];
    *out_bucket = (const void *)index_hint_bucket(&p->index, key->hash);
    if (*out_bucket != NULL)
        __builtin_prefetch(*out_bucket);
}

void keyspace_prefetch_record(const void *bucket, uint64_t hash) {
    const void *record = index_hint_record(bucket, hash);
    if (record != NULL) {
        __builtin_prefetch(record);
        __builtin_prefetch((const uint8_t *)record + 63);
    }
}

void store_thread_init(struct store_thread *thread, const struct keyspace *keyspace,
                       uint64_t seed) {
    memset(thread, 0, sizeof(*thread));
    thread->allocator = keyspace->allocator;
    notices_init(&thread->notices, keyspace->allocator);
    thread->random = random_seeded(seed);
    reserve_init(&thread->reserve);
}

void store_thread_report(struct store_thread *thread, struct keyspace *keyspace) {
    if (thread->memory_delta == 0)
        return;
    atomic_fetch_add_explicit(&keyspace->memory_bytes, thread->memory_delta, memory_order_relaxed);
    thread->memory_delta = 0;
}

void store_thread_finish(struct store_thread *thread, struct keyspace *keyspace) {
    while (store_thread_free_dropped(thread))
        ;
    notices_finish(&thread->notices);
    store_thread_report(thread, keyspace);
    reserve_drain(&thread->reserve, &keyspace->pool);
}
