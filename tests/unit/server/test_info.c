/* SPDX-License-Identifier: BSD-3-Clause */
/* INFO as text: which sections a request gives, that each line has its form, sizes for people, and
 * that counters begin anew after a reset. On a whole server whose only loop the test steps. */
#include "server/figures.h"
#include "server/info.h"
#include "server/observe.h"
#include "threads/server_driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct fixture {
    struct server_driver driver;
    struct text_buffer text;
    int client;
};

static int setup(void **state) {
    static struct fixture fixture;
    fixture = (struct fixture){.client = -1};
    server_driver_create(&fixture.driver, "port 0\nthreads 1\npartitions 16\n");
    text_buffer_init(&fixture.text, &ALLOCATOR_SYSTEM);
    fixture.client = server_driver_connect(&fixture.driver);
    *state = &fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    text_buffer_finish(&f->text);
    (void)close(f->client);
    server_driver_destroy(&f->driver);
    return 0;
}

static const char *info(struct fixture *f, const char *a, const char *b) {
    struct slice words[2] = {slice_of_string(a != NULL ? a : ""),
                             slice_of_string(b != NULL ? b : "")};
    size_t count = (size_t)(a != NULL) + (b != NULL);
    f->text.size = 0;
    info_append(f->driver.server, words, count, f->driver.server->started_ms + 5000, &f->text);
    assert_false(f->text.is_out_of_memory);
    return f->text.size > 0 ? f->text.data : "";
}

static unsigned headings(const char *text) {
    unsigned count = 0;
    for (const char *at = text; (at = strstr(at, "# ")) != NULL; at += 2)
        count++;
    return count;
}

/* Send a line, run the server, take the reply. */
static void command(struct fixture *f, const char *line) {
    uint8_t reply[4096];
    bool is_closed;
    assert_int_equal(driver_send(f->client, line, strlen(line)), strlen(line));
    server_driver_step(&f->driver);
    server_driver_step(&f->driver);
    assert_true(driver_receive(f->client, reply, sizeof(reply), &is_closed) > 0);
}

static bool has(const char *text, const char *part) {
    return strstr(text, part) != NULL;
}

static void sections_are_chosen_by_name(void **state) {
    struct fixture *f = *state;
    assert_int_equal(headings(info(f, "CPU", NULL)), 1);
    assert_int_equal(headings(info(f, "cpu", "memory")), 2);
    assert_int_equal(headings(info(f, "cpu", "cpu")), 1);
    assert_int_equal(headings(info(f, "nosuch", NULL)), 0);
    assert_int_equal(headings(info(f, NULL, NULL)), 11);
    assert_int_equal(headings(info(f, "default", NULL)), 11);
    assert_int_equal(headings(info(f, "all", NULL)), 12);
    assert_int_equal(headings(info(f, "everything", NULL)), 13);
    assert_int_equal(headings(info(f, "default", "commandstats")), 12);
    assert_true(has(info(f, "server", NULL), "\r\nuptime_in_seconds:5\r\n"));
}

static void every_line_is_a_heading_or_a_field(void **state) {
    struct fixture *f = *state;
    command(f, "SET a 1\r\n");
    command(f, "nosuch\r\n");
    const char *text = info(f, "everything", NULL);
    while (*text != '\0') {
        const char *end = strstr(text, "\r\n");
        assert_non_null(end);
        size_t size = (size_t)(end - text);
        const char *colon = memchr(text, ':', size);
        assert_true(size == 0 || text[0] == '#' || (colon != NULL && colon > text));
        text = end + 2;
    }
}

static void commands_are_counted_until_a_reset(void **state) {
    struct fixture *f = *state;
    assert_int_equal(figures_reset(f->driver.server), LARDER_OK);
    command(f, "SET a 1\r\n");
    command(f, "GET a\r\n");
    command(f, "GET b\r\n");
    assert_true(has(info(f, "commandstats", NULL), "cmdstat_get:calls=2,"));
    assert_true(has(info(f, "stats", NULL), "keyspace_hits:1\r\n"));
    assert_true(has(info(f, "stats", NULL), "total_commands_processed:3\r\n"));
    assert_true(has(info(f, "stats", NULL), "total_net_input_bytes:23\r\n"));
    assert_true(has(info(f, "keyspace", NULL), "db0:keys=1,expires=0,avg_ttl=0\r\n"));
    assert_int_equal(figures_reset(f->driver.server), LARDER_OK);
    assert_false(has(info(f, "commandstats", NULL), "cmdstat_get"));
    assert_true(has(info(f, "stats", NULL), "keyspace_hits:0\r\n"));
    command(f, "GET b\r\n");
    assert_true(has(info(f, "commandstats", NULL), "cmdstat_get:calls=1,"));
    assert_true(has(info(f, "stats", NULL), "keyspace_misses:1\r\n"));
    assert_int_equal(figures_reset(f->driver.server), LARDER_OK);
}

static void errors_are_counted_by_their_first_word(void **state) {
    struct fixture *f = *state;
    struct server *server = f->driver.server;
    assert_int_equal(figures_reset(server), LARDER_OK);
    observe_error(server, SLICE_LITERAL("-XTEST one\r\n"));
    observe_error(server, SLICE_LITERAL("XTEST two"));
    observe_error(server, SLICE_LITERAL("-\r\n"));
    assert_true(has(info(f, "errorstats", NULL), "errorstat_XTEST:count=2\r\n"));
    assert_int_equal(headings(f->text.data), 1);
}

static void sizes_are_shown_in_the_largest_unit(void **state) {
    (void)state;
    assert_string_equal(info_size(0).text, "0B");
    assert_string_equal(info_size(1023).text, "1023B");
    assert_string_equal(info_size(1024).text, "1.00K");
    assert_string_equal(info_size(1536 * 1024).text, "1.50M");
    assert_string_equal(info_size((uint64_t)5 << 30).text, "5.00G");
    assert_string_equal(info_size((uint64_t)3 << 50).text, "3.00P");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_are_chosen_by_name),
        cmocka_unit_test(every_line_is_a_heading_or_a_field),
        cmocka_unit_test(commands_are_counted_until_a_reset),
        cmocka_unit_test(errors_are_counted_by_their_first_word),
        cmocka_unit_test(sizes_are_shown_in_the_largest_unit),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
