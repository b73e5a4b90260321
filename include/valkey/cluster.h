/* SPDX-License-Identifier: BSD-3-Clause */
/* A cluster as one: commands go to the node that serves their key, redirections are followed, and
 * the map of slots is kept up to date.
 *
 * A cluster context belongs to one thread at a time. Its connections are opened when they are
 * needed, one per node. `err` and `errstr` describe the last call; an error does not end the
 * context: after one of a connection the map is fetched anew with the next command. */
#ifndef VALKEY_CLUSTER_H
#define VALKEY_CLUSTER_H

#include "async.h"

#define VALKEYCLUSTER_SLOTS 16384

#define VALKEY_ROLE_UNKNOWN 0
#define VALKEY_ROLE_PRIMARY 1
#define VALKEY_ROLE_REPLICA 2

#define VALKEYCLUSTER_EVENT_SLOTMAP_UPDATED 1
#define VALKEYCLUSTER_EVENT_READY           2 /* once, behind the first of the above */
#define VALKEYCLUSTER_EVENT_FREE_CONTEXT    3

/* valkeyClusterOptions.options, with VALKEY_OPT_REUSEADDR, _PREFER_ and _MPTCP. */
#define VALKEY_OPT_USE_CLUSTER_NODES       0x1000 /* the map from CLUSTER NODES, not SLOTS */
#define VALKEY_OPT_USE_REPLICAS            0x2000 /* know replicas too */
#define VALKEY_OPT_BLOCKING_INITIAL_UPDATE 0x4000 /* no effect on synchronous contexts */
/* The map from CLUSTER SHARDS (Redis 7.0 and later), which says who is well: failed replicas are
 * left out, and with TLS the ports for it are taken. Goes before the choice of NODES. */
#define VALKEY_OPT_USE_CLUSTER_SHARDS 0x8000

