/* SPDX-License-Identifier: BSD-3-Clause */
/* TLS as a transport. The socket never blocks; a blocking context waits in poll(2). OpenSSL reaches
 * the socket through a BIO of ours, so that a write to a closed connection raises no SIGPIPE. A
 * record is at most 16 KiB, which is what every read has room for, and OpenSSL reads no further:
 * so nothing received is hidden from poll(2). */
#include "client/tls/tls_internal.h"

#include "client/async_internal.h"
#include "client/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

struct tls {
    SSL *ssl;
    BIO_METHOD *method;
    valkeyContext *context;
    size_t received; /* bytes from the socket, ever */
    bool wants_read; /* the last write waits for the server */
};

static int socket_read(BIO *bio, char *buffer, int size) {
    struct tls *tls = BIO_get_data(bio);
    ssize_t count = recv(tls->context->fd, buffer, (size_t)size, 0);
    BIO_clear_retry_flags(bio);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        BIO_set_retry_read(bio);
    if (count > 0)
        tls->received += (size_t)count;
    return (int)count;
}

static int socket_write(BIO *bio, const char *buffer, int size) {
    struct tls *tls = BIO_get_data(bio);
    ssize_t count = send(tls->context->fd, buffer, (size_t)size, MSG_NOSIGNAL);
    BIO_clear_retry_flags(bio);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        BIO_set_retry_write(bio);
    return (int)count;
}

static long socket_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static void tls_free(void *data) {
    struct tls *tls = data;
    if (tls == NULL)
        return;
    SSL_free(tls->ssl);
    BIO_meth_free(tls->method);
    vk_free(tls);
}

/* Enter error state for what SSL_get_error said. */
static int fail(struct tls *tls, int reason, const char *what) {
    valkeyContext *c = tls->context;
    unsigned long number = ERR_peek_last_error();
    bool is_end = reason == SSL_ERROR_ZERO_RETURN || (reason == SSL_ERROR_SYSCALL && errno == 0);
#ifdef SSL_R_UNEXPECTED_EOF_WHILE_READING
    is_end = is_end || (reason == SSL_ERROR_SSL &&
                        ERR_GET_REASON(number) == SSL_R_UNEXPECTED_EOF_WHILE_READING);
#endif
    if (is_end) {
        valkeySetError(c, VALKEY_ERR_EOF, "Server closed the connection");
    } else if (reason == SSL_ERROR_SYSCALL) {
        valkeySetErrorFromErrno(c, VALKEY_ERR_IO, NULL);
    } else {
        char text[128];
        const char *why = ERR_reason_error_string(number);
        long verified = SSL_get_verify_result(tls->ssl);
        if (verified != X509_V_OK)
            why = X509_verify_cert_error_string(verified);
        (void)snprintf(text, sizeof text, "%s failed: %s", what, why == NULL ? "unknown" : why);
        valkeySetError(c, VALKEY_ERR_OTHER, text);
    }
    ERR_clear_error();
    return -1;
}

static long long now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static long long end_of(const struct timeval *timeout) {
    if (timeout == NULL || (timeout->tv_sec == 0 && timeout->tv_usec == 0))
        return -1;
    return now_ms() + (long long)timeout->tv_sec * 1000 + (timeout->tv_usec + 999) / 1000;
}

/* Wait for the socket until `end_ms` (-1: for ever). On VALKEY_ERR c->err is set. */
static int wait_for(valkeyContext *c, short events, long long end_ms) {
    struct pollfd waiting = {.fd = c->fd, .events = events};
    for (;;) {
        long long left_ms = end_ms < 0 ? -1 : end_ms - now_ms();
        if (end_ms >= 0 && left_ms < 0)
            left_ms = 0;
        int ready = poll(&waiting, 1, left_ms > INT_MAX ? INT_MAX : (int)left_ms);
        if (ready > 0)
            return VALKEY_OK;
        if (ready == 0 && end_ms >= 0 && now_ms() >= end_ms) {
            valkeySetError(c, VALKEY_ERR_TIMEOUT, "Timeout");
            return VALKEY_ERR;
        }
        if (ready < 0 && errno != EINTR) {
            valkeySetErrorFromErrno(c, VALKEY_ERR_IO, "poll");
            return VALKEY_ERR;
        }
    }
}

/* One read. Bytes, 0: none yet, and *out_events is what to wait for; -1: c->err is set. */
static ssize_t read_some(struct tls *tls, char *buffer, int size, short *out_events) {
    ERR_clear_error();
    errno = 0;
    int count = SSL_read(tls->ssl, buffer, size);
    if (count > 0)
        return count;
    int reason = SSL_get_error(tls->ssl, count);
    if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE)
        return fail(tls, reason, SSL_is_init_finished(tls->ssl) ? "SSL_read" : "SSL_connect");
    *out_events = reason == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
    return 0;
}

static ssize_t tls_read(valkeyContext *c, char *buffer, size_t size) {
    struct tls *tls = c->privctx;
    short events = POLLIN;
    size_t before = tls->received;
    int room = size > INT_MAX ? INT_MAX : (int)size;
    ssize_t count = read_some(tls, buffer, room, &events);
    /* A part of a record is progress: whoever waits does so with its own deadline. */
    if (count != 0 || !(c->flags & VALKEY_BLOCK) || tls->received != before)
        return count;
    if (wait_for(c, events, end_of(c->command_timeout)) != VALKEY_OK)
        return -1;
    return read_some(tls, buffer, room, &events);
}

