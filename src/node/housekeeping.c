/* SPDX-License-Identifier: BSD-3-Clause */
/* Work that belongs to no command: deleting what has expired. All threads share one round over the
 * partitions; each takes the next one, does a slice of it under its lock, and stops when its time
 * is up, so that the whole stays within the share of a core that it is given. */
#include "node/node.h"

#include "node/node_internal.h"
#include "os/clock.h"
#include "store/expiry.h"

enum { SLICE_RECORDS = 64, SLICES_PER_PARTITION = 16, PARTITIONS_PER_CLOCK = 8 };

bool node_enter(struct node_thread *thread, uint32_t id) NO_THREAD_SAFETY {
    if (thread->store.reserve.is_unbalanced)
        (void)node_thread_refill(thread);
    if (!partition_try_lock(thread->node, id))
        return false;
    thread->held_one = id;
    thread->held = &thread->held_one;
    thread->held_count = 1;
    node_listen(thread);
    return true;
}

void node_leave(struct node_thread *thread, uint32_t id) NO_THREAD_SAFETY {
    struct effects *effects = thread->store.effects;
    /* What expires or is evicted has a record of its own; who is served for it gets another. */
    bool is_recorded = effects != NULL && thread->store.notices.count > 0 &&
                       effects_begin(effects, 0) == LARDER_OK;
    node_tell(thread);
    if (is_recorded)
        effects_commit(effects);
    thread->held_count = 0;
    partition_unlock(thread->node, id);
    node_serve_deferred(thread);
    (void)store_thread_free_dropped(&thread->store);
}

static void sweep_partition(struct node_thread *thread, uint32_t id) {
    struct node *node = thread->node;
    struct partition *p = keyspace_partition(&node->keyspace, id);
    bool has_more = true;
    for (unsigned i = 0; i < SLICES_PER_PARTITION && has_more; i++) {
        if (!node_enter(thread, id))
            return;
        int64_t now_ms = thread->store.now_ms;
        has_more = partition_has_expiring(p) &&
                   expiry_step(p, &node->keyspace, &thread->store, id, now_ms, SLICE_RECORDS);
        if (expiry_has_elements(p, now_ms) &&
            expiry_step_elements(p, &node->keyspace, &thread->store, id, now_ms, SLICE_RECORDS))
            has_more = true;
        node_leave(thread, id);
    }
}

void node_sweep(struct node_thread *thread, uint64_t budget_us) {
    struct node *node = thread->node;
    if (!atomic_load_explicit(&node->expires_actively, memory_order_relaxed))
        return;
    uint64_t end_ns = clock_monotonic_ns() + budget_us * 1000;
    uint32_t count = node->keyspace.partition_count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t id = atomic_fetch_add_explicit(&node->sweep_at, 1, memory_order_relaxed) % count;
        sweep_partition(thread, id);
        if (i % PARTITIONS_PER_CLOCK == 0 && clock_monotonic_ns() >= end_ns)
            break;
    }
    store_thread_report(&thread->store, &node->keyspace);
}
