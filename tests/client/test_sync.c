/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocking connections: against a scripted server for what goes wrong, against redis-server for
 * what goes right. */
#include "support/fake_server.h"
#include "support/real_server.h"
#include "support/testing.h"

#include <valkey/net.h>
#include <valkey/valkey.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REAL_PORT = 21600, CLOSED_PORT = 21699 };

static struct real_server *real;

static valkeyContext *connect_to(int port) {
    valkeyContext *c = valkeyConnect("127.0.0.1", port);
    assert_non_null(c);
    assert_string_equal(c->errstr, "");
    assert_int_equal(c->err, 0);
    assert_int_equal(c->flags & (VALKEY_BLOCK | VALKEY_CONNECTED), VALKEY_BLOCK | VALKEY_CONNECTED);
    return c;
}

static void expect_text(valkeyReply *reply, int type, const char *text) {
    assert_non_null(reply);
    assert_int_equal(reply->type, type);
    assert_string_equal(reply->str, text);
    freeReplyObject(reply);
}

static struct fake_server *start(const struct fake_rule *rules, size_t count) {
    return fake_server_start(0, rules, count);
}

static void commands_get_their_replies(void **state) {
    (void)state;
    valkeyContext *c = connect_to(REAL_PORT);
    expect_text(valkeyCommand(c, "PING"), VALKEY_REPLY_STATUS, "PONG");
    expect_text(valkeyCommand(c, "SET %s %b", "k", "a\r\nb", (size_t)4), VALKEY_REPLY_STATUS, "OK");
    expect_text(valkeyCommand(c, "GET k"), VALKEY_REPLY_STRING, "a\r\nb");
    const char *argv[] = {"ECHO", "hello"};
    expect_text(valkeyCommandArgv(c, 2, argv, NULL), VALKEY_REPLY_STRING, "hello");
    valkeyReply *reply = valkeyCommand(c, "LPUSH k x");
    assert_int_equal(reply->type, VALKEY_REPLY_ERROR);
    freeReplyObject(reply);
    assert_int_equal(c->err, 0);
    valkeyFree(c);
    valkeyFree(NULL);
}

static void unix_sockets_and_given_descriptors_work(void **state) {
    (void)state;
    valkeyContext *c = valkeyConnectUnix(real_server_socket(real));
    assert_int_equal(c->err, 0);
    assert_int_equal(c->connection_type, VALKEY_CONN_UNIX);
    expect_text(valkeyCommand(c, "PING"), VALKEY_REPLY_STATUS, "PONG");
    assert_int_equal(valkeyReconnect(c), VALKEY_OK);
    expect_text(valkeyCommand(c, "PING"), VALKEY_REPLY_STATUS, "PONG");
    valkeyFD fd = valkeyFreeKeepFd(c);
    c = valkeyConnectFd(fd);
    assert_int_equal(c->err, 0);
    expect_text(valkeyCommand(c, "ECHO kept"), VALKEY_REPLY_STRING, "kept");
    assert_int_equal(valkeyReconnect(c), VALKEY_ERR);
    valkeyFree(c);
    assert_int_equal(valkeyFreeKeepFd(NULL), VALKEY_INVALID_FD);
    c = valkeyConnectUnixWithTimeout(real_server_socket(real), (struct timeval){1, 0});
    expect_text(valkeyCommand(c, "PING"), VALKEY_REPLY_STATUS, "PONG");
    valkeyFree(c);
    c = valkeyConnectUnix("/nonexistent/socket");
    assert_int_equal(c->err, VALKEY_ERR_IO);
    assert_string_equal(c->errstr, "No such file or directory");
    valkeyFree(c);
}

