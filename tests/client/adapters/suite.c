/* SPDX-License-Identifier: BSD-3-Clause */
/* The asynchronous interface, the same for every adapter. */
#include "adapters/driver.h"
#include "support/fake_server.h"
#include "support/real_server.h"
#include "support/testing.h"

#include <stdbool.h>
#include <stdio.h>

enum { REAL_PORT = 21610, CLOSED_PORT = 21698, PATIENCE_MS = 5000 };

static struct real_server *real;

/* What callbacks saw. */
static struct {
    int connects, disconnects, connect_status, disconnect_status;
    int replies, nulls, pushes, cleanups;
    int error;
    char error_text[128];
    char log[512];
} seen;

/* Turn the loop until the condition holds. */
#define TURN_UNTIL(condition)                                                                      \
    do {                                                                                           \
        long long end_ = now_ms() + PATIENCE_MS;                                                   \
        while (!(condition) && now_ms() < end_)                                                    \
            driver_turn();                                                                         \
        assert_true(condition);                                                                    \
    } while (0)

static void on_connect(valkeyAsyncContext *ac, int status) {
    seen.connects++;
    seen.connect_status = status;
    seen.error = ac->err;
    (void)snprintf(seen.error_text, sizeof seen.error_text, "%s", ac->errstr);
}

static void on_disconnect(const valkeyAsyncContext *ac, int status) {
    seen.disconnects++;
    seen.disconnect_status = status;
    seen.error = ac->err;
    (void)snprintf(seen.error_text, sizeof seen.error_text, "%s", ac->errstr);
}

static void note(const char *text) {
    size_t used = strlen(seen.log);
    (void)snprintf(seen.log + used, sizeof seen.log - used, "%s ", text);
}

static void on_reply(valkeyAsyncContext *ac, void *data, void *privdata) {
    valkeyReply *reply = data;
    (void)ac;
    if (reply == NULL) {
        seen.nulls++;
        return;
    }
    seen.replies++;
    if (privdata != NULL)
        note(privdata);
    if (reply->type == VALKEY_REPLY_STATUS || reply->type == VALKEY_REPLY_STRING ||
        reply->type == VALKEY_REPLY_ERROR)
        note(reply->str);
    for (size_t i = 0; i < reply->elements; i++) {
        char number[24];
        (void)snprintf(number, sizeof number, "%lld", reply->element[i]->integer);
        note(reply->element[i]->str != NULL ? reply->element[i]->str : number);
    }
}

static void reset_seen(void) {
    memset(&seen, 0, sizeof seen);
}

static valkeyAsyncContext *connect_with(valkeyOptions *options, int port) {
    VALKEY_OPTIONS_SET_TCP(options, "127.0.0.1", port);
    valkeyAsyncContext *ac = valkeyAsyncConnectWithOptions(options);
    assert_non_null(ac);
    assert_int_equal(ac->err, 0);
    reset_seen();
    assert_int_equal(driver_attach(ac), VALKEY_OK);
    assert_int_equal(driver_attach(ac), VALKEY_ERR);
    assert_int_equal(valkeyAsyncSetConnectCallback(ac, on_connect), VALKEY_OK);
    assert_int_equal(valkeyAsyncSetConnectCallback(ac, on_connect), VALKEY_ERR);
    assert_int_equal(valkeyAsyncSetDisconnectCallback(ac, on_disconnect), VALKEY_OK);
    assert_int_equal(valkeyAsyncSetDisconnectCallback(ac, on_disconnect), VALKEY_ERR);
    return ac;
}

static valkeyAsyncContext *connect_to(int port) {
    valkeyOptions options = {0};
    return connect_with(&options, port);
}

static void disconnect(valkeyAsyncContext *ac) {
    valkeyAsyncDisconnect(ac);
    TURN_UNTIL(seen.disconnects == 1);
    assert_int_equal(seen.disconnect_status, VALKEY_OK);
}

static void send_command(valkeyAsyncContext *ac, const char *command) {
    assert_int_equal(valkeyAsyncCommand(ac, on_reply, NULL, command), VALKEY_OK);
}

