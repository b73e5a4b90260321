/* SPDX-License-Identifier: BSD-3-Clause */
/* A cluster of three redis-server primaries, each with a third of the slots, and their replicas. */
#ifndef LARDER_TESTS_CLIENT_REAL_CLUSTER_H
#define LARDER_TESTS_CLIENT_REAL_CLUSTER_H

#include "support/real_server.h"

#include <valkey/valkey.h>

enum { CLUSTER_NODES = 3 };

struct real_cluster {
    struct real_server *servers[CLUSTER_NODES];
    valkeyContext *control[CLUSTER_NODES]; /* one connection to each */
    char ids[CLUSTER_NODES][41];
    const char *password;   /* borrowed; may be NULL */
    const char *tls_folder; /* borrowed; may be NULL */
    const char *address;    /* that nodes tell about themselves, borrowed; NULL: 127.0.0.1 */
    struct real_server *replicas[CLUSTER_NODES];
    valkeyContext *replica_control[CLUSTER_NODES];
};

/* Start it on ports first_port to first_port + 2 and wait until all slots are served. `password`
 * may be NULL. Ends the test program on failure. */
void real_cluster_start(struct real_cluster *cluster, int first_port, const char *password);
/* The same; nodes also listen for TLS, 100 ports higher, with the certificate node.crt in a folder.
 */
void real_cluster_start_tls(struct real_cluster *cluster, int first_port, const char *password,
                            const char *folder);
/* Start it with nodes that know each other, and tell clients, by ::1. */
void real_cluster_start_v6(struct real_cluster *cluster, int first_port);
/* Give each primary a replica, on the three ports behind the primaries', and wait until they are in
 * step and all nodes know them. */
void real_cluster_add_replicas(struct real_cluster *cluster);
/* Have the replica of that node take over, by vote, and wait until it has. It can be done once. */
void real_cluster_fail_over(struct real_cluster *cluster, int node);
void real_cluster_stop(struct real_cluster *cluster);
/* Move a slot with its keys to another node, as redis-cli does. */
void real_cluster_move(struct real_cluster *cluster, int slot, int from, int to);
/* The first and last slot of a node as it was started. */
int real_cluster_first_slot(int node);

#endif
