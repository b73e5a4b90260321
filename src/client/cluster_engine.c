/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests on their way. Driving sends what is unsent to all nodes, then takes answers from whoever
 * has one, until the request that is waited for is answered. Redirected requests are sent on at
 * once and keep their place in the pipeline, which is a matter of the list and not of the
 * connections; those that a node can't serve just now are sent again after a growing, randomised
 * delay. */
#include "client/cluster_read.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { POLLED_MAX = 1024 };

/* A read whose replica failed is asked again at once, of whoever is there. */
static bool ask_another(struct cluster *cluster, struct request *request) {
    if (!request->is_read || request->at->base.role != VALKEY_ROLE_REPLICA ||
        ++request->retries.redirects > cluster->context.max_retry_count)
        return false;
    request->retries.at_ms = 0;
    request->state = REQUEST_WAITING;
    request->next_waiting = cluster->waiting;
    cluster->waiting = request;
    return true;
}

void cluster_node_fail(struct cluster *cluster, struct cluster_node *node, int err,
                       const char *text) {
    char copy[128];
    (void)snprintf(copy, sizeof copy, "%s", text);
    while (node->owed_count > 0) {
        struct owed owed = owed_pop(cluster, node);
        if (owed.kind == OWED_SLOTMAP)
            cluster->slotmaps_owed--;
        else if (owed.kind == OWED_ZONE)
            node->is_zone_asked = false;
        else if (owed.request != NULL &&
                 !(err != VALKEY_ERR_TIMEOUT && ask_another(cluster, owed.request)))
            request_fail(owed.request, err, copy);
    }
    read_avoid(node);
    node_note_error(node, err, copy);
    node->base.failure_count++;
    cluster->context.need_update_route = 1;
    (void)cluster_fail(cluster, err, copy);
    cluster_node_disconnect(node);
}

/* Ask a connected node for the map, unless one is under way. */
static int ask_slotmap(struct cluster *cluster, struct cluster_node *node) {
    if (cluster->slotmaps_owed > 0)
        return VALKEY_OK;
    size_t size;
    const char *command = cluster_map_command(cluster, &size);
    if (request_put(cluster, node, OWED_SLOTMAP, NULL, command, size) != VALKEY_OK)
        return VALKEY_ERR;
    cluster->slotmaps_owed++;
    return VALKEY_OK;
}

/* Send the request again after a while, if there is time left for that. */
static void put_off(struct cluster *cluster, struct request *request) {
    if (!retries_put_off(cluster, &request->retries)) {
        request_fail_from_cluster(cluster, request);
        return;
    }
    request->state = REQUEST_WAITING;
    request->next_waiting = cluster->waiting;
    cluster->waiting = request;
}

static void redirect(struct cluster *cluster, struct cluster_node *from, struct request *request,
                     const char *text, enum cluster_error error) {
    struct cluster_node *node = cluster_follow(cluster, from, text, error, &request->retries);
    if (node == NULL) {
        request_fail_from_cluster(cluster, request);
        return;
    }
    /* Without memory the map stays old for now; that slot is right. */
    if (error == CLUSTER_ERROR_MOVED)
        (void)ask_slotmap(cluster, from);
    if (retries_are_many(&request->retries))
        put_off(cluster, request);
    else
        request_send_to(cluster, node, request, error == CLUSTER_ERROR_ASK);
}

/* An error that is about the cluster is acted on. False: it is the answer. */
static bool handle_cluster_error(struct cluster *cluster, struct cluster_node *from,
                                 struct request *request, const char *text) {
    enum cluster_error error = cluster_error_of(text);
    switch (error) {
    case CLUSTER_ERROR_NONE: return false;
    case CLUSTER_ERROR_MOVED:
    case CLUSTER_ERROR_ASK: redirect(cluster, from, request, text, error); return true;
    case CLUSTER_ERROR_DOWN: (void)ask_slotmap(cluster, from); break;
    case CLUSTER_ERROR_LATER: break;
    }
    from->statistics.retries++;
    cluster_log(cluster, VALKEY_LOG_DEBUG, "%s answered %s", from->base.addr, text);
    put_off(cluster, request);
    return true;
}

