/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside the TLS library: tls_context.c (certificates), tls_connection.c (the transport). */
#ifndef LARDER_CLIENT_TLS_INTERNAL_H
#define LARDER_CLIENT_TLS_INTERNAL_H

#include "valkey/tls.h"
#include "valkey/valkey.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

struct valkeyTLSContext {
    SSL_CTX *ssl;
    char *server_name; /* or NULL */
};

#endif
