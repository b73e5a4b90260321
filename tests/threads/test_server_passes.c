/* SPDX-License-Identifier: BSD-3-Clause */
/* A server pass by pass: commands that CLIENT PAUSE holds back, and others whose turn comes later
 * than their bytes, are neither lost, changed nor run twice; replies arrive whole; what is counted
 * is what happened. */
#include "threads/server_driver.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { REPLIES_MAX = 4 << 20 };

struct fixture {
    struct server_driver driver;
    int admin, client;
    uint8_t *replies;
};

static void setup(struct fixture *f) {
    server_driver_create(&f->driver, "port 0\nthreads 1\npartitions 7\n");
    f->admin = server_driver_connect(&f->driver);
    f->client = server_driver_connect(&f->driver);
    f->replies = malloc(REPLIES_MAX);
    assert_non_null(f->replies);
}

static void teardown(struct fixture *f) {
    (void)close(f->admin);
    (void)close(f->client);
    free(f->replies);
    server_driver_destroy(&f->driver);
}

/* Send all of it, in passes, and collect what comes back, in passes more. */
static const char *exchange(struct fixture *f, int fd, const char *bytes, size_t size) {
    enum { QUIET_PASSES = 3 };
    size_t used = 0, sent = 0;
    bool is_closed = false;
    for (unsigned quiet = 0; quiet < QUIET_PASSES && !is_closed; quiet++) {
        if (sent < size) {
            sent += driver_send(fd, bytes + sent, size - sent);
            quiet = 0;
        }
        server_driver_step(&f->driver);
        size_t got = driver_receive(fd, f->replies + used, REPLIES_MAX - 1 - used, &is_closed);
        used += got;
        if (got > 0)
            quiet = 0;
    }
    f->replies[used] = '\0';
    return (const char *)f->replies;
}

static const char *say(struct fixture *f, int fd, const char *text) {
    return exchange(f, fd, text, strlen(text));
}

static void pause_all(struct fixture *f) {
    assert_string_equal(say(f, f->admin, "CLIENT PAUSE 1000000 WRITE\r\n"), "+OK\r\n");
}

static void unpause(struct fixture *f) {
    assert_string_equal(say(f, f->admin, "CLIENT UNPAUSE\r\n"), "+OK\r\n");
}

static void an_array_is_held_back_and_run_once(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    pause_all(&f);
    assert_string_equal(say(&f, f.client, "PING\r\n*2\r\n$4\r\nINCR\r\n$1\r\nn\r\nPING\r\n"),
                        "+PONG\r\n");
    assert_string_equal(say(&f, f.client, "INCR n\r\n"), "");
    unpause(&f);
    assert_string_equal(say(&f, f.client, ""), ":1\r\n+PONG\r\n:2\r\n");
    teardown(&f);
}

static void quoted_words_are_held_back_unchanged(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    pause_all(&f);
    assert_string_equal(
        say(&f, f.client, "SET k \"a \\x41\"\r\nSET l 'b \"'\r\nGET k\r\nGET l\r\n"), "");
    unpause(&f);
    assert_string_equal(say(&f, f.client, ""), "+OK\r\n+OK\r\n$3\r\na A\r\n$3\r\nb \"\r\n");
    teardown(&f);
}

