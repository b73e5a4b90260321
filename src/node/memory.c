/* SPDX-License-Identifier: BSD-3-Clause */
/* Staying within the limit. The thread that is about to write frees what its write will add: it
 * draws four partitions at random and evicts from the one whose oldest entries are the oldest.
 * Partitions are even in the usual case; where they are not, age keeps the choice fair. */
#include "node/node.h"

#include "node/node_internal.h"
#include "store/eviction.h"

enum {
    DRAWS = 4,
    FRUITLESS_ROUNDS_PER_PARTITION = 2, /* before the policy is taken to have nothing left */
};

int64_t node_used_bytes(const struct node *node) {
    return keyspace_memory_bytes(&node->keyspace) +
           atomic_load_explicit(&node->other_bytes, memory_order_relaxed);
}

static void note_peak(struct node *node, int64_t used) {
    int64_t peak = atomic_load_explicit(&node->peak_bytes, memory_order_relaxed);
    while (used > peak &&
           !atomic_compare_exchange_weak_explicit(&node->peak_bytes, &peak, used,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

static uint64_t age_of(struct node *node, uint32_t id) {
    partition_lock(node, id);
    uint64_t age = eviction_age(keyspace_partition(&node->keyspace, id), &node->keyspace);
    partition_unlock(node, id);
    return age;
}

static uint32_t draw_oldest(struct node_thread *thread, uint64_t *out_age) {
    struct node *node = thread->node;
    uint32_t best = 0;
    *out_age = UINT64_MAX;
    for (unsigned i = 0; i < DRAWS; i++) {
        uint32_t id = (uint32_t)random_below(&thread->store.random, node->keyspace.partition_count);
        uint64_t age = age_of(node, id);
        if (age < *out_age) {
            *out_age = age;
            best = id;
        }
    }
    return best;
}

/* One slice of eviction in one partition. Whether anything left. */
static bool evict_from(struct node_thread *thread, uint32_t id, int64_t goal_bytes) {
    struct node *node = thread->node;
    uint32_t evicted = 0;
    if (thread->store.reserve.is_unbalanced)
        (void)node_thread_refill(thread);
    partition_lock(node, id);
    int64_t freed = eviction_step(keyspace_partition(&node->keyspace, id), &node->keyspace,
                                  &thread->store, id, goal_bytes, &evicted);
    partition_unlock(node, id);
    store_thread_free_dropped(&thread->store);
    store_thread_report(&thread->store, &node->keyspace);
    return freed > 0 || evicted > 0;
}

bool node_make_room(struct node_thread *thread, int64_t coming_bytes) {
    struct node *node = thread->node;
    int64_t limit = atomic_load_explicit(&node->max_memory_bytes, memory_order_relaxed);
    store_thread_report(&thread->store, &node->keyspace);
    int64_t used = node_used_bytes(node);
    note_peak(node, used);
    if (limit == 0 || used + coming_bytes <= limit)
        return true;
    uint32_t policy = atomic_load_explicit(&node->keyspace.policy, memory_order_relaxed);
    if (policy == EVICTION_NONE)
        return used <= limit;
    uint32_t fruitless = 0;
    uint32_t patience = node->keyspace.partition_count * FRUITLESS_ROUNDS_PER_PARTITION;
    while ((used = node_used_bytes(node)) + coming_bytes > limit) {
        uint64_t age;
        uint32_t id = draw_oldest(thread, &age);
        /* Where draws find nothing, every partition is asked in turn. */
        if (age == UINT64_MAX)
            id = fruitless % node->keyspace.partition_count;
        if (evict_from(thread, id, used + coming_bytes - limit))
            fruitless = 0;
        else if (++fruitless > patience)
            return used <= limit;
    }
    return true;
}
