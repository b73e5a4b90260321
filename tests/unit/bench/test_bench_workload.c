/* SPDX-License-Identifier: BSD-3-Clause */
/* Request templates and the judging of replies in the load generator. */
#include "server/keyspace.c"
#include "server/random_source.c"
#include "server/reply.c"
#include "server/workload.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct keyspace keyspace;
static char value[16];
static char request[512];

static int set_up(void **state) {
    (void)state;
    if (!keyspace_init(&keyspace, 100, "k", 4, 8))
        return 1;
    value_write(&keyspace, 42, value);
    return 0;
}

static const char *write_first(const char *name, enum protocol protocol) {
    struct workload w;
    const char *problem;
    assert_true(workload_init(&w, name, protocol, &keyspace, true, &problem));
    assert_true(w.first.length < sizeof(request));
    request_write(&w.first, &keyspace, 42, request);
    request[w.first.length] = '\0';
    workload_finish(&w);
    return request;
}

static enum outcome check(const char *name, enum protocol protocol, const char *bytes) {
    struct workload w;
    const char *problem;
    struct reply reply;
    assert_true(workload_init(&w, name, protocol, &keyspace, true, &problem));
    assert_int_equal(reply_read(protocol, bytes, strlen(bytes), &reply), strlen(bytes));
    enum outcome outcome = request_check(&w.first, &keyspace, protocol, 42, &reply);
    workload_finish(&w);
    return outcome;
}

static void requests_are_written_as_the_protocol_wants(void **state) {
    (void)state;
    char expected[512];
    assert_string_equal(write_first("get", PROTOCOL_RESP), "*2\r\n$3\r\nGET\r\n$4\r\nk042\r\n");
    assert_string_equal(write_first("get", PROTOCOL_MEMCACHED), "mg k042 v\r\n");
    snprintf(expected, sizeof(expected), "*3\r\n$3\r\nSET\r\n$4\r\nk042\r\n$8\r\n%.8s\r\n", value);
    assert_string_equal(write_first("set", PROTOCOL_RESP), expected);
    snprintf(expected, sizeof(expected), "ms k042 8\r\n%.8s\r\n", value);
    assert_string_equal(write_first("set", PROTOCOL_MEMCACHED), expected);
    snprintf(expected, sizeof(expected), "*3\r\n$4\r\nMGET\r\n$4\r\nk042\r\n$4\r\nk%03d\r\n",
             (int)request_key(&keyspace, 42, 1));
    assert_string_equal(write_first("mget:2", PROTOCOL_RESP), expected);
}

static void replies_are_judged_by_what_the_key_must_hold(void **state) {
    (void)state;
    char right[64];
    snprintf(right, sizeof(right), "$8\r\n%.8s\r\n", value);
    assert_int_equal(check("get", PROTOCOL_RESP, right), OUTCOME_CORRECT);
    assert_int_equal(check("get", PROTOCOL_RESP, "$8\r\nABCDEFGH\r\n"), OUTCOME_WRONG);
    assert_int_equal(check("get", PROTOCOL_RESP, "+OK\r\n"), OUTCOME_WRONG);
    assert_int_equal(check("get", PROTOCOL_RESP, "$-1\r\n"), OUTCOME_MISS);
    assert_int_equal(check("get", PROTOCOL_RESP, "-ERR\r\n"), OUTCOME_ERROR);
    assert_int_equal(check("get", PROTOCOL_MEMCACHED, "EN\r\n"), OUTCOME_MISS);
    assert_int_equal(check("set", PROTOCOL_RESP, "+OK\r\n"), OUTCOME_CORRECT);
    assert_int_equal(check("set", PROTOCOL_RESP, ":1\r\n"), OUTCOME_WRONG);
    assert_int_equal(check("exists", PROTOCOL_RESP, ":0\r\n"), OUTCOME_MISS);
    assert_int_equal(check("del", PROTOCOL_RESP, ":0\r\n"), OUTCOME_CORRECT);
    assert_int_equal(check("mget:2", PROTOCOL_RESP, "*1\r\n$-1\r\n"), OUTCOME_WRONG);
    assert_int_equal(check("mget:2", PROTOCOL_RESP, "*2\r\n$-1\r\n$-1\r\n"), OUTCOME_MISS);
    assert_int_equal(check("mget:2", PROTOCOL_RESP, "*2\r\n$-1\r\n$1\r\nx\r\n"), OUTCOME_WRONG);
}

static void every_array_element_must_be_its_keys_value(void **state) {
    (void)state;
    char second[16];
    char reply[128];
    value_write(&keyspace, request_key(&keyspace, 42, 1), second);
    snprintf(reply, sizeof(reply), "*2\r\n$8\r\n%.8s\r\n$8\r\n%.8s\r\n", value, second);
    assert_int_equal(check("mget:2", PROTOCOL_RESP, reply), OUTCOME_CORRECT);
    snprintf(reply, sizeof(reply), "*2\r\n$8\r\n%.8s\r\n$8\r\n%.8s\r\n", value, value);
    assert_int_equal(check("mget:2", PROTOCOL_RESP, reply), OUTCOME_WRONG);
}

static void unknown_workloads_are_refused(void **state) {
    (void)state;
    static const char *const NAMES[] = {"", "gets", "mixed:0", "mixed:100", "mget:0", "mget:5000"};
    struct workload w;
    const char *problem;
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
        assert_false(workload_init(&w, NAMES[i], PROTOCOL_RESP, &keyspace, true, &problem));
    assert_false(workload_init(&w, "mset:2", PROTOCOL_MEMCACHED, &keyspace, true, &problem));
    assert_true(workload_init(&w, "mixed:90", PROTOCOL_RESP, &keyspace, true, &problem));
    assert_int_equal(w.first_percent, 90);
    workload_finish(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_written_as_the_protocol_wants),
        cmocka_unit_test(replies_are_judged_by_what_the_key_must_hold),
        cmocka_unit_test(every_array_element_must_be_its_keys_value),
        cmocka_unit_test(unknown_workloads_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
