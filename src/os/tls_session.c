/* SPDX-License-Identifier: BSD-3-Clause */
/* One connection. Every call into OpenSSL ends in one place, which turns its result into a status
 * and leaves the thread's error queue empty, so that sessions never see each other's errors. The
 * BIO below takes the place of OpenSSL's own, which would raise SIGPIPE. */
#include "os/socket.h"
#include "os/tls_internal.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

struct tls_session {
    struct tls_context *context;
    SSL *ssl;
    int fd;                             /* borrowed */
    size_t unsent_size;                 /* bytes that the next send must offer at least */
    enum larder_status transport_error; /* why the socket failed; LARDER_OK while it works */
    bool handshake_wants_write;
    bool receive_wants_write;
    bool send_wants_write;
    bool wants_read; /* the last receive found no complete record */
    bool is_ended;   /* a receive met the end, and may not have told it yet */
    bool is_failed;  /* only destroy is allowed by OpenSSL */
    bool is_established;
};

static int transport_write(BIO *bio, const char *data, size_t size, size_t *out_size) {
    struct tls_session *session = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    enum larder_status status = socket_send(session->fd, data, size, out_size);
    if (status == LARDER_OK)
        return 1;
    if (status == LARDER_AGAIN)
        BIO_set_retry_write(bio);
    else
        session->transport_error = status;
    return 0;
}

static int transport_read(BIO *bio, char *buffer, size_t size, size_t *out_size) {
    struct tls_session *session = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    enum larder_status status = socket_receive(session->fd, buffer, size, out_size);
    if (status == LARDER_OK)
        return 1;
    if (status == LARDER_AGAIN)
        BIO_set_retry_read(bio);
    else
        session->transport_error = status;
    return 0;
}

static long transport_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *tls_transport_create(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "larder socket");
    if (method == NULL)
        return NULL;
    if (BIO_meth_set_write_ex(method, transport_write) == 1 &&
        BIO_meth_set_read_ex(method, transport_read) == 1 &&
        BIO_meth_set_ctrl(method, transport_control) == 1)
        return method;
    BIO_meth_free(method);
    return NULL;
}

static bool set_server_name(SSL *ssl, const char *server_name) {
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, server_name) == 1)
        return true;
    ERR_clear_error();
    return SSL_set1_host(ssl, server_name) == 1 && SSL_set_tlsext_host_name(ssl, server_name) == 1;
}

static enum larder_status open_ssl(struct tls_session *session, const char *server_name) {
    session->ssl = SSL_new(session->context->ssl_context);
    BIO *bio = session->ssl == NULL ? NULL : BIO_new(session->context->transport);
    if (bio == NULL)
        return LARDER_NO_MEMORY;
    BIO_set_data(bio, session);
    BIO_set_init(bio, 1);
    SSL_set_bio(session->ssl, bio, bio);
    if (session->context->role == TLS_SERVER) {
        SSL_set_accept_state(session->ssl);
        return LARDER_OK;
    }
    SSL_set_connect_state(session->ssl);
    if (server_name != NULL && !set_server_name(session->ssl, server_name))
        return LARDER_INVALID;
    return LARDER_OK;
}

enum larder_status tls_session_create(struct tls_context *context, int fd, const char *server_name,
                                      struct tls_session **out_session) {
    *out_session = NULL;
    struct tls_session *session = allocator_allocate_zeroed(context->allocator, sizeof *session);
    if (session == NULL)
        return LARDER_NO_MEMORY;
    session->context = tls_context_acquire(context);
    session->fd = fd;
    enum larder_status status = open_ssl(session, server_name);
    ERR_clear_error();
    if (status == LARDER_OK)
        *out_session = session;
    else
        tls_session_destroy(session);
    return status;
}

void tls_session_destroy(struct tls_session *session) {
    if (session == NULL)
        return;
    struct tls_context *context = session->context;
    SSL_free(session->ssl);
    allocator_release(context->allocator, session, sizeof *session);
    tls_context_release(context);
}

/* What went wrong, from the first error that OpenSSL queued. */
static enum larder_status classify_failure(struct tls_session *session, struct error_text *error) {
    session->is_failed = true;
    unsigned long code = ERR_peek_error();
    if (session->transport_error != LARDER_OK) {
        ERR_clear_error();
        error_text_format(error, "the connection was closed");
        return session->transport_error;
    }
    char reason[128];
    error_text_format(error, "%s", tls_take_error_text(reason, sizeof reason));
    if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
        return LARDER_NO_MEMORY;
    if (ERR_GET_LIB(code) != ERR_LIB_SSL)
        return LARDER_PROTOCOL;
    switch (ERR_GET_REASON(code)) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
        error_text_format(error, "the peer's certificate was refused: %s",
                          X509_verify_cert_error_string(SSL_get_verify_result(session->ssl)));
        return LARDER_DENIED;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        error_text_format(error, "the peer sent no certificate");
        return LARDER_DENIED;
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_NO_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE: return LARDER_DENIED;
    default: return LARDER_PROTOCOL;
    }
}

