/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses as numeric text. An IPv4 address that arrives mapped into IPv6 is shown as IPv4. */
#include "os/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static void describe_ipv4(const struct in_addr *address, struct socket_peer *out_peer) {
    (void)inet_ntop(AF_INET, address, out_peer->address, sizeof out_peer->address);
    out_peer->is_loopback = (ntohl(address->s_addr) >> 24) == 127;
}

static void describe_ipv6(const struct in6_addr *address, struct socket_peer *out_peer) {
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        struct in_addr inner;
        memcpy(&inner, address->s6_addr + 12, sizeof inner);
        describe_ipv4(&inner, out_peer);
        return;
    }
    (void)inet_ntop(AF_INET6, address, out_peer->address, sizeof out_peer->address);
    out_peer->is_loopback = IN6_IS_ADDR_LOOPBACK(address);
}

static void describe_unix(const struct sockaddr_un *address, size_t size,
                          struct socket_peer *out_peer) {
    size_t start = offsetof(struct sockaddr_un, sun_path);
    size_t length = size > start ? strnlen(address->sun_path, size - start) : 0;
    memcpy(out_peer->address, address->sun_path, length);
    out_peer->address[length] = '\0';
    out_peer->is_unix = true;
    out_peer->is_loopback = true;
}

_Static_assert(sizeof(((struct sockaddr_un *)0)->sun_path) < SOCKET_ADDRESS_MAX,
               "a unix path must fit a peer's address");

void socket_address_describe(const struct sockaddr_storage *address, socklen_t size,
                             struct socket_peer *out_peer) {
    *out_peer = (struct socket_peer){.fd = -1, .address = "?"};
    if (size < sizeof(sa_family_t))
        return;
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)address;
        describe_ipv4(&ipv4->sin_addr, out_peer);
        out_peer->port = ntohs(ipv4->sin_port);
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)address;
        describe_ipv6(&ipv6->sin6_addr, out_peer);
        out_peer->port = ntohs(ipv6->sin6_port);
    } else if (address->ss_family == AF_UNIX) {
        describe_unix((const struct sockaddr_un *)address, size, out_peer);
    }
}

void socket_peer_text(const struct socket_peer *peer, char *text, size_t size) {
    bool is_ipv6 = !peer->is_unix && strchr(peer->address, ':') != NULL;
    (void)snprintf(text, size, is_ipv6 ? "[%s]:%u" : "%s:%u", peer->address, peer->port);
}

static void describe_local(int fd, struct socket_peer *out_peer) {
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        size = 0;
    socket_address_describe(&address, size, out_peer);
}

void socket_local_text(int fd, char *text, size_t size) {
    struct socket_peer local;
    describe_local(fd, &local);
    socket_peer_text(&local, text, size);
}

uint16_t socket_local_port(int fd) {
    struct socket_peer local;
    describe_local(fd, &local);
    return local.port;
}
