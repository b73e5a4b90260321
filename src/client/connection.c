/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of contexts, and the buffer of unsent commands. */
#include "client/cache.h"
#include "client/connect_opening.h"

#include <limits.h>
#include <string.h>

enum { OUTPUT_MIN = 1024, OUTPUT_KEPT_MAX = 64 * 1024 };

static int keep_timeout(struct timeval **field, const struct timeval *timeout) {
    if (timeout == NULL || timeout == *field)
        return VALKEY_OK;
    if (*field == NULL)
        *field = vk_malloc(sizeof **field);
    if (*field == NULL)
        return VALKEY_ERR;
    **field = *timeout;
    return VALKEY_OK;
}

static void free_push(void *privdata, void *reply) {
    (void)privdata;
    freeReplyObject(reply);
}

static const valkeyContextFuncs *functions_of(int type) {
    switch (type) {
    case VALKEY_CONN_TCP: return &TRANSPORT_TCP;
    case VALKEY_CONN_UNIX: return &TRANSPORT_UNIX;
    case VALKEY_CONN_USERFD: return &TRANSPORT_USERFD;
    default: return &TRANSPORT_TCP;
    }
}

static int flags_of(int options) {
    int flags = options & VALKEY_OPT_NONBLOCK ? 0 : VALKEY_BLOCK;
    static const int MAP[][2] = {
        {VALKEY_OPT_REUSEADDR, VALKEY_REUSEADDR},
        {VALKEY_OPT_NOAUTOFREE, VALKEY_NO_AUTO_FREE},
        {VALKEY_OPT_NOAUTOFREEREPLIES, VALKEY_NO_AUTO_FREE_REPLIES},
        {VALKEY_OPT_PREFER_IPV4, VALKEY_PREFER_IPV4},
        {VALKEY_OPT_PREFER_IPV6, VALKEY_PREFER_IPV6},
        {VALKEY_OPT_MPTCP, VALKEY_MPTCP},
    };
    for (size_t i = 0; i < sizeof MAP / sizeof *MAP; i++)
        if (options & MAP[i][0])
            flags |= MAP[i][1];
    return flags;
}

struct connection *connection_create(const valkeyOptions *options, size_t context_size) {
    struct connection *connection =
        vk_calloc(1, offsetof(struct connection, context) + context_size);
    if (connection == NULL)
        return NULL;
    valkeyContext *c = &connection->context;
    c->fd = VALKEY_INVALID_FD;
    c->flags = flags_of(options->options);
    c->reader = valkeyReaderCreate();
    c->funcs = functions_of(options->type);
    if (c->reader == NULL || keep_timeout(&c->connect_timeout, options->connect_timeout) ||
        keep_timeout(&c->command_timeout, options->command_timeout)) {
        connection_destroy(c, false);
        return NULL;
    }
    c->privdata = options->privdata;
    c->free_privdata = options->free_privdata;
    c->push_cb = options->push_cb;
    if (c->push_cb == NULL && !(options->options & VALKEY_OPT_NO_PUSH_AUTOFREE))
        c->push_cb = free_push;
    return connection;
}

static bool check_timeouts(valkeyContext *c) {
    if ((c->connect_timeout == NULL || timeout_is_valid(c->connect_timeout)) &&
        (c->command_timeout == NULL || timeout_is_valid(c->command_timeout)))
        return true;
    valkeySetError(c, VALKEY_ERR_IO, "Invalid timeout specified");
    return false;
}

void connection_open(valkeyContext *c, const valkeyOptions *options) {
    if (!check_timeouts(c))
        return;
    if (options->type < VALKEY_CONN_TCP || options->type > VALKEY_CONN_USERFD) {
        valkeySetError(c, VALKEY_ERR_OTHER, "Unsupported connection type");
        return;
    }
    if (c->funcs->connect(c, options) == VALKEY_OK && c->command_timeout != NULL &&
        c->flags & VALKEY_BLOCK && c->fd != VALKEY_INVALID_FD)
        (void)c->funcs->set_timeout(c, *c->command_timeout);
}

