/* SPDX-License-Identifier: BSD-3-Clause */
/* The opening half of sockets: listeners and outgoing connections. Rare, and read by people, so
 * every failure gets a sentence that names the address. */
#include "os/clock.h"
#include "os/socket.h"
#include "os/system_error.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static enum larder_status resolve(const char *address, uint16_t port, int flags,
                                  struct addrinfo **out_list, struct error_text *error) {
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    if (strcmp(address, "*") == 0)
        address = "0.0.0.0";
    else if (strcmp(address, "::*") == 0)
        address = "::";
    char service[8];
    (void)snprintf(service, sizeof service, "%u", port);
    int result = getaddrinfo(address, service, &hints, out_list);
    if (result == 0)
        return LARDER_OK;
    error_text_format(error, "can't resolve address '%s': %s", address, gai_strerror(result));
    return result == EAI_MEMORY ? LARDER_NO_MEMORY : LARDER_NOT_FOUND;
}

/* Returns the errno value, 0 when *out_fd listens. */
static int listen_on(const struct addrinfo *info, int backlog, int *out_fd) {
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                    info->ai_protocol);
    if (fd < 0)
        return errno;
    int on = 1;
    int result = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (result == 0 && info->ai_family == AF_INET6)
        result = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (result == 0)
        result = bind(fd, info->ai_addr, info->ai_addrlen);
    if (result == 0)
        result = listen(fd, backlog);
    if (result == 0) {
        *out_fd = fd;
        return 0;
    }
    int saved = errno;
    (void)close(fd);
    return saved;
}

enum larder_status socket_listen_tcp(const char *address, uint16_t port, int backlog, int *out_fd,
                                     struct error_text *error) {
    *out_fd = -1;
    struct addrinfo *list = NULL;
    enum larder_status status = resolve(address, port, AI_PASSIVE, &list, error);
    if (status != LARDER_OK)
        return status;
    int failure = 0;
    for (const struct addrinfo *info = list; info != NULL; info = info->ai_next) {
        failure = listen_on(info, backlog, out_fd);
        if (failure == 0)
            break;
    }
    freeaddrinfo(list);
    if (failure == 0)
        return LARDER_OK;
    return system_error_report(error, failure, "can't listen on %s port %u", address, port);
}

static enum larder_status unix_address(const char *path, struct sockaddr_un *out_address,
                                       struct error_text *error) {
    *out_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof out_address->sun_path) {
        error_text_format(error, "unix socket path '%s' must have 1 to %zu bytes", path,
                          sizeof out_address->sun_path - 1);
        return LARDER_INVALID;
    }
    memcpy(out_address->sun_path, path, length + 1);
    return LARDER_OK;
}

/* Remove a socket file that a process has left behind. Whether somebody still listens is found out
 * by connecting: only a refusal proves that nobody does. */
static void remove_stale(const struct sockaddr_un *address) {
    struct stat info;
    if (lstat(address->sun_path, &info) != 0 || !S_ISSOCK(info.st_mode))
        return;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
        errno == ECONNREFUSED)
        (void)unlink(address->sun_path);
    (void)close(fd);
}

enum larder_status socket_listen_unix(const char *path, unsigned mode, int backlog, int *out_fd,
                                      struct error_text *error) {
    *out_fd = -1;
    struct sockaddr_un address;
    enum larder_status status = unix_address(path, &address, error);
    if (status != LARDER_OK)
        return status;
    remove_stale(&address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return system_error_report(error, errno, "can't create unix socket '%s'", path);
    /* The file takes the mode of the descriptor, less the umask; chmod then adds what that took. */
    int result = mode == 0 ? 0 : fchmod(fd, (mode_t)mode);
    if (result == 0)
        result = bind(fd, (const struct sockaddr *)&address, sizeof address);
    if (result == 0 && mode != 0)
        result = chmod(path, (mode_t)mode);
    if (result == 0)
        result = listen(fd, backlog);
    if (result == 0) {
        *out_fd = fd;
        return LARDER_OK;
    }
    status = system_error_report(error, errno, "can't listen on unix socket '%s'", path);
    (void)close(fd);
    return status;
}

/* Wait for a connection under way. Returns the errno value. */
static int finish_connect(int fd, int timeout_ms) {
    uint64_t end_ns = clock_monotonic_ns() + (uint64_t)timeout_ms * 1000000u;
    struct pollfd waiting = {.fd = fd, .events = POLLOUT};
    for (;;) {
        uint64_t now_ns = clock_monotonic_ns();
        int left_ms = now_ns >= end_ns ? 0 : (int)((end_ns - now_ns + 999999) / 1000000);
        int ready = poll(&waiting, 1, left_ms);
        if (ready > 0)
            break;
        if (ready == 0)
            return ETIMEDOUT;
        if (errno != EINTR)
            return errno;
    }
    int failure = 0;
    socklen_t size = sizeof failure;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 ? failure : errno;
}

static int connect_to(const struct addrinfo *info, int timeout_ms, int *out_fd) {
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                    info->ai_protocol);
    if (fd < 0)
        return errno;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    int failure = connect(fd, info->ai_addr, info->ai_addrlen) == 0 ? 0 : errno;
    if (failure == EINPROGRESS || failure == EINTR)
        failure = finish_connect(fd, timeout_ms);
    if (failure == 0)
        *out_fd = fd;
    else
        (void)close(fd);
    return failure;
}

enum larder_status socket_connect_tcp(const char *address, uint16_t port, int timeout_ms,
                                      int *out_fd, struct error_text *error) {
    *out_fd = -1;
    struct addrinfo *list = NULL;
    enum larder_status status = resolve(address, port, 0, &list, error);
    if (status != LARDER_OK)
        return status;
    int failure = 0;
    for (const struct addrinfo *info = list; info != NULL; info = info->ai_next) {
        failure = connect_to(info, timeout_ms, out_fd);
        if (failure == 0)
            break;
    }
    freeaddrinfo(list);
    if (failure == 0)
        return LARDER_OK;
    return system_error_report(error, failure, "can't connect to %s port %u", address, port);
}

enum larder_status socket_connect_unix(const char *path, int *out_fd, struct error_text *error) {
    *out_fd = -1;
    struct sockaddr_un address;
    enum larder_status status = unix_address(path, &address, error);
    if (status != LARDER_OK)
        return status;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return system_error_report(error, errno, "can't create a unix socket");
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        status = system_error_report(error, errno, "can't connect to unix socket '%s'", path);
        (void)close(fd);
        return status;
    }
    *out_fd = fd;
    return LARDER_OK;
}

enum larder_status socket_send_unix_datagram(const char *path, struct slice data,
                                             struct error_text *error) {
    struct sockaddr_un address;
    enum larder_status status = unix_address(path, &address, error);
    if (status != LARDER_OK)
        return status;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return system_error_report(error, errno, "can't create a unix socket");
    ssize_t sent = 0;
    do
        sent =
            sendto(fd, data.data, data.size, MSG_NOSIGNAL, (const struct sockaddr *)&address, size);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        status = system_error_report(error, errno, "can't send to unix socket '%s'", path);
    (void)close(fd);
    return status;
}
