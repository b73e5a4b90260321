/* SPDX-License-Identifier: BSD-3-Clause */
/* The map of slots. An answer is first read into ranges that point into it, which can fail without
 * a trace; then nodes are made and the table is filled. */
#include "client/cluster_ranges.h"

#include <string.h>

void cluster_map_sweep(struct cluster *cluster) {
    size_t kept = 0;
    for (size_t i = 0; i < cluster->node_count; i++) {
        struct cluster_node *node = cluster->nodes[i];
        if (node->is_mapped || node->owed_count > 0 || node->connections > 0)
            cluster->nodes[kept++] = node;
        else
            cluster_node_destroy(node);
    }
    cluster->node_count = kept;
}

/* Make the nodes of all ranges; nothing else changes. */
static bool make_nodes(struct cluster *cluster, const struct ranges *ranges,
                       struct cluster_node **nodes) {
    for (size_t i = 0; i < ranges->count; i++) {
        const struct address *address = &ranges->items[i].address;
        nodes[i] = cluster_node_get(cluster, address->host, address->host_size, address->port);
        if (nodes[i] == NULL)
            return false;
    }
    return true;
}

static void fill_table(struct cluster *cluster, const struct ranges *ranges,
                       struct cluster_node *const *nodes) {
    valkeyClusterNode **table = cluster->context.table;
    memset(table, 0, VALKEYCLUSTER_SLOTS * sizeof(*table));
    for (size_t i = 0; i < cluster->node_count; i++) {
        struct cluster_node *node = cluster->nodes[i];
        node->is_gone = node->is_gone || node->is_mapped;
        node->is_mapped = false;
        node->primary = NULL;
    }
    for (size_t i = 0; i < ranges->count; i++) {
        const struct range *range = &ranges->items[i];
        nodes[i]->is_mapped = true;
        nodes[i]->is_gone = false;
        nodes[i]->base.role = range->is_replica ? VALKEY_ROLE_REPLICA : VALKEY_ROLE_PRIMARY;
        nodes[i]->primary =
            range->is_replica && range->primary != RANGES_NO_PRIMARY ? nodes[range->primary] : NULL;
        for (int slot = range->start; range->start >= 0 && slot <= range->end; slot++)
            table[slot] = &nodes[i]->base;
    }
}

static bool has_primary(const struct ranges *ranges) {
    for (size_t i = 0; i < ranges->count; i++)
        if (ranges->items[i].start >= 0)
            return true;
    return false;
}

static int apply_ranges(struct cluster *cluster, const struct ranges *ranges) {
    if (!has_primary(ranges))
        return cluster_fail(cluster, VALKEY_ERR_OTHER, "No slot information");
    struct cluster_node **nodes = vk_calloc(ranges->count, sizeof(*nodes));
    if (nodes == NULL || !make_nodes(cluster, ranges, nodes)) {
        vk_free(nodes);
        return cluster_fail_memory(cluster);
    }
    fill_table(cluster, ranges, nodes);
    vk_free(nodes);
    cluster->context.route_version++;
    cluster->context.need_update_route = 0;
    cluster_log(cluster, VALKEY_LOG_DEBUG, "map of slots updated, version %llu",
                (unsigned long long)cluster->context.route_version);
    cluster_tell(cluster, VALKEYCLUSTER_EVENT_SLOTMAP_UPDATED);
    if (!cluster->is_ready) {
        cluster->is_ready = true;
        cluster_tell(cluster, VALKEYCLUSTER_EVENT_READY);
    }
    return VALKEY_OK;
}

int cluster_map_apply(struct cluster *cluster, struct cluster_node *from,
                      const valkeyReply *reply) {
    if (reply->type == VALKEY_REPLY_ERROR)
        return cluster_fail(cluster, VALKEY_ERR_OTHER, reply->str);
    bool wants_replicas = cluster->context.options & VALKEY_OPT_USE_REPLICAS;
    struct ranges ranges = {0};
    enum add_result result = ADD_MALFORMED;
    if (reply->type == VALKEY_REPLY_ARRAY &&
        cluster->context.options & VALKEY_OPT_USE_CLUSTER_SHARDS)
        result = ranges_read_shards(
            from, reply, wants_replicas,
            cluster->context.tls != NULL && cluster->context.tls_init_fn != NULL, &ranges);
    else if (reply->type == VALKEY_REPLY_ARRAY)
        result = ranges_read_slots(from, reply, wants_replicas, &ranges);
    else if (reply->type == VALKEY_REPLY_STRING || reply->type == VALKEY_REPLY_VERB)
        result = ranges_read_nodes(from, reply, wants_replicas, &ranges);
    int status;
    if (result == ADDED)
        status = apply_ranges(cluster, &ranges);
    else if (result == ADD_NO_MEMORY)
        status = cluster_fail_memory(cluster);
    else
        status = cluster_fail(cluster, VALKEY_ERR_PROTOCOL, "Malformed slot map");
    if (status != VALKEY_OK)
        cluster_log(cluster, VALKEY_LOG_WARNING, "map of slots from %s is of no use: %s",
                    from->base.addr, cluster->context.errstr);
    vk_free(ranges.items);
    return status;
}
