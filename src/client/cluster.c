/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of cluster contexts, their options, and looking at the map. */
#include "client/cache.h"
#include "client/cluster_internal.h"
#include "client/slot.h"

#include <assert.h>
#include <string.h>

enum {
    OPTIONS_KNOWN = VALKEY_OPT_USE_CLUSTER_NODES | VALKEY_OPT_USE_CLUSTER_SHARDS |
                    VALKEY_OPT_USE_REPLICAS | VALKEY_OPT_BLOCKING_INITIAL_UPDATE |
                    VALKEY_OPT_REUSEADDR | VALKEY_OPT_PREFER_IP_UNSPEC | VALKEY_OPT_MPTCP,
    RESTARTS_MAX = 5,
};

int cluster_fail(struct cluster *cluster, int err, const char *text) {
    valkeyClusterContext *cc = &cluster->context;
    cc->err = err;
    if (cluster->is_async)
        async_context_of(cluster)->err = err;
    if (text != cc->errstr)
        (void)snprintf(cc->errstr, sizeof cc->errstr, "%s", text);
    return VALKEY_ERR;
}

int cluster_fail_memory(struct cluster *cluster) {
    return cluster_fail(cluster, VALKEY_ERR_OOM, "Out of memory");
}

void cluster_clear_error(struct cluster *cluster) {
    cluster->context.err = 0;
    if (cluster->is_async)
        async_context_of(cluster)->err = 0;
    cluster->context.errstr[0] = '\0';
}

void cluster_tell(struct cluster *cluster, int event) {
    const valkeyClusterContext *cc = &cluster->context;
    if (cc->event_callback != NULL)
        cc->event_callback(cc, event, cc->event_privdata);
}

static bool keep_timeout(struct timeval **field, const struct timeval *timeout) {
    if (timeout == NULL)
        return true;
    if (*field == NULL)
        *field = vk_malloc(sizeof **field);
    if (*field == NULL)
        return false;
    **field = *timeout;
    return true;
}

static bool keep_text(char **field, const char *text) {
    *field = text == NULL ? NULL : vk_strdup(text);
    return text == NULL || *field != NULL;
}

/* Copy the options; false without memory. */
static bool take_options(struct cluster *cluster, const valkeyClusterOptions *options) {
    valkeyClusterContext *cc = &cluster->context;
    cc->options = options->options;
    cc->max_retry_count = options->max_retry > 0 ? options->max_retry : RETRIES_DEFAULT;
    cc->select_db = options->select_db;
    cc->tls = options->tls;
    cc->tls_init_fn = options->tls_init_fn;
    cc->on_connect = options->connect_callback;
    cc->event_privdata = options->event_privdata;
    cc->table = vk_calloc(VALKEYCLUSTER_SLOTS, sizeof(*cc->table));
    bool has_memory = cc->table != NULL;
    has_memory &= keep_timeout(&cc->connect_timeout, options->connect_timeout);
    has_memory &= keep_timeout(&cc->command_timeout, options->command_timeout);
    has_memory &= keep_text(&cc->username, options->username);
    has_memory &= keep_text(&cc->password, options->password);
    has_memory &= keep_text(&cluster->seeds, options->initial_nodes);
    return has_memory;
}

void cluster_release(struct cluster *cluster) {
    valkeyClusterContext *cc = &cluster->context;
    while (cluster->requests != NULL) {
        struct request *next = cluster->requests->next;
        request_destroy(cluster, cluster->requests);
        cluster->requests = next;
    }
    for (size_t i = 0; i < cluster->node_count; i++)
        cluster_node_destroy(cluster->nodes[i]);
    cluster->node_count = cluster->node_capacity = 0;
    void *const owned[] = {cluster->nodes,      cluster->seeds, cc->table,    cc->connect_timeout,
                           cc->command_timeout, cc->username,   cc->password, cluster->zone};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        vk_free(owned[i]);
    cluster->nodes = NULL;
    cluster->seeds = NULL;
    cluster->zone = NULL;
    cc->table = NULL;
    cc->connect_timeout = cc->command_timeout = NULL;
    cc->username = cc->password = NULL;
}

void cluster_destroy(struct cluster *cluster) {
    cache_forget_cluster(cluster->cache);
    cluster_tell(cluster, VALKEYCLUSTER_EVENT_FREE_CONTEXT);
    cluster_release(cluster);
    vk_free(cluster);
}

struct cluster *cluster_create(const valkeyClusterOptions *options, size_t context_size) {
    struct cluster *cluster = vk_calloc(1, offsetof(struct cluster, context) + context_size);
    if (cluster == NULL)
        return NULL;
    if (!take_options(cluster, options)) {
        cluster_destroy(cluster);
        return NULL;
    }
    /* Only from here on will the program see the context, and its end. */
    cluster->context.event_callback = options->event_callback;
    if (options->options & ~OPTIONS_KNOWN)
        (void)cluster_fail(cluster, VALKEY_ERR_OTHER, "Unsupported options");
    else if (cluster->seeds == NULL || cluster->seeds[0] == '\0')
        (void)cluster_fail(cluster, VALKEY_ERR_OTHER, "Invalid server address");
    return cluster;
}

