/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside os/ only: what the two halves of TLS share. */
#ifndef LARDER_OS_TLS_INTERNAL_H
#define LARDER_OS_TLS_INTERNAL_H

#include "os/tls.h"

#include <openssl/ssl.h>
#include <stdatomic.h>

struct tls_context {
    const struct allocator *allocator; /* immutable after create, as all but references */
    SSL_CTX *ssl_context;
    BIO_METHOD *transport; /* outlives every BIO made from it: sessions hold the context */
    enum tls_role role;
    _Atomic uint32_t references;
};

/* The method of BIOs that send and receive on a session's descriptor; NULL without memory. */
BIO_METHOD *tls_transport_create(void);

/* Empty OpenSSL's error queue of this thread; its first entry becomes the text. */
const char *tls_take_error_text(char *buffer, size_t size);

#endif
