/* SPDX-License-Identifier: BSD-3-Clause */
/* Out of memory at every allocation between socket and store. A script of commands runs on a whole
 * server with one allocation refused, for each in turn: a command then answers OOM and has changed
 * nothing, or has done all; or its connection ends. Memory is back when the server is gone. */
#include "support/store_fixture.h"
#include "threads/resp_reader.h"
#include "threads/server_driver.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char DIRECTIVES[] = "port 0\nthreads 1\npartitions 3\nslowlog-log-slower-than 0\n";

enum { REPLY_MAX = 4 << 20, REQUEST_MAX = 1 << 20, PIECE_BYTES = 30000, QUIET_PASSES = 4 };

/* @l: a value that comes in its own block; @m: one that fits the log; @s: a small one. */
static const char *const SCRIPT[] = {
    "SET a @s",
    "SET b @l",
    "SET c @m EXAT 4000000000",
    "MSET d @l e @m f 1",
    "MSETNX g @l h 2",
    "GETSET a @l",
    "APPEND a @l",
    "APPEND f @m",
    "SETRANGE d 90000 xyz",
    "SETRANGE i 100 @m",
    "INCR h",
    "INCRBYFLOAT j 1.5",
    "GETEX b EXAT 4000000001",
    "SETBIT k 100000 1",
    "SETBIT f 9 1",
    "BITOP OR l a b",
    "BITOP NOT m f",
    "BITFIELD n SET u8 40000 1 INCRBY i16 0 5",
    "RENAME a o",
    "RENAME c p",
    "COPY o q",
    "COPY e r REPLACE",
    "COPY o q DB 1",
    "MOVE e 1",
    "SETEX s 1000000000 @m",
    "PERSIST s",
    "EXPIREAT q 4000000002",
    "GETDEL b",
    "DEL d f",
    "UNLINK k none",
    "SETNX t @l",
    "LCS h t",
    "GET o",
    "MGET o q r t",
    "CLIENT SETNAME somebody",
    "CLIENT LIST",
    "INFO",
    "SLOWLOG GET",
    "CONFIG GET *",
    "COMMAND DOCS get",
    "SET \"u v\" 'quoted words'",
    "GET \"u v\"",
    "nosuchcommand @m",
};
enum { COMMANDS = sizeof(SCRIPT) / sizeof(*SCRIPT) };

static const char KEYS[] = "abcdefghijklmnopqrst";

struct session_of_test {
    struct server_driver driver;
    struct test_allocator allocator;
    int fd;
};

static char *request, *values;
static uint8_t *reply;

static struct slice value_named(char name) {
    return slice_of(values, name == 'l' ? 40000 : name == 'm' ? 1500 : 20);
}

/* The bytes to send: inline where there are quotes, else an array. */
static size_t encode(const char *line) {
    if (strchr(line, '"') != NULL)
        return (size_t)sprintf(request, "%s\r\n", line);
    size_t words = 1, used;
    for (const char *at = line; *at != '\0'; at++)
        words += *at == ' ';
    used = (size_t)sprintf(request, "*%zu\r\n", words);
    for (const char *at = line; words > 0; words--) {
        size_t size = strcspn(at, " ");
        struct slice word = *at == '@' ? value_named(at[1]) : slice_of(at, size);
        used += (size_t)sprintf(request + used, "$%zu\r\n", word.size);
        memcpy(request + used, word.data, word.size);
        used += word.size;
        used += (size_t)sprintf(request + used, "\r\n");
        at += size + 1;
    }
    return used;
}

/* Send one command in pieces; the size of its reply in `reply`, or 0 when the connection ended. */
static size_t run(struct session_of_test *s, const char *line) {
    size_t size = encode(line), sent = 0, received = 0;
    for (unsigned quiet = 0; quiet < QUIET_PASSES; quiet++) {
        size_t piece = size - sent < PIECE_BYTES ? size - sent : PIECE_BYTES;
        size_t now = driver_send(s->fd, request + sent, piece);
        sent += now;
        server_driver_step(&s->driver);
        bool is_closed;
        size_t got = driver_receive(s->fd, reply + received, REPLY_MAX - received, &is_closed);
        received += got;
        if (is_closed)
            return 0;
        long whole = resp_scan(reply, received);
        assert_int_not_equal(whole, RESP_MALFORMED);
        if (whole > 0 && sent == size) {
            assert_int_equal(whole, received);
            return received;
        }
        if (now > 0 || got > 0)
            quiet = 0;
    }
    fail_msg("'%s' got no reply", line);
    return 0;
}

static void connect_again(struct session_of_test *s) {
    if (s->fd >= 0)
        (void)close(s->fd);
    do
        s->fd = server_driver_connect(&s->driver);
    while (s->fd < 0);
}

static void start(struct session_of_test *s) {
    *s = (struct session_of_test){.fd = -1};
    test_allocator_init(&s->allocator);
    assert_int_equal(server_driver_try_create(&s->driver, DIRECTIVES, &s->allocator.base),
                     LARDER_OK);
    connect_again(s);
}

static void check_partitions(struct session_of_test *s) {
    struct keyspace *keyspace = &s->driver.server->node->keyspace;
    for (uint32_t i = 0; i < keyspace->partition_count; i++)
        partition_check(keyspace_partition(keyspace, i), keyspace);
}

static void stop(struct session_of_test *s) {
    test_allocator_fail_never(&s->allocator);
    check_partitions(s);
    (void)close(s->fd);
    server_driver_destroy(&s->driver);
    assert_int_equal(s->allocator.heap_blocks, 0);
    assert_int_equal(s->allocator.heap_bytes, 0);
    assert_int_equal(s->allocator.mapped_bytes, 0);
}

