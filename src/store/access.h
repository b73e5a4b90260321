/* SPDX-License-Identifier: BSD-3-Clause */
/* What is remembered of an entry's uses. Private to src/store and its eviction policies.
 *
 * Always: a frequency of 0 to 3 in the index word (S3-FIFO). While an LRU or LFU policy is on, or
 * where it was given explicitly: an access word of 24 bits in the record:
 *   LRU: seconds of wall clock, modulo 2^24
 *   LFU: | minutes modulo 2^16 | logarithmic counter 8 |  (Redis's scheme: Morris counter) */
#ifndef LARDER_STORE_ACCESS_H
#define LARDER_STORE_ACCESS_H

#include "store/ghost.h"
#include "store/partition_state.h"

enum { LFU_INITIAL = 5, ACCESS_MASK = (1 << 24) - 1 };

static inline bool policy_is_lru(enum eviction_policy policy) {
    return policy == EVICTION_ALLKEYS_LRU || policy == EVICTION_VOLATILE_LRU;
}

static inline bool policy_is_lfu(enum eviction_policy policy) {
    return policy == EVICTION_ALLKEYS_LFU || policy == EVICTION_VOLATILE_LFU;
}

static inline enum eviction_policy keyspace_policy(const struct keyspace *keyspace) {
    return (enum eviction_policy)atomic_load_explicit(&keyspace->policy, memory_order_relaxed);
}

/* Whether records carry an access word under the current policy. */
static inline bool access_is_tracked(const struct keyspace *keyspace) {
    enum eviction_policy policy = keyspace_policy(keyspace);
    return policy_is_lru(policy) || policy_is_lfu(policy);
}

/* The counter after decay by the time since it was last changed. */
uint8_t access_lfu_counter(const struct keyspace *keyspace, uint32_t access, int64_t now_ms);
/* Seconds since the last use. */
uint32_t access_idle_s(uint32_t access, int64_t now_ms);
/* The access word after one more use. */
uint32_t access_after_use(const struct keyspace *keyspace, struct store_thread *thread,
                          uint32_t access);
/* The access word of a record about to be written: the old entry's, or that of a new one. */
uint32_t access_initial(const struct keyspace *keyspace, const struct store_thread *thread,
                        const struct entry *old);

/* Count a use in the index word and, where it is there, in the record's access word. */
static inline void access_touch(const struct keyspace *keyspace, struct store_thread *thread,
                                uint8_t *record, index_word *word) {
    uint64_t current = index_load(word);
    unsigned frequency = index_frequency(current);
    if (frequency < INDEX_FREQUENCY_MAX)
        index_store(word, index_with_frequency(current, frequency + 1));
    if ((record[0] & RECORD_HAS_ACCESS) == 0 || !access_is_tracked(keyspace))
        return;
    struct record_layout l = record_parse(record);
    uint32_t access = (uint32_t)bytes_get(record + l.access_at, RECORD_ACCESS_BYTES);
    bytes_put(record + l.access_at, access_after_use(keyspace, thread, access),
              RECORD_ACCESS_BYTES);
}

/* Whether the key left the small queue not long ago, so that it goes to main when it returns. */
static inline bool eviction_remembers(const struct partition *p, uint64_t hash) {
    return p->ghost != NULL && ghost_remembers(p->ghost, hash);
}

#endif