static void replies_come_in_order(void **state) {
    (void)state;
    valkeyAsyncContext *ac = connect_to(REAL_PORT);
    const char *argv[] = {"ECHO", "b"};
    assert_int_equal(valkeyAsyncCommand(ac, on_reply, NULL, "ECHO %s", "a"), VALKEY_OK);
    assert_int_equal(valkeyAsyncCommandArgv(ac, on_reply, NULL, 2, argv, NULL), VALKEY_OK);
    assert_int_equal(valkeyAsyncFormattedCommand(ac, on_reply, NULL, "*1\r\n$4\r\nPING\r\n", 14),
                     VALKEY_OK);
    assert_int_equal(valkeyAsyncCommand(ac, NULL, NULL, "ECHO nobody"), VALKEY_OK);
    send_command(ac, "NOSUCH");
    assert_int_equal(valkeyAsyncCommand(ac, on_reply, NULL, "bad %y"), VALKEY_ERR);
    TURN_UNTIL(seen.replies == 4);
    assert_non_null(strstr(seen.log, "a b PONG ERR unknown command"));
    assert_int_equal(seen.connects, 1);
    assert_int_equal(seen.connect_status, VALKEY_OK);
    for (int i = 0; i < 3000; i++)
        send_command(ac, "PING");
    TURN_UNTIL(seen.replies == 3004);
    disconnect(ac);
}

static void disconnecting_waits_for_replies(void **state) {
    (void)state;
    valkeyAsyncContext *ac = connect_to(REAL_PORT);
    for (int i = 0; i < 100; i++)
        send_command(ac, "PING");
    valkeyAsyncDisconnect(ac);
    assert_int_equal(valkeyAsyncCommand(ac, on_reply, NULL, "PING"), VALKEY_ERR);
    TURN_UNTIL(seen.disconnects == 1);
    assert_int_equal(seen.replies, 100);
    assert_int_equal(seen.disconnect_status, VALKEY_OK);
}

static void count_cleanup(void *data) {
    (void)data;
    seen.cleanups++;
}

static void freeing_ends_everything_at_once(void **state) {
    (void)state;
    valkeyAsyncContext *ac = connect_to(REAL_PORT);
    ac->data = ac;
    ac->dataCleanup = count_cleanup;
    TURN_UNTIL(seen.connects == 1);
    send_command(ac, "PING");
    send_command(ac, "SUBSCRIBE a b");
    valkeyAsyncFree(ac);
    assert_int_equal(seen.nulls, 3);
    assert_int_equal(seen.disconnects, 1);
    assert_int_equal(seen.disconnect_status, VALKEY_OK);
    assert_int_equal(seen.cleanups, 1);
    valkeyAsyncFree(NULL);
    /* Before anything has happened. */
    ac = connect_to(REAL_PORT);
    valkeyAsyncFree(ac);
    assert_int_equal(seen.connects + seen.disconnects, 0);
}

static void refused_connects_are_told(void **state) {
    (void)state;
    valkeyAsyncContext *ac = connect_to(CLOSED_PORT);
    send_command(ac, "PING");
    TURN_UNTIL(seen.nulls == 1);
    assert_int_equal(seen.connect_status, VALKEY_ERR);
    assert_string_equal(seen.error_text, "Connection refused");
    assert_int_equal(seen.disconnects, 0);
}

static void lost_connections_are_told(void **state) {
    (void)state;
    static const struct fake_rule RULES[] = {
        {.command = "RESET", .after = FAKE_RESET},
        {.command = "LAST", .reply = "+OK\r\n-ERR max number of clients\r\n", .after = FAKE_CLOSE},
        {.after = FAKE_CLOSE}};
    static const struct {
        const char *command, *text;
        int err, replies;
    } CASES[] = {{"CLOSE", "Server closed the connection", VALKEY_ERR_EOF, 0},
                 {"RESET", "Connection reset by peer", VALKEY_ERR_IO, 0},
                 {"LAST", "ERR max number of clients", VALKEY_ERR_OTHER, 1}};
    struct fake_server *server = fake_server_start(0, RULES, COUNT_OF(RULES));
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        valkeyAsyncContext *ac = connect_to(fake_server_port(server));
        send_command(ac, CASES[i].command);
        TURN_UNTIL(seen.disconnects == 1);
        assert_int_equal(seen.disconnect_status, VALKEY_ERR);
        assert_string_equal(seen.error_text, CASES[i].text);
        assert_int_equal(seen.error, CASES[i].err);
        assert_int_equal(seen.replies, CASES[i].replies);
        assert_int_equal(seen.nulls, 1 - CASES[i].replies);
    }
    fake_server_stop(server);
}

