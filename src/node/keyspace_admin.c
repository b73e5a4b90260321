/* SPDX-License-Identifier: BSD-3-Clause */
/* A database is a number that stands for a collection id: it is emptied by giving it a new id, and
 * two are exchanged by exchanging their ids. The entries of the old id are nobody's and are deleted
 * partition by partition. If no other database holds anything, the partitions are emptied as
 * wholes instead, without a look at their entries.
 *
 * Nobody listens to effects of these yet: a consumer gets them as one part per partition, emitted
 * where the locks are held (renumber, clear_all). */
#include "node/keyspace_admin.h"

#include "node/interest.h"
#include "node/node_internal.h"

static void clear_all(struct node_thread *thread, struct node_flush *flush)
    REQUIRES(PARTITION_LOCK) {
    struct keyspace *keyspace = &thread->node->keyspace;
    for (uint32_t id = 0; id < keyspace->partition_count; id++)
        partition_clear(keyspace_partition(keyspace, id), keyspace, &thread->store,
                        &flush->detached);
}

/* No lock is held, unless the thread is in a section. */
static void balance(struct node_thread *thread) {
    if (thread->section.kind == SECTION_NONE)
        node_serve_deferred(thread);
    if (thread->store.reserve.is_unbalanced)
        (void)node_thread_refill(thread);
    (void)store_thread_free_dropped(&thread->store);
    store_thread_report(&thread->store, &thread->node->keyspace);
}

/* Those who wait for keys may have waited for nothing (a consumer group that is gone). */
static void tell_flushed(struct node_thread *thread, uint32_t database) REQUIRES(PARTITION_LOCK) {
    struct node *node = thread->node;
    if (atomic_load_explicit(&node->changes_wanted, memory_order_relaxed) == 0)
        return;
    node_listen(thread);
    /* Inside a section a record is being written already. */
    bool is_recorded = thread->store.effects != NULL && thread->section.kind == SECTION_NONE &&
                       effects_begin(&thread->effects, 0) == LARDER_OK;
    for (uint32_t i = 0; i < node->keyspace.database_count; i++)
        if (database == UINT32_MAX || database == i)
            node_serve_database(thread, i);
    if (node->listener.flushed != NULL)
        node->listener.flushed(node->listener.context, thread, database);
    if (is_recorded)
        effects_commit(&thread->effects);
}

void node_flush_all(struct node_thread *thread, struct node_flush *flush) {
    partition_lock_all(thread->node);
    node_touch_database(thread, UINT32_MAX, UINT32_MAX);
    clear_all(thread, flush);
    tell_flushed(thread, UINT32_MAX);
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
    node_touch_database(thread, database, UINT32_MAX);
    if (is_only_one(keyspace, database)) {
        clear_all(thread, flush);
    } else {
        atomic_store_explicit(&keyspace->collections[database], keyspace->next_collection++,
                              memory_order_relaxed);
        flush->has_dead = true;
        flush->next_partition = 0;
    }
    tell_flushed(thread, database);
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

void node_swap_databases(struct node_thread *thread, uint32_t a, uint32_t b) {
    struct node *node = thread->node;
    _Atomic uint32_t *collections = node->keyspace.collections;
    partition_lock_all(node);
    node_touch_database(thread, a, b);
    node_touch_database(thread, b, a);
    uint32_t first = atomic_load_explicit(&collections[a], memory_order_relaxed);
    uint32_t second = atomic_load_explicit(&collections[b], memory_order_relaxed);
    atomic_store_explicit(&collections[a], second, memory_order_relaxed);
    atomic_store_explicit(&collections[b], first, memory_order_relaxed);
    tell_flushed(thread, a);
    tell_flushed(thread, b);
    partition_unlock_all(node);
    balance(thread);
}
