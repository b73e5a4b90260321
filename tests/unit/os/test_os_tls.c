/* SPDX-License-Identifier: BSD-3-Clause */
/* Client and server sessions against each other over socket pairs, in one thread: handshakes are
 * pumped alternately. OpenSSL's memory is counted, for the price of an idle connection. */
#include "certificates.h"

#include "os/socket.h"
#include "os/tls.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

static struct certificates certificates;
static long long heap_bytes;
static long allocations_left = -1; /* OpenSSL's allocations fail once this is 0 */

static bool allocation_fails(void) {
    if (allocations_left > 0)
        allocations_left--;
    return allocations_left == 0;
}

static void *counting_malloc(size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    if (allocation_fails())
        return NULL;
    void *block = malloc(size);
    heap_bytes += (long long)malloc_usable_size(block);
    return block;
}

static void *counting_realloc(void *block, size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    if (allocation_fails())
        return NULL;
    heap_bytes -= (long long)malloc_usable_size(block);
    void *moved = realloc(block, size);
    heap_bytes += (long long)malloc_usable_size(moved == NULL ? block : moved);
    return moved;
}

static void counting_free(void *block, const char *file, int line) {
    (void)file;
    (void)line;
    heap_bytes -= (long long)malloc_usable_size(block);
    free(block);
}

struct paths {
    char ca[96], certificate[96], key[96];
};

static void set_path(char *out, const char *name) {
    (void)snprintf(out, 96, "%s", certificates_path(&certificates, name));
}

static struct tls_context *server_context(enum tls_client_auth auth, const char *protocols) {
    struct paths paths;
    set_path(paths.ca, "ca.pem");
    set_path(paths.certificate, "server.pem");
    set_path(paths.key, "server.key");
    struct tls_options options = {.role = TLS_SERVER,
                                  .certificate_file = paths.certificate,
                                  .key_file = paths.key,
                                  .ca_file = paths.ca,
                                  .client_auth = auth,
                                  .protocols = protocols};
    struct tls_context *context = NULL;
    struct error_text error;
    if (tls_context_create(&options, &ALLOCATOR_SYSTEM, &context, &error) != LARDER_OK)
        fail_msg("%s", error.text);
    return context;
}

/* `name`: the certificate to show, NULL for none. */
static struct tls_context *client_context(const char *name, const char *protocols) {
    struct paths paths;
    char file_name[32];
    set_path(paths.ca, "ca.pem");
    struct tls_options options = {.role = TLS_CLIENT, .ca_file = paths.ca, .protocols = protocols};
    if (name != NULL) {
        (void)snprintf(file_name, sizeof file_name, "%s.pem", name);
        set_path(paths.certificate, file_name);
        (void)snprintf(file_name, sizeof file_name, "%s.key", name);
        set_path(paths.key, file_name);
        options.certificate_file = paths.certificate;
        options.key_file = paths.key;
    }
    struct tls_context *context = NULL;
    struct error_text error;
    if (tls_context_create(&options, &ALLOCATOR_SYSTEM, &context, &error) != LARDER_OK)
        fail_msg("%s", error.text);
    return context;
}

struct connection {
    int fds[2]; /* server, client */
    struct tls_session *server, *client;
    enum larder_status server_status, client_status;
    struct error_text server_error, client_error;
};

/* Sessions hold the contexts from here on. */
static void connection_init(struct connection *connection, struct tls_context *server,
                            struct tls_context *client, const char *server_name) {
    *connection = (struct connection){0};
    assert_int_equal(socket_pair(connection->fds), LARDER_OK);
    assert_int_equal(tls_session_create(server, connection->fds[0], NULL, &connection->server),
                     LARDER_OK);
    assert_int_equal(
        tls_session_create(client, connection->fds[1], server_name, &connection->client),
        LARDER_OK);
    tls_context_release(server);
    tls_context_release(client);
}