static void silent_servers_are_given_up(void **state) {
    (void)state;
    static const struct fake_rule RULES[] = {{.command = "SILENT", .after = FAKE_SILENT},
                                             {.reply = "+OK\r\n", .delay_ms = 150}};
    struct fake_server *server = fake_server_start(0, RULES, COUNT_OF(RULES));
    const struct timeval timeout = {.tv_usec = 400000};
    valkeyOptions options = {.command_timeout = &timeout};
    valkeyAsyncContext *ac = connect_with(&options, fake_server_port(server));
    /* Progress counts: the last of these is answered after 600 ms. */
    for (int i = 0; i < 4; i++)
        send_command(ac, "SLOW");
    TURN_UNTIL(seen.replies == 4);
    assert_int_equal(seen.disconnects, 0);
    long long begin = now_ms();
    send_command(ac, "SILENT");
    TURN_UNTIL(seen.disconnects == 1);
    assert_in_range(now_ms() - begin, 390, 1500);
    assert_int_equal(seen.error, VALKEY_ERR_TIMEOUT);
    assert_string_equal(seen.error_text, "Timeout");
    assert_int_equal(seen.nulls, 1);
    /* Set later, and not hit while idle. */
    ac = connect_to(fake_server_port(server));
    assert_int_equal(valkeyAsyncSetTimeout(ac, timeout), VALKEY_OK);
    assert_int_equal(valkeyAsyncSetTimeout(ac, (struct timeval){-1, 0}), VALKEY_ERR);
    send_command(ac, "SLOW");
    TURN_UNTIL(seen.replies == 1);
    long long end = now_ms() + 600;
    TURN_UNTIL(now_ms() > end);
    assert_int_equal(seen.disconnects, 0);
    disconnect(ac);
    fake_server_stop(server);
}

/* What to do inside which callback. */
static void (*inside)(valkeyAsyncContext *);

static void connect_and_act(valkeyAsyncContext *ac, int status) {
    on_connect(ac, status);
    inside(ac);
}

static void reply_and_act(valkeyAsyncContext *ac, void *reply, void *privdata) {
    on_reply(ac, reply, privdata);
    inside(ac);
}

static void disconnect_and_act(const valkeyAsyncContext *ac, int status) {
    on_disconnect(ac, status);
    inside((valkeyAsyncContext *)(uintptr_t)ac);
}

static void push_and_act(valkeyAsyncContext *ac, void *reply) {
    (void)reply;
    seen.pushes++;
    inside(ac);
}

static void disconnect_and_free(valkeyAsyncContext *ac) {
    valkeyAsyncDisconnect(ac);
    valkeyAsyncFree(ac);
    valkeyAsyncFree(ac);
    valkeyAsyncDisconnect(ac);
    assert_int_equal(valkeyAsyncCommand(ac, on_reply, NULL, "PING"), VALKEY_ERR);
}

static void ending_inside_any_callback_is_safe(void **state) {
    (void)state;
    static void (*const ACTS[])(valkeyAsyncContext *) = {valkeyAsyncFree, valkeyAsyncDisconnect,
                                                         disconnect_and_free};
    static const struct fake_rule RULES[] = {{.command = "PUSH", .reply = ">1\r\n+note\r\n+OK\r\n"},
                                             {.reply = "+OK\r\n"}};
    struct fake_server *server = fake_server_start(0, RULES, COUNT_OF(RULES));
    for (size_t act = 0; act < COUNT_OF(ACTS); act++) {
        inside = ACTS[act];
        for (int place = 0; place < 4; place++) {
            valkeyOptions options = {.async_push_cb = place == 3 ? push_and_act : NULL};
            VALKEY_OPTIONS_SET_TCP(&options, "127.0.0.1", fake_server_port(server));
            valkeyAsyncContext *ac = valkeyAsyncConnectWithOptions(&options);
            reset_seen();
            assert_int_equal(driver_attach(ac), VALKEY_OK);
            valkeyAsyncSetConnectCallback(ac, place == 0 ? connect_and_act : on_connect);
            valkeyAsyncSetDisconnectCallback(ac, place == 2 ? disconnect_and_act : on_disconnect);
            assert_int_equal(valkeyAsyncCommand(ac, place == 1 ? reply_and_act : on_reply, NULL,
                                                place == 3 ? "PUSH" : "PING"),
                             VALKEY_OK);
            send_command(ac, "PING");
            if (place == 2) {
                TURN_UNTIL(seen.replies == 2);
                valkeyAsyncDisconnect(ac);
            }
            TURN_UNTIL(seen.disconnects == 1);
            assert_int_equal(seen.disconnect_status, VALKEY_OK);
            assert_int_equal(seen.replies + seen.nulls, 2);
        }
    }
    fake_server_stop(server);
}

