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
    OVERSHOOT_BYTES = 64 * 1024,        /* above the limit, for each thread */
    MOVES_MAX = 10000, /* steps that only moved entries, or lacked memory for an effect */
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
    if (!partition_try_lock(node, id))
        return UINT64_MAX;
    uint64_t age = eviction_age(keyspace_partition(&node->keyspace, id), &node->keyspace);
    partition_unlock(node, id);
    return age;
}

/* The partition to evict from. Where draws find nothing that the policy may evict, partitions are
 * asked in turn. */
static uint32_t draw_oldest(struct node_thread *thread, uint32_t turn) {
    struct node *node = thread->node;
    uint32_t best = turn % node->keyspace.partition_count;
    uint64_t oldest = UINT64_MAX;
    for (unsigned i = 0; i < DRAWS; i++) {
        uint32_t id = (uint32_t)random_below(&thread->store.random, node->keyspace.partition_count);
        uint64_t age = age_of(node, id);
        if (age < oldest) {
            oldest = age;
            best = id;
        }
    }
    return best;
}

enum outcome { STEP_FREED, STEP_MOVED, STEP_NOTHING };

/* One slice of eviction in one partition. */
static enum outcome evict_from(struct node_thread *thread, uint32_t id, int64_t goal_bytes) {
    struct node *node = thread->node;
    struct partition *p = keyspace_partition(&node->keyspace, id);
    uint32_t evicted = 0;
    if (!node_enter(thread, id))
        return STEP_MOVED;
    int64_t freed = eviction_step(p, &node->keyspace, &thread->store, id, goal_bytes, &evicted);
    bool has_more = eviction_age(p, &node->keyspace) != UINT64_MAX;
    node_leave(thread, id);
    store_thread_report(&thread->store, &node->keyspace);
    if (freed > 0)
        return STEP_FREED;
    return evicted > 0 || has_more ? STEP_MOVED : STEP_NOTHING;
}

/* Whether a write may go on although nothing can be freed for it. */
static bool is_tolerable(int64_t used, int64_t coming_bytes, int64_t limit) {
    return used <= limit && used + coming_bytes <= limit + OVERSHOOT_BYTES;
}

/* A partition is stayed with until it gives memory back: what sampled policies evict first leaves
 * holes in segments, and holes spread over all partitions free nothing. */
static bool evict_until(struct node_thread *thread, int64_t coming_bytes, int64_t limit) {
    struct node *node = thread->node;
    uint32_t patience = node->keyspace.partition_count * FRUITLESS_ROUNDS_PER_PARTITION;
    uint32_t nothing = 0, moved = 0;
    uint32_t id = draw_oldest(thread, 0);
    int64_t used;
    while ((used = node_used_bytes(node)) + coming_bytes > limit) {
        switch (evict_from(thread, id, used + coming_bytes - limit)) {
        case STEP_FREED:
            nothing = moved = 0;
            id = draw_oldest(thread, 0);
            break;
        case STEP_MOVED:
            if (++moved > MOVES_MAX)
                return is_tolerable(used, coming_bytes, limit);
            break;
        case STEP_NOTHING:
            if (++nothing > patience)
                return is_tolerable(used, coming_bytes, limit);
            id = draw_oldest(thread, nothing);
            break;
        }
    }
    return true;
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
        return is_tolerable(used, coming_bytes, limit);
    return evict_until(thread, coming_bytes, limit);
}
