/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside the cluster part. The public context is the last member of a private one:
 *
 *     struct cluster
 *       nodes[]      one per server: public struct first, its connection, what that owes us
 *       requests     the pipeline, oldest first
 *       waiting      requests to be sent again later
 *
 * A request is written to its node's output when it is made. The answers of a connection come in
 * the order of its `owed` queue; an entry says what to do with the answer. */
#ifndef LARDER_CLIENT_CLUSTER_INTERNAL_H
#define LARDER_CLIENT_CLUSTER_INTERNAL_H

#include "client/connection.h"
#include "valkey/cluster.h"
#include "valkey/cluster_statistics.h"

struct async_request;
struct subscription;
struct subscription_link;

enum {
    ERROR_TOO_MANY_RETRIES = 100, /* in cc->err */
    RETRIES_DEFAULT = 5,
};

enum request_state { REQUEST_SENT, REQUEST_WAITING, REQUEST_DONE, REQUEST_FAILED };

/* How often a command was sent again, and when it is due next. */
struct retries {
    int redirects, delays;
    long long at_ms, first_ms; /* the next try, the first delay */
};

struct request {
    struct request *next;         /* in the pipeline */
    struct request *next_waiting; /* in the list of those to be sent again */
    enum request_state state;
    struct cluster_node *at; /* REQUEST_SENT: which owes the answer */
    int slot;                /* -1: for one node only */
    bool is_read;            /* a replica may answer it */
    struct retries retries;
    void *reply; /* REQUEST_DONE: owned */
    int err;     /* REQUEST_FAILED */
    char errstr[128];
    size_t size;
    char command[];
};

enum owed_kind { OWED_REPLY, OWED_NOTHING, OWED_SLOTMAP, OWED_ZONE };

struct owed {
    enum owed_kind kind;
    struct request *request; /* OWED_REPLY; NULL: nobody wants it any more */
};

struct cluster_node {
    valkeyClusterNode base; /* first */
    struct cluster *cluster;
    bool is_mapped;    /* serves slots, or replicates one that does */
    bool is_gone;      /* was mapped once, and is not any more */
    int connections;   /* asynchronous ones whose data this is, those that end included */
    unsigned asked_in; /* the round of asking for the map in which it was asked */
    struct cluster_node *primary; /* of a mapped replica */
    bool is_readonly;             /* the connection was told READONLY */
    bool is_zone_asked;
    valkeyContext *spare;     /* kept for who needs a connection of its own; or NULL */
    char *zone;               /* NULL: not known; owned */
    long long avoid_until_ms; /* reads go elsewhere until then */
    valkeyClusterNodeStatistics statistics;
    long long timed_since_us; /* see cluster_observe.c */
    struct owed *owed;        /* ring */
    size_t owed_head, owed_count, owed_capacity;
};

/* Of asynchronous contexts, see cluster_async.h. */
struct cluster_async {
    int depth;          /* calls under way that still use the cluster */
    size_t connections; /* that are not freed yet */
    size_t pending;     /* commands that wait for their answer */
    bool is_disconnecting, is_freeing;
    bool is_fetching;              /* the map */
    unsigned round;                /* of asking for the map */
    struct async_request *waiting; /* to be sent again, in no order */
    struct async_request *streams; /* those with more than one reply */
    /* see cluster_pubsub.h */
    struct subscription *subscriptions;
    struct subscription_link *links;
    long long place_at_ms, place_delay_ms; /* when and how soon to try again */
    long long ping_at_ms;
    valkeyAsyncContext *timer; /* see cluster_timer.c */
    int timer_peer;            /* descriptor */
    long long timer_at_ms;     /* 0: it is not set */
};

