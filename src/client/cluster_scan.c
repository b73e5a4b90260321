/* SPDX-License-Identifier: BSD-3-Clause */
/* A scan keeps two sets of slots: those done, and those that the node it is at had when the walk
 * there began. When the node's cursor is back at 0, the slots that it still has are done. A node
 * that fails or leaves is forgotten with its cursor; its slots are still to do. Keys of a slot that
 * is on its way (a move) go only in one direction: it is done when first the node that has it and
 * then the one it goes to have been walked. */
#include "valkey/cluster_scan.h"
#include "client/cluster_internal.h"

#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 8, FAILURES_MAX = 5, ANY_SLOT = -1 };

/* A slot whose node has been walked, and which was on its way to another one then. */
struct move {
    struct move *next;
    int slot;
    int port;
    size_t host_size;
    char addr[]; /* host:port of the other */
};

struct valkeyClusterScan {
    struct cluster *cluster;
    struct move *moves; /* at most one per slot */
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

/* Those of a slot, or of any; to an address, or (NULL) to any. */
static void drop_moves(valkeyClusterScan *scan, int slot, const char *addr) {
    struct move **at = &scan->moves;
    while (*at != NULL) {
        struct move *move = *at;
        if ((slot != ANY_SLOT && move->slot != slot) ||
            (addr != NULL && strcmp(move->addr, addr) != 0)) {
            at = &move->next;
            continue;
        }
        *at = move->next;
        vk_free(move);
    }
}

void valkeyClusterScanFree(valkeyClusterScan *scan) {
    if (scan == NULL)
        return;
    drop_moves(scan, ANY_SLOT, NULL);
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

static struct move *move_of(const valkeyClusterScan *scan, int slot) {
    struct move *move = scan->moves;
    while (move != NULL && move->slot != slot)
        move = move->next;
    return move;
}

/* The address of the node where a slot is to be walked next; NULL: nobody has it. */
static const char *place_of(const valkeyClusterScan *scan, int slot) {
    const struct move *move = move_of(scan, slot);
    if (move != NULL)
        return move->addr;
    return owner_of(scan, slot) == NULL ? NULL : owner_of(scan, slot)->addr;
}

/* Begin with the node of the first slot that is not done. False: cc->err is set, or all are done.
 */
static bool begin_node(valkeyClusterScan *scan) {
    int slot = 0;
    while (slot < VALKEYCLUSTER_SLOTS && scan->is_done[slot])
        slot++;
    if (slot == VALKEYCLUSTER_SLOTS)
        return false;
    const char *place = place_of(scan, slot);
    if (place == NULL) {
        scan->cluster->context.need_update_route = 1;
        (void)cluster_fail(scan->cluster, VALKEY_ERR_OTHER, "slot not served by any node");
        return false;
    }
    scan->addr = vk_strdup(place);
    if (scan->addr == NULL) {
        (void)cluster_fail_memory(scan->cluster);
        return false;
    }
    for (slot = 0; slot < VALKEYCLUSTER_SLOTS; slot++) {
        place = scan->is_done[slot] ? NULL : place_of(scan, slot);
        scan->is_current[slot] = place != NULL && strcmp(place, scan->addr) == 0;
    }
    (void)snprintf(scan->cursor, sizeof scan->cursor, "0");
    return true;
}

/* The node that the scan is at, if it still serves slots or gets one. */
static struct cluster_node *current_node(const valkeyClusterScan *scan) {
    struct cluster *cluster = scan->cluster;
    const struct move *move = scan->moves;
    while (move != NULL && strcmp(move->addr, scan->addr) != 0)
        move = move->next;
    if (move != NULL)
        return cluster_node_get(cluster, move->addr, move->host_size, move->port);
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

/* Note that a slot goes to the node whose id `id` begins with, by a text of CLUSTER NODES: lines of
 * id, host:port@port... False without memory. What is not understood is not noted. */
static bool note_move(valkeyClusterScan *scan, const char *nodes, int slot, const char *id) {
    size_t id_size = strcspn(id, "]\n");
    const char *line = nodes;
    while (strncmp(line, id, id_size) != 0 || line[id_size] != ' ') {
        line += strcspn(line, "\n");
        if (id_size == 0 || *line++ == '\0')
            return true;
    }
    const char *host = line + id_size + 1;
    size_t size = strcspn(host, "@, \n"), host_size = size;
    while (host_size > 0 && host[host_size - 1] != ':')
        host_size--;
    int port = host_size > 1 ? atoi(host + host_size) : 0;
    if (port <= 0 || port > UINT16_MAX)
        return true;
    struct move *move = vk_calloc(1, sizeof *move + size + 1);
    if (move == NULL)
        return false;
    drop_moves(scan, slot, NULL);
    memcpy(move->addr, host, size);
    move->host_size = host_size - 1;
    move->port = port;
    move->slot = slot;
    move->next = scan->moves;
    scan->moves = move;
    return true;
}

/* Note which slots are on their way from the node that answered CLUSTER NODES: in its own line
 * stands [slot->-id]. False without memory. */
static bool note_moves(valkeyClusterScan *scan, const char *nodes) {
    const char *at = strstr(nodes, "myself");
    const char *end = at == NULL ? NULL : at + strcspn(at, "\n");
    while (at != NULL && (at = strchr(at, '[')) != NULL && at < end) {
        char *arrow;
        long slot = strtol(++at, &arrow, 10);
        if (strncmp(arrow, "->-", 3) == 0 && slot >= 0 && slot < VALKEYCLUSTER_SLOTS &&
            scan->is_current[slot] && !note_move(scan, nodes, (int)slot, arrow + 3))
            return false;
    }
    return true;
}

/* Ask a node which of its slots are on their way; one that does not say has none. */
static bool ask_moves(valkeyClusterScan *scan, struct cluster_node *node) {
    static const char ASK[] = "*2\r\n$7\r\nCLUSTER\r\n$5\r\nNODES\r\n";
    struct request *request = request_create(scan->cluster, node, -1, ASK, sizeof ASK - 1);
    valkeyReply *reply = request == NULL ? NULL : cluster_finish_request(scan->cluster, request);
    if (reply == NULL)
        return false;
    bool has_memory =
        reply->type == VALKEY_REPLY_ERROR || reply->str == NULL || note_moves(scan, reply->str);
    freeReplyObject(reply);
    if (!has_memory)
        (void)cluster_fail_memory(scan->cluster);
    return has_memory;
}

/* The node has been walked to its end: its slots are done, if they are still there and stay, or
 * were on their way to it. */
static bool finish_node(valkeyClusterScan *scan, struct cluster_node *node) {
    if (!ask_moves(scan, node) || cluster_update_map(scan->cluster) != VALKEY_OK)
        return false;
    for (int slot = 0; slot < VALKEYCLUSTER_SLOTS; slot++) {
        const char *place = scan->is_current[slot] ? place_of(scan, slot) : NULL;
        if (place != NULL && strcmp(place, scan->addr) == 0)
            scan->is_done[slot] = true;
    }
    drop_moves(scan, ANY_SLOT, scan->addr);
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
            drop_moves(scan, ANY_SLOT, scan->addr);
            forget_node(scan);
            cluster->context.need_update_route = 1;
            if (node != NULL && ++failures >= FAILURES_MAX)
                return NULL;
            continue;
        }
        valkeyReply *keys = take_keys(scan, reply);
        if (keys == NULL)
            return NULL;
        bool is_failed = strcmp(scan->cursor, "0") == 0 && !finish_node(scan, node);
        if (keys->elements > 0)
            return keys;
        freeReplyObject(keys);
        if (is_failed)
            return NULL;
    }
}
