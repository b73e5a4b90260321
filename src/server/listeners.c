/* SPDX-License-Identifier: BSD-3-Clause */
/* Listening sockets belong to the first thread's loop. A change opens what is new before it gives
 * up what is old, so a mistake in CONFIG SET leaves the server reachable. */
#include "server/listeners.h"

#include "server/session.h"
#include "server/settings.h"

#include <stdio.h>

enum { LISTENERS_MAX = 64 };

struct listener_set {
    struct loop_listener items[LISTENERS_MAX];
    size_t count;
};

static void close_set(const struct listener_set *set) {
    for (size_t i = 0; i < set->count; i++)
        socket_close(set->items[i].fd);
}

static enum larder_status open_tcp(const struct server_config *config, int64_t port, bool is_tls,
                                   struct listener_set *set, struct error_text *error) {
    size_t opened = 0;
    if (port == 0)
        return LARDER_OK;
    for (size_t i = 0; i < config->bind.count && set->count < LISTENERS_MAX; i++) {
        const char *address = option_text_or_empty(&config->bind.items[i]);
        bool is_optional = address[0] == '-';
        int fd;
        enum larder_status status = socket_listen_tcp(address + is_optional, (uint16_t)port,
                                                      (int)config->tcp_backlog, &fd, error);
        if (status == LARDER_OK) {
            set->items[set->count++] = (struct loop_listener){.fd = fd, .is_tls = is_tls};
            opened++;
        } else if (!is_optional || status == LARDER_EXISTS) {
            return status;
        }
    }
    if (opened == 0 && config->bind.count > 0) {
        error_text_format(error, "none of the addresses of 'bind' is available");
        return LARDER_NOT_FOUND;
    }
    return LARDER_OK;
}

static enum larder_status open_unix(const struct server *server, struct listener_set *set,
                                    struct error_text *error) {
    if (server->unix_path[0] == '\0')
        return LARDER_OK;
    int fd;
    enum larder_status status =
        socket_listen_unix(server->unix_path, (unsigned)server->config.unixsocketperm,
                           (int)server->config.tcp_backlog, &fd, error);
    if (status == LARDER_OK)
        set->items[set->count++] = (struct loop_listener){.fd = fd, .is_unix = true};
    return status;
}

enum larder_status listeners_open(struct server *server, struct error_text *error) {
    struct listener_set set = {.count = 0};
    const struct server_config *config = &server->config;
    enum larder_status status = open_tcp(config, config->port, false, &set, error);
    if (status == LARDER_OK)
        status = open_tcp(config, config->tls_port, true, &set, error);
    if (status == LARDER_OK)
        status = open_unix(server, &set, error);
    if (status == LARDER_OK)
        status = loop_set_listeners(&server->threads[0].loop, set.items, set.count);
    if (status != LARDER_OK) {
        close_set(&set);
        return status;
    }
    server->listening_port = config->port;
    server->listening_tls_port = config->tls_port;
    server->is_listening = true;
    return LARDER_OK;
}

/* ---- changing them while running ---- */

struct relisten_message {
    struct loop_message message;
    const struct allocator *allocator;
    struct listener_set set;
};

static void run_relisten(struct loop *loop, struct loop_message *message) {
    struct relisten_message *relisten = (struct relisten_message *)message;
    if (loop_set_listeners(loop, relisten->set.items, relisten->set.count) != LARDER_OK)
        close_set(&relisten->set);
    allocator_release(relisten->allocator, relisten, sizeof(*relisten));
}

enum larder_status listeners_reopen(struct server *server, struct error_text *error) {
    struct loop *loop = &server->threads[0].loop;
    struct relisten_message *relisten =
        allocator_allocate_zeroed(server->allocator, sizeof(*relisten));
    if (relisten == NULL)
        return LARDER_NO_MEMORY;
    relisten->message.run = run_relisten;
    relisten->allocator = server->allocator;
    struct listener_set *set = &relisten->set;
    const struct server_config *config = &server->config;
    /* Sockets of the same port can't be bound twice; they are told apart by port and kept. */
    enum larder_status status = LARDER_OK;
    if (config->port != server->listening_port)
        status = open_tcp(config, config->port, false, set, error);
    if (status == LARDER_OK && config->tls_port != server->listening_tls_port)
        status = open_tcp(config, config->tls_port, true, set, error);
    if (status != LARDER_OK) {
        close_set(set);
        allocator_release(server->allocator, relisten, sizeof(*relisten));
        return status;
    }
    for (size_t i = 0; i < loop->listener_count && set->count < LISTENERS_MAX; i++) {
        const struct loop_listener *old = &loop->listeners[i];
        bool stays = old->is_unix || (old->is_tls ? config->tls_port == server->listening_tls_port
                                                  : config->port == server->listening_port);
        if (stays)
            set->items[set->count++] = *old;
    }
    server->listening_port = config->port;
    server->listening_tls_port = config->tls_port;
    loop_post(loop, &relisten->message);
    return LARDER_OK;
}

/* ---- placing connections ---- */

static struct loop *least_loaded(struct server *server) {
    struct loop *best = &server->threads[0].loop;
    for (unsigned i = 1; i < server->thread_count; i++) {
        struct loop *loop = &server->threads[i].loop;
        if (atomic_load_explicit(&loop->connection_count, memory_order_relaxed) <
            atomic_load_explicit(&best->connection_count, memory_order_relaxed))
            best = loop;
    }
    return best;
}

struct loop *listeners_place(struct loop *loop, const struct loop_listener *listener,
                             struct socket_peer *peer, struct tls_session **out_tls) {
    struct server *server = thread_of_loop(loop)->server;
    *out_tls = NULL;
    if (listener->is_tls) {
        server_stats_lock(server);
        struct tls_context *context = server->tls == NULL ? NULL : tls_context_acquire(server->tls);
        server_stats_unlock(server);
        enum larder_status status =
            context == NULL ? LARDER_CLOSED : tls_session_create(context, peer->fd, NULL, out_tls);
        tls_context_release(context);
        if (status != LARDER_OK) {
            socket_close(peer->fd);
            return NULL;
        }
    }
    return least_loaded(server);
}
