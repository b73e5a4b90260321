/* SPDX-License-Identifier: BSD-3-Clause */
/* Subscriptions that outlive connections, nodes and moves of slots: an asynchronous cluster context
 * keeps them, on connections of their own, and makes them again wherever they have to be. Messages
 * sent while a subscription has no connection are lost, as always with Pub/Sub; its callback is
 * told when it is made (again). */
#ifndef VALKEY_CLUSTER_PUBSUB_H
#define VALKEY_CLUSTER_PUBSUB_H

#include "cluster.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VALKEY_SUBSCRIBE_CHANNEL 0 /* SUBSCRIBE, at any node */
#define VALKEY_SUBSCRIBE_PATTERN 1 /* PSUBSCRIBE, at any node */
#define VALKEY_SUBSCRIBE_SHARD   2 /* SSUBSCRIBE, at the node of the channel's slot */

#define VALKEY_MESSAGE_DATA       0
#define VALKEY_MESSAGE_SUBSCRIBED 1 /* messages arrive from here on */
#define VALKEY_MESSAGE_LOST                                                                        \
    2 /* the connection ended; until it is subscribed again nothing                                \
         arrives */
#define VALKEY_MESSAGE_REFUSED                                                                     \
    3 /* the server refuses it, `data` says why; the subscription ends                             \
       */

/* Borrowed for the callback. Texts end with a NUL that is not counted. */
typedef struct valkeyClusterMessage {
    int event;                /* VALKEY_MESSAGE_ */
    int kind;                 /* VALKEY_SUBSCRIBE_ */
    const char *subscription; /* channel or pattern as subscribed */
    size_t subscription_size;
    const char *channel; /* of DATA; of a pattern the channel that matched */
    size_t channel_size;
    const char *data; /* of DATA and REFUSED */
    size_t data_size;
} valkeyClusterMessage;

/* `message` NULL: the last call, the subscription has ended: by unsubscribing, because it was
 * refused, or with the context. */
typedef void(valkeyClusterMessageFn)(valkeyClusterAsyncContext *acc,
                                     const valkeyClusterMessage *message, void *privdata);

/* Subscribe. Where a subscription of that kind and name exists, it gets the new callback. Accepted
 * also while the map is not known yet or no node can be reached. VALKEY_ERR: see acc->err. */
LIBVALKEY_API int valkeyClusterAsyncSubscribe(valkeyClusterAsyncContext *acc, int kind,
                                              const char *name, size_t size,
                                              valkeyClusterMessageFn *fn, void *privdata);
/* End a subscription. VALKEY_ERR: there is none. */
LIBVALKEY_API int valkeyClusterAsyncUnsubscribe(valkeyClusterAsyncContext *acc, int kind,
                                                const char *name, size_t size);

#ifdef __cplusplus
}
#endif

#endif
