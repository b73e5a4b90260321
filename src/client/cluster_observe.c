/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers and messages about nodes. Latency is taken from commands that are written while the node
 * owes nothing, so that waiting in a pipeline does not count; that costs two looks at the clock per
 * round trip and none per further command of a pipeline. */
#include "client/cluster_internal.h"

#include <time.h>

enum { IDLE = 0, ARMED = -1, SHARE = 8 };

long long cluster_now_us(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void node_timing_arm(struct cluster_node *node) {
    if (node->timed_since_us == IDLE)
        node->timed_since_us = ARMED;
}

void node_timing_start(struct cluster_node *node) {
    if (node->timed_since_us == ARMED)
        node->timed_since_us = cluster_now_us();
}

void node_timing_drop(struct cluster_node *node) {
    node->timed_since_us = IDLE;
}

void node_timing_end(struct cluster_node *node) {
    long long since_us = node->timed_since_us;
    node->timed_since_us = IDLE;
    if (since_us <= 0)
        return;
    valkeyClusterNodeStatistics *seen = &node->statistics;
    uint64_t sample_us = (uint64_t)(cluster_now_us() - since_us);
    seen->latency_us =
        seen->samples == 0 ? sample_us : (seen->latency_us * (SHARE - 1) + sample_us) / SHARE;
    if (sample_us > seen->latency_max_us)
        seen->latency_max_us = sample_us;
    seen->latency_sum_us += sample_us;
    seen->samples++;
}

void node_note_error(struct cluster_node *node, int err, const char *text) {
    node->statistics.errors++;
    node->statistics.timeouts += err == VALKEY_ERR_TIMEOUT;
    node_timing_drop(node);
    cluster_log(node->cluster, VALKEY_LOG_WARNING, "connection to %s failed: %s", node->base.addr,
                text);
}

void cluster_log(struct cluster *cluster, int level, const char *format, ...) {
    if (cluster->log == NULL || level < cluster->log_level)
        return;
    char message[256];
    va_list ap;
    va_start(ap, format);
    (void)vsnprintf(message, sizeof message, format, ap);
    va_end(ap);
    cluster->log(&cluster->context, level, message, cluster->log_privdata);
}

size_t valkeyClusterGetNodes(valkeyClusterContext *cc, valkeyClusterNode **nodes, size_t capacity) {
    const struct cluster *cluster = cluster_of(cc);
    size_t count = 0;
    for (size_t i = 0; i < cluster->node_count; i++) {
        struct cluster_node *node = cluster->nodes[i];
        if (!node->is_mapped)
            continue;
        if (count < capacity)
            nodes[count] = &node->base;
        count++;
    }
    return count;
}

int valkeyClusterGetNodeStatistics(valkeyClusterContext *cc, const valkeyClusterNode *node,
                                   valkeyClusterNodeStatistics *out) {
    if (!cluster_node_exists(cluster_of(cc), node))
        return VALKEY_ERR;
    *out = ((const struct cluster_node *)(const void *)node)->statistics;
    return VALKEY_OK;
}

void valkeyClusterSetLogCallback(valkeyClusterContext *cc, int level, valkeyClusterLogFn *fn,
                                 void *privdata) {
    struct cluster *cluster = cluster_of(cc);
    cluster->log = fn;
    cluster->log_level = level;
    cluster->log_privdata = privdata;
}
