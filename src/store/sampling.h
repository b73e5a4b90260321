/* SPDX-License-Identifier: BSD-3-Clause */
/* Eviction by samples: LRU, LFU, random, TTL as Redis means them. Private to src/store; under the
 * partition's lock. */
#ifndef LARDER_STORE_SAMPLING_H
#define LARDER_STORE_SAMPLING_H

#include "store/partition_state.h"

enum { EVICTION_WASTE_PERCENT = 5 /* of a log, while memory is short */ };

/* One call of eviction_step. */
struct eviction {
    struct partition *p;
    struct keyspace *keyspace;
    struct store_thread *thread;
    enum eviction_policy policy;
    uint32_t partition_id;
    uint32_t evicted;    /* entries so far */
    int64_t goal_bytes;  /* to free */
    int64_t start_delta; /* the thread's memory_delta at the start */
};

/* In eviction.c: let an entry go, with its effect; false without memory for that. */
bool eviction_evict(struct eviction *e, const struct entry *entry);
bool eviction_is_done(const struct eviction *e);

void evict_by_samples(struct eviction *e, bool only_expiring);
/* As eviction_age: partitions not sampled yet come first, then by the best candidate. */
uint64_t sampling_age(const struct partition *p);
size_t sampling_bytes(const struct partition *p);
void sampling_finish(struct partition *p, const struct allocator *allocator);

#endif
