/* SPDX-License-Identifier: BSD-3-Clause */
/* Choosing who answers a read. Candidates are the slot's primary and the nodes that replicate it,
 * without those that failed within the last second. A node whose zone is not known yet counts as
 * one of the wanted zone: the first read that it gets asks for it. */
#include "client/cluster_read.h"

#include "client/slot.h"
#include "valkey/cluster_read.h"

#include <string.h>

enum { AVOID_MS = 1000, PROBE_EVERY = 64 };

bool read_may_choose(const struct cluster *cluster, const char *command, size_t size) {
    struct command_traits traits;
    return cluster->read_from != VALKEYCLUSTER_READ_PRIMARY &&
           command_traits_of(command, size, &traits) && traits.is_readonly;
}

void read_avoid(struct cluster_node *node) {
    node->avoid_until_ms = clock_now_ms() + AVOID_MS;
}

static bool is_candidate(const struct cluster_node *node, const struct cluster_node *primary,
                         const char *zone, long long now_ms) {
    if (node != primary && (node->primary != primary || !node->is_mapped))
        return false;
    return node->avoid_until_ms <= now_ms &&
           (zone == NULL || node->zone == NULL || strcmp(node->zone, zone) == 0);
}

/* The candidate whose turn it is; NULL: there is none. */
static struct cluster_node *in_turn(struct cluster *cluster, const struct cluster_node *primary,
                                    const char *zone) {
    long long now_ms = clock_now_ms();
    size_t count = 0;
    for (size_t i = 0; i < cluster->node_count; i++)
        count += is_candidate(cluster->nodes[i], primary, zone, now_ms);
    if (count == 0)
        return NULL;
    size_t skip = cluster->read_turn++ % count;
    for (size_t i = 0; i < cluster->node_count; i++)
        if (is_candidate(cluster->nodes[i], primary, zone, now_ms) && skip-- == 0)
            return cluster->nodes[i];
    return NULL;
}

static struct cluster_node *nearest(struct cluster *cluster, const struct cluster_node *primary) {
    if (cluster->read_turn % PROBE_EVERY == PROBE_EVERY - 1)
        return in_turn(cluster, primary, NULL);
    long long now_ms = clock_now_ms();
    struct cluster_node *best = NULL;
    for (size_t i = 0; i < cluster->node_count; i++) {
        struct cluster_node *node = cluster->nodes[i];
        if (is_candidate(node, primary, NULL, now_ms) &&
            (best == NULL || node->statistics.latency_us < best->statistics.latency_us))
            best = node;
    }
    cluster->read_turn++;
    return best;
}

struct cluster_node *read_choose(struct cluster *cluster, struct cluster_node *primary) {
    struct cluster_node *chosen = NULL;
    if (cluster->read_from == VALKEYCLUSTER_READ_NEAREST)
        chosen = nearest(cluster, primary);
    else if (cluster->read_from == VALKEYCLUSTER_READ_ZONE)
        chosen = in_turn(cluster, primary, cluster->zone);
    if (chosen == NULL)
        chosen = in_turn(cluster, primary, NULL);
    return chosen != NULL ? chosen : primary;
}

bool read_wants_zone(const struct cluster_node *node) {
    return node->cluster->read_from == VALKEYCLUSTER_READ_ZONE && node->zone == NULL &&
           !node->is_zone_asked;
}

const char READ_READONLY[19] = "*1\r\n$8\r\nREADONLY\r\n";
const char READ_INFO[27] = "*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n";

void read_take_zone(struct cluster_node *node, const valkeyReply *reply) {
    static const char FIELD[] = "availability_zone:";
    node->is_zone_asked = false;
    if (reply == NULL)
        return;
    const char *at = reply->type == VALKEY_REPLY_ERROR ? NULL : reply->str;
    if (at != NULL)
        at = strstr(at, FIELD);
    at = at == NULL ? "" : at + sizeof FIELD - 1;
    size_t size = strcspn(at, "\r\n");
    char *zone = vk_malloc(size + 1);
    if (zone == NULL)
        return;
    memcpy(zone, at, size);
    zone[size] = '\0';
    vk_free(node->zone);
    node->zone = zone;
}

int valkeyClusterSetReadFrom(valkeyClusterContext *cc, int read_from, const char *zone) {
    struct cluster *cluster = cluster_of(cc);
    cluster_clear_error(cluster);
    if (read_from < VALKEYCLUSTER_READ_PRIMARY || read_from > VALKEYCLUSTER_READ_NEAREST ||
        (read_from == VALKEYCLUSTER_READ_ZONE) != (zone != NULL))
        return cluster_fail(cluster, VALKEY_ERR_OTHER, "Unsupported options");
    char *copy = zone == NULL ? NULL : vk_strdup(zone);
    if (zone != NULL && copy == NULL)
        return cluster_fail_memory(cluster);
    vk_free(cluster->zone);
    cluster->zone = copy;
    cluster->read_from = read_from;
    if (read_from != VALKEYCLUSTER_READ_PRIMARY && !(cc->options & VALKEY_OPT_USE_REPLICAS)) {
        cc->options |= VALKEY_OPT_USE_REPLICAS;
        cc->need_update_route = 1;
    }
    return VALKEY_OK;
}
