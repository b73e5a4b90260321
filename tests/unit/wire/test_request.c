/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading commands: what is read does not depend on how the bytes were cut, and what is wrong is
 * answered with the texts that clients know. */
#include "support/test_allocator.h"
#include "unit/wire/request_stream.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct slice text(const char *words) {
    return slice_of_string(words);
}

/* The transcript of these bytes, fed at once. Owned by the caller through `s`. */
static const char *read_all(struct request_stream *s, struct slice bytes) {
    stream_feed(s, bytes.data, bytes.size);
    stream_note(s, "", 1);
    return s->transcript;
}

static void expect_read(const char *bytes, const char *transcript) {
    struct request_stream s;
    stream_init(&s, &ALLOCATOR_SYSTEM);
    assert_string_equal(read_all(&s, text(bytes)), transcript);
    stream_finish(&s);
}

static void expect_error(struct slice bytes, const char *error) {
    struct request_stream s;
    stream_init(&s, &ALLOCATOR_SYSTEM);
    stream_feed(&s, bytes.data, bytes.size);
    assert_true(s.is_broken);
    assert_string_equal(s.error.text, error);
    stream_finish(&s);
}

static void arrays_are_read(void **state) {
    (void)state;
    expect_read("*1\r\n$4\r\nPING\r\n", "1: 4=PING\n");
    expect_read("*2\r\n$3\r\nGET\r\n$0\r\n\r\n*0\r\n*-1\r\n", "2: 3=GET 0=\n0:\n0:\n");
    expect_read("*3\r\n$3\r\nSET\r\n$2\r\n\r\n\r\n$12\r\nabcdefghijkl\r\n",
                "3: 3=SET 2=\r\n 12=abcdefghijkl\n");
    expect_read("*1\r\n$4\r\nPI", "");
}

static void inline_commands_are_read(void **state) {
    (void)state;
    expect_read("PING\r\n", "1: 4=PING\n");
    expect_read("PING\n", "1: 4=PING\n");
    expect_read("\r\n  \t \r\n", "0:\n0:\n");
    expect_read("  SET  a\t b \r\n", "3: 3=SET 1=a 1=b\n");
    expect_read("GET \"a b\"\r\n", "2: 3=GET 3=a b\n");
    expect_read("GET 'a \\'b\\n'\r\n", "2: 3=GET 6=a 'b\\n\n");
    expect_read("GET \"\\x41\\n\\r\\t\\b\\a\\\"\\\\\\q\\x4g\"\r\n",
                "2: 3=GET 12=A\n\r\t\b\a\"\\qx4g\n");
    expect_read("a \"\" ''\r\n", "3: 1=a 0= 0=\n");
    expect_read("foo\"bar baz\" x\r\n", "2: 10=foobar baz 1=x\n");
    expect_read("SET a \"b c\"\r\nGET a\r\n", "3: 3=SET 1=a 3=b c\n2: 3=GET 1=a\n");
    struct request_stream s;
    stream_init(&s, &ALLOCATOR_SYSTEM);
    assert_string_equal(read_all(&s, SLICE_LITERAL("PING a\0b c\r\nPING\r\n")),
                        "2: 4=PING 1=a\n1: 4=PING\n");
    stream_finish(&s);
}

static void broken_quotes_are_told(void **state) {
    (void)state;
    const char *error = "Protocol error: unbalanced quotes in request";
    expect_error(text("GET \"a\r\n"), error);
    expect_error(text("GET 'a\r\n"), error);
    expect_error(text("GET \"a\"b\r\n"), error);
    expect_error(text("GET 'a'b\r\n"), error);
    expect_error(text("GET \"a\\\"\r\n"), error);
    expect_error(SLICE_LITERAL("GET \"a\0b\"\r\n"), error);
}