static void ipv6_is_used_when_preferred_or_needed(void **state) {
    (void)state;
    valkeyContext *c = valkeyConnect("::1", REAL_PORT);
    expect_text(valkeyCommand(c, "PING"), VALKEY_REPLY_STATUS, "PONG");
    assert_int_equal(c->saddr->sa_family, AF_INET6);
    valkeyFree(c);
    static const struct {
        int options, family;
    } CASES[] = {{0, AF_INET}, {VALKEY_OPT_PREFER_IPV4, AF_INET}};
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        valkeyOptions options = {.options = CASES[i].options};
        VALKEY_OPTIONS_SET_TCP(&options, "localhost", REAL_PORT);
        c = valkeyConnectWithOptions(&options);
        expect_text(valkeyCommand(c, "PING"), VALKEY_REPLY_STATUS, "PONG");
        assert_int_equal(c->saddr->sa_family, CASES[i].family);
        valkeyFree(c);
    }
    static const int ANY[] = {VALKEY_OPT_PREFER_IPV6, VALKEY_OPT_PREFER_IP_UNSPEC};
    for (size_t i = 0; i < COUNT_OF(ANY); i++) {
        valkeyOptions options = {.options = ANY[i]};
        VALKEY_OPTIONS_SET_TCP(&options, "localhost", REAL_PORT);
        c = valkeyConnectWithOptions(&options);
        expect_text(valkeyCommand(c, "PING"), VALKEY_REPLY_STATUS, "PONG");
        valkeyFree(c);
    }
}

static void failed_connects_say_why(void **state) {
    (void)state;
    valkeyContext *c = valkeyConnect("127.0.0.1", CLOSED_PORT);
    assert_int_equal(c->err, VALKEY_ERR_IO);
    assert_string_equal(c->errstr, "Connection refused");
    assert_null(valkeyCommand(c, "PING"));
    assert_string_equal(c->errstr, "Connection refused");
    valkeyFree(c);
    c = valkeyConnect("name.invalid", REAL_PORT);
    assert_int_equal(c->err, VALKEY_ERR_OTHER);
    assert_string_not_equal(c->errstr, "");
    valkeyFree(c);
    c = valkeyConnect("127.0.0.1", 70000);
    assert_int_equal(c->err, VALKEY_ERR_OTHER);
    valkeyFree(c);
    c = valkeyConnectWithTimeout("127.0.0.1", REAL_PORT, (struct timeval){-1, 0});
    assert_int_equal(c->err, VALKEY_ERR_IO);
    assert_string_equal(c->errstr, "Invalid timeout specified");
    valkeyFree(c);
    valkeyOptions options = {.type = VALKEY_CONN_RDMA};
    c = valkeyConnectWithOptions(&options);
    assert_int_equal(c->err, VALKEY_ERR_OTHER);
    valkeyFree(c);
}

/* A listener whose queue is full: further connects get no answer. */
struct full_listener {
    int fd, fillers[8], port;
};

static void full_listener_open(struct full_listener *listener) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    listener->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener->fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener->fd, 0), 0);
    assert_int_equal(getsockname(listener->fd, (struct sockaddr *)&address, &size), 0);
    listener->port = ntohs(address.sin_port);
    for (size_t i = 0; i < COUNT_OF(listener->fillers); i++) {
        listener->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(listener->fillers[i], (struct sockaddr *)&address, size);
    }
}

static void full_listener_close(struct full_listener *listener) {
    for (size_t i = 0; i < COUNT_OF(listener->fillers); i++)
        (void)close(listener->fillers[i]);
    (void)close(listener->fd);
}

static void connecting_ends_at_its_timeout(void **state) {
    (void)state;
    struct full_listener listener;
    full_listener_open(&listener);
    long long begin = now_ms();
    valkeyContext *c =
        valkeyConnectWithTimeout("127.0.0.1", listener.port, (struct timeval){0, 200000});
    long long took = now_ms() - begin;
    assert_int_equal(c->err, VALKEY_ERR_IO);
    assert_string_equal(c->errstr, "Connection timed out");
    assert_in_range(took, 195, 1500);
    valkeyFree(c);
    full_listener_close(&listener);
}