static void handle_answer(struct cluster *cluster, struct cluster_node *node, valkeyReply *reply) {
    struct owed owed = owed_pop(cluster, node);
    struct request *request = owed.request;
    node_timing_end(node);
    if (owed.kind == OWED_ZONE) {
        read_take_zone(node, reply);
    } else if (owed.kind == OWED_SLOTMAP) {
        cluster->slotmaps_owed--;
        cluster->was_slotmap_applied = cluster_map_apply(cluster, node, reply) == VALKEY_OK;
    } else if (request != NULL) {
        if (reply->type != VALKEY_REPLY_ERROR || request->slot < 0 ||
            !handle_cluster_error(cluster, node, request, reply->str)) {
            request->state = REQUEST_DONE;
            request->reply = reply;
            return;
        }
    }
    freeReplyObject(reply);
}

/* Take all answers that have arrived from a node. */
static void take_answers(struct cluster *cluster, struct cluster_node *node) {
    while (node->base.con != NULL && node->owed_count > 0) {
        void *reply = NULL;
        valkeyContext *c = node->base.con;
        if (connection_next_answer(c, &reply) != VALKEY_OK) {
            cluster_node_fail(cluster, node, c->err, c->errstr);
            return;
        }
        if (reply == NULL)
            return;
        handle_answer(cluster, node, reply);
    }
}

/* Wait for the next answer of the only node that owes one: no poll(2) is needed. */
static void wait_for_one(struct cluster *cluster, struct cluster_node *node) {
    void *reply = NULL;
    valkeyContext *c = node->base.con;
    node_timing_start(node);
    if (valkeyGetReply(c, &reply) != VALKEY_OK)
        cluster_node_fail(cluster, node, c->err, c->errstr);
    else
        handle_answer(cluster, node, reply);
}

static void work_on(struct cluster *cluster, struct cluster_node *node, short ready) {
    valkeyContext *c = node->base.con;
    if ((ready & POLLOUT && connection_write_some(c) != VALKEY_OK) ||
        (ready & ~POLLOUT && valkeyBufferRead(c) != VALKEY_OK))
        cluster_node_fail(cluster, node, c->err, c->errstr);
    else
        take_answers(cluster, node);
}

/* Until the next request is to be sent again, at most `limit_ms` (-1: no limit). */
static int wait_limit_ms(const struct cluster *cluster, int limit_ms) {
    for (const struct request *at = cluster->waiting; at != NULL; at = at->next_waiting) {
        int left_ms = deadline_left_ms(at->retries.at_ms);
        if (limit_ms < 0 || left_ms < limit_ms)
            limit_ms = left_ms;
    }
    return limit_ms;
}

/* Send to all nodes what they can take, wait until something happens, take what has arrived. */
static void wait_for_any(struct cluster *cluster, long long deadline) {
    struct pollfd polled[POLLED_MAX];
    struct cluster_node *nodes[POLLED_MAX];
    nfds_t count = 0;
    for (size_t i = 0; i < cluster->node_count && count < POLLED_MAX; i++) {
        struct cluster_node *node = cluster->nodes[i];
        if (node->owed_count == 0)
            continue;
        struct output *output = &connection_of(node->base.con)->output;
        node_timing_start(node);
        if (output_pending(output) > 0 && connection_write_some(node->base.con) != VALKEY_OK) {
            cluster_node_fail(cluster, node, node->base.con->err, node->base.con->errstr);
            return;
        }
        short events = output_pending(output) > 0 ? POLLIN | POLLOUT : POLLIN;
        polled[count] = (struct pollfd){.fd = node->base.con->fd, .events = events};
        nodes[count++] = node;
    }
    int ready = poll(polled, count, wait_limit_ms(cluster, deadline_left_ms(deadline)));
    for (nfds_t i = 0; ready > 0 && i < count; i++)
        if (polled[i].revents != 0 && nodes[i]->owed_count > 0 &&
            nodes[i]->base.con->fd == polled[i].fd)
            work_on(cluster, nodes[i], polled[i].revents);
}

static void resend_due(struct cluster *cluster) {
    long long now_ms = cluster->waiting == NULL ? 0 : clock_now_ms();
    struct request *next;
    for (struct request *at = cluster->waiting; at != NULL; at = next) {
        next = at->next_waiting;
        if (at->retries.at_ms > now_ms)
            continue;
        request_stop_waiting(cluster, at);
        request_send_by_slot(cluster, at);
    }
}

static struct cluster_node *only_busy_node(const struct cluster *cluster) {
    for (size_t i = 0; i < cluster->node_count; i++)
        if (cluster->nodes[i]->owed_count > 0)
            return cluster->nodes[i];
    return NULL;
}

