/* SPDX-License-Identifier: BSD-3-Clause */
/* All partitions of a node, and what they share: hash seed, segment pool, eviction settings, the
 * ids behind database numbers. The keyspace takes no locks: src/node owns one lock per partition,
 * and a function here that reads or changes a partition says REQUIRES(PARTITION_LOCK).
 *
 *   key --CRC16 of its hash tag--> slot (0..16383) --* count / 16384--> partition
 *   {collection id, key} --keyed hash--> bucket in the partition's index --> record in its log
 */
#ifndef LARDER_STORE_KEYSPACE_H
#define LARDER_STORE_KEYSPACE_H

#include "base/alloc.h"
#include "base/hash.h"
#include "base/lock_order.h"
#include "base/random.h"
#include "base/status.h"
#include "ds/object.h"
#include "store/notices.h"
#include "store/pool.h"

#include <stdatomic.h>

enum { KEYSPACE_PARTITIONS_DEFAULT = 271, KEYSPACE_DATABASES_MAX = 1 << 14 };

enum eviction_policy {
    EVICTION_NONE,            /* writes that need memory are refused */
    EVICTION_ALLKEYS_S3FIFO,  /* queue order of the log, Yang et al. 2023 */
    EVICTION_VOLATILE_S3FIFO, /* the same over keys with an expiry */
    EVICTION_ALLKEYS_LRU,
    EVICTION_VOLATILE_LRU,
    EVICTION_ALLKEYS_LFU,
    EVICTION_VOLATILE_LFU,
    EVICTION_ALLKEYS_RANDOM,
    EVICTION_VOLATILE_RANDOM,
    EVICTION_VOLATILE_TTL,
};

/* What one thread counted; written by that thread only (relaxed), summed by readers. */
struct store_counters {
    _Atomic uint64_t hits, misses;
    _Atomic uint64_t expired_keys, evicted_keys;
    _Atomic uint64_t records_moved; /* by cleaner and eviction */
};

static inline void counter_add(_Atomic uint64_t *counter, uint64_t count) {
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + count,
                          memory_order_relaxed);
}

struct effects; /* store/effect.h */

/* The calling thread as the store sees it: what it counts, what it draws from, where its effects
 * go. One per loop thread and per embedding thread; used by that thread only. */
struct store_thread {
    const struct allocator *allocator;
    struct store_counters counters;
    struct reserve reserve; /* runs and index pages at hand */
    int64_t memory_delta;   /* bytes of runs, pages and blobs taken (+) or given back (-), not yet
                               reported to keyspace->memory_bytes */
    struct blob *dropped;   /* blobs to free when no lock is held, linked through their bytes */
    struct object *dropped_objects; /* containers likewise, a slice at a time, linked through
                                       counted_bytes */
    struct notices notices;         /* of the command that runs */
    struct random random;
    struct effects *effects; /* NULL: nobody listens, nothing is encoded */
    int64_t now_ms;          /* wall clock, fixed for a command */
};

struct partition;

struct keyspace {
    /* immutable after create */
    const struct allocator *allocator;
    struct partition *partitions; /* partition_count of them, index = partition id */
    uint32_t partition_count;
    uint32_t database_count;
    uint32_t delete_command;         /* command id in the effects of expiry and eviction: DEL */
    uint32_t element_delete_command; /* the same of elements that expire: HDEL */
    struct hash_seed seed;
    struct object_limits limits;
    struct object_context objects; /* of these: allocator, seed, limits */
    struct pool pool;
    /* atomic: written by CONFIG SET, read by any thread */
    _Atomic uint32_t policy;        /* enum eviction_policy */
    _Atomic int32_t lfu_log_factor; /* lfu-log-factor */
    _Atomic int32_t lfu_decay_min;  /* lfu-decay-time, minutes */
    _Atomic int32_t samples;        /* maxmemory-samples */
    _Atomic bool compresses_dumps;  /* rdbcompression */
    _Atomic int64_t memory_bytes;   /* reported sum of memory_delta */
    _Atomic uint64_t segment_clock; /* next birth number of a segment: age across partitions */
    /* written under all partition locks together; read under any of them, without one as a hint */
    _Atomic uint32_t *collections; /* collection id of each database number */
    uint32_t next_collection;
};

struct keyspace_options {
    const struct allocator *allocator; /* default ALLOCATOR_SYSTEM */
    uint32_t partition_count;          /* default 271, at most 16384 */
    uint32_t database_count;           /* default 16 */
    uint32_t delete_command;           /* command id that effects of expiry and eviction carry */
    uint32_t element_delete_command;   /* the same where elements of a container expire */
    uint64_t seed;                     /* of the hash and of all choices at random */
};

/* Errors: LARDER_NO_MEMORY, LARDER_INVALID (counts out of range). */
enum larder_status keyspace_init(struct keyspace *keyspace,
                                 const struct keyspace_options *options) LARDER_NODISCARD;
/* Frees every partition. No other thread uses the keyspace any more. */
void keyspace_finish(struct keyspace *keyspace);

static inline uint32_t keyspace_partition_of_slot(const struct keyspace *keyspace, uint16_t slot) {
    return (uint32_t)slot * keyspace->partition_count / SLOT_COUNT;
}

static inline uint32_t keyspace_partition_id(const struct keyspace *keyspace, struct slice key) {
    return keyspace_partition_of_slot(keyspace, key_slot(key));
}

/* Start and stop using the keyspace from one thread. `seed` feeds the thread's random choices. */
void store_thread_init(struct store_thread *thread, const struct keyspace *keyspace, uint64_t seed);
/* Gives the reserve back to the pool, reports the delta, frees dropped blobs. */
void store_thread_finish(struct store_thread *thread, struct keyspace *keyspace)
    REQUIRES(POOL_LOCK);

/* Report the thread's memory_delta to the node-wide counter. Any time. */
void store_thread_report(struct store_thread *thread, struct keyspace *keyspace);
/* Have a container that is in no record freed by store_thread_free_dropped. Takes ownership. */
void store_thread_drop_object(struct store_thread *thread, struct object *object);
/* Free the blobs and containers that were dropped under a lock, of large containers one slice; true
 * when there is more. No lock is held. */
bool store_thread_free_dropped(struct store_thread *thread);

/* Bytes that segments, index pages and blobs occupy, as far as reported. */
static inline int64_t keyspace_memory_bytes(const struct keyspace *keyspace) {
    return atomic_load_explicit(&keyspace->memory_bytes, memory_order_relaxed);
}

#endif