static void a_reply_that_is_late_is_a_timeout(void **state) {
    (void)state;
    static const struct fake_rule RULES[] = {
        {.command = "SLOW", .reply = "+a\r\n", .delay_ms = 900}, {.reply = "+fast\r\n"}};
    struct fake_server *server = start(RULES, COUNT_OF(RULES));
    valkeyContext *c = connect_to(fake_server_port(server));
    assert_int_equal(valkeySetTimeout(c, (struct timeval){0, 300000}), VALKEY_OK);
    expect_text(valkeyCommand(c, "FAST"), VALKEY_REPLY_STATUS, "fast");
    long long begin = now_ms();
    assert_null(valkeyCommand(c, "SLOW"));
    assert_in_range(now_ms() - begin, 290, 880);
    assert_int_equal(c->err, VALKEY_ERR_TIMEOUT);
    assert_string_equal(c->errstr, "Timeout");
    assert_int_equal(valkeyReconnect(c), VALKEY_OK);
    assert_int_equal(c->err, 0);
    expect_text(valkeyCommand(c, "FAST"), VALKEY_REPLY_STATUS, "fast");
    assert_int_equal(valkeySetTimeout(c, (struct timeval){0, 0}), VALKEY_OK);
    expect_text(valkeyCommand(c, "SLOW"), VALKEY_REPLY_STATUS, "a");
    assert_int_equal(valkeySetTimeout(c, (struct timeval){0, -1}), VALKEY_ERR);
    valkeyFree(c);
    fake_server_stop(server);
}

static void a_trickling_reply_does_not_stretch_the_timeout(void **state) {
    (void)state;
    static char reply[4000];
    memset(reply, 'x', sizeof reply);
    reply[0] = '+';
    memcpy(reply + sizeof reply - 2, "\r\n", 2);
    const struct fake_rule rules[] = {{.reply = reply, .reply_size = sizeof reply, .piece = 2}};
    struct fake_server *server = start(rules, COUNT_OF(rules));
    valkeyContext *c = connect_to(fake_server_port(server));
    valkeySetTimeout(c, (struct timeval){0, 150000});
    long long begin = now_ms();
    assert_null(valkeyCommand(c, "GET a"));
    assert_in_range(now_ms() - begin, 145, 1200);
    assert_string_equal(c->errstr, "Timeout");
    valkeyFree(c);
    fake_server_stop(server);
}

static void lost_connections_are_told_apart(void **state) {
    (void)state;
    static const struct fake_rule RULES[] = {
        {.command = "CLOSE", .after = FAKE_CLOSE},
        {.command = "RESET", .after = FAKE_RESET},
        {.command = "HALF", .reply = "$10\r\nabc", .after = FAKE_CLOSE},
        {.command = "GARBAGE", .reply = "<html>"},
    };
    static const struct {
        const char *command, *text;
        int kind;
    } CASES[] = {
        {"CLOSE", "Server closed the connection", VALKEY_ERR_EOF},
        {"RESET", "Connection reset by peer", VALKEY_ERR_IO},
        {"HALF", "Server closed the connection", VALKEY_ERR_EOF},
        {"GARBAGE", "Protocol error, got \"<\" as reply type byte", VALKEY_ERR_PROTOCOL},
    };
    struct fake_server *server = start(RULES, COUNT_OF(RULES));
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        valkeyContext *c = connect_to(fake_server_port(server));
        assert_null(valkeyCommand(c, CASES[i].command));
        assert_string_equal(c->errstr, CASES[i].text);
        assert_int_equal(c->err, CASES[i].kind);
        assert_int_equal(valkeyGetReply(c, NULL), VALKEY_ERR);
        valkeyFree(c);
    }
    fake_server_stop(server);
}

static void replies_in_pieces_are_put_together(void **state) {
    (void)state;
    const struct fake_rule rules[] = {{.reply = "*2\r\n$3\r\nabc\r\n:12\r\n", .piece = 1}};
    struct fake_server *server = start(rules, COUNT_OF(rules));
    valkeyContext *c = connect_to(fake_server_port(server));
    valkeyReply *reply = valkeyCommand(c, "ANY");
    assert_non_null(reply);
    assert_string_equal(reply->element[0]->str, "abc");
    assert_true(reply->element[1]->integer == 12);
    freeReplyObject(reply);
    valkeyFree(c);
    fake_server_stop(server);
}

