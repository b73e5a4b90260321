/* SPDX-License-Identifier: BSD-3-Clause */
/* Out of memory at every allocation of a script: making the interpreter, compiling, running,
 * converting. Each time there is a whole reply or none, the next script runs, and all memory comes
 * back. */
#include "script/library.h"
#include "support/test_allocator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char SCRIPT[] =
    "local t = {} for i = 1, 20 do t[i] = redis.call('bulk', ARGV[1] .. i) end\n"
    "t[21] = cmsgpack.pack({1, 'a', {x = 2.5}}) t[22] = struct.pack('>i4s', 1, 'x')\n"
    "t[23] = {map = {a = redis.pcall('nosuch')}} t[24] = {double = 1.5}\n"
    "local ok, e = pcall(redis.call, 'nosuch') t[25] = e\n"
    "t[26] = redis.sha1hex('x') t[27] = loadstring('return KEYS[1]')() return t";

static bool execute(void *context, size_t argc, const struct slice *argv, struct reply *reply) {
    (void)context;
    if (argc == 2 && slice_equal_word(argv[0], "bulk"))
        reply_bulk(reply, argv[1]);
    else
        reply_error(reply, "ERR no such command");
    return true;
}

static const char *tick(void *context) {
    (void)context;
    return NULL;
}

static void ignore_log(void *context, enum script_log_level level, struct slice text) {
    (void)context;
    (void)level;
    (void)text;
}

static int may_run(void *context, size_t argc, const struct slice *argv) {
    (void)context;
    (void)argc;
    (void)argv;
    return 1;
}

static struct script_interpreter *create(struct test_allocator *allocator) {
    struct script_options options = {
        .allocator = &allocator->base,
        .host = {NULL, execute, tick, ignore_log, may_run},
        .redis_version = "7.2.4",
        .server_name = "larder",
        .server_version = "1.2.3",
    };
    return script_interpreter_create(&options);
}

/* Compile and run; what was replied is in `reply`, NUL-terminated if there was memory. */
static void run(struct script_interpreter *s, const char *text, struct reply *reply) {
    static const struct slice KEYS[] = {{(const uint8_t *)"k", 1}};
    static const struct slice ARGUMENTS[] = {{(const uint8_t *)"value", 5}};
    struct script_call call = {
        .name = "sha", .keys = KEYS, .key_count = 1, .arguments = ARGUMENTS, .argument_count = 1};
    int function;
    if (script_compile(s, slice_of_string(text), &function, reply) != LARDER_OK)
        return;
    (void)script_run(s, function, &call, reply);
    script_forget(s, function);
}

/* One run with allocation number `n` refused. False: it needed fewer. */
static bool try_script(uint64_t n, struct slice expected) {
    struct test_allocator allocator, plain;
    test_allocator_init(&allocator);
    test_allocator_init(&plain);
    struct reply reply;
    reply_init(&reply, &plain.base);
    test_allocator_fail_in(&allocator, n, 0);
    struct script_interpreter *s = create(&allocator);
    if (s != NULL) {
        run(s, SCRIPT, &reply);
        assert_false(reply.failed);
        assert_true(reply.used > 0);
        if (reply.data[0] != '-' && !(allocator.failures > 0 && reply.used != expected.size))
            assert_true(slice_equal(slice_of(reply.data, reply.used), expected));
        bool has_failed = allocator.failures > 0;
        test_allocator_fail_never(&allocator);
        reply_clear(&reply);
        run(s, "return 5", &reply);
        assert_true(slice_equal(slice_of(reply.data, reply.used), SLICE_LITERAL(":5\r\n")));
        script_interpreter_destroy(s);
        reply_finish(&reply);
        assert_int_equal(allocator.heap_blocks, 0);
        return has_failed;
    }
    reply_finish(&reply);
    assert_int_equal(allocator.heap_blocks, 0);
    return true;
}

static void test_a_script_survives_every_refused_allocation(void **state) {
    (void)state;
    struct test_allocator plain;
    struct reply expected;
    test_allocator_init(&plain);
    reply_init(&expected, &plain.base);
    struct script_interpreter *s = create(&plain);
    assert_non_null(s);
    run(s, SCRIPT, &expected);
    assert_int_equal(expected.data[0], '*');
    uint64_t n = 1;
    while (try_script(n, slice_of(expected.data, expected.used)))
        n += n < 1500 ? 7 : 1; /* what is opened first is opened the same way each time */
    assert_true(n > 200);
    script_interpreter_destroy(s);
    reply_finish(&expected);
}

static bool try_library(uint64_t n) {
    struct test_allocator allocator, plain;
    test_allocator_init(&allocator);
    test_allocator_init(&plain);
    struct reply reply;
    reply_init(&reply, &plain.base);
    struct script_interpreter *s = create(&allocator);
    assert_non_null(s);
    struct script_functions functions = {.allocator = &allocator.base};
    test_allocator_fail_in(&allocator, n, 0);
    enum larder_status status = script_library_load(
        s,
        SLICE_LITERAL("local x = {} for i = 1, 5 do redis.register_function{function_name = 'f' .. "
                      "i, callback = function() return redis.call('bulk', 'x') end, "
                      "description = 'd', flags = {'no-writes'}} end"),
        &functions, &reply);
    bool has_failed = allocator.failures > 0;
    assert_int_equal(functions.count, status == LARDER_OK ? 5 : 0);
    test_allocator_fail_never(&allocator);
    reply_clear(&reply);
    run(s, "return redis.call('bulk', 'x')", &reply);
    assert_true(slice_equal(slice_of(reply.data, reply.used), SLICE_LITERAL("$1\r\nx\r\n")));
    script_library_unload(s, &functions);
    script_functions_finish(&functions);
    script_interpreter_destroy(s);
    reply_finish(&reply);
    assert_int_equal(allocator.heap_blocks, 0);
    return has_failed;
}

static void test_a_library_survives_every_refused_allocation(void **state) {
    (void)state;
    uint64_t n = 1;
    while (try_library(n))
        n++;
    assert_true(n > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_script_survives_every_refused_allocation),
        cmocka_unit_test(test_a_library_survives_every_refused_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
