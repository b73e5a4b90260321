/* SPDX-License-Identifier: BSD-3-Clause */
/* A database is a number that stands for a collection id: it is emptied by giving it a new id, and
 * two are exchanged by exchanging their ids. The entries of the old id are nobody's and are deleted
 * partition by partition. If no other database holds anything, the partitions are emptied as
 * wholes instead, without a look at their entries.
 *
 * Nobody listens to effects of these yet: a consumer gets them as one part per partition, emitted
 * where the locks are held (renumber, clear_all). */
#include "node/keyspace_admin.h"

#include "node/node_internal.h"

static void clear_all(struct node_thread *thread, struct node_flush *flush)
    REQUIRES(PARTITION_LOCK) {
    struct keyspace *keyspace = &thread->node->keyspace;
    for (uint32_t id = 0; id < keyspace->partition_count; id++)
        partition_clear(keyspace_partition(keyspace, id), keyspace, &thread->store,
                        &flush->detached);
}

static void balance(struct node_thread *thread) {
    if (thread->store.reserve.is_unbalanced)
        (void)node_thread_refill(thread);
    (void)store_thread_free_dropped(&thread->store);
    store_thread_report(&thread->store, &thread->node->keyspace);
}

void node_flush_all(struct node_thread *thread, struct node_flush *flush) {
    partition_lock_all(thread->node);
    clear_all(thread, flush);
    partition_unlock_all(thread->node);
    balance(thread);
}

static bool is_only_one(struct keyspace *keyspace, uint32_t database) REQUIRES(PARTITION_LOCK) {
    for (uint32_t i = 0; i < keyspace->database_count; i++) {
        if (i == database)
            continue;
        for (uint32_t id = 0; id < keyspace->partition_count; id++)
            if (partition_count(keyspace_partition(keyspace, id), keyspace_collection(keyspace, i))
                    .keys > 0)
                return false;
    }
    return true;
}

void node_flush_database(struct node_thread *thread, uint32_t database, struct node_flush *flush) {
    struct keyspace *keyspace = &thread->node->keyspace;
    partition_lock_all(thread->node);
    if (is_only_one(keyspace, database)) {
        clear_all(thread, flush);
    } else {
        atomic_store_explicit(&keyspace->collections[database], keyspace->next_collection++,
                              memory_order_relaxed);
        flush->has_dead = true;
        flush->next_partition = 0;
    }
    partition_unlock_all(thread->node);
    balance(thread);
}

/* Delete dead entries of the next partition that has some. */
static void drop_dead(struct node_thread *thread, struct node_flush *flush, uint32_t budget) {
    struct node *node = thread->node;
    struct keyspace *keyspace = &node->keyspace;
    while (flush->next_partition < keyspace->partition_count) {
        uint32_t id = flush->next_partition;
        struct partition *p = keyspace_partition(keyspace, id);
        partition_lock(node, id);
        bool has_dead = partition_has_dead(p, keyspace);
        bool has_more =
            has_dead && partition_drop_dead(p, keyspace, &thread->store, &flush->detached, budget);
        partition_unlock(node, id);
        flush->next_partition += !has_more;
        if (has_dead)
            return;
    }
    flush->has_dead = false;
}

bool node_flush_step(struct node_thread *thread, struct node_flush *flush, uint32_t budget) {
    if (flush->detached.segments != NULL)
        (void)detached_free(&flush->detached, &thread->store, budget);
    else if (flush->has_dead)
        drop_dead(thread, flush, budget);
    balance(thread);
    return flush->detached.segments != NULL || flush->has_dead;
}

void node_swap_databases(struct node *node, uint32_t a, uint32_t b) {
    _Atomic uint32_t *collections = node->keyspace.collections;
    partition_lock_all(node);
    uint32_t first = atomic_load_explicit(&collections[a], memory_order_relaxed);
    uint32_t second = atomic_load_explicit(&collections[b], memory_order_relaxed);
    atomic_store_explicit(&collections[a], second, memory_order_relaxed);
    atomic_store_explicit(&collections[b], first, memory_order_relaxed);
    partition_unlock_all(node);
}