static void appended_commands_are_sent_with_the_first_wait(void **state) {
    (void)state;
    const struct fake_rule rules[] = {{.command = "A", .reply = "+a\r\n"},
                                      {.command = "B", .reply = "+b\r\n"},
                                      {.command = "C", .reply = "+c\r\n"}};
    struct fake_server *server = start(rules, COUNT_OF(rules));
    valkeyContext *c = connect_to(fake_server_port(server));
    assert_null(c->obuf);
    assert_int_equal(valkeyAppendCommand(c, "A %d", 1), VALKEY_OK);
    assert_string_equal(c->obuf, "*2\r\n$1\r\nA\r\n$1\r\n1\r\n");
    const char *argv[] = {"B"};
    assert_int_equal(valkeyAppendCommandArgv(c, 1, argv, NULL), VALKEY_OK);
    assert_int_equal(valkeyAppendFormattedCommand(c, "*1\r\n$1\r\nC\r\n", 11), VALKEY_OK);
    assert_int_equal(fake_server_count(server, NULL), 0);
    void *reply;
    static const char *const WANTED[] = {"a", NULL, "c"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(valkeyGetReply(c, WANTED[i] == NULL ? NULL : &reply), VALKEY_OK);
        if (WANTED[i] != NULL)
            expect_text(reply, VALKEY_REPLY_STATUS, WANTED[i]);
    }
    assert_string_equal(fake_server_log(server), "A 1\nB\nC\n");
    assert_int_equal(valkeyAppendCommand(c, "%y"), VALKEY_ERR);
    assert_int_equal(c->err, VALKEY_ERR_OTHER);
    valkeyFree(c);
    fake_server_stop(server);
}

static void a_pipeline_larger_than_all_buffers_does_not_block(void **state) {
    (void)state;
    enum { COMMANDS = 3000, VALUE = 10000 };
    valkeyContext *c = connect_to(REAL_PORT);
    char *value = malloc(VALUE);
    memset(value, 'v', VALUE);
    for (int i = 0; i < COMMANDS; i++)
        assert_int_equal(valkeyAppendCommand(c, "ECHO %b", value, (size_t)VALUE), VALKEY_OK);
    for (int i = 0; i < COMMANDS; i++) {
        valkeyReply *reply;
        assert_int_equal(valkeyGetReply(c, (void **)&reply), VALKEY_OK);
        assert_int_equal(reply->len, VALUE);
        freeReplyObject(reply);
    }
    expect_text(valkeyCommand(c, "PING"), VALKEY_REPLY_STATUS, "PONG");
    free(value);
    valkeyFree(c);
}

static int pushes, freed;
static void count_push(void *privdata, void *reply) {
    assert_string_equal((const char *)privdata, "private");
    assert_true(valkeyIsPushReply(reply));
    pushes++;
    freeReplyObject(reply);
}

static void count_free(void *privdata) {
    (void)privdata;
    freed++;
}

static const struct fake_rule PUSH_RULES[] = {
    {.reply = ">2\r\n+invalidate\r\n*1\r\n+k\r\n|1\r\n+ttl\r\n:1\r\n+OK\r\n"}};

static void pushes_go_to_their_callback(void **state) {
    (void)state;
    struct fake_server *server = start(PUSH_RULES, 1);
    valkeyOptions options = {.push_cb = count_push};
    VALKEY_OPTIONS_SET_TCP(&options, "127.0.0.1", fake_server_port(server));
    VALKEY_OPTIONS_SET_PRIVDATA(&options, (void *)(uintptr_t) "private", count_free);
    valkeyContext *c = valkeyConnectWithOptions(&options);
    expect_text(valkeyCommand(c, "GET k"), VALKEY_REPLY_STATUS, "OK");
    assert_int_equal(pushes, 1);
    assert_ptr_equal(valkeySetPushCallback(c, NULL), count_push);
    valkeyFree(c);
    assert_int_equal(freed, 1);
    fake_server_stop(server);
}

static void pushes_without_callback_arrive_in_order(void **state) {
    (void)state;
    struct fake_server *server = start(PUSH_RULES, 1);
    for (int by_option = 0; by_option < 2; by_option++) {
        valkeyOptions options = {.options = by_option ? VALKEY_OPT_NO_PUSH_AUTOFREE : 0};
        VALKEY_OPTIONS_SET_TCP(&options, "127.0.0.1", fake_server_port(server));
        valkeyContext *c = valkeyConnectWithOptions(&options);
        if (!by_option) {
            /* The default callback frees pushes. */
            expect_text(valkeyCommand(c, "GET k"), VALKEY_REPLY_STATUS, "OK");
            assert_non_null(valkeySetPushCallback(c, NULL));
        }
        valkeyReply *push = valkeyCommand(c, "GET k");
        assert_true(valkeyIsPushReply(push));
        freeReplyObject(push);
        void *reply;
        assert_int_equal(valkeyGetReply(c, &reply), VALKEY_OK);
        expect_text(reply, VALKEY_REPLY_STATUS, "OK");
        valkeyFree(c);
    }
    fake_server_stop(server);
}