struct cluster {
    bool is_async; /* the context is a valkeyClusterAsyncContext */
    struct cluster_async async;
    struct cluster_node **nodes;
    size_t node_count, node_capacity;
    char *seeds;              /* as given */
    struct request *requests; /* pipeline */
    struct request *last;     /* of the pipeline */
    struct request *waiting;  /* in no order */
    uint64_t swept_version;   /* route_version when nodes were last looked through */
    size_t busy;              /* nodes that owe answers */
    int slotmaps_owed;        /* answers to CLUSTER SLOTS under way */
    bool was_slotmap_applied; /* by the last answer */
    bool is_ready;            /* READY was told */
    int read_from;            /* VALKEYCLUSTER_READ_ */
    char *zone;               /* owned; NULL: none */
    size_t read_turn;
    struct valkeyCache *cache; /* that its connections feed; NULL: none */
    valkeyClusterLogFn *log;   /* NULL: nobody listens */
    int log_level;
    void *log_privdata;
    alignas(max_align_t) valkeyClusterContext context;
};

static inline struct cluster *cluster_of(valkeyClusterContext *cc) {
    return (struct cluster *)(void *)((char *)cc - offsetof(struct cluster, context));
}

static inline valkeyClusterAsyncContext *async_context_of(struct cluster *cluster) {
    return (valkeyClusterAsyncContext *)(void *)&cluster->context;
}

/* cluster.c */
/* A context of that size with its options; nothing is connected. NULL without memory. */
struct cluster *cluster_create(const valkeyClusterOptions *options, size_t context_size);
/* Everything but the struct; it can't be used any more. */
void cluster_release(struct cluster *cluster);
/* Tell the end, release and free. */
void cluster_destroy(struct cluster *cluster);
/* Set and clear cc->err. fail returns VALKEY_ERR. */
int cluster_fail(struct cluster *cluster, int err, const char *text);
int cluster_fail_memory(struct cluster *cluster);
void cluster_clear_error(struct cluster *cluster);
void cluster_tell(struct cluster *cluster, int event);