static ssize_t tls_write(valkeyContext *c) {
    struct tls *tls = c->privctx;
    const struct output *output = &connection_of(c)->output;
    size_t size = output_pending(output);
    tls->wants_read = false;
    ERR_clear_error();
    errno = 0;
    int count =
        SSL_write(tls->ssl, output->data + output->sent, size > INT_MAX ? INT_MAX : (int)size);
    if (count > 0)
        return count;
    int reason = SSL_get_error(tls->ssl, count);
    if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE)
        return fail(tls, reason, SSL_is_init_finished(tls->ssl) ? "SSL_write" : "SSL_connect");
    tls->wants_read = reason == SSL_ERROR_WANT_READ;
    return 0;
}

static void tls_async_write(valkeyAsyncContext *ac) {
    int done = 0;
    if (valkeyBufferWrite(&ac->c, &done) != VALKEY_OK) {
        valkeyAsyncDisconnectInternal(ac);
        return;
    }
    const struct tls *tls = ac->c.privctx;
    if (done || tls->wants_read)
        event_del_write(ac);
    else
        event_watch_write(ac);
    event_watch_read(ac);
}

static void tls_async_read(valkeyAsyncContext *ac) {
    if (valkeyBufferRead(&ac->c) != VALKEY_OK) {
        valkeyAsyncDisconnectInternal(ac);
        return;
    }
    if (output_pending(&connection_of(&ac->c)->output) > 0)
        event_watch_write(ac);
    event_watch_read(ac);
    valkeyProcessCallbacks(ac);
}

static const valkeyContextFuncs TRANSPORT_TLS = {
    .connect = valkeyContextConnectTcp,
    .close = valkeyNetClose,
    .free_privctx = tls_free,
    .async_read = tls_async_read,
    .async_write = tls_async_write,
    .read = tls_read,
    .write = tls_write,
    .set_timeout = valkeyTcpSetTimeout,
};

static int shake_hands(struct tls *tls) {
    valkeyContext *c = tls->context;
    long long end_ms = end_of(c->connect_timeout != NULL ? c->connect_timeout : c->command_timeout);
    for (;;) {
        ERR_clear_error();
        errno = 0;
        int result = SSL_connect(tls->ssl);
        if (result == 1)
            return VALKEY_OK;
        int reason = SSL_get_error(tls->ssl, result);
        if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE)
            return fail(tls, reason, "SSL_connect");
        if (wait_for(c, reason == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, end_ms) != VALKEY_OK)
            return VALKEY_ERR;
    }
}

/* A TLS connection without its SSL object; NULL without memory. */
static struct tls *tls_create(valkeyContext *c, BIO **out_bio) {
    struct tls *tls = vk_calloc(1, sizeof *tls);
    if (tls == NULL)
        return NULL;
    tls->context = c;
    tls->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "valkey");
    *out_bio = NULL;
    if (tls->method != NULL && BIO_meth_set_read(tls->method, socket_read) == 1 &&
        BIO_meth_set_write(tls->method, socket_write) == 1 &&
        BIO_meth_set_ctrl(tls->method, socket_control) == 1)
        *out_bio = BIO_new(tls->method);
    if (*out_bio != NULL)
        return tls;
    tls_free(tls);
    return NULL;
}

int valkeyInitiateTLS(valkeyContext *c, SSL *ssl) {
    if (c->privctx != NULL) {
        valkeySetError(c, VALKEY_ERR_OTHER, "valkeyContext was already associated");
        return VALKEY_ERR;
    }
    BIO *bio;
    struct tls *tls = tls_create(c, &bio);
    if (tls == NULL) {
        valkeySetError(c, VALKEY_ERR_OOM, "Out of memory");
        return VALKEY_ERR;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    int flags = fcntl(c->fd, F_GETFL);
    if (flags < 0 || fcntl(c->fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        valkeySetErrorFromErrno(c, VALKEY_ERR_IO, "fcntl");
        BIO_free(bio);
        tls_free(tls);
        return VALKEY_ERR;
    }
    SSL_set_bio(ssl, bio, bio);
    SSL_set_connect_state(ssl);
    (void)SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    tls->ssl = ssl;
    if (c->flags & VALKEY_BLOCK && shake_hands(tls) != VALKEY_OK) {
        /* The caller keeps it, without our BIO, which is freed. */
        tls->ssl = NULL;
        SSL_set_bio(ssl, NULL, NULL);
        tls_free(tls);
        return VALKEY_ERR;
    }
    c->funcs = &TRANSPORT_TLS;
    c->privctx = tls;
    return VALKEY_OK;
}

int valkeyInitiateTLSWithContext(valkeyContext *c, valkeyTLSContext *context) {
    SSL *ssl = SSL_new(context->ssl);
    if (ssl == NULL) {
        valkeySetError(c, VALKEY_ERR_OOM, "Out of memory");
        return VALKEY_ERR;
    }
    if (context->server_name != NULL && SSL_set_tlsext_host_name(ssl, context->server_name) != 1) {
        valkeySetError(c, VALKEY_ERR_OTHER, "Failed to set server_name/SNI");
        SSL_free(ssl);
        return VALKEY_ERR;
    }
    int result = valkeyInitiateTLS(c, ssl);
    if (result != VALKEY_OK)
        SSL_free(ssl);
    return result;
}
