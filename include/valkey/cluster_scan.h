/* SPDX-License-Identifier: BSD-3-Clause */
/* All keys of a cluster, node after node. As with SCAN, a key that is there from beginning to end
 * is returned at least once, perhaps more often. What nodes have is accounted by slot: when slots
 * move or a replica takes over meanwhile, the slots concerned are walked again at their new node,
 * and so are those that are on their way when their node is finished (it is asked with CLUSTER
 * NODES). Only of a slot that turns back or is sent on before it has arrived, keys may be missed.
 */
#ifndef VALKEY_CLUSTER_SCAN_H
#define VALKEY_CLUSTER_SCAN_H

#include "cluster.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct valkeyClusterScan valkeyClusterScan;

/* Zero is the default. Borrowed for the call. */
typedef struct valkeyClusterScanOptions {
    const char *match; /* pattern of keys; NULL: all */
    const char *type;  /* "string", "list" ...; NULL: all */
    int count;         /* how many keys a node looks at per call; 0: its default */
} valkeyClusterScanOptions;

/* `options` may be NULL. Nothing is sent yet. Returns owned; NULL: cc->err is set. */
LIBVALKEY_API valkeyClusterScan *valkeyClusterScanCreate(valkeyClusterContext *cc,
                                                         const valkeyClusterScanOptions *options);
/* The next keys, an array that is not empty, owned. NULL: cc->err is 0: those were all; else
 * something failed, and the next call tries to go on. Blocks. */
LIBVALKEY_API valkeyReply *valkeyClusterScanNext(valkeyClusterScan *scan);
/* Before the context is freed. NULL is ignored. */
LIBVALKEY_API void valkeyClusterScanFree(valkeyClusterScan *scan);

#ifdef __cplusplus
}
#endif

#endif