static void pump_handshake(struct connection *connection) {
    connection->server_status = connection->client_status = LARDER_AGAIN;
    for (int i = 0; i < 20; i++) {
        if (connection->client_status == LARDER_AGAIN)
            connection->client_status =
                tls_session_handshake(connection->client, &connection->client_error);
        if (connection->server_status == LARDER_AGAIN)
            connection->server_status =
                tls_session_handshake(connection->server, &connection->server_error);
    }
}

static void connect_well(struct connection *connection) {
    pump_handshake(connection);
    if (connection->server_status != LARDER_OK || connection->client_status != LARDER_OK)
        fail_msg("server: %s; client: %s", connection->server_error.text,
                 connection->client_error.text);
    assert_true(tls_session_is_established(connection->server));
}

static void connection_finish(struct connection *connection) {
    tls_session_destroy(connection->server);
    tls_session_destroy(connection->client);
    socket_close(connection->fds[0]);
    socket_close(connection->fds[1]);
}

static void expect_text(struct tls_session *session, const char *expected) {
    char buffer[64];
    size_t size = 0;
    assert_int_equal(tls_session_receive(session, buffer, sizeof buffer, &size), LARDER_OK);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(buffer, expected, size);
}

static void send_text(struct tls_session *session, const char *text) {
    size_t size = 0;
    assert_int_equal(tls_session_send(session, text, strlen(text), &size), LARDER_OK);
    assert_int_equal(size, strlen(text));
}

static void handshake_then_bytes_pass_both_ways(void **state) {
    (void)state;
    struct connection connection;
    connection_init(&connection, server_context(TLS_CLIENT_AUTH_NONE, NULL),
                    client_context(NULL, NULL), "larder.test");
    connect_well(&connection);
    assert_string_equal(tls_session_protocol(connection.server), "TLSv1.3");
    assert_non_null(strstr(tls_session_cipher(connection.server), "TLS_"));
    send_text(connection.client, "PING");
    expect_text(connection.server, "PING");
    send_text(connection.server, "PONG");
    expect_text(connection.client, "PONG");
    char byte, name[64];
    size_t size = 1;
    assert_int_equal(tls_session_receive(connection.client, &byte, 1, &size), LARDER_AGAIN);
    assert_int_equal(size, 0);
    assert_false(tls_session_wants_write(connection.client));
    assert_true(tls_session_peer_name(connection.client, name, sizeof name));
    assert_string_equal(name, "larder.test");
    assert_false(tls_session_peer_name(connection.client, name, 11));
    assert_false(tls_session_peer_name(connection.server, name, sizeof name));
    assert_string_equal(name, "");
    connection_finish(&connection);
}

static void required_client_certificate_is_accepted_and_named(void **state) {
    (void)state;
    struct connection connection;
    char name[64];
    connection_init(&connection, server_context(TLS_CLIENT_AUTH_REQUIRED, NULL),
                    client_context("client", NULL), "127.0.0.1");
    connect_well(&connection);
    assert_true(tls_session_peer_name(connection.server, name, sizeof name));
    assert_string_equal(name, "client-one");
    connection_finish(&connection);
}

static void refused_client(enum tls_client_auth auth, const char *certificate,
                           const char *protocols, const char *reason) {
    struct connection connection;
    connection_init(&connection, server_context(auth, protocols),
                    client_context(certificate, protocols), "larder.test");
    pump_handshake(&connection);
    assert_int_equal(connection.server_status, LARDER_DENIED);
    assert_non_null(strstr(connection.server_error.text, reason));
    assert_false(tls_session_is_established(connection.server));
    char byte;
    size_t size = 0;
    /* A TLS 1.3 client is done before the server judges it, and reads the verdict later. */
    if (connection.client_status == LARDER_OK)
        connection.client_status = tls_session_receive(connection.client, &byte, 1, &size);
    assert_int_equal(connection.client_status, LARDER_DENIED);
    assert_int_equal(tls_session_receive(connection.client, &byte, 1, &size), LARDER_CLOSED);
    assert_int_equal(tls_session_send(connection.server, &byte, 1, &size), LARDER_CLOSED);
    assert_int_equal(tls_session_handshake(connection.server, NULL), LARDER_CLOSED);
    connection_finish(&connection);
}

