/* SPDX-License-Identifier: BSD-3-Clause */
/* The pool: many threads, their own replies, commands that travel together, errors, connections of
 * one's own. */
#include "support/failing_allocator.h"
#include "support/fake_server.h"
#include "support/real_server.h"
#include "support/testing.h"

#include <valkey/pool.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

enum { PORT = 21670, THREADS = 16, COMMANDS = 500 };

static struct real_server *server;

static valkeyPool *create(int port, int connections) {
    valkeyPoolOptions options = {.connections = connections};
    VALKEY_OPTIONS_SET_TCP(&options.connection, "127.0.0.1", port);
    valkeyPool *pool = valkeyPoolCreate(&options);
    assert_non_null(pool);
    return pool;
}

static long count_of(const char *field) {
    valkeyContext *c = valkeyConnect("127.0.0.1", PORT);
    valkeyReply *reply = valkeyCommand(c, "INFO");
    const char *at = strstr(reply->str, field);
    long result = strtol(at + strlen(field) + 1, NULL, 10);
    freeReplyObject(reply);
    valkeyFree(c);
    return result;
}

struct user {
    valkeyPool *pool;
    int id, wrong;
};

static void *use(void *argument) {
    struct user *user = argument;
    for (int i = 0; i < COMMANDS; i++) {
        valkeyPoolError error;
        char text[32];
        (void)snprintf(text, sizeof text, "%d:%d", user->id, i);
        valkeyReply *reply = valkeyPoolCommand(user->pool, &error, "ECHO %s", text);
        user->wrong += reply == NULL || error.err != 0 || strcmp(reply->str, text) != 0;
        freeReplyObject(reply);
    }
    return NULL;
}