static void end_again(valkeyAsyncContext *ac, void *reply, void *privdata) {
    (void)privdata;
    assert_null(reply);
    seen.nulls++;
    disconnect_and_free(ac);
}

static void ending_inside_null_replies_is_safe(void **state) {
    (void)state;
    static const struct fake_rule RULES[] = {{.after = FAKE_CLOSE}};
    struct fake_server *server = fake_server_start(0, RULES, COUNT_OF(RULES));
    valkeyAsyncContext *ac = connect_to(fake_server_port(server));
    for (int i = 0; i < 3; i++)
        assert_int_equal(valkeyAsyncCommand(ac, end_again, NULL, "SUBSCRIBE %d", i), VALKEY_OK);
    assert_int_equal(valkeyAsyncCommand(ac, end_again, NULL, "PING"), VALKEY_OK);
    TURN_UNTIL(seen.disconnects == 1);
    assert_int_equal(seen.nulls, 4);
    fake_server_stop(server);
}

static void publish(const char *channel, const char *text) {
    valkeyContext *c = valkeyConnect("127.0.0.1", REAL_PORT);
    freeReplyObject(valkeyCommand(c, "PUBLISH %s %s", channel, text));
    valkeyFree(c);
}

static void subscriptions_work_in(int protocol) {
    valkeyAsyncContext *ac = connect_to(REAL_PORT);
    if (protocol == 3)
        assert_int_equal(valkeyAsyncCommand(ac, NULL, NULL, "HELLO 3"), VALKEY_OK);
    send_command(ac, "ECHO first");
    assert_int_equal(valkeyAsyncCommand(ac, on_reply, "A", "SUBSCRIBE a b"), VALKEY_OK);
    assert_int_equal(valkeyAsyncCommand(ac, on_reply, "P", "psubscribe %s", "p*"), VALKEY_OK);
    TURN_UNTIL(seen.replies == 4);
    assert_string_equal(seen.log, "first A subscribe a 1 A subscribe b 2 P psubscribe p* 3 ");
    assert_int_equal(ac->c.flags & VALKEY_SUBSCRIBED, VALKEY_SUBSCRIBED);
    reset_seen();
    publish("a", "one");
    publish("pq", "two");
    TURN_UNTIL(seen.replies == 2);
    assert_string_equal(seen.log, "A message a one P pmessage p* pq two ");
    reset_seen();
    send_command(ac, "PING");
    TURN_UNTIL(seen.replies == 1);
    assert_string_equal(seen.log, protocol == 3 ? "PONG " : "pong  ");
    reset_seen();
    if (protocol == 3) {
        /* Ordinary commands go on, and an array that looks like a message is none. */
        send_command(ac, "DEL l");
        send_command(ac, "RPUSH l message a text");
        send_command(ac, "LRANGE l 0 -1");
        TURN_UNTIL(seen.replies == 3);
        assert_string_equal(seen.log, "message a text ");
        reset_seen();
    }
    /* Taking over a channel, leaving one that was never joined, leaving all. */
    assert_int_equal(valkeyAsyncCommand(ac, on_reply, "B", "SUBSCRIBE a"), VALKEY_OK);
    assert_int_equal(valkeyAsyncCommand(ac, NULL, NULL, "UNSUBSCRIBE b nosuch"), VALKEY_OK);
    assert_int_equal(valkeyAsyncCommand(ac, NULL, NULL, "UNSUBSCRIBE"), VALKEY_OK);
    assert_int_equal(valkeyAsyncCommand(ac, NULL, NULL, "PUNSUBSCRIBE"), VALKEY_OK);
    assert_int_equal(valkeyAsyncCommand(ac, NULL, NULL, "PUNSUBSCRIBE"), VALKEY_OK);
    send_command(ac, "ECHO last");
    TURN_UNTIL(strstr(seen.log, "last") != NULL);
    assert_string_equal(seen.log, "B subscribe a 3 A unsubscribe b 2 B unsubscribe a 1 "
                                  "P punsubscribe p* 0 last ");
    assert_int_equal(ac->c.flags & VALKEY_SUBSCRIBED, 0);
    disconnect(ac);
}

