/* SPDX-License-Identifier: BSD-3-Clause */
/* TLS against redis-server and larder-server: synchronous, asynchronous and cluster contexts, what
 * goes wrong, and every allocation failing. */
#include "support/failing_allocator.h"
#include "support/real_cluster.h"
#include "support/testing.h"

#include <valkey/adapters/libevent.h>
#include <valkey/tls.h>

#include <openssl/ssl.h>

#include <stdbool.h>
#include <stdio.h>

enum { PORT = 21640, TLS_PORT = 21641, CLUSTER_PORT = 21650, BIG = 3 * 1024 * 1024 };

static char folder[64], ca[96], other_ca[96], certificate[96], key[96];
static struct real_server *server;
static valkeyTLSContext *tls;

static valkeyTLSContext *create(const char *authority, const char *cert, const char *private_key,
                                valkeyTLSContextError *error) {
    return valkeyCreateTLSContext(authority, NULL, cert, private_key, "localhost", error);
}

static valkeyContext *connect_tls(void) {
    valkeyContext *c = valkeyConnect("127.0.0.1", TLS_PORT);
    assert_int_equal(c->err, 0);
    if (valkeyInitiateTLSWithContext(c, tls) != VALKEY_OK)
        fail_msg("TLS: %s", c->errstr);
    return c;
}

static void expect(valkeyContext *c, valkeyReply *reply, const char *text) {
    if (reply == NULL)
        fail_msg("no reply: %s", c->errstr);
    assert_string_equal(reply->str, text);
    freeReplyObject(reply);
}

static void certificates_are_needed_as_they_are(void **state) {
    (void)state;
    valkeyTLSContextError error;
    assert_null(create("/nowhere", NULL, NULL, &error));
    assert_int_equal(error, VALKEY_TLS_CTX_CA_CERT_LOAD_FAILED);
    assert_null(create(ca, certificate, NULL, &error));
    assert_int_equal(error, VALKEY_TLS_CTX_CERT_KEY_REQUIRED);
    assert_null(create(ca, NULL, key, &error));
    assert_int_equal(error, VALKEY_TLS_CTX_CERT_KEY_REQUIRED);
    assert_null(create(ca, "/nowhere", key, &error));
    assert_int_equal(error, VALKEY_TLS_CTX_CLIENT_CERT_LOAD_FAILED);
    assert_null(create(ca, certificate, "/nowhere", &error));
    assert_int_equal(error, VALKEY_TLS_CTX_PRIVATE_KEY_LOAD_FAILED);
    assert_null(create(ca, certificate, "/nowhere", NULL));
    valkeyTLSContext *system = create(NULL, NULL, NULL, &error);
    assert_non_null(system);
    assert_int_equal(error, VALKEY_TLS_CTX_NONE);
    valkeyFreeTLSContext(system);
    valkeyFreeTLSContext(NULL);
    for (int i = 0; i <= VALKEY_TLS_CTX_OS_CERT_ADD_FAILED + 1; i++)
        assert_non_null(valkeyTLSContextGetError((valkeyTLSContextError)i));
    assert_int_equal(valkeyInitOpenSSL(), VALKEY_OK);
}

static void commands_and_pipelines_work(void **state) {
    (void)state;
    valkeyContext *c = connect_tls();
    expect(c, valkeyCommand(c, "SET a %s", "1"), "OK");
    expect(c, valkeyCommand(c, "GET a"), "1");
    for (int i = 0; i < 1000; i++)
        assert_int_equal(valkeyAppendCommand(c, "ECHO %d", i), VALKEY_OK);
    for (int i = 0; i < 1000; i++) {
        valkeyReply *reply;
        assert_int_equal(valkeyGetReply(c, (void **)&reply), VALKEY_OK);
        assert_int_equal(atoi(reply->str), i);
        freeReplyObject(reply);
    }
    assert_int_equal(valkeyInitiateTLSWithContext(c, tls), VALKEY_ERR);
    valkeyFree(c);
}

static void pipelines_larger_than_all_buffers_complete(void **state) {
    (void)state;
    valkeyContext *c = connect_tls();
    char *big = malloc(BIG);
    memset(big, 'x', BIG);
    for (int i = 0; i < 8; i++)
        assert_int_equal(valkeyAppendCommand(c, "ECHO %b", big, (size_t)BIG), VALKEY_OK);
    for (int i = 0; i < 8; i++) {
        valkeyReply *reply;
        if (valkeyGetReply(c, (void **)&reply) != VALKEY_OK)
            fail_msg("%s", c->errstr);
        assert_int_equal(reply->len, BIG);
        freeReplyObject(reply);
    }
    free(big);
    valkeyFree(c);
}

