/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening sockets. A blocking connect races the addresses of a name (RFC 8305, "happy eyeballs"):
 * the next one is tried when the one before has failed or kept silent for STAGGER_MS, the first
 * that answers wins, and one deadline holds for all. A non-blocking connect begins with the first
 * address that does not fail at once. */
#include "client/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { STAGGER_MS = 250, ATTEMPTS_MAX = 16 };

int socket_set_blocking(valkeyContext *c, bool is_blocking) {
    int flags = fcntl(c->fd, F_GETFL);
    if (flags < 0)
        return connection_fail_errno(c, errno, "fcntl(F_GETFL)");
    flags = is_blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
    if (fcntl(c->fd, F_SETFL, flags) != 0)
        return connection_fail_errno(c, errno, "fcntl(F_SETFL)");
    return VALKEY_OK;
}

/* Copy `text` to *field; both may be the same string. */
static bool keep_text(char **field, const char *text) {
    if (*field == text)
        return true;
    char *copy = text == NULL ? NULL : vk_strdup(text);
    if (text != NULL && copy == NULL)
        return false;
    vk_free(*field);
    *field = copy;
    return true;
}

static int keep_address(valkeyContext *c, const struct sockaddr *address, socklen_t size) {
    struct sockaddr *copy = vk_malloc(size);
    if (copy == NULL)
        return connection_fail_memory(c);
    memcpy(copy, address, size);
    vk_free(c->saddr);
    c->saddr = copy;
    c->addrlen = size;
    return VALKEY_OK;
}

