/* SPDX-License-Identifier: BSD-3-Clause */
/* Answering from memory. The server sends its message about a change before the reply to any later
 * command on that connection; so before an entry is used, what has arrived on the connection that
 * it came over is read. While a reply is on its way its key is remembered: if a message about that
 * key comes in between, the reply is handed out and not kept. */
#include "client/cache.h"

#include "client/cluster_internal.h"
#include "client/slot.h"
#include "valkey/cache.h"

#include <poll.h>
#include <string.h>

struct valkeyCache {
    /* one of the two; NULL when it has ended */
    valkeyContext *single;
    struct cluster *cluster;
    struct connection *connections; /* that feed it */
    struct cache_table table;
    valkeyReply *last; /* a reply that is not kept, owned until the next call */
    const char *key;   /* of the command under way; NULL: none */
    size_t key_size;
    bool is_outdated; /* a message about it has come */
    uint64_t hits, misses;
};

static int set_up(valkeyContext *c, const char *command) {
    valkeyReply *reply = valkeyCommand(c, command);
    if (reply != NULL && reply->type == VALKEY_REPLY_ERROR)
        valkeySetError(c, VALKEY_ERR_OTHER, reply->str);
    freeReplyObject(reply);
    return c->err == 0 ? VALKEY_OK : VALKEY_ERR;
}

int cache_feed(valkeyCache *cache, struct connection *connection) {
    valkeyContext *c = &connection->context;
    if (set_up(c, "HELLO 3") != VALKEY_OK || set_up(c, "CLIENT TRACKING ON") != VALKEY_OK)
        return VALKEY_ERR;
    connection->cache = cache;
    connection->next_cached = cache->connections;
    cache->connections = connection;
    return VALKEY_OK;
}

void cache_forget(struct connection *connection) {
    valkeyCache *cache = connection->cache;
    if (cache == NULL)
        return;
    struct connection **link = &cache->connections;
    while (*link != connection)
        link = &(*link)->next_cached;
    *link = connection->next_cached;
    connection->cache = NULL;
    cache_table_drop_source(&cache->table, connection);
    cache->is_outdated = true;
    if (cache->single == &connection->context)
        cache->single = NULL;
}

void cache_forget_cluster(valkeyCache *cache) {
    if (cache != NULL)
        cache->cluster = NULL;
}

static void drop_key(valkeyCache *cache, const valkeyReply *key) {
    if (key->str == NULL)
        return;
    cache_table_drop_key(&cache->table, key->str, key->len);
    cache->is_outdated |= cache->key != NULL && cache->key_size == key->len &&
                          memcmp(cache->key, key->str, key->len) == 0;
}

bool cache_take_push(valkeyCache *cache, const valkeyReply *push) {
    if (push->elements != 2 || push->element[0]->str == NULL ||
        strcmp(push->element[0]->str, "invalidate") != 0)
        return false;
    const valkeyReply *keys = push->element[1];
    for (size_t i = 0; i < keys->elements; i++)
        drop_key(cache, keys->element[i]);
    if (keys->type == VALKEY_REPLY_NIL) {
        cache_table_drop_source(&cache->table, NULL);
        cache->is_outdated = true;
    }
    return true;
}

static valkeyCache *create(size_t max_bytes) {
    valkeyCache *cache = vk_calloc(1, sizeof *cache);
    if (cache != NULL && cache_table_init(&cache->table, max_bytes))
        return cache;
    vk_free(cache);
    return NULL;
}

valkeyCache *valkeyCacheCreate(valkeyContext *c, size_t max_bytes) {
    struct connection *connection = connection_of(c);
    if (!(c->flags & VALKEY_BLOCK) || c->err != 0 || connection->cache != NULL)
        return NULL;
    valkeyCache *cache = create(max_bytes);
    if (cache == NULL)
        return NULL;
    cache->single = c;
    if (cache_feed(cache, connection) == VALKEY_OK)
        return cache;
    valkeyCacheFree(cache);
    return NULL;
}

valkeyCache *valkeyCacheCreateCluster(valkeyClusterContext *cc, size_t max_bytes) {
    struct cluster *cluster = cluster_of(cc);
    cluster_clear_error(cluster);
    valkeyCache *cache = NULL;
    if (cluster->is_async || cluster->cache != NULL || cluster->requests != NULL)
        (void)cluster_fail(cluster, VALKEY_ERR_OTHER, "The context can't have a cache now");
    else if ((cache = create(max_bytes)) == NULL)
        (void)cluster_fail_memory(cluster);
    if (cache == NULL)
        return NULL;
    cache->cluster = cluster;
    cluster->cache = cache;
    for (size_t i = 0; i < cluster->node_count; i++)
        cluster_node_disconnect(cluster->nodes[i]);
    return cache;
}

void valkeyCacheFree(valkeyCache *cache) {
    if (cache == NULL)
        return;
    for (struct connection *at = cache->connections; at != NULL; at = at->next_cached)
        at->cache = NULL;
    if (cache->cluster != NULL)
        cache->cluster->cache = NULL;
    cache_table_finish(&cache->table);
    freeReplyObject(cache->last);
    vk_free(cache);
}

/* Handle the messages that have been read. No reply can be among them: nothing is owed. */
static void take_messages(valkeyContext *c) {
    void *reply = NULL;
    if (connection_next_answer(c, &reply) == VALKEY_OK && reply != NULL)
        (void)connection_fail(c, VALKEY_ERR_PROTOCOL, "Unexpected reply");
    freeReplyObject(reply);
}

/* Take in what has arrived, without waiting. */
static void read_messages(valkeyContext *c) {
    struct pollfd polled = {.fd = c->fd, .events = POLLIN};
    take_messages(c);
    while (c->err == 0 && poll(&polled, 1, 0) > 0 && valkeyBufferRead(c) == VALKEY_OK)
        take_messages(c);
}

