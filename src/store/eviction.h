/* SPDX-License-Identifier: BSD-3-Clause */
/* Eviction: which entry leaves when the node is over its limit. The policy is the keyspace's; one
 * call works on one partition under its lock, in slices. What is evicted leaves by partition_delete
 * with a DEL effect and counts evicted_keys. */
#ifndef LARDER_STORE_EVICTION_H
#define LARDER_STORE_EVICTION_H

#include "store/partition.h"

/* Evict from the partition until about `goal_bytes` are freed, or 64 records were looked at, or
 * nothing qualifies. Returns what memory_delta went down by: segments, index pages, blobs; negative
 * when new segments were opened for records that move. *out_evicted: entries that left, some of
 * whose space may be free inside segments only. Both can be 0 although a later call will free:
 * while eviction_age is not UINT64_MAX every call brings it nearer, and a call that frees nothing
 * and evicts nothing has only used up hits. Does nothing while puts are reserved. No blob is freed
 * here: store_thread_free_dropped does that outside the lock. */
int64_t eviction_step(struct partition *p, struct keyspace *keyspace, struct store_thread *thread,
                      uint32_t partition_id, int64_t goal_bytes, uint32_t *out_evicted)
    REQUIRES(PARTITION_LOCK);

/* How much the partition deserves to be evicted from next: the birth of its oldest queue head for
 * S3-FIFO (lower is older); used to choose among partitions drawn at random. UINT64_MAX when it
 * holds nothing that the policy may evict. */
uint64_t eviction_age(const struct partition *p, const struct keyspace *keyspace)
    REQUIRES(PARTITION_LOCK);

/* Bytes that eviction keeps for a partition: ghost table and candidates. */
size_t eviction_bytes(const struct partition *p) REQUIRES(PARTITION_LOCK);
/* Free what eviction keeps for a partition. */
void eviction_finish(struct partition *p, const struct allocator *allocator);

#endif
