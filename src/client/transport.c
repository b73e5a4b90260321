/* SPDX-License-Identifier: BSD-3-Clause */
/* Plain sockets. A blocking context's socket blocks in recv(2), which needs no poll(2) before it;
 * sending never blocks, so that received bytes can be taken meanwhile. */
#include "client/connection.h"

#include "valkey/async.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

void valkeyNetClose(valkeyContext *c) {
    if (c->fd != VALKEY_INVALID_FD) {
        (void)close(c->fd);
        c->fd = VALKEY_INVALID_FD;
    }
}

static ssize_t transport_read(valkeyContext *c, char *buffer, size_t size) {
    ssize_t count = recv(c->fd, buffer, size, 0);
    if (count > 0)
        return count;
    if (count == 0)
        return connection_fail(c, VALKEY_ERR_EOF, "Server closed the connection");
    if (errno == EINTR)
        return 0;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return c->flags & VALKEY_BLOCK ? connection_fail(c, VALKEY_ERR_TIMEOUT, "Timeout") : 0;
    return connection_fail_errno(c, errno, NULL);
}

static ssize_t transport_write(valkeyContext *c) {
    const struct output *output = &connection_of(c)->output;
    ssize_t count = send(c->fd, output->data + output->sent, output_pending(output),
                         MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0)
        return count;
    if (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)
        return 0;
    return connection_fail_errno(c, errno, NULL);
}

const valkeyContextFuncs TRANSPORT_TCP = {
    .connect = connect_tcp,
    .close = valkeyNetClose,
    .async_read = valkeyAsyncRead,
    .async_write = valkeyAsyncWrite,
    .read = transport_read,
    .write = transport_write,
    .set_timeout = valkeyTcpSetTimeout,
};

const valkeyContextFuncs TRANSPORT_UNIX = {
    .connect = connect_unix,
    .close = valkeyNetClose,
    .async_read = valkeyAsyncRead,
    .async_write = valkeyAsyncWrite,
    .read = transport_read,
    .write = transport_write,
    .set_timeout = valkeyTcpSetTimeout,
};

const valkeyContextFuncs TRANSPORT_USERFD = {
    .connect = connect_userfd,
    .close = valkeyNetClose,
    .async_read = valkeyAsyncRead,
    .async_write = valkeyAsyncWrite,
    .read = transport_read,
    .write = transport_write,
    .set_timeout = valkeyTcpSetTimeout,
};

int connection_wait(valkeyContext *c, short events, long long deadline) {
    struct pollfd waiting = {.fd = c->fd, .events = events};
    for (;;) {
        int ready = poll(&waiting, 1, deadline_left_ms(deadline));
        if (ready > 0)
            return waiting.revents;
        if (ready == 0)
            return 0;
        if (errno != EINTR)
            return connection_fail_errno(c, errno, "poll");
    }
}

int valkeyTcpSetTimeout(valkeyContext *c, const struct timeval tv) {
    if (setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) != 0)
        return connection_fail_errno(c, errno, "setsockopt(SO_RCVTIMEO)");
    if (setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv) != 0)
        return connection_fail_errno(c, errno, "setsockopt(SO_SNDTIMEO)");
    return VALKEY_OK;
}

int valkeySetTcpNoDelay(valkeyContext *c) {
    int on = 1;
    if (setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0)
        return VALKEY_OK;
    return connection_fail_errno(c, errno, "setsockopt(TCP_NODELAY)");
}

int valkeyKeepAlive(valkeyContext *c, int interval) {
    int on = 1, between = interval / 3 > 0 ? interval / 3 : 1, probes = 3;
    if (setsockopt(c->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) != 0)
        return connection_fail_errno(c, errno, "setsockopt(SO_KEEPALIVE)");
    if (setsockopt(c->fd, IPPROTO_TCP, TCP_KEEPIDLE, &interval, sizeof interval) != 0)
        return connection_fail_errno(c, errno, "setsockopt(TCP_KEEPIDLE)");
    if (setsockopt(c->fd, IPPROTO_TCP, TCP_KEEPINTVL, &between, sizeof between) != 0)
        return connection_fail_errno(c, errno, "setsockopt(TCP_KEEPINTVL)");
    if (setsockopt(c->fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes) != 0)
        return connection_fail_errno(c, errno, "setsockopt(TCP_KEEPCNT)");
    return VALKEY_OK;
}

int valkeyContextSetTcpUserTimeout(valkeyContext *c, unsigned int timeout) {
    if (setsockopt(c->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout) == 0)
        return VALKEY_OK;
    return connection_fail_errno(c, errno, "setsockopt(TCP_USER_TIMEOUT)");
}

int valkeyCheckSocketError(valkeyContext *c) {
    int number = 0;
    socklen_t size = sizeof number;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &number, &size) != 0)
        return connection_fail_errno(c, errno, "getsockopt(SO_ERROR)");
    return number == 0 ? VALKEY_OK : connection_fail_errno(c, number, NULL);
}

int valkeyHasMptcp(void) {
#ifdef IPPROTO_MPTCP
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);
    if (fd < 0)
        return 0;
    (void)close(fd);
    return 1;
#else
    return 0;
#endif
}