static void silence_is_a_timeout(void **state) {
    (void)state;
    valkeyContext *c = connect_tls();
    assert_int_equal(valkeySetTimeout(c, (struct timeval){.tv_usec = 50000}), VALKEY_OK);
    assert_null(valkeyCommand(c, "BLPOP nothing 1"));
    assert_string_equal(c->errstr, "Timeout");
    valkeyFree(c);
    /* A handshake that is not answered: the server is asleep. */
    valkeyOptions options = {.connect_timeout = &(struct timeval){.tv_usec = 50000}};
    VALKEY_OPTIONS_SET_TCP(&options, "127.0.0.1", TLS_PORT);
    real_server_pause(server);
    c = valkeyConnectWithOptions(&options);
    assert_int_equal(valkeyInitiateTLSWithContext(c, tls), VALKEY_ERR);
    assert_string_equal(c->errstr, "Timeout");
    valkeyFree(c);
    real_server_resume(server);
}

static void the_servers_end_is_told(void **state) {
    (void)state;
    valkeyContext *c = connect_tls();
    freeReplyObject(valkeyCommand(c, "QUIT"));
    assert_null(valkeyCommand(c, "PING"));
    assert_true(c->err == VALKEY_ERR_EOF || c->err == VALKEY_ERR_IO);
    valkeyFree(c);
}

static void strangers_are_refused(void **state) {
    (void)state;
    valkeyTLSContext *distrustful = create(other_ca, certificate, key, NULL);
    valkeyContext *c = valkeyConnect("127.0.0.1", TLS_PORT);
    assert_int_equal(valkeyInitiateTLSWithContext(c, distrustful), VALKEY_ERR);
    assert_int_equal(c->err, VALKEY_ERR_OTHER);
    assert_non_null(strstr(c->errstr, "SSL_connect failed: "));
    valkeyFree(c);
    valkeyTLSOptions trusting = {.cacert_filename = other_ca,
                                 .cert_filename = certificate,
                                 .private_key_filename = key,
                                 .verify_mode = VALKEY_TLS_VERIFY_NONE};
    valkeyTLSContext *trusts = valkeyCreateTLSContextWithOptions(&trusting, NULL);
    c = valkeyConnect("127.0.0.1", TLS_PORT);
    assert_int_equal(valkeyInitiateTLSWithContext(c, trusts), VALKEY_OK);
    expect(c, valkeyCommand(c, "PING"), "PONG");
    valkeyFree(c);
    /* This one does not show a certificate, which the server wants. */
    valkeyTLSContext *shy = create(ca, NULL, NULL, NULL);
    c = valkeyConnect("127.0.0.1", TLS_PORT);
    if (valkeyInitiateTLSWithContext(c, shy) == VALKEY_OK)
        assert_null(valkeyCommand(c, "PING"));
    assert_int_not_equal(c->err, 0);
    valkeyFree(c);
    /* A server without TLS. */
    c = valkeyConnect("127.0.0.1", PORT);
    assert_int_equal(valkeySetTimeout(c, (struct timeval){.tv_sec = 2}), VALKEY_OK);
    assert_int_equal(valkeyInitiateTLSWithContext(c, tls), VALKEY_ERR);
    assert_int_not_equal(c->err, 0);
    valkeyFree(c);
    valkeyFreeTLSContext(distrustful);
    valkeyFreeTLSContext(trusts);
    valkeyFreeTLSContext(shy);
}

static void programs_may_bring_their_own_object(void **state) {
    (void)state;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_load_verify_locations(context, ca, NULL), 1);
    assert_int_equal(SSL_CTX_use_certificate_file(context, certificate, SSL_FILETYPE_PEM), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM), 1);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    static const char *const NAMES[] = {"localhost", "elsewhere"};
    for (size_t i = 0; i < COUNT_OF(NAMES); i++) {
        SSL *ssl = SSL_new(context);
        assert_int_equal(SSL_set1_host(ssl, NAMES[i]), 1);
        valkeyContext *c = valkeyConnect("127.0.0.1", TLS_PORT);
        int result = valkeyInitiateTLS(c, ssl);
        assert_int_equal(result, i == 0 ? VALKEY_OK : VALKEY_ERR);
        if (result != VALKEY_OK)
            SSL_free(ssl);
        valkeyFree(c);
    }
    SSL_CTX_free(context);
}