/* cluster_observe.c */
long long cluster_now_us(void);
/* A command is put to an idle node; it is written; the first answer is there; there is none. */
void node_timing_arm(struct cluster_node *node);
void node_timing_start(struct cluster_node *node);
void node_timing_end(struct cluster_node *node);
void node_timing_drop(struct cluster_node *node);
void node_note_error(struct cluster_node *node, int err, const char *text);
void cluster_log(struct cluster *cluster, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* cluster_node.c */
/* The node of that address, made if it is new; NULL without memory. */
struct cluster_node *cluster_node_get(struct cluster *cluster, const char *host, size_t host_size,
                                      int port);
bool cluster_node_exists(const struct cluster *cluster, const valkeyClusterNode *node);
void cluster_node_destroy(struct cluster_node *node);
/* Connect if need be: callback, TLS, AUTH, SELECT. Blocks. On VALKEY_ERR cc->err is set. */
int cluster_node_connect(struct cluster *cluster, struct cluster_node *node);
/* A new connection to a node, ready for commands, for the caller. NULL: cc->err is set. Blocks. */
valkeyContext *cluster_node_open(struct cluster *cluster, struct cluster_node *node);
/* Close the connection. */
void cluster_node_disconnect(struct cluster_node *node);
/* Room for one more owed answer; false without memory. */
bool owed_reserve(struct cluster_node *node);
void owed_push(struct cluster *cluster, struct cluster_node *node, enum owed_kind kind,
               struct request *request);
struct owed owed_pop(struct cluster *cluster, struct cluster_node *node);

/* cluster_map.c: the answer to CLUSTER SLOTS, NODES or SHARDS from that node becomes the map. On
 * VALKEY_ERR cc->err is set and the map is as before. */
int cluster_map_apply(struct cluster *cluster, struct cluster_node *from, const valkeyReply *reply);
/* Forget nodes that are not in the map and have no work. */
void cluster_map_sweep(struct cluster *cluster);
/* cluster_ranges.c */
/* A redirection "MOVED 1234 host:port" taken apart; an empty host is that of the connection. False:
 * malformed. */
bool cluster_parse_redirect(const struct cluster_node *from, const char *text, int *out_slot,
                            const char **out_host, size_t *out_host_size, int *out_port);
/* "host:port" where the last colon counts; false: not an address. */
bool cluster_parse_seed(const char *text, size_t size, const char **out_host, size_t *out_host_size,
                        int *out_port);

/* cluster_redirect.c */
enum cluster_error {
    CLUSTER_ERROR_NONE, /* it is the answer */
    CLUSTER_ERROR_MOVED,
    CLUSTER_ERROR_ASK,
    CLUSTER_ERROR_DOWN,  /* CLUSTERDOWN: the map may be old */
    CLUSTER_ERROR_LATER, /* TRYAGAIN, LOADING */
};
enum cluster_error cluster_error_of(const char *text);
/* The node that a redirection names. After MOVED the map says so too. NULL: cc->err is set. */
struct cluster_node *cluster_follow(struct cluster *cluster, struct cluster_node *from,
                                    const char *text, enum cluster_error error,
                                    struct retries *retries);
/* Whether nodes send a command to and fro, so that the next redirection should wait. */
bool retries_are_many(const struct retries *retries);
/* Find the time of the next try: within `timeout` of the first, or `max_retry` times if that is
 * NULL. False: there is none. */
bool retries_plan(struct retries *retries, const struct timeval *timeout, int max_retry);
/* The same for a cluster's command; cc->err is set when there is none. */
bool retries_put_off(struct cluster *cluster, struct retries *retries);

/* The commands that ask for the map. */
const char *cluster_map_command(const struct cluster *cluster, size_t *out_size);
extern const char CLUSTER_ASKING[17];

/* cluster_command.c: the slot of a command; -1 if it has none, and cc->err is set. */
int cluster_find_slot(struct cluster *cluster, const char *command, size_t size);
void cluster_fail_format(struct cluster *cluster, long long result);
/* Before a command: forget the last error, and fetch a map that is known to be old. If that fails
 * the old one has to do. */
void cluster_begin_command(struct cluster *cluster);
/* Wait for a request, take its reply, owned, and destroy it. NULL: cc->err is set. */
void *cluster_finish_request(struct cluster *cluster, struct request *request);

/* cluster_request.c */
/* Make a request and put it into its node's output. `node` NULL: by slot. NULL on errors. */
struct request *request_create(struct cluster *cluster, struct cluster_node *node, int slot,
                               const char *command, size_t size);
/* Nobody wants its answer any more. NULL is ignored. */
void request_destroy(struct cluster *cluster, struct request *request);
/* Send it (again). It fails when that does not work. */
void request_send_to(struct cluster *cluster, struct cluster_node *node, struct request *request,
                     bool is_asking);
void request_send_by_slot(struct cluster *cluster, struct request *request);
/* Put bytes into a connected node's output, to be answered later. */
int request_put(struct cluster *cluster, struct cluster_node *node, enum owed_kind kind,
                struct request *request, const char *command, size_t size);
void request_stop_waiting(struct cluster *cluster, const struct request *request);
void request_fail(struct request *request, int err, const char *text);
void request_fail_from_cluster(struct cluster *cluster, struct request *request);

/* cluster_engine.c */
/* Make the nodes of all seeds. False: cc->err is set. */
bool cluster_add_seeds(struct cluster *cluster);
/* Work until the request has an answer or has failed. Blocks. */
void cluster_drive(struct cluster *cluster, struct request *request);
/* Fetch the map from any node. Blocks. */
int cluster_update_map(struct cluster *cluster);
/* Work until no map is under way, then forget nodes that are gone. Blocks. */
void cluster_finish_updates(struct cluster *cluster);
/* The node's connection is in error, or too slow: what it owes fails with this error. */
void cluster_node_fail(struct cluster *cluster, struct cluster_node *node, int err,
                       const char *text);

#endif
