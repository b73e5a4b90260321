/* SPDX-License-Identifier: BSD-3-Clause */
/* Kept subscriptions of an asynchronous cluster. A subscription is wanted until it is sent over a
 * link, a connection to a node that carries nothing else; then it is the privdata of that channel's
 * callback there, which the link calls a last time when the subscription there ends. So each is on
 * one link at most, and is freed only when on none. */
#ifndef LARDER_CLIENT_CLUSTER_PUBSUB_H
#define LARDER_CLIENT_CLUSTER_PUBSUB_H

#include "client/cluster_async.h"
#include "valkey/cluster_pubsub.h"

struct subscription_link;

struct subscription {
    struct subscription *next;
    struct cluster *cluster;
    struct subscription_link *on; /* NULL: it is wanted */
    int kind;                     /* VALKEY_SUBSCRIBE_ */
    int unsubscribes;             /* sent and not confirmed */
    bool is_confirmed, is_ended;
    valkeyClusterMessageFn *fn; /* may be NULL */
    void *privdata;
    size_t size;
    char name[];
};

struct subscription_link {
    struct subscription_link *next;
    struct cluster_node *node;
    valkeyAsyncContext *ac;
};

/* Send what is wanted and can be sent; see that it is tried again otherwise. Called when the last
 * call under way is about to return. */
void subscriptions_place(struct cluster *cluster);
/* Leave nodes that are gone. */
void subscriptions_sweep(struct cluster *cluster);
/* End all and close the links. */
void subscriptions_end(struct cluster *cluster);

/* cluster_timer.c: call subscriptions_place at that time, with no connection needed. */
void cluster_timer_set(struct cluster *cluster, long long at_ms);
void cluster_timer_end(struct cluster *cluster);

#endif
