/* SPDX-License-Identifier: BSD-3-Clause */
/* A pool per node, and a table from slot to node that threads read without a lock. Nodes are added
 * and never removed before the end, so what the table points to is always there. The map is fetched
 * by a cluster context that one thread at a time may use; who finds it taken goes on with the map
 * as it is. */
#include "valkey/cluster_pool.h"

#include "client/cluster_internal.h"
#include "client/pool.h"
#include "client/slot.h"

#include <poll.h>
#include <string.h>

enum { FETCH_INTERVAL_MS = 1000 };

struct pool_node {
    struct pool_node *next;
    struct cluster_node place; /* only host, port and addr: where redirections come from */
    valkeyPool *pool;
};

struct valkeyClusterPool {
    valkeyPoolOptions options; /* of nodes' pools but the endpoint; immutable after create */
    struct timeval connect_timeout, command_timeout;
    int max_retry;
    pthread_mutex_t nodes_lock;
    struct pool_node *nodes; /* guarded by nodes_lock */
    pthread_mutex_t map_lock;
    valkeyClusterContext *map; /* guarded by map_lock */
    long long fetched_at_ms;   /* guarded by map_lock */
    /* Released when a node is entered, acquired by who sends to it. */
    _Atomic(struct pool_node *) table[VALKEYCLUSTER_SLOTS];
};

static void node_destroy(struct pool_node *node) {
    valkeyPoolFree(node->pool);
    vk_free(node->place.base.addr);
    vk_free(node->place.base.host);
    vk_free(node);
}

static struct pool_node *node_create(const valkeyClusterPool *pool, const char *host,
                                     size_t host_size, int port) {
    struct pool_node *node = vk_calloc(1, sizeof *node);
    if (node == NULL)
        return NULL;
    size_t addr_size = host_size + 8;
    node->place.base.host = vk_malloc(host_size + 1);
    node->place.base.addr = vk_malloc(addr_size);
    if (node->place.base.host != NULL && node->place.base.addr != NULL) {
        memcpy(node->place.base.host, host, host_size);
        node->place.base.host[host_size] = '\0';
        (void)snprintf(node->place.base.addr, addr_size, "%s:%d", node->place.base.host, port);
        node->place.base.port = (uint16_t)port;
        valkeyPoolOptions options = pool->options;
        VALKEY_OPTIONS_SET_TCP(&options.connection, node->place.base.host, port);
        node->pool = valkeyPoolCreate(&options);
    }
    if (node->pool != NULL)
        return node;
    node_destroy(node);
    return NULL;
}

/* The node of that address, made if it is new; NULL without memory. */
static struct pool_node *node_get(valkeyClusterPool *pool, const char *host, size_t host_size,
                                  int port) {
    (void)pthread_mutex_lock(&pool->nodes_lock);
    struct pool_node *node = pool->nodes;
    while (node != NULL &&
           (node->place.base.port != port || strlen(node->place.base.host) != host_size ||
            memcmp(node->place.base.host, host, host_size) != 0))
        node = node->next;
    if (node == NULL && (node = node_create(pool, host, host_size, port)) != NULL) {
        node->next = pool->nodes;
        pool->nodes = node;
    }
    (void)pthread_mutex_unlock(&pool->nodes_lock);
    return node;
}

/* Enter the map that was fetched. map_lock held. False without memory: what is missing stays. */
static bool take_map(valkeyClusterPool *pool) {
    const valkeyClusterNode *last = NULL;
    struct pool_node *node = NULL;
    for (int slot = 0; slot < VALKEYCLUSTER_SLOTS; slot++) {
        const valkeyClusterNode *owner = pool->map->table[slot];
        if (owner == NULL)
            continue;
        if (owner != last)
            node = node_get(pool, owner->host, strlen(owner->host), owner->port);
        if (node == NULL)
            return false;
        last = owner;
        atomic_store_explicit(&pool->table[slot], node, memory_order_release);
    }
    return true;
}

