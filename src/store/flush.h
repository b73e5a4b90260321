/* SPDX-License-Identifier: BSD-3-Clause */
/* Emptying partitions at once: what is in them is taken out under the lock in a step that reads no
 * record, and freed afterwards in slices without it. Databases that were given a new collection id
 * (FLUSHDB) leave entries of a dead id behind, which nobody finds and a sweep deletes. */
#ifndef LARDER_STORE_FLUSH_H
#define LARDER_STORE_FLUSH_H

#include "store/partition.h"

struct segment;

/* Segments that belong to no partition any more; to be freed by detached_free. Zero: none. Several
 * partitions can be cleared into one. */
struct detached {
    struct segment *segments;
    uint32_t at; /* offset of the first segment's next record */
};

/* Take everything out of the partition; what was in `out` stays in it. No put is reserved. Log and
 * blobs count as used memory until they are freed; index pages go to the thread's reserve. */
void partition_clear(struct partition *p, struct keyspace *keyspace, struct store_thread *thread,
                     struct detached *out) REQUIRES(PARTITION_LOCK);

/* Free up to about `budget` segments or records with blobs. True when some are left. No lock is
 * held; runs go to the thread's reserve, which is to be filled (balanced) between calls. */
bool detached_free(struct detached *detached, struct store_thread *thread, uint32_t budget);

/* Whether the partition holds entries of ids that are no database's. */
bool partition_has_dead(const struct partition *p, const struct keyspace *keyspace)
    REQUIRES(PARTITION_LOCK);

/* Delete entries of dead ids, looking at about `budget` records; goes on where the last call ended.
 * A partition that holds nothing else is cleared into `out`. True when some may be left. No
 * effects: the command that gave the new id has its own. */
bool partition_drop_dead(struct partition *p, struct keyspace *keyspace,
                         struct store_thread *thread, struct detached *out, uint32_t budget)
    REQUIRES(PARTITION_LOCK);

#endif
