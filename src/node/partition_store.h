/* SPDX-License-Identifier: BSD-3-Clause */
/* The data of a cluster member's partitions: a node of its own whose partitions are handed to
 * replication one by one (cluster/partition_store.h). Commands run through the command table and
 * under the partition's lock, as those of any client; what they change is their effect, one record
 * of store/effect.h, which any other member applies through the same functions.
 *
 *   bucket of a key = lowest 8 bits of its hash in the index
 *
 * so that a bucket is an interval of the index, found without a look at the others. It is the same
 * on all members because they share the seed of the hash: the cluster draws one when it is formed
 * and keeps it secret.
 *
 * There is one database. Nothing here reads a clock or draws from the system: time is an argument,
 * and what is drawn at random follows from the seeds. One thread at a time for the whole host. */
#ifndef LARDER_NODE_PARTITION_STORE_H
#define LARDER_NODE_PARTITION_STORE_H

#include "cluster/partition_store.h"
#include "node/node.h"

struct store_host_options {
    const struct allocator *allocator; /* NULL: ALLOCATOR_SYSTEM */
    uint32_t partition_count;          /* 0: 271 */
    uint64_t hash_seed;                /* the cluster's, not 0 */
    uint64_t random_seed;              /* of this member: SPOP, eviction ... */
    int64_t max_memory_bytes;          /* 0: no limit */
    size_t effect_bytes_max; /* a command that might change more is refused; 0: no limit */
    enum eviction_policy policy;
};

struct store_host;

/* What partition_store.context points to. */
struct hosted_partition {
    struct store_host *host;
    uint32_t id;
};

struct store_host {
    const struct allocator *allocator;
    struct node *node;
    struct node_thread thread;
    struct reply reply;
    struct effects items; /* what read_bucket and read_key made */
    struct hosted_partition *partitions;
    struct slice *arguments; /* of the part being applied */
    size_t argument_capacity;
    uint8_t *bytes; /* a reply in one piece, a part with its header, or keys left out */
    size_t bytes_capacity;
};

/* Returns owned in *out. Errors: LARDER_NO_MEMORY, LARDER_INVALID. */
enum larder_status store_host_create(const struct store_host_options *options,
                                     struct store_host **out) LARDER_NODISCARD;
/* No store of it is used any more. NULL is allowed. */
void store_host_destroy(struct store_host *host);

/* The store of one partition, valid as long as the host. */
struct partition_store store_host_partition(struct store_host *host, uint32_t id);

/* The partition that a key belongs to. */
uint32_t store_host_partition_of(const struct store_host *host, struct slice key);

/* Replies of the next commands are in RESP `protocol`, 2 (as at first) or 3. */
void store_host_set_protocol(struct store_host *host, uint8_t protocol);

/* ---- for the files of the store ---- */

/* Room for `size` bytes in host->bytes. False: no memory. */
bool store_host_need_bytes(struct store_host *host, size_t size);
/* Before anything is done: forget what was lent, set the time, free what was dropped. */
void store_host_begin(struct store_host *host, int64_t now_ms);
/* After LARDER_NO_MEMORY, no lock is held: fill the thread's reserve. False: no use in trying
 * again.
 */
bool store_host_refill(struct store_host *host);

/* partition_store_apply.c, partition_store_buckets.c */
enum larder_status hosted_apply(void *context, struct slice effect, size_t *at) LARDER_NODISCARD;
enum larder_status hosted_next_part(void *context, struct slice effect, size_t *at,
                                    struct store_part *out) LARDER_NODISCARD;
enum larder_status hosted_read_bucket(void *context, uint32_t bucket, size_t bytes_max,
                                      struct store_items *out) LARDER_NODISCARD;
enum larder_status hosted_read_key(void *context, struct slice key,
                                   struct slice *out) LARDER_NODISCARD;
void hosted_clear_bucket(void *context, uint32_t bucket);
void hosted_clear_key(void *context, struct slice key);
void hosted_digest_bucket(void *context, uint32_t bucket, struct store_digest *out);
uint32_t hosted_bucket_of(void *context, struct slice key);

#endif