void connection_destroy(valkeyContext *c, bool keep_fd) {
    struct connection *connection = connection_of(c);
    cache_forget(connection);
    opening_end(c);
    if (!keep_fd)
        c->funcs->close(c);
    if (c->privctx != NULL && c->funcs->free_privctx != NULL)
        c->funcs->free_privctx(c->privctx);
    if (c->privdata != NULL && c->free_privdata != NULL)
        c->free_privdata(c->privdata);
    vk_free(connection->output.data);
    valkeyReaderFree(c->reader);
    vk_free(c->tcp.host);
    vk_free(c->tcp.source_addr);
    vk_free(c->unix_sock.path);
    vk_free(c->connect_timeout);
    vk_free(c->command_timeout);
    vk_free(c->saddr);
    vk_free(connection);
}

char *output_reserve(valkeyContext *c, size_t size) {
    struct output *output = &connection_of(c)->output;
    if (output->sent == output->used) {
        output->sent = output->used = 0;
        if (output->capacity > OUTPUT_KEPT_MAX) {
            vk_free(output->data);
            *output = (struct output){0};
            c->obuf = NULL;
        }
    }
    if (size > SIZE_MAX / 4 || output->used > SIZE_MAX / 4)
        return NULL;
    if (output->capacity < output->used + size + 1) {
        size_t wanted = output->capacity * 2;
        if (wanted < output->used + size + 1)
            wanted = output->used + size + 1;
        if (wanted < OUTPUT_MIN)
            wanted = OUTPUT_MIN;
        char *grown = vk_realloc(output->data, wanted);
        if (grown == NULL)
            return NULL;
        output->data = grown;
        output->capacity = wanted;
    }
    c->obuf = output->data;
    return output->data + output->used;
}

void output_commit(valkeyContext *c, size_t size) {
    struct output *output = &connection_of(c)->output;
    output->used += size;
    output->data[output->used] = '\0';
}

valkeyContext *valkeyConnectWithOptions(const valkeyOptions *options) {
    struct connection *connection = connection_create(options, sizeof(valkeyContext));
    if (connection == NULL)
        return NULL;
    connection_open(&connection->context, options);
    return &connection->context;
}

static valkeyContext *connect_to(const char *ip, int port, int flags, const struct timeval *timeout,
                                 const char *source_addr) {
    valkeyOptions options = {.options = flags, .connect_timeout = timeout};
    VALKEY_OPTIONS_SET_TCP(&options, ip, port);
    options.endpoint.tcp.source_addr = source_addr;
    return valkeyConnectWithOptions(&options);
}

static valkeyContext *connect_to_path(const char *path, int flags, const struct timeval *timeout) {
    valkeyOptions options = {.options = flags, .connect_timeout = timeout};
    VALKEY_OPTIONS_SET_UNIX(&options, path);
    return valkeyConnectWithOptions(&options);
}

valkeyContext *valkeyConnect(const char *ip, int port) {
    return connect_to(ip, port, 0, NULL, NULL);
}

valkeyContext *valkeyConnectWithTimeout(const char *ip, int port, const struct timeval tv) {
    return connect_to(ip, port, 0, &tv, NULL);
}

valkeyContext *valkeyConnectNonBlock(const char *ip, int port) {
    return connect_to(ip, port, VALKEY_OPT_NONBLOCK, NULL, NULL);
}

valkeyContext *valkeyConnectBindNonBlock(const char *ip, int port, const char *source_addr) {
    return connect_to(ip, port, VALKEY_OPT_NONBLOCK, NULL, source_addr);
}

valkeyContext *valkeyConnectBindNonBlockWithReuse(const char *ip, int port,
                                                  const char *source_addr) {
    return connect_to(ip, port, VALKEY_OPT_NONBLOCK | VALKEY_OPT_REUSEADDR, NULL, source_addr);
}

