/* SPDX-License-Identifier: BSD-3-Clause */
/* A step is bounded by work as well as by results: a bucket that is passed costs too. */
#include "node/scan.h"

#include "store/scan.h"

enum {
    /* Work of a step besides ten times what is wanted: enough to pass all partitions of a node that
     * holds next to nothing. */
    FREE_WORK_PER_PARTITION = 2,
    WORK_PER_WANTED = 10,
};

struct filter {
    uint32_t collection;
    int64_t now_ms;
    node_visitor visitor;
    void *context;
    uint64_t visited; /* entries of any collection */
    uint64_t found;   /* live ones of this collection */
};

static void visit(void *context, const struct entry *entry) {
    struct filter *filter = context;
    filter->visited++;
    if (entry->collection != filter->collection ||
        (entry->expiry_ms != 0 && entry->expiry_ms <= filter->now_ms))
        return;
    filter->found++;
    filter->visitor(filter->context, entry);
}

uint64_t node_scan_step(struct node_thread *thread, const struct node_scan *scan, uint64_t cursor,
                        bool *is_valid) {
    struct keyspace *keyspace = &thread->node->keyspace;
    struct filter filter = {
        .now_ms = thread->store.now_ms, .visitor = scan->visitor, .context = scan->context};
    uint32_t id;
    uint64_t position, wanted = scan->wanted;
    *is_valid = scan_cursor_decode(keyspace, cursor, &id, &position);
    if (!*is_valid)
        return 0;
    uint64_t free_work = (uint64_t)FREE_WORK_PER_PARTITION * keyspace->partition_count;
    uint64_t limit = wanted < UINT64_MAX / 16 ? WORK_PER_WANTED * wanted + free_work : UINT64_MAX;
    for (uint64_t buckets = 1;; buckets++) {
        partition_lock(thread->node, id);
        filter.collection = keyspace_collection(keyspace, scan->database);
        partition_scan(keyspace_partition(keyspace, id), keyspace, position, visit, &filter,
                       &position);
        partition_unlock(thread->node, id);
        cursor = scan_cursor_after(keyspace, id, position);
        if (cursor == 0 || filter.found >= wanted || buckets + filter.visited >= limit)
            return cursor;
        id += position == 0;
    }
}

void node_visit(struct node_thread *thread, uint32_t database, node_visitor visitor,
                void *context) {
    struct keyspace *keyspace = &thread->node->keyspace;
    struct filter filter = {.now_ms = thread->store.now_ms, .visitor = visitor, .context = context};
    for (uint32_t id = 0; id < keyspace->partition_count; id++) {
        partition_lock(thread->node, id);
        filter.collection = keyspace_collection(keyspace, database);
        partition_visit(keyspace_partition(keyspace, id), keyspace, visit, &filter);
        partition_unlock(thread->node, id);
    }
}

/* ---- one ---- */

/* The partition in which key number `nth` lies, counting through all partitions. */
static uint32_t partition_of_nth(struct node *node, uint32_t database, uint64_t nth) {
    struct keyspace *keyspace = &node->keyspace;
    for (uint32_t id = 0; id < keyspace->partition_count; id++) {
        partition_lock(node, id);
        uint64_t keys = partition_count(keyspace_partition(keyspace, id),
                                        keyspace_collection(keyspace, database))
                            .keys;
        partition_unlock(node, id);
        if (nth < keys)
            return id;
        nth -= keys;
    }
    return 0;
}

bool node_visit_random(struct node_thread *thread, uint32_t database, node_visitor visitor,
                       void *context) {
    struct node *node = thread->node;
    struct keyspace *keyspace = &node->keyspace;
    uint64_t count = node_key_count(node, database);
    if (count == 0)
        return false;
    uint64_t nth = random_below(&thread->store.random, count);
    uint32_t first = partition_of_nth(node, database, nth);
    /* What was drawn may have expired or gone meanwhile: then the next partition that has one. */
    for (uint32_t i = 0; i < keyspace->partition_count; i++) {
        uint32_t id = (first + i) % keyspace->partition_count;
        struct entry entry;
        partition_lock(node, id);
        bool found = partition_random(keyspace_partition(keyspace, id), keyspace,
                                      keyspace_collection(keyspace, database), thread->store.now_ms,
                                      &thread->store.random, &entry);
        if (found)
            visitor(context, &entry);
        partition_unlock(node, id);
        if (found)
            return true;
    }
    return false;
}

bool node_visit_key(struct node_thread *thread, uint32_t database, struct slice text,
                    node_visitor visitor, void *context) {
    struct node *node = thread->node;
    struct keyspace *keyspace = &node->keyspace;
    uint32_t id = keyspace_partition_id(keyspace, text);
    struct entry entry;
    partition_lock(node, id);
    struct key key = keyspace_key(keyspace, text, keyspace_collection(keyspace, database));
    bool found = partition_find(keyspace_partition(keyspace, id), keyspace, &key, &entry) &&
                 (entry.expiry_ms == 0 || entry.expiry_ms > thread->store.now_ms);
    if (found)
        visitor(context, &entry);
    partition_unlock(node, id);
    return found;
}

/* ---- sums ---- */

uint64_t node_key_count(struct node *node, uint32_t database) {
    struct keyspace *keyspace = &node->keyspace;
    uint64_t keys = 0;
    for (uint32_t id = 0; id < keyspace->partition_count; id++) {
        partition_lock(node, id);
        keys += partition_count(keyspace_partition(keyspace, id),
                                keyspace_collection(keyspace, database))
                    .keys;
        partition_unlock(node, id);
    }
    return keys;
}

struct digest node_digest(struct node *node) {
    struct keyspace *keyspace = &node->keyspace;
    struct digest sum = {0, 0};
    partition_lock_all(node);
    for (uint32_t id = 0; id < keyspace->partition_count; id++)
        sum = digest_add(sum, partition_digest(keyspace_partition(keyspace, id), keyspace));
    partition_unlock_all(node);
    return sum;
}
