/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on keys of any type: replies and error texts as clients know them. */
#include "unit/commands/call_driver.h"

static int set_up(void **state) {
    struct driver *d = malloc(sizeof(*d));
    driver_init(d, 1);
    *state = d;
    return 0;
}

static int tear_down(void **state) {
    driver_finish(*state);
    free(*state);
    return 0;
}

#define SYNTAX_ERROR "-ERR syntax error\r\n"
#define NOT_INTEGER  "-ERR value is not an integer or out of range\r\n"
#define SAME_OBJECT  "-ERR source and destination objects are the same\r\n"
#define BAD_DATABASE "-ERR DB index is out of range\r\n"

static void keys_are_deleted_counted_and_named(void **state) {
    struct driver *d = *state;
    EXPECT(d, "MSET a 1 b two c 3", "+OK\r\n");
    EXPECT(d, "EXISTS a b none a", ":3\r\n");
    EXPECT(d, "TOUCH a b none", ":2\r\n");
    EXPECT(d, "TYPE a", "+string\r\n");
    EXPECT(d, "TYPE none", "+none\r\n");
    EXPECT(d, "DEL a none a", ":1\r\n");
    assert_true(d->changed);
    EXPECT(d, "UNLINK b c", ":2\r\n");
    EXPECT(d, "DEL a", ":0\r\n");
    assert_false(d->changed);
    assert_int_equal(driver_key_count(d), 0);
}

static void an_expired_key_counts_nowhere(void **state) {
    struct driver *d = *state;
    EXPECT(d, "SET k v PX 5", "+OK\r\n");
    d->thread.now_ms += 6;
    EXPECT(d, "EXISTS k", ":0\r\n");
    EXPECT(d, "TYPE k", "+none\r\n");
    EXPECT(d, "TTL k", ":-2\r\n");
    EXPECT(d, "TOUCH k", ":0\r\n");
    EXPECT(d, "OBJECT ENCODING k", "$-1\r\n");
    EXPECT(d, "PERSIST k", ":0\r\n");
    assert_int_equal(d->thread.counters.expired_keys, 1);
    EXPECT(d, "DEL k", ":0\r\n");
}

static void lifetimes_are_given_and_told(void **state) {
    struct driver *d = *state;
    EXPECT(d, "TTL k", ":-2\r\n");
    EXPECT(d, "EXPIRE k 10", ":0\r\n");
    EXPECT(d, "SET k v", "+OK\r\n");
    EXPECT(d, "PTTL k", ":-1\r\n");
    EXPECT(d, "EXPIRETIME k", ":-1\r\n");
    EXPECT(d, "EXPIRE k 10", ":1\r\n");
    EXPECT(d, "TTL k", ":10\r\n");
    EXPECT(d, "EXPIRETIME k", ":1010\r\n");
    EXPECT(d, "PEXPIRETIME k", ":1010000\r\n");
    EXPECT(d, "PEXPIRE k 1499", ":1\r\n");
    EXPECT(d, "TTL k", ":1\r\n");
    EXPECT(d, "PEXPIRE k 1500", ":1\r\n");
    EXPECT(d, "TTL k", ":2\r\n");
    EXPECT(d, "EXPIREAT k 3000", ":1\r\n");
    EXPECT(d, "PEXPIRETIME k", ":3000000\r\n");
    EXPECT(d, "PEXPIREAT k 3000007", ":1\r\n");
    EXPECT(d, "PEXPIRETIME k", ":3000007\r\n");
    EXPECT(d, "PERSIST k", ":1\r\n");
    EXPECT(d, "PERSIST k", ":0\r\n");
    EXPECT(d, "TTL k", ":-1\r\n");
}

static void a_lifetime_that_is_over_deletes_the_key(void **state) {
    struct driver *d = *state;
    static const char *const LINES[] = {"EXPIRE k 0", "PEXPIRE k -5", "EXPIREAT k 1",
                                        "PEXPIREAT k 0", "EXPIRE k -9223372036854775"};
    for (size_t i = 0; i < sizeof(LINES) / sizeof(*LINES); i++) {
        EXPECT(d, "SET k v", "+OK\r\n");
        EXPECT(d, LINES[i], ":1\r\n");
        assert_int_equal(driver_key_count(d), 0);
    }
}