static void non_blocking_contexts_never_wait(void **state) {
    (void)state;
    valkeyContext *c = valkeyConnectNonBlock("127.0.0.1", REAL_PORT);
    assert_int_equal(c->err, 0);
    assert_int_equal(c->flags & VALKEY_BLOCK, 0);
    int done = 0;
    long long end = now_ms() + 5000;
    while (!done && now_ms() < end)
        assert_int_equal(valkeyCheckConnectDone(c, &done), VALKEY_OK);
    assert_int_equal(done, 1);
    assert_null(valkeyCommand(c, "PING"));
    assert_int_equal(c->err, 0);
    assert_int_equal(valkeyBufferWrite(c, &done), VALKEY_OK);
    assert_int_equal(done, 1);
    valkeyReply *reply = NULL;
    while (reply == NULL && now_ms() < end) {
        assert_int_equal(valkeyBufferRead(c), VALKEY_OK);
        assert_int_equal(valkeyGetReply(c, (void **)&reply), VALKEY_OK);
    }
    expect_text(reply, VALKEY_REPLY_STATUS, "PONG");
    assert_int_equal(valkeySetTimeout(c, (struct timeval){1, 0}), VALKEY_ERR);
    valkeyFree(c);
    c = valkeyConnectUnixNonBlock(real_server_socket(real));
    assert_int_equal(c->err, 0);
    valkeyFree(c);
    c = valkeyConnectNonBlock("127.0.0.1", CLOSED_PORT);
    for (done = 0; c->err == 0 && now_ms() < end;)
        (void)valkeyCheckConnectDone(c, &done);
    assert_string_equal(c->errstr, "Connection refused");
    valkeyFree(c);
}

static void source_addresses_are_used(void **state) {
    (void)state;
    valkeyOptions options = {.options = VALKEY_OPT_REUSEADDR};
    VALKEY_OPTIONS_SET_TCP(&options, "127.0.0.1", REAL_PORT);
    options.endpoint.tcp.source_addr = "127.0.0.7";
    valkeyContext *c = valkeyConnectWithOptions(&options);
    valkeyReply *reply = valkeyCommand(c, "CLIENT INFO");
    assert_non_null(strstr(reply->str, "addr=127.0.0.7:"));
    freeReplyObject(reply);
    assert_int_equal(valkeyReconnect(c), VALKEY_OK);
    assert_string_equal(c->tcp.source_addr, "127.0.0.7");
    valkeyFree(c);
    c = valkeyConnectBindNonBlockWithReuse("127.0.0.1", REAL_PORT, "127.0.0.8");
    assert_int_equal(c->err, 0);
    valkeyFree(c);
    c = valkeyConnectBindNonBlock("127.0.0.1", REAL_PORT, "192.0.2.1");
    assert_int_equal(c->err, VALKEY_ERR_IO);
    assert_string_equal(c->errstr, "Cannot assign requested address");
    valkeyFree(c);
}

