/* SPDX-License-Identifier: BSD-3-Clause */
/* The traffic half of sockets: accept, receive, send. A slice array is handed to the kernel as it
 * is, because slice and iovec have the same layout, which is checked here. */
#include "os/socket.h"
#include "os/socket_address.h"
#include "os/system_error.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert(sizeof(struct slice) == sizeof(struct iovec), "slice and iovec differ");
_Static_assert(offsetof(struct slice, data) == offsetof(struct iovec, iov_base),
               "slice and iovec differ");
_Static_assert(offsetof(struct slice, size) == offsetof(struct iovec, iov_len),
               "slice and iovec differ");

enum larder_status socket_accept(int listen_fd, struct socket_peer *out_peer) {
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    int fd = -1;
    do
        fd = accept4(listen_fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (fd < 0 && (errno == EINTR || errno == ECONNABORTED || errno == EPROTO));
    if (fd < 0)
        return system_error_status(errno);
    if (address.ss_family == AF_UNIX) {
        size = sizeof address;
        if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
            size = 0;
    } else {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    }
    socket_address_describe(&address, size, out_peer);
    out_peer->fd = fd;
    return LARDER_OK;
}

void socket_set_keepalive(int fd, unsigned seconds) {
    int on = seconds > 0;
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    if (!on)
        return;
    int idle = seconds > INT16_MAX ? INT16_MAX : (int)seconds;
    int interval = idle / 3 > 0 ? idle / 3 : 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &(int){3}, sizeof(int));
}

static enum larder_status transfer_failed(int error_number) {
    switch (error_number) {
    case EAGAIN: return LARDER_AGAIN;
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN:
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ENETUNREACH: return LARDER_CLOSED;
    default: return LARDER_IO;
    }
}

enum larder_status socket_receive(int fd, void *buffer, size_t size, size_t *out_size) {
    ssize_t count = 0;
    do
        count = recv(fd, buffer, size, 0);
    while (count < 0 && errno == EINTR);
    *out_size = count > 0 ? (size_t)count : 0;
    if (count > 0)
        return LARDER_OK;
    return count == 0 ? LARDER_CLOSED : transfer_failed(errno);
}

enum larder_status socket_send(int fd, const void *data, size_t size, size_t *out_size) {
    ssize_t count = 0;
    do
        count = send(fd, data, size, MSG_NOSIGNAL);
    while (count < 0 && errno == EINTR);
    *out_size = count > 0 ? (size_t)count : 0;
    return count >= 0 ? LARDER_OK : transfer_failed(errno);
}

enum larder_status socket_sendv(int fd, const struct slice *slices, size_t count,
                                size_t *out_size) {
    struct msghdr message = {
        .msg_iov = (struct iovec *)(uintptr_t)slices,
        .msg_iovlen = count < SOCKET_SENDV_MAX ? count : SOCKET_SENDV_MAX,
    };
    ssize_t sent = 0;
    do
        sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    *out_size = sent > 0 ? (size_t)sent : 0;
    return sent >= 0 ? LARDER_OK : transfer_failed(errno);
}

enum larder_status socket_pair(int out_fds[2]) {
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, out_fds) == 0)
        return LARDER_OK;
    out_fds[0] = out_fds[1] = -1;
    return system_error_status(errno);
}

void socket_shutdown(int fd) {
    (void)shutdown(fd, SHUT_RDWR);
}

void socket_close(int fd) {
    if (fd >= 0)
        (void)close(fd);
}
