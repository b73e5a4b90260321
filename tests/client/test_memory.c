/* SPDX-License-Identifier: BSD-3-Clause */
/* Every allocation of every scenario fails once: the call says so, nothing leaks, and a scenario
 * that reports success has done its work. */
#include "support/failing_allocator.h"
#include "support/fake_server.h"
#include "support/testing.h"

#include <valkey/adapters/poll.h>

#include <stdbool.h>

enum { ALLOCATIONS_MAX = 2000 };

static struct fake_server *server;

static const struct fake_rule RULES[] = {
    {.command = "LIST", .reply = "*3\r\n$3\r\nabc\r\n*2\r\n:1\r\n,1.5\r\n%1\r\n+k\r\n#t\r\n"},
    {.command = "SUBSCRIBE", .reply = "*3\r\n+subscribe\r\n+a\r\n:1\r\n"},
    {.reply = "+OK\r\n"},
};

/* True: it worked. False: it failed with an out-of-memory error. */
typedef bool scenario(void);

static void run(scenario *play) {
    for (int at = 0; at < ALLOCATIONS_MAX; at++) {
        failing_allocator_install(at);
        bool worked = play();
        bool has_failed = failing_allocator_has_failed();
        int held = failing_allocator_held();
        failing_allocator_remove();
        assert_int_equal(held, 0);
        if (!has_failed) {
            assert_true(worked);
            return;
        }
    }
    fail_msg("the scenario never ends");
}

static bool is_out_of_memory(int err, const char *errstr) {
    assert_int_equal(err, VALKEY_ERR_OOM);
    assert_string_equal(errstr, "Out of memory");
    return false;
}

static bool connect_and_ask(void) {
    const struct timeval timeout = {5, 0};
    valkeyOptions options = {.connect_timeout = &timeout, .command_timeout = &timeout};
    VALKEY_OPTIONS_SET_TCP(&options, "127.0.0.1", fake_server_port(server));
    options.endpoint.tcp.source_addr = "127.0.0.1";
    valkeyContext *c = valkeyConnectWithOptions(&options);
    if (c == NULL)
        return false;
    valkeyReply *reply = c->err == 0 ? valkeyCommand(c, "LIST %s", "words") : NULL;
    bool worked = reply != NULL ? reply->elements == 3 : is_out_of_memory(c->err, c->errstr);
    freeReplyObject(reply);
    valkeyFree(c);
    return worked;
}

static bool reconnect(void) {
    valkeyContext *c = valkeyConnect("127.0.0.1", fake_server_port(server));
    if (c == NULL)
        return false;
    bool worked = c->err == 0 && valkeySetTimeout(c, (struct timeval){1, 0}) == VALKEY_OK &&
                  valkeyReconnect(c) == VALKEY_OK;
    if (!worked)
        (void)is_out_of_memory(c->err, c->errstr);
    valkeyFree(c);
    return worked;
}

static bool pipeline(void) {
    static char value[3000];
    valkeyContext *c = valkeyConnect("127.0.0.1", fake_server_port(server));
    if (c == NULL)
        return false;
    bool worked = c->err == 0;
    for (int i = 0; worked && i < 8; i++)
        worked = valkeyAppendCommand(c, "SET %d %b", i, value, sizeof value) == VALKEY_OK;
    for (int i = 0; worked && i < 8; i++) {
        void *reply;
        worked = valkeyGetReply(c, &reply) == VALKEY_OK;
        freeReplyObject(reply);
    }
    if (!worked)
        (void)is_out_of_memory(c->err, c->errstr);
    valkeyFree(c);
    return worked;
}

static bool read_replies(bool copies_table) {
    valkeyReader *reader = valkeyReaderCreate();
    if (reader == NULL)
        return false;
    valkeyReplyObjectFunctions copy = *reader->fn;
    if (copies_table)
        reader->fn = &copy;
    bool worked = true;
    for (int i = 0; worked && i < 40; i++)
        worked = valkeyReaderFeed(reader, "*1\r\n", 4) == VALKEY_OK;
    static char text[200];
    memset(text, 'x', sizeof text);
    worked = worked && valkeyReaderFeed(reader, "*60\r\n", 5) == VALKEY_OK;
    void *reply = NULL;
    for (int i = 0; worked && i < 60; i++)
        worked = valkeyReaderFeed(reader, "$200\r\n", 6) == VALKEY_OK &&
                 valkeyReaderFeed(reader, text, sizeof text) == VALKEY_OK &&
                 valkeyReaderFeed(reader, "\r\n", 2) == VALKEY_OK &&
                 valkeyReaderGetReply(reader, &reply) == VALKEY_OK;
    if (!worked)
        (void)is_out_of_memory(reader->err, reader->errstr);
    else
        assert_non_null(reply);
    freeReplyObject(reply);
    valkeyReaderFree(reader);
    return worked;
}