/* What all keys hold, as a hash: equal means equal. */
static uint64_t image_of(struct session_of_test *s) {
    static const char *const QUESTIONS[] = {"GET", "PEXPIRETIME"};
    uint64_t image = 14695981039346656037u;
    test_allocator_fail_never(&s->allocator);
    for (int database = 0; database < 2; database++) {
        assert_true(run(s, database == 0 ? "SELECT 0" : "SELECT 1") > 0);
        for (size_t i = 0; i < 2 * (sizeof(KEYS) - 1); i++) {
            char line[32];
            (void)sprintf(line, "%s %c", QUESTIONS[i % 2], KEYS[i / 2]);
            size_t size = run(s, line);
            assert_true(size > 0 && reply[0] != '-');
            for (size_t k = 0; k < size; k++)
                image = (image ^ reply[k]) * 1099511628211u;
        }
    }
    return image;
}

/* The script without the command of this number (COMMANDS: with all). */
static uint64_t image_without(size_t left_out) {
    static uint64_t known[COMMANDS + 1];
    if (known[left_out] != 0)
        return known[left_out];
    struct session_of_test s;
    start(&s);
    for (size_t i = 0; i < COMMANDS; i++)
        if (i != left_out)
            assert_true(run(&s, SCRIPT[i]) > 0);
    known[left_out] = image_of(&s);
    stop(&s);
    return known[left_out];
}

struct outcome {
    unsigned refusals, endings;
};

static bool run_script(uint64_t allocation, struct outcome *outcome) {
    struct session_of_test s;
    start(&s);
    size_t refused = COMMANDS, ended = COMMANDS;
    test_allocator_fail_in(&s.allocator, allocation, 0);
    for (size_t i = 0; i < COMMANDS; i++) {
        size_t size = run(&s, SCRIPT[i]);
        if (size == 0) {
            ended = i;
            connect_again(&s);
        } else if (memcmp(reply, "-OOM", 4) == 0) {
            refused = i;
        }
    }
    bool has_failed = s.allocator.failures > 0;
    uint64_t image = image_of(&s);
    if (refused < COMMANDS && image != image_without(refused))
        fail_msg("allocation %llu: '%s' was refused and changed something",
                 (unsigned long long)allocation, SCRIPT[refused]);
    if (refused == COMMANDS && image != image_without(COMMANDS) && image != image_without(ended))
        fail_msg("allocation %llu: keys are not what they should be",
                 (unsigned long long)allocation);
    outcome->refusals += refused < COMMANDS;
    outcome->endings += ended < COMMANDS;
    stop(&s);
    return has_failed;
}

static void a_refused_allocation_leaves_no_half_command(void **state) {
    (void)state;
    struct outcome outcome = {0};
    uint64_t allocation = 1;
    while (run_script(allocation, &outcome))
        allocation++;
    printf("%llu allocations: %u commands refused, %u connections ended\n",
           (unsigned long long)allocation - 1, outcome.refusals, outcome.endings);
    assert_true(outcome.refusals > 10);
}

/* From some allocation on none succeeds: what is there can still be read, and all is well once
 * there is memory again. */
static bool run_dry(uint64_t allocation) {
    struct session_of_test s;
    start(&s);
    test_allocator_fail_in(&s.allocator, allocation, 1);
    for (size_t i = 0; i < COMMANDS && s.fd >= 0; i++) {
        if (run(&s, SCRIPT[i]) > 0)
            continue;
        (void)close(s.fd);
        s.fd = server_driver_connect(&s.driver);
    }
    bool has_failed = s.allocator.failures > 0;
    test_allocator_fail_never(&s.allocator);
    if (s.fd < 0)
        connect_again(&s);
    check_partitions(&s);
    (void)image_of(&s);
    for (size_t i = 0; i < COMMANDS; i++) {
        assert_true(run(&s, SCRIPT[i]) > 0);
        assert_memory_not_equal(reply, "-OOM", 4);
    }
    stop(&s);
    return has_failed;
}

static void a_server_without_memory_recovers(void **state) {
    (void)state;
    uint64_t allocation = 1;
    while (run_dry(allocation))
        allocation += 1 + allocation / 8;
}

static void starting_a_server_may_fail_anywhere(void **state) {
    (void)state;
    bool has_failed = true;
    for (uint64_t allocation = 1; has_failed; allocation++) {
        struct session_of_test s = {.fd = -1};
        test_allocator_init(&s.allocator);
        test_allocator_fail_in(&s.allocator, allocation, 0);
        enum larder_status status =
            server_driver_try_create(&s.driver, DIRECTIVES, &s.allocator.base);
        if (status == LARDER_OK)
            server_driver_destroy(&s.driver);
        has_failed = s.allocator.failures > 0;
        assert_int_equal(s.allocator.heap_blocks, 0);
        assert_int_equal(s.allocator.mapped_bytes, 0);
    }
}

int main(void) {
    request = malloc(REQUEST_MAX);
    reply = malloc(REPLY_MAX);
    values = malloc(REQUEST_MAX);
    driver_require(request != NULL && reply != NULL && values != NULL, "malloc");
    memset(values, 'v', REQUEST_MAX);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starting_a_server_may_fail_anywhere),
        cmocka_unit_test(a_refused_allocation_leaves_no_half_command),
        cmocka_unit_test(a_server_without_memory_recovers),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(request);
    free(reply);
    free(values);
    return failed;
}
