/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on hyperloglogs: replies, errors, events, and that the bytes are a string's. */
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

#define WRONG_TYPE "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
#define NOT_ONE    "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"
#define CORRUPT    "-INVALIDOBJ Corrupted HLL object detected\r\n"

static void elements_are_counted_once(void **state) {
    struct driver *d = *state;
    EXPECT(d, "PFADD h a b c", ":1\r\n");
    EXPECT(d, "PFADD h a", ":0\r\n");
    assert_false(d->changed);
    EXPECT(d, "PFCOUNT h", ":3\r\n");
    assert_true(d->changed);
    EXPECT(d, "PFCOUNT h", ":3\r\n");
    assert_false(d->changed);
    EXPECT(d, "PFADD h d", ":1\r\n");
    EXPECT(d, "PFCOUNT h", ":4\r\n");
    EXPECT(d, "PFADD e", ":1\r\n");
    EXPECT(d, "PFADD e", ":0\r\n");
    EXPECT(d, "PFCOUNT e", ":0\r\n");
    EXPECT(d, "PFCOUNT none", ":0\r\n");
    EXPECT(d, "STRLEN e", ":18\r\n");
    EXPECT(d, "OBJECT ENCODING e", "$3\r\nraw\r\n");
    EXPECT(d, "PFDEBUG DECODE h",
           "$57\r\nZ:7292 v:1,1 Z:1143 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603\r\n");
}

static void a_dense_one_counts_the_same(void **state) {
    struct driver *d = *state;
    EXPECT(d, "PFADD h a b c", ":1\r\n");
    EXPECT(d, "PFDEBUG ENCODING h", "+sparse\r\n");
    EXPECT(d, "PFDEBUG TODENSE h", ":1\r\n");
    EXPECT(d, "PFDEBUG TODENSE h", ":0\r\n");
    EXPECT(d, "PFDEBUG ENCODING h", "+dense\r\n");
    EXPECT(d, "STRLEN h", ":12304\r\n");
    EXPECT(d, "PFDEBUG DECODE h", "-ERR HLL encoding is not sparse\r\n");
    EXPECT(d, "PFADD h a", ":0\r\n");
    EXPECT(d, "PFCOUNT h", ":3\r\n");
    EXPECT(d, "PFADD h x", ":1\r\n");
    EXPECT(d, "PFCOUNT h", ":4\r\n");
    EXPECT(d, "PEXPIRE h 5000", ":1\r\n");
    EXPECT(d, "PFADD h y", ":1\r\n");
    EXPECT(d, "PTTL h", ":5000\r\n");
}

static void many_elements_make_it_dense(void **state) {
    struct driver *d = *state;
    char line[64];
    for (unsigned i = 0; i < 3000; i++) {
        sprintf(line, "PFADD h element%u", i);
        (void)driver_run(d, line);
        assert_int_equal(d->status, LARDER_OK);
    }
    EXPECT(d, "PFDEBUG ENCODING h", "+dense\r\n");
    atomic_store(&d->keyspace.limits.hyperloglog_sparse_bytes, 19);
    EXPECT(d, "PFADD small a", ":1\r\n");
    EXPECT(d, "PFDEBUG ENCODING small", "+dense\r\n");
}

static void registers_are_shown(void **state) {
    struct driver *d = *state;
    EXPECT(d, "PFADD h a", ":1\r\n");
    size_t count = driver_split(d, "PFDEBUG GETREG h");
    reply_clear(&d->reply);
    assert_int_equal(driver_call(d, d->words, count), LARDER_OK);
    assert_memory_equal(d->reply.data, "*16384\r\n:0\r\n", 12);
    assert_true(d->changed);
    reply_clear(&d->reply);
    EXPECT(d, "PFDEBUG ENCODING h", "+dense\r\n");
    EXPECT(d, "PFDEBUG FOO h", "-ERR Unknown PFDEBUG subcommand 'FOO'\r\n");
    EXPECT(d, "PFDEBUG FOO none", "-ERR The specified key does not exist\r\n");
    EXPECT(d, "PFSELFTEST", "+OK\r\n");
}

static void several_are_merged(void **state) {
    struct driver *d = *state;
    EXPECT(d, "PFADD a 1 2 3", ":1\r\n");
    EXPECT(d, "PFADD b 3 4 5", ":1\r\n");
    EXPECT(d, "PFCOUNT a b none", ":5\r\n");
    EXPECT(d, "PFMERGE c a b none", "+OK\r\n");
    EXPECT(d, "PFCOUNT c", ":5\r\n");
    EXPECT(d, "PFDEBUG ENCODING c", "+sparse\r\n");
    EXPECT(d, "PFMERGE a c", "+OK\r\n");
    EXPECT(d, "PFCOUNT a", ":5\r\n");
    EXPECT(d, "PFDEBUG TODENSE b", ":1\r\n");
    EXPECT(d, "PFMERGE a b", "+OK\r\n");
    EXPECT(d, "PFDEBUG ENCODING a", "+dense\r\n");
    EXPECT(d, "PFCOUNT a", ":5\r\n");
    EXPECT(d, "PFMERGE new", "+OK\r\n");
    EXPECT(d, "PFCOUNT new", ":0\r\n");
}

static void what_is_none_is_refused(void **state) {
    struct driver *d = *state;
    EXPECT(d, "SET s abc", "+OK\r\n");
    EXPECT(d, "SET i 12", "+OK\r\n");
    EXPECT(d, "RPUSH l a", ":1\r\n");
    EXPECT(d, "PFADD h a", ":1\r\n");
    EXPECT(d, "PFADD s a", NOT_ONE);
    EXPECT(d, "PFCOUNT i", NOT_ONE);
    EXPECT(d, "PFCOUNT h s", NOT_ONE);
    EXPECT(d, "PFMERGE h s", NOT_ONE);
    EXPECT(d, "PFMERGE s h", NOT_ONE);
    EXPECT(d, "PFDEBUG ENCODING i", NOT_ONE);
    EXPECT(d, "PFADD l a", WRONG_TYPE);
    EXPECT(d, "PFCOUNT l", WRONG_TYPE);
    EXPECT(d, "PFMERGE h l", WRONG_TYPE);
    EXPECT(d, "PFDEBUG DECODE l", WRONG_TYPE);
    EXPECT(d, "SETRANGE h 16 \"\x7f\x7f\"", ":21\r\n");
    EXPECT(d, "PFCOUNT h", CORRUPT);
    EXPECT(d, "PFMERGE x h", CORRUPT);
    EXPECT(d, "PFDEBUG GETREG h", CORRUPT);
    EXPECT(d, "PFDEBUG TODENSE h", CORRUPT);
    EXPECT(d, "EXISTS x", ":0\r\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(elements_are_counted_once),   TEST(a_dense_one_counts_the_same),
        TEST(many_elements_make_it_dense), TEST(registers_are_shown),
        TEST(several_are_merged),          TEST(what_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
