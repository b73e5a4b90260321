/* SPDX-License-Identifier: BSD-3-Clause */
/* TLS over non-blocking sockets, by OpenSSL 3. A context is a configuration with its certificates,
 * immutable and shared by reference count: to reload, create a new one and let the old one go;
 * sessions keep theirs. A session is one connection. It borrows the descriptor, which its owner
 * closes after the session is destroyed.
 *
 * Contexts: any thread. A session: one thread at a time. Nothing here raises a signal or blocks,
 * except context creation, which reads files. OpenSSL takes its own memory from the C heap. */
#ifndef LARDER_OS_TLS_H
#define LARDER_OS_TLS_H

#include "base/alloc.h"
#include "os/error_text.h"

#include <stdbool.h>
#include <stdint.h>

struct tls_context;
struct tls_session;

enum tls_role { TLS_SERVER, TLS_CLIENT };

enum tls_client_auth {
    TLS_CLIENT_AUTH_REQUIRED, /* no connection without a certificate that the CA vouches for */
    TLS_CLIENT_AUTH_OPTIONAL, /* a certificate may be missing, but not be a bad one */
    TLS_CLIENT_AUTH_NONE,
};

/* The zero value of each field is its default. Strings are borrowed for the call; an empty string
 * counts as NULL. */
struct tls_options {
    enum tls_role role;
    const char *certificate_file; /* PEM, own certificate first, then its chain; servers need it */
    const char *key_file;         /* PEM; goes with certificate_file */
    const char *key_password;     /* of an encrypted key; never appears in an error text */
    const char *ca_file;          /* who vouches for the peer: PEM file and/or hashed directory; */
    const char *ca_directory;     /* a client without either trusts the system's */
    const char *dh_params_file;   /* PEM; default: OpenSSL's choice */
    enum tls_client_auth client_auth; /* servers; all but NONE need a CA */
    const char *protocols;            /* of "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3", separated by
                                         spaces or commas; default: TLSv1.2 and TLSv1.3 */
    const char *ciphers;              /* up to TLS 1.2, OpenSSL's syntax */
    const char *ciphersuites;         /* of TLS 1.3 */
    bool prefer_server_ciphers;
    bool disable_session_caching;   /* no resumption: no cache and no tickets */
    uint32_t session_cache_size;    /* sessions; default 20480 */
    uint32_t session_cache_timeout; /* seconds; default 300 */
};

/* Returns owned: one reference. `error` (may be NULL) names the file or option that is wrong.
 * Errors: LARDER_INVALID (an option, or a file's content), LARDER_NOT_FOUND and LARDER_DENIED (a
 * file), LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status tls_context_create(const struct tls_options *options,
                                      const struct allocator *allocator,
                                      struct tls_context **out_context, struct error_text *error);

struct tls_context *tls_context_acquire(struct tls_context *context);

/* The last one frees it. NULL is allowed. */
void tls_context_release(struct tls_context *context);

/* A session over `fd`, a connected non-blocking socket, in the role of the context; it acquires the
 * context. `server_name` (clients; borrowed for the call): name or numeric address that the
 * server's certificate must carry; NULL: any certificate that the CA vouches for will do.
 * Returns owned. Errors: LARDER_NO_MEMORY, LARDER_INVALID (server_name). */
LARDER_NODISCARD
enum larder_status tls_session_create(struct tls_context *context, int fd, const char *server_name,
                                      struct tls_session **out_session);

/* Sends nothing. NULL is allowed. */
void tls_session_destroy(struct tls_session *session);

/* Take the handshake as far as it goes without waiting. LARDER_OK: done. LARDER_AGAIN: call again
 * when the socket is ready (see tls_session_wants_write). Else it has failed, `error` (may be NULL)
 * says why, and the session can only be destroyed: LARDER_DENIED (one side refused the other's
 * certificate), LARDER_PROTOCOL (no common version or cipher, not TLS at all), LARDER_CLOSED (the
 * peer left), LARDER_NO_MEMORY, LARDER_IO. */
LARDER_NODISCARD
enum larder_status tls_session_handshake(struct tls_session *session, struct error_text *error);

bool tls_session_is_established(const struct tls_session *session);

/* As socket_receive, after the handshake; one call takes what is decoded or waits in OpenSSL and
 * fits. Adds: LARDER_PROTOCOL (damaged or forged data). LARDER_CLOSED both for a proper end and for
 * one without farewell: the protocols above know their own ends. */
LARDER_NODISCARD
enum larder_status tls_session_receive(struct tls_session *session, void *buffer, size_t size,
                                       size_t *out_size);

/* As socket_send, after the handshake. What was not taken must be offered again before anything
 * else, possibly at another address, and not less of it: LARDER_INVALID if it is.
 * Adds: LARDER_PROTOCOL. */
LARDER_NODISCARD
enum larder_status tls_session_send(struct tls_session *session, const void *data, size_t size,
                                    size_t *out_size);

/* Whether receive has more to say although a poller may stay silent, because OpenSSL has taken the
 * bytes from the socket already. False after receive said LARDER_AGAIN, so loops on it end. */
bool tls_session_has_buffered(const struct tls_session *session);

/* Whether handshake, receive or send, when last called, said LARDER_AGAIN or took only a part for
 * want of room to send. (A receive does while keys are being renewed.) Watch POLLER_READ always and
 * POLLER_WRITE while this is true; then repeat those calls. */
bool tls_session_wants_write(const struct tls_session *session);

/* Tell the peer that nothing more will be sent; best effort, once, without waiting. */
void tls_session_close_notify(struct tls_session *session);

/* The common name in the peer's verified certificate as UTF-8. False, and an empty text, if there
 * is none, it has a zero byte inside, or `size` doesn't suffice. */
bool tls_session_peer_name(const struct tls_session *session, char *text, size_t size);

/* "TLSv1.3" and "TLS_AES_256_GCM_SHA384"; static. */
const char *tls_session_protocol(const struct tls_session *session);
const char *tls_session_cipher(const struct tls_session *session);

#endif
