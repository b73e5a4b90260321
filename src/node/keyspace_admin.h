/* SPDX-License-Identifier: BSD-3-Clause */
/* Emptying and exchanging whole databases. What makes it so is one short step under all partition
 * locks, so no other command sees half of it; memory is given back after that, in slices. */
#ifndef LARDER_NODE_KEYSPACE_ADMIN_H
#define LARDER_NODE_KEYSPACE_ADMIN_H

#include "node/node.h"
#include "store/flush.h"

/* Memory that is still to be given back after a flush. Zero-initialised; several flushes may be
 * collected in one. Used by one thread. */
struct node_flush {
    struct detached detached;
    bool has_dead;           /* partitions hold entries of databases that were emptied */
    uint32_t next_partition; /* where to go on looking for them */
};

/* Empty all databases. Errors: LARDER_NO_MEMORY for the effects, nothing changed. */
enum larder_status node_flush_all(struct node_thread *thread,
                                  struct node_flush *flush) LARDER_NODISCARD;
/* Empty one. Errors: as above. */
enum larder_status node_flush_database(struct node_thread *thread, uint32_t database,
                                       struct node_flush *flush) LARDER_NODISCARD;
/* Give back about `budget` segments or entries. True: there is more. No lock is held. The node's
 * memory is counted as used until then. */
bool node_flush_step(struct node_thread *thread, struct node_flush *flush, uint32_t budget);

/* Exchange the contents of two databases. Errors: as above. */
enum larder_status node_swap_databases(struct node_thread *thread, uint32_t a,
                                       uint32_t b) LARDER_NODISCARD;

#endif
