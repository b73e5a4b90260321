/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets that connect side by side. */
#include "client/connect_race.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int connect_keep_address(valkeyContext *c, const struct sockaddr *address, socklen_t size) {
    struct sockaddr *copy = vk_malloc(size);
    if (copy == NULL)
        return connection_fail_memory(c);
    memcpy(copy, address, size);
    vk_free(c->saddr);
    c->saddr = copy;
    c->addrlen = size;
    return VALKEY_OK;
}

/* A non-blocking socket for the address; -1 and errno. */
static int open_socket(const valkeyContext *c, const struct addrinfo *address) {
    int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
#ifdef IPPROTO_MPTCP
    if (c->flags & VALKEY_MPTCP) {
        int fd = socket(address->ai_family, type, IPPROTO_MPTCP);
        if (fd >= 0)
            return fd;
    }
#else
    (void)c;
#endif
    return socket(address->ai_family, type, address->ai_protocol);
}

/* Bind to one of the source addresses of the socket's family. Returns 0 or an errno value. */
static int bind_source(const valkeyContext *c, int fd, int family, const struct addrinfo *sources) {
    int on = 1;
    if (c->flags & VALKEY_REUSEADDR &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        return errno;
    int result = sources == NULL ? 0 : EADDRNOTAVAIL;
    for (; sources != NULL; sources = sources->ai_next) {
        if (sources->ai_family != family)
            continue;
        if (bind(fd, sources->ai_addr, sources->ai_addrlen) == 0)
            return 0;
        result = errno;
    }
    return result;
}

int connect_begin(const valkeyContext *c, const struct addrinfo *address,
                  const struct addrinfo *sources, bool *out_done) {
    int failure = 0;
    for (int tries = 0; tries < VALKEY_CONNECT_RETRIES; tries++) {
        int fd = open_socket(c, address);
        if (fd < 0)
            return -errno;
        failure = bind_source(c, fd, address->ai_family, sources);
        if (failure == 0) {
            *out_done = connect(fd, address->ai_addr, address->ai_addrlen) == 0;
            if (*out_done || errno == EINPROGRESS)
                return fd;
            failure = errno;
        }
        (void)close(fd);
        if (failure != EADDRNOTAVAIL || !(c->flags & VALKEY_REUSEADDR))
            break;
    }
    return -failure;
}

static void attempts_drop(struct attempts *attempts, nfds_t at) {
    (void)close(attempts->items[at].fd);
    attempts->count--;
    attempts->items[at] = attempts->items[attempts->count];
    attempts->addresses[at] = attempts->addresses[attempts->count];
}

/* Look at sockets that poll reported. Returns the index of a connected one, or -1. */
static int attempts_check(struct attempts *attempts) {
    for (nfds_t i = 0; i < attempts->count;) {
        if (attempts->items[i].revents == 0) {
            i++;
            continue;
        }
        int failure = 0;
        socklen_t size = sizeof failure;
        if (getsockopt(attempts->items[i].fd, SOL_SOCKET, SO_ERROR, &failure, &size) != 0)
            failure = errno;
        if (failure == 0)
            return (int)i;
        attempts->failure = failure;
        attempts_drop(attempts, i);
    }
    return -1;
}

int attempts_add(const valkeyContext *c, struct attempts *attempts, const struct addrinfo *address,
                 const struct addrinfo *sources) {
    bool is_done = false;
    int fd = connect_begin(c, address, sources, &is_done);
    if (fd < 0) {
        attempts->failure = -fd;
        return -1;
    }
    nfds_t at = attempts->count++;
    attempts->items[at] = (struct pollfd){.fd = fd, .events = POLLOUT};
    attempts->addresses[at] = address;
    return is_done ? (int)at : -1;
}

int attempts_wait(struct attempts *attempts, int limit_ms) {
    for (nfds_t i = 0; i < attempts->count; i++)
        attempts->items[i].revents = 0;
    int ready = poll(attempts->items, attempts->count, limit_ms);
    if (ready < 0 && errno != EINTR)
        attempts->failure = errno;
    return ready > 0 ? attempts_check(attempts) : -1;
}

void attempts_end(struct attempts *attempts) {
    for (nfds_t i = 0; i < attempts->count; i++)
        if (attempts->items[i].fd >= 0)
            (void)close(attempts->items[i].fd);
    attempts->count = 0;
}