static int resolve(valkeyContext *c, const char *host, int port, int flags,
                   struct addrinfo **out_list) {
    char service[16];
    (void)snprintf(service, sizeof service, "%d", port);
    int families[2] = {AF_INET, AF_INET6};
    bool prefers_v4 = c->flags & VALKEY_PREFER_IPV4, prefers_v6 = c->flags & VALKEY_PREFER_IPV6;
    if (prefers_v4 && prefers_v6)
        families[0] = families[1] = AF_UNSPEC;
    else if (prefers_v6)
        families[0] = AF_INET6, families[1] = AF_INET;
    int result = 0;
    for (int i = 0; i < 2; i++) {
        struct addrinfo hints = {.ai_family = families[i],
                                 .ai_socktype = SOCK_STREAM,
                                 .ai_flags = flags | AI_NUMERICSERV};
        result = getaddrinfo(host, service, &hints, out_list);
        if (result == 0)
            return VALKEY_OK;
    }
    if (result == EAI_MEMORY)
        return connection_fail_memory(c);
    return connection_fail(c, VALKEY_ERR_OTHER, gai_strerror(result));
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

/* Begin to connect. Returns the socket, or minus an errno value. *out_done: no need to wait. */
static int begin_connect(const valkeyContext *c, const struct addrinfo *address,
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

struct attempts {
    struct pollfd items[ATTEMPTS_MAX];
    const struct addrinfo *addresses[ATTEMPTS_MAX];
    nfds_t count;
    int failure; /* errno value of the last one that failed */
};

static void attempts_drop(struct attempts *attempts, nfds_t at) {
    (void)close(attempts->items[at].fd);
    attempts->count--;
    attempts->items[at] = attempts->items[attempts->count];
    attempts->addresses[at] = attempts->addresses[attempts->count];
}

/* The socket at `at` is connected: it becomes the context's. */
static int attempts_win(valkeyContext *c, struct attempts *attempts, nfds_t at) {
    c->fd = attempts->items[at].fd;
    attempts->items[at].fd = -1;
    const struct addrinfo *address = attempts->addresses[at];
    return keep_address(c, address->ai_addr, address->ai_addrlen);
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

/* Begin with the next address. Returns the index of the attempt if it is connected already. */
static int attempts_add(const valkeyContext *c, struct attempts *attempts,
                        const struct addrinfo *address, const struct addrinfo *sources) {
    bool is_done = false;
    int fd = begin_connect(c, address, sources, &is_done);
    if (fd < 0) {
        attempts->failure = -fd;
        return -1;
    }
    nfds_t at = attempts->count++;
    attempts->items[at] = (struct pollfd){.fd = fd, .events = POLLOUT};
    attempts->addresses[at] = address;
    return is_done ? (int)at : -1;
}

/* Wait for an answer until the deadline, or STAGGER_MS if there are more addresses to try. */
static int attempts_wait(struct attempts *attempts, long long deadline, bool has_more) {
    int left_ms = deadline_left_ms(deadline);
    if (has_more && (left_ms < 0 || left_ms > STAGGER_MS))
        left_ms = STAGGER_MS;
    for (nfds_t i = 0; i < attempts->count; i++)
        attempts->items[i].revents = 0;
    int ready = poll(attempts->items, attempts->count, left_ms);
    if (ready < 0 && errno != EINTR)
        attempts->failure = errno;
    return ready > 0 ? attempts_check(attempts) : -1;
}

static int race(valkeyContext *c, const struct addrinfo *list, const struct addrinfo *sources) {
    struct attempts attempts = {.failure = ETIMEDOUT};
    long long deadline = deadline_after(c->connect_timeout);
    int winner = -1;
    bool is_late = false;
    while (winner < 0 && !is_late && (list != NULL || attempts.count > 0)) {
        if (list != NULL && attempts.count < ATTEMPTS_MAX) {
            winner = attempts_add(c, &attempts, list, sources);
            list = list->ai_next;
        }
        if (winner < 0 && attempts.count > 0)
            winner = attempts_wait(&attempts, deadline, list != NULL);
        is_late = winner < 0 && deadline_left_ms(deadline) == 0;
    }
    int result;
    if (winner >= 0)
        result = attempts_win(c, &attempts, (nfds_t)winner);
    else
        result = connection_fail_errno(c, is_late ? ETIMEDOUT : attempts.failure, NULL);
    for (nfds_t i = 0; i < attempts.count; i++)
        if (attempts.items[i].fd >= 0)
            (void)close(attempts.items[i].fd);
    return result;
}

static int begin_first(valkeyContext *c, const struct addrinfo *list,
                       const struct addrinfo *sources) {
    int failure = EADDRNOTAVAIL;
    for (; list != NULL; list = list->ai_next) {
        bool is_done;
        int fd = begin_connect(c, list, sources, &is_done);
        if (fd >= 0) {
            c->fd = fd;
            return keep_address(c, list->ai_addr, list->ai_addrlen);
        }
        failure = -fd;
    }
    return connection_fail_errno(c, failure, NULL);
}

static int connect_resolved(valkeyContext *c, const struct addrinfo *list,
                            const struct addrinfo *sources) {
    bool is_blocking = c->flags & VALKEY_BLOCK;
    int result = is_blocking ? race(c, list, sources) : begin_first(c, list, sources);
    if (result == VALKEY_OK && is_blocking)
        result = socket_set_blocking(c, true);
    if (result == VALKEY_OK)
        result = valkeySetTcpNoDelay(c);
    if (result == VALKEY_OK)
        c->flags |= VALKEY_CONNECTED;
    return result;
}

int connect_tcp(valkeyContext *c, const valkeyOptions *options) {
    c->connection_type = VALKEY_CONN_TCP;
    c->tcp.port = options->endpoint.tcp.port;
    if (options->endpoint.tcp.ip == NULL || c->tcp.port < 0 || c->tcp.port > 65535)
        return connection_fail(c, VALKEY_ERR_OTHER, "Invalid address");
    if (!keep_text(&c->tcp.host, options->endpoint.tcp.ip) ||
        !keep_text(&c->tcp.source_addr, options->endpoint.tcp.source_addr))
        return connection_fail_memory(c);
    struct addrinfo *list = NULL, *sources = NULL;
    int result = resolve(c, c->tcp.host, c->tcp.port, 0, &list);
    if (result == VALKEY_OK && c->tcp.source_addr != NULL)
        result = resolve(c, c->tcp.source_addr, 0, AI_PASSIVE, &sources);
    if (result == VALKEY_OK)
        result = connect_resolved(c, list, sources);
    if (sources != NULL)
        freeaddrinfo(sources);
    if (list != NULL)
        freeaddrinfo(list);
    return result;
}

int valkeyContextConnectTcp(valkeyContext *c, const valkeyOptions *options) {
    return connect_tcp(c, options);
}

/* Finish a blocking connect to a unix socket whose queue is full or slow. */
static int connect_unix_wait(valkeyContext *c, const struct sockaddr_un *address) {
    long long deadline = deadline_after(c->connect_timeout);
    while (connect(c->fd, (const struct sockaddr *)address, sizeof *address) != 0) {
        if (errno == EISCONN)
            break;
        if (errno == EINPROGRESS || errno == EALREADY) {
            int ready = connection_wait(c, POLLOUT, deadline);
            if (ready < 0 || (ready > 0 && valkeyCheckSocketError(c) != VALKEY_OK))
                return VALKEY_ERR;
        } else if (errno == EAGAIN) {
            /* The queue has no event to wait for. */
            (void)poll(NULL, 0, 5);
        } else if (errno != EINTR) {
            return connection_fail_errno(c, errno, NULL);
        }
        if (deadline_left_ms(deadline) == 0)
            return connection_fail_errno(c, ETIMEDOUT, NULL);
    }
    return socket_set_blocking(c, true);
}

int connect_unix(valkeyContext *c, const valkeyOptions *options) {
    const char *path = options->endpoint.unix_socket;
    c->connection_type = VALKEY_CONN_UNIX;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = path == NULL ? 0 : strlen(path);
    if (size == 0 || size >= sizeof address.sun_path)
        return connection_fail(c, VALKEY_ERR_OTHER, "Invalid unix socket path");
    memcpy(address.sun_path, path, size + 1);
    if (!keep_text(&c->unix_sock.path, path))
        return connection_fail_memory(c);
    if (keep_address(c, (struct sockaddr *)&address, sizeof address) != VALKEY_OK)
        return VALKEY_ERR;
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return connection_fail_errno(c, errno, NULL);
    if (c->flags & VALKEY_BLOCK) {
        if (connect_unix_wait(c, &address) != VALKEY_OK)
            return VALKEY_ERR;
    } else if (connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0 &&
               errno != EINPROGRESS) {
        return connection_fail_errno(c, errno, NULL);
    }
    c->flags |= VALKEY_CONNECTED;
    return VALKEY_OK;
}

int connect_userfd(valkeyContext *c, const valkeyOptions *options) {
    c->connection_type = VALKEY_CONN_USERFD;
    c->fd = options->endpoint.fd;
    c->flags |= VALKEY_CONNECTED;
    return VALKEY_OK;
}

int valkeyCheckConnectDone(valkeyContext *c, int *completed) {
    struct pollfd waiting = {.fd = c->fd, .events = POLLOUT};
    *completed = 0;
    if (poll(&waiting, 1, 0) <= 0)
        return VALKEY_OK;
    if (valkeyCheckSocketError(c) != VALKEY_OK)
        return VALKEY_ERR;
    *completed = 1;
    return VALKEY_OK;
}
