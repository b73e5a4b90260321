/* SPDX-License-Identifier: BSD-3-Clause */
/* Replies: their bytes in both protocols, taking back, large values by reference, and that a reply
 * without memory is marked and leaves what stood before. */
#include "support/test_allocator.h"
#include "wire/reply.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    struct test_allocator allocator;
    struct reply reply;
    char text[200000];
};

static struct fixture *create(void) {
    struct fixture *f = malloc(sizeof(*f));
    assert_non_null(f);
    test_allocator_init(&f->allocator);
    reply_init(&f->reply, &f->allocator.base);
    return f;
}

static void destroy(struct fixture *f) {
    reply_finish(&f->reply);
    assert_int_equal(f->allocator.heap_blocks, 0);
    assert_int_equal(f->allocator.heap_bytes, 0);
    free(f);
}

/* What a client gets: the bytes with the blobs in their places. */
static const char *sent(struct fixture *f) {
    const struct reply *r = &f->reply;
    size_t at = 0, size = 0;
    for (size_t i = 0; i <= r->reference_count; i++) {
        size_t end = i < r->reference_count ? r->references[i].at : r->used;
        assert_true(end >= at && end <= r->used && size + (end - at) < sizeof(f->text));
        if (end > at)
            memcpy(f->text + size, r->data + at, end - at);
        size += end - at;
        at = end;
        if (i == r->reference_count)
            break;
        struct slice blob = blob_slice(r->references[i].blob);
        assert_true(size + blob.size < sizeof(f->text));
        memcpy(f->text + size, blob.data, blob.size);
        size += blob.size;
    }
    f->text[size] = '\0';
    return f->text;
}

static void expect(struct fixture *f, const char *text) {
    assert_false(f->reply.failed);
    assert_string_equal(sent(f), text);
    reply_clear(&f->reply);
}

static void write_scalars(struct reply *r) {
    reply_ok(r);
    reply_simple(r, "PONG");
    reply_error(r, "ERR a\r\nb");
    reply_error_format(r, "ERR %d '%s'", 7, "x");
    reply_integer(r, 0);
    reply_integer(r, INT64_MIN);
    reply_integer(r, INT64_MAX);
    reply_bulk(r, slice_of(NULL, 0));
    reply_bulk_text(r, "a\r\nb");
    reply_bulk_integer(r, -12);
}

#define SCALARS                                                                                    \
    "+OK\r\n+PONG\r\n-ERR a  b\r\n-ERR 7 'x'\r\n:0\r\n:-9223372036854775808\r\n"                   \
    ":9223372036854775807\r\n$0\r\n\r\n$4\r\na\r\nb\r\n$3\r\n-12\r\n"

static void scalars_are_the_same_in_both_protocols(void **state) {
    (void)state;
    struct fixture *f = create();
    for (uint8_t protocol = 2; protocol <= 3; protocol++) {
        f->reply.protocol = protocol;
        write_scalars(&f->reply);
        expect(f, SCALARS);
    }
    destroy(f);
}

static void write_shapes(struct reply *r) {
    reply_null(r);
    reply_null_array(r);
    reply_array(r, 12);
    reply_map(r, 3);
    reply_set(r, 100);
    reply_push(r, 2);
    reply_boolean(r, true);
    reply_boolean(r, false);
    reply_verbatim(r, slice_of_string("txt"));
}

static void each_protocol_has_its_shapes(void **state) {
    (void)state;
    struct fixture *f = create();
    write_shapes(&f->reply);
    expect(f, "$-1\r\n*-1\r\n*12\r\n*6\r\n*100\r\n*2\r\n:1\r\n:0\r\n$3\r\ntxt\r\n");
    f->reply.protocol = 3;
    write_shapes(&f->reply);
    expect(f, "_\r\n_\r\n*12\r\n%3\r\n~100\r\n>2\r\n#t\r\n#f\r\n=7\r\ntxt:txt\r\n");
    destroy(f);
}

