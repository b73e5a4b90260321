/* SPDX-License-Identifier: BSD-3-Clause */
/* Nodes and their connections. */
#include "client/cache.h"
#include "client/cluster_internal.h"

#include <string.h>

static struct cluster_node *find(const struct cluster *cluster, const char *addr) {
    for (size_t i = 0; i < cluster->node_count; i++)
        if (strcmp(cluster->nodes[i]->base.addr, addr) == 0)
            return cluster->nodes[i];
    return NULL;
}

static struct cluster_node *create(const char *addr, const char *host, size_t host_size, int port) {
    struct cluster_node *node = vk_calloc(1, sizeof *node);
    if (node == NULL)
        return NULL;
    node->base.addr = vk_strdup(addr);
    node->base.host = vk_malloc(host_size + 1);
    if (node->base.addr == NULL || node->base.host == NULL) {
        cluster_node_destroy(node);
        return NULL;
    }
    memcpy(node->base.host, host, host_size);
    node->base.host[host_size] = '\0';
    node->base.port = (uint16_t)port;
    return node;
}

static bool reserve(struct cluster *cluster) {
    if (cluster->node_count < cluster->node_capacity)
        return true;
    size_t capacity = cluster->node_capacity * 2 + 8;
    struct cluster_node **grown = vk_realloc(cluster->nodes, capacity * sizeof(*grown));
    if (grown == NULL)
        return false;
    cluster->nodes = grown;
    cluster->node_capacity = capacity;
    return true;
}

struct cluster_node *cluster_node_get(struct cluster *cluster, const char *host, size_t host_size,
                                      int port) {
    char *addr = vk_malloc(host_size + 8);
    if (addr == NULL)
        return NULL;
    memcpy(addr, host, host_size);
    (void)snprintf(addr + host_size, 8, ":%d", port);
    struct cluster_node *node = find(cluster, addr);
    if (node == NULL && reserve(cluster)) {
        node = create(addr, host, host_size, port);
        if (node != NULL) {
            node->cluster = cluster;
            cluster->nodes[cluster->node_count++] = node;
        }
    }
    vk_free(addr);
    return node;
}

bool cluster_node_exists(const struct cluster *cluster, const valkeyClusterNode *node) {
    for (size_t i = 0; i < cluster->node_count; i++)
        if (&cluster->nodes[i]->base == node)
            return true;
    return false;
}

void cluster_node_disconnect(struct cluster_node *node) {
    valkeyFree(node->base.con);
    node->base.con = NULL;
}

void cluster_node_destroy(struct cluster_node *node) {
    cluster_node_disconnect(node);
    valkeyFree(node->spare);
    vk_free(node->owed);
    vk_free(node->base.name);
    vk_free(node->zone);
    vk_free(node->base.addr);
    vk_free(node->base.host);
    vk_free(node);
}

bool owed_reserve(struct cluster_node *node) {
    if (node->owed_count < node->owed_capacity)
        return true;
    size_t capacity = node->owed_capacity * 2 + 16;
    struct owed *grown = vk_malloc(capacity * sizeof *grown);
    if (grown == NULL)
        return false;
    for (size_t i = 0; i < node->owed_count; i++)
        grown[i] = node->owed[(node->owed_head + i) % node->owed_capacity];
    vk_free(node->owed);
    node->owed = grown;
    node->owed_head = 0;
    node->owed_capacity = capacity;
    return true;
}

void owed_push(struct cluster *cluster, struct cluster_node *node, enum owed_kind kind,
               struct request *request) {
    cluster->busy += node->owed_count == 0;
    size_t at = (node->owed_head + node->owed_count++) % node->owed_capacity;
    node->owed[at] = (struct owed){.kind = kind, .request = request};
}

struct owed owed_pop(struct cluster *cluster, struct cluster_node *node) {
    struct owed owed = node->owed[node->owed_head];
    node->owed_head = (node->owed_head + 1) % node->owed_capacity;
    node->owed_count--;
    cluster->busy -= node->owed_count == 0;
    return owed;
}

/* What comes between a new connection and its first command. */
static int prepare(struct cluster *cluster, valkeyContext *c) {
    const valkeyClusterContext *cc = &cluster->context;
    if (cc->on_connect != NULL)
        cc->on_connect(c, c->err == 0 ? VALKEY_OK : VALKEY_ERR);
    if (c->err == 0 && cc->tls != NULL && cc->tls_init_fn != NULL &&
        cc->tls_init_fn(c, cc->tls) != VALKEY_OK && c->err == 0)
        valkeySetError(c, VALKEY_ERR_OTHER, "TLS failed");
    if (c->err != 0 || connection_log_in(c, cc->username, cc->password, cc->select_db) != VALKEY_OK)
        return cluster_fail(cluster, c->err, c->errstr);
    return VALKEY_OK;
}

valkeyContext *cluster_node_open(struct cluster *cluster, struct cluster_node *node) {
    const valkeyClusterContext *cc = &cluster->context;
    valkeyOptions options = {.options = cc->options,
                             .connect_timeout = cc->connect_timeout,
                             .command_timeout = cc->command_timeout};
    VALKEY_OPTIONS_SET_TCP(&options, node->base.host, node->base.port);
    node->base.lastConnectionAttempt = clock_now_ms() * 1000;
    node->statistics.connects++;
    valkeyContext *c = valkeyConnectWithOptions(&options);
    if (c == NULL) {
        (void)cluster_fail_memory(cluster);
        return NULL;
    }
    if (prepare(cluster, c) == VALKEY_OK) {
        cluster_log(cluster, VALKEY_LOG_INFO, "connected to %s", node->base.addr);
        return c;
    }
    node->base.failure_count++;
    node_note_error(node, cluster->context.err, cluster->context.errstr);
    valkeyFree(c);
    return NULL;
}

int cluster_node_connect(struct cluster *cluster, struct cluster_node *node) {
    if (node->base.con != NULL && node->base.con->err == 0)
        return VALKEY_OK;
    if (node->base.con != NULL)
        cluster_node_fail(cluster, node, node->base.con->err, node->base.con->errstr);
    node->is_readonly = false;
    node->base.con = cluster_node_open(cluster, node);
    if (node->base.con == NULL)
        return VALKEY_ERR;
    if (cluster->cache == NULL ||
        cache_feed(cluster->cache, connection_of(node->base.con)) == VALKEY_OK)
        return VALKEY_OK;
    (void)cluster_fail(cluster, node->base.con->err, node->base.con->errstr);
    node_note_error(node, cluster->context.err, cluster->context.errstr);
    cluster_node_disconnect(node);
    return VALKEY_ERR;
}
