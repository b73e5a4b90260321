/* SPDX-License-Identifier: BSD-3-Clause */
/* One partition: an index and a log of records, for all databases. It is the unit of locking, of
 * memory accounting and, later, of replication. Every function needs the partition's lock, takes
 * the time as part of `struct store_thread`, does no I/O and never waits.
 *
 * Memory is reserved before anything changes: partition_put either stores the whole entry or
 * answers LARDER_NO_MEMORY with nothing changed; the caller then fills the pool outside the lock
 * (pool_fill) and tries again.
 */
#ifndef LARDER_STORE_PARTITION_H
#define LARDER_STORE_PARTITION_H

#include "base/blob.h"
#include "store/keyspace.h"
#include "store/record.h"

/* A key as the store needs it. The text is borrowed. */
struct key {
    struct slice text;
    uint64_t hash;       /* hash_key(keyspace->seed, text, collection) */
    uint32_t collection; /* collection id, not database number */
    uint32_t partition;  /* id */
};

/* Hash and place a key of database `database`. Reads keyspace->collections: under any partition
 * lock, or as a hint. */
void keyspace_place(const struct keyspace *keyspace, struct slice text, uint32_t collection,
                    struct key *out);
static inline struct key keyspace_key(const struct keyspace *keyspace, struct slice text,
                                      uint32_t collection) {
    struct key key;
    keyspace_place(keyspace, text, collection, &key);
    return key;
}

static inline uint32_t keyspace_collection(const struct keyspace *keyspace, uint32_t database) {
    return atomic_load_explicit(&keyspace->collections[database], memory_order_relaxed);
}

struct partition *keyspace_partition(const struct keyspace *keyspace, uint32_t id);

/* Two steps that bring a key's memory into the cache ahead of its command. Any thread, no lock:
 * what they read is only a hint. *out_bucket is NULL when the partition is empty. */
void keyspace_prefetch_bucket(const struct keyspace *keyspace, const struct key *key,
                              const void **out_bucket);
/* `bucket` is what keyspace_prefetch_bucket gave, for the same hash; NULL is allowed. */
void keyspace_prefetch_record(const void *bucket, uint64_t hash);

/* An entry found in the index, decoded. Borrows the record: valid until the partition next changes
 * or its lock is released. */
struct entry {
    struct slice key;
    struct value value;
    int64_t expiry_ms; /* wall clock; 0 = never */
    uint32_t collection;
    uint64_t hash;
    uint8_t *record;        /* in the log */
    _Atomic uint64_t *word; /* its index word */
    size_t counted_bytes; /* of a container, as of the decoding: it may move while it is changed */
};

/* Find a live or expired entry. False when the key is not there. Does not count as a use. */
bool partition_find(struct partition *p, const struct keyspace *keyspace, const struct key *key,
                    struct entry *out) REQUIRES(PARTITION_LOCK);

/* Count a use of the entry for eviction: frequency, and the access word where the policy keeps one
 * (which may move the record: `entry` is decoded anew). */
void partition_touch(struct partition *p, struct keyspace *keyspace, struct store_thread *thread,
                     struct entry *entry) REQUIRES(PARTITION_LOCK);

/* Make sure that a coming partition_put of this key with a value of `value_size` bytes can't fail.
 * Several reservations add up until partition_end_reserve. Does not cover the blob of a value above
 * RECORD_INLINE_VALUE_MAX: that is the caller's to make first. Errors: LARDER_NO_MEMORY. */
enum larder_status partition_reserve(struct partition *p, struct keyspace *keyspace,
                                     struct store_thread *thread, const struct key *key,
                                     size_t value_size) REQUIRES(PARTITION_LOCK) LARDER_NODISCARD;
/* The reserved puts are done, or are not coming. */
void partition_end_reserve(struct partition *p, struct store_thread *thread)
    REQUIRES(PARTITION_LOCK);

/* Store a value under a key. `old` is the entry that partition_find returned for the key, or NULL
 * when there is none. Overwrites in place when the encoded record has the same length.
 * A VALUE_BLOB or VALUE_OBJECT is taken over (the caller's reference passes to the store on success
 * only); other values are copied and must not point into this partition's log unless they are what
 * `old` holds in place. Errors: LARDER_NO_MEMORY, nothing changed. */
enum larder_status partition_put(struct partition *p, struct keyspace *keyspace,
                                 struct store_thread *thread, const struct key *key,
                                 const struct entry *old, struct value value, int64_t expiry_ms)
    REQUIRES(PARTITION_LOCK) LARDER_NODISCARD;

/* Change only the expiry (0 = never). Errors: LARDER_NO_MEMORY, nothing changed. */
enum larder_status partition_set_expiry(struct partition *p, struct keyspace *keyspace,
                                        struct store_thread *thread, struct entry *entry,
                                        int64_t expiry_ms)
    REQUIRES(PARTITION_LOCK) LARDER_NODISCARD;

/* The container of an entry was changed and is now at `object`, maybe another place: point the
 * record there and count its memory. Of the old one nothing is left. Can't fail. */
void partition_replace_object(struct partition *p, struct store_thread *thread, struct entry *entry,
                              struct object *object) REQUIRES(PARTITION_LOCK);

/* The container of an entry belongs to somebody else from now on; the entry is to be deleted next.
 */
void partition_disown_object(struct partition *p, struct store_thread *thread, struct entry *entry)
    REQUIRES(PARTITION_LOCK);

/* Remove the entry. Can't fail. */
void partition_delete(struct partition *p, struct keyspace *keyspace, struct store_thread *thread,
                      const struct entry *entry) REQUIRES(PARTITION_LOCK);

struct partition_usage {
    uint64_t log_bytes;    /* segments, whole */
    uint64_t live_bytes;   /* records that are reachable */
    uint64_t blob_bytes;   /* external values */
    uint64_t index_bytes;  /* pages and directory */
    uint64_t record_count; /* live, all collections */
};
struct partition_usage partition_usage(const struct partition *p) REQUIRES(PARTITION_LOCK);

/* Keys and keys with an expiry of one collection. */
struct collection_count {
    uint32_t collection;
    uint32_t keys;
    uint32_t expiring;
    uint64_t expiry_sum_s; /* sum of expiry times in seconds, for the average */
};
struct collection_count partition_count(const struct partition *p, uint32_t collection)
    REQUIRES(PARTITION_LOCK);

/* Whether any key of the partition has an expiry. */
bool partition_has_expiring(const struct partition *p) REQUIRES(PARTITION_LOCK);

#endif