static void missing_or_foreign_client_certificate_is_refused(void **state) {
    (void)state;
    refused_client(TLS_CLIENT_AUTH_REQUIRED, NULL, "TLSv1.3", "sent no certificate");
    refused_client(TLS_CLIENT_AUTH_REQUIRED, "foreign", "TLSv1.3", "certificate was refused");
    refused_client(TLS_CLIENT_AUTH_REQUIRED, "foreign", "TLSv1.2", "certificate was refused");
    refused_client(TLS_CLIENT_AUTH_OPTIONAL, "foreign", "TLSv1.3", "certificate was refused");
}

static void optional_client_certificate_may_be_missing(void **state) {
    (void)state;
    struct connection connection;
    connection_init(&connection, server_context(TLS_CLIENT_AUTH_OPTIONAL, NULL),
                    client_context(NULL, NULL), NULL);
    connect_well(&connection);
    connection_finish(&connection);
}

static void client_refuses_a_server_with_another_name_or_authority(void **state) {
    (void)state;
    struct connection connection;
    connection_init(&connection, server_context(TLS_CLIENT_AUTH_NONE, NULL),
                    client_context(NULL, NULL), "elsewhere.test");
    pump_handshake(&connection);
    assert_int_equal(connection.client_status, LARDER_DENIED);
    assert_non_null(strstr(connection.client_error.text, "ostname mismatch"));
    assert_int_equal(connection.server_status, LARDER_DENIED);
    connection_finish(&connection);

    struct paths paths;
    set_path(paths.ca, "other-ca.pem");
    struct tls_options options = {.role = TLS_CLIENT, .ca_file = paths.ca};
    struct tls_context *context = NULL;
    assert_int_equal(tls_context_create(&options, &ALLOCATOR_SYSTEM, &context, NULL), LARDER_OK);
    connection_init(&connection, server_context(TLS_CLIENT_AUTH_NONE, NULL), context, NULL);
    pump_handshake(&connection);
    assert_int_equal(connection.client_status, LARDER_DENIED);
    connection_finish(&connection);
}

static void version_below_the_minimum_is_refused(void **state) {
    (void)state;
    struct connection connection;
    connection_init(&connection, server_context(TLS_CLIENT_AUTH_NONE, "TLSv1.3"),
                    client_context(NULL, "TLSv1.2"), NULL);
    pump_handshake(&connection);
    assert_int_equal(connection.server_status, LARDER_PROTOCOL);
    assert_non_null(strstr(connection.server_error.text, "unsupported protocol"));
    assert_int_equal(connection.client_status, LARDER_PROTOCOL);
    connection_finish(&connection);
    connection_init(&connection, server_context(TLS_CLIENT_AUTH_NONE, "tlsv1.2"),
                    client_context(NULL, "TLSv1.2,TLSv1.3"), NULL);
    connect_well(&connection);
    assert_string_equal(tls_session_protocol(connection.client), "TLSv1.2");
    connection_finish(&connection);
}

static void shrink_buffers(const int fds[2]) {
    int size = 4096;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
        assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
    }
}

static uint8_t pattern(size_t position) {
    return (uint8_t)(position * 31 + position / 251);
}

