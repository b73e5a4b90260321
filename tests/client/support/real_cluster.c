/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/real_cluster.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void require(bool condition, const char *what) {
    if (condition)
        return;
    (void)fprintf(stderr, "cluster: %s\n", what);
    abort();
}

/* Run a command that must not fail. */
#define RUN(c, ...)                                                                                \
    do {                                                                                           \
        valkeyReply *reply_ = valkeyCommand(c, __VA_ARGS__);                                       \
        require(reply_ != NULL && reply_->type != VALKEY_REPLY_ERROR,                              \
                reply_ != NULL ? reply_->str : (c)->errstr);                                       \
        freeReplyObject(reply_);                                                                   \
    } while (0)

int real_cluster_first_slot(int node) {
    return 16384 * node / CLUSTER_NODES;
}

static bool is_ok(valkeyContext *c) {
    valkeyReply *reply = valkeyCommand(c, "CLUSTER INFO");
    bool result = strstr(reply->str, "cluster_state:ok") != NULL &&
                  strstr(reply->str, "cluster_known_nodes:3") != NULL;
    freeReplyObject(reply);
    reply = valkeyCommand(c, "CLUSTER SLOTS");
    result = result && reply->elements == CLUSTER_NODES;
    freeReplyObject(reply);
    return result;
}

/* The port by which nodes know a node that listens on `port`. */
static int bus_port(const struct real_cluster *cluster, int port) {
    return port + (cluster->tls_folder == NULL ? 0 : 100);
}

static struct real_server *start_node(const struct real_cluster *cluster, int port) {
    const char *password = cluster->password == NULL ? "" : cluster->password;
    char files[3][128] = {{0}}, tls_port[16];
    static const char *const NAMES[] = {"node.crt", "node.key", "ca.crt"};
    for (int i = 0; cluster->tls_folder != NULL && i < 3; i++)
        (void)snprintf(files[i], sizeof files[i], "%s/%s", cluster->tls_folder, NAMES[i]);
    (void)snprintf(tls_port, sizeof tls_port, "%d", port + 100);
    const char *arguments[] = {"--cluster-enabled",
                               "yes",
                               "--cluster-node-timeout",
                               "2000",
                               "--repl-diskless-sync-delay",
                               "0",
                               "--requirepass",
                               password,
                               "--masterauth",
                               password,
                               "--cluster-announce-ip",
                               cluster->address,
                               cluster->tls_folder == NULL ? NULL : "--tls-port",
                               tls_port,
                               "--tls-cluster",
                               "yes",
                               "--tls-replication",
                               "yes",
                               "--tls-cert-file",
                               files[0],
                               "--tls-key-file",
                               files[1],
                               "--tls-ca-cert-file",
                               files[2],
                               NULL};
    return real_server_start(port, arguments);
}

static valkeyContext *control(const struct real_cluster *cluster, int port) {
    valkeyContext *c = valkeyConnect("127.0.0.1", port);
    if (cluster->password != NULL)
        RUN(c, "AUTH %s", cluster->password);
    return c;
}

static void wait_a_moment(int *tries, const char *what) {
    struct timespec moment = {.tv_nsec = 5000000};
    require(++*tries < 4000, what);
    (void)nanosleep(&moment, NULL);
}

void real_cluster_start(struct real_cluster *cluster, int first_port, const char *password) {
    real_cluster_start_tls(cluster, first_port, password, NULL);
}

static void start(struct real_cluster *cluster, int first_port);

void real_cluster_start_tls(struct real_cluster *cluster, int first_port, const char *password,
                            const char *folder) {
    *cluster =
        (struct real_cluster){.tls_folder = folder, .password = password, .address = "127.0.0.1"};
    start(cluster, first_port);
}

void real_cluster_start_v6(struct real_cluster *cluster, int first_port) {
    *cluster = (struct real_cluster){.address = "::1"};
    start(cluster, first_port);
}

static void start(struct real_cluster *cluster, int first_port) {
    for (int i = 0; i < CLUSTER_NODES; i++) {
        cluster->servers[i] = start_node(cluster, first_port + i);
        valkeyContext *c = cluster->control[i] = control(cluster, first_port + i);
        RUN(c, "CLUSTER ADDSLOTSRANGE %d %d", real_cluster_first_slot(i),
            real_cluster_first_slot(i + 1) - 1);
        RUN(c, "CLUSTER SET-CONFIG-EPOCH %d", i + 1);
        valkeyReply *id = valkeyCommand(c, "CLUSTER MYID");
        (void)snprintf(cluster->ids[i], sizeof cluster->ids[i], "%s", id->str);
        freeReplyObject(id);
        if (i > 0)
            RUN(c, "CLUSTER MEET %s %d", cluster->address, bus_port(cluster, first_port));
    }
    int tries = 0;
    for (int i = 0; i < CLUSTER_NODES; i++)
        while (!is_ok(cluster->control[i]))
            wait_a_moment(&tries, "does not come up");
}

/* Whether the node's reply to the command contains the text. */
static bool says(valkeyContext *c, const char *command, const char *text) {
    valkeyReply *reply = valkeyCommand(c, command);
    bool result = reply != NULL && reply->str != NULL && strstr(reply->str, text) != NULL;
    freeReplyObject(reply);
    return result;
}