/* Fetch the map, unless another thread does or just did. */
static void want_map(valkeyClusterPool *pool) {
    if (pthread_mutex_trylock(&pool->map_lock) != 0)
        return;
    if (clock_now_ms() - pool->fetched_at_ms >= FETCH_INTERVAL_MS) {
        pool->fetched_at_ms = clock_now_ms();
        if (valkeyClusterUpdateSlotmap(pool->map) == VALKEY_OK)
            (void)take_map(pool);
    }
    (void)pthread_mutex_unlock(&pool->map_lock);
}

/* Texts stay the caller's: each node's pool copies them, and the map's context does. */
static void take_options(valkeyClusterPool *pool, const valkeyClusterPoolOptions *options) {
    valkeyPoolOptions *own = &pool->options;
    const valkeyClusterContext *map = pool->map;
    own->connections = options->connections;
    own->username = map->username;
    own->password = map->password;
    own->select_db = options->select_db;
    own->tls = options->tls;
    own->tls_init_fn = options->tls_init_fn;
    if (options->connect_timeout != NULL) {
        pool->connect_timeout = *options->connect_timeout;
        own->connection.connect_timeout = &pool->connect_timeout;
    }
    if (options->command_timeout != NULL) {
        pool->command_timeout = *options->command_timeout;
        own->connection.command_timeout = &pool->command_timeout;
    }
    pool->max_retry = map->max_retry_count;
}

static valkeyClusterContext *open_map(const valkeyClusterPoolOptions *options) {
    valkeyClusterOptions own = {.initial_nodes = options->initial_nodes,
                                .connect_timeout = options->connect_timeout,
                                .command_timeout = options->command_timeout,
                                .username = options->username,
                                .password = options->password,
                                .select_db = options->select_db,
                                .max_retry = options->max_retry,
                                .tls = options->tls,
                                .tls_init_fn = options->tls_init_fn};
    return valkeyClusterConnectWithOptions(&own);
}

valkeyClusterPool *valkeyClusterPoolCreate(const valkeyClusterPoolOptions *options,
                                           valkeyPoolError *error) {
    valkeyPoolError unused;
    if (error == NULL)
        error = &unused;
    *error = (valkeyPoolError){0};
    valkeyClusterPool *pool = vk_calloc(1, sizeof *pool);
    if (pool != NULL) {
        (void)pthread_mutex_init(&pool->nodes_lock, NULL);
        (void)pthread_mutex_init(&pool->map_lock, NULL);
        pool->map = open_map(options);
    }
    if (pool == NULL || pool->map == NULL) {
        pool_error_set(error, VALKEY_ERR_OOM, "Out of memory");
    } else if (pool->map->err != 0) {
        pool_error_set(error, pool->map->err, pool->map->errstr);
    } else {
        take_options(pool, options);
        pool->fetched_at_ms = clock_now_ms();
        if (take_map(pool))
            return pool;
        pool_error_set(error, VALKEY_ERR_OOM, "Out of memory");
    }
    valkeyClusterPoolFree(pool);
    return NULL;
}

void valkeyClusterPoolFree(valkeyClusterPool *pool) {
    if (pool == NULL)
        return;
    for (struct pool_node *node = pool->nodes, *next; node != NULL; node = next) {
        next = node->next;
        node_destroy(node);
    }
    valkeyClusterFree(pool->map);
    (void)pthread_mutex_destroy(&pool->nodes_lock);
    (void)pthread_mutex_destroy(&pool->map_lock);
    vk_free(pool);
}

/* One command on its way. */
struct errand {
    valkeyClusterPool *pool;
    valkeyPoolError *error;
    const char *bytes;
    size_t size;
    unsigned slot;
    struct retries retries;
    bool is_asking; /* the next try goes behind an ASKING */
};

static struct pool_node *owner_of(valkeyClusterPool *pool, unsigned slot, valkeyPoolError *error) {
    struct pool_node *node = atomic_load_explicit(&pool->table[slot], memory_order_acquire);
    if (node == NULL) {
        pool_error_set(error, VALKEY_ERR_OTHER, "slot not served by any node");
        want_map(pool);
    }
    return node;
}