static struct {
    int connects, disconnects, replies, nulls, status;
    size_t bytes;
    char errstr[128];
} seen;

static void on_connect(valkeyAsyncContext *ac, int status) {
    (void)ac;
    seen.connects++;
    seen.status = status;
}

static void on_disconnect(const valkeyAsyncContext *ac, int status) {
    seen.disconnects++;
    seen.status = status;
    (void)snprintf(seen.errstr, sizeof seen.errstr, "%s", ac->errstr);
}

static void on_reply(valkeyAsyncContext *ac, void *data, void *privdata) {
    const valkeyReply *reply = data;
    seen.replies += reply != NULL;
    seen.nulls += reply == NULL;
    seen.bytes += reply == NULL ? 0 : reply->len;
    if (privdata != NULL && seen.replies + seen.nulls == *(int *)privdata)
        valkeyAsyncDisconnect(ac);
}

static valkeyAsyncContext *connect_async(struct event_base *base, valkeyTLSContext *context) {
    memset(&seen, 0, sizeof seen);
    valkeyAsyncContext *ac = valkeyAsyncConnect("127.0.0.1", TLS_PORT);
    assert_int_equal(valkeyInitiateTLSWithContext(&ac->c, context), VALKEY_OK);
    assert_int_equal(valkeyLibeventAttach(ac, base), VALKEY_OK);
    assert_int_equal(valkeyAsyncSetConnectCallback(ac, on_connect), VALKEY_OK);
    assert_int_equal(valkeyAsyncSetDisconnectCallback(ac, on_disconnect), VALKEY_OK);
    return ac;
}