#ifdef __cplusplus
extern "C" {
#endif

struct dict;
struct hilist;
struct valkeyTLSContext;
struct valkeyClusterContext;
struct valkeyClusterAsyncContext;

/* `reply` is borrowed for the callback; NULL: the command failed, acc->err says why. */
typedef void(valkeyClusterCallbackFn)(struct valkeyClusterAsyncContext *, void *reply,
                                      void *privdata);

/* Valid until the next call that may update the map, see valkeyClusterContext.route_version. */
typedef struct valkeyClusterNode {
    char *name; /* node id, or NULL while unknown */
    char *addr; /* host:port */
    char *host;
    uint16_t port;
    uint8_t role; /* VALKEY_ROLE_ */
    uint8_t pad;
    int failure_count;
    valkeyContext *con; /* NULL while not connected */
    valkeyAsyncContext *acon;
    int64_t lastConnectionAttempt;
    struct hilist *slots;
    struct hilist *replicas;
} valkeyClusterNode;

typedef struct cluster_slot {
    uint32_t start;
    uint32_t end;
    valkeyClusterNode *node;
} cluster_slot;

typedef struct valkeyClusterContext {
    int err;          /* of the last call: 0 or VALKEY_ERR_ */
    char errstr[128]; /* "" without error */

    int options;
    int flags;
    struct timeval *connect_timeout;
    struct timeval *command_timeout;
    int max_retry_count;
    char *username;
    char *password;
    int select_db;

    struct dict *nodes;
    uint64_t route_version; /* counts updates of the map */
    valkeyClusterNode **table;

    struct hilist *requests;
    int retry_count;
    int need_update_route; /* the map is fetched with the next command */

    void *tls;
    int (*tls_init_fn)(struct valkeyContext *, struct valkeyTLSContext *);

    void (*on_connect)(const struct valkeyContext *, int status);
    void (*event_callback)(const struct valkeyClusterContext *, int event, void *privdata);
    void *event_privdata;
} valkeyClusterContext;

/* Driven by an event loop, whose thread is the only one to use it. */
typedef struct valkeyClusterAsyncContext {
    valkeyClusterContext cc; /* first: a pointer to one is a pointer to the other */

    int err;      /* as in cc; inside a callback without a reply, why there is none */
    char *errstr; /* as in cc */

    int64_t lastSlotmapUpdateAttempt; /* microseconds of the monotonic clock */

    int (*attach_fn)(valkeyAsyncContext *ac, void *attach_data);
    void *attach_data;
    valkeyDisconnectCallback *onDisconnect;
    valkeyConnectCallback *onConnect;
} valkeyClusterAsyncContext;

/* Made by valkeyClusterInitNodeIterator; may be copied and forgotten. */
typedef struct {
    uint64_t route_version; /* of the map that is walked */
    uint64_t opaque[8];
} valkeyClusterNodeIterator;

/* Zero is the default of everything but initial_nodes. Borrowed for the call. The async and attach
 * fields are for asynchronous contexts. */
typedef struct {
    const char *initial_nodes; /* "host:port,host:port"; the last colon is the port's */
    int options;
    const struct timeval *connect_timeout; /* per connection; NULL: none */
    const struct timeval *command_timeout; /* per command, retries included; NULL: none */
    const char *username;                  /* for AUTH, with password */
    const char *password;                  /* NULL: no AUTH */
    int max_retry;                         /* redirections per command; 0: 5 */
    int select_db;                         /* SELECT this database if above 0 */
    void (*event_callback)(const struct valkeyClusterContext *cc, int event, void *privdata);
    void *event_privdata;
    /* After each attempt to connect, before TLS and AUTH. */
    void (*connect_callback)(const valkeyContext *c, int status);
    void (*async_connect_callback)(struct valkeyAsyncContext *, int status);
    void (*async_disconnect_callback)(const struct valkeyAsyncContext *, int status);
    int (*attach_fn)(valkeyAsyncContext *ac, void *attach_data);
    void *attach_data;
    void *tls; /* given to tls_init_fn, which starts TLS on a new connection */
    int (*tls_init_fn)(struct valkeyContext *, struct valkeyTLSContext *);
} valkeyClusterOptions;

/* Connect to the first of the initial nodes that has a map. Blocks. Returns owned: check `err`;
 * NULL without memory. */
LIBVALKEY_API valkeyClusterContext *
valkeyClusterConnectWithOptions(const valkeyClusterOptions *options);
LIBVALKEY_API valkeyClusterContext *valkeyClusterConnect(const char *addrs);
LIBVALKEY_API valkeyClusterContext *valkeyClusterConnectWithTimeout(const char *addrs,
                                                                    const struct timeval tv);
/* Close all connections and free. NULL is ignored. */
LIBVALKEY_API void valkeyClusterFree(valkeyClusterContext *cc);
/* Set the command timeout, also of connections that are open. */
LIBVALKEY_API int valkeyClusterSetOptionTimeout(valkeyClusterContext *cc, const struct timeval tv);

/* Send a command to the node of its key and wait for the reply. Returns it owned; NULL on errors,
 * see cc->err. Commands without a key, or unknown ones, are refused. */
LIBVALKEY_API void *valkeyClusterCommand(valkeyClusterContext *cc, const char *format, ...);
LIBVALKEY_API void *valkeyClustervCommand(valkeyClusterContext *cc, const char *format, va_list ap);
LIBVALKEY_API void *valkeyClusterCommandArgv(valkeyClusterContext *cc, int argc, const char **argv,
                                             const size_t *argvlen);
LIBVALKEY_API void *valkeyClusterFormattedCommand(valkeyClusterContext *cc, char *cmd, int len);
/* To this node, whatever the command; redirections are returned as they are. */
LIBVALKEY_API void *valkeyClusterCommandToNode(valkeyClusterContext *cc, valkeyClusterNode *node,
                                               const char *format, ...);
LIBVALKEY_API void *valkeyClustervCommandToNode(valkeyClusterContext *cc, valkeyClusterNode *node,
                                                const char *format, va_list ap);

/* Pipelines over all nodes: commands are sent with the first wait for a reply, to all nodes at
 * once; replies come in the order of the commands, redirected ones included. */
LIBVALKEY_API int valkeyClusterAppendCommand(valkeyClusterContext *cc, const char *format, ...);
LIBVALKEY_API int valkeyClustervAppendCommand(valkeyClusterContext *cc, const char *format,
                                              va_list ap);
LIBVALKEY_API int valkeyClusterAppendCommandArgv(valkeyClusterContext *cc, int argc,
                                                 const char **argv, const size_t *argvlen);
LIBVALKEY_API int valkeyClusterAppendFormattedCommand(valkeyClusterContext *cc, char *cmd, int len);
LIBVALKEY_API int valkeyClusterAppendCommandToNode(valkeyClusterContext *cc,
                                                   valkeyClusterNode *node, const char *format,
                                                   ...);
LIBVALKEY_API int valkeyClustervAppendCommandToNode(valkeyClusterContext *cc,
                                                    valkeyClusterNode *node, const char *format,
                                                    va_list ap);
/* The reply of the oldest appended command, owned; VALKEY_OK and NULL when there is none.
 * VALKEY_ERR: that command failed, the next call is about the next one. */
LIBVALKEY_API int valkeyClusterGetReply(valkeyClusterContext *cc, void **reply);
/* Drop the pipeline: what was appended is still executed, its replies are read and freed. */
LIBVALKEY_API void valkeyClusterReset(valkeyClusterContext *cc);

/* Fetch the map now, from any node that has it. */
LIBVALKEY_API int valkeyClusterUpdateSlotmap(valkeyClusterContext *cc);
/* The connection to a node, opened if need be; owned by cc. NULL on errors. */
LIBVALKEY_API valkeyContext *valkeyClusterGetValkeyContext(valkeyClusterContext *cc,
                                                           valkeyClusterNode *node);

/* Begin to fetch the map; with VALKEY_OPT_BLOCKING_INITIAL_UPDATE wait for it. Until it is there
 * (event READY) commands by key are refused. options->attach_fn, which the adapters set, is needed.
 * Returns owned: check `err`; NULL without memory. */
LIBVALKEY_API valkeyClusterAsyncContext *
valkeyClusterAsyncConnectWithOptions(const valkeyClusterOptions *options);
/* Accept no more commands; when all have been answered, redirected ones included, disconnect from
 * all nodes and release everything but the struct, which valkeyClusterAsyncFree frees. */
LIBVALKEY_API void valkeyClusterAsyncDisconnect(valkeyClusterAsyncContext *acc);
/* End it now: callbacks that wait get NULL. Inside a callback it is done when that returns. NULL is
 * ignored. */
LIBVALKEY_API void valkeyClusterAsyncFree(valkeyClusterAsyncContext *acc);

/* Send a command to the node of its key; redirections are followed. `fn` may be NULL. VALKEY_ERR:
 * see acc->err; `fn` will not be called then. The callback of a SUBSCRIBE or MONITOR is called for
 * each message, and with NULL when the connection ends; that of an UNSUBSCRIBE never. */
LIBVALKEY_API int valkeyClusterAsyncCommand(valkeyClusterAsyncContext *acc,
                                            valkeyClusterCallbackFn *fn, void *privdata,
                                            const char *format, ...);
LIBVALKEY_API int valkeyClustervAsyncCommand(valkeyClusterAsyncContext *acc,
                                             valkeyClusterCallbackFn *fn, void *privdata,
                                             const char *format, va_list ap);
LIBVALKEY_API int valkeyClusterAsyncCommandArgv(valkeyClusterAsyncContext *acc,
                                                valkeyClusterCallbackFn *fn, void *privdata,
                                                int argc, const char **argv, const size_t *argvlen);
LIBVALKEY_API int valkeyClusterAsyncFormattedCommand(valkeyClusterAsyncContext *acc,
                                                     valkeyClusterCallbackFn *fn, void *privdata,
                                                     char *cmd, int len);
/* To this node, whatever the command; redirections are replies. */
LIBVALKEY_API int valkeyClusterAsyncCommandToNode(valkeyClusterAsyncContext *acc,
                                                  valkeyClusterNode *node,
                                                  valkeyClusterCallbackFn *fn, void *privdata,
                                                  const char *format, ...);
LIBVALKEY_API int valkeyClusterAsyncCommandArgvToNode(valkeyClusterAsyncContext *acc,
                                                      valkeyClusterNode *node,
                                                      valkeyClusterCallbackFn *fn, void *privdata,
                                                      int argc, const char **argv,
                                                      const size_t *argvlen);
LIBVALKEY_API int valkeyClusterAsyncFormattedCommandToNode(valkeyClusterAsyncContext *acc,
                                                           valkeyClusterNode *node,
                                                           valkeyClusterCallbackFn *fn,
                                                           void *privdata, char *cmd, int len);
/* The connection to a node, opened if need be; owned by acc. NULL on errors. */
LIBVALKEY_API valkeyAsyncContext *valkeyClusterGetValkeyAsyncContext(valkeyClusterAsyncContext *acc,
                                                                     valkeyClusterNode *node);

/* Walk the primaries. After an update of the map the walk begins anew, a few times at most. */
LIBVALKEY_API void valkeyClusterInitNodeIterator(valkeyClusterNodeIterator *iter,
                                                 valkeyClusterContext *cc);
LIBVALKEY_API valkeyClusterNode *valkeyClusterNodeNext(valkeyClusterNodeIterator *iter);

/* The slot of a key, by its {tag} if it has one. */
LIBVALKEY_API unsigned int valkeyClusterGetSlotByKey(char *key);
/* NULL, and cc->err set, when nobody serves its slot. */
LIBVALKEY_API valkeyClusterNode *valkeyClusterGetNodeByKey(valkeyClusterContext *cc, char *key);

#ifdef __cplusplus
}
#endif

#endif