static void socket_options_reach_the_socket(void **state) {
    (void)state;
    valkeyContext *c = connect_to(REAL_PORT);
    int value = 0;
    socklen_t size = sizeof value;
    assert_int_equal(getsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
    assert_int_not_equal(value, 0);
    assert_int_equal(valkeyEnableKeepAlive(c), VALKEY_OK);
    assert_int_equal(getsockopt(c->fd, IPPROTO_TCP, TCP_KEEPIDLE, &value, &size), 0);
    assert_int_equal(value, VALKEY_KEEPALIVE_INTERVAL);
    assert_int_equal(valkeyEnableKeepAliveWithInterval(c, 30), VALKEY_OK);
    assert_int_equal(valkeySetTcpUserTimeout(c, 1234), VALKEY_OK);
    assert_int_equal(getsockopt(c->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &size), 0);
    assert_int_equal(value, 1234);
    assert_int_equal(valkeyCheckSocketError(c), VALKEY_OK);
    valkeyFree(c);
    c = valkeyConnectUnix(real_server_socket(real));
    assert_int_equal(valkeyEnableKeepAlive(c), VALKEY_ERR);
    assert_int_equal(valkeySetTcpUserTimeout(c, 1), VALKEY_ERR);
    valkeyFree(c);
}

static void multipath_falls_back_to_plain_tcp(void **state) {
    (void)state;
    valkeyOptions options = {0};
    VALKEY_OPTIONS_SET_MPTCP(&options, "127.0.0.1", REAL_PORT);
    assert_int_equal(options.options, VALKEY_OPT_MPTCP);
    valkeyContext *c = valkeyConnectWithOptions(&options);
    assert_int_equal(c->err, 0);
    expect_text(valkeyCommand(c, "PING"), VALKEY_REPLY_STATUS, "PONG");
    valkeyFree(c);
    assert_in_range(valkeyHasMptcp(), 0, 1);
}

static void transactions_and_resp3_work(void **state) {
    (void)state;
    valkeyContext *c = connect_to(REAL_PORT);
    valkeyReply *reply = valkeyCommand(c, "HELLO 3");
    assert_int_equal(reply->type, VALKEY_REPLY_MAP);
    freeReplyObject(reply);
    freeReplyObject(valkeyCommand(c, "HSET h a 1"));
    expect_text(valkeyCommand(c, "MULTI"), VALKEY_REPLY_STATUS, "OK");
    expect_text(valkeyCommand(c, "HGETALL h"), VALKEY_REPLY_STATUS, "QUEUED");
    reply = valkeyCommand(c, "EXEC");
    assert_int_equal(reply->element[0]->type, VALKEY_REPLY_MAP);
    freeReplyObject(reply);
    static const int TYPES[] = {VALKEY_REPLY_DOUBLE, VALKEY_REPLY_NIL,  VALKEY_REPLY_BOOL,
                                VALKEY_REPLY_BIGNUM, VALKEY_REPLY_VERB, VALKEY_REPLY_SET};
    static const char *const NAMES[] = {"double", "null", "true", "bignum", "verbatim", "set"};
    for (size_t i = 0; i < COUNT_OF(TYPES); i++) {
        reply = valkeyCommand(c, "DEBUG PROTOCOL %s", NAMES[i]);
        assert_int_equal(reply->type, TYPES[i]);
        freeReplyObject(reply);
    }
    reply = valkeyCommand(c, "DEBUG PROTOCOL attrib");
    assert_int_equal(reply->type, VALKEY_REPLY_STRING);
    freeReplyObject(reply);
    valkeyFree(c);
}

static int start_real(void **state) {
    (void)state;
    real = real_server_start(REAL_PORT, NULL);
    return 0;
}

static int stop_real(void **state) {
    (void)state;
    real_server_stop(real);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_get_their_replies),
        cmocka_unit_test(unix_sockets_and_given_descriptors_work),
        cmocka_unit_test(ipv6_is_used_when_preferred_or_needed),
        cmocka_unit_test(failed_connects_say_why),
        cmocka_unit_test(connecting_ends_at_its_timeout),
        cmocka_unit_test(a_reply_that_is_late_is_a_timeout),
        cmocka_unit_test(a_trickling_reply_does_not_stretch_the_timeout),
        cmocka_unit_test(lost_connections_are_told_apart),
        cmocka_unit_test(replies_in_pieces_are_put_together),
        cmocka_unit_test(appended_commands_are_sent_with_the_first_wait),
        cmocka_unit_test(a_pipeline_larger_than_all_buffers_does_not_block),
        cmocka_unit_test(pushes_go_to_their_callback),
        cmocka_unit_test(pushes_without_callback_arrive_in_order),
        cmocka_unit_test(non_blocking_contexts_never_wait),
        cmocka_unit_test(source_addresses_are_used),
        cmocka_unit_test(socket_options_reach_the_socket),
        cmocka_unit_test(multipath_falls_back_to_plain_tcp),
        cmocka_unit_test(transactions_and_resp3_work),
    };
    return cmocka_run_group_tests(tests, start_real, stop_real);
}
