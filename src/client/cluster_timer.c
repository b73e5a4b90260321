/* SPDX-License-Identifier: BSD-3-Clause */
/* A timer of the event loop that depends on no server. Adapters give timers to connections only, so
 * this is one: a socket to ourselves over which nothing is ever sent. */
#include "client/async_internal.h"
#include "client/cluster_pubsub.h"

#include <sys/socket.h>
#include <unistd.h>

static void on_time(valkeyAsyncContext *ac) {
    struct cluster *cluster = ac->data;
    async_cluster_enter(cluster);
    cluster->async.timer_at_ms = 0;
    async_cluster_leave(cluster);
}

static void on_gone(void *data) {
    struct cluster *cluster = data;
    async_cluster_enter(cluster);
    cluster->async.timer = NULL;
    cluster->async.timer_at_ms = 0;
    cluster->async.connections--;
    (void)close(cluster->async.timer_peer);
    async_cluster_leave(cluster);
}

/* False: no socket, no memory, or the adapter refuses. */
static bool create(struct cluster *cluster) {
    valkeyClusterAsyncContext *acc = async_context_of(cluster);
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return false;
    valkeyOptions options = {.type = VALKEY_CONN_USERFD, .endpoint.fd = ends[0]};
    valkeyAsyncContext *ac = valkeyAsyncConnectWithOptions(&options);
    if (ac == NULL || ac->err != 0 || acc->attach_fn(ac, acc->attach_data) != VALKEY_OK) {
        if (ac == NULL)
            (void)close(ends[0]);
        valkeyAsyncFree(ac);
        (void)close(ends[1]);
        return false;
    }
    cluster->async.timer_peer = ends[1];
    cluster->async.timer = ac;
    cluster->async.connections++;
    ac->data = cluster;
    ac->dataCleanup = on_gone;
    return true;
}

void cluster_timer_set(struct cluster *cluster, long long at_ms) {
    struct cluster_async *async = &cluster->async;
    bool is_soon = async->timer_at_ms != 0 && async->timer_at_ms <= at_ms;
    if (is_soon || (async->timer == NULL && !create(cluster)))
        return;
    if (async_wake_at(async->timer, at_ms, on_time))
        async->timer_at_ms = at_ms;
}

void cluster_timer_end(struct cluster *cluster) {
    valkeyAsyncFree(cluster->async.timer);
}