/* Bring what came over that connection up to date. */
static void refresh(valkeyCache *cache, struct connection *source) {
    valkeyContext *c = &source->context;
    read_messages(c);
    if (c->err == 0)
        return;
    struct cluster *cluster = cache->cluster;
    cache_table_drop_source(&cache->table, source);
    for (size_t i = 0; cluster != NULL && i < cluster->node_count; i++)
        if (cluster->nodes[i]->base.con == c) {
            cluster_node_fail(cluster, cluster->nodes[i], c->err, c->errstr);
            return;
        }
}

/* Ask the server. *out_source: over which connection the reply came; NULL: it can't be kept. */
static valkeyReply *ask_single(const valkeyCache *cache, const char *bytes, size_t size,
                               struct connection **out_source) {
    void *reply = NULL;
    if (valkeyAppendFormattedCommand(cache->single, bytes, size) != VALKEY_OK ||
        valkeyGetReply(cache->single, &reply) != VALKEY_OK)
        return NULL;
    *out_source = connection_of(cache->single);
    return reply;
}

static valkeyReply *ask_cluster(const valkeyCache *cache, const char *bytes, size_t size,
                                struct connection **out_source) {
    struct cluster *cluster = cache->cluster;
    cluster_begin_command(cluster);
    int slot = cluster_find_slot(cluster, bytes, size);
    struct request *request = slot < 0 ? NULL : request_create(cluster, NULL, slot, bytes, size);
    if (request == NULL)
        return NULL;
    cluster_drive(cluster, request);
    valkeyContext *c = request->state == REQUEST_DONE ? request->at->base.con : NULL;
    valkeyReply *reply = cluster_finish_request(cluster, request);
    /* It may have been closed meanwhile, and is not in the list then. */
    for (struct connection *at = cache->connections; c != NULL && at != NULL; at = at->next_cached)
        if (&at->context == c)
            *out_source = at;
    return reply;
}

/* Find the key of a command that can be kept. */
static bool find_key(const char *bytes, size_t size, const char **out_key, size_t *out_size) {
    struct command_traits traits;
    return command_traits_of(bytes, size, &traits) && traits.is_cacheable &&
           command_key_of(bytes, size, out_key, out_size);
}

static const valkeyReply *fetch(valkeyCache *cache, const char *bytes, size_t size, const char *key,
                                size_t key_size) {
    struct connection *source = NULL;
    cache->key = key;
    cache->key_size = key_size;
    cache->is_outdated = false;
    valkeyReply *reply = cache->cluster != NULL ? ask_cluster(cache, bytes, size, &source)
                                                : ask_single(cache, bytes, size, &source);
    cache->key = NULL;
    if (reply == NULL)
        return NULL;
    if (key != NULL && source != NULL && !cache->is_outdated && reply->type != VALKEY_REPLY_ERROR &&
        cache_table_add(&cache->table, source, bytes, size, key, key_size, reply) != NULL)
        return reply;
    cache->last = reply;
    return reply;
}

static const valkeyReply *command(valkeyCache *cache, const char *bytes, size_t size) {
    const char *key = NULL;
    size_t key_size = 0;
    freeReplyObject(cache->last);
    cache->last = NULL;
    if (cache->single == NULL && cache->cluster == NULL)
        return NULL;
    if (cache->cluster != NULL && cache->cluster->requests != NULL) {
        (void)cluster_fail(cache->cluster, VALKEY_ERR_OTHER, "A pipeline is under way");
        return NULL;
    }
    if (!find_key(bytes, size, &key, &key_size))
        return fetch(cache, bytes, size, NULL, 0);
    const struct cache_entry *entry = cache_table_find(&cache->table, bytes, size, key, key_size);
    if (entry != NULL) {
        refresh(cache, entry->source);
        entry = cache_table_find(&cache->table, bytes, size, key, key_size);
    }
    cache->hits += entry != NULL;
    cache->misses += entry == NULL;
    return entry != NULL ? entry->reply : fetch(cache, bytes, size, key, key_size);
}

/* Takes `bytes`, whatever becomes of it. */
static const valkeyReply *run(valkeyCache *cache, char *bytes, long long size) {
    const valkeyReply *reply = NULL;
    const char *text = size == -1 ? "Out of memory" : "Invalid format string";
    if (size >= 0)
        reply = command(cache, bytes, (size_t)size);
    else if (cache->cluster != NULL)
        cluster_fail_format(cache->cluster, size);
    else if (cache->single != NULL)
        valkeySetError(cache->single, size == -1 ? VALKEY_ERR_OOM : VALKEY_ERR_OTHER, text);
    valkeyFreeCommand(bytes);
    return reply;
}

const valkeyReply *valkeyCacheCommand(valkeyCache *cache, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    char *bytes = NULL;
    int size = valkeyvFormatCommand(&bytes, format, ap);
    va_end(ap);
    return run(cache, bytes, size);
}

const valkeyReply *valkeyCacheCommandArgv(valkeyCache *cache, int argc, const char **argv,
                                          const size_t *argvlen) {
    char *bytes = NULL;
    long long size = valkeyFormatCommandArgv(&bytes, argc, argv, argvlen);
    return run(cache, bytes, size);
}

void valkeyCacheGetStatistics(const valkeyCache *cache, valkeyCacheStatistics *out) {
    *out = (valkeyCacheStatistics){.hits = cache->hits,
                                   .misses = cache->misses,
                                   .invalidated = cache->table.invalidated,
                                   .evicted = cache->table.evicted,
                                   .entries = cache->table.count,
                                   .bytes = cache->table.bytes};
}
