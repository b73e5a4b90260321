/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside the asynchronous half of the cluster part. Node connections are asynchronous contexts
 * whose `data` is the node; a command's context on its way is an async_request, which is the
 * privdata of the callback at the connection:
 *
 *     cluster_async.c          life of the context: connect, disconnect, free, what is left to do
 *     cluster_async_node.c     connections of nodes
 *     cluster_async_request.c  sending, answers, redirections, trying again
 *     cluster_async_map.c      fetching the map
 *     cluster_async_command.c  the interface's forms of commands
 *
 * Callbacks may end the context at any moment. So whatever may call one stands between
 * async_cluster_enter and async_cluster_leave; ends are only noted inside, and the outermost leave
 * carries them out. The cluster may be gone after a leave. */
#ifndef LARDER_CLIENT_CLUSTER_ASYNC_H
#define LARDER_CLIENT_CLUSTER_ASYNC_H

#include "client/cluster_internal.h"

/* Who gets the replies of a command. */
struct async_reply_to {
    valkeyClusterCallbackFn *fn; /* may be NULL */
    void *privdata;
    bool takes_reply; /* `fn` owns the replies that it gets */
};

/* One command. Streams (SUBSCRIBE, MONITOR) get many replies and live until all that they opened
 * has ended, at the latest with their connection. */
struct async_request {
    struct async_request *next; /* in waiting or streams */
    struct cluster *cluster;
    valkeyAsyncContext *on; /* the connection that it was sent over */
    int slot;               /* -1: for one node only */
    bool is_read;           /* a replica may answer it */
    int channels;           /* of streams: how many have not ended; 0: no stream */
    struct retries retries;
    struct async_reply_to to;
    size_t size;
    char command[];
};

/* cluster_async.c */
void async_cluster_enter(struct cluster *cluster);
void async_cluster_leave(struct cluster *cluster);
/* Whether new commands are refused. */
bool async_cluster_is_ending(const struct cluster *cluster);

/* cluster_async_node.c: the connection of a node, opened if need be. NULL: cc->err is set. */
valkeyAsyncContext *async_node_connect(struct cluster *cluster, struct cluster_node *node);
/* A new connection to a node, attached to the loop, for the caller. NULL: cc->err is set. */
valkeyAsyncContext *async_node_open(struct cluster *cluster, struct cluster_node *node);
/* AUTH and SELECT, in front of all other commands. On VALKEY_ERR cc->err is set. */
int async_node_log_in(struct cluster *cluster, valkeyAsyncContext *ac);
/* Its connection if that accepts commands, or NULL. */
valkeyAsyncContext *async_node_usable(const struct cluster_node *node);
/* Disconnect nodes that serve nothing any more and owe no answers; forget those without a
 * connection. */
void async_nodes_sweep(struct cluster *cluster);

/* cluster_async_request.c: make a request and send it. `node` NULL: by slot. On VALKEY_ERR cc->err
 * is set and to->fn will not be called. */
int async_request_start(struct cluster *cluster, struct cluster_node *node, int slot,
                        const struct async_reply_to *to, const char *command, size_t size);
/* Send those whose time has come; see that the others will be. */
void async_requests_resend(struct cluster *cluster);
/* Fail all that wait to be sent again. */
void async_requests_abandon(struct cluster *cluster);
/* Streams of a connection that is being freed. */
void async_streams_end(struct cluster *cluster);

/* cluster_async_command.c: before a command of `size` bytes (below 0: it could not be formatted).
 * VALKEY_OK: async_cluster_leave has to follow; else cc->err is set. */
int async_command_begin(struct cluster *cluster, long long size);
/* One could not be sent: the map may be old. cc->err stays. */
void async_command_fail(struct cluster *cluster);

/* cluster_async_map.c: fetch the map, unless that is under way or was tried within the last second;
 * then the next command does. `on` NULL: from a random node. */
void async_map_want(struct cluster *cluster, struct cluster_node *on);
/* Fetch it now. */
void async_map_fetch(struct cluster *cluster, struct cluster_node *on);

#endif
