/* SPDX-License-Identifier: BSD-3-Clause */
/* Scripts without a server: conversion both ways, what the sandbox refuses, stopping, memory. The
 * host answers `echo X` with the bytes X as a reply. */
#include "script/interpreter.h"
#include "script/library.h"
#include "support/test_allocator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct test_allocator allocator;
    struct script_interpreter *interpreter;
    struct reply reply;
    unsigned ticks_left; /* then the script is to end; 0: never */
    bool refuses;        /* the next command ends the script */
};

static bool execute(void *context, size_t argc, const struct slice *argv, struct reply *reply) {
    struct fixture *f = context;
    if (f->refuses)
        return false;
    if (argc == 2 && slice_equal_word(argv[0], "echo"))
        reply_raw(reply, argv[1]);
    else if (argc == 1 && slice_equal_word(argv[0], "protocol"))
        reply_integer(reply, reply->protocol);
    else if (argc == 2 && slice_equal_word(argv[0], "bulk"))
        reply_bulk(reply, argv[1]);
    else
        reply_error(reply, "ERR no such command");
    return true;
}

static const char *tick(void *context) {
    struct fixture *f = context;
    return f->ticks_left > 0 && --f->ticks_left == 0 ? "time is up" : NULL;
}

static void ignore_log(void *context, enum script_log_level level, struct slice text) {
    (void)context;
    (void)level;
    (void)text;
}

static int may_run(void *context, size_t argc, const struct slice *argv) {
    (void)context;
    (void)argc;
    return slice_equal_word(argv[0], "echo") ? 1 : -1;
}

static struct script_options options_of(struct fixture *f) {
    return (struct script_options){
        .allocator = &f->allocator.base,
        .host = {f, execute, tick, ignore_log, may_run},
        .redis_version = "7.2.4",
        .server_name = "larder",
        .server_version = "1.2.3",
    };
}

static int create(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    test_allocator_init(&f->allocator);
    struct script_options options = options_of(f);
    f->interpreter = script_interpreter_create(&options);
    assert_non_null(f->interpreter);
    reply_init(&f->reply, &f->allocator.base);
    *state = f;
    return 0;
}

static int destroy(void **state) {
    struct fixture *f = *state;
    script_interpreter_destroy(f->interpreter);
    reply_finish(&f->reply);
    assert_int_equal(f->allocator.heap_blocks, 0);
    free(f);
    return 0;
}

static const char *run(struct fixture *f, const char *text, uint8_t protocol) {
    static const struct slice KEYS[] = {{(const uint8_t *)"k1", 2}, {(const uint8_t *)"k2", 2}};
    static const struct slice ARGUMENTS[] = {{(const uint8_t *)"a1", 2}};
    struct script_call call = {
        .name = "sha", .keys = KEYS, .key_count = 2, .arguments = ARGUMENTS, .argument_count = 1};
    int function;
    reply_clear(&f->reply);
    f->reply.protocol = protocol;
    if (script_compile(f->interpreter, slice_of_string(text), &function, &f->reply) == LARDER_OK) {
        (void)script_run(f->interpreter, function, &call, &f->reply);
        script_forget(f->interpreter, function);
    }
    reply_raw(&f->reply, slice_of("", 1));
    return (const char *)f->reply.data;
}

#define CHECK(f, text, protocol, expected) assert_string_equal(run(f, text, protocol), expected)

static void test_values_become_replies(void **state) {
    struct fixture *f = *state;
    CHECK(f, "return 3.99", 2, ":3\r\n");
    CHECK(f, "return -1e300", 2, ":-9223372036854775808\r\n");
    CHECK(f, "return 'x'", 2, "$1\r\nx\r\n");
    CHECK(f, "return {1,'a',{2},nil,5}", 2, "*3\r\n:1\r\n$1\r\na\r\n*1\r\n:2\r\n");
    CHECK(f, "return {ok='fine\\r\\n'}", 2, "+fine  \r\n");
    CHECK(f, "return {err='BAD thing'}", 2, "-BAD thing\r\n");
    CHECK(f, "return true", 2, ":1\r\n");
    CHECK(f, "return false", 2, "$-1\r\n");
    CHECK(f, "return nil", 3, "_\r\n");
    CHECK(f, "redis.setresp(3) return false", 3, "#f\r\n");
    CHECK(f, "redis.setresp(3) return true", 2, ":1\r\n");
    CHECK(f, "return {double=1.5}", 3, ",1.5\r\n");
    CHECK(f, "return {map={a=1}}", 3, "%1\r\n$1\r\na\r\n:1\r\n");
    CHECK(f, "return {map={a=1}}", 2, "*2\r\n$1\r\na\r\n:1\r\n");
    CHECK(f, "return {set={a=true}}", 3, "~1\r\n$1\r\na\r\n");
    CHECK(f, "return {big_number='12'}", 3, "(12\r\n");
    CHECK(f, "return {verbatim_string={format='txt',string='hi'}}", 3, "=6\r\ntxt:hi\r\n");
    CHECK(f, "return {KEYS[2], ARGV[1], #KEYS}", 2, "*3\r\n$2\r\nk2\r\n$2\r\na1\r\n:2\r\n");
}

