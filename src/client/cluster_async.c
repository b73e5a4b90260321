/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of asynchronous cluster contexts. Ending one takes three steps: connections are closed
 * (when all commands are answered, or at once), then what the context owns is released, then the
 * struct is freed, the last only by valkeyClusterAsyncFree. */
#include "client/cluster_async.h"

#include "client/async_internal.h"
#include "client/cluster_pubsub.h"

void async_cluster_enter(struct cluster *cluster) {
    cluster->async.depth++;
}

bool async_cluster_is_ending(const struct cluster *cluster) {
    return cluster->async.is_disconnecting || cluster->async.is_freeing;
}

/* Call `end` for the connections of all nodes. */
static void end_connections(struct cluster *cluster, void (*end)(valkeyAsyncContext *)) {
    for (size_t i = 0; i < cluster->node_count; i++)
        if (cluster->nodes[i]->base.acon != NULL)
            end(cluster->nodes[i]->base.acon);
}

/* The last call under way is about to return: carry out what was put off. */
static void settle(struct cluster *cluster) {
    struct cluster_async *async = &cluster->async;
    if (cluster->swept_version != cluster->context.route_version) {
        cluster->swept_version = cluster->context.route_version;
        subscriptions_sweep(cluster);
        async_nodes_sweep(cluster);
    }
    if (async_cluster_is_ending(cluster)) {
        subscriptions_end(cluster);
        cluster_timer_end(cluster);
    } else {
        subscriptions_place(cluster);
    }
    if (async->is_disconnecting && !async->is_freeing && async->pending == 0)
        end_connections(cluster, valkeyAsyncDisconnect);
    if (async->is_freeing) {
        end_connections(cluster, valkeyAsyncFree);
        async_requests_abandon(cluster);
    }
}

void async_cluster_leave(struct cluster *cluster) {
    struct cluster_async *async = &cluster->async;
    if (async->depth == 1)
        settle(cluster);
    if (--async->depth > 0 || async->connections > 0)
        return;
    if (async->is_freeing)
        cluster_destroy(cluster);
    else if (async->is_disconnecting && async->pending == 0)
        cluster_release(cluster);
}

/* Fetch the first map: wait for it, or have it asked for. */
static void begin(struct cluster *cluster) {
    valkeyClusterContext *cc = &cluster->context;
    if (!(cc->options & VALKEY_OPT_BLOCKING_INITIAL_UPDATE)) {
        async_map_fetch(cluster, NULL);
        return;
    }
    (void)cluster_update_map(cluster);
    for (size_t i = 0; i < cluster->node_count; i++)
        cluster_node_disconnect(cluster->nodes[i]);
}

valkeyClusterAsyncContext *
valkeyClusterAsyncConnectWithOptions(const valkeyClusterOptions *options) {
    struct cluster *cluster = cluster_create(options, sizeof(valkeyClusterAsyncContext));
    if (cluster == NULL)
        return NULL;
    valkeyClusterAsyncContext *acc = async_context_of(cluster);
    cluster->is_async = true;
    acc->err = acc->cc.err;
    acc->errstr = acc->cc.errstr;
    acc->attach_fn = options->attach_fn;
    acc->attach_data = options->attach_data;
    acc->onConnect = options->async_connect_callback;
    acc->onDisconnect = options->async_disconnect_callback;
    if (acc->err == 0 && options->attach_fn == NULL)
        (void)cluster_fail(cluster, VALKEY_ERR_OTHER, "No event library: attach_fn is not set");
    if (acc->err != 0)
        return acc;
    async_cluster_enter(cluster);
    begin(cluster);
    bool is_freed = cluster->async.is_freeing;
    async_cluster_leave(cluster);
    return is_freed ? NULL : acc;
}

void valkeyClusterAsyncDisconnect(valkeyClusterAsyncContext *acc) {
    struct cluster *cluster = cluster_of(&acc->cc);
    async_cluster_enter(cluster);
    cluster->async.is_disconnecting = true;
    async_cluster_leave(cluster);
}

void valkeyClusterAsyncFree(valkeyClusterAsyncContext *acc) {
    if (acc == NULL)
        return;
    struct cluster *cluster = cluster_of(&acc->cc);
    async_cluster_enter(cluster);
    cluster->async.is_freeing = true;
    async_cluster_leave(cluster);
}

valkeyAsyncContext *valkeyClusterGetValkeyAsyncContext(valkeyClusterAsyncContext *acc,
                                                       valkeyClusterNode *node) {
    struct cluster *cluster = cluster_of(&acc->cc);
    cluster_clear_error(cluster);
    if (async_cluster_is_ending(cluster)) {
        (void)cluster_fail(cluster, VALKEY_ERR_OTHER, "disconnecting");
        return NULL;
    }
    if (!cluster_node_exists(cluster, node)) {
        (void)cluster_fail(cluster, VALKEY_ERR_OTHER, "Unknown node");
        return NULL;
    }
    async_cluster_enter(cluster);
    valkeyAsyncContext *ac = async_node_connect(cluster, (struct cluster_node *)(void *)node);
    async_cluster_leave(cluster);
    return ac;
}