/* The status of an OpenSSL call that returned `result` <= 0. */
static enum larder_status settle(struct tls_session *session, int result, bool *out_wants_write,
                                 struct error_text *error) {
    switch (SSL_get_error(session->ssl, result)) {
    case SSL_ERROR_WANT_READ: return LARDER_AGAIN;
    case SSL_ERROR_WANT_WRITE: *out_wants_write = true; return LARDER_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        error_text_format(error, "the peer closed the connection");
        return LARDER_CLOSED;
    default: return classify_failure(session, error);
    }
}

enum larder_status tls_session_handshake(struct tls_session *session, struct error_text *error) {
    if (session->is_failed) {
        error_text_format(error, "the handshake has failed before");
        return LARDER_CLOSED;
    }
    ERR_clear_error();
    session->handshake_wants_write = false;
    int result = SSL_do_handshake(session->ssl);
    if (result != 1)
        return settle(session, result, &session->handshake_wants_write, error);
    session->is_established = true;
    return LARDER_OK;
}

bool tls_session_is_established(const struct tls_session *session) {
    return session->is_established;
}

enum larder_status tls_session_receive(struct tls_session *session, void *buffer, size_t size,
                                       size_t *out_size) {
    *out_size = 0;
    if (session->is_failed)
        return LARDER_CLOSED;
    ERR_clear_error();
    session->receive_wants_write = false;
    session->wants_read = false;
    do {
        size_t count = 0;
        int result =
            SSL_read_ex(session->ssl, (uint8_t *)buffer + *out_size, size - *out_size, &count);
        if (result != 1) {
            enum larder_status status =
                settle(session, result, &session->receive_wants_write, NULL);
            session->wants_read = status == LARDER_AGAIN;
            session->is_ended = status != LARDER_AGAIN;
            return *out_size > 0 ? LARDER_OK : status;
        }
        *out_size += count;
    } while (*out_size < size && SSL_has_pending(session->ssl) == 1);
    return LARDER_OK;
}

enum larder_status tls_session_send(struct tls_session *session, const void *data, size_t size,
                                    size_t *out_size) {
    *out_size = 0;
    if (session->is_failed)
        return LARDER_CLOSED;
    if (size < session->unsent_size)
        return LARDER_INVALID;
    ERR_clear_error();
    session->send_wants_write = false;
    session->unsent_size = 0;
    while (*out_size < size) {
        size_t count = 0, left = size - *out_size;
        int result = SSL_write_ex(session->ssl, (const uint8_t *)data + *out_size, left, &count);
        if (result != 1) {
            enum larder_status status = settle(session, result, &session->send_wants_write, NULL);
            if (status == LARDER_AGAIN)
                session->unsent_size = left;
            return *out_size > 0 ? LARDER_OK : status;
        }
        *out_size += count;
    }
    return LARDER_OK;
}

bool tls_session_has_buffered(const struct tls_session *session) {
    return session->is_ended || (!session->wants_read && SSL_has_pending(session->ssl) == 1);
}

bool tls_session_wants_write(const struct tls_session *session) {
    return session->handshake_wants_write || session->receive_wants_write ||
           session->send_wants_write;
}

void tls_session_close_notify(struct tls_session *session) {
    if (session->is_failed || !session->is_established || session->unsent_size > 0)
        return;
    ERR_clear_error();
    (void)SSL_shutdown(session->ssl);
    ERR_clear_error();
}

static bool copy_common_name(X509 *certificate, char *text, size_t size) {
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (index < 0)
        return false;
    const ASN1_STRING *value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index));
    unsigned char *utf8 = NULL;
    int length = ASN1_STRING_to_UTF8(&utf8, value);
    if (length < 0)
        return false;
    bool is_usable = (size_t)length < size && memchr(utf8, '\0', (size_t)length) == NULL;
    if (is_usable) {
        memcpy(text, utf8, (size_t)length);
        text[length] = '\0';
    }
    OPENSSL_free(utf8);
    return is_usable;
}

bool tls_session_peer_name(const struct tls_session *session, char *text, size_t size) {
    text[0] = '\0';
    X509 *certificate = SSL_get0_peer_certificate(session->ssl);
    if (certificate == NULL || SSL_get_verify_result(session->ssl) != X509_V_OK)
        return false;
    bool is_copied = copy_common_name(certificate, text, size);
    ERR_clear_error();
    return is_copied;
}

const char *tls_session_protocol(const struct tls_session *session) {
    return SSL_get_version(session->ssl);
}

const char *tls_session_cipher(const struct tls_session *session) {
    return SSL_get_cipher_name(session->ssl);
}
