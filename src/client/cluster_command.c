/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands to a cluster: one at a time, or a pipeline. All forms become bytes first, then a
 * request. */
#include "client/cluster_internal.h"
#include "client/slot.h"
#include "valkey/cluster_commands.h"

void cluster_fail_format(struct cluster *cluster, long long result) {
    if (result == -1)
        (void)cluster_fail_memory(cluster);
    else
        (void)cluster_fail(cluster, VALKEY_ERR_OTHER, "Invalid format string");
}

void cluster_begin_command(struct cluster *cluster) {
    if (cluster->context.need_update_route)
        (void)cluster_update_map(cluster);
    cluster_clear_error(cluster);
}

int cluster_find_slot(struct cluster *cluster, const char *command, size_t size) {
    unsigned slot = 0;
    const char *name;
    size_t name_size;
    char text[128];
    switch (slot_of_command(command, size, &slot, &name, &name_size)) {
    case SLOT_FOUND: return (int)slot;
    case SLOT_NO_KEY:
        return cluster_fail(cluster, VALKEY_ERR_OTHER,
                            "No keys in command(must have keys for valkey cluster mode)");
    case SLOT_UNKNOWN_COMMAND:
        (void)snprintf(text, sizeof text, "Unknown command %.*s",
                       name_size < 64 ? (int)name_size : 64, name);
        return cluster_fail(cluster, VALKEY_ERR_PROTOCOL, text);
    default: return cluster_fail(cluster, VALKEY_ERR_PROTOCOL, "Malformed command");
    }
}

/* Where a command goes: to a node, or to that of a slot; SLOT_OF_KEY: of the command's key. */
struct target {
    valkeyClusterNode *node;
    int slot;
};

enum { SLOT_OF_KEY = -1 };

static const struct target BY_KEY = {.slot = SLOT_OF_KEY};

static struct target target_node(valkeyClusterNode *node) {
    return (struct target){.node = node, .slot = SLOT_OF_KEY};
}

static struct target target_key(const char *key, size_t size) {
    return (struct target){.slot = (int)slot_of_key(key, size)};
}

/* NULL on errors, which set cc->err. */
static struct request *start(struct cluster *cluster, struct target target, const char *command,
                             size_t size) {
    cluster_begin_command(cluster);
    int slot = target.slot;
    if (target.node != NULL && !cluster_node_exists(cluster, target.node))
        (void)cluster_fail(cluster, VALKEY_ERR_OTHER, "Unknown node");
    else if (target.node == NULL && slot == SLOT_OF_KEY)
        slot = cluster_find_slot(cluster, command, size);
    if (cluster->context.err != 0)
        return NULL;
    return request_create(cluster, (struct cluster_node *)(void *)target.node, slot, command, size);
}

void *cluster_finish_request(struct cluster *cluster, struct request *request) {
    cluster_drive(cluster, request);
    void *reply = request->reply;
    request->reply = NULL;
    int err = request->state == REQUEST_FAILED ? request->err : 0;
    char text[128];
    (void)snprintf(text, sizeof text, "%s", err != 0 ? request->errstr : "");
    request_destroy(cluster, request);
    if (cluster->requests == NULL)
        cluster_finish_updates(cluster);
    cluster_clear_error(cluster);
    if (err != 0)
        (void)cluster_fail(cluster, err, text);
    return reply;
}

static void *command(struct cluster *cluster, struct target target, const char *bytes,
                     long long size) {
    struct request *request = NULL;
    if (size < 0)
        cluster_fail_format(cluster, size);
    else
        request = start(cluster, target, bytes, (size_t)size);
    return request == NULL ? NULL : cluster_finish_request(cluster, request);
}

static int append(struct cluster *cluster, struct target target, const char *bytes,
                  long long size) {
    struct request *request = NULL;
    if (size < 0)
        cluster_fail_format(cluster, size);
    else
        request = start(cluster, target, bytes, (size_t)size);
    if (request == NULL)
        return VALKEY_ERR;
    if (cluster->requests == NULL)
        cluster->requests = request;
    else
        cluster->last->next = request;
    cluster->last = request;
    return VALKEY_OK;
}

void *valkeyClusterFormattedCommand(valkeyClusterContext *cc, char *cmd, int len) {
    return command(cluster_of(cc), BY_KEY, cmd, len);
}

void *valkeyClustervCommand(valkeyClusterContext *cc, const char *format, va_list ap) {
    char *bytes = NULL;
    int size = valkeyvFormatCommand(&bytes, format, ap);
    void *reply = command(cluster_of(cc), BY_KEY, bytes, size);
    valkeyFreeCommand(bytes);
    return reply;
}

void *valkeyClusterCommand(valkeyClusterContext *cc, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    void *reply = valkeyClustervCommand(cc, format, ap);
    va_end(ap);
    return reply;
}

void *valkeyClusterCommandArgv(valkeyClusterContext *cc, int argc, const char **argv,
                               const size_t *argvlen) {
    char *bytes = NULL;
    long long size = valkeyFormatCommandArgv(&bytes, argc, argv, argvlen);
    void *reply = command(cluster_of(cc), BY_KEY, bytes, size);
    valkeyFreeCommand(bytes);
    return reply;
}