static bool is_pending(const struct cluster *cluster, const struct request *request) {
    if (request == NULL)
        return cluster->slotmaps_owed > 0;
    return request->state == REQUEST_SENT || request->state == REQUEST_WAITING;
}

/* Time is up: give up the nodes that let us wait. */
static void time_out(struct cluster *cluster, struct request *request) {
    if (request != NULL && request->state == REQUEST_WAITING) {
        request_stop_waiting(cluster, request);
        request_fail(request, VALKEY_ERR_TIMEOUT, "Timeout");
        return;
    }
    for (size_t i = 0; i < cluster->node_count; i++) {
        struct cluster_node *node = cluster->nodes[i];
        if (node->owed_count > 0 && (request == NULL || request->at == node))
            cluster_node_fail(cluster, node, VALKEY_ERR_TIMEOUT, "Timeout");
    }
}

/* `request` NULL: work until no map is under way. */
static void drive(struct cluster *cluster, struct request *request) {
    long long deadline = DEADLINE_NONE;
    bool has_deadline = false;
    if (request != NULL && request->state == REQUEST_SENT)
        take_answers(cluster, request->at);
    while (is_pending(cluster, request)) {
        resend_due(cluster);
        if (!is_pending(cluster, request))
            return;
        if (cluster->busy == 1 && cluster->waiting == NULL) {
            wait_for_one(cluster, request != NULL && request->state == REQUEST_SENT
                                      ? request->at
                                      : only_busy_node(cluster));
            continue;
        }
        if (!has_deadline)
            deadline = deadline_after(cluster->context.command_timeout);
        has_deadline = true;
        if (deadline_left_ms(deadline) == 0)
            time_out(cluster, request);
        else
            wait_for_any(cluster, deadline);
    }
}

void cluster_drive(struct cluster *cluster, struct request *request) {
    drive(cluster, request);
}

void cluster_finish_updates(struct cluster *cluster) {
    if (cluster->slotmaps_owed > 0)
        drive(cluster, NULL);
    if (cluster->context.route_version != cluster->swept_version) {
        cluster->swept_version = cluster->context.route_version;
        cluster_map_sweep(cluster);
    }
}

static bool fetch_from(struct cluster *cluster, struct cluster_node *node) {
    cluster->was_slotmap_applied = false;
    if (cluster_node_connect(cluster, node) != VALKEY_OK || ask_slotmap(cluster, node) != VALKEY_OK)
        return false;
    drive(cluster, NULL);
    return cluster->was_slotmap_applied;
}

/* Connected nodes first, from a random one on. */
static bool fetch_from_known(struct cluster *cluster, bool is_connected) {
    size_t count = cluster->node_count;
    size_t first = count == 0 ? 0 : (size_t)random() % count;
    for (size_t i = 0; i < count && i < cluster->node_count; i++) {
        struct cluster_node *node = cluster->nodes[(first + i) % cluster->node_count];
        if ((node->base.con != NULL) == is_connected && fetch_from(cluster, node))
            return true;
    }
    return false;
}

/* The node of the seed at *at, which is moved on. NULL: cc->err is set. */
static struct cluster_node *next_seed(struct cluster *cluster, const char **at) {
    size_t size = strcspn(*at, ",");
    const char *host;
    size_t host_size;
    int port;
    if (!cluster_parse_seed(*at, size, &host, &host_size, &port)) {
        (void)cluster_fail(cluster, VALKEY_ERR_OTHER, "Invalid server address");
        return NULL;
    }
    struct cluster_node *node = cluster_node_get(cluster, host, host_size, port);
    if (node == NULL)
        (void)cluster_fail_memory(cluster);
    *at += size + ((*at)[size] == ',');
    return node;
}

static bool fetch_from_seeds(struct cluster *cluster) {
    for (const char *at = cluster->seeds; *at != '\0';) {
        struct cluster_node *node = next_seed(cluster, &at);
        if (node == NULL)
            return false;
        if (fetch_from(cluster, node))
            return true;
    }
    return false;
}

bool cluster_add_seeds(struct cluster *cluster) {
    for (const char *at = cluster->seeds; *at != '\0';)
        if (next_seed(cluster, &at) == NULL)
            return false;
    return true;
}

int cluster_update_map(struct cluster *cluster) {
    bool is_fetched = fetch_from_known(cluster, true) || fetch_from_known(cluster, false) ||
                      fetch_from_seeds(cluster);
    cluster_finish_updates(cluster);
    if (!is_fetched)
        return VALKEY_ERR;
    cluster_clear_error(cluster);
    return VALKEY_OK;
}