/* ASKING holds for the next command of a connection, so nobody else may send there. */
static valkeyReply *ask(const struct errand *errand, const struct pool_node *node) {
    valkeyContext *c = valkeyPoolTake(node->pool, errand->error);
    if (c == NULL)
        return NULL;
    void *reply = NULL;
    if (valkeyAppendFormattedCommand(c, CLUSTER_ASKING, sizeof CLUSTER_ASKING - 1) != VALKEY_OK ||
        valkeyAppendFormattedCommand(c, errand->bytes, errand->size) != VALKEY_OK ||
        valkeyGetReply(c, NULL) != VALKEY_OK || valkeyGetReply(c, &reply) != VALKEY_OK)
        pool_error_set(errand->error, c->err, c->errstr);
    valkeyPoolGive(node->pool, c);
    return reply;
}

/* Whom a redirection names; after MOVED the map says so too. NULL: *errand->error says why. */
static struct pool_node *follow(struct errand *errand, const struct pool_node *from,
                                const char *text, enum cluster_error error) {
    int slot, port;
    const char *host;
    size_t host_size;
    if (!cluster_parse_redirect(&from->place, text, &slot, &host, &host_size, &port)) {
        pool_error_set(errand->error, VALKEY_ERR_PROTOCOL, "Malformed redirection");
        return NULL;
    }
    if (++errand->retries.redirects > errand->pool->max_retry) {
        pool_error_set(errand->error, ERROR_TOO_MANY_RETRIES, "too many cluster retries");
        return NULL;
    }
    struct pool_node *node = node_get(errand->pool, host, host_size, port);
    if (node == NULL)
        pool_error_set(errand->error, VALKEY_ERR_OOM, "Out of memory");
    else if (error == CLUSTER_ERROR_MOVED)
        atomic_store_explicit(&errand->pool->table[slot], node, memory_order_release);
    return node;
}

/* Wait for the time of the next try. False: there is none. */
static bool wait_for_turn(struct errand *errand) {
    const valkeyClusterPool *pool = errand->pool;
    if (!retries_plan(&errand->retries, pool->options.connection.command_timeout,
                      pool->max_retry)) {
        pool_error_set(errand->error, ERROR_TOO_MANY_RETRIES, "too many cluster retries");
        return false;
    }
    (void)poll(NULL, 0, deadline_left_ms(errand->retries.at_ms));
    return true;
}

/* Where to try again after an error about the cluster; NULL: nowhere. */
static struct pool_node *try_again(struct errand *errand, const struct pool_node *from,
                                   const char *text, enum cluster_error error) {
    errand->is_asking = error == CLUSTER_ERROR_ASK;
    if (error == CLUSTER_ERROR_MOVED || error == CLUSTER_ERROR_DOWN)
        want_map(errand->pool);
    if (error != CLUSTER_ERROR_MOVED && error != CLUSTER_ERROR_ASK)
        return wait_for_turn(errand) ? owner_of(errand->pool, errand->slot, errand->error) : NULL;
    struct pool_node *node = follow(errand, from, text, error);
    if (node != NULL && retries_are_many(&errand->retries) && !wait_for_turn(errand))
        return NULL;
    return node;
}

static valkeyReply *run(struct errand *errand) {
    struct pool_node *node = owner_of(errand->pool, errand->slot, errand->error);
    while (node != NULL) {
        valkeyReply *reply = errand->is_asking ? ask(errand, node)
                                               : pool_command(node->pool, errand->error,
                                                              errand->bytes, errand->size);
        if (reply == NULL) {
            want_map(errand->pool);
            return NULL;
        }
        enum cluster_error error =
            reply->type == VALKEY_REPLY_ERROR ? cluster_error_of(reply->str) : CLUSTER_ERROR_NONE;
        if (error == CLUSTER_ERROR_NONE)
            return reply;
        node = try_again(errand, node, reply->str, error);
        freeReplyObject(reply);
    }
    return NULL;
}

