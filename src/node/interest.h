/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is interested in which keys of a partition: clients that WATCH them, commands that wait for
 * them. One table per partition, guarded by its lock, empty most of the time.
 *
 *   table: buckets -> interest_key {database, key} -> entries in the order in which they came
 *
 * Keys are named by database number, not by collection id: a flush does not end an interest. */
#ifndef LARDER_NODE_INTEREST_H
#define LARDER_NODE_INTEREST_H

#include "node/node.h"

struct interest_key {
    struct interest_key *next; /* in the bucket */
    struct interest_entry *first, *last;
    uint64_t hash;
    uint32_t partition, database;
    uint32_t waiters, group_readers; /* entries of waiters; of those that read for a group */
    size_t size;                     /* of the text that follows */
    uint8_t text[];
};

/* Part of a watch or a waiter. */
struct interest_entry {
    struct interest_entry *previous, *next; /* of the same key */
    struct interest_key *key;               /* NULL: in no table */
    struct watch_set *watcher;              /* one of the two is set */
    struct waiter *waiter;
    bool is_deferred; /* the waiter is claimed and will be served in its turn, then those behind it
                       */
};

struct interest_table {
    struct interest_key **buckets;
    uint32_t bucket_count, key_count;
};

/* Add an entry for a key at the end of those who came before. Errors: LARDER_NO_MEMORY. */
enum larder_status interest_add(struct node *node, uint32_t partition, uint32_t database,
                                struct slice key, struct interest_entry *entry)
    REQUIRES(PARTITION_LOCK) LARDER_NODISCARD;
/* Take it out; does nothing when it is in no table. */
void interest_remove(struct node *node, struct interest_entry *entry) REQUIRES(PARTITION_LOCK);
/* NULL: nobody is interested. */
struct interest_key *interest_find(struct node *node, uint32_t partition, uint32_t database,
                                   struct slice key) REQUIRES(PARTITION_LOCK);
/* Nobody is interested any more; the partitions are still there. */
void interest_finish(struct node *node);

/* Everything of one database (UINT32_MAX: of all) is about to go or to be exchanged, under all
 * locks: watchers of keys that are there, or that come to be there, are told. Call it before the
 * change with the other database of an exchange, or with UINT32_MAX as `other`. */
void node_touch_database(struct node_thread *thread, uint32_t database, uint32_t other)
    REQUIRES(PARTITION_LOCK);
/* After the change: serve the commands that wait for keys of the database. */
void node_serve_database(struct node_thread *thread, uint32_t database) REQUIRES(PARTITION_LOCK);

/* ---- WATCH ---- */

/* The keys that one client watches. Zero-initialised is empty. Used by its thread; is_dirty is set
 * by whoever changes a key, under the key's partition lock. */
struct watch_set {
    _Atomic bool is_dirty;
    struct watch *first;
    size_t count;
};

/* Watch a key from now on; twice is once. Errors: LARDER_NO_MEMORY; LARDER_BUSY when a slow script
 * holds the partition, or with is_brief when it is not to be had within a millisecond. */
enum larder_status node_watch(struct node_thread *thread, struct watch_set *set, uint32_t database,
                              struct slice key, bool is_brief) LARDER_NODISCARD;
/* Forget all keys, clear is_dirty. False, with is_brief only: the partition of a key was not to be
 * had within a millisecond, and some are left. */
bool node_unwatch(struct node_thread *thread, struct watch_set *set, bool is_brief);
/* Add the partitions of the watched keys to a plan. Errors: LARDER_NO_MEMORY. */
struct section_plan;
enum larder_status node_watch_plan(const struct node *node, const struct watch_set *set,
                                   struct section_plan *plan) LARDER_NODISCARD;
/* Inside a section that holds the watched keys: whether one of them was changed since it was
 * watched, or has expired. */
bool node_watch_is_broken(struct node_thread *thread, struct watch_set *set);

#endif
