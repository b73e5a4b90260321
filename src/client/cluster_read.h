/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads that may go to replicas; for both engines. Nothing here blocks. */
#ifndef LARDER_CLIENT_CLUSTER_READ_H
#define LARDER_CLIENT_CLUSTER_READ_H

#include "client/cluster_internal.h"

/* Whether the context's choice holds for this command. */
bool read_may_choose(const struct cluster *cluster, const char *command, size_t size);
/* Who is to answer a read of a slot of that primary: it or one of its replicas. */
struct cluster_node *read_choose(struct cluster *cluster, struct cluster_node *primary);
/* Its connection failed: leave it alone for a while. */
void read_avoid(struct cluster_node *node);

/* What goes before the first read: a replica answers only connections that said READONLY. */
extern const char READ_READONLY[19];
/* Whether the node's zone matters and is neither known nor asked for. */
bool read_wants_zone(const struct cluster_node *node);
extern const char READ_INFO[27];
/* The answer to that; NULL: there was none. */
void read_take_zone(struct cluster_node *node, const valkeyReply *reply);

#endif
