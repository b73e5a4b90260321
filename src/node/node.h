/* SPDX-License-Identifier: BSD-3-Clause */
/* One node: the keyspace with a lock per partition, the threads that use it, the memory limit, and
 * whoever listens to effects. The only taker of partition locks. Everything hangs off the node:
 * several nodes can live in one process.
 *
 * A thread that wants to use a node registers once (node_thread_init) and passes its node_thread to
 * every call. RESP sessions, the embedded API, scripts and effect appliers all come through
 * node_execute. */
#ifndef LARDER_NODE_NODE_H
#define LARDER_NODE_NODE_H

#include "commands/call.h"
#include "os/lock.h"
#include "store/keyspace.h"

struct node_thread;

/* Gets the effects of a thread: called by that thread with no lock held, in the thread's order.
 * Records of different threads that touched the same partition are ordered by the partition's
 * sequence in the stream as the journal will define it. Must not block. Borrows the bytes. */
typedef void (*node_effect_sink)(void *context, struct slice records);

struct node_options {
    const struct allocator *allocator;
    uint32_t partition_count; /* 0: 271 */
    uint32_t database_count;  /* 0: 16 */
    uint64_t seed;            /* 0: drawn from the system */
    bool emits_effects;       /* encode effects; a thread's go to its buffer */
};

struct partition_lock {
    _Alignas(64) struct lock lock;
};

struct node {
    struct keyspace keyspace;
    /* immutable after create */
    const struct allocator *allocator;
    struct partition_lock *locks; /* one per partition, each on a cache line of its own */
    void *lock_memory;            /* owned: where they lie, not aligned as they have to be */
    bool emits_effects;
    /* atomic */
    _Atomic int64_t max_memory_bytes; /* 0: no limit */
    _Atomic int64_t other_bytes;      /* clients, logs, tables: what is not the keyspace's */
    _Atomic int64_t peak_bytes;
    _Atomic int64_t max_value_bytes; /* proto-max-bulk-len */
    _Atomic bool expires_actively;   /* DEBUG SET-ACTIVE-EXPIRE */
    _Atomic uint32_t sweep_at;       /* partition that the next expiry sweep looks at */
    struct lock pool_lock;
    struct lock threads_lock;
    struct node_thread *threads;   /* guarded by threads_lock */
    struct store_counters retired; /* of threads that are gone; guarded by threads_lock */
};

/* One thread's use of a node. Caller's memory. */
struct node_thread {
    struct store_thread store;
    struct node *node;
    struct node_thread *next;
    struct effects effects; /* used when the node emits effects */
    node_effect_sink sink;  /* NULL: effects stay in the buffer until effects_take */
    void *sink_context;
    uint32_t *locked; /* partition ids, ascending, of the set being held */
    uint32_t locked_capacity;
};

/* Returns owned. Errors: LARDER_NO_MEMORY, LARDER_INVALID. */
enum larder_status node_create(const struct node_options *options,
                               struct node **out_node) LARDER_NODISCARD;
/* All threads have finished. NULL is allowed. */
void node_destroy(struct node *node);

/* Errors: LARDER_NO_MEMORY. */
enum larder_status node_thread_init(struct node_thread *thread, struct node *node) LARDER_NODISCARD;
void node_thread_finish(struct node_thread *thread);

/* ---- locks ---- */

static inline void partition_lock(struct node *node, uint32_t id)
    ACQUIRE(PARTITION_LOCK) NO_THREAD_SAFETY {
    lock_acquire(&node->locks[id].lock);
}

static inline void partition_unlock(struct node *node, uint32_t id)
    RELEASE(PARTITION_LOCK) NO_THREAD_SAFETY {
    lock_release(&node->locks[id].lock);
}

/* Lock several partitions in ascending order, each once. `ids` is sorted and made unique in place;
 * *count becomes the number of locks held. */
void partition_set_lock(struct node *node, uint32_t *ids, size_t *count) ACQUIRE(PARTITION_LOCK);
void partition_set_unlock(struct node *node, const uint32_t *ids, size_t count)
    RELEASE(PARTITION_LOCK);
/* All of them. */
void partition_lock_all(struct node *node) ACQUIRE(PARTITION_LOCK);
void partition_unlock_all(struct node *node) RELEASE(PARTITION_LOCK);

/* ---- executing ---- */

/* Run a data command: lock the partitions of its keys, run its function, stage its effect, unlock;
 * on LARDER_NO_MEMORY fill the reserve and run it again. Writes exactly one reply. The spec has a
 * function in command_functions and the arity was checked. Blocks only for partition locks.
 * `call` is filled but for keyspace, thread and key (the key may be given: key.text.data then
 * equals the first key argument's). */
void node_execute(struct node_thread *thread, struct call *call);

/* Once per batch of commands, with no lock held: set the time, top up the reserve, report memory,
 * free what was dropped, hand effects to the sink. */
void node_thread_tick(struct node_thread *thread, int64_t now_ms);

/* ---- memory ---- */

/* Bytes that count against the limit. */
int64_t node_used_bytes(const struct node *node);
/* Free memory by the eviction policy until usage plus `coming_bytes` is within the limit. No lock
 * is held. False when the policy can't: a write must be refused. */
bool node_make_room(struct node_thread *thread, int64_t coming_bytes);
/* Add to what counts besides the keyspace. */
static inline void node_account(struct node *node, int64_t bytes) {
    atomic_fetch_add_explicit(&node->other_bytes, bytes, memory_order_relaxed);
}

/* ---- housekeeping: by any thread now and then, no lock held ---- */

/* Delete expired entries for about `budget_us`, going on where the last call of any thread ended.
 */
void node_sweep(struct node_thread *thread, uint64_t budget_us);

/* Give wholly free memory back to the system, but for a spare chunk. */
void node_trim(struct node *node);

/* ---- totals ---- */

struct node_totals {
    uint64_t hits, misses, expired_keys, evicted_keys, records_moved;
};
struct node_totals node_totals(struct node *node);

#endif
