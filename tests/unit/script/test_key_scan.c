/* SPDX-License-Identifier: BSD-3-Clause */
/* Which scripts are seen to touch their declared keys only. */
#include "script/key_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check(const char *const *scripts, size_t count, bool expected) {
    for (size_t i = 0; i < count; i++)
        if (key_scan_is_declared(slice_of_string(scripts[i])) != expected)
            fail_msg("%s: not %s", scripts[i], expected ? "declared" : "undeclared");
}

#define CHECK(scripts, expected) check(scripts, sizeof(scripts) / sizeof(*(scripts)), expected)

static void test_elements_of_keys_are_declared(void **state) {
    (void)state;
    static const char *const SCRIPTS[] = {
        "return 1",
        "return redis.call('get', KEYS[1])",
        "return redis.call(\"GET\",KEYS[#KEYS])",
        "return server.pcall('set', KEYS[1], ARGV[1], 'PX', ARGV[2])",
        "if redis.call('get',KEYS[1]) == ARGV[1] then return redis.call('del',KEYS[1]) end",
        "for i=1,#KEYS do redis.call('incr', KEYS[i]) end",
        "for i, key in ipairs(KEYS) do redis.call('incr', key) end",
        "local key = KEYS[1] return redis.call('hset', key, 'f', key)",
        "local a, b, c = KEYS[1], KEYS[2], KEYS[3] redis.call('del', a, b, c)",
        "local call = redis.call\nreturn call('zadd', KEYS[1], 1, 'm')",
        "return redis.call('mget', unpack(KEYS))",
        "return redis.call('del', KEYS[1], unpack(KEYS))",
        "return redis.call('set', KEYS[1], redis.call('get', KEYS[2]))",
        "return redis.call('mset', KEYS[1], 'v', KEYS[2], ARGV[1])",
        "redis.call('publish', 'c', 'm') return redis.call('time')",
        "redis.log(redis.LOG_WARNING, 'x') return redis.error_reply('X y')",
        "return redis.call('object', 'encoding', KEYS[1])",
        "-- redis.call('get', 'x')\nreturn 'KEYS = 1'",
        "--[[ redis.call('get', 'x') ]] return [[redis.call('get', 'x')]]",
        "return redis.call('sadd', KEYS[1], unpack(ARGV))",
        "return table.concat(KEYS, ',')",
        "return redis.call('nosuchcommand', 'x')",
    };
    CHECK(SCRIPTS, true);
}

static void test_the_scripts_of_a_lock_and_of_a_cache_are_declared(void **state) {
    (void)state;
    static const char *const SCRIPTS[] = {
        "local token = redis.call('get', KEYS[1])\n"
        "if not token or token ~= ARGV[1] then return 0 end\n"
        "local expiration = redis.call('pttl', KEYS[1])\n"
        "if not expiration then expiration = 0 end\n"
        "if expiration < 0 then return 0 end\n"
        "local newttl = ARGV[2]\n"
        "if ARGV[3] == \"0\" then newttl = ARGV[2] + expiration end\n"
        "redis.call('pexpire', KEYS[1], newttl)\nreturn 1",
        "local exists = redis.call('EXISTS', KEYS[1])\n"
        "if exists == 1 then return redis.call('INCRBY', KEYS[1], ARGV[1]) else return false end",
    };
    CHECK(SCRIPTS, true);
}

static void test_what_is_not_understood_is_not_declared(void **state) {
    (void)state;
    static const char *const SCRIPTS[] = {
        "return redis.call('get', 'x')",
        "return redis.call('get', ARGV[1])",
        "return redis.call('get', KEYS[1] .. 'x')",
        "return redis.call('get', (KEYS[1]))",
        "return redis.call(ARGV[1], KEYS[1])",
        "return redis.call('g' .. 'et', KEYS[1])",
        "return redis.call('\\103et', 'x')",
        "return redis.call('mget', KEYS[1], 'x')",
        "return redis.call('mget', KEYS[1], f())",
        "return redis.call('mset', unpack(KEYS))",
        "return redis.call(unpack(ARGV))",
        "return redis.call('get', f())",
        "KEYS[1] = 'x' return redis.call('get', KEYS[1])",
        "local x x, KEYS[1] = 1, 'x' return redis.call('get', KEYS[1])",
        "local x KEYS[1], x = 'x', 1 return redis.call('get', KEYS[1])",
        "KEYS = {'x'} return redis.call('get', KEYS[1])",
        "local KEYS = {'x'} return redis.call('get', KEYS[1])",
        "local t = KEYS t[1] = 'x' return redis.call('get', KEYS[1])",
        "local f, t = ipairs(KEYS) t[1] = 'x' return redis.call('get', KEYS[1])",
        "table.insert(KEYS, 1, 'x') return redis.call('get', KEYS[1])",
        "local k = KEYS[1] k = 'x' return redis.call('get', k)",
        "local k = KEYS[1] local a k, a = 'x', 1 return redis.call('get', k)",
        "local k = KEYS[1] local a a, k = 1, 'x' return redis.call('get', k)",
        "local k = KEYS[1] return (function(k) return redis.call('get', k) end)('x')",
        "local k = KEYS[1] for k = 1, 2 do redis.call('get', k) end",
        "local k = KEYS[1] .. 'x' return redis.call('get', k)",
        "local k = KEYS[redis.call('get', 'x')] return redis.call('get', k)",
        "local r = redis return r.call('get', 'x')",
        "return redis['call']('get', 'x')",
        "local c = redis.call c = tostring return c('get', 'x')",
        "return pcall(redis.call, 'get', 'x')",
        "return _G.redis.call('get', 'x')",
        "return loadstring(\"return redis.call('get', 'x')\")()",
        "local function unpack(t) return 'x' end return redis.call('get', unpack(KEYS))",
        "local redis = {call = function() end} return 1",
        "return redis.call('scan', 0)",
        "return redis.call('keys', '*')",
        "return redis.call('flushall')",
        "return redis.call('sort', KEYS[1])",
        "return redis.call('zunionstore', KEYS[1], 1, KEYS[2])",
        "return redis.call 'randomkey'",
        "return redis.call('get', KEYS[1]",
        "return 'unfinished",
    };
    CHECK(SCRIPTS, false);
}

static void test_a_hostile_text_takes_bounded_time(void **state) {
    (void)state;
    enum { SIZE = 1 << 20 };
    static const char *const PIECES[] = {
        "redis.call('get',", "KEYS[", "local a=KEYS[1] ", "a,", "[=", "--[["};
    char *text = malloc(SIZE + 32);
    assert_non_null(text);
    for (size_t i = 0; i < sizeof(PIECES) / sizeof(*PIECES); i++) {
        size_t size = 0;
        while (size < SIZE) {
            memcpy(text + size, PIECES[i], strlen(PIECES[i]));
            size += strlen(PIECES[i]);
        }
        (void)key_scan_is_declared(slice_of(text, size));
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elements_of_keys_are_declared),
        cmocka_unit_test(test_the_scripts_of_a_lock_and_of_a_cache_are_declared),
        cmocka_unit_test(test_what_is_not_understood_is_not_declared),
        cmocka_unit_test(test_a_hostile_text_takes_bounded_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