/* That this node knows to be replicas. */
static int count_replicas(valkeyContext *c) {
    valkeyReply *reply = valkeyCommand(c, "CLUSTER NODES");
    const char *at = reply == NULL ? NULL : reply->str;
    int count = 0;
    while (at != NULL && (at = strstr(at, "slave ")) != NULL) {
        at++;
        count++;
    }
    freeReplyObject(reply);
    return count;
}

void real_cluster_add_replicas(struct real_cluster *cluster) {
    int first_port = real_server_port(cluster->servers[0]), tries = 0;
    for (int i = 0; i < CLUSTER_NODES; i++) {
        int port = first_port + CLUSTER_NODES + i;
        cluster->replicas[i] = start_node(cluster, port);
        valkeyContext *c = cluster->replica_control[i] = control(cluster, port);
        RUN(c, "CLUSTER MEET %s %d", cluster->address, bus_port(cluster, first_port));
        while (!says(c, "CLUSTER NODES", cluster->ids[i]) || !says(c, "CLUSTER INFO", "state:ok"))
            wait_a_moment(&tries, "replica does not meet");
        RUN(c, "CLUSTER REPLICATE %s", cluster->ids[i]);
    }
    for (int i = 0; i < CLUSTER_NODES; i++) {
        while (!says(cluster->replica_control[i], "INFO replication", "master_link_status:up") ||
               !says(cluster->control[i], "INFO replication", "state=online") ||
               !says(cluster->control[i], "CLUSTER INFO", "known_nodes:6"))
            wait_a_moment(&tries, "replica does not follow");
    }
    for (int i = 0; i < CLUSTER_NODES; i++)
        while (count_replicas(cluster->control[i]) < CLUSTER_NODES)
            wait_a_moment(&tries, "node does not know all replicas");
}

void real_cluster_fail_over(struct real_cluster *cluster, int node) {
    int tries = 0;
    RUN(cluster->replica_control[node], "CLUSTER FAILOVER");
    while (!says(cluster->replica_control[node], "INFO replication", "role:master") ||
           !says(cluster->control[node], "INFO replication", "role:slave"))
        wait_a_moment(&tries, "replica does not take over");
}

void real_cluster_stop(struct real_cluster *cluster) {
    for (int i = 0; i < CLUSTER_NODES; i++) {
        valkeyFree(cluster->control[i]);
        real_server_stop(cluster->servers[i]);
        valkeyFree(cluster->replica_control[i]);
        real_server_stop(cluster->replicas[i]);
    }
}

/* On a busy machine nodes may give each other up for a moment. */
static void move_key(const struct real_cluster *cluster, valkeyContext *source, int to,
                     const char *key) {
    int port = bus_port(cluster, real_server_port(cluster->servers[to])), tries = 0;
    for (bool is_moved = false; !is_moved;) {
        valkeyReply *reply =
            cluster->password == NULL
                ? valkeyCommand(source, "MIGRATE 127.0.0.1 %d %s 0 5000", port, key)
                : valkeyCommand(source, "MIGRATE 127.0.0.1 %d %s 0 5000 AUTH %s", port, key,
                                cluster->password);
        require(reply != NULL, source->errstr);
        is_moved = reply->type != VALKEY_REPLY_ERROR;
        require(is_moved || strstr(reply->str, "CLUSTERDOWN") != NULL, reply->str);
        freeReplyObject(reply);
        if (!is_moved)
            wait_a_moment(&tries, "keys can't be moved");
    }
}

static long current_epoch(valkeyContext *c) {
    valkeyReply *reply = valkeyCommand(c, "CLUSTER INFO");
    const char *field = strstr(reply->str, "cluster_current_epoch:");
    long epoch = strtol(strchr(field, ':') + 1, NULL, 10);
    freeReplyObject(reply);
    return epoch;
}

/* Wait until all nodes know the newest epoch: two that take the same one would quarrel. */
static void settle(const struct real_cluster *cluster) {
    for (int i = 1, tries = 0; i < CLUSTER_NODES; tries++) {
        require(tries < 5000, "does not settle");
        if (current_epoch(cluster->control[i]) == current_epoch(cluster->control[0])) {
            i++;
            continue;
        }
        struct timespec moment = {.tv_nsec = 2000000};
        (void)nanosleep(&moment, NULL);
        i = 1;
    }
}

void real_cluster_move(struct real_cluster *cluster, int slot, int from, int to) {
    valkeyContext *source = cluster->control[from], *target = cluster->control[to];
    RUN(target, "CLUSTER SETSLOT %d IMPORTING %s", slot, cluster->ids[from]);
    RUN(source, "CLUSTER SETSLOT %d MIGRATING %s", slot, cluster->ids[to]);
    for (;;) {
        valkeyReply *keys = valkeyCommand(source, "CLUSTER GETKEYSINSLOT %d 100", slot);
        size_t count = keys->elements;
        for (size_t i = 0; i < count; i++)
            move_key(cluster, source, to, keys->element[i]->str);
        freeReplyObject(keys);
        if (count == 0)
            break;
    }
    for (int i = 0; i < CLUSTER_NODES; i++)
        RUN(cluster->control[(to + i) % CLUSTER_NODES], "CLUSTER SETSLOT %d NODE %s", slot,
            cluster->ids[to]);
    settle(cluster);
}