static void partial_writes_from_a_moving_buffer_arrive_in_order(void **state) {
    (void)state;
    enum { TOTAL = 300000, WINDOW = 50000 };
    static uint8_t windows[2][WINDOW], received[7001];
    struct connection connection;
    connection_init(&connection, server_context(TLS_CLIENT_AUTH_NONE, NULL),
                    client_context(NULL, NULL), NULL);
    shrink_buffers(connection.fds);
    connect_well(&connection);
    size_t sent = 0, arrived = 0, refusals = 0;
    for (int turn = 0; arrived < TOTAL; turn ^= 1) {
        size_t window = TOTAL - sent < WINDOW ? TOTAL - sent : WINDOW, size = 0;
        for (size_t i = 0; i < window; i++)
            windows[turn][i] = pattern(sent + i);
        enum larder_status status =
            tls_session_send(connection.server, windows[turn], window, &size);
        assert_true(status == LARDER_OK || (status == LARDER_AGAIN && size == 0));
        sent += size;
        if (size < window) {
            refusals++;
            assert_true(tls_session_wants_write(connection.server));
            assert_int_equal(tls_session_send(connection.server, windows[turn], 1, &size),
                             LARDER_INVALID);
        }
        status = tls_session_receive(connection.client, received, sizeof received, &size);
        assert_true(status == LARDER_OK || (status == LARDER_AGAIN && size == 0));
        for (size_t i = 0; i < size; i++)
            assert_int_equal(received[i], pattern(arrived + i));
        arrived += size;
    }
    assert_true(refusals > 10);
    assert_false(tls_session_wants_write(connection.server));
    connection_finish(&connection);
}

/* Move at most one byte from one socket to another; whether one was there. */
static bool relay_byte(int from, int to) {
    char byte;
    size_t size = 0;
    if (socket_receive(from, &byte, 1, &size) != LARDER_OK)
        return false;
    assert_int_equal(socket_send(to, &byte, 1, &size), LARDER_OK);
    return true;
}

static void handshake_survives_a_network_that_delivers_single_bytes(void **state) {
    (void)state;
    int server_side[2], client_side[2];
    struct tls_session *server = NULL, *client = NULL;
    struct tls_context *server_options = server_context(TLS_CLIENT_AUTH_REQUIRED, NULL);
    struct tls_context *client_options = client_context("client", NULL);
    assert_int_equal(socket_pair(server_side), LARDER_OK);
    assert_int_equal(socket_pair(client_side), LARDER_OK);
    assert_int_equal(tls_session_create(server_options, server_side[0], NULL, &server), LARDER_OK);
    assert_int_equal(tls_session_create(client_options, client_side[0], NULL, &client), LARDER_OK);
    enum larder_status status[2] = {LARDER_AGAIN, LARDER_AGAIN};
    char buffer[16];
    size_t size = 0;
    bool is_moving = true;
    while (is_moving) {
        if (status[0] == LARDER_AGAIN)
            status[0] = tls_session_handshake(server, NULL);
        if (status[1] == LARDER_AGAIN)
            status[1] = tls_session_handshake(client, NULL);
        else /* Take the session tickets, lest they fill the socket. */
            assert_int_equal(tls_session_receive(client, buffer, 1, &size), LARDER_AGAIN);
        is_moving = relay_byte(server_side[1], client_side[1]);
        is_moving = relay_byte(client_side[1], server_side[1]) || is_moving;
    }
    assert_int_equal(status[0], LARDER_OK);
    assert_int_equal(status[1], LARDER_OK);
    send_text(client, "hello");
    while (relay_byte(client_side[1], server_side[1])) {
        assert_int_equal(size, 0);
        status[0] = tls_session_receive(server, buffer, sizeof buffer, &size);
        assert_true(status[0] == LARDER_OK || !tls_session_has_buffered(server));
    }
    assert_int_equal(size, 5);
    tls_session_destroy(server);
    tls_session_destroy(client);
    tls_context_release(server_options);
    tls_context_release(client_options);
    for (int i = 0; i < 2; i++) {
        socket_close(server_side[i]);
        socket_close(client_side[i]);
    }
}

static void buffered_records_are_reported_until_read(void **state) {
    (void)state;
    struct connection connection;
    connection_init(&connection, server_context(TLS_CLIENT_AUTH_NONE, NULL),
                    client_context(NULL, NULL), NULL);
    connect_well(&connection);
    char buffer[16];
    size_t size = 0;
    assert_int_equal(tls_session_receive(connection.server, buffer, 1, &size), LARDER_AGAIN);
    send_text(connection.client, "abc");
    send_text(connection.client, "def");
    send_text(connection.client, "ghi");
    assert_int_equal(tls_session_receive(connection.server, buffer, 2, &size), LARDER_OK);
    assert_true(tls_session_has_buffered(connection.server));
    assert_int_equal(tls_session_receive(connection.server, buffer, 16, &size), LARDER_OK);
    assert_int_equal(size, 7);
    assert_memory_equal(buffer, "cdefghi", 7);
    assert_false(tls_session_has_buffered(connection.server));
    connection_finish(&connection);
}

