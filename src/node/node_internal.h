/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of src/node share. */
#ifndef LARDER_NODE_INTERNAL_H
#define LARDER_NODE_INTERNAL_H

#include "node/node.h"

#define NODE_BUSY_TEXT                                                                             \
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."

/* Fill the thread's reserve from the pool. Not under a partition lock, but for a section that ran
 * out of memory. False: no memory. */
bool node_thread_refill(struct node_thread *thread);

/* The key in a database, with the collection id read as a hint: a FLUSH or SWAPDB may change it
 * before the partition is locked, so call_key decides again under the lock. */
struct key keyspace_key_hint(const struct keyspace *keyspace, struct slice text, uint32_t database);

/* ---- locks.c ---- */

/* False: a script has held the partition for longer than busy-reply-threshold. */
bool partition_lock_patiently(struct node *node, uint32_t id) TRY_ACQUIRE(true, PARTITION_LOCK);
/* Ascending order, each once; returns how many are left. */
size_t partition_set_sort(uint32_t *ids, size_t count);
/* Lock the sorted partitions (`ids` NULL: the first `count`). False as above, none is held. */
bool partition_set_lock_patiently(struct node *node, const uint32_t *ids, size_t count)
    TRY_ACQUIRE(true, PARTITION_LOCK);
bool node_is_stalled(const struct node *node, uint32_t id);

/* ---- housekeeping.c ---- */

/* Work on one partition that belongs to no command (expiry, eviction): lock it, have what happens
 * noted. False: it is not to be had for the moment. */
bool node_enter(struct node_thread *thread, uint32_t id) TRY_ACQUIRE(true, PARTITION_LOCK);
/* Tell what happened, serve who waited for it, unlock, free what was dropped. */
void node_leave(struct node_thread *thread, uint32_t id) RELEASE(PARTITION_LOCK);

/* ---- section.c ---- */

void node_section_finish(struct node_thread *thread);

/* ---- execute.c ---- */

/* Run a command whose partitions are locked: fill the reserve and run again for want of memory
 * where `may_refill`; its effects go into the record being written. */
enum larder_status node_run(struct node_thread *thread, struct call *call, bool may_refill)
    REQUIRES(PARTITION_LOCK);
/* Room for the effects of one more command in the record being written. */
enum larder_status node_reserve_effects(struct node_thread *thread, const struct call *call);
/* Write the error of a status as the reply. */
void node_reply_status(struct reply *reply, enum larder_status status);
/* The partitions of all keys of a call into thread->locked, sorted, each once. Errors:
 * LARDER_NO_MEMORY, LARDER_INVALID. */
enum larder_status node_place_keys(struct node_thread *thread, const struct call *call,
                                   size_t *out_count);

/* ---- interest.c ---- */

/* Whether, and of what, this thread is to collect notices; after its locks were taken. */
static inline void node_listen(struct node_thread *thread) {
    struct node *node = thread->node;
    uint32_t wanted = atomic_load_explicit(&node->events_wanted, memory_order_relaxed);
    if (atomic_load_explicit(&node->changes_wanted, memory_order_relaxed) != 0)
        wanted |= NOTICE_CHANGES;
    thread->store.notices.interest = wanted;
}
/* Tell the notices collected so far: watchers, waiting commands (which are served), the listener.
 * The locks of their partitions are held. */
void node_tell_notices(struct node_thread *thread) REQUIRES(PARTITION_LOCK);
static inline void node_tell(struct node_thread *thread) REQUIRES(PARTITION_LOCK);
static inline void node_tell(struct node_thread *thread) {
    if (thread->store.notices.count > 0 || thread->store.notices.is_incomplete)
        node_tell_notices(thread);
}

/* ---- waiting.c ---- */

/* Serve the commands that wait for a key, in the order in which they came. */
struct interest_key;
void node_serve_key(struct node_thread *thread, struct interest_key *key) REQUIRES(PARTITION_LOCK);
/* Serve those that need partitions which were not held. No lock is held. */
void node_serve_deferred(struct node_thread *thread);
/* Make the command of this call wait: LARDER_AGAIN was its answer. NULL without memory. */
struct waiter *node_wait(struct node_thread *thread, struct call *call) REQUIRES(PARTITION_LOCK);

#endif
