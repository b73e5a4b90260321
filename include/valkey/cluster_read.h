/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading from replicas. Commands that only read may go to any node that has their slot's data;
 * what a replica says may be a little old. Everything else, and what is said to be for a certain
 * node, is not affected. A replica that can't be reached is left alone for a second, and what it
 * was asked is asked elsewhere. */
#ifndef VALKEY_CLUSTER_READ_H
#define VALKEY_CLUSTER_READ_H

#include "cluster.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VALKEYCLUSTER_READ_PRIMARY 0 /* the default */
#define VALKEYCLUSTER_READ_ANY     1 /* primary and replicas in turn */
/* Those in the zone, in turn; if there are none there, any. The zone of a node is what it says in
 * INFO, `availability_zone`; it is asked with the first command to it. */
#define VALKEYCLUSTER_READ_ZONE    2
#define VALKEYCLUSTER_READ_NEAREST 3 /* who answered fastest; others are tried now and then */

/* Choose where this context reads; replicas are learned with the next map. `zone` is copied, NULL
 * except for _ZONE. VALKEY_ERR: see cc->err, nothing is changed. For an asynchronous context pass
 * &acc->cc. */
LIBVALKEY_API int valkeyClusterSetReadFrom(valkeyClusterContext *cc, int read_from,
                                           const char *zone);

#ifdef __cplusplus
}
#endif

#endif