static void farewell_behind_data_is_told_after_the_data(void **state) {
    (void)state;
    struct connection connection;
    connection_init(&connection, server_context(TLS_CLIENT_AUTH_NONE, NULL),
                    client_context(NULL, NULL), NULL);
    connect_well(&connection);
    send_text(connection.client, "bye");
    tls_session_close_notify(connection.client);
    expect_text(connection.server, "bye");
    assert_true(tls_session_has_buffered(connection.server));
    char byte;
    size_t size = 0;
    assert_int_equal(tls_session_receive(connection.server, &byte, 1, &size), LARDER_CLOSED);
    connection_finish(&connection);
}

static void peer_that_leaves_early_is_closed_and_raises_no_signal(void **state) {
    (void)state;
    struct connection connection;
    char byte = 'x';
    size_t size = 0;
    for (int established = 0; established < 2; established++) {
        connection_init(&connection, server_context(TLS_CLIENT_AUTH_NONE, NULL),
                        client_context(NULL, NULL), NULL);
        if (established == 1)
            connect_well(&connection);
        else
            assert_int_equal(tls_session_handshake(connection.client, NULL), LARDER_AGAIN);
        socket_close(connection.fds[1]);
        connection.fds[1] = -1;
        if (established == 1) {
            assert_int_equal(tls_session_send(connection.server, &byte, 1, &size), LARDER_CLOSED);
            assert_int_equal(tls_session_receive(connection.server, &byte, 1, &size),
                             LARDER_CLOSED);
            tls_session_close_notify(connection.server);
        } else {
            assert_int_equal(tls_session_handshake(connection.server, &connection.server_error),
                             LARDER_CLOSED);
            assert_string_equal(connection.server_error.text, "the connection was closed");
        }
        connection_finish(&connection);
    }
}

static void plain_text_to_a_tls_port_is_a_protocol_error(void **state) {
    (void)state;
    struct tls_context *context = server_context(TLS_CLIENT_AUTH_NONE, NULL);
    struct tls_session *session = NULL;
    struct error_text error;
    int fds[2];
    size_t size = 0;
    assert_int_equal(socket_pair(fds), LARDER_OK);
    assert_int_equal(tls_session_create(context, fds[0], NULL, &session), LARDER_OK);
    assert_int_equal(socket_send(fds[1], "*1\r\n$4\r\nPING\r\n", 14, &size), LARDER_OK);
    assert_int_equal(tls_session_handshake(session, &error), LARDER_PROTOCOL);
    assert_true(strlen(error.text) > 0);
    tls_session_destroy(session);
    tls_context_release(context);
    socket_close(fds[0]);
    socket_close(fds[1]);
}

static void damaged_record_is_a_protocol_error(void **state) {
    (void)state;
    struct connection connection;
    connection_init(&connection, server_context(TLS_CLIENT_AUTH_NONE, NULL),
                    client_context(NULL, NULL), NULL);
    connect_well(&connection);
    static const char FORGED[] = "\x17\x03\x03\x00\x20 0123456789abcdef0123456789abcde";
    char byte;
    size_t size = 0;
    assert_int_equal(socket_send(connection.fds[1], FORGED, sizeof FORGED - 1, &size), LARDER_OK);
    assert_int_equal(tls_session_receive(connection.server, &byte, 1, &size), LARDER_PROTOCOL);
    connection_finish(&connection);
}

