/* SPDX-License-Identifier: BSD-3-Clause */
/* MONITOR on a whole server whose only loop the test steps: how arguments are quoted, what is
 * shown, what is hidden, and when it ends. */
#include "server/monitor.h"
#include "threads/server_driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct fixture {
    struct server_driver driver;
    int watcher, client;
    char text[64 * 1024]; /* last received */
};

static int setup(void **state) {
    static struct fixture fixture;
    server_driver_create(&fixture.driver, "port 0\nthreads 1\npartitions 16\n");
    fixture.watcher = server_driver_connect(&fixture.driver);
    fixture.client = server_driver_connect(&fixture.driver);
    *state = &fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    (void)close(f->watcher);
    (void)close(f->client);
    server_driver_destroy(&f->driver);
    return 0;
}

static const char *take(struct fixture *f, int fd) {
    bool is_closed;
    size_t size = driver_receive(fd, (uint8_t *)f->text, sizeof(f->text) - 1, &is_closed);
    f->text[size] = '\0';
    return f->text;
}

static const char *command(struct fixture *f, int fd, const char *line) {
    assert_int_equal(driver_send(fd, line, strlen(line)), strlen(line));
    for (int i = 0; i < 3; i++)
        server_driver_step(&f->driver);
    return take(f, fd);
}

static bool ends_with(const char *text, const char *end) {
    size_t size = strlen(text), wanted = strlen(end);
    return size >= wanted && strcmp(text + size - wanted, end) == 0;
}

static void arguments_are_quoted_so_that_each_command_is_a_line(void **state) {
    (void)state;
    struct text_buffer text;
    text_buffer_init(&text, &ALLOCATOR_SYSTEM);
    monitor_quote(&text, SLICE_LITERAL("a\"\\\r\n\t\a\b\0\x7f\xff z"));
    assert_string_equal(text.data, "\"a\\\"\\\\\\r\\n\\t\\a\\b\\x00\\x7f\\xff z\"");
    text_buffer_finish(&text);
}

static void a_watcher_sees_what_others_send_in_order(void **state) {
    struct fixture *f = *state;
    assert_string_equal(command(f, f->watcher, "MONITOR\r\n"), "+OK\r\n");
    assert_string_equal(command(f, f->client, "SET a \"b\\r\\n\"\r\nGET a\r\n"),
                        "+OK\r\n$3\r\nb\r\n\r\n");
    const char *lines = take(f, f->watcher);
    assert_int_equal(lines[0], '+');
    const char *set = strstr(lines, "] \"SET\" \"a\" \"b\\r\\n\"\r\n+");
    assert_non_null(set);
    assert_true(ends_with(set, "] \"GET\" \"a\"\r\n"));
}

static void passwords_and_administration_are_not_shown(void **state) {
    struct fixture *f = *state;
    (void)command(f, f->watcher, "MONITOR\r\n");
    (void)command(f, f->client, "AUTH hush\r\nHELLO 2 AUTH me hush\r\nCONFIG GET port\r\n");
    (void)command(f, f->client, "AUTH me hush\r\n");
    const char *lines = take(f, f->watcher);
    assert_null(strstr(lines, "hush"));
    assert_null(strstr(lines, "CONFIG"));
    assert_non_null(strstr(lines, "\"HELLO\" \"2\" \"AUTH\" \"(redacted)\" \"(redacted)\""));
    assert_true(ends_with(lines, "\"AUTH\" \"(redacted)\" \"(redacted)\"\r\n"));
}

static void reset_ends_the_watching(void **state) {
    struct fixture *f = *state;
    (void)command(f, f->watcher, "MONITOR\r\n");
    (void)command(f, f->watcher, "RESET\r\n");
    assert_int_equal(atomic_load(&f->driver.server->monitor_count), 0);
    (void)command(f, f->client, "PING\r\n");
    assert_string_equal(take(f, f->watcher), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_are_quoted_so_that_each_command_is_a_line),
        cmocka_unit_test_setup_teardown(a_watcher_sees_what_others_send_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(passwords_and_administration_are_not_shown, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(reset_ends_the_watching, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
