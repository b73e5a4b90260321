/* SPDX-License-Identifier: BSD-3-Clause */
/* Taking partition locks where others may hold them for long. Only sections do: a waiter looks up
 * every few milliseconds whether it waits for itself (it runs inside the section that holds the
 * lock), for an open section (then it must not keep what it has), or for a script that has run for
 * so long that the listener should be told. */
#include "node/node.h"

#include "node/node_internal.h"
#include "os/clock.h"
#include "os/thread.h"

#include <stdlib.h>

enum { PATIENCE_US = 5000, TRY_US = 1000, ORDERED_PATIENCE_US = 200, LET_GO_NS = 50 * 1000000 };

/* Acquire pairs with the release in node_section_begin: a thread finds its own mark, and another
 * thread's mark is only ever different from its own. */
static bool is_own(const struct partition_lock *lock) {
    return atomic_load_explicit(&lock->owner, memory_order_acquire) == os_thread_self();
}

bool node_is_stalled(const struct node *node, uint32_t id) {
    uint64_t since = atomic_load_explicit(&node->locks[id].script_since_ns, memory_order_relaxed);
    int64_t after_ms = atomic_load_explicit(&node->busy_after_ms, memory_order_relaxed);
    return since != 0 && after_ms > 0 &&
           clock_monotonic_ns() - since > (uint64_t)after_ms * 1000000;
}

static void tell_stalled(struct node *node, uint32_t id) {
    if (node->listener.stalled != NULL && node_is_stalled(node, id))
        node->listener.stalled(node->listener.context);
}

void partition_lock_wait(struct node *node, uint32_t id) {
    struct partition_lock *lock = &node->locks[id];
    if (is_own(lock)) {
        lock->depth++;
        return;
    }
    while (!lock_acquire_for(&lock->lock, PATIENCE_US))
        tell_stalled(node, id);
}

bool partition_try_lock(struct node *node, uint32_t id) NO_THREAD_SAFETY {
    return lock_acquire_for(&node->locks[id].lock, TRY_US);
}

bool partition_lock_briefly(struct node *node, uint32_t id) NO_THREAD_SAFETY {
    if (!is_own(&node->locks[id]))
        return partition_try_lock(node, id);
    node->locks[id].depth++;
    return true;
}

bool node_await_scripts(struct node *node) NO_THREAD_SAFETY {
    for (uint32_t id = 0; id < node->keyspace.partition_count; id++) {
        struct partition_lock *lock = &node->locks[id];
        if (atomic_load_explicit(&lock->script_since_ns, memory_order_relaxed) == 0 || is_own(lock))
            continue;
        if (!partition_lock_patiently(node, id))
            return false;
        lock_release(&lock->lock);
    }
    return true;
}

bool partition_lock_patiently(struct node *node, uint32_t id) NO_THREAD_SAFETY {
    while (!lock_acquire_for(&node->locks[id].lock, PATIENCE_US))
        if (node_is_stalled(node, id))
            return false;
    return true;
}

/* ---- several ---- */

static int compare_ids(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

size_t partition_set_sort(uint32_t *ids, size_t count) {
    size_t unique = 0;
    if (count > 1)
        qsort(ids, count, sizeof(*ids), compare_ids);
    for (size_t i = 0; i < count; i++)
        if (unique == 0 || ids[unique - 1] != ids[i])
            ids[unique++] = ids[i];
    return unique;
}

/* Whether what holds the lock may hold it for so long that nobody should wait for it while holding
 * others. */
static bool is_held_long(const struct partition_lock *lock) {
    uint64_t since = atomic_load_explicit(&lock->script_since_ns, memory_order_relaxed);
    return since != 0 && clock_monotonic_ns() - since > LET_GO_NS;
}

/* While holding others: false when an open section holds it, or a script for long, so that all must
 * be let go. */
static bool lock_next(struct node *node, uint32_t id) NO_THREAD_SAFETY {
    struct partition_lock *lock = &node->locks[id];
    while (!lock_acquire_for(&lock->lock, ORDERED_PATIENCE_US))
        if (atomic_load_explicit(&lock->is_open, memory_order_relaxed) || is_held_long(lock))
            return false;
    return true;
}

/* Locks as many as it can; returns how many. */
static size_t lock_some(struct node *node, const uint32_t *ids, size_t count) NO_THREAD_SAFETY {
    for (size_t i = 0; i < count; i++) {
        uint32_t id = ids == NULL ? (uint32_t)i : ids[i];
        if (!lock_try_acquire(&node->locks[id].lock) && !lock_next(node, id))
            return i;
    }
    return count;
}

static void unlock_some(struct node *node, const uint32_t *ids, size_t count) NO_THREAD_SAFETY {
    for (size_t i = count; i-- > 0;)
        lock_release(&node->locks[ids == NULL ? i : ids[i]].lock);
}

bool partition_set_lock_patiently(struct node *node, const uint32_t *ids,
                                  size_t count) NO_THREAD_SAFETY {
    for (;;) {
        size_t held = lock_some(node, ids, count);
        if (held == count)
            return true;
        unlock_some(node, ids, held);
        uint32_t awaited = ids == NULL ? (uint32_t)held : ids[held];
        if (!partition_lock_patiently(node, awaited))
            return false;
        lock_release(&node->locks[awaited].lock);
    }
}

void partition_set_unlock(struct node *node, const uint32_t *ids, size_t count) NO_THREAD_SAFETY {
    unlock_some(node, ids, count);
}

/* Inside a section of this thread that holds everything, there is nothing to do. */
static bool is_held_whole(const struct node *node) {
    return is_own(&node->locks[0]) && is_own(&node->locks[node->keyspace.partition_count - 1]);
}

void partition_lock_all(struct node *node) NO_THREAD_SAFETY {
    if (is_held_whole(node))
        return;
    while (!partition_set_lock_patiently(node, NULL, node->keyspace.partition_count))
        if (node->listener.stalled != NULL)
            node->listener.stalled(node->listener.context);
}

void partition_unlock_all(struct node *node) NO_THREAD_SAFETY {
    if (!is_held_whole(node))
        unlock_some(node, NULL, node->keyspace.partition_count);
}