static void session_outlives_the_context_that_a_reload_replaced(void **state) {
    (void)state;
    struct connection connection;
    struct tls_context *old = server_context(TLS_CLIENT_AUTH_NONE, NULL);
    connection_init(&connection, tls_context_acquire(old), client_context(NULL, NULL), NULL);
    struct tls_context *next = server_context(TLS_CLIENT_AUTH_NONE, "TLSv1.2");
    tls_context_release(old);
    connect_well(&connection);
    send_text(connection.client, "still here");
    expect_text(connection.server, "still here");
    connection_finish(&connection);
    tls_context_release(next);
    tls_context_release(NULL);
    tls_session_destroy(NULL);
}

/* More than a record each way, so that buffers have been in use. */
static void exchange_blocks(struct connection *connection) {
    static uint8_t block[20000], received[sizeof block];
    struct tls_session *ends[] = {connection->client, connection->server};
    for (int i = 0; i < 2; i++) {
        size_t size = 0, total = 0;
        assert_int_equal(tls_session_send(ends[i], block, sizeof block, &size), LARDER_OK);
        assert_int_equal(size, sizeof block);
        while (total < sizeof block) {
            assert_int_equal(tls_session_receive(ends[1 - i], received, sizeof received, &size),
                             LARDER_OK);
            total += size;
        }
    }
}