static int run_users(valkeyPool *pool) {
    pthread_t threads[THREADS];
    struct user users[THREADS];
    int wrong = 0;
    for (int i = 0; i < THREADS; i++) {
        users[i] = (struct user){.pool = pool, .id = i};
        assert_int_equal(pthread_create(&threads[i], NULL, use, &users[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        wrong += users[i].wrong;
    }
    return wrong;
}

static void every_thread_gets_its_own_replies(void **state) {
    (void)state;
    for (int connections = 1; connections <= 3; connections++) {
        long before = count_of("total_connections_received");
        valkeyPool *pool = create(PORT, connections);
        assert_int_equal(run_users(pool), 0);
        valkeyPoolFree(pool);
        /* One of them is ours that counts. */
        assert_in_range(count_of("total_connections_received") - before, 1, connections + 1);
    }
}

static void commands_of_threads_travel_together(void **state) {
    (void)state;
    long reads = count_of("total_reads_processed");
    valkeyPool *pool = create(PORT, 1);
    /* While the server sleeps, they gather. */
    real_server_pause(server);
    pthread_t threads[THREADS];
    struct user users[THREADS];
    for (int i = 0; i < THREADS; i++) {
        users[i] = (struct user){.pool = pool, .id = i};
        assert_int_equal(pthread_create(&threads[i], NULL, use, &users[i]), 0);
    }
    real_server_resume(server);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    reads = count_of("total_reads_processed") - reads;
    assert_true(reads < THREADS * COMMANDS * 3 / 4);
    valkeyPoolFree(pool);
}

static void commands_with_state_need_a_connection_of_their_own(void **state) {
    (void)state;
    valkeyPool *pool = create(PORT, 2);
    valkeyPoolError error;
    static const char *const REFUSED[] = {"MULTI",
                                          "exec",
                                          "WATCH a",
                                          "SUBSCRIBE a",
                                          "BLPOP a 0",
                                          "XREAD BLOCK 0 STREAMS a 0",
                                          "CLIENT REPLY OFF",
                                          "SELECT 1",
                                          "MONITOR"};
    for (size_t i = 0; i < COUNT_OF(REFUSED); i++) {
        assert_null(valkeyPoolCommand(pool, &error, REFUSED[i]));
        assert_string_equal(error.errstr, "This command needs a connection of its own");
    }
    freeReplyObject(valkeyPoolCommand(pool, &error, "XREAD STREAMS a 0"));
    assert_int_equal(error.err, 0);
    assert_null(valkeyPoolCommand(pool, NULL, "GET %y"));
    valkeyContext *c = valkeyPoolTake(pool, &error), *other = valkeyPoolTake(pool, &error);
    assert_non_null(c);
    assert_ptr_not_equal(c, other);
    freeReplyObject(valkeyCommand(c, "MULTI"));
    freeReplyObject(valkeyCommand(c, "SET tx 1"));
    valkeyReply *reply = valkeyCommand(c, "EXEC");
    assert_int_equal(reply->elements, 1);
    freeReplyObject(reply);
    valkeyPoolGive(pool, c);
    assert_ptr_equal(valkeyPoolTake(pool, NULL), c);
    valkeyPoolGive(pool, c);
    valkeyPoolGive(pool, other);
    valkeyPoolGive(pool, NULL);
    /* One in error is not kept. */
    c = valkeyPoolTake(pool, &error);
    freeReplyObject(valkeyCommand(c, "QUIT"));
    assert_null(valkeyCommand(c, "PING"));
    valkeyPoolGive(pool, c);
    c = valkeyPoolTake(pool, &error);
    reply = valkeyCommand(c, "PING");
    assert_string_equal(reply->str, "PONG");
    freeReplyObject(reply);
    valkeyPoolGive(pool, c);
    valkeyPoolFree(pool);
}

static void errors_end_what_was_sent_and_nothing_else(void **state) {
    (void)state;
    static const struct fake_rule RULES[] = {{.command = "AUTH u p", .reply = "+OK\r\n"},
                                             {.command = "SELECT 4", .reply = "+OK\r\n"},
                                             {.command = "CLOSE", .after = FAKE_CLOSE},
                                             {.command = "SILENT", .after = FAKE_SILENT},
                                             {.reply = "+fine\r\n"}};
    struct fake_server *fake = fake_server_start(0, RULES, COUNT_OF(RULES));
    valkeyPoolOptions options = {
        .connections = 1, .username = "u", .password = "p", .select_db = 4};
    VALKEY_OPTIONS_SET_TCP(&options.connection, "127.0.0.1", fake_server_port(fake));
    struct timeval timeout = {.tv_usec = 400000};
    options.connection.command_timeout = &timeout;
    options.connection.connect_timeout = &timeout;
    valkeyPool *pool = valkeyPoolCreate(&options);
    valkeyPoolError error;
    assert_null(valkeyPoolCommand(pool, &error, "CLOSE"));
    assert_string_equal(error.errstr, "Server closed the connection");
    assert_int_equal(error.err, VALKEY_ERR_EOF);
    const char *argv[] = {"GET", "x"};
    valkeyReply *reply = valkeyPoolCommandArgv(pool, &error, 2, argv, NULL);
    assert_string_equal(reply->str, "fine");
    freeReplyObject(reply);
    assert_null(valkeyPoolCommand(pool, &error, "SILENT"));
    assert_string_equal(error.errstr, "Timeout");
    assert_int_equal(run_users(pool), THREADS * COMMANDS); /* "fine" is not what they sent */
    assert_int_equal(fake_server_count(fake, "AUTH u p"), 3);
    fake_server_stop(fake);
    assert_null(valkeyPoolCommand(pool, &error, "GET x"));
    assert_null(valkeyPoolCommand(pool, &error, "GET x"));
    assert_string_equal(error.errstr, "Connection refused");
    assert_null(valkeyPoolTake(pool, &error));
    assert_int_equal(error.err, VALKEY_ERR_IO);
    valkeyPoolFree(pool);
    valkeyPoolFree(NULL);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    bool has_failed = true;
    for (int at = 0; has_failed; at++) {
        failing_allocator_install(at);
        valkeyPoolOptions options = {.connections = 1};
        VALKEY_OPTIONS_SET_TCP(&options.connection, "127.0.0.1", PORT);
        valkeyPool *pool = valkeyPoolCreate(&options);
        valkeyPoolError error = {0};
        valkeyReply *reply =
            pool == NULL ? NULL : valkeyPoolCommand(pool, &error, "ECHO %s", "hello");
        if (pool != NULL && reply == NULL)
            assert_string_equal(error.errstr, "Out of memory");
        freeReplyObject(reply);
        if (pool != NULL)
            valkeyPoolGive(pool, valkeyPoolTake(pool, NULL));
        valkeyPoolFree(pool);
        has_failed = failing_allocator_has_failed();
        assert_int_equal(failing_allocator_held(), 0);
        failing_allocator_remove();
    }
}

static int start(void **state) {
    (void)state;
    server = real_server_start(PORT, NULL);
    return 0;
}

static int stop(void **state) {
    (void)state;
    real_server_stop(server);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_thread_gets_its_own_replies),
        cmocka_unit_test(commands_of_threads_travel_together),
        cmocka_unit_test(commands_with_state_need_a_connection_of_their_own),
        cmocka_unit_test(errors_end_what_was_sent_and_nothing_else),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