static void test_replies_become_values(void **state) {
    struct fixture *f = *state;
    CHECK(f, "return redis.call('echo', ':5\\r\\n') + 1", 2, ":6\r\n");
    CHECK(f, "return redis.call('echo', '$-1\\r\\n') == false", 2, ":1\r\n");
    CHECK(f, "return redis.call('echo', '*-1\\r\\n') == false", 2, ":1\r\n");
    CHECK(f, "return redis.call('echo', '*2\\r\\n$1\\r\\na\\r\\n*1\\r\\n:1\\r\\n')[2][1]", 2,
          ":1\r\n");
    CHECK(f, "return redis.call('echo', '+OK\\r\\n').ok", 2, "$2\r\nOK\r\n");
    CHECK(f, "return redis.pcall('echo', '-X y\\r\\n').err", 2, "$3\r\nX y\r\n");
    CHECK(f, "return type(redis.call('echo', '_\\r\\n'))", 2, "$3\r\nnil\r\n");
    CHECK(f, "return redis.call('echo', '#t\\r\\n') == true", 2, ":1\r\n");
    CHECK(f, "return redis.call('echo', ',1.5\\r\\n').double * 2", 2, ":3\r\n");
    CHECK(f, "return redis.call('echo', '%1\\r\\n+a\\r\\n:1\\r\\n').map and 1", 2, ":1\r\n");
    CHECK(f, "return redis.call('echo', '~1\\r\\n$1\\r\\na\\r\\n').set.a", 2, ":1\r\n");
    CHECK(f, "return redis.call('echo', '(12\\r\\n').big_number", 2, "$2\r\n12\r\n");
    CHECK(f, "return redis.call('echo', '=6\\r\\ntxt:hi\\r\\n').verbatim_string.string", 2,
          "$2\r\nhi\r\n");
    CHECK(f, "redis.setresp(3) return redis.call('protocol')", 2, ":3\r\n");
    CHECK(f, "return redis.call('protocol')", 3, ":2\r\n");
}

static void test_errors_say_where(void **state) {
    struct fixture *f = *state;
    CHECK(f, "return redis.call('x')", 2,
          "-ERR no such command script: sha, on @user_script:1.\r\n");
    CHECK(f, "\nerror('boom')", 2, "-ERR user_script:2: boom script: sha, on @user_script:2.\r\n");
    CHECK(f, "error({err='MY error'})", 2, "-MY error script: sha, on @user_script:1.\r\n");
    CHECK(f, "return 1 +", 2,
          "-ERR Error compiling script (new function): user_script:1: unexpected symbol near "
          "'<eof>'\r\n");
    CHECK(f, "\033Lua", 2,
          "-ERR Error compiling script (new function): user_script:1: unexpected symbol near "
          "'char(27)'\r\n");
}

static void test_nothing_shared_can_be_changed(void **state) {
    struct fixture *f = *state;
    static const char *const ATTEMPTS[] = {
        "x = 1",
        "KEYS = 1",
        "string.x = 1",
        "redis.call = 1",
        "_G.x = 1",
        "rawset(_G, 'x', 1)",
        "rawset(string, 'x', 1)",
        "setmetatable(_G, {})",
        "setmetatable(redis, nil)",
        "table.insert(math, 1)",
        "getmetatable('').__index = 1",
        "for k, v in pairs(_G) do if k == '_G' then v.x = 1 end end",
        "local n, t = pairs(string) t.x = 1",
    };
    for (size_t i = 0; i < sizeof(ATTEMPTS) / sizeof(*ATTEMPTS); i++)
        if (strstr(run(f, ATTEMPTS[i], 2), "Attempt to modify a readonly table") == NULL)
            fail_msg("%s: %s", ATTEMPTS[i], (const char *)f->reply.data);
    CHECK(f, "return {type(rawget(string, 'x')), type(rawget(_G, 'x')), ('a'):rep(2)}", 2,
          "*3\r\n$3\r\nnil\r\n$3\r\nnil\r\n$2\r\naa\r\n");
}

