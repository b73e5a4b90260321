/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of pools, and connections that are taken out of them. */
#include "client/pool.h"

#include "client/command_text.h"

#include <string.h>
#include <strings.h>

enum { LANES_DEFAULT = 2, LANES_MAX = 1024 };

void pool_error_set(valkeyPoolError *error, int err, const char *text) {
    error->err = err;
    (void)snprintf(error->errstr, sizeof error->errstr, "%s", text);
}

bool pool_may_share(const char *command, size_t size) {
    /* Blocking, stateful, or answered more or less than once. */
    static const char *const REFUSED[] = {
        "AUTH",         "BLMOVE",    "BLMPOP",      "BLPOP",   "BRPOP",        "BRPOPLPUSH",
        "BZMPOP",       "BZPOPMAX",  "BZPOPMIN",    "DISCARD", "EXEC",         "HELLO",
        "MONITOR",      "MULTI",     "PSUBSCRIBE",  "PSYNC",   "PUNSUBSCRIBE", "QUIT",
        "READONLY",     "READWRITE", "RESET",       "SELECT",  "SSUBSCRIBE",   "SUBSCRIBE",
        "SUNSUBSCRIBE", "SYNC",      "UNSUBSCRIBE", "UNWATCH", "WAIT",         "WAITAOF",
        "WATCH",        "ASKING",    "XREADGROUP",  "XREAD"};
    struct command_cursor words;
    const char *name, *word;
    size_t name_size, word_size;
    if (!command_cursor_open(&words, command, size) ||
        !command_cursor_next(&words, &name, &name_size))
        return false;
    for (size_t i = 0; i < sizeof REFUSED / sizeof *REFUSED; i++) {
        if (strlen(REFUSED[i]) != name_size || strncasecmp(REFUSED[i], name, name_size) != 0)
            continue;
        if (name[0] != 'X' && name[0] != 'x')
            return false;
        /* Reading streams blocks only with the word BLOCK. */
        while (command_cursor_next(&words, &word, &word_size))
            if (word_size == 5 && strncasecmp(word, "BLOCK", 5) == 0)
                return false;
    }
    return !(name_size == 6 && strncasecmp(name, "CLIENT", 6) == 0 &&
             command_cursor_next(&words, &word, &word_size) &&
             ((word_size == 5 && strncasecmp(word, "REPLY", 5) == 0) ||
              (word_size == 8 && strncasecmp(word, "TRACKING", 8) == 0)));
}

static bool keep_text(const char **field) {
    if (*field != NULL)
        *field = vk_strdup(*field);
    return *field != NULL;
}

/* Copy what the options point to; false without memory. All pointers are owned or NULL after it. */
static bool take_options(valkeyPool *pool, const valkeyPoolOptions *options) {
    valkeyPoolOptions *own = &pool->options;
    *own = *options;
    valkeyOptions *connection = &own->connection;
    connection->options &= ~(VALKEY_OPT_NONBLOCK | VALKEY_OPT_NO_PUSH_AUTOFREE);
    connection->push_cb = NULL;
    connection->async_push_cb = NULL;
    connection->privdata = NULL;
    connection->free_privdata = NULL;
    if (connection->connect_timeout != NULL) {
        pool->connect_timeout = *connection->connect_timeout;
        connection->connect_timeout = &pool->connect_timeout;
    }
    if (connection->command_timeout != NULL) {
        pool->command_timeout = *connection->command_timeout;
        connection->command_timeout = &pool->command_timeout;
    }
    bool has_memory = true;
    const char **texts[] = {&own->username, &own->password, NULL, NULL};
    if (connection->type == VALKEY_CONN_UNIX) {
        texts[2] = &connection->endpoint.unix_socket;
    } else {
        texts[2] = &connection->endpoint.tcp.ip;
        texts[3] = &connection->endpoint.tcp.source_addr;
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i] != NULL && *texts[i] != NULL)
            has_memory &= keep_text(texts[i]);
    return has_memory;
}

valkeyPool *valkeyPoolCreate(const valkeyPoolOptions *options) {
    int count = options->connections > 0 ? options->connections : LANES_DEFAULT;
    valkeyPool *pool = vk_calloc(1, sizeof *pool);
    if (pool == NULL)
        return NULL;
    bool has_memory = take_options(pool, options);
    (void)pthread_mutex_init(&pool->lock, NULL);
    count = count < LANES_MAX ? count : LANES_MAX;
    pool->lanes = vk_calloc((size_t)count, sizeof *pool->lanes);
    pool->idle = vk_calloc((size_t)count, sizeof(*pool->idle));
    if (!has_memory || pool->lanes == NULL || pool->idle == NULL) {
        valkeyPoolFree(pool);
        return NULL;
    }
    pool->lane_count = (unsigned)count;
    for (int i = 0; i < count; i++)
        lane_init(&pool->lanes[i]);
    return pool;
}

void valkeyPoolFree(valkeyPool *pool) {
    if (pool == NULL)
        return;
    for (unsigned i = 0; i < pool->lane_count; i++) {
        valkeyFree(pool->lanes[i].c);
    }
    for (unsigned i = 0; i < pool->idle_count; i++)
        valkeyFree(pool->idle[i]);
    (void)pthread_mutex_destroy(&pool->lock);
    const valkeyOptions *connection = &pool->options.connection;
    vk_free((void *)(uintptr_t)pool->options.username);
    vk_free((void *)(uintptr_t)pool->options.password);
    if (connection->type == VALKEY_CONN_UNIX) {
        vk_free((void *)(uintptr_t)connection->endpoint.unix_socket);
    } else {
        vk_free((void *)(uintptr_t)connection->endpoint.tcp.ip);
        vk_free((void *)(uintptr_t)connection->endpoint.tcp.source_addr);
    }
    vk_free(pool->lanes);
    vk_free(pool->idle);
    vk_free(pool);
}

valkeyContext *pool_connect(const valkeyPool *pool, valkeyPoolError *error) {
    const valkeyPoolOptions *options = &pool->options;
    valkeyContext *c = valkeyConnectWithOptions(&options->connection);
    if (c == NULL) {
        pool_error_set(error, VALKEY_ERR_OOM, "Out of memory");
        return NULL;
    }
    if (c->err == 0 && options->tls_init_fn != NULL &&
        options->tls_init_fn(c, options->tls) != VALKEY_OK && c->err == 0)
        valkeySetError(c, VALKEY_ERR_OTHER, "TLS failed");
    if (c->err == 0)
        (void)connection_log_in(c, options->username, options->password, options->select_db);
    if (c->err == 0)
        return c;
    pool_error_set(error, c->err, c->errstr);
    valkeyFree(c);
    return NULL;
}

valkeyContext *valkeyPoolTake(valkeyPool *pool, valkeyPoolError *error) {
    valkeyPoolError unused;
    if (error == NULL)
        error = &unused;
    *error = (valkeyPoolError){0};
    valkeyContext *c = NULL;
    (void)pthread_mutex_lock(&pool->lock);
    if (pool->idle_count > 0)
        c = pool->idle[--pool->idle_count];
    (void)pthread_mutex_unlock(&pool->lock);
    return c != NULL ? c : pool_connect(pool, error);
}

void valkeyPoolGive(valkeyPool *pool, valkeyContext *c) {
    if (c != NULL && c->err == 0 && output_pending(&connection_of(c)->output) == 0) {
        (void)pthread_mutex_lock(&pool->lock);
        if (pool->idle_count < pool->lane_count) {
            pool->idle[pool->idle_count++] = c;
            c = NULL;
        }
        (void)pthread_mutex_unlock(&pool->lock);
    }
    valkeyFree(c);
}
