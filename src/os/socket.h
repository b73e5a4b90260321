/* SPDX-License-Identifier: BSD-3-Clause */
/* Stream sockets, TCP and unix domain. Every socket made here is non-blocking and closed on exec.
 * A socket is a plain descriptor, owned by whoever opened or accepted it; any thread, one at a time
 * per direction. Nothing here raises SIGPIPE. Receive and send are one system call each. */
#ifndef LARDER_OS_SOCKET_H
#define LARDER_OS_SOCKET_H

#include "base/slice.h"
#include "os/error_text.h"

#include <stdbool.h>
#include <stdint.h>

enum { SOCKET_ADDRESS_MAX = 112, SOCKET_TEXT_MAX = 128, SOCKET_SENDV_MAX = 1024 };

struct socket_peer {
    int fd;
    uint16_t port;                    /* 0 for a unix socket */
    bool is_unix;                     /* its address is the path of the listener */
    bool is_loopback;                 /* unix, 127.0.0.0/8 or ::1 */
    char address[SOCKET_ADDRESS_MAX]; /* numeric, without brackets; NUL-terminated */
};

/* Listen on a TCP port (0: any free one). `address`: a numeric address or a name; "*" is every IPv4
 * address, "::*" every IPv6 address (IPv6 listeners never take IPv4 connections, so both can be
 * used at once). Blocks only while resolving a name. `error` may be NULL.
 * Errors: LARDER_EXISTS (port taken), LARDER_NOT_FOUND (no such address here), LARDER_DENIED,
 * LARDER_INVALID (address family not supported), LARDER_BUSY (descriptor limit), LARDER_IO. */
LARDER_NODISCARD
enum larder_status socket_listen_tcp(const char *address, uint16_t port, int backlog, int *out_fd,
                                     struct error_text *error);

/* Listen on a unix socket. A socket file that nobody answers on is replaced; any other file is left
 * alone. `mode`: permission bits of the file, 0 for what the umask gives. The file is never more
 * open than `mode`, not even for a moment.
 * Errors: LARDER_EXISTS (in use, or not a socket), LARDER_INVALID (path too long), LARDER_DENIED,
 * LARDER_NOT_FOUND (no such directory), LARDER_BUSY, LARDER_IO. */
LARDER_NODISCARD
enum larder_status socket_listen_unix(const char *path, unsigned mode, int backlog, int *out_fd,
                                      struct error_text *error);

/* Accept one connection; TCP ones get TCP_NODELAY. *out_peer: owned by the caller through its fd.
 * Errors: LARDER_AGAIN (none waiting), LARDER_BUSY (descriptor limit), LARDER_NO_MEMORY,
 * LARDER_IO. */
LARDER_NODISCARD
enum larder_status socket_accept(int listen_fd, struct socket_peer *out_peer);

/* Have the kernel probe an idle TCP peer after `seconds`, then three times at a third of it, and
 * drop a dead one; 0 turns probing off. Ignored for unix sockets. */
void socket_set_keepalive(int fd, unsigned seconds);

/* Connect, waiting up to `timeout_ms`. TCP sockets get TCP_NODELAY. Blocks.
 * Errors: LARDER_TIMEOUT, LARDER_CLOSED (refused), LARDER_NOT_FOUND, LARDER_BUSY, LARDER_IO. */
LARDER_NODISCARD
enum larder_status socket_connect_tcp(const char *address, uint16_t port, int timeout_ms,
                                      int *out_fd, struct error_text *error);
LARDER_NODISCARD
enum larder_status socket_connect_unix(const char *path, int *out_fd, struct error_text *error);

/* Send one datagram to a unix socket; a leading '@' in `path` means the abstract name space.
 * Blocks only while the receiver's queue is full. Errors: LARDER_NOT_FOUND, LARDER_CLOSED (nobody
 * listens), LARDER_INVALID (path), LARDER_BUSY, LARDER_IO. */
LARDER_NODISCARD
enum larder_status socket_send_unix_datagram(const char *path, struct slice data,
                                             struct error_text *error);

/* Two connected unix stream sockets. Errors: LARDER_BUSY, LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status socket_pair(int out_fds[2]);

/* Receive up to `size` (> 0) bytes; *out_size is how many (> 0) on LARDER_OK, else 0.
 * Errors: LARDER_AGAIN (nothing there), LARDER_CLOSED (end of stream or reset), LARDER_IO. */
LARDER_NODISCARD
enum larder_status socket_receive(int fd, void *buffer, size_t size, size_t *out_size);

/* Send; *out_size is how many bytes the kernel took, which may be fewer than `size`.
 * Errors: LARDER_AGAIN (no room), LARDER_CLOSED, LARDER_IO; *out_size is 0 then. */
LARDER_NODISCARD
enum larder_status socket_send(int fd, const void *data, size_t size, size_t *out_size);

/* As socket_send for the concatenation of `count` slices; those past SOCKET_SENDV_MAX are left for
 * the next call. */
LARDER_NODISCARD
enum larder_status socket_sendv(int fd, const struct slice *slices, size_t count, size_t *out_size);

/* The local end as text: "127.0.0.1:6379", "[::1]:6379" or "/run/x.sock:0"; "?:0" when unknown.
 * Writes at most `size` bytes with the NUL; SOCKET_TEXT_MAX is always enough. */
void socket_local_text(int fd, char *text, size_t size);

/* The remote end in the same form, for a peer from socket_accept. */
void socket_peer_text(const struct socket_peer *peer, char *text, size_t size);

/* The local TCP port, 0 if there is none. */
uint16_t socket_local_port(int fd);

/* End both directions; the peer and a poller on `fd` see it at once. The descriptor stays open. */
void socket_shutdown(int fd);

/* -1 is ignored. */
void socket_close(int fd);

#endif
