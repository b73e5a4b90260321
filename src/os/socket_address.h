/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside os/ only: the system's socket addresses as text. */
#ifndef LARDER_OS_SOCKET_ADDRESS_H
#define LARDER_OS_SOCKET_ADDRESS_H

#include "os/socket.h"

#include <sys/socket.h>

/* Fill every field of *out_peer but fd from an address of `size` bytes. */
void socket_address_describe(const struct sockaddr_storage *address, socklen_t size,
                             struct socket_peer *out_peer);

#endif
