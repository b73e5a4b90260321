/* SPDX-License-Identifier: BSD-3-Clause */
/* What errors about the cluster ask for, the same for both engines: where a redirection leads, and
 * how long to wait before a command is sent again. Delays double and are randomised, so that
 * clients that were turned away together don't come back together. */
#include "client/cluster_internal.h"

#include "base/random.h"

#include <string.h>

enum { DELAY_MIN_MS = 10, DELAY_DOUBLINGS = 6, REDIRECTS_AT_ONCE = 2 };

const char CLUSTER_ASKING[17] = "*1\r\n$6\r\nASKING\r\n";

const char *cluster_map_command(const struct cluster *cluster, size_t *out_size) {
    static const char SLOTS[] = "*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n";
    static const char NODES[] = "*2\r\n$7\r\nCLUSTER\r\n$5\r\nNODES\r\n";
    static const char SHARDS[] = "*2\r\n$7\r\nCLUSTER\r\n$6\r\nSHARDS\r\n";
    int options = cluster->context.options;
    const char *command = options & VALKEY_OPT_USE_CLUSTER_SHARDS  ? SHARDS
                          : options & VALKEY_OPT_USE_CLUSTER_NODES ? NODES
                                                                   : SLOTS;
    *out_size = strlen(command);
    return command;
}

static bool begins_with(const char *text, const char *word) {
    return strncmp(text, word, strlen(word)) == 0;
}

enum cluster_error cluster_error_of(const char *text) {
    if (begins_with(text, "MOVED"))
        return CLUSTER_ERROR_MOVED;
    if (begins_with(text, "ASK ") || strcmp(text, "ASK") == 0)
        return CLUSTER_ERROR_ASK;
    if (begins_with(text, "CLUSTERDOWN"))
        return CLUSTER_ERROR_DOWN;
    if (begins_with(text, "TRYAGAIN") || begins_with(text, "LOADING"))
        return CLUSTER_ERROR_LATER;
    return CLUSTER_ERROR_NONE;
}

struct cluster_node *cluster_follow(struct cluster *cluster, struct cluster_node *from,
                                    const char *text, enum cluster_error error,
                                    struct retries *retries) {
    int slot, port;
    const char *host;
    size_t host_size;
    if (!cluster_parse_redirect(from, text, &slot, &host, &host_size, &port)) {
        (void)cluster_fail(cluster, VALKEY_ERR_PROTOCOL, "Malformed redirection");
        return NULL;
    }
    if (++retries->redirects > cluster->context.max_retry_count) {
        (void)cluster_fail(cluster, ERROR_TOO_MANY_RETRIES, "too many cluster retries");
        return NULL;
    }
    from->statistics.redirects++;
    cluster_log(cluster, VALKEY_LOG_DEBUG, "%s answered %s", from->base.addr, text);
    struct cluster_node *node = cluster_node_get(cluster, host, host_size, port);
    if (node == NULL) {
        (void)cluster_fail_memory(cluster);
        return NULL;
    }
    if (error == CLUSTER_ERROR_MOVED) {
        node->is_mapped = true;
        node->is_gone = false;
        node->base.role = VALKEY_ROLE_PRIMARY;
        node->primary = NULL;
        cluster->context.table[slot] = &node->base;
    }
    return node;
}

bool retries_are_many(const struct retries *retries) {
    return retries->redirects > REDIRECTS_AT_ONCE;
}

bool retries_plan(struct retries *retries, const struct timeval *timeout, int max_retry) {
    long long now_ms = clock_now_ms();
    if (retries->delays == 0)
        retries->first_ms = now_ms;
    int doublings = retries->delays < DELAY_DOUBLINGS ? retries->delays : DELAY_DOUBLINGS;
    struct random random = random_seeded((uint64_t)now_ms ^ (uintptr_t)retries);
    uint64_t delay_ms = (uint64_t)DELAY_MIN_MS << doublings;
    delay_ms = delay_ms / 2 + random_below(&random, delay_ms / 2 + 1);
    retries->at_ms = now_ms + (long long)delay_ms;
    retries->delays++;
    if (timeout == NULL)
        return retries->delays <= max_retry;
    return retries->at_ms - retries->first_ms <
           (long long)timeout->tv_sec * 1000 + timeout->tv_usec / 1000;
}

bool retries_put_off(struct cluster *cluster, struct retries *retries) {
    const valkeyClusterContext *cc = &cluster->context;
    if (retries_plan(retries, cc->command_timeout, cc->max_retry_count))
        return true;
    (void)cluster_fail(cluster, ERROR_TOO_MANY_RETRIES, "too many cluster retries");
    return false;
}
