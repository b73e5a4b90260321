/* SPDX-License-Identifier: BSD-3-Clause */
/* Making requests and putting them into the output of the node that is to answer; nothing is sent
 * here, except that a node without a connection gets one. */
#include "client/cluster_read.h"

#include <string.h>

void request_fail(struct request *request, int err, const char *text) {
    request->state = REQUEST_FAILED;
    request->err = err;
    (void)snprintf(request->errstr, sizeof request->errstr, "%s", text);
}

void request_fail_from_cluster(struct cluster *cluster, struct request *request) {
    request_fail(request, cluster->context.err, cluster->context.errstr);
}

int request_put(struct cluster *cluster, struct cluster_node *node, enum owed_kind kind,
                struct request *request, const char *command, size_t size) {
    char *room = owed_reserve(node) ? output_reserve(node->base.con, size) : NULL;
    if (room == NULL)
        return cluster_fail_memory(cluster);
    if (node->owed_count == 0)
        node_timing_arm(node);
    memcpy(room, command, size);
    output_commit(node->base.con, size);
    owed_push(cluster, node, kind, request);
    return VALKEY_OK;
}

/* What a node is told or asked before it gets a read. */
static int put_before_read(struct cluster *cluster, struct cluster_node *node) {
    if (!node->is_readonly) {
        if (request_put(cluster, node, OWED_NOTHING, NULL, READ_READONLY,
                        sizeof READ_READONLY - 1) != VALKEY_OK)
            return VALKEY_ERR;
        node->is_readonly = true;
    }
    if (read_wants_zone(node)) {
        if (request_put(cluster, node, OWED_ZONE, NULL, READ_INFO, sizeof READ_INFO - 1) !=
            VALKEY_OK)
            return VALKEY_ERR;
        node->is_zone_asked = true;
    }
    return VALKEY_OK;
}

void request_send_to(struct cluster *cluster, struct cluster_node *node, struct request *request,
                     bool is_asking) {
    if (cluster_node_connect(cluster, node) != VALKEY_OK) {
        cluster->context.need_update_route = 1;
        request_fail_from_cluster(cluster, request);
        return;
    }
    if (request->is_read && put_before_read(cluster, node) != VALKEY_OK) {
        request_fail_from_cluster(cluster, request);
        return;
    }
    if ((is_asking && request_put(cluster, node, OWED_NOTHING, NULL, CLUSTER_ASKING,
                                  sizeof CLUSTER_ASKING - 1) != VALKEY_OK) ||
        request_put(cluster, node, OWED_REPLY, request, request->command, request->size) !=
            VALKEY_OK) {
        request_fail_from_cluster(cluster, request);
        return;
    }
    node->statistics.commands++;
    request->state = REQUEST_SENT;
    request->at = node;
}

/* To whoever is to answer it. Replicas that can't be connected to are passed over. */
static void send_read(struct cluster *cluster, struct cluster_node *primary,
                      struct request *request) {
    struct cluster_node *node = read_choose(cluster, primary);
    while (node != primary && cluster_node_connect(cluster, node) != VALKEY_OK) {
        cluster->context.need_update_route = 1;
        cluster_clear_error(cluster);
        read_avoid(node);
        node = read_choose(cluster, primary);
    }
    request_send_to(cluster, node, request, false);
}

void request_send_by_slot(struct cluster *cluster, struct request *request) {
    valkeyClusterNode *node = cluster->context.table[request->slot];
    if (node != NULL && request->is_read) {
        send_read(cluster, (struct cluster_node *)(void *)node, request);
        return;
    }
    if (node != NULL) {
        request_send_to(cluster, (struct cluster_node *)(void *)node, request, false);
        return;
    }
    cluster->context.need_update_route = 1;
    request_fail(request, VALKEY_ERR_OTHER, "slot not served by any node");
}

struct request *request_create(struct cluster *cluster, struct cluster_node *node, int slot,
                               const char *command, size_t size) {
    struct request *request = size > SIZE_MAX / 2 ? NULL : vk_malloc(sizeof *request + size);
    if (request == NULL) {
        (void)cluster_fail_memory(cluster);
        return NULL;
    }
    *request = (struct request){.slot = node != NULL ? -1 : slot, .size = size};
    request->is_read = node == NULL && read_may_choose(cluster, command, size);
    memcpy(request->command, command, size);
    if (node != NULL)
        request_send_to(cluster, node, request, false);
    else
        request_send_by_slot(cluster, request);
    if (request->state != REQUEST_FAILED)
        return request;
    (void)cluster_fail(cluster, request->err, request->errstr);
    vk_free(request);
    return NULL;
}

void request_stop_waiting(struct cluster *cluster, const struct request *request) {
    struct request **link = &cluster->waiting;
    while (*link != NULL && *link != request)
        link = &(*link)->next_waiting;
    if (*link != NULL)
        *link = request->next_waiting;
}

void request_destroy(struct cluster *cluster, struct request *request) {
    if (request == NULL)
        return;
    if (request->state == REQUEST_WAITING)
        request_stop_waiting(cluster, request);
    if (request->state == REQUEST_SENT) {
        struct cluster_node *node = request->at;
        for (size_t i = 0; i < node->owed_count; i++) {
            struct owed *owed = &node->owed[(node->owed_head + i) % node->owed_capacity];
            if (owed->request == request)
                owed->request = NULL;
        }
    }
    freeReplyObject(request->reply);
    vk_free(request);
}