static void expire_obeys_its_conditions(void **state) {
    struct driver *d = *state;
    EXPECT(d, "SET k v", "+OK\r\n");
    EXPECT(d, "EXPIRE k 10 XX", ":0\r\n");
    EXPECT(d, "EXPIRE k 10 GT", ":0\r\n");
    EXPECT(d, "EXPIRE k 10 XX GT", ":0\r\n");
    EXPECT(d, "EXPIRE k 100 LT", ":1\r\n");
    EXPECT(d, "EXPIRE k 100 NX", ":0\r\n");
    EXPECT(d, "EXPIRE k 200 LT", ":0\r\n");
    EXPECT(d, "EXPIRE k 200 GT", ":1\r\n");
    EXPECT(d, "EXPIRE k 200 GT", ":0\r\n");
    EXPECT(d, "EXPIRE k 100 XX LT", ":1\r\n");
    EXPECT(d, "TTL k", ":100\r\n");
    EXPECT(d, "PERSIST k", ":1\r\n");
    EXPECT(d, "EXPIRE k 10 nx", ":1\r\n");
}

static void expire_checks_its_arguments(void **state) {
    struct driver *d = *state;
    EXPECT(d, "EXPIRE none abc", NOT_INTEGER);
    EXPECT(d, "EXPIRE none abc FOO", "-ERR Unsupported option FOO\r\n");
    EXPECT(d, "EXPIRE k 10 NX GT",
           "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n");
    EXPECT(d, "EXPIRE k 10 GT LT",
           "-ERR GT and LT options at the same time are not compatible\r\n");
    EXPECT(d, "EXPIRE k 9223372036854775807", "-ERR invalid expire time in 'expire' command\r\n");
    EXPECT(d, "PEXPIRE k 9223372036854775807", "-ERR invalid expire time in 'pexpire' command\r\n");
    EXPECT(d, "EXPIRE k -9223372036854775808", "-ERR invalid expire time in 'expire' command\r\n");
}

static void rename_moves_value_and_lifetime(void **state) {
    struct driver *d = *state;
    EXPECT(d, "RENAME none x", "-ERR no such key\r\n");
    EXPECT(d, "RENAMENX none x", "-ERR no such key\r\n");
    EXPECT(d, "RENAME none none", "-ERR no such key\r\n");
    EXPECT(d, "SET a 1 EX 100", "+OK\r\n");
    EXPECT(d, "SET b longer EX 7", "+OK\r\n");
    EXPECT(d, "RENAME a a", "+OK\r\n");
    EXPECT(d, "RENAMENX a a", ":0\r\n");
    EXPECT(d, "RENAMENX a b", ":0\r\n");
    EXPECT(d, "RENAME a b", "+OK\r\n");
    EXPECT(d, "MGET a b", "*2\r\n$-1\r\n$1\r\n1\r\n");
    EXPECT(d, "TTL b", ":100\r\n");
    EXPECT(d, "PERSIST b", ":1\r\n");
    EXPECT(d, "RENAMENX b c", ":1\r\n");
    EXPECT(d, "TTL c", ":-1\r\n");
    assert_int_equal(driver_key_count(d), 1);
}

static void copy_leaves_the_source(void **state) {
    struct driver *d = *state;
    EXPECT(d, "COPY none x", ":0\r\n");
    EXPECT(d, "SET a v EX 100", "+OK\r\n");
    EXPECT(d, "COPY a a", SAME_OBJECT);
    EXPECT(d, "COPY a a DB 0", SAME_OBJECT);
    EXPECT(d, "COPY none none", SAME_OBJECT);
    EXPECT(d, "COPY a b DB 99", BAD_DATABASE);
    EXPECT(d, "COPY a b DB -1", BAD_DATABASE);
    EXPECT(d, "COPY a b DB abc", NOT_INTEGER);
    EXPECT(d, "COPY a b DB", SYNTAX_ERROR);
    EXPECT(d, "COPY a b FOO", SYNTAX_ERROR);
    EXPECT(d, "COPY a b", ":1\r\n");
    EXPECT(d, "TTL b", ":100\r\n");
    EXPECT(d, "SET a w", "+OK\r\n");
    EXPECT(d, "COPY a b", ":0\r\n");
    EXPECT(d, "GET b", "$1\r\nv\r\n");
    EXPECT(d, "COPY a b REPLACE", ":1\r\n");
    EXPECT(d, "GET b", "$1\r\nw\r\n");
    EXPECT(d, "TTL b", ":-1\r\n");
    EXPECT(d, "COPY a a DB 1", ":1\r\n");
    d->database = 1;
    EXPECT(d, "GET a", "$1\r\nw\r\n");
    EXPECT(d, "EXISTS b", ":0\r\n");
}

static void copies_of_a_large_value_change_apart(void **state) {
    struct driver *d = *state;
    EXPECT(d, "SETRANGE a 4999 x", ":5000\r\n");
    EXPECT(d, "COPY a b", ":1\r\n");
    EXPECT(d, "COPY a b REPLACE", ":1\r\n");
    EXPECT(d, "SETRANGE b 0 y", ":5000\r\n");
    EXPECT(d, "BITCOUNT a", ":4\r\n");
    EXPECT(d, "BITCOUNT b", ":9\r\n");
    EXPECT(d, "RENAME b a", "+OK\r\n");
    EXPECT(d, "APPEND a z", ":5001\r\n");
    EXPECT(d, "BITCOUNT a", ":14\r\n");
}