valkeyContext *valkeyConnectUnix(const char *path) {
    return connect_to_path(path, 0, NULL);
}

valkeyContext *valkeyConnectUnixWithTimeout(const char *path, const struct timeval tv) {
    return connect_to_path(path, 0, &tv);
}

valkeyContext *valkeyConnectUnixNonBlock(const char *path) {
    return connect_to_path(path, VALKEY_OPT_NONBLOCK, NULL);
}

valkeyContext *valkeyConnectFd(valkeyFD fd) {
    valkeyOptions options = {.type = VALKEY_CONN_USERFD, .endpoint.fd = fd};
    return valkeyConnectWithOptions(&options);
}

int valkeyReconnect(valkeyContext *c) {
    if (c->connection_type == VALKEY_CONN_USERFD)
        return connection_fail(c, VALKEY_ERR_OTHER, "A given socket can't be connected again");
    valkeyReader *reader = valkeyReaderCreate();
    if (reader == NULL)
        return connection_fail_memory(c);
    cache_forget(connection_of(c));
    c->err = 0;
    c->errstr[0] = '\0';
    c->funcs->close(c);
    if (c->privctx != NULL && c->funcs->free_privctx != NULL) {
        c->funcs->free_privctx(c->privctx);
        c->privctx = NULL;
        c->funcs = functions_of((int)c->connection_type);
    }
    c->flags &= ~VALKEY_CONNECTED;
    struct output *output = &connection_of(c)->output;
    output->sent = output->used = 0;
    valkeyReaderFree(c->reader);
    c->reader = reader;
    valkeyOptions options = {.type = (int)c->connection_type};
    if (c->connection_type == VALKEY_CONN_UNIX) {
        options.endpoint.unix_socket = c->unix_sock.path;
    } else {
        options.endpoint.tcp.ip = c->tcp.host;
        options.endpoint.tcp.port = c->tcp.port;
        options.endpoint.tcp.source_addr = c->tcp.source_addr;
    }
    connection_open(c, &options);
    return c->err == 0 ? VALKEY_OK : VALKEY_ERR;
}

valkeyPushFn *valkeySetPushCallback(valkeyContext *c, valkeyPushFn *fn) {
    valkeyPushFn *previous = c->push_cb;
    c->push_cb = fn;
    return previous;
}

int valkeySetTimeout(valkeyContext *c, const struct timeval tv) {
    if (!(c->flags & VALKEY_BLOCK))
        return VALKEY_ERR;
    if (!timeout_is_valid(&tv))
        return connection_fail(c, VALKEY_ERR_IO, "Invalid timeout specified");
    if (keep_timeout(&c->command_timeout, &tv) != VALKEY_OK)
        return connection_fail_memory(c);
    return c->funcs->set_timeout(c, tv);
}

int valkeyEnableKeepAliveWithInterval(valkeyContext *c, int interval) {
    return c->connection_type == VALKEY_CONN_TCP ? valkeyKeepAlive(c, interval) : VALKEY_ERR;
}

int valkeyEnableKeepAlive(valkeyContext *c) {
    return valkeyEnableKeepAliveWithInterval(c, VALKEY_KEEPALIVE_INTERVAL);
}

int valkeySetTcpUserTimeout(valkeyContext *c, unsigned int timeout) {
    return c->connection_type == VALKEY_CONN_TCP ? valkeyContextSetTcpUserTimeout(c, timeout)
                                                 : VALKEY_ERR;
}

void valkeyFree(valkeyContext *c) {
    if (c != NULL)
        connection_destroy(c, false);
}

valkeyFD valkeyFreeKeepFd(valkeyContext *c) {
    if (c == NULL)
        return VALKEY_INVALID_FD;
    valkeyFD fd = c->fd;
    c->fd = VALKEY_INVALID_FD;
    connection_destroy(c, true);
    return fd;
}
