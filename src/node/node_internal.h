/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of src/node share. */
#ifndef LARDER_NODE_INTERNAL_H
#define LARDER_NODE_INTERNAL_H

#include "node/node.h"

#define NODE_OUT_OF_MEMORY_TEXT "OOM command not allowed when used memory > 'maxmemory'."

/* Fill the thread's reserve from the pool. No partition lock is held. False: no memory. */
bool node_thread_refill(struct node_thread *thread);

/* The key in a database, with the collection id read as a hint: a FLUSH or SWAPDB may change it
 * before the partition is locked, so call_key decides again under the lock. */
struct key keyspace_key_hint(const struct keyspace *keyspace, struct slice text, uint32_t database);

#endif
