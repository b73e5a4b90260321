/* SPDX-License-Identifier: BSD-3-Clause */
/* Looking at the keys of a whole database: step by step, all of them, or one at random. Partitions
 * are locked one after the other, so what is seen of different partitions may be of different
 * moments. */
#ifndef LARDER_NODE_SCAN_H
#define LARDER_NODE_SCAN_H

#include "node/node.h"
#include "store/digest.h"

/* Called with each live entry of the database, under its partition's lock: must neither lock nor
 * change anything. The entry is borrowed for the call. */
typedef void (*node_visitor)(void *context, const struct entry *entry);

struct node_scan {
    uint32_t database;
    uint64_t wanted; /* entries of the database after which a step ends */
    node_visitor visitor;
    void *context;
};

/* One step from a cursor (0: from the start): visits about `wanted` entries, fewer when there is
 * much else to pass, and returns the cursor of the next step, 0 at the end. Entries that are there
 * from the first step to the last are visited at least once. *is_valid: whether the cursor can be
 * one of ours; if not, nothing is visited and 0 is returned. */
uint64_t node_scan_step(struct node_thread *thread, const struct node_scan *scan, uint64_t cursor,
                        bool *is_valid);

/* All live entries, each once. */
void node_visit(struct node_thread *thread, uint32_t database, node_visitor visitor, void *context);

/* Visit one entry at random; partitions are drawn by how many keys they hold. False: none. */
bool node_visit_random(struct node_thread *thread, uint32_t database, node_visitor visitor,
                       void *context);

/* Visit this key's entry if it is live, without counting a use. False: it is not there. */
bool node_visit_key(struct node_thread *thread, uint32_t database, struct slice key,
                    node_visitor visitor, void *context);

/* Keys of a database, expired ones that were not deleted yet included. */
uint64_t node_key_count(struct node *node, uint32_t database);

/* Of all databases, at one moment: all partitions are locked together. */
struct digest node_digest(struct node *node);

#endif
