/* SPDX-License-Identifier: BSD-3-Clause */
/* What a client of clusters reads from others, by the first byte: a slot map in any of three forms
 * as a reply, a redirection, an address, a command to be routed or to be sent in parts. */
#include "client/cluster_spread.h"

#include <stdlib.h>
#include <string.h>

static void apply_map(struct cluster *cluster, const char *text, size_t size) {
    valkeyReader *reader = valkeyReaderCreate();
    void *reply = NULL;
    struct cluster_node *from = cluster_node_get(cluster, "127.0.0.1", 9, 1);
    reader->maxelements = 4096;
    (void)valkeyReaderFeed(reader, text, size);
    if (valkeyReaderGetReply(reader, &reply) == VALKEY_OK && reply != NULL) {
        (void)cluster_map_apply(cluster, from, reply);
        cluster_map_sweep(cluster);
        for (int slot = 0; slot < VALKEYCLUSTER_SLOTS; slot++) {
            const valkeyClusterNode *node = cluster->context.table[slot];
            if (node != NULL && !cluster_node_exists(cluster, node))
                abort();
        }
    }
    freeReplyObject(reply);
    valkeyReaderFree(reader);
}

static void parse_redirect(struct cluster *cluster, const char *text, size_t size) {
    char *copy = malloc(size + 1);
    memcpy(copy, text, size);
    copy[size] = '\0';
    const char *host;
    size_t host_size;
    int slot, port;
    const struct cluster_node *from = cluster_node_get(cluster, "127.0.0.1", 9, 1);
    if (cluster_parse_redirect(from, copy, &slot, &host, &host_size, &port) &&
        (slot < 0 || slot >= VALKEYCLUSTER_SLOTS || port < 1 || port > 65535 || host_size == 0))
        abort();
    free(copy);
}

/* A command that is split, and its parts. */
static void plan(struct cluster *cluster, const char *text, size_t size) {
    struct spread_plan plan;
    struct command_traits traits;
    const char *key;
    size_t key_size, keys = 0;
    if (command_key_of(text, size, &key, &key_size) && (key < text || key + key_size > text + size))
        abort();
    (void)command_traits_of(text, size, &traits);
    if (spread_plan_init(&plan, cluster, text, size) == VALKEY_OK)
        for (size_t i = 0; i < plan.part_count; i++) {
            char *bytes = NULL;
            keys += plan.parts[i].key_count;
            if (plan.parts[i].key_count > 0 &&
                spread_part_format(&plan, &plan.parts[i], &bytes) < 0)
                abort();
            valkeyFreeCommand(bytes);
        }
    if (keys != plan.key_count)
        abort();
    spread_plan_finish(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    valkeyClusterContext *cc = valkeyClusterConnect("");
    struct cluster *cluster = cluster_of(cc);
    /* An exact copy, so that reading past the end is noticed. */
    char *text = malloc(size - 1);
    memcpy(text, data + 1, size - 1);
    const char *part;
    size_t part_size;
    int port;
    unsigned slot;
    switch (data[0] % 6) { /* "0" to "5" */
    case 0: apply_map(cluster, text, size - 1); break;
    case 1: parse_redirect(cluster, text, size - 1); break;
    case 2: (void)cluster_parse_seed(text, size - 1, &part, &part_size, &port); break;
    case 4: plan(cluster, text, size - 1); break;
    case 5:
        cc->options |= VALKEY_OPT_USE_CLUSTER_SHARDS | VALKEY_OPT_USE_REPLICAS;
        apply_map(cluster, text, size - 1);
        break;
    default: (void)slot_of_command(text, size - 1, &slot, &part, &part_size); break;
    }
    free(text);
    valkeyClusterFree(cc);
    return 0;
}