static void move_takes_the_key_to_another_database(void **state) {
    struct driver *d = *state;
    EXPECT(d, "MOVE a 0", SAME_OBJECT);
    EXPECT(d, "MOVE a 99", BAD_DATABASE);
    EXPECT(d, "MOVE a abc", NOT_INTEGER);
    EXPECT(d, "MOVE a 1", ":0\r\n");
    EXPECT(d, "SET a v EX 100", "+OK\r\n");
    EXPECT(d, "MOVE a 1", ":1\r\n");
    EXPECT(d, "EXISTS a", ":0\r\n");
    EXPECT(d, "SET a w", "+OK\r\n");
    EXPECT(d, "MOVE a 1", ":0\r\n");
    d->database = 1;
    EXPECT(d, "GET a", "$1\r\nv\r\n");
    EXPECT(d, "TTL a", ":100\r\n");
    d->thread.now_ms += 200000;
    d->database = 0;
    EXPECT(d, "MOVE a 1", ":1\r\n");
    d->database = 1;
    EXPECT(d, "GET a", "$1\r\nw\r\n");
}

static void object_tells_encodings_as_clients_know_them(void **state) {
    struct driver *d = *state;
    EXPECT(d, "OBJECT ENCODING none", "$-1\r\n");
    EXPECT(d, "SET k 17", "+OK\r\n");
    EXPECT(d, "OBJECT ENCODING k", "$3\r\nint\r\n");
    EXPECT(d, "OBJECT REFCOUNT k", ":2147483647\r\n");
    EXPECT(d, "SET k 10000", "+OK\r\n");
    EXPECT(d, "OBJECT REFCOUNT k", ":1\r\n");
    EXPECT(d, "SET k 017", "+OK\r\n");
    EXPECT(d, "OBJECT ENCODING k", "$6\r\nembstr\r\n");
    EXPECT(d, "SET k 12345678901234567890123456789012345678901234", "+OK\r\n");
    EXPECT(d, "OBJECT ENCODING k", "$6\r\nembstr\r\n");
    EXPECT(d, "SET k 123456789012345678901234567890123456789012345", "+OK\r\n");
    EXPECT(d, "OBJECT ENCODING k", "$3\r\nraw\r\n");
}

static void object_follows_the_eviction_policy(void **state) {
    struct driver *d = *state;
    static const char NO_FREQUENCY[] =
        "-ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note "
        "that when switching between policies at runtime LRU and LFU data will take some time to "
        "adjust.\r\n";
    static const char NO_IDLE_TIME[] =
        "-ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when "
        "switching between policies at runtime LRU and LFU data will take some time to "
        "adjust.\r\n";
    EXPECT(d, "SET k v", "+OK\r\n");
    EXPECT(d, "OBJECT FREQ k", NO_FREQUENCY);
    EXPECT(d, "OBJECT FREQ none", "$-1\r\n");
    atomic_store(&d->keyspace.policy, EVICTION_ALLKEYS_LRU);
    EXPECT(d, "SET k 5", "+OK\r\n");
    d->thread.now_ms += 30000;
    EXPECT(d, "OBJECT IDLETIME k", ":30\r\n");
    EXPECT(d, "OBJECT REFCOUNT k", ":1\r\n");
    d->flags = CALL_NO_TOUCH;
    EXPECT(d, "GET k", "$1\r\n5\r\n");
    EXPECT(d, "OBJECT IDLETIME k", ":30\r\n");
    EXPECT(d, "TOUCH k", ":1\r\n");
    EXPECT(d, "OBJECT IDLETIME k", ":0\r\n");
    d->flags = 0;
    atomic_store(&d->keyspace.policy, EVICTION_ALLKEYS_LFU);
    EXPECT(d, "SET f v", "+OK\r\n");
    EXPECT(d, "OBJECT FREQ f", ":5\r\n");
    EXPECT(d, "GET f", "$1\r\nv\r\n");
    EXPECT(d, "OBJECT FREQ f", ":6\r\n");
    EXPECT(d, "OBJECT IDLETIME f", NO_IDLE_TIME);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(keys_are_deleted_counted_and_named),
        TEST(an_expired_key_counts_nowhere),
        TEST(lifetimes_are_given_and_told),
        TEST(a_lifetime_that_is_over_deletes_the_key),
        TEST(expire_obeys_its_conditions),
        TEST(expire_checks_its_arguments),
        TEST(rename_moves_value_and_lifetime),
        TEST(copy_leaves_the_source),
        TEST(copies_of_a_large_value_change_apart),
        TEST(move_takes_the_key_to_another_database),
        TEST(object_tells_encodings_as_clients_know_them),
        TEST(object_follows_the_eviction_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
