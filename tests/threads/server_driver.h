/* SPDX-License-Identifier: BSD-3-Clause */
/* A whole server in the calling thread: its only loop runs one pass at a time, when it is told to,
 * and its clients are ends of socket pairs. So what happens in which order is the test's choice. */
#ifndef LARDER_TESTS_SERVER_DRIVER_H
#define LARDER_TESTS_SERVER_DRIVER_H

#include "server/log_file.h"
#include "server/server.h"
#include "server/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct server_driver {
    struct server_config config;
    struct log log; /* into nothing */
    struct log_file log_file;
    struct server *server;
    struct loop_message stop;
};

static inline void driver_require(bool condition, const char *what) {
    if (condition)
        return;
    (void)fprintf(stderr, "server driver: %s\n", what);
    abort();
}

static inline void driver_config(struct server_config *config, const char *directives) {
    struct config_error error = {{0}};
    struct config_warnings none = {NULL, NULL};
    driver_require(config_init(config, &ALLOCATOR_SYSTEM, 1) == LARDER_OK, "config_init");
    enum larder_status status =
        config_load_text(config, "test", slice_of_string(directives), none, &error);
    driver_require(status == LARDER_OK, error.text);
}

/* `directives`: lines of a configuration file, which should contain "port 0" and "threads 1".
 * allocator may be NULL. Errors: those of server_create. */
static inline enum larder_status server_driver_try_create(struct server_driver *d,
                                                          const char *directives,
                                                          const struct allocator *allocator) {
    *d = (struct server_driver){.server = NULL};
    struct error_text error = {{0}};
    driver_config(&d->config, directives);
    log_init(&d->log, LOG_LEVEL_WARNING, NULL, NULL);
    struct server_options options = {
        .config = &d->config, .log = &d->log, .log_file = &d->log_file, .allocator = allocator};
    enum larder_status status = server_create(&options, &d->server, &error);
    if (status != LARDER_OK)
        config_finish(&d->config);
    return status;
}

static inline void server_driver_create(struct server_driver *d, const char *directives) {
    driver_require(server_driver_try_create(d, directives, NULL) == LARDER_OK, "server_create");
}

static inline void server_driver_destroy(struct server_driver *d) {
    server_destroy(d->server);
}

static inline struct loop *server_driver_loop(struct server_driver *d) {
    return &d->server->threads[0].loop;
}

static inline void driver_stop_loop(struct loop *loop, struct loop_message *message) {
    (void)message;
    atomic_store(&loop->is_stopping, true);
}

/* One pass of the loop: serve what is ready. */
static inline void server_driver_step(struct server_driver *d) {
    struct loop *loop = server_driver_loop(d);
    atomic_store(&loop->is_stopping, false);
    d->stop.run = driver_stop_loop;
    loop_post(loop, &d->stop);
    loop_run(loop);
    atomic_store(&loop->is_stopping, false);
}

/* Connect; the client's end, non-blocking, or -1 when the server found no memory for it. */
static inline int server_driver_connect(struct server_driver *d) {
    int fds[2];
    driver_require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0,
                   "socketpair");
    struct socket_peer peer = {.fd = fds[1], .is_unix = true, .is_loopback = true};
    if (loop_adopt(server_driver_loop(d), &peer, NULL) == LARDER_OK)
        return fds[0];
    (void)close(fds[0]);
    return -1;
}

/* What can be sent right now; how much that was. */
static inline size_t driver_send(int fd, const void *bytes, size_t size) {
    ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
    return sent > 0 ? (size_t)sent : 0;
}

/* What is there to be received; *out_is_closed when the server has closed. */
static inline size_t driver_receive(int fd, uint8_t *room, size_t size, bool *out_is_closed) {
    size_t used = 0;
    *out_is_closed = false;
    while (used < size) {
        ssize_t got = recv(fd, room + used, size - used, 0);
        if (got > 0) {
            used += (size_t)got;
            continue;
        }
        *out_is_closed = got == 0 || (errno != EAGAIN && errno != EINTR);
        break;
    }
    return used;
}

#endif
