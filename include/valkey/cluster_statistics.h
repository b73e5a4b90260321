/* SPDX-License-Identifier: BSD-3-Clause */
/* What a cluster context has seen of its nodes: numbers, and messages about what it does. For an
 * asynchronous context pass &acc->cc. */
#ifndef VALKEY_CLUSTER_STATISTICS_H
#define VALKEY_CLUSTER_STATISTICS_H

#include "cluster.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Since the node became known. */
typedef struct valkeyClusterNodeStatistics {
    uint64_t commands;       /* sent, those sent again included */
    uint64_t redirects;      /* MOVED and ASK that it answered */
    uint64_t retries;        /* TRYAGAIN, CLUSTERDOWN, LOADING that it answered */
    uint64_t connects;       /* attempts */
    uint64_t errors;         /* connections that failed, timeouts included */
    uint64_t timeouts;       /* of commands */
    uint64_t samples;        /* of latency: commands sent while no other was under way */
    uint64_t latency_us;     /* moving average, the newest sample counts an eighth */
    uint64_t latency_max_us; /* of all samples */
    uint64_t latency_sum_us;
    uint64_t reserved[6];
} valkeyClusterNodeStatistics;

/* Copy up to `capacity` known nodes, primaries and replicas, to `nodes`. Returns how many there
 * are. They are valid until the map is updated. */
LIBVALKEY_API size_t valkeyClusterGetNodes(valkeyClusterContext *cc, valkeyClusterNode **nodes,
                                           size_t capacity);
/* VALKEY_ERR: the node is not known (any more). */
LIBVALKEY_API int valkeyClusterGetNodeStatistics(valkeyClusterContext *cc,
                                                 const valkeyClusterNode *node,
                                                 valkeyClusterNodeStatistics *out);

#define VALKEY_LOG_DEBUG   0 /* redirections, retries, maps */
#define VALKEY_LOG_INFO    1 /* connections */
#define VALKEY_LOG_WARNING 2 /* what failed */

/* `message` is borrowed for the call: one line without its end. The context must not be used. */
typedef void(valkeyClusterLogFn)(const valkeyClusterContext *cc, int level, const char *message,
                                 void *privdata);

/* Call `fn` for messages from `level` on; NULL: no more. */
LIBVALKEY_API void valkeyClusterSetLogCallback(valkeyClusterContext *cc, int level,
                                               valkeyClusterLogFn *fn, void *privdata);

#ifdef __cplusplus
}
#endif

#endif