static void doubles_are_the_shortest_that_read_back(void **state) {
    (void)state;
    struct fixture *f = create();
    f->reply.protocol = 3;
    static const double VALUES[] = {0, 1.5, -0.1, 3, 1e300, 0.1 + 0.2};
    for (size_t i = 0; i < sizeof(VALUES) / sizeof(*VALUES); i++)
        reply_double(&f->reply, VALUES[i]);
    reply_double(&f->reply, INFINITY);
    reply_double(&f->reply, -INFINITY);
    reply_double(&f->reply, NAN);
    expect(f, ",0\r\n,1.5\r\n,-0.1\r\n,3\r\n,1e+300\r\n,0.30000000000000004\r\n,inf\r\n,-inf\r\n"
              ",nan\r\n");
    f->reply.protocol = 2;
    reply_double(&f->reply, 1.5);
    expect(f, "$3\r\n1.5\r\n");
    destroy(f);
}

static void a_long_error_is_cut(void **state) {
    (void)state;
    struct fixture *f = create();
    char word[2000];
    memset(word, 'x', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    reply_error_format(&f->reply, "ERR %s", word);
    const char *text = sent(f);
    assert_true(strlen(text) <= 520);
    assert_string_equal(text + strlen(text) - 3, "x\r\n");
    destroy(f);
}

static void a_deferred_length_stands_in_front(void **state) {
    (void)state;
    struct fixture *f = create();
    for (uint8_t protocol = 2; protocol <= 3; protocol++) {
        f->reply.protocol = protocol;
        reply_ok(&f->reply);
        size_t outer = reply_deferred_begin(&f->reply);
        size_t inner = reply_deferred_begin(&f->reply);
        for (int i = 0; i < 10; i++)
            reply_integer(&f->reply, i);
        reply_deferred_end(&f->reply, inner, '*', 10);
        size_t map = reply_deferred_begin(&f->reply);
        reply_integer(&f->reply, 1);
        reply_integer(&f->reply, 2);
        reply_deferred_end(&f->reply, map, '%', 1);
        size_t set = reply_deferred_begin(&f->reply);
        reply_deferred_end(&f->reply, set, '~', 0);
        reply_deferred_end(&f->reply, outer, '*', 3);
        const char *numbers = ":0\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n:8\r\n:9\r\n";
        char expected[200];
        (void)snprintf(expected, sizeof(expected), "+OK\r\n*3\r\n*10\r\n%s%s\r\n:1\r\n:2\r\n%s\r\n",
                       numbers, protocol == 2 ? "*2" : "%1", protocol == 2 ? "*0" : "~0");
        expect(f, expected);
    }
    destroy(f);
}

static struct blob *blob_of(struct fixture *f, size_t size, char byte) {
    struct blob *blob = blob_create(&f->allocator.base, size);
    assert_non_null(blob);
    memset(blob->data, byte, size);
    blob->size = size;
    return blob;
}

enum { LARGE = 20000 };

static char *large_bulk(char byte) {
    char *text = malloc(LARGE + 32);
    assert_non_null(text);
    int head = sprintf(text, "$%d\r\n", LARGE);
    memset(text + head, byte, LARGE);
    memcpy(text + head + LARGE, "\r\n", 3);
    return text;
}

static void large_values_are_held_not_copied(void **state) {
    (void)state;
    struct fixture *f = create();
    struct blob *large = blob_of(f, LARGE, 'L'), *small = blob_of(f, 10, 's');
    size_t begin = reply_deferred_begin(&f->reply);
    reply_blob(&f->reply, large);
    reply_blob(&f->reply, small);
    reply_blob(&f->reply, large);
    reply_deferred_end(&f->reply, begin, '*', 3);
    assert_int_equal(f->reply.reference_count, 2);
    assert_int_equal(f->reply.reference_bytes, 2 * LARGE);
    assert_false(blob_is_exclusive(large));
    assert_true(blob_is_exclusive(small));
    char *bulk = large_bulk('L'), *expected = malloc(2 * LARGE + 200);
    (void)sprintf(expected, "*3\r\n%s$10\r\nssssssssss\r\n%s", bulk, bulk);
    expect(f, expected);
    assert_true(blob_is_exclusive(large));
    assert_int_equal(f->reply.reference_bytes, 0);
    free(bulk);
    free(expected);
    blob_release(large);
    blob_release(small);
    destroy(f);
}

static void what_was_written_can_be_taken_back(void **state) {
    (void)state;
    struct fixture *f = create();
    struct blob *large = blob_of(f, LARGE, 'L');
    reply_blob(&f->reply, large);
    struct reply_mark mark = reply_mark(&f->reply);
    reply_integer(&f->reply, 5);
    reply_blob(&f->reply, large);
    reply_cut(&f->reply, mark);
    assert_int_equal(f->reply.reference_count, 1);
    assert_int_equal(f->reply.reference_bytes, LARGE);
    char *bulk = large_bulk('L');
    expect(f, bulk);
    free(bulk);
    blob_release(large);
    destroy(f);
}

static void what_was_sent_is_dropped_from_the_front(void **state) {
    (void)state;
    struct fixture *f = create();
    struct blob *a = blob_of(f, LARGE, 'a'), *b = blob_of(f, LARGE, 'b');
    reply_ok(&f->reply);
    reply_blob(&f->reply, a);
    size_t sent_bytes = f->reply.used;
    reply_blob(&f->reply, b);
    reply_simple(&f->reply, "end");
    reply_drop_front(&f->reply, sent_bytes, 1);
    assert_true(blob_is_exclusive(a));
    assert_int_equal(f->reply.reference_bytes, LARGE);
    char *bulk = large_bulk('b');
    strcpy(bulk + strlen(bulk), "+end\r\n");
    expect(f, bulk);
    free(bulk);
    blob_release(a);
    blob_release(b);
    destroy(f);
}

/* ---- out of memory ---- */

static void write_everything(struct reply *r, struct blob *blob) {
    size_t begin = reply_deferred_begin(r);
    for (int i = 0; i < 60; i++) {
        write_scalars(r);
        reply_blob(r, blob);
    }
    write_shapes(r);
    reply_double(r, 0.5);
    reply_reference(r, blob);
    reply_deferred_end(r, begin, '%', 1);
}

static bool write_with_failure(uint64_t allocation) {
    struct fixture *f = create();
    struct blob *blob = blob_of(f, LARGE, 'x');
    f->reply.protocol = 3;
    reply_ok(&f->reply);
    struct reply_mark mark = reply_mark(&f->reply);
    test_allocator_fail_in(&f->allocator, allocation, 0);
    write_everything(&f->reply, blob);
    bool has_failed = f->allocator.failures > 0;
    assert_int_equal(f->reply.failed, has_failed);
    /* Without a cut nothing more is written, even where there would be room. */
    size_t used = f->reply.used;
    if (has_failed) {
        reply_ok(&f->reply);
        assert_false(reply_reserve(&f->reply, 1));
        assert_int_equal(f->reply.used, used);
    }
    reply_cut(&f->reply, mark);
    assert_true(blob_is_exclusive(blob));
    reply_ok(&f->reply);
    expect(f, "+OK\r\n+OK\r\n");
    blob_release(blob);
    destroy(f);
    return has_failed;
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    uint64_t allocation = 1;
    while (write_with_failure(allocation))
        allocation++;
    assert_true(allocation > 5);
}

static void reserved_room_cannot_fail(void **state) {
    (void)state;
    struct fixture *f = create();
    assert_true(reply_reserve(&f->reply, 5000));
    test_allocator_fail_in(&f->allocator, 1, 1);
    for (int i = 0; i < 1000; i++)
        reply_ok(&f->reply);
    assert_false(f->reply.failed);
    assert_false(reply_reserve(&f->reply, SIZE_MAX));
    assert_true(f->reply.failed);
    destroy(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_are_the_same_in_both_protocols),
        cmocka_unit_test(each_protocol_has_its_shapes),
        cmocka_unit_test(doubles_are_the_shortest_that_read_back),
        cmocka_unit_test(a_long_error_is_cut),
        cmocka_unit_test(a_deferred_length_stands_in_front),
        cmocka_unit_test(large_values_are_held_not_copied),
        cmocka_unit_test(what_was_written_can_be_taken_back),
        cmocka_unit_test(what_was_sent_is_dropped_from_the_front),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(reserved_room_cannot_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
