/* SPDX-License-Identifier: BSD-3-Clause */
/* Pinned connections, and the commands that wait over one. */
#include "client/cluster_pinned.h"

#include "valkey/cluster_transaction.h"

#include <poll.h>
#include <string.h>

/* Nothing is owed over a kept connection: what can be read is its end. */
static bool is_alive(const valkeyContext *c) {
    struct pollfd polled = {.fd = c->fd, .events = POLLIN};
    return poll(&polled, 1, 0) == 0;
}

valkeyContext *pinned_take(struct cluster *cluster, struct cluster_node *node) {
    valkeyContext *c = node->spare;
    node->spare = NULL;
    if (c != NULL && is_alive(c))
        return c;
    valkeyFree(c);
    return cluster_node_open(cluster, node);
}

void pinned_give(struct cluster *cluster, const char *addr, valkeyContext *c) {
    for (size_t i = 0; c != NULL && c->err == 0 && i < cluster->node_count; i++) {
        struct cluster_node *node = cluster->nodes[i];
        if (node->spare == NULL && strcmp(node->base.addr, addr) == 0) {
            node->spare = c;
            c = NULL;
        }
    }
    valkeyFree(c);
}

struct cluster_node *pinned_node(struct cluster *cluster, int slot) {
    valkeyClusterNode *node = cluster->context.table[slot];
    if (node != NULL)
        return (struct cluster_node *)(void *)node;
    cluster->context.need_update_route = 1;
    (void)cluster_fail(cluster, VALKEY_ERR_OTHER, "slot not served by any node");
    return NULL;
}

struct cluster_node *pinned_follow(struct cluster *cluster, struct cluster_node *from, int slot,
                                   const char *text, struct retries *retries) {
    enum cluster_error error = cluster_error_of(text);
    if (error == CLUSTER_ERROR_MOVED) {
        cluster->context.need_update_route = 1;
        return cluster_follow(cluster, from, text, error, retries);
    }
    from->statistics.retries++;
    if (!retries_put_off(cluster, retries))
        return NULL;
    int left_ms = deadline_left_ms(retries->at_ms);
    if (left_ms > 0)
        (void)poll(NULL, 0, left_ms);
    if (error == CLUSTER_ERROR_DOWN || error == CLUSTER_ERROR_NONE)
        (void)cluster_update_map(cluster);
    return pinned_node(cluster, slot);
}

static bool was_unblocked(const valkeyReply *reply) {
    return strncmp(reply->str, "UNBLOCKED", 9) == 0;
}

/* One try. NULL: cc->err is set. */
static valkeyReply *try_at(struct cluster *cluster, struct cluster_node *node, bool is_asking,
                           const struct timeval *limit, const char *bytes, size_t size) {
    char addr[300];
    (void)snprintf(addr, sizeof addr, "%s", node->base.addr);
    valkeyContext *c = pinned_take(cluster, node);
    if (c == NULL)
        return NULL;
    static const struct timeval NONE = {0};
    void *reply = NULL, *asking = NULL;
    int result = valkeySetTimeout(c, limit != NULL ? *limit : NONE);
    if (result == VALKEY_OK && limit == NULL)
        (void)valkeyEnableKeepAlive(c);
    if (result == VALKEY_OK && is_asking)
        result = valkeyAppendFormattedCommand(c, CLUSTER_ASKING, sizeof CLUSTER_ASKING - 1);
    if (result == VALKEY_OK)
        result = valkeyAppendFormattedCommand(c, bytes, size);
    if (result == VALKEY_OK && is_asking)
        result = valkeyGetReply(c, &asking);
    freeReplyObject(asking);
    if (result != VALKEY_OK || valkeyGetReply(c, &reply) != VALKEY_OK) {
        (void)cluster_fail(cluster, c->err, c->errstr);
        cluster->context.need_update_route = 1;
    } else {
        (void)valkeySetTimeout(
            c, cluster->context.command_timeout != NULL ? *cluster->context.command_timeout : NONE);
    }
    pinned_give(cluster, addr, c);
    return reply;
}

static valkeyReply *run_blocking(struct cluster *cluster, const struct timeval *limit,
                                 const char *bytes, size_t size) {
    cluster_begin_command(cluster);
    int slot = cluster_find_slot(cluster, bytes, size);
    struct cluster_node *node = slot < 0 ? NULL : pinned_node(cluster, slot);
    struct retries retries = {0};
    valkeyReply *reply = NULL;
    for (bool is_asking = false; node != NULL;) {
        reply = try_at(cluster, node, is_asking, limit, bytes, size);
        if (reply == NULL || reply->type != VALKEY_REPLY_ERROR)
            return reply;
        enum cluster_error error = cluster_error_of(reply->str);
        if (error == CLUSTER_ERROR_NONE && !was_unblocked(reply))
            return reply;
        is_asking = error == CLUSTER_ERROR_ASK;
        node = is_asking ? cluster_follow(cluster, node, reply->str, error, &retries)
                         : pinned_follow(cluster, node, slot, reply->str, &retries);
        freeReplyObject(reply);
    }
    return NULL;
}

void *valkeyClusterBlockingCommand(valkeyClusterContext *cc, const struct timeval *limit,
                                   const char *format, ...) {
    struct cluster *cluster = cluster_of(cc);
    va_list ap;
    va_start(ap, format);
    char *bytes = NULL;
    int size = valkeyvFormatCommand(&bytes, format, ap);
    va_end(ap);
    valkeyReply *reply = NULL;
    if (size < 0)
        cluster_fail_format(cluster, size);
    else
        reply = run_blocking(cluster, limit, bytes, (size_t)size);
    if (reply != NULL)
        cluster_clear_error(cluster);
    valkeyFreeCommand(bytes);
    return reply;
}