static void subscriptions_work_in_resp2(void **state) {
    (void)state;
    subscriptions_work_in(2);
}

static void subscriptions_work_in_resp3(void **state) {
    (void)state;
    subscriptions_work_in(3);
}

static void shard_channels_work(void **state) {
    (void)state;
    valkeyAsyncContext *ac = connect_to(REAL_PORT);
    assert_int_equal(valkeyAsyncCommand(ac, on_reply, "S", "SSUBSCRIBE s"), VALKEY_OK);
    TURN_UNTIL(seen.replies == 1);
    valkeyContext *c = valkeyConnect("127.0.0.1", REAL_PORT);
    freeReplyObject(valkeyCommand(c, "SPUBLISH s text"));
    valkeyFree(c);
    TURN_UNTIL(seen.replies == 2);
    assert_int_equal(valkeyAsyncCommand(ac, NULL, NULL, "SUNSUBSCRIBE s"), VALKEY_OK);
    TURN_UNTIL(seen.replies == 3);
    assert_string_equal(seen.log, "S ssubscribe s 1 S smessage s text S sunsubscribe s 0 ");
    disconnect(ac);
}

static void refused_subscriptions_get_the_error(void **state) {
    (void)state;
    static const struct fake_rule RULES[] = {{.command = "SUBSCRIBE", .reply = "-NOPERM no\r\n"},
                                             {.reply = "+OK\r\n"}};
    struct fake_server *server = fake_server_start(0, RULES, COUNT_OF(RULES));
    valkeyAsyncContext *ac = connect_to(fake_server_port(server));
    assert_int_equal(valkeyAsyncCommand(ac, on_reply, "A", "SUBSCRIBE a"), VALKEY_OK);
    assert_int_equal(valkeyAsyncCommand(ac, on_reply, "B", "PING"), VALKEY_OK);
    TURN_UNTIL(seen.replies == 2);
    assert_string_equal(seen.log, "A NOPERM no B OK ");
    assert_int_equal(ac->c.flags & VALKEY_SUBSCRIBED, 0);
    disconnect(ac);
    assert_int_equal(seen.nulls, 0);
    fake_server_stop(server);
}

static void count_push(valkeyAsyncContext *ac, void *data) {
    valkeyReply *reply = data;
    (void)ac;
    seen.pushes++;
    note(reply->element[0]->str);
}

static void pushes_go_to_their_callback(void **state) {
    (void)state;
    valkeyOptions options = {.async_push_cb = count_push};
    valkeyAsyncContext *ac = connect_with(&options, REAL_PORT);
    assert_int_equal(valkeyAsyncCommand(ac, NULL, NULL, "HELLO 3"), VALKEY_OK);
    send_command(ac, "CLIENT TRACKING ON");
    send_command(ac, "GET tracked");
    send_command(ac, "SET tracked 1");
    TURN_UNTIL(seen.pushes == 1 && seen.replies == 3);
    assert_non_null(strstr(seen.log, "invalidate"));
    assert_int_equal(ac->c.flags & VALKEY_SUPPORTS_PUSH, VALKEY_SUPPORTS_PUSH);
    assert_ptr_equal(valkeyAsyncSetPushCallback(ac, NULL), count_push);
    send_command(ac, "GET tracked");
    send_command(ac, "SET tracked 1");
    TURN_UNTIL(seen.replies == 5);
    disconnect(ac);
    assert_int_equal(seen.pushes, 1);
}