static bool read_into_arena(void) {
    return read_replies(false);
}

static bool read_by_functions(void) {
    return read_replies(true);
}

static bool format(void) {
    static char value[2000];
    memset(value, 'v', sizeof value - 1);
    char *command;
    int size = valkeyFormatCommand(&command,
                                   "a b c d e f g h i j k l m n o p q r s t u v w x y z "
                                   "1 2 3 4 5 6 7 8 9 0 %s %400d %s",
                                   value, 1, value);
    if (size == -1)
        return false;
    valkeyFreeCommand(command);
    const char *argv[] = {"GET", "k"};
    if (valkeyFormatCommandArgv(&command, 2, argv, NULL) == -1)
        return false;
    valkeyFreeCommand(command);
    return true;
}

/* Callbacks still owed, and whether the context is gone. */
static int owed;
static bool is_gone, has_failed_asking;

static void on_reply(valkeyAsyncContext *ac, void *reply, void *privdata) {
    (void)privdata;
    owed--;
    has_failed_asking |= reply == NULL && ac->err != 0;
}

static void on_message(valkeyAsyncContext *ac, void *reply, void *privdata) {
    (void)ac, (void)reply, (void)privdata;
}

static void on_disconnect(const valkeyAsyncContext *ac, int status) {
    is_gone = true;
    if (status != VALKEY_OK)
        (void)is_out_of_memory(ac->err, ac->errstr);
}

static bool ask(valkeyAsyncContext *ac, const char *command) {
    if (valkeyAsyncCommand(ac, on_reply, NULL, command) != VALKEY_OK)
        return is_out_of_memory(ac->err, ac->errstr);
    owed++;
    return true;
}

static bool ask_asynchronously(void) {
    const struct timeval timeout = {5, 0};
    owed = 0;
    is_gone = has_failed_asking = false;
    valkeyAsyncContext *ac = valkeyAsyncConnect("127.0.0.1", fake_server_port(server));
    if (ac == NULL)
        return false;
    if (ac->err != 0 || valkeyPollAttach(ac) != VALKEY_OK ||
        valkeyAsyncSetTimeout(ac, timeout) != VALKEY_OK) {
        valkeyAsyncFree(ac);
        return false;
    }
    (void)valkeyAsyncSetDisconnectCallback(ac, on_disconnect);
    bool worked = ask(ac, "LIST") && ask(ac, "PING");
    worked = worked &&
             valkeyAsyncCommand(ac, on_message, NULL, "SUBSCRIBE a b c d e f g h i j") == VALKEY_OK;
    while (worked && owed > 0 && !is_gone)
        (void)valkeyPollTick(ac, 1);
    if (!is_gone)
        valkeyAsyncFree(ac);
    assert_int_equal(owed, 0);
    return worked && !has_failed_asking;
}

static void asking_asynchronously_survives(void **state) {
    (void)state;
    run(ask_asynchronously);
}

static void connecting_and_asking_survives(void **state) {
    (void)state;
    run(connect_and_ask);
}

static void reconnecting_survives(void **state) {
    (void)state;
    run(reconnect);
}

static void pipelining_survives(void **state) {
    (void)state;
    run(pipeline);
}

static void reading_survives(void **state) {
    (void)state;
    run(read_into_arena);
    run(read_by_functions);
}

static void formatting_survives(void **state) {
    (void)state;
    run(format);
}

static void absurd_counts_are_refused(void **state) {
    (void)state;
    assert_null(vk_calloc(SIZE_MAX / 2, 4));
    vk_free(vk_calloc(0, 0));
    char *text = vk_strdup("x");
    text = vk_realloc(text, 10);
    assert_string_equal(text, "x");
    vk_free(text);
}

static int start_server(void **state) {
    (void)state;
    server = fake_server_start(0, RULES, COUNT_OF(RULES));
    return 0;
}

static int stop_server(void **state) {
    (void)state;
    fake_server_stop(server);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connecting_and_asking_survives),
        cmocka_unit_test(reconnecting_survives),
        cmocka_unit_test(pipelining_survives),
        cmocka_unit_test(reading_survives),
        cmocka_unit_test(formatting_survives),
        cmocka_unit_test(asking_asynchronously_survives),
        cmocka_unit_test(absurd_counts_are_refused),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
