/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections of an asynchronous cluster. A connection outlives its place in node->base.acon when
 * it ends while something of it is still on the stack; the node then stays too, which
 * node->connections counts. */
#include "client/cluster_async.h"

#include "client/async_internal.h"

static bool is_usable(const valkeyAsyncContext *ac) {
    return ac != NULL && ac->err == 0 && ac->c.err == 0 &&
           !(ac->c.flags & (VALKEY_DISCONNECTING | VALKEY_FREEING));
}

valkeyAsyncContext *async_node_usable(const struct cluster_node *node) {
    return is_usable(node->base.acon) ? node->base.acon : NULL;
}

static void on_connect(valkeyAsyncContext *ac, int status) {
    struct cluster_node *node = ac->data;
    struct cluster *cluster = node->cluster;
    async_cluster_enter(cluster);
    if (status != VALKEY_OK) {
        node->base.failure_count++;
        node_note_error(node, ac->err, ac->errstr);
    } else {
        cluster_log(cluster, VALKEY_LOG_INFO, "connected to %s", node->base.addr);
    }
    valkeyConnectCallback *fn = async_context_of(cluster)->onConnect;
    if (fn != NULL)
        fn(ac, status);
    async_cluster_leave(cluster);
}

static void on_disconnect(const valkeyAsyncContext *ac, int status) {
    struct cluster_node *node = ac->data;
    struct cluster *cluster = node->cluster;
    async_cluster_enter(cluster);
    if (status != VALKEY_OK) {
        node->base.failure_count++;
        node_note_error(node, ac->err, ac->errstr);
    }
    valkeyDisconnectCallback *fn = async_context_of(cluster)->onDisconnect;
    if (fn != NULL)
        fn(ac, status);
    async_cluster_leave(cluster);
}

/* A connection of the node is about to be freed; a newer one may have taken its place. */
static void on_gone(void *data) {
    struct cluster_node *node = data;
    struct cluster *cluster = node->cluster;
    async_cluster_enter(cluster);
    if (node->base.acon != NULL && node->base.acon->c.flags & VALKEY_FREEING)
        node->base.acon = NULL;
    async_streams_end(cluster);
    node->connections--;
    cluster->async.connections--;
    /* It may have had the timer. */
    if (!cluster->async.is_freeing)
        async_requests_resend(cluster);
    async_cluster_leave(cluster);
}

/* The answer to AUTH or SELECT. Without them the connection is of no use. */
static void on_set_up(valkeyAsyncContext *ac, void *data, void *privdata) {
    const valkeyReply *reply = data;
    (void)privdata;
    if (reply != NULL && reply->type == VALKEY_REPLY_ERROR)
        valkeySetError(&ac->c, VALKEY_ERR_OTHER, reply->str);
}

int async_node_log_in(struct cluster *cluster, valkeyAsyncContext *ac) {
    const valkeyClusterContext *cc = &cluster->context;
    int result = VALKEY_OK;
    if (cc->password != NULL && cc->username != NULL)
        result = valkeyAsyncCommand(ac, on_set_up, NULL, "AUTH %s %s", cc->username, cc->password);
    else if (cc->password != NULL)
        result = valkeyAsyncCommand(ac, on_set_up, NULL, "AUTH %s", cc->password);
    if (result == VALKEY_OK && cc->select_db > 0)
        result = valkeyAsyncCommand(ac, on_set_up, NULL, "SELECT %d", cc->select_db);
    return result == VALKEY_OK ? VALKEY_OK : cluster_fail(cluster, ac->c.err, ac->c.errstr);
}

/* TLS and the event loop. */
static int prepare(struct cluster *cluster, valkeyAsyncContext *ac) {
    valkeyClusterAsyncContext *acc = async_context_of(cluster);
    if (ac->err == 0 && acc->cc.tls != NULL && acc->cc.tls_init_fn != NULL &&
        acc->cc.tls_init_fn(&ac->c, acc->cc.tls) != VALKEY_OK && ac->c.err == 0)
        valkeySetError(&ac->c, VALKEY_ERR_OTHER, "TLS failed");
    if (ac->c.err != 0)
        return cluster_fail(cluster, ac->c.err, ac->c.errstr);
    if (acc->attach_fn(ac, acc->attach_data) != VALKEY_OK)
        return cluster_fail(cluster, VALKEY_ERR_OTHER, "Attaching to the event loop failed");
    return VALKEY_OK;
}

valkeyAsyncContext *async_node_open(struct cluster *cluster, struct cluster_node *node) {
    const valkeyClusterContext *cc = &cluster->context;
    valkeyOptions options = {.options = cc->options,
                             .connect_timeout = cc->connect_timeout,
                             .command_timeout = cc->command_timeout};
    VALKEY_OPTIONS_SET_TCP(&options, node->base.host, node->base.port);
    node->base.lastConnectionAttempt = clock_now_ms() * 1000;
    node->statistics.connects++;
    valkeyAsyncContext *ac = valkeyAsyncConnectWithOptions(&options);
    if (ac == NULL) {
        (void)cluster_fail_memory(cluster);
        return NULL;
    }
    if (prepare(cluster, ac) == VALKEY_OK)
        return ac;
    node->base.failure_count++;
    node_note_error(node, cluster->context.err, cluster->context.errstr);
    valkeyAsyncFree(ac);
    return NULL;
}

valkeyAsyncContext *async_node_connect(struct cluster *cluster, struct cluster_node *node) {
    if (is_usable(node->base.acon))
        return node->base.acon;
    node->is_readonly = false;
    valkeyAsyncContext *ac = async_node_open(cluster, node);
    if (ac == NULL)
        return NULL;
    ac->data = node;
    ac->dataCleanup = on_gone;
    node->connections++;
    cluster->async.connections++;
    (void)valkeyAsyncSetConnectCallback(ac, on_connect);
    (void)valkeyAsyncSetDisconnectCallback(ac, on_disconnect);
    if (async_node_log_in(cluster, ac) != VALKEY_OK) {
        node->base.failure_count++;
        valkeyAsyncFree(ac);
        return NULL;
    }
    node->base.acon = ac;
    return ac;
}

static bool is_idle(const valkeyAsyncContext *ac) {
    return is_usable(ac) && ac->replies.head == NULL && !(ac->c.flags & VALKEY_SUBSCRIBED);
}

void async_nodes_sweep(struct cluster *cluster) {
    /* Callbacks of a disconnect may add nodes, never remove one. */
    for (size_t i = 0; i < cluster->node_count; i++) {
        const struct cluster_node *node = cluster->nodes[i];
        if (!node->is_mapped && is_idle(node->base.acon))
            valkeyAsyncDisconnect(node->base.acon);
    }
    cluster_map_sweep(cluster);
}
