/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections of a cluster that carry one thing at a time. They are the borrower's while taken. */
#ifndef LARDER_CLIENT_CLUSTER_PINNED_H
#define LARDER_CLIENT_CLUSTER_PINNED_H

#include "client/cluster_internal.h"

/* A connection to the node, logged in: the one kept, or a new one. NULL: cc->err is set. Blocks. */
valkeyContext *pinned_take(struct cluster *cluster, struct cluster_node *node);
/* Give it back, clean; it is closed if it is in error or one is kept already. The node may be gone:
 * it is named by its address, which is borrowed. */
void pinned_give(struct cluster *cluster, const char *addr, valkeyContext *c);
/* The node of a slot. NULL: cc->err is set. */
struct cluster_node *pinned_node(struct cluster *cluster, int slot);
/* Do what an error about the cluster asks for: find the node, or wait. NULL: cc->err is set.
 * Blocks. MOVED leads to another node; everything else back to the slot's, after a while. */
struct cluster_node *pinned_follow(struct cluster *cluster, struct cluster_node *from, int slot,
                                   const char *text, struct retries *retries);

#endif