static void broken_lengths_are_told(void **state) {
    (void)state;
    expect_error(text("*x\r\n"), "Protocol error: invalid multibulk length");
    expect_error(text("*\r\n"), "Protocol error: invalid multibulk length");
    expect_error(text("*+1\r\n"), "Protocol error: invalid multibulk length");
    expect_error(text("*01\r\n"), "Protocol error: invalid multibulk length");
    expect_error(text("*1048577\r\n"), "Protocol error: invalid multibulk length");
    expect_error(text("*99999999999999999999\r\n"), "Protocol error: invalid multibulk length");
    expect_error(text("*1\r\n$x\r\n"), "Protocol error: invalid bulk length");
    expect_error(text("*1\r\n$-1\r\n"), "Protocol error: invalid bulk length");
    expect_error(text("*1\r\n$\r\n"), "Protocol error: invalid bulk length");
    expect_error(text("*1\r\n$536870913\r\n"), "Protocol error: invalid bulk length");
    expect_error(text("*1\r\n$9223372036854775807\r\n"), "Protocol error: invalid bulk length");
    expect_error(text("*1\r\nPING\r\n"), "Protocol error: expected '$', got 'P'");
    expect_error(text("*1\r\n:1\r\n"), "Protocol error: expected '$', got ':'");
}

/* `head`, then `count` bytes of a header that does not end. */
static void expect_endless(const char *head, char byte, size_t count, const char *error) {
    size_t size = strlen(head) + count;
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    memcpy(bytes, head, strlen(head));
    memset(bytes + strlen(head), byte, count);
    struct request_stream s;
    stream_init(&s, &ALLOCATOR_SYSTEM);
    stream_feed(&s, bytes, size - 10);
    assert_false(s.is_broken);
    stream_feed(&s, bytes + size - 10, 10);
    assert_true(s.is_broken);
    assert_string_equal(s.error.text, error);
    stream_finish(&s);
    free(bytes);
}

static void lines_without_an_end_are_cut_off(void **state) {
    (void)state;
    size_t size = REQUEST_INLINE_MAX + 5;
    expect_endless("", 'a', size, "Protocol error: too big inline request");
    expect_endless("*", '1', size, "Protocol error: too big mbulk count string");
    expect_endless("*1\r\n$", '1', size, "Protocol error: too big bulk count string");
}

static void expect_limit(const char *bytes, const char *error) {
    struct request_stream s;
    stream_init(&s, &ALLOCATOR_SYSTEM);
    s.limits.is_authenticated = false;
    stream_feed(&s, (const uint8_t *)bytes, strlen(bytes));
    assert_int_equal(s.is_broken, error != NULL);
    if (error != NULL)
        assert_string_equal(s.error.text, error);
    stream_finish(&s);
}

static void who_has_not_logged_in_may_send_little(void **state) {
    (void)state;
    expect_limit("*10\r\n", NULL);
    expect_limit("*11\r\n", "Protocol error: unauthenticated multibulk length");
    expect_limit("*1\r\n$16384\r\n", NULL);
    expect_limit("*1\r\n$16385\r\n", "Protocol error: unauthenticated bulk length");
}

static void no_memory_is_taken_for_what_is_only_announced(void **state) {
    (void)state;
    struct test_allocator allocator;
    test_allocator_init(&allocator);
    struct request_stream s;
    stream_init(&s, &allocator.base);
    const char *announcement = "*1000000\r\n$500000000\r\nabc";
    stream_feed(&s, (const uint8_t *)announcement, strlen(announcement));
    assert_false(s.is_broken);
    assert_true(allocator.heap_bytes < 128 * 1024);
    assert_true(request_partial_bytes(s.partial) <= allocator.heap_bytes);
    stream_finish(&s);
    assert_int_equal(allocator.heap_blocks, 0);
}

/* ---- cutting ---- */

struct bytes {
    uint8_t *data;
    size_t size, capacity;
};

