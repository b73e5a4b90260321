/* SPDX-License-Identifier: BSD-3-Clause */
/* All that a partition holds, as bytes for its journal, and a partition begun from what a journal
 * says (cluster/replica_journal.h). One thread, as the partition. */
#ifndef LARDER_CLUSTER_PARTITION_IMAGE_H
#define LARDER_CLUSTER_PARTITION_IMAGE_H

#include "cluster/partition.h"
#include "cluster/replica_journal.h"

struct partition_image {
    const struct allocator *allocator;
    uint8_t *bytes; /* owned: the body of a journal's frame */
    size_t size, capacity;
    struct log_position position; /* as of which */
};

/* Only while partition_may_image. Takes memory for all of it. Errors: LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status partition_image_take(const struct cluster_partition *partition,
                                        struct partition_image *out);
void partition_image_finish(struct partition_image *image);

/* Begin with what was found, which has data. Before the first step. Errors: LARDER_NO_MEMORY,
 * LARDER_CORRUPT: destroy it and the store. */
LARDER_NODISCARD
enum larder_status partition_restore_found(struct cluster_partition *partition,
                                           const struct journal_found *found);

#endif
