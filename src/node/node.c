/* SPDX-License-Identifier: BSD-3-Clause */
/* A node's life, its threads and its totals. */
#include "node/node.h"

#include "node/interest.h"
#include "node/node_internal.h"
#include "os/process.h"
#include "store/partition.h"

#include <stdlib.h>
#include <string.h>

static enum larder_status init_keyspace(struct node *node, const struct node_options *options) {
    struct keyspace_options keyspace = {
        .allocator = node->allocator,
        .partition_count = options->partition_count,
        .database_count = options->database_count,
        .delete_command = COMMAND_DEL,
        .element_delete_command = COMMAND_HDEL,
        .seed = options->seed,
    };
    if (keyspace.seed == 0) {
        enum larder_status status = secure_random_bytes(&keyspace.seed, sizeof(keyspace.seed));
        if (status != LARDER_OK)
            return status;
    }
    return keyspace_init(&node->keyspace, &keyspace);
}

static size_t lock_memory_bytes(const struct node *node) {
    return (node->keyspace.partition_count + 1) * sizeof(*node->locks);
}

static enum larder_status create_locks(struct node *node) {
    node->lock_memory = allocator_allocate_zeroed(node->allocator, lock_memory_bytes(node));
    if (node->lock_memory == NULL)
        return LARDER_NO_MEMORY;
    uintptr_t line = sizeof(*node->locks);
    uintptr_t first = ((uintptr_t)node->lock_memory + line - 1) / line * line;
    node->locks = (struct partition_lock *)first;
    return LARDER_OK;
}

enum larder_status node_create(const struct node_options *options, struct node **out_node) {
    const struct allocator *a = options->allocator != NULL ? options->allocator : &ALLOCATOR_SYSTEM;
    struct node *node = allocator_allocate_zeroed(a, sizeof(*node));
    if (node == NULL)
        return LARDER_NO_MEMORY;
    node->allocator = a;
    node->emits_effects = options->emits_effects;
    atomic_store(&node->max_value_bytes, 512 * 1024 * 1024);
    atomic_store(&node->expires_actively, true);
    enum larder_status status = init_keyspace(node, options);
    if (status != LARDER_OK) {
        allocator_release(a, node, sizeof(*node));
        return status;
    }
    atomic_store(&node->busy_after_ms, 5000);
    node->interests =
        allocator_allocate_zeroed(a, node->keyspace.partition_count * sizeof(*node->interests));
    if (node->interests == NULL || create_locks(node) != LARDER_OK) {
        allocator_release(a, node->interests,
                          node->keyspace.partition_count * sizeof(*node->interests));
        keyspace_finish(&node->keyspace);
        allocator_release(a, node, sizeof(*node));
        return LARDER_NO_MEMORY;
    }
    *out_node = node;
    return LARDER_OK;
}

void node_destroy(struct node *node) {
    if (node == NULL)
        return;
    const struct allocator *a = node->allocator;
    allocator_release(a, node->lock_memory, lock_memory_bytes(node));
    interest_finish(node);
    keyspace_finish(&node->keyspace);
    allocator_release(a, node, sizeof(*node));
}

/* ---- threads ---- */

static void pool_lock(struct node *node) ACQUIRE(POOL_LOCK) NO_THREAD_SAFETY {
    lock_acquire(&node->pool_lock);
}

static void pool_unlock(struct node *node) RELEASE(POOL_LOCK) NO_THREAD_SAFETY {
    lock_release(&node->pool_lock);
}

enum larder_status node_thread_init(struct node_thread *thread, struct node *node) {
    memset(thread, 0, sizeof(*thread));
    uint64_t seed;
    enum larder_status status = secure_random_bytes(&seed, sizeof(seed));
    if (status != LARDER_OK)
        return status;
    thread->node = node;
    store_thread_init(&thread->store, &node->keyspace, seed);
    effects_init(&thread->effects, node->allocator);
    if (node->emits_effects)
        thread->store.effects = &thread->effects;
    thread->locked_capacity = 16;
    thread->locked =
        allocator_allocate(node->allocator, thread->locked_capacity * sizeof(*thread->locked));
    if (thread->locked == NULL)
        return LARDER_NO_MEMORY;
    lock_acquire(&node->threads_lock);
    thread->next = node->threads;
    node->threads = thread;
    lock_release(&node->threads_lock);
    return LARDER_OK;
}

static void add_counters(struct store_counters *sum, const struct store_counters *counters) {
    counter_add(&sum->hits, atomic_load_explicit(&counters->hits, memory_order_relaxed));
    counter_add(&sum->misses, atomic_load_explicit(&counters->misses, memory_order_relaxed));
    counter_add(&sum->expired_keys,
                atomic_load_explicit(&counters->expired_keys, memory_order_relaxed));
    counter_add(&sum->evicted_keys,
                atomic_load_explicit(&counters->evicted_keys, memory_order_relaxed));
    counter_add(&sum->records_moved,
                atomic_load_explicit(&counters->records_moved, memory_order_relaxed));
}

void node_thread_finish(struct node_thread *thread) {
    struct node *node = thread->node;
    lock_acquire(&node->threads_lock);
    struct node_thread **at = &node->threads;
    while (*at != thread)
        at = &(*at)->next;
    *at = thread->next;
    add_counters(&node->retired, &thread->store.counters);
    lock_release(&node->threads_lock);
    pool_lock(node);
    store_thread_finish(&thread->store, &node->keyspace);
    pool_unlock(node);
    effects_finish(&thread->effects);
    node_section_finish(thread);
    allocator_release(node->allocator, thread->locked,
                      thread->locked_capacity * sizeof(*thread->locked));
}

bool node_thread_refill(struct node_thread *thread) {
    pool_lock(thread->node);
    enum larder_status status = reserve_fill(&thread->store.reserve, &thread->node->keyspace.pool);
    pool_unlock(thread->node);
    return status == LARDER_OK;
}

void node_thread_tick(struct node_thread *thread, int64_t now_ms) {
    struct node *node = thread->node;
    thread->store.now_ms = now_ms;
    if (thread->store.reserve.is_unbalanced)
        (void)node_thread_refill(thread);
    if (thread->store.dropped != NULL || thread->store.dropped_objects != NULL)
        (void)store_thread_free_dropped(&thread->store);
    store_thread_report(&thread->store, &node->keyspace);
    if (thread->effects.used > 0 && thread->sink != NULL) {
        thread->sink(thread->sink_context, slice_of(thread->effects.data, thread->effects.used));
        thread->effects.used = 0;
        thread->effects.record_end = 0;
    }
}

void node_trim(struct node *node) {
    enum { SPARE_CHUNKS = 1 };
    pool_lock(node);
    pool_trim(&node->keyspace.pool, SPARE_CHUNKS);
    pool_unlock(node);
}

struct node_totals node_totals(struct node *node) {
    struct store_counters sum = {0};
    lock_acquire(&node->threads_lock);
    add_counters(&sum, &node->retired);
    for (const struct node_thread *t = node->threads; t != NULL; t = t->next)
        add_counters(&sum, &t->store.counters);
    lock_release(&node->threads_lock);
    return (struct node_totals){
        .hits = sum.hits,
        .misses = sum.misses,
        .expired_keys = sum.expired_keys,
        .evicted_keys = sum.evicted_keys,
        .records_moved = sum.records_moved,
    };
}