static void event_loops_work(void **state) {
    (void)state;
    struct event_base *base = event_base_new();
    int last = 2004;
    valkeyAsyncContext *ac = connect_async(base, tls);
    char *big = malloc(BIG);
    memset(big, 'x', BIG);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(valkeyAsyncCommand(ac, on_reply, &last, "PING"), VALKEY_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(valkeyAsyncCommand(ac, on_reply, &last, "ECHO %b", big, (size_t)BIG),
                         VALKEY_OK);
    (void)event_base_dispatch(base);
    assert_int_equal(seen.replies, last);
    assert_int_equal(seen.bytes, 2000 * 4 + 4 * (size_t)BIG);
    assert_int_equal(seen.connects, 1);
    assert_int_equal(seen.disconnects, 1);
    assert_int_equal(seen.status, VALKEY_OK);
    free(big);
    /* The handshake fails: the connection is lost after it was there. */
    valkeyTLSContext *distrustful = create(other_ca, certificate, key, NULL);
    ac = connect_async(base, distrustful);
    assert_int_equal(valkeyAsyncCommand(ac, on_reply, NULL, "PING"), VALKEY_OK);
    (void)event_base_dispatch(base);
    assert_int_equal(seen.nulls, 1);
    assert_int_equal(seen.disconnects, 1);
    assert_int_equal(seen.status, VALKEY_ERR);
    assert_non_null(strstr(seen.errstr, "SSL_connect failed: "));
    valkeyFreeTLSContext(distrustful);
    event_base_free(base);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    bool has_failed = true;
    for (int at = 0; has_failed; at++) {
        failing_allocator_install(at);
        valkeyTLSContext *context = create(ca, certificate, key, NULL);
        valkeyContext *c = valkeyConnect("127.0.0.1", TLS_PORT);
        if (c != NULL && c->err == 0 && context != NULL &&
            valkeyInitiateTLSWithContext(c, context) == VALKEY_OK)
            freeReplyObject(valkeyCommand(c, "PING"));
        valkeyFree(c);
        valkeyFreeTLSContext(context);
        has_failed = failing_allocator_has_failed();
        assert_int_equal(failing_allocator_held(), 0);
        failing_allocator_remove();
    }
}

static struct real_cluster cluster;

static int init_tls(struct valkeyContext *c, struct valkeyTLSContext *context) {
    return valkeyInitiateTLSWithContext(c, context);
}

static valkeyClusterOptions cluster_options(void) {
    return (valkeyClusterOptions){.initial_nodes = "127.0.0.1:21750",
                                  .password = "secret",
                                  .tls = tls,
                                  .tls_init_fn = init_tls,
                                  .options = VALKEY_OPT_BLOCKING_INITIAL_UPDATE};
}

static void on_cluster_reply(valkeyClusterAsyncContext *acc, void *data, void *privdata) {
    const valkeyReply *reply = data;
    (void)privdata;
    if (reply == NULL)
        fail_msg("%s", acc->errstr);
    assert_int_equal(reply->type, VALKEY_REPLY_STRING);
    if (++seen.replies == 300)
        valkeyClusterAsyncDisconnect(acc);
}

static void clusters_work(void **state) {
    (void)state;
    real_cluster_start_tls(&cluster, CLUSTER_PORT, "secret", folder);
    valkeyClusterOptions options = cluster_options();
    valkeyClusterContext *cc = valkeyClusterConnectWithOptions(&options);
    assert_string_equal(cc->errstr, "");
    for (int i = 0; i < 300; i++) {
        valkeyReply *reply = valkeyClusterCommand(cc, "SET k%d %d", i, i);
        if (reply == NULL)
            fail_msg("%s", cc->errstr);
        assert_string_equal(reply->str, "OK");
        freeReplyObject(reply);
    }
    for (int i = 0; i < 300; i++)
        assert_int_equal(valkeyClusterAppendCommand(cc, "GET k%d", i), VALKEY_OK);
    for (int i = 0; i < 300; i++) {
        valkeyReply *reply;
        assert_int_equal(valkeyClusterGetReply(cc, (void **)&reply), VALKEY_OK);
        assert_int_equal(atoi(reply->str), i);
        freeReplyObject(reply);
    }
    valkeyClusterFree(cc);
    struct event_base *base = event_base_new();
    memset(&seen, 0, sizeof seen);
    assert_int_equal(valkeyClusterOptionsUseLibevent(&options, base), VALKEY_OK);
    valkeyClusterAsyncContext *acc = valkeyClusterAsyncConnectWithOptions(&options);
    assert_string_equal(acc->errstr, "");
    for (int i = 0; i < 300; i++)
        assert_int_equal(valkeyClusterAsyncCommand(acc, on_cluster_reply, NULL, "GET k%d", i),
                         VALKEY_OK);
    (void)event_base_dispatch(base);
    assert_int_equal(seen.replies, 300);
    valkeyClusterAsyncFree(acc);
    event_base_free(base);
    real_cluster_stop(&cluster);
}

static void make_path(char *out, const char *name) {
    (void)snprintf(out, 96, "%s/%s", folder, name);
}

static int start(const char *program) {
    char command[256];
    (void)snprintf(folder, sizeof folder, "/tmp/larder-client-tls-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(command, sizeof command, "%s %s", MAKE_CERTIFICATES, folder);
    assert_int_equal(system(command), 0);
    make_path(ca, "ca.crt");
    make_path(other_ca, "other.crt");
    make_path(certificate, "node.crt");
    make_path(key, "node.key");
    char port[16];
    (void)snprintf(port, sizeof port, "%d", TLS_PORT);
    const char *arguments[] = {"--tls-port",
                               port,
                               "--tls-cert-file",
                               certificate,
                               "--tls-key-file",
                               key,
                               "--tls-ca-cert-file",
                               ca,
                               NULL};
    server = real_server_start_program(program, PORT, arguments);
    tls = create(ca, certificate, key, NULL);
    return tls == NULL;
}

static int start_redis(void **state) {
    (void)state;
    return start("redis-server");
}

static int start_larder(void **state) {
    (void)state;
    return start(LARDER_SERVER);
}

static int stop(void **state) {
    (void)state;
    char command[96];
    valkeyFreeTLSContext(tls);
    real_server_stop(server);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int main(void) {
    const struct CMUnitTest redis[] = {
        cmocka_unit_test(certificates_are_needed_as_they_are),
        cmocka_unit_test(commands_and_pipelines_work),
        cmocka_unit_test(pipelines_larger_than_all_buffers_complete),
        cmocka_unit_test(silence_is_a_timeout),
        cmocka_unit_test(the_servers_end_is_told),
        cmocka_unit_test(strangers_are_refused),
        cmocka_unit_test(programs_may_bring_their_own_object),
        cmocka_unit_test(event_loops_work),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(clusters_work),
    };
    const struct CMUnitTest larder[] = {
        cmocka_unit_test(commands_and_pipelines_work),
        cmocka_unit_test(pipelines_larger_than_all_buffers_complete),
        cmocka_unit_test(strangers_are_refused),
        cmocka_unit_test(event_loops_work),
    };
    int failed = cmocka_run_group_tests_name("redis-server", redis, start_redis, stop);
    return failed + cmocka_run_group_tests_name("larder-server", larder, start_larder, stop);
}
