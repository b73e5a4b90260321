/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands to an asynchronous cluster. All forms become bytes first. */
#include "client/cluster_async.h"
#include "client/slot.h"
#include "valkey/cluster_commands.h"

void async_command_fail(struct cluster *cluster) {
    int err = cluster->context.err;
    char text[sizeof cluster->context.errstr];
    (void)snprintf(text, sizeof text, "%s", cluster->context.errstr);
    async_map_want(cluster, NULL);
    (void)cluster_fail(cluster, err, text);
}

/* By key when `node` is NULL and `slot` below 0. cc->err is set on VALKEY_ERR. */
static int send_bytes(struct cluster *cluster, valkeyClusterNode *node, int slot,
                      valkeyClusterCallbackFn *fn, void *privdata, const char *bytes, size_t size) {
    if (node != NULL && !cluster_node_exists(cluster, node))
        (void)cluster_fail(cluster, VALKEY_ERR_OTHER, "Unknown node");
    else if (node == NULL && slot < 0)
        slot = cluster_find_slot(cluster, bytes, size);
    if (cluster->context.err != 0)
        return VALKEY_ERR;
    struct async_reply_to to = {.fn = fn, .privdata = privdata};
    int result =
        async_request_start(cluster, (struct cluster_node *)(void *)node, slot, &to, bytes, size);
    if (result != VALKEY_OK)
        async_command_fail(cluster);
    return result;
}

int async_command_begin(struct cluster *cluster, long long size) {
    cluster_clear_error(cluster);
    if (async_cluster_is_ending(cluster))
        return cluster_fail(cluster, VALKEY_ERR_OTHER, "disconnecting");
    if (size < 0) {
        cluster_fail_format(cluster, size);
        return VALKEY_ERR;
    }
    if (cluster->context.table == NULL)
        return cluster_fail(cluster, VALKEY_ERR_OTHER, "disconnecting");
    async_cluster_enter(cluster);
    if (cluster->context.need_update_route)
        async_map_want(cluster, NULL);
    cluster_clear_error(cluster);
    return VALKEY_OK;
}

static int start_to(valkeyClusterAsyncContext *acc, valkeyClusterNode *node, int slot,
                    valkeyClusterCallbackFn *fn, void *privdata, const char *bytes,
                    long long size) {
    struct cluster *cluster = cluster_of(&acc->cc);
    if (async_command_begin(cluster, size) != VALKEY_OK)
        return VALKEY_ERR;
    int result = send_bytes(cluster, node, slot, fn, privdata, bytes, (size_t)size);
    async_cluster_leave(cluster);
    return result;
}

static int start(valkeyClusterAsyncContext *acc, valkeyClusterNode *node,
                 valkeyClusterCallbackFn *fn, void *privdata, const char *bytes, long long size) {
    return start_to(acc, node, -1, fn, privdata, bytes, size);
}

/* To a node that the caller names. */
static int start_to_node(valkeyClusterAsyncContext *acc, valkeyClusterNode *node,
                         valkeyClusterCallbackFn *fn, void *privdata, const char *bytes,
                         long long size) {
    if (node == NULL)
        return cluster_fail(cluster_of(&acc->cc), VALKEY_ERR_OTHER, "Unknown node");
    return start(acc, node, fn, privdata, bytes, size);
}

int valkeyClusterAsyncFormattedCommand(valkeyClusterAsyncContext *acc, valkeyClusterCallbackFn *fn,
                                       void *privdata, char *cmd, int len) {
    return start(acc, NULL, fn, privdata, cmd, len);
}

int valkeyClusterAsyncFormattedCommandToNode(valkeyClusterAsyncContext *acc,
                                             valkeyClusterNode *node, valkeyClusterCallbackFn *fn,
                                             void *privdata, char *cmd, int len) {
    return start_to_node(acc, node, fn, privdata, cmd, len);
}

int valkeyClustervAsyncCommand(valkeyClusterAsyncContext *acc, valkeyClusterCallbackFn *fn,
                               void *privdata, const char *format, va_list ap) {
    char *bytes = NULL;
    int size = valkeyvFormatCommand(&bytes, format, ap);
    int result = start(acc, NULL, fn, privdata, bytes, size);
    valkeyFreeCommand(bytes);
    return result;
}

int valkeyClusterAsyncCommand(valkeyClusterAsyncContext *acc, valkeyClusterCallbackFn *fn,
                              void *privdata, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    int result = valkeyClustervAsyncCommand(acc, fn, privdata, format, ap);
    va_end(ap);
    return result;
}

int valkeyClusterAsyncCommandToNode(valkeyClusterAsyncContext *acc, valkeyClusterNode *node,
                                    valkeyClusterCallbackFn *fn, void *privdata, const char *format,
                                    ...) {
    va_list ap;
    va_start(ap, format);
    char *bytes = NULL;
    int size = valkeyvFormatCommand(&bytes, format, ap);
    int result = start_to_node(acc, node, fn, privdata, bytes, size);
    valkeyFreeCommand(bytes);
    va_end(ap);
    return result;
}

int valkeyClusterAsyncCommandArgv(valkeyClusterAsyncContext *acc, valkeyClusterCallbackFn *fn,
                                  void *privdata, int argc, const char **argv,
                                  const size_t *argvlen) {
    char *bytes = NULL;
    long long size = valkeyFormatCommandArgv(&bytes, argc, argv, argvlen);
    int result = start(acc, NULL, fn, privdata, bytes, size);
    valkeyFreeCommand(bytes);
    return result;
}

int valkeyClusterAsyncCommandArgvToNode(valkeyClusterAsyncContext *acc, valkeyClusterNode *node,
                                        valkeyClusterCallbackFn *fn, void *privdata, int argc,
                                        const char **argv, const size_t *argvlen) {
    char *bytes = NULL;
    long long size = valkeyFormatCommandArgv(&bytes, argc, argv, argvlen);
    int result = start_to_node(acc, node, fn, privdata, bytes, size);
    valkeyFreeCommand(bytes);
    return result;
}

int valkeyClusterAsyncCommandByKey(valkeyClusterAsyncContext *acc, const char *key, size_t keylen,
                                   valkeyClusterCallbackFn *fn, void *privdata, const char *format,
                                   ...) {
    va_list ap;
    va_start(ap, format);
    char *bytes = NULL;
    int size = valkeyvFormatCommand(&bytes, format, ap);
    int result = start_to(acc, NULL, (int)slot_of_key(key, keylen), fn, privdata, bytes, size);
    valkeyFreeCommand(bytes);
    va_end(ap);
    return result;
}
