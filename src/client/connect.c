/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening sockets. A blocking connect has one deadline for looking the name up and for racing its
 * addresses. A non-blocking one begins with the first address that does not fail at once; an
 * asynchronous context leaves names to connect_opening.c. */
#include "client/connect_opening.h"
#include "client/connect_race.h"
#include "client/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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

static void families_of(const valkeyContext *c, int families[2]) {
    bool prefers_v4 = c->flags & VALKEY_PREFER_IPV4, prefers_v6 = c->flags & VALKEY_PREFER_IPV6;
    families[0] = prefers_v6 ? AF_INET6 : AF_INET;
    families[1] = prefers_v6 ? AF_INET : AF_INET6;
    if (prefers_v4 && prefers_v6)
        families[0] = families[1] = AF_UNSPEC;
}

int connect_fail_name(valkeyContext *c, int failure) {
    if (failure == EAI_MEMORY)
        return connection_fail_memory(c);
    return connection_fail(c, VALKEY_ERR_OTHER, gai_strerror(failure));
}

/* Look a name up until the deadline at most. */
static int resolve(valkeyContext *c, const char *host, int port, int flags, long long deadline,
                   struct addrinfo **out_list) {
    int families[2], failure = 0;
    families_of(c, families);
    if (resolve_now(host, port, flags | AI_NUMERICHOST, families, out_list) == 0)
        return VALKEY_OK;
    struct resolution *resolution =
        deadline == DEADLINE_NONE ? NULL : resolution_start(host, port, flags, families);
    bool has_answer = true;
    if (resolution == NULL)
        failure = resolve_now(host, port, flags, families, out_list);
    else
        has_answer = resolution_wait(resolution, deadline, out_list, &failure);
    resolution_end(resolution);
    if (!has_answer)
        return connection_fail_errno(c, ETIMEDOUT, NULL);
    return failure == 0 ? VALKEY_OK : connect_fail_name(c, failure);
}

/* The socket at `at` is connected: it becomes the context's. */
static int attempts_win(valkeyContext *c, struct attempts *attempts, nfds_t at) {
    c->fd = attempts->items[at].fd;
    attempts->items[at].fd = -1;
    const struct addrinfo *address = attempts->addresses[at];
    return connect_keep_address(c, address->ai_addr, address->ai_addrlen);
}

/* How long to wait for an answer: until the deadline, or STAGGER_MS if there is more to try. */
static int patience_ms(long long deadline, bool has_more) {
    int left_ms = deadline_left_ms(deadline);
    return has_more && (left_ms < 0 || left_ms > STAGGER_MS) ? STAGGER_MS : left_ms;
}

static int race(valkeyContext *c, const struct addrinfo *list, const struct addrinfo *sources,
                long long deadline) {
    struct attempts attempts = {.failure = ETIMEDOUT};
    int winner = -1;
    bool is_late = false;
    while (winner < 0 && !is_late && (list != NULL || attempts.count > 0)) {
        if (list != NULL && attempts.count < ATTEMPTS_MAX) {
            winner = attempts_add(c, &attempts, list, sources);
            list = list->ai_next;
        }
        if (winner < 0 && attempts.count > 0)
            winner = attempts_wait(&attempts, patience_ms(deadline, list != NULL));
        is_late = winner < 0 && deadline_left_ms(deadline) == 0;
    }
    int result;
    if (winner >= 0)
        result = attempts_win(c, &attempts, (nfds_t)winner);
    else
        result = connection_fail_errno(c, is_late ? ETIMEDOUT : attempts.failure, NULL);
    attempts_end(&attempts);
    return result;
}

static int begin_first(valkeyContext *c, const struct addrinfo *list,
                       const struct addrinfo *sources) {
    int failure = EADDRNOTAVAIL;
    for (; list != NULL; list = list->ai_next) {
        bool is_done;
        int fd = connect_begin(c, list, sources, &is_done);
        if (fd >= 0) {
            c->fd = fd;
            return connect_keep_address(c, list->ai_addr, list->ai_addrlen);
        }
        failure = -fd;
    }
    return connection_fail_errno(c, failure, NULL);
}

static int connect_resolved(valkeyContext *c, const struct addrinfo *list,
                            const struct addrinfo *sources, long long deadline) {
    bool is_blocking = c->flags & VALKEY_BLOCK;
    int result = is_blocking ? race(c, list, sources, deadline) : begin_first(c, list, sources);
    if (result == VALKEY_OK && is_blocking)
        result = socket_set_blocking(c, true);
    if (result == VALKEY_OK)
        result = valkeySetTcpNoDelay(c);
    if (result == VALKEY_OK)
        c->flags |= VALKEY_CONNECTED;
    return result;
}

/* Whether the host is an address and no name. */
static bool is_address(const valkeyContext *c) {
    struct addrinfo *list = NULL;
    int families[2];
    families_of(c, families);
    if (resolve_now(c->tcp.host, c->tcp.port, AI_NUMERICHOST, families, &list) != 0)
        return false;
    freeaddrinfo(list);
    return true;
}

/* Begin to connect an asynchronous context to a name. */
static int opening_start(valkeyContext *c) {
    struct addrinfo *sources = NULL;
    int families[2];
    families_of(c, families);
    if (c->tcp.source_addr != NULL &&
        resolve(c, c->tcp.source_addr, 0, AI_PASSIVE, DEADLINE_NONE, &sources) != VALKEY_OK)
        return VALKEY_ERR;
    return opening_create(c, families, sources);
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
    long long deadline = DEADLINE_NONE;
    if (c->flags & VALKEY_BLOCK)
        deadline = deadline_after(c->connect_timeout);
    if (connection_of(c)->is_async && !is_address(c))
        return opening_start(c);
    int result = resolve(c, c->tcp.host, c->tcp.port, 0, deadline, &list);
    if (result == VALKEY_OK && c->tcp.source_addr != NULL)
        result = resolve(c, c->tcp.source_addr, 0, AI_PASSIVE, deadline, &sources);
    if (result == VALKEY_OK)
        result = connect_resolved(c, list, sources, deadline);
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
    if (connect_keep_address(c, (struct sockaddr *)&address, sizeof address) != VALKEY_OK)
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