static void test_there_is_no_way_out(void **state) {
    struct fixture *f = *state;
    static const char *const NAMES[] = {"io",      "require", "dofile",  "loadfile",
                                        "print",   "debug",   "package", "module",
                                        "getfenv", "setfenv", "newproxy"};
    char text[128];
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(*NAMES); i++) {
        (void)snprintf(text, sizeof(text), "return %s", NAMES[i]);
        assert_non_null(strstr(run(f, text, 2), "Script attempted to access nonexistent global"));
    }
    CHECK(f, "return type(os.clock())", 2, "$6\r\nnumber\r\n");
    CHECK(f, "local n = 0 for k in pairs(os) do n = n + 1 end return n", 2, ":1\r\n");
    CHECK(f, "return type(loadstring(string.dump(function() end)))", 2, "$3\r\nnil\r\n");
    CHECK(f,
          "local s = string.dump(function() end) local done = false\n"
          "return type(load(function() if done then return nil end done = true return s end))",
          2, "$3\r\nnil\r\n");
    CHECK(f, "return getmetatable(_G)", 2, "$-1\r\n");
}

static void test_a_script_can_be_stopped_whatever_it_catches(void **state) {
    struct fixture *f = *state;
    static const char *const LOOPS[] = {
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "local f f = function() return pcall(f) end while true do f() end",
        "coroutine.wrap(function() while true do end end)()",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "xpcall(function() while true do end end, function() while true do end end)",
    };
    for (size_t i = 0; i < sizeof(LOOPS) / sizeof(*LOOPS); i++) {
        f->ticks_left = 3;
        if (strstr(run(f, LOOPS[i], 2), "-") != (const char *)f->reply.data)
            fail_msg("%s: %s", LOOPS[i], (const char *)f->reply.data);
    }
    f->ticks_left = 0;
    f->refuses = true;
    CHECK(f, "pcall(redis.call, 'echo', 'x') return 5", 2, "");
    f->refuses = false;
    CHECK(f, "return 5", 2, ":5\r\n");
}

static void test_memory_is_limited_and_comes_back(void **state) {
    struct fixture *f = *state;
    script_interpreter_limit(f->interpreter, script_interpreter_bytes(f->interpreter) + (4 << 20));
    assert_non_null(strstr(
        run(f, "local t = {} while true do t[#t+1] = string.rep('x', 1000) .. #t end", 2), "OOM"));
    assert_non_null(strstr(run(f, "return string.rep('x', 1e9)", 2), "OOM"));
    CHECK(f, "collectgarbage() return 5", 2, ":5\r\n");
}

/* Outside of any protected call Lua would end the program. */
static void test_a_script_is_forgotten_without_memory(void **state) {
    struct fixture *f = *state;
    int functions[3];
    for (int i = 0; i < 3; i++) {
        reply_clear(&f->reply);
        assert_int_equal(
            script_compile(f->interpreter, slice_of_string("return 1"), &functions[i], &f->reply),
            LARDER_OK);
    }
    test_allocator_fail_in(&f->allocator, 1, 1);
    for (int i = 0; i < 3; i++)
        script_forget(f->interpreter, functions[i]);
    test_allocator_fail_never(&f->allocator);
    CHECK(f, "return 5", 2, ":5\r\n");
}

static void test_json_counts_as_memory_of_the_script(void **state) {
    struct fixture *f = *state;
    CHECK(f, "return cjson.encode({1, 'a/', cjson.null, {x = 1.5}})", 2,
          "$24\r\n[1,\"a\\/\",null,{\"x\":1.5}]\r\n");
    CHECK(f, "return cjson.new().decode('[1,[2]]')[2][1]", 2, ":2\r\n");
    CHECK(f, "local t = {} t.t = t return {pcall(cjson.encode, t)}", 2,
          "*2\r\n$-1\r\n$42\r\nCannot serialise, excessive nesting (1001)\r\n");
    CHECK(f, "return ({pcall(function() cjson.encode(print_nothing) end)})[2] and 1", 2, ":1\r\n");
    script_interpreter_limit(f->interpreter, script_interpreter_bytes(f->interpreter) + (4 << 20));
    static const char *const HUGE[] = {
        "local s, t = string.rep('\\1', 1e5), {} for i = 1, 90 do t[i] = s end cjson.encode(t)",
        "local t = {} for i = 1, 40 do t = {t, t} end return cjson.encode(t)",
        "cjson.encode_sparse_array(false, 0) return cjson.encode({[1e9] = 1})",
        "return cjson.new().encode(string.rep('\\1', 3e5))",
        "return cjson.decode('[' .. string.rep('[],', 1e5) .. '1]')",
        "return cjson.decode(string.rep('[{\"a\":', 3e4))",
    };
    for (size_t i = 0; i < sizeof(HUGE) / sizeof(*HUGE); i++)
        if (strstr(run(f, HUGE[i], 2), "OOM") == NULL)
            fail_msg("%s: %.100s", HUGE[i], (const char *)f->reply.data);
    CHECK(f, "return #cjson.encode(string.rep('x', 5e5))", 2, ":500002\r\n");
    CHECK(f, "return #cjson.decode('[' .. string.rep('1,', 2e4) .. '1]')", 2, ":20001\r\n");
}

