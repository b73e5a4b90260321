/* SPDX-License-Identifier: BSD-3-Clause */
/* An answer about the cluster, read into ranges of slots that point into it. Everything in it is
 * data from the network: it is checked, never trusted. */
#ifndef LARDER_CLIENT_CLUSTER_RANGES_H
#define LARDER_CLIENT_CLUSTER_RANGES_H

#include "client/cluster_internal.h"

#define RANGES_NO_PRIMARY SIZE_MAX

struct address {
    const char *host;
    size_t host_size;
    int port;
};

struct token {
    const char *text;
    size_t size;
};

struct range {
    struct address address;
    int start, end; /* -1: a replica, or a primary without slots */
    bool is_replica;
    size_t primary;              /* of a replica: its index, once found */
    struct token id, primary_id; /* in CLUSTER NODES */
};

struct ranges {
    struct range *items;
    size_t count, capacity;
};

enum add_result { ADDED, ADD_MALFORMED, ADD_NO_MEMORY };

/* Refuses ranges without an address or with slots that do not exist. */
enum add_result ranges_add(struct ranges *ranges, struct range range);
/* An absent or empty host means the one we are connected to. */
struct address address_of(const struct cluster_node *from, const char *host, size_t size, int port);

/* Add what the answer to CLUSTER SLOTS, NODES or SHARDS says; what was added before a failure
 * stays. SHARDS: `wants_tls` prefers the ports for TLS. */
enum add_result ranges_read_slots(const struct cluster_node *from, const valkeyReply *reply,
                                  bool wants_replicas, struct ranges *ranges);
enum add_result ranges_read_nodes(const struct cluster_node *from, const valkeyReply *reply,
                                  bool wants_replicas, struct ranges *ranges);
enum add_result ranges_read_shards(const struct cluster_node *from, const valkeyReply *reply,
                                   bool wants_replicas, bool wants_tls, struct ranges *ranges);

#endif
