/* SPDX-License-Identifier: BSD-3-Clause */
/* A scan keeps two sets of slots: those done, and those that the node it is at had when the walk
 * there began. When the node's cursor is back at 0, the slots that it still has are done. A node
 * that fails or leaves is forgotten with its cursor; its slots are still to do. */
#include "valkey/cluster_scan.h"
#include "client/cluster_internal.h"

#include <string.h>

enum { WORDS_MAX = 8, FAILURES_MAX = 5 };

struct valkeyClusterScan {
    struct cluster *cluster;
    char *match, *type;
    int count;
    char *addr; /* of the node that it is at; NULL: none */
    char cursor[24];
    bool is_done[VALKEYCLUSTER_SLOTS];
    bool is_current[VALKEYCLUSTER_SLOTS];
};

valkeyClusterScan *valkeyClusterScanCreate(valkeyClusterContext *cc,
                                           const valkeyClusterScanOptions *options) {
    valkeyClusterScan *scan = vk_calloc(1, sizeof *scan);
    cluster_clear_error(cluster_of(cc));
    bool has_memory = scan != NULL;
    if (has_memory) {
        scan->cluster = cluster_of(cc);
        scan->count = options == NULL ? 0 : options->count;
    }
    if (has_memory && options != NULL && options->match != NULL)
        has_memory = (scan->match = vk_strdup(options->match)) != NULL;
    if (has_memory && options != NULL && options->type != NULL)
        has_memory = (scan->type = vk_strdup(options->type)) != NULL;
    if (has_memory)
        return scan;
    valkeyClusterScanFree(scan);
    (void)cluster_fail_memory(cluster_of(cc));
    return NULL;
}

void valkeyClusterScanFree(valkeyClusterScan *scan) {
    if (scan == NULL)
        return;
    vk_free(scan->match);
    vk_free(scan->type);
    vk_free(scan->addr);
    vk_free(scan);
}

static void forget_node(valkeyClusterScan *scan) {
    vk_free(scan->addr);
    scan->addr = NULL;
}

static valkeyClusterNode *owner_of(const valkeyClusterScan *scan, int slot) {
    return scan->cluster->context.table[slot];
}

/* Begin with the node of the first slot that is not done. False: cc->err is set, or all are done.
 */
static bool begin_node(valkeyClusterScan *scan) {
    int slot = 0;
    while (slot < VALKEYCLUSTER_SLOTS && scan->is_done[slot])
        slot++;
    if (slot == VALKEYCLUSTER_SLOTS)
        return false;
    const valkeyClusterNode *node = owner_of(scan, slot);
    if (node == NULL) {
        scan->cluster->context.need_update_route = 1;
        (void)cluster_fail(scan->cluster, VALKEY_ERR_OTHER, "slot not served by any node");
        return false;
    }
    scan->addr = vk_strdup(node->addr);
    if (scan->addr == NULL) {
        (void)cluster_fail_memory(scan->cluster);
        return false;
    }
    for (slot = 0; slot < VALKEYCLUSTER_SLOTS; slot++)
        scan->is_current[slot] = !scan->is_done[slot] && owner_of(scan, slot) == node;
    (void)snprintf(scan->cursor, sizeof scan->cursor, "0");
    return true;
}

/* The node that the scan is at, if it still serves slots. */
static struct cluster_node *current_node(const valkeyClusterScan *scan) {
    const struct cluster *cluster = scan->cluster;
    for (size_t i = 0; i < cluster->node_count; i++) {
        struct cluster_node *node = cluster->nodes[i];
        if (strcmp(node->base.addr, scan->addr) == 0)
            return node->is_mapped && node->base.role == VALKEY_ROLE_PRIMARY ? node : NULL;
    }
    return NULL;
}

static long long format(const valkeyClusterScan *scan, char **out_bytes) {
    const char *words[WORDS_MAX] = {"SCAN", scan->cursor};
    char number[16];
    int count = 2;
    if (scan->match != NULL) {
        words[count++] = "MATCH";
        words[count++] = scan->match;
    }
    if (scan->count > 0) {
        (void)snprintf(number, sizeof number, "%d", scan->count);
        words[count++] = "COUNT";
        words[count++] = number;
    }
    if (scan->type != NULL) {
        words[count++] = "TYPE";
        words[count++] = scan->type;
    }
    return valkeyFormatCommandArgv(out_bytes, count, words, NULL);
}

/* One SCAN. NULL: cc->err is set. */
static valkeyReply *ask(valkeyClusterScan *scan, struct cluster_node *node) {
    char *bytes = NULL;
    long long size = format(scan, &bytes);
    if (size < 0) {
        (void)cluster_fail_memory(scan->cluster);
        return NULL;
    }
    struct request *request = request_create(scan->cluster, node, -1, bytes, (size_t)size);
    valkeyFreeCommand(bytes);
    return request == NULL ? NULL : cluster_finish_request(scan->cluster, request);
}

/* The node has been walked to its end: its slots are done, if they are still there. */
static bool finish_node(valkeyClusterScan *scan) {
    if (cluster_update_map(scan->cluster) != VALKEY_OK)
        return false;
    const struct cluster_node *node = current_node(scan);
    for (int slot = 0; node != NULL && slot < VALKEYCLUSTER_SLOTS; slot++)
        if (scan->is_current[slot] && owner_of(scan, slot) == &node->base)
            scan->is_done[slot] = true;
    forget_node(scan);
    return true;
}

/* Take the keys out of an answer and note its cursor; NULL: cc->err is set. */
static valkeyReply *take_keys(valkeyClusterScan *scan, valkeyReply *reply) {
    valkeyReply *keys = NULL;
    if (reply->type == VALKEY_REPLY_ERROR) {
        (void)cluster_fail(scan->cluster, VALKEY_ERR_OTHER, reply->str);
    } else if (reply->type != VALKEY_REPLY_ARRAY || reply->elements != 2 ||
               reply->element[0]->type != VALKEY_REPLY_STRING ||
               reply->element[0]->len >= sizeof scan->cursor ||
               reply->element[1]->type != VALKEY_REPLY_ARRAY) {
        (void)cluster_fail(scan->cluster, VALKEY_ERR_PROTOCOL, "Malformed answer to SCAN");
    } else {
        (void)snprintf(scan->cursor, sizeof scan->cursor, "%s", reply->element[0]->str);
        keys = reply->element[1];
        reply->element[1] = NULL;
    }
    freeReplyObject(reply);
    return keys;
}

valkeyReply *valkeyClusterScanNext(valkeyClusterScan *scan) {
    struct cluster *cluster = scan->cluster;
    for (int failures = 0;;) {
        cluster_begin_command(cluster);
        if (scan->addr == NULL && !begin_node(scan))
            return NULL;
        struct cluster_node *node = current_node(scan);
        valkeyReply *reply = node == NULL ? NULL : ask(scan, node);
        if (reply == NULL) {
            forget_node(scan);
            cluster->context.need_update_route = 1;
            if (node != NULL && ++failures >= FAILURES_MAX)
                return NULL;
            continue;
        }
        valkeyReply *keys = take_keys(scan, reply);
        if (keys == NULL)
            return NULL;
        bool is_failed = strcmp(scan->cursor, "0") == 0 && !finish_node(scan);
        if (keys->elements > 0)
            return keys;
        freeReplyObject(keys);
        if (is_failed)
            return NULL;
    }
}
