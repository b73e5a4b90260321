/* SPDX-License-Identifier: BSD-3-Clause */
/* Three passes over a group of keys: hash each and prefetch its bucket; prefetch its record; lock,
 * find and copy. */
#include "node/lookup.h"

#include "node/node_internal.h"

enum { GROUP = 16 };

static void copy_out(struct node_get *get, const struct entry *entry) {
    uint8_t scratch[INT64_TEXT_MAX];
    struct slice text = value_text(&entry->value, scratch);
    get->size = text.size;
    size_t take = text.size < get->capacity ? text.size : get->capacity;
    if (take > 0)
        memcpy(get->out, text.data, take);
}

static void read_one(struct node_thread *thread, uint32_t database, const struct key *hint,
                     struct node_get *get) {
    struct node *node = thread->node;
    struct call call = {
        .keyspace = &node->keyspace,
        .thread = &thread->store,
        .database = database,
        .key = *hint,
    };
    struct entry entry;
    partition_lock(node, hint->partition);
    if (hint->collection != keyspace_collection(&node->keyspace, database))
        call.key = call_key(&call, get->key);
    get->is_found = call_read(&call, &call.key, &entry);
    if (get->is_found)
        copy_out(get, &entry);
    partition_unlock(node, hint->partition);
}

void node_get_strings(struct node_thread *thread, uint32_t database, struct node_get *gets,
                      size_t count) {
    const struct keyspace *keyspace = &thread->node->keyspace;
    struct key keys[GROUP];
    const void *buckets[GROUP];
    for (size_t from = 0; from < count; from += GROUP) {
        size_t group = count - from < GROUP ? count - from : GROUP;
        for (size_t i = 0; i < group; i++) {
            keys[i] = keyspace_key_hint(keyspace, gets[from + i].key, database);
            if (group > 1)
                keyspace_prefetch_bucket(keyspace, &keys[i], &buckets[i]);
        }
        for (size_t i = 0; i < group && group > 1; i++)
            if (buckets[i] != NULL)
                keyspace_prefetch_record(buckets[i], keys[i].hash);
        for (size_t i = 0; i < group; i++)
            read_one(thread, database, &keys[i], &gets[from + i]);
    }
}