valkeyClusterContext *valkeyClusterConnectWithOptions(const valkeyClusterOptions *options) {
    struct cluster *cluster = cluster_create(options, sizeof(valkeyClusterContext));
    if (cluster == NULL)
        return NULL;
    if (cluster->context.err == 0)
        (void)cluster_update_map(cluster);
    return &cluster->context;
}

valkeyClusterContext *valkeyClusterConnect(const char *addrs) {
    valkeyClusterOptions options = {.initial_nodes = addrs};
    return valkeyClusterConnectWithOptions(&options);
}

valkeyClusterContext *valkeyClusterConnectWithTimeout(const char *addrs, const struct timeval tv) {
    valkeyClusterOptions options = {.initial_nodes = addrs, .connect_timeout = &tv};
    return valkeyClusterConnectWithOptions(&options);
}

void valkeyClusterFree(valkeyClusterContext *cc) {
    if (cc != NULL)
        cluster_destroy(cluster_of(cc));
}

int valkeyClusterSetOptionTimeout(valkeyClusterContext *cc, const struct timeval tv) {
    struct cluster *cluster = cluster_of(cc);
    if (!timeout_is_valid(&tv))
        return cluster_fail(cluster, VALKEY_ERR_IO, "Invalid timeout specified");
    if (!keep_timeout(&cc->command_timeout, &tv))
        return cluster_fail_memory(cluster);
    for (size_t i = 0; i < cluster->node_count; i++) {
        valkeyContext *c = cluster->nodes[i]->base.con;
        if (c != NULL && valkeySetTimeout(c, tv) != VALKEY_OK)
            return cluster_fail(cluster, c->err, c->errstr);
        valkeyAsyncContext *ac = cluster->nodes[i]->base.acon;
        if (ac != NULL && valkeyAsyncSetTimeout(ac, tv) != VALKEY_OK)
            return cluster_fail_memory(cluster);
    }
    return VALKEY_OK;
}

int valkeyClusterUpdateSlotmap(valkeyClusterContext *cc) {
    struct cluster *cluster = cluster_of(cc);
    cluster_clear_error(cluster);
    return cluster_update_map(cluster);
}

valkeyContext *valkeyClusterGetValkeyContext(valkeyClusterContext *cc, valkeyClusterNode *node) {
    struct cluster *cluster = cluster_of(cc);
    cluster_clear_error(cluster);
    if (!cluster_node_exists(cluster, node)) {
        (void)cluster_fail(cluster, VALKEY_ERR_OTHER, "Unknown node");
        return NULL;
    }
    if (cluster_node_connect(cluster, (struct cluster_node *)(void *)node) != VALKEY_OK)
        return NULL;
    return node->con;
}

unsigned int valkeyClusterGetSlotByKey(char *key) {
    return slot_of_key(key, strlen(key));
}

valkeyClusterNode *valkeyClusterGetNodeByKey(valkeyClusterContext *cc, char *key) {
    valkeyClusterNode *node = cc->table == NULL ? NULL : cc->table[valkeyClusterGetSlotByKey(key)];
    if (node == NULL)
        (void)cluster_fail(cluster_of(cc), VALKEY_ERR_OTHER, "slot not served by any node");
    return node;
}

/* What opaque[] holds. */
struct walk {
    struct cluster *cluster;
    uint64_t at; /* index of the next node */
    uint64_t restarts;
};

static_assert(sizeof(struct walk) <= sizeof(((valkeyClusterNodeIterator *)0)->opaque),
              "an iterator has room for its state");

void valkeyClusterInitNodeIterator(valkeyClusterNodeIterator *iter, valkeyClusterContext *cc) {
    struct walk walk = {.cluster = cluster_of(cc)};
    *iter = (valkeyClusterNodeIterator){.route_version = cc->route_version};
    memcpy(iter->opaque, &walk, sizeof walk);
}

valkeyClusterNode *valkeyClusterNodeNext(valkeyClusterNodeIterator *iter) {
    struct walk walk;
    memcpy(&walk, iter->opaque, sizeof walk);
    struct cluster *cluster = walk.cluster;
    if (iter->route_version != cluster->context.route_version) {
        if (walk.restarts >= RESTARTS_MAX)
            return NULL;
        walk.restarts++;
        walk.at = 0;
        iter->route_version = cluster->context.route_version;
    }
    valkeyClusterNode *found = NULL;
    while (found == NULL && walk.at < cluster->node_count) {
        struct cluster_node *node = cluster->nodes[walk.at++];
        if (node->is_mapped && node->base.role == VALKEY_ROLE_PRIMARY)
            found = &node->base;
    }
    memcpy(iter->opaque, &walk, sizeof walk);
    return found;
}