static void a_large_argument_is_held_back_whole(void **state) {
    (void)state;
    enum { SIZE = 300000 };
    struct fixture f;
    setup(&f);
    pause_all(&f);
    char *command = malloc(SIZE + 200);
    assert_non_null(command);
    int head = sprintf(command, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n", SIZE);
    memset(command + head, 'v', SIZE);
    strcpy(command + head + SIZE, "\r\nSTRLEN k\r\nSET k \"x y\"\r\n");
    assert_string_equal(exchange(&f, f.client, command, strlen(command)), "");
    unpause(&f);
    assert_string_equal(say(&f, f.client, ""), "+OK\r\n:300000\r\n+OK\r\n");
    assert_string_equal(say(&f, f.client, "GET k\r\n"), "$3\r\nx y\r\n");
    free(command);
    teardown(&f);
}

static void a_long_pipeline_is_held_back_whole(void **state) {
    (void)state;
    enum { COMMANDS = 1000 };
    struct fixture f;
    setup(&f);
    pause_all(&f);
    char command[COMMANDS * 8 + 1] = "";
    for (int i = 0; i < COMMANDS; i++)
        memcpy(command + 8 * i, "INCR n\r\n", 9);
    assert_string_equal(say(&f, f.client, command), "");
    uint64_t passes = server_driver_loop(&f.driver)->passes;
    assert_true(passes > 0);
    assert_null(server_driver_loop(&f.driver)->queue); /* it waits, it does not spin */
    unpause(&f);
    const char *replies = say(&f, f.client, "GET n\r\n");
    assert_string_equal(replies + strlen(replies) - 17, ":1000\r\n$4\r\n1000\r\n");
    teardown(&f);
}

static void whoever_leaves_while_held_back_is_let_go(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    pause_all(&f);
    assert_string_equal(say(&f, f.client, "INCR n\r\n"), "");
    (void)close(f.client);
    f.client = -1;
    for (int i = 0; i < 3; i++)
        server_driver_step(&f.driver);
    assert_int_equal(atomic_load(&server_driver_loop(&f.driver)->connection_count), 1);
    unpause(&f);
    assert_string_equal(say(&f, f.admin, "EXISTS n\r\n"), ":0\r\n");
    teardown(&f);
}

static void a_database_selected_in_the_pipeline_counts_at_once(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    assert_string_equal(say(&f, f.client,
                            "MSET k zero\r\nSELECT 1\r\nMSET k one\r\nGET k\r\n"
                            "MGET k\r\nSELECT 0\r\nMGET k\r\nDEL k\r\nSELECT 1\r\n"
                            "EXISTS k\r\n"),
                        "+OK\r\n+OK\r\n+OK\r\n$3\r\none\r\n*1\r\n$3\r\none\r\n+OK\r\n"
                        "*1\r\n$4\r\nzero\r\n:1\r\n+OK\r\n:1\r\n");
    teardown(&f);
}

static void who_sends_commands_is_not_idle(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    (void)say(&f, f.client, "PING\r\n");
    struct session *session = f.driver.server->sessions;
    atomic_store(&session->active_ms, 1);
    (void)say(&f, session->id == 2 ? f.client : f.admin, "PING\r\n");
    assert_true(atomic_load(&session->active_ms) > 1);
    teardown(&f);
}

static void a_reply_larger_than_the_socket_arrives_whole(void **state) {
    (void)state;
    enum { SIZE = 900000 };
    struct fixture f;
    setup(&f);
    assert_string_equal(say(&f, f.client, "SETRANGE k 899999 x\r\n"), ":900000\r\n");
    const char *replies = say(&f, f.client, "GET k\r\nPING\r\nGET k\r\nPING\r\n");
    static const char HEAD[] = "$900000\r\n", TAIL[] = "\r\n+PONG\r\n";
    size_t part = sizeof(HEAD) - 1 + SIZE + sizeof(TAIL) - 1;
    for (int i = 0; i < 2; i++, replies += part) {
        assert_memory_equal(replies, HEAD, sizeof(HEAD) - 1);
        assert_memory_equal(replies + sizeof(HEAD) - 1 + SIZE - 1, "x", 1);
        assert_memory_equal(replies + sizeof(HEAD) - 1 + SIZE, TAIL, sizeof(TAIL) - 1);
    }
    assert_int_equal(*replies, '\0');
    teardown(&f);
}

/* A large argument counts as the client's while it arrives, and as the key's from then on: never as
 * both, or there would be no room for what fits. */
static void a_large_value_needs_its_room_once(void **state) {
    (void)state;
    enum { SIZE = 2500000, LIMIT = 4 << 20 };
    struct fixture f;
    setup(&f);
    struct node *node = f.driver.server->node;
    char *command = malloc(SIZE + 200);
    assert_non_null(command);
    int head = sprintf(command, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n", SIZE);
    memset(command + head, 'v', SIZE);
    memcpy(command + head + SIZE, "\r\n", 3);
    atomic_store(&node->max_memory_bytes, LIMIT);
    size_t size = (size_t)head + SIZE + 2;
    assert_string_equal(exchange(&f, f.client, command, size), "+OK\r\n");
    assert_in_range(node_used_bytes(node), SIZE, SIZE + 200000);
    assert_string_equal(exchange(&f, f.client, command, size),
                        "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
    assert_in_range(node_used_bytes(node), SIZE, SIZE + 200000);
    free(command);
    teardown(&f);
}

static void errors_are_counted_by_their_first_word(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    (void)say(&f, f.client, "GET\r\nnosuch\r\nSET k x\r\nINCR k\r\nHELLO 9\r\n");
    const char *info = say(&f, f.client, "INFO errorstats\r\n");
    assert_non_null(strstr(info, "errorstat_ERR:count=3"));
    assert_non_null(strstr(info, "errorstat_NOPROTO:count=1"));
    assert_non_null(strstr(say(&f, f.client, "INFO stats\r\n"), "total_error_replies:4"));
    teardown(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_array_is_held_back_and_run_once),
        cmocka_unit_test(quoted_words_are_held_back_unchanged),
        cmocka_unit_test(a_large_argument_is_held_back_whole),
        cmocka_unit_test(a_long_pipeline_is_held_back_whole),
        cmocka_unit_test(whoever_leaves_while_held_back_is_let_go),
        cmocka_unit_test(a_database_selected_in_the_pipeline_counts_at_once),
        cmocka_unit_test(who_sends_commands_is_not_idle),
        cmocka_unit_test(a_reply_larger_than_the_socket_arrives_whole),
        cmocka_unit_test(a_large_value_needs_its_room_once),
        cmocka_unit_test(errors_are_counted_by_their_first_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