static void measure_idle_sessions(const char *protocol, enum tls_client_auth auth) {
    enum { COUNT = 64, LIMIT = 24 << 10 };
    static struct connection connections[COUNT];
    struct tls_context *server = server_context(auth, protocol);
    struct tls_context *client = client_context("client", protocol);
    struct connection first;
    connection_init(&first, tls_context_acquire(server), tls_context_acquire(client), NULL);
    connect_well(&first);
    exchange_blocks(&first);
    long long before = heap_bytes;
    for (int i = 0; i < COUNT; i++) {
        connection_init(&connections[i], tls_context_acquire(server), tls_context_acquire(client),
                        NULL);
        connect_well(&connections[i]);
        exchange_blocks(&connections[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        tls_session_destroy(connections[i].client);
        connections[i].client = NULL;
    }
    long long each = (heap_bytes - before) / COUNT;
    print_message("measured: an idle %s server session holds %lld bytes%s\n", protocol, each,
                  auth == TLS_CLIENT_AUTH_NONE ? "" : " with a client certificate");
    assert_true(each > 0 && each <= LIMIT);
    for (int i = 0; i < COUNT; i++)
        connection_finish(&connections[i]);
    connection_finish(&first);
    tls_context_release(server);
    tls_context_release(client);
}

static void idle_server_session_costs_at_most_24_kib(void **state) {
    (void)state;
    measure_idle_sessions("TLSv1.3", TLS_CLIENT_AUTH_NONE);
    measure_idle_sessions("TLSv1.2", TLS_CLIENT_AUTH_NONE);
    measure_idle_sessions("TLSv1.3", TLS_CLIENT_AUTH_REQUIRED);
}

static void expect_refusal(const struct tls_options *options, enum larder_status expected,
                           const char *named) {
    struct tls_context *context = NULL;
    struct error_text error = {.text = ""};
    assert_int_equal(tls_context_create(options, &ALLOCATOR_SYSTEM, &context, &error), expected);
    assert_null(context);
    if (strstr(error.text, named) == NULL)
        fail_msg("'%s' does not name '%s'", error.text, named);
    assert_null(strstr(error.text, "secret"));
}

static void wrong_options_are_refused_by_name(void **state) {
    (void)state;
    struct paths paths;
    set_path(paths.ca, "ca.pem");
    set_path(paths.certificate, "server.pem");
    set_path(paths.key, "server.key");
    const struct tls_options good = {.certificate_file = paths.certificate,
                                     .key_file = paths.key,
                                     .client_auth = TLS_CLIENT_AUTH_NONE};
    struct tls_options options = good;
    options.certificate_file = "/nonexistent/cert.pem";
    expect_refusal(&options, LARDER_NOT_FOUND, "certificate '/nonexistent/cert.pem': No such file");
    options = good;
    options.key_file = NULL;
    expect_refusal(&options, LARDER_INVALID, "need each other");
    options = (struct tls_options){.client_auth = TLS_CLIENT_AUTH_NONE};
    expect_refusal(&options, LARDER_INVALID, "needs a certificate file");
    options = good;
    options.client_auth = TLS_CLIENT_AUTH_REQUIRED;
    expect_refusal(&options, LARDER_INVALID, "CA file or directory");
    options = good;
    options.protocols = "TLSv1.2 SSLv3";
    expect_refusal(&options, LARDER_INVALID, "SSLv3");
    options.protocols = " ";
    expect_refusal(&options, LARDER_INVALID, "expected some of");
    options = good;
    options.ciphers = "NOT-A-CIPHER";
    expect_refusal(&options, LARDER_INVALID, "NOT-A-CIPHER");
    options = good;
    options.ciphersuites = "TLS_NOTHING";
    expect_refusal(&options, LARDER_INVALID, "TLS_NOTHING");
    options = good;
    options.ca_directory = "/nonexistent";
    expect_refusal(&options, LARDER_NOT_FOUND, "CA directory '/nonexistent'");
    options = good;
    options.dh_params_file = paths.certificate;
    expect_refusal(&options, LARDER_INVALID, "DH parameters");
}

static void wrong_file_contents_are_refused_by_name(void **state) {
    (void)state;
    struct paths paths;
    set_path(paths.ca, "garbage.pem");
    set_path(paths.certificate, "server.pem");
    set_path(paths.key, "client.key");
    struct tls_options options = {.certificate_file = paths.certificate,
                                  .key_file = paths.key,
                                  .client_auth = TLS_CLIENT_AUTH_NONE};
    expect_refusal(&options, LARDER_INVALID, "client.key': key values mismatch");
    set_path(paths.key, "server.key");
    options.ca_file = paths.ca;
    expect_refusal(&options, LARDER_INVALID, "garbage.pem");
    options.certificate_file = paths.ca;
    options.ca_file = NULL;
    expect_refusal(&options, LARDER_INVALID, "certificate '");
}

static void locked_key_opens_with_its_password_only(void **state) {
    (void)state;
    struct paths paths;
    set_path(paths.certificate, "server.pem");
    set_path(paths.key, "locked.key");
    struct tls_options options = {.certificate_file = paths.certificate,
                                  .key_file = paths.key,
                                  .client_auth = TLS_CLIENT_AUTH_NONE};
    expect_refusal(&options, LARDER_INVALID, "locked.key");
    options.key_password = "not the secret";
    expect_refusal(&options, LARDER_INVALID, "locked.key");
    options.key_password = "secret";
    options.prefer_server_ciphers = true;
    options.disable_session_caching = true;
    options.ciphers = "ECDHE+AESGCM";
    options.ciphersuites = "TLS_AES_128_GCM_SHA256";
    struct tls_context *context = NULL;
    assert_int_equal(tls_context_create(&options, &ALLOCATOR_SYSTEM, &context, NULL), LARDER_OK);
    struct connection connection;
    connection_init(&connection, context, client_context(NULL, NULL), "larder.test");
    connect_well(&connection);
    assert_string_equal(tls_session_cipher(connection.server), "TLS_AES_128_GCM_SHA256");
    connection_finish(&connection);
}

struct failing {
    int until_failure;
    size_t held;
};

static void *failing_allocate(void *context, size_t size) {
    struct failing *failing = context;
    if (failing->until_failure-- == 0)
        return NULL;
    failing->held += size;
    return malloc(size);
}

static void failing_release(void *context, void *pointer, size_t size) {
    struct failing *failing = context;
    if (pointer != NULL)
        failing->held -= size;
    free(pointer);
}

static void lack_of_memory_is_a_status_and_leaks_nothing(void **state) {
    (void)state;
    struct failing failing = {0};
    struct allocator allocator = {
        .allocate = failing_allocate, .release = failing_release, .context = &failing};
    struct tls_options options = {.role = TLS_CLIENT};
    struct tls_context *context = NULL;
    struct tls_session *session = NULL;
    struct error_text error;
    assert_int_equal(tls_context_create(&options, &allocator, &context, &error), LARDER_NO_MEMORY);
    assert_null(context);
    failing.until_failure = 1;
    assert_int_equal(tls_context_create(&options, &allocator, &context, &error), LARDER_OK);
    assert_int_equal(tls_session_create(context, -1, NULL, &session), LARDER_NO_MEMORY);
    assert_null(session);
    failing.until_failure = 1;
    assert_int_equal(tls_session_create(context, -1, "name", &session), LARDER_OK);
    tls_context_release(context);
    assert_true(failing.held > 0);
    tls_session_destroy(session);
    assert_int_equal(failing.held, 0);
}

static void openssl_without_memory_fails_and_never_crashes(void **state) {
    (void)state;
    struct tls_context *server = server_context(TLS_CLIENT_AUTH_NONE, NULL);
    struct tls_context *client = client_context(NULL, NULL);
    struct connection connection;
    connection_init(&connection, tls_context_acquire(server), tls_context_acquire(client), NULL);
    connect_well(&connection);
    connection_finish(&connection);
    bool is_done = false;
    long allowed = 1;
    for (; !is_done; allowed += 1 + allowed / 8) {
        connection = (struct connection){0};
        connection.server_status = connection.client_status = LARDER_NO_MEMORY;
        assert_int_equal(socket_pair(connection.fds), LARDER_OK);
        allocations_left = allowed;
        enum larder_status created[] = {
            tls_session_create(server, connection.fds[0], NULL, &connection.server),
            tls_session_create(client, connection.fds[1], "larder.test", &connection.client)};
        if (created[0] == LARDER_OK && created[1] == LARDER_OK)
            pump_handshake(&connection);
        allocations_left = -1;
        assert_true(created[0] == LARDER_OK || connection.server == NULL);
        is_done = connection.server_status == LARDER_OK && connection.client_status == LARDER_OK;
        connection_finish(&connection);
    }
    assert_true(allowed > 50);
    tls_context_release(server);
    tls_context_release(client);
}

static int make_certificates(void **state) {
    (void)state;
    return certificates_create(&certificates) ? 0 : -1;
}

static int remove_certificates(void **state) {
    (void)state;
    certificates_destroy(&certificates);
    return 0;
}

int main(void) {
    if (CRYPTO_set_mem_functions(counting_malloc, counting_realloc, counting_free) != 1)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake_then_bytes_pass_both_ways),
        cmocka_unit_test(required_client_certificate_is_accepted_and_named),
        cmocka_unit_test(missing_or_foreign_client_certificate_is_refused),
        cmocka_unit_test(optional_client_certificate_may_be_missing),
        cmocka_unit_test(client_refuses_a_server_with_another_name_or_authority),
        cmocka_unit_test(version_below_the_minimum_is_refused),
        cmocka_unit_test(partial_writes_from_a_moving_buffer_arrive_in_order),
        cmocka_unit_test(handshake_survives_a_network_that_delivers_single_bytes),
        cmocka_unit_test(buffered_records_are_reported_until_read),
        cmocka_unit_test(farewell_behind_data_is_told_after_the_data),
        cmocka_unit_test(peer_that_leaves_early_is_closed_and_raises_no_signal),
        cmocka_unit_test(plain_text_to_a_tls_port_is_a_protocol_error),
        cmocka_unit_test(damaged_record_is_a_protocol_error),
        cmocka_unit_test(session_outlives_the_context_that_a_reload_replaced),
        cmocka_unit_test(wrong_options_are_refused_by_name),
        cmocka_unit_test(wrong_file_contents_are_refused_by_name),
        cmocka_unit_test(locked_key_opens_with_its_password_only),
        cmocka_unit_test(idle_server_session_costs_at_most_24_kib),
        cmocka_unit_test(openssl_without_memory_fails_and_never_crashes),
        cmocka_unit_test(lack_of_memory_is_a_status_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