void *valkeyClustervCommandToNode(valkeyClusterContext *cc, valkeyClusterNode *node,
                                  const char *format, va_list ap) {
    char *bytes = NULL;
    int size = valkeyvFormatCommand(&bytes, format, ap);
    void *reply = NULL;
    if (node == NULL)
        (void)cluster_fail(cluster_of(cc), VALKEY_ERR_OTHER, "Unknown node");
    else
        reply = command(cluster_of(cc), target_node(node), bytes, size);
    valkeyFreeCommand(bytes);
    return reply;
}

void *valkeyClusterCommandToNode(valkeyClusterContext *cc, valkeyClusterNode *node,
                                 const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    void *reply = valkeyClustervCommandToNode(cc, node, format, ap);
    va_end(ap);
    return reply;
}

int valkeyClusterAppendFormattedCommand(valkeyClusterContext *cc, char *cmd, int len) {
    return append(cluster_of(cc), BY_KEY, cmd, len);
}

int valkeyClustervAppendCommand(valkeyClusterContext *cc, const char *format, va_list ap) {
    char *bytes = NULL;
    int size = valkeyvFormatCommand(&bytes, format, ap);
    int result = append(cluster_of(cc), BY_KEY, bytes, size);
    valkeyFreeCommand(bytes);
    return result;
}

int valkeyClusterAppendCommand(valkeyClusterContext *cc, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    int result = valkeyClustervAppendCommand(cc, format, ap);
    va_end(ap);
    return result;
}

int valkeyClusterAppendCommandArgv(valkeyClusterContext *cc, int argc, const char **argv,
                                   const size_t *argvlen) {
    char *bytes = NULL;
    long long size = valkeyFormatCommandArgv(&bytes, argc, argv, argvlen);
    int result = append(cluster_of(cc), BY_KEY, bytes, size);
    valkeyFreeCommand(bytes);
    return result;
}

int valkeyClustervAppendCommandToNode(valkeyClusterContext *cc, valkeyClusterNode *node,
                                      const char *format, va_list ap) {
    char *bytes = NULL;
    int size = valkeyvFormatCommand(&bytes, format, ap);
    int result = VALKEY_ERR;
    if (node == NULL)
        (void)cluster_fail(cluster_of(cc), VALKEY_ERR_OTHER, "Unknown node");
    else
        result = append(cluster_of(cc), target_node(node), bytes, size);
    valkeyFreeCommand(bytes);
    return result;
}

int valkeyClusterAppendCommandToNode(valkeyClusterContext *cc, valkeyClusterNode *node,
                                     const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    int result = valkeyClustervAppendCommandToNode(cc, node, format, ap);
    va_end(ap);
    return result;
}

int valkeyClusterGetReply(valkeyClusterContext *cc, void **reply) {
    struct cluster *cluster = cluster_of(cc);
    struct request *request = cluster->requests;
    *reply = NULL;
    cluster_clear_error(cluster);
    if (request == NULL)
        return VALKEY_OK;
    /* It stays in the list while it is driven: an update of the map waits for the list to end. */
    cluster_drive(cluster, request);
    cluster->requests = request->next;
    *reply = cluster_finish_request(cluster, request);
    return *reply != NULL ? VALKEY_OK : VALKEY_ERR;
}

void valkeyClusterReset(valkeyClusterContext *cc) {
    struct cluster *cluster = cluster_of(cc);
    while (cluster->requests != NULL) {
        void *reply;
        (void)valkeyClusterGetReply(cc, &reply);
        freeReplyObject(reply);
    }
    if (cc->need_update_route)
        (void)cluster_update_map(cluster);
    cluster_clear_error(cluster);
}

void *valkeyClusterCommandByKey(valkeyClusterContext *cc, const char *key, size_t keylen,
                                const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    char *bytes = NULL;
    int size = valkeyvFormatCommand(&bytes, format, ap);
    void *reply = command(cluster_of(cc), target_key(key, keylen), bytes, size);
    valkeyFreeCommand(bytes);
    va_end(ap);
    return reply;
}

void *valkeyClusterCommandArgvByKey(valkeyClusterContext *cc, const char *key, size_t keylen,
                                    int argc, const char **argv, const size_t *argvlen) {
    char *bytes = NULL;
    long long size = valkeyFormatCommandArgv(&bytes, argc, argv, argvlen);
    void *reply = command(cluster_of(cc), target_key(key, keylen), bytes, size);
    valkeyFreeCommand(bytes);
    return reply;
}

int valkeyClusterAppendCommandByKey(valkeyClusterContext *cc, const char *key, size_t keylen,
                                    const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    char *bytes = NULL;
    int size = valkeyvFormatCommand(&bytes, format, ap);
    int result = append(cluster_of(cc), target_key(key, keylen), bytes, size);
    valkeyFreeCommand(bytes);
    va_end(ap);
    return result;
}
