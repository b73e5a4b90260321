/* SPDX-License-Identifier: BSD-3-Clause */
/* Fetching the map without waiting for it: one node is asked after the other, connected ones first,
 * until one has it. Seeds come last. There is never more than one question under way, and after an
 * attempt has begun the next one may begin a second later. */
#include "client/cluster_async.h"

#include "client/async_internal.h"

#include <stdlib.h>

enum { INTERVAL_US = 1000000 };

static void ask_next(struct cluster *cluster);

static void on_map(valkeyAsyncContext *ac, void *data, void *privdata) {
    struct cluster_node *node = ac->data;
    struct cluster *cluster = node->cluster;
    (void)privdata;
    async_cluster_enter(cluster);
    if (data != NULL && cluster_map_apply(cluster, node, data) == VALKEY_OK) {
        cluster->async.is_fetching = false;
    } else {
        if (data == NULL && ac->err != 0)
            (void)cluster_fail(cluster, ac->err, ac->errstr);
        ask_next(cluster);
    }
    async_cluster_leave(cluster);
}

static bool ask(struct cluster *cluster, struct cluster_node *node) {
    node->asked_in = cluster->async.round;
    valkeyAsyncContext *ac = async_node_connect(cluster, node);
    if (ac == NULL)
        return false;
    size_t size;
    const char *command = cluster_map_command(cluster, &size);
    if (valkeyAsyncFormattedCommand(ac, on_map, NULL, command, size) == VALKEY_OK)
        return true;
    event_add_write(ac);
    (void)cluster_fail(cluster, ac->c.err, ac->c.errstr);
    return false;
}

/* A node not asked in this round, from a random one on. */
static struct cluster_node *pick(const struct cluster *cluster, bool is_connected) {
    size_t count = cluster->node_count;
    size_t first = count == 0 ? 0 : (size_t)random() % count;
    for (size_t i = 0; i < count; i++) {
        struct cluster_node *node = cluster->nodes[(first + i) % count];
        const valkeyAsyncContext *ac = async_node_usable(node);
        if (node->asked_in != cluster->async.round &&
            (ac != NULL && ac->c.flags & VALKEY_CONNECTED) == is_connected)
            return node;
    }
    return NULL;
}

static void ask_next(struct cluster *cluster) {
    while (!async_cluster_is_ending(cluster)) {
        struct cluster_node *node = pick(cluster, true);
        if (node == NULL)
            node = pick(cluster, false);
        if (node == NULL && cluster_add_seeds(cluster))
            node = pick(cluster, false);
        if (node == NULL)
            break;
        if (ask(cluster, node))
            return;
    }
    cluster->async.is_fetching = false;
}

void async_map_fetch(struct cluster *cluster, struct cluster_node *on) {
    struct cluster_async *async = &cluster->async;
    async_context_of(cluster)->lastSlotmapUpdateAttempt = clock_now_ms() * 1000;
    async->is_fetching = true;
    async->round++;
    cluster->context.need_update_route = 0;
    if (on == NULL || !ask(cluster, on))
        ask_next(cluster);
}

void async_map_want(struct cluster *cluster, struct cluster_node *on) {
    int64_t last_us = async_context_of(cluster)->lastSlotmapUpdateAttempt;
    if (cluster->async.is_fetching || async_cluster_is_ending(cluster))
        return;
    if (last_us != 0 && clock_now_ms() * 1000 - last_us < INTERVAL_US)
        cluster->context.need_update_route = 1;
    else
        async_map_fetch(cluster, on);
}