static void fail_unknown(valkeyPoolError *error, enum slot_result result, const char *name,
                         size_t name_size) {
    char text[sizeof error->errstr];
    (void)snprintf(text, sizeof text, "Unknown command %.*s", name_size < 64 ? (int)name_size : 64,
                   name);
    pool_error_set(error, VALKEY_ERR_PROTOCOL,
                   result == SLOT_MALFORMED ? "Malformed command" : text);
}

/* Takes `bytes`, whatever becomes of it. */
static void *command(valkeyClusterPool *pool, valkeyPoolError *error, char *bytes, long long size) {
    valkeyPoolError unused;
    struct errand errand = {.pool = pool, .error = error != NULL ? error : &unused, .bytes = bytes};
    *errand.error = (valkeyPoolError){0};
    const char *name = "";
    size_t name_size = 0;
    valkeyReply *reply = NULL;
    enum slot_result result = SLOT_MALFORMED;
    if (size >= 0) {
        errand.size = (size_t)size;
        result = slot_of_command(bytes, errand.size, &errand.slot, &name, &name_size);
    }
    if (size == -1)
        pool_error_set(errand.error, VALKEY_ERR_OOM, "Out of memory");
    else if (size < 0)
        pool_error_set(errand.error, VALKEY_ERR_OTHER, "Invalid format string");
    else if (result == SLOT_UNKNOWN_COMMAND || result == SLOT_MALFORMED)
        fail_unknown(errand.error, result, name, name_size);
    else if (!pool_may_share(bytes, errand.size))
        pool_error_set(errand.error, VALKEY_ERR_OTHER,
                       "This command needs a connection of its own");
    else if (result == SLOT_FOUND)
        reply = run(&errand);
    else
        pool_error_set(errand.error, VALKEY_ERR_OTHER,
                       "No keys in command(must have keys for valkey cluster mode)");
    if (reply != NULL)
        *errand.error = (valkeyPoolError){0};
    valkeyFreeCommand(bytes);
    return reply;
}

void *valkeyClusterPoolvCommand(valkeyClusterPool *pool, valkeyPoolError *error, const char *format,
                                va_list ap) {
    char *bytes = NULL;
    int size = valkeyvFormatCommand(&bytes, format, ap);
    return command(pool, error, bytes, size);
}

void *valkeyClusterPoolCommand(valkeyClusterPool *pool, valkeyPoolError *error, const char *format,
                               ...) {
    va_list ap;
    va_start(ap, format);
    void *reply = valkeyClusterPoolvCommand(pool, error, format, ap);
    va_end(ap);
    return reply;
}

void *valkeyClusterPoolCommandArgv(valkeyClusterPool *pool, valkeyPoolError *error, int argc,
                                   const char **argv, const size_t *argvlen) {
    char *bytes = NULL;
    long long size = valkeyFormatCommandArgv(&bytes, argc, argv, argvlen);
    return command(pool, error, bytes, size);
}

valkeyContext *valkeyClusterPoolTake(valkeyClusterPool *pool, valkeyPoolError *error,
                                     const char *key, size_t keylen) {
    valkeyPoolError unused;
    if (error == NULL)
        error = &unused;
    *error = (valkeyPoolError){0};
    struct pool_node *node = owner_of(pool, slot_of_key(key, keylen), error);
    valkeyContext *c = node == NULL ? NULL : valkeyPoolTake(node->pool, error);
    if (c == NULL)
        want_map(pool);
    return c;
}

void valkeyClusterPoolGive(valkeyClusterPool *pool, valkeyContext *c) {
    if (c == NULL)
        return;
    struct pool_node *node =
        c->tcp.host == NULL ? NULL : node_get(pool, c->tcp.host, strlen(c->tcp.host), c->tcp.port);
    if (node != NULL)
        valkeyPoolGive(node->pool, c);
    else
        valkeyFree(c);
}
