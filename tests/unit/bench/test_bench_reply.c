/* SPDX-License-Identifier: BSD-3-Clause */
/* The load generator's reply reader: every reply cut at every byte, and what it must refuse. */
#include "server/reply.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct {
    enum protocol protocol;
    const char *bytes;
    enum reply_type type;
    const char *data; /* NULL: not compared */
    int64_t integer;
} REPLIES[] = {
    {PROTOCOL_RESP, "+OK\r\n", REPLY_STATUS, "OK", 0},
    {PROTOCOL_RESP, "-ERR no\r\n", REPLY_ERROR, "ERR no", 0},
    {PROTOCOL_RESP, ":-42\r\n", REPLY_INTEGER, NULL, -42},
    {PROTOCOL_RESP, "$5\r\nab\r\nc\r\n", REPLY_BULK, "ab\r\nc", 5},
    {PROTOCOL_RESP, "$0\r\n\r\n", REPLY_BULK, "", 0},
    {PROTOCOL_RESP, "$-1\r\n", REPLY_NULL, NULL, -1},
    {PROTOCOL_RESP, "_\r\n", REPLY_NULL, NULL, 0},
    {PROTOCOL_RESP, "*-1\r\n", REPLY_NULL, NULL, -1},
    {PROTOCOL_RESP, "*0\r\n", REPLY_ARRAY, "", 0},
    {PROTOCOL_RESP, "*2\r\n$1\r\na\r\n*1\r\n:7\r\n", REPLY_ARRAY, "$1\r\na\r\n*1\r\n:7\r\n", 2},
    {PROTOCOL_RESP, "%1\r\n+k\r\n$-1\r\n", REPLY_ARRAY, "+k\r\n$-1\r\n", 1},
    {PROTOCOL_MEMCACHED, "STORED\r\n", REPLY_STATUS, "STORED", 0},
    {PROTOCOL_MEMCACHED, "HD\r\n", REPLY_STATUS, "HD", 0},
    {PROTOCOL_MEMCACHED, "EN\r\n", REPLY_NULL, NULL, 0},
    {PROTOCOL_MEMCACHED, "NOT_FOUND\r\n", REPLY_NULL, NULL, 0},
    {PROTOCOL_MEMCACHED, "VA 4 f1\r\nEN\r\n\r\n", REPLY_BULK, "EN\r\n", 4},
    {PROTOCOL_MEMCACHED, "VA 1\r\nx\r\n", REPLY_BULK, "x", 1},
    {PROTOCOL_MEMCACHED, "END\r\n", REPLY_NULL, NULL, 0},
    {PROTOCOL_MEMCACHED, "VALUE k 0 5\r\nEND\r\n\r\nEND\r\n", REPLY_BULK, "END\r\n", 5},
    {PROTOCOL_MEMCACHED, "VALUE a 0 1\r\nx\r\nVALUE b 0 1\r\ny\r\nEND\r\n", REPLY_ARRAY, NULL, 2},
    {PROTOCOL_MEMCACHED, "SERVER_ERROR out of memory\r\n", REPLY_ERROR, NULL, 0},
    {PROTOCOL_MEMCACHED, "101\r\n", REPLY_INTEGER, NULL, 101},
};

/* Read from memory of exactly `length` bytes, so that a sanitizer sees a byte read too many. */
static ptrdiff_t read_exactly(enum protocol protocol, const char *bytes, size_t length,
                              struct reply *out, char **copy) {
    *copy = malloc(length > 0 ? length : 1);
    assert_non_null(*copy);
    memcpy(*copy, bytes, length);
    return reply_read(protocol, *copy, length, out);
}

static void a_reply_cut_at_any_byte_is_incomplete_and_whole_it_is_read(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(REPLIES) / sizeof(REPLIES[0]); i++) {
        struct reply reply;
        char *copy;
        size_t size = strlen(REPLIES[i].bytes);
        for (size_t cut = 0; cut < size; cut++) {
            ptrdiff_t seen =
                read_exactly(REPLIES[i].protocol, REPLIES[i].bytes, cut, &reply, &copy);
            assert_int_equal(seen, REPLY_INCOMPLETE);
            free(copy);
        }
        ptrdiff_t seen = read_exactly(REPLIES[i].protocol, REPLIES[i].bytes, size, &reply, &copy);
        assert_int_equal(seen, size);
        assert_int_equal(reply.type, REPLIES[i].type);
        assert_int_equal(reply.integer, REPLIES[i].integer);
        if (REPLIES[i].data != NULL) {
            assert_int_equal(reply.length, strlen(REPLIES[i].data));
            assert_memory_equal(reply.data, REPLIES[i].data, reply.length);
        }
        free(copy);
    }
}

static void bytes_of_the_next_reply_are_left_alone(void **state) {
    (void)state;
    struct reply reply;
    assert_int_equal(reply_read(PROTOCOL_RESP, "$1\r\na\r\n$1", 9, &reply), 7);
    assert_int_equal(reply_read(PROTOCOL_MEMCACHED, "VA 1\r\na\r\nEN", 11, &reply), 9);
}

static void malformed_replies_are_refused(void **state) {
    (void)state;
    static const char *const RESP[] = {"hello\r\n",     "$x\r\n",  ":1x\r\n",
                                       "$1\r\nabc\r\n", "$-2\r\n", "*1\r\nno\r\nno\r\n",
                                       "+OK no\n",      "\r\n\r\n"};
    static const char *const MEMCACHED[] = {"VALUE k 0 x\r\n", "VALUE k 0 1\r\nabc\r\nEND\r\n",
                                            "VA x\r\n", "VA -1\r\n\r\n"};
    struct reply reply;
    for (size_t i = 0; i < sizeof(RESP) / sizeof(RESP[0]); i++)
        assert_int_equal(reply_read(PROTOCOL_RESP, RESP[i], strlen(RESP[i]), &reply),
                         REPLY_MALFORMED);
    for (size_t i = 0; i < sizeof(MEMCACHED) / sizeof(MEMCACHED[0]); i++)
        assert_int_equal(reply_read(PROTOCOL_MEMCACHED, MEMCACHED[i], strlen(MEMCACHED[i]), &reply),
                         REPLY_MALFORMED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_cut_at_any_byte_is_incomplete_and_whole_it_is_read),
        cmocka_unit_test(bytes_of_the_next_reply_are_left_alone),
        cmocka_unit_test(malformed_replies_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
