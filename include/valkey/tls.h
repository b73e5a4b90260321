/* SPDX-License-Identifier: BSD-3-Clause */
/* TLS for contexts, in a library of its own: liblarder-valkey-tls, which needs OpenSSL.
 *
 * A context is connected as usual and then given to one of the Initiate functions: a blocking one
 * shakes hands at once, any other with its first events. A TLS context may be shared by threads and
 * must outlive the connections made with it. Certificates are checked against the certificate
 * authorities; the server's name is sent but not compared. To compare it, make an SSL object with
 * SSL_set1_host and use valkeyInitiateTLS. */
#ifndef VALKEY_TLS_H
#define VALKEY_TLS_H

#include "visibility.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ssl_st;
struct valkeyContext;

typedef struct valkeyTLSContext valkeyTLSContext;

typedef enum {
    VALKEY_TLS_CTX_NONE = 0,
    VALKEY_TLS_CTX_CREATE_FAILED,
    VALKEY_TLS_CTX_CERT_KEY_REQUIRED, /* a certificate without a key, or the reverse */
    VALKEY_TLS_CTX_CA_CERT_LOAD_FAILED,
    VALKEY_TLS_CTX_CLIENT_CERT_LOAD_FAILED,
    VALKEY_TLS_CTX_CLIENT_DEFAULT_CERT_FAILED, /* the system's authorities */
    VALKEY_TLS_CTX_PRIVATE_KEY_LOAD_FAILED,
    VALKEY_TLS_CTX_OS_CERTSTORE_OPEN_FAILED,
    VALKEY_TLS_CTX_OS_CERT_ADD_FAILED
} valkeyTLSContextError;

/* valkeyTLSOptions.verify_mode */
#define VALKEY_TLS_VERIFY_NONE                 0x00
#define VALKEY_TLS_VERIFY_PEER                 0x01
#define VALKEY_TLS_VERIFY_FAIL_IF_NO_PEER_CERT 0x02
#define VALKEY_TLS_VERIFY_CLIENT_ONCE          0x04
#define VALKEY_TLS_VERIFY_POST_HANDSHAKE       0x08

/* All paths name PEM files or folders; any may be NULL. */
typedef struct {
    const char *cacert_filename; /* with capath NULL too: the system's authorities */
    const char *capath;
    const char *cert_filename;
    const char *private_key_filename;
    const char *server_name; /* sent to the server (SNI) */
    int verify_mode;
} valkeyTLSOptions;

LIBVALKEY_API const char *valkeyTLSContextGetError(valkeyTLSContextError error);
/* Needed by no current OpenSSL, which initialises itself. VALKEY_OK. */
LIBVALKEY_API int valkeyInitOpenSSL(void);
/* Returns owned, or NULL and, if `error` is not NULL, why. The first form verifies the server. */
LIBVALKEY_API valkeyTLSContext *
valkeyCreateTLSContext(const char *cacert_filename, const char *capath, const char *cert_filename,
                       const char *private_key_filename, const char *server_name,
                       valkeyTLSContextError *error);
LIBVALKEY_API valkeyTLSContext *valkeyCreateTLSContextWithOptions(valkeyTLSOptions *options,
                                                                  valkeyTLSContextError *error);
/* NULL is ignored. */
LIBVALKEY_API void valkeyFreeTLSContext(valkeyTLSContext *context);

/* Begin TLS on a connected context. VALKEY_ERR: see c->err. It is over with the connection:
 * valkeyReconnect connects without TLS. */
LIBVALKEY_API int valkeyInitiateTLSWithContext(struct valkeyContext *c, valkeyTLSContext *context);
/* The same with an SSL object of the program, which belongs to the context when it succeeds. */
LIBVALKEY_API int valkeyInitiateTLS(struct valkeyContext *c, struct ssl_st *ssl);

#ifdef __cplusplus
}
#endif

#endif