static void test_packing_survives_hostile_input(void **state) {
    struct fixture *f = *state;
    CHECK(f, "local ok, e = pcall(cmsgpack.unpack, string.rep('\\145', 5000)) return ok and 1 or 0",
          2, ":0\r\n");
    CHECK(f, "return pcall(cmsgpack.unpack, '\\221\\255\\255\\255\\255') and 1 or 0", 2, ":0\r\n");
    CHECK(f, "return pcall(struct.pack, 'i99999999999', 1) and 1 or 0", 2, ":0\r\n");
    CHECK(f, "return pcall(struct.unpack, 'c2147483647', 'x') and 1 or 0", 2, ":0\r\n");
    CHECK(f, "return pcall(struct.unpack, 'dc0', struct.pack('d', 1e300)) and 1 or 0", 2, ":0\r\n");
    CHECK(f, "return pcall(struct.unpack, 'i', 'abcd', 2147483647) and 1 or 0", 2, ":0\r\n");
    CHECK(f, "local t = {} for i = 1, 5000 do t = {t} end return pcall(cjson.encode, t) and 1 or 0",
          2, ":0\r\n");
    CHECK(f, "local t = {1, nil, 'x'} return #cmsgpack.pack(t)", 2, ":6\r\n");
    CHECK(f, "local t = {} for i = 1, 3000 do t = {t} end return t", 2,
          run(f, "local t = {} for i = 1, 3000 do t = {t} end return t", 2));
}

static void test_a_library_registers_functions(void **state) {
    struct fixture *f = *state;
    struct script_functions functions = {.allocator = &f->allocator.base};
    struct slice code = SLICE_LITERAL(
        "redis.register_function('one', function(keys, args) return #keys + #args end) "
        "redis.register_function{function_name = 'two', flags = {'no-writes'}, "
        "callback = function() return redis.call('protocol') end, description = 'd'}");
    assert_int_equal(script_library_load(f->interpreter, code, &functions, &f->reply), LARDER_OK);
    assert_int_equal(functions.count, 2);
    assert_string_equal(functions.items[1].name, "two");
    assert_int_equal(functions.items[1].flags, SCRIPT_NO_WRITES);
    struct script_call call = {.name = "two", .is_function = true};
    assert_true(script_run(f->interpreter, functions.items[1].function, &call, &f->reply));
    assert_memory_equal(f->reply.data, ":2\r\n", 4);
    script_library_unload(f->interpreter, &functions);
    script_functions_finish(&functions);
    reply_clear(&f->reply);
    assert_int_equal(script_library_load(f->interpreter, SLICE_LITERAL("redis.call('x')"),
                                         &functions, &f->reply),
                     LARDER_INVALID);
    assert_int_equal(
        script_library_load(f->interpreter, SLICE_LITERAL("local x"), &functions, &f->reply),
        LARDER_INVALID);
    assert_int_equal(functions.count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_values_become_replies, create, destroy),
        cmocka_unit_test_setup_teardown(test_replies_become_values, create, destroy),
        cmocka_unit_test_setup_teardown(test_errors_say_where, create, destroy),
        cmocka_unit_test_setup_teardown(test_nothing_shared_can_be_changed, create, destroy),
        cmocka_unit_test_setup_teardown(test_there_is_no_way_out, create, destroy),
        cmocka_unit_test_setup_teardown(test_a_script_can_be_stopped_whatever_it_catches, create,
                                        destroy),
        cmocka_unit_test_setup_teardown(test_json_counts_as_memory_of_the_script, create, destroy),
        cmocka_unit_test_setup_teardown(test_memory_is_limited_and_comes_back, create, destroy),
        cmocka_unit_test_setup_teardown(test_a_script_is_forgotten_without_memory, create, destroy),
        cmocka_unit_test_setup_teardown(test_packing_survives_hostile_input, create, destroy),
        cmocka_unit_test_setup_teardown(test_a_library_registers_functions, create, destroy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