static void add(struct bytes *b, const void *data, size_t size) {
    if (b->capacity - b->size < size) {
        b->capacity = 2 * (b->size + size);
        b->data = realloc(b->data, b->capacity);
        assert_non_null(b->data);
    }
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

static void add_text(struct bytes *b, const char *words) {
    add(b, words, strlen(words));
}

static void add_argument(struct bytes *b, size_t size, uint8_t seed) {
    char header[32];
    add(b, header, (size_t)sprintf(header, "$%zu\r\n", size));
    for (size_t i = 0; i < size; i++)
        add(b, &(uint8_t){(uint8_t)(seed + i * 7)}, 1);
    add_text(b, "\r\n");
}

static void add_command(struct bytes *b, size_t argc, size_t size) {
    char header[32];
    add(b, header, (size_t)sprintf(header, "*%zu\r\n", argc));
    for (size_t i = 0; i < argc; i++)
        add_argument(b, size + i % 3, (uint8_t)i);
}

static void expect_same_when_cut(const struct request_stream *whole, const struct bytes *b,
                                 size_t cut, size_t step) {
    struct request_stream s;
    stream_init(&s, &ALLOCATOR_SYSTEM);
    stream_feed(&s, b->data, cut);
    for (size_t at = cut; at < b->size; at += step)
        stream_feed(&s, b->data + at, b->size - at < step ? b->size - at : step);
    if (!stream_equal(&s, whole))
        fail_msg("cut at %zu, then every %zu bytes, gives something else", cut, step);
    stream_finish(&s);
}

/* Cut at every position in steps of `stride`, and in equal pieces of some sizes. */
static void cut_everywhere(struct bytes *b, size_t commands, size_t stride) {
    struct request_stream whole;
    stream_init(&whole, &ALLOCATOR_SYSTEM);
    stream_feed(&whole, b->data, b->size);
    assert_int_equal(whole.commands, commands);
    for (size_t cut = 0; cut <= b->size; cut += stride)
        expect_same_when_cut(&whole, b, cut, b->size);
    static const size_t STEPS[] = {1, 2, 3, 7, 4096, 16384, 40000};
    for (size_t i = b->size < 20000 ? 0 : 3; i < sizeof(STEPS) / sizeof(*STEPS); i++)
        expect_same_when_cut(&whole, b, 0, STEPS[i]);
    stream_finish(&whole);
    free(b->data);
}

static void a_cut_anywhere_changes_nothing(void **state) {
    (void)state;
    struct bytes b = {0};
    add_text(&b, "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$12\r\nhello\r\nworld\r\nPING\r\n");
    add_text(&b, "GET \"a\\x41 b\" 'c'\r\n\r\n*0\r\n*2\r\n$4\r\nECHO\r\n$0\r\n\r\n");
    add_command(&b, 4, 100);
    cut_everywhere(&b, 7, 1);
}

static void a_cut_before_a_protocol_error_changes_nothing(void **state) {
    (void)state;
    struct bytes b = {0};
    add_text(&b, "PING\r\n*2\r\n$3\r\nGET\r\nx1\r\n");
    cut_everywhere(&b, 1, 1);
}

static void large_arguments_survive_any_cut(void **state) {
    (void)state;
    struct bytes b = {0};
    add_text(&b, "*3\r\n$3\r\nSET\r\n");
    add_argument(&b, REQUEST_LARGE_BULK, 1);
    add_argument(&b, REQUEST_LARGE_BULK + 1, 2);
    add_text(&b, "PING\r\n*4\r\n$1\r\na\r\n");
    add_argument(&b, 200000, 3);
    add_text(&b, "$1\r\nb\r\n");
    add_argument(&b, 70000, 4);
    add_text(&b, "PING\r\n");
    cut_everywhere(&b, 4, 997);
}

static void thousands_of_arguments_survive_any_cut(void **state) {
    (void)state;
    struct bytes b = {0};
    add_command(&b, 3000, 3);
    add_text(&b, "PING\r\n");
    add_command(&b, 65, 300);
    cut_everywhere(&b, 3, 499);
}

static void large_arguments_are_given_as_blobs(void **state) {
    (void)state;
    struct bytes b = {0};
    add_text(&b, "*2\r\n$3\r\nSET\r\n");
    add_argument(&b, 100000, 9);
    struct request_stream s;
    stream_init(&s, &ALLOCATOR_SYSTEM);
    size_t at = 0, argc = 0;
    assert_int_equal(
        request_read(&s.limits, b.data, 1000, &at, &s.arguments, &s.partial, &argc, &s.error),
        REQUEST_INCOMPLETE);
    assert_int_equal(at, 1000);
    assert_int_equal(
        request_read(&s.limits, b.data, b.size, &at, &s.arguments, &s.partial, &argc, &s.error),
        REQUEST_COMPLETE);
    assert_int_equal(argc, 2);
    assert_null(s.partial->blobs[0]);
    assert_non_null(s.partial->blobs[1]);
    assert_int_equal(s.partial->blobs[1]->size, 100000);
    assert_ptr_equal(s.partial->slices[1].data, s.partial->blobs[1]->data);
    /* Asked once more, it gives the same and takes nothing. */
    size_t end = at;
    assert_int_equal(
        request_read(&s.limits, b.data, b.size, &at, &s.arguments, &s.partial, &argc, &s.error),
        REQUEST_COMPLETE);
    assert_int_equal(at, end);
    assert_int_equal(argc, 2);
    stream_finish(&s);
    free(b.data);
}

/* ---- out of memory ---- */

static bool read_with_failure(const struct bytes *b, const struct request_stream *whole,
                              uint64_t allocation) {
    struct test_allocator allocator;
    test_allocator_init(&allocator);
    test_allocator_fail_in(&allocator, allocation, 0);
    struct request_stream s;
    stream_init(&s, &allocator.base);
    for (size_t at = 0; at < b->size; at += 5000)
        stream_feed(&s, b->data + at, b->size - at < 5000 ? b->size - at : 5000);
    bool has_failed = allocator.failures > 0;
    if (has_failed)
        assert_true(s.is_out_of_memory);
    else
        assert_true(stream_equal(&s, whole));
    assert_memory_equal(s.transcript, whole->transcript, s.transcript_size);
    stream_finish(&s);
    assert_int_equal(allocator.heap_blocks, 0);
    assert_int_equal(allocator.heap_bytes, 0);
    return has_failed;
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    struct bytes b = {0};
    add_text(&b, "PING 'a' \"b\"\r\n");
    add_command(&b, 700, 20);
    add_text(&b, "*3\r\n$3\r\nSET\r\n");
    add_argument(&b, 10, 1);
    add_argument(&b, 300000, 2);
    add_text(&b, "GET \"key\"\r\n");
    struct request_stream whole;
    stream_init(&whole, &ALLOCATOR_SYSTEM);
    stream_feed(&whole, b.data, b.size);
    assert_int_equal(whole.commands, 4);
    uint64_t allocation = 1;
    while (read_with_failure(&b, &whole, allocation))
        allocation++;
    assert_true(allocation > 20);
    stream_finish(&whole);
    free(b.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_are_read),
        cmocka_unit_test(inline_commands_are_read),
        cmocka_unit_test(broken_quotes_are_told),
        cmocka_unit_test(broken_lengths_are_told),
        cmocka_unit_test(lines_without_an_end_are_cut_off),
        cmocka_unit_test(who_has_not_logged_in_may_send_little),
        cmocka_unit_test(no_memory_is_taken_for_what_is_only_announced),
        cmocka_unit_test(a_cut_anywhere_changes_nothing),
        cmocka_unit_test(a_cut_before_a_protocol_error_changes_nothing),
        cmocka_unit_test(large_arguments_survive_any_cut),
        cmocka_unit_test(thousands_of_arguments_survive_any_cut),
        cmocka_unit_test(large_arguments_are_given_as_blobs),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
