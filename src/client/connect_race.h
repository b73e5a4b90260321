/* SPDX-License-Identifier: BSD-3-Clause */
/* Racing the addresses of a name (RFC 8305, "happy eyeballs"): the next one is tried when the one
 * before has failed or kept silent for STAGGER_MS; the first that answers wins. */
#ifndef LARDER_CLIENT_CONNECT_RACE_H
#define LARDER_CLIENT_CONNECT_RACE_H

#include "client/connection.h"

#include <netdb.h>
#include <poll.h>

enum { STAGGER_MS = 250, ATTEMPTS_MAX = 16 };

/* Connections that are being made. Zero value, but for `failure`: none. */
struct attempts {
    struct pollfd items[ATTEMPTS_MAX];
    const struct addrinfo *addresses[ATTEMPTS_MAX];
    nfds_t count;
    int failure; /* errno value of the last one that failed */
};

/* Remember whom the context is connected to. */
int connect_keep_address(valkeyContext *c, const struct sockaddr *address, socklen_t size);
/* Begin to connect. Returns the socket, or minus an errno value. *out_done: no need to wait. */
int connect_begin(const valkeyContext *c, const struct addrinfo *address,
                  const struct addrinfo *sources, bool *out_done);
/* Begin with the next address, of which there are less than ATTEMPTS_MAX. Returns the index of the
 * attempt if it is connected already, or -1. */
int attempts_add(const valkeyContext *c, struct attempts *attempts, const struct addrinfo *address,
                 const struct addrinfo *sources);
/* Wait for an answer. Returns the index of a connected one, or -1. */
int attempts_wait(struct attempts *attempts, int limit_ms);
/* Close all sockets that were not taken out (fd set to -1). */
void attempts_end(struct attempts *attempts);

#endif
