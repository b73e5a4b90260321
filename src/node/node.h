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
struct waiter;
struct interest_table; /* node/interest.h: who watches or waits for which keys */

/* What a client reads when there is no memory for its command. */
#define NODE_OUT_OF_MEMORY_TEXT "OOM command not allowed when used memory > 'maxmemory'."

/* Whom the node tells what happened to keys. Called by the thread that did it, while the locks of
 * the keys' partitions are held: must not block and may take only locks below PARTITION_LOCK. The
 * key is borrowed. */
struct node_listener {
    void *context;
    /* A key was changed or deleted, by whatever way. Only while node->changes_wanted is not 0. */
    void (*changed)(void *context, struct node_thread *thread, uint32_t database, struct slice key);
    /* A keyspace event of a class in node->events_wanted (enum notice_interest). */
    void (*event)(void *context, struct node_thread *thread, uint32_t database, uint32_t class,
                  const char *event, struct slice key);
    /* Everything in a database (UINT32_MAX: in all) is gone. */
    void (*flushed)(void *context, struct node_thread *thread, uint32_t database);
    /* A waiting command (node/waiting.h) has its reply: post it to the owner's thread. */
    void (*served)(void *context, struct waiter *waiter);
    /* A thread has waited for a lock that a script holds for longer than busy_after_ms: called
     * every few milliseconds until it gets it, with no lock of its own order broken. */
    void (*stalled)(void *context);
};

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

/* `owner` is set while a section holds the lock, so that what runs inside it may lock again. */
struct partition_lock {
    _Alignas(64) struct lock lock;
    uint32_t depth;                   /* nested acquisitions by the owner; guarded by the lock */
    _Atomic uint64_t owner;           /* os_thread_self of the section's thread; 0: no section */
    _Atomic uint64_t script_since_ns; /* monotonic, since when a script holds it; 0: none does */
    _Atomic bool is_open;             /* an open section holds it: ordered acquirers let go */
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
    _Atomic int64_t max_value_bytes;    /* proto-max-bulk-len */
    _Atomic bool expires_actively;      /* DEBUG SET-ACTIVE-EXPIRE */
    _Atomic uint32_t sweep_at;          /* partition that the next expiry sweep looks at */
    _Atomic int64_t busy_after_ms;      /* busy-reply-threshold */
    _Atomic uint32_t events_wanted;     /* classes of keyspace events, enum notice_interest */
    _Atomic uint32_t changes_wanted;    /* how many want to know of changed keys: watchers, waiting
                                           commands, the listener's own */
    _Atomic uint64_t lost_events;       /* keyspace events nobody was told of, for want of memory */
    _Atomic int64_t awaited_keys;       /* keys that some command waits for */
    _Atomic int64_t awaited_group_keys; /* of these, by an XREADGROUP: it ends when the key goes */
    struct node_listener listener;      /* set before the threads start */
    struct interest_table *interests;   /* one per partition, guarded by its lock */
    struct lock script_lock;
    struct lock pool_lock;
    struct lock threads_lock;
    struct node_thread *threads;   /* guarded by threads_lock */
    struct store_counters retired; /* of threads that are gone; guarded by threads_lock */
};

enum section_kind {
    SECTION_NONE,
    SECTION_DECLARED, /* only what was planned */
    SECTION_OPEN,     /* further partitions when they are first touched */
    SECTION_ALL,      /* every partition */
};

/* What a thread holds from node_section_begin to node_section_end; node/section.h. */
struct node_section {
    enum section_kind kind;
    bool is_script;
    uint64_t since_ns;        /* monotonic */
    bool has_changed;         /* something was changed in it */
    bool has_other_databases; /* one was flushed, or two exchanged */
    bool is_outside; /* a command of a DECLARED section named a key that it does not hold, and was
                        refused: if nothing was changed yet, begin again with an OPEN one */
    uint64_t *held;  /* bit per partition */
    uint32_t *order; /* ids in the order they were locked */
    size_t count, capacity;
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
    const uint32_t *held; /* the partitions that the command being run holds, outside sections */
    size_t held_count;
    uint32_t held_one; /* what `held` points to where it is a single one */
    struct node_section section;
    struct waiter *deferred; /* waiting commands to be served when the locks are released */
    void *owner;             /* of the waiter that node_execute may make: the client */
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

/* The slow half: the lock is taken, perhaps by a section of this very thread. */
void partition_lock_wait(struct node *node, uint32_t id);

/* Blocks; while a script holds the partition for long the listener is told (stalled). */
static inline void partition_lock(struct node *node, uint32_t id)
    ACQUIRE(PARTITION_LOCK) NO_THREAD_SAFETY {
    if (!lock_try_acquire(&node->locks[id].lock))
        partition_lock_wait(node, id);
}

/* Housekeeping's way: false when the lock is not to be had within a millisecond. */
bool partition_try_lock(struct node *node, uint32_t id) TRY_ACQUIRE(true, PARTITION_LOCK);

/* The same for a thread that must not wait, as it is held up already; one that holds the lock for a
 * section gets it. */
bool partition_lock_briefly(struct node *node, uint32_t id) TRY_ACQUIRE(true, PARTITION_LOCK);
/* Wait until no script holds a partition that one holds now. False: one of them has run for longer
 * than busy_after_ms. Holds no lock meanwhile. */
bool node_await_scripts(struct node *node);

static inline void partition_unlock(struct node *node, uint32_t id)
    RELEASE(PARTITION_LOCK) NO_THREAD_SAFETY {
    if (node->locks[id].depth > 0)
        node->locks[id].depth--;
    else
        lock_release(&node->locks[id].lock);
}

void partition_set_unlock(struct node *node, const uint32_t *ids, size_t count)
    RELEASE(PARTITION_LOCK);
/* All of them; a thread whose section holds them all has them. */
void partition_lock_all(struct node *node) ACQUIRE(PARTITION_LOCK);
void partition_unlock_all(struct node *node) RELEASE(PARTITION_LOCK);

/* ---- executing ---- */

/* Run a data command: lock the partitions of its keys, run its function, stage its effect, unlock;
 * on LARDER_NO_MEMORY fill the reserve and run it again. Writes exactly one reply, unless it
 * returns a waiter. Inside a section no lock is taken that the section holds. The spec has a
 * function in command_functions and the arity was checked. Blocks only for partition locks.
 * `call` is filled but for keyspace, thread and key (the key may be given: key.text.data then
 * equals the first key argument's). Returns NULL, or with CALL_MAY_BLOCK a waiter
 * (node/waiting.h) that the caller owns: the command waits, no reply was written. */
struct waiter *node_execute(struct node_thread *thread, struct call *call);

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