static void monitor_gets_every_line(void **state) {
    (void)state;
    valkeyAsyncContext *ac = connect_to(REAL_PORT);
    send_command(ac, "PING");
    send_command(ac, "MONITOR");
    TURN_UNTIL(seen.replies == 2);
    publish("x", "seen-by-monitor");
    TURN_UNTIL(seen.replies == 3);
    assert_non_null(strstr(seen.log, "seen-by-monitor"));
    disconnect(ac);
    assert_int_equal(seen.nulls, 1);
}

static valkeyReply *kept;

static void keep(valkeyAsyncContext *ac, void *reply, void *privdata) {
    (void)ac, (void)privdata;
    kept = reply;
}

static void replies_and_contexts_may_be_kept(void **state) {
    (void)state;
    valkeyOptions options = {.options = VALKEY_OPT_NOAUTOFREEREPLIES | VALKEY_OPT_NOAUTOFREE};
    static const struct fake_rule RULES[] = {{.command = "CLOSE", .after = FAKE_CLOSE},
                                             {.reply = "+kept\r\n"}};
    struct fake_server *server = fake_server_start(0, RULES, COUNT_OF(RULES));
    valkeyAsyncContext *ac = connect_with(&options, fake_server_port(server));
    assert_int_equal(valkeyAsyncCommand(ac, NULL, NULL, "PING"), VALKEY_OK);
    assert_int_equal(valkeyAsyncCommand(ac, keep, NULL, "PING"), VALKEY_OK);
    TURN_UNTIL(kept != NULL);
    assert_string_equal(kept->str, "kept");
    freeReplyObject(kept);
    send_command(ac, "CLOSE");
    TURN_UNTIL(seen.disconnects == 1);
    assert_string_equal(ac->errstr, "Server closed the connection");
    assert_int_equal(valkeyAsyncCommand(ac, on_reply, NULL, "PING"), VALKEY_ERR);
    valkeyAsyncFree(ac);
    assert_int_equal(seen.disconnects, 1);
    fake_server_stop(server);
}

static void unix_sockets_and_source_addresses_work(void **state) {
    (void)state;
    valkeyAsyncContext *all[] = {
        valkeyAsyncConnectUnix(real_server_socket(real)), valkeyAsyncConnect("::1", REAL_PORT),
        valkeyAsyncConnectBind("127.0.0.1", REAL_PORT, "127.0.0.3"),
        valkeyAsyncConnectBindWithReuse("127.0.0.1", REAL_PORT, "127.0.0.4")};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        reset_seen();
        assert_int_equal(all[i]->err, 0);
        assert_int_equal(driver_attach(all[i]), VALKEY_OK);
        send_command(all[i], "PING");
        TURN_UNTIL(seen.replies == 1);
        valkeyAsyncFree(all[i]);
    }
    valkeyAsyncContext *ac = valkeyAsyncConnectUnix("/nonexistent/socket");
    assert_string_equal(ac->errstr, "No such file or directory");
    valkeyAsyncFree(ac);
}

static int open_all(void **state) {
    (void)state;
    real = real_server_start(REAL_PORT, NULL);
    driver_open();
    return 0;
}

static int close_all(void **state) {
    (void)state;
    driver_close();
    real_server_stop(real);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_come_in_order),
        cmocka_unit_test(disconnecting_waits_for_replies),
        cmocka_unit_test(freeing_ends_everything_at_once),
        cmocka_unit_test(refused_connects_are_told),
        cmocka_unit_test(lost_connections_are_told),
        cmocka_unit_test(silent_servers_are_given_up),
        cmocka_unit_test(ending_inside_any_callback_is_safe),
        cmocka_unit_test(ending_inside_null_replies_is_safe),
        cmocka_unit_test(subscriptions_work_in_resp2),
        cmocka_unit_test(subscriptions_work_in_resp3),
        cmocka_unit_test(shard_channels_work),
        cmocka_unit_test(refused_subscriptions_get_the_error),
        cmocka_unit_test(pushes_go_to_their_callback),
        cmocka_unit_test(monitor_gets_every_line),
        cmocka_unit_test(replies_and_contexts_may_be_kept),
        cmocka_unit_test(unix_sockets_and_source_addresses_work),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
