/* SPDX-License-Identifier: BSD-3-Clause */
/* String commands: replies and error texts as clients know them. */
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
#define NOT_FLOAT    "-ERR value is not a valid float\r\n"
#define TOO_LARGE    "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"

static void get_returns_what_set_stored(void **state) {
    struct driver *d = *state;
    EXPECT(d, "GET k", "$-1\r\n");
    EXPECT(d, "SET k v", "+OK\r\n");
    assert_true(d->changed);
    EXPECT(d, "GET k", "$1\r\nv\r\n");
    assert_false(d->changed);
    EXPECT(d, "SET k 12345", "+OK\r\n");
    EXPECT(d, "GET k", "$5\r\n12345\r\n");
    EXPECT(d, "SET k \"\"", "+OK\r\n");
    EXPECT(d, "GET k", "$0\r\n\r\n");
    EXPECT(d, "SET \"\" empty", "+OK\r\n");
    EXPECT(d, "GET \"\"", "$5\r\nempty\r\n");
    d->reply.protocol = 3;
    EXPECT(d, "GET none", "_\r\n");
}

static void get_counts_hits_and_misses(void **state) {
    struct driver *d = *state;
    EXPECT(d, "SET k v", "+OK\r\n");
    EXPECT(d, "GET k", "$1\r\nv\r\n");
    EXPECT(d, "GET none", "$-1\r\n");
    EXPECT(d, "EXISTS k none k", ":2\r\n");
    assert_int_equal(d->thread.counters.hits, 3);
    assert_int_equal(d->thread.counters.misses, 2);
}

static void a_database_does_not_see_the_keys_of_another(void **state) {
    struct driver *d = *state;
    EXPECT(d, "SET k zero", "+OK\r\n");
    d->database = 3;
    EXPECT(d, "GET k", "$-1\r\n");
    EXPECT(d, "SET k three", "+OK\r\n");
    d->database = 0;
    EXPECT(d, "GET k", "$4\r\nzero\r\n");
}

static void set_refuses_options_that_exclude_each_other(void **state) {
    struct driver *d = *state;
    EXPECT(d, "SET k v NX XX", SYNTAX_ERROR);
    EXPECT(d, "SET k v EX 10 PX 10", SYNTAX_ERROR);
    EXPECT(d, "SET k v KEEPTTL EX 10", SYNTAX_ERROR);
    EXPECT(d, "SET k v PERSIST", SYNTAX_ERROR);
    EXPECT(d, "SET k v IFEQ a NX", SYNTAX_ERROR);
    EXPECT(d, "SET k v XX IFEQ a", SYNTAX_ERROR);
    EXPECT(d, "SET k v EX", SYNTAX_ERROR);
    EXPECT(d, "SET k v FOO", SYNTAX_ERROR);
    EXPECT(d, "GET k", "$-1\r\n");
}

static void set_checks_its_lifetime(void **state) {
    struct driver *d = *state;
    EXPECT(d, "SET k v EX 0", "-ERR invalid expire time in 'set' command\r\n");
    EXPECT(d, "SET k v PX -1", "-ERR invalid expire time in 'set' command\r\n");
    EXPECT(d, "SET k v EX abc", NOT_INTEGER);
    EXPECT(d, "SET k v EX 9223372036854775807", "-ERR invalid expire time in 'set' command\r\n");
    EXPECT(d, "SET k v PX 9223372036854775807", "-ERR invalid expire time in 'set' command\r\n");
    EXPECT(d, "SETEX k 0 v", "-ERR invalid expire time in 'setex' command\r\n");
    EXPECT(d, "PSETEX k -1 v", "-ERR invalid expire time in 'psetex' command\r\n");
    EXPECT(d, "SETEX k abc v", NOT_INTEGER);
    EXPECT(d, "EXISTS k", ":0\r\n");
}

static void set_gives_a_lifetime_in_every_unit(void **state) {
    struct driver *d = *state;
    EXPECT(d, "SET k v EX 10", "+OK\r\n");
    EXPECT(d, "PTTL k", ":10000\r\n");
    EXPECT(d, "SET k v PX 1500", "+OK\r\n");
    EXPECT(d, "PTTL k", ":1500\r\n");
    EXPECT(d, "SET k v EXAT 2000", "+OK\r\n");
    EXPECT(d, "PEXPIRETIME k", ":2000000\r\n");
    EXPECT(d, "SET k v PXAT 2000001", "+OK\r\n");
    EXPECT(d, "PEXPIRETIME k", ":2000001\r\n");
    EXPECT(d, "SET k w KEEPTTL", "+OK\r\n");
    EXPECT(d, "PEXPIRETIME k", ":2000001\r\n");
    EXPECT(d, "SET k w EX 10 EX 20", "+OK\r\n");
    EXPECT(d, "TTL k", ":20\r\n");
    EXPECT(d, "SETEX k 7 v", "+OK\r\n");
    EXPECT(d, "TTL k", ":7\r\n");
    EXPECT(d, "PSETEX k 700 v", "+OK\r\n");
    EXPECT(d, "PTTL k", ":700\r\n");
    EXPECT(d, "SET k v", "+OK\r\n");
    EXPECT(d, "TTL k", ":-1\r\n");
}

static void set_with_a_time_that_is_over_leaves_no_key(void **state) {
    struct driver *d = *state;
    EXPECT(d, "SET k v", "+OK\r\n");
    EXPECT(d, "SET k w PXAT 1", "+OK\r\n");
    EXPECT(d, "EXISTS k", ":0\r\n");
    assert_int_equal(driver_key_count(d), 0);
}

static void set_obeys_its_conditions(void **state) {
    struct driver *d = *state;
    EXPECT(d, "SET k v XX", "$-1\r\n");
    EXPECT(d, "SET k v NX", "+OK\r\n");
    EXPECT(d, "SET k w NX", "$-1\r\n");
    assert_false(d->changed);
    EXPECT(d, "SET k w XX", "+OK\r\n");
    EXPECT(d, "SET k x IFEQ v", "$-1\r\n");
    EXPECT(d, "SET k x IFEQ w", "+OK\r\n");
    EXPECT(d, "SET none x IFEQ w", "$-1\r\n");
    EXPECT(d, "SET k y GET", "$1\r\nx\r\n");
    EXPECT(d, "SET k z NX GET", "$1\r\ny\r\n");
    EXPECT(d, "SET k z IFEQ x GET", "$1\r\ny\r\n");
    EXPECT(d, "GET k", "$1\r\ny\r\n");
    EXPECT(d, "SET new v GET", "$-1\r\n");
    EXPECT(d, "GET new", "$1\r\nv\r\n");
    EXPECT(d, "SETNX k v", ":0\r\n");
    EXPECT(d, "SETNX k2 v", ":1\r\n");
    EXPECT(d, "GETSET k v2", "$1\r\ny\r\n");
    EXPECT(d, "GETSET k3 v3", "$-1\r\n");
    EXPECT(d, "GET k3", "$2\r\nv3\r\n");
}

static void an_expired_key_is_a_miss_and_a_write_deletes_it(void **state) {
    struct driver *d = *state;
    EXPECT(d, "SET k v PX 10", "+OK\r\n");
    d->thread.now_ms += 10;
    EXPECT(d, "GET k", "$1\r\nv\r\n");
    d->thread.now_ms += 1;
    effects_clear(&d->effects);
    EXPECT(d, "GET k", "$-1\r\n");
    assert_int_equal(d->effects.used, 0);
    assert_int_equal(driver_key_count(d), 1);
    EXPECT(d, "INCR k", ":1\r\n");
    EXPECT(d, "TTL k", ":-1\r\n");
    assert_int_equal(d->thread.counters.expired_keys, 1);
    struct effect_reader reader;
    struct effect_part part;
    struct slice arguments[4];
    effect_reader_init(&reader, slice_of(d->effects.data, d->effects.used));
    assert_int_equal(effect_reader_next(&reader, &part, arguments, 4), LARDER_OK);
    assert_int_equal(part.command, COMMAND_DEL);
    assert_int_equal(effect_reader_next(&reader, &part, arguments, 4), LARDER_OK);
    assert_int_equal(part.command, COMMAND_INCR);
}

static void getex_changes_the_lifetime(void **state) {
    struct driver *d = *state;
    EXPECT(d, "GETEX none EX abc", "$-1\r\n");
    EXPECT(d, "GETEX none EX", SYNTAX_ERROR);
    EXPECT(d, "SET k 12", "+OK\r\n");
    EXPECT(d, "GETEX k EX 0", "-ERR invalid expire time in 'getex' command\r\n");
    EXPECT(d, "GETEX k KEEPTTL", SYNTAX_ERROR);
    EXPECT(d, "GETEX k NX", SYNTAX_ERROR);
    EXPECT(d, "GETEX k PERSIST EX 10", SYNTAX_ERROR);
    EXPECT(d, "GETEX k", "$2\r\n12\r\n");
    EXPECT(d, "TTL k", ":-1\r\n");
    EXPECT(d, "GETEX k EX 10", "$2\r\n12\r\n");
    EXPECT(d, "TTL k", ":10\r\n");
    EXPECT(d, "GETEX k PERSIST", "$2\r\n12\r\n");
    assert_true(d->changed);
    EXPECT(d, "TTL k", ":-1\r\n");
    EXPECT(d, "GETEX k PERSIST", "$2\r\n12\r\n");
    assert_false(d->changed);
    EXPECT(d, "GETEX k PXAT 1", "$2\r\n12\r\n");
    EXPECT(d, "EXISTS k", ":0\r\n");
}

static void getdel_and_delifeq_let_go_of_the_key(void **state) {
    struct driver *d = *state;
    EXPECT(d, "GETDEL k", "$-1\r\n");
    EXPECT(d, "SET k v", "+OK\r\n");
    EXPECT(d, "GETDEL k", "$1\r\nv\r\n");
    EXPECT(d, "EXISTS k", ":0\r\n");
    EXPECT(d, "SET k 17", "+OK\r\n");
    EXPECT(d, "DELIFEQ k 18", ":0\r\n");
    EXPECT(d, "DELIFEQ k 17", ":1\r\n");
    EXPECT(d, "DELIFEQ k 17", ":0\r\n");
}

static void several_keys_are_read_and_written_at_once(void **state) {
    struct driver *d = *state;
    EXPECT(d, "MSET a 1 b", "-ERR wrong number of arguments for 'mset' command\r\n");
    EXPECT(d, "MSETNX a 1 b", "-ERR wrong number of arguments for 'msetnx' command\r\n");
    EXPECT(d, "MSET a 1 b two", "+OK\r\n");
    EXPECT(d, "MGET a none b", "*3\r\n$1\r\n1\r\n$-1\r\n$3\r\ntwo\r\n");
    EXPECT(d, "MSETNX c 3 a 4", ":0\r\n");
    EXPECT(d, "GET c", "$-1\r\n");
    EXPECT(d, "MSETNX c 3 d 4", ":1\r\n");
    EXPECT(d, "MSET e 1 e 2", "+OK\r\n");
    EXPECT(d, "GET e", "$1\r\n2\r\n");
    EXPECT(d, "SET a 1 EX 100", "+OK\r\n");
    EXPECT(d, "MSET a 1", "+OK\r\n");
    EXPECT(d, "TTL a", ":-1\r\n");
}

static void append_and_setrange_edit_the_string(void **state) {
    struct driver *d = *state;
    EXPECT(d, "APPEND k 12", ":2\r\n");
    EXPECT(d, "OBJECT ENCODING k", "$3\r\nint\r\n");
    EXPECT(d, "APPEND k ab", ":4\r\n");
    EXPECT(d, "OBJECT ENCODING k", "$3\r\nraw\r\n");
    EXPECT(d, "GET k", "$4\r\n12ab\r\n");
    EXPECT(d, "STRLEN k", ":4\r\n");
    EXPECT(d, "STRLEN none", ":0\r\n");
    EXPECT(d, "SETRANGE k 2 XYZ", ":5\r\n");
    EXPECT(d, "GET k", "$5\r\n12XYZ\r\n");
    EXPECT(d, "SETRANGE k 0 \"\"", ":5\r\n");
    EXPECT(d, "SETRANGE none 5 \"\"", ":0\r\n");
    EXPECT(d, "EXISTS none", ":0\r\n");
    EXPECT(d, "SETRANGE k -1 v", "-ERR offset is out of range\r\n");
    EXPECT(d, "SETRANGE k abc v", NOT_INTEGER);
    EXPECT(d, "SETRANGE k 536870912 v", TOO_LARGE);
    EXPECT(d, "SETRANGE k 9223372036854775807 vvvv", TOO_LARGE);
    EXPECT(d, "SETRANGE n 3 x", ":4\r\n");
    driver_run(d, "GET n");
    assert_memory_equal(d->line, "$4\r\n\0\0\0x\r\n", 10);
    d->max_value_bytes = 6;
    EXPECT(d, "APPEND k ab", TOO_LARGE);
    EXPECT(d, "APPEND k a", ":6\r\n");
    EXPECT(d, "SET k v EX 100", "+OK\r\n");
    EXPECT(d, "APPEND k w", ":2\r\n");
    EXPECT(d, "TTL k", ":100\r\n");
}

static void getrange_counts_from_both_ends(void **state) {
    struct driver *d = *state;
    EXPECT(d, "SET k \"This is a string\"", "+OK\r\n");
    EXPECT(d, "GETRANGE k 0 3", "$4\r\nThis\r\n");
    EXPECT(d, "GETRANGE k -3 -1", "$3\r\ning\r\n");
    EXPECT(d, "GETRANGE k 0 -1", "$16\r\nThis is a string\r\n");
    EXPECT(d, "GETRANGE k 10 100", "$6\r\nstring\r\n");
    EXPECT(d, "GETRANGE k -100 3", "$4\r\nThis\r\n");
    EXPECT(d, "GETRANGE k -3 -5", "$0\r\n\r\n");
    EXPECT(d, "GETRANGE k 20 30", "$0\r\n\r\n");
    EXPECT(d, "GETRANGE k 0 -100", "$1\r\nT\r\n");
    EXPECT(d, "GETRANGE none 0 a", NOT_INTEGER);
    EXPECT(d, "GETRANGE none 0 1", "$0\r\n\r\n");
    EXPECT(d, "SUBSTR k 5 6", "$2\r\nis\r\n");
}

static void integers_are_exact_to_their_limits(void **state) {
    struct driver *d = *state;
    EXPECT(d, "INCR k", ":1\r\n");
    EXPECT(d, "DECRBY k 11", ":-10\r\n");
    EXPECT(d, "DECR k", ":-11\r\n");
    EXPECT(d, "INCRBY k 9223372036854775807", ":9223372036854775796\r\n");
    EXPECT(d, "INCRBY k 12", "-ERR increment or decrement would overflow\r\n");
    EXPECT(d, "INCRBY k 11", ":9223372036854775807\r\n");
    EXPECT(d, "INCR k", "-ERR increment or decrement would overflow\r\n");
    EXPECT(d, "DECRBY k -9223372036854775808", "-ERR decrement would overflow\r\n");
    EXPECT(d, "INCRBY k abc", NOT_INTEGER);
    EXPECT(d, "SET s abc", "+OK\r\n");
    EXPECT(d, "INCR s", NOT_INTEGER);
    EXPECT(d, "SET s 10 EX 50", "+OK\r\n");
    EXPECT(d, "INCR s", ":11\r\n");
    EXPECT(d, "TTL s", ":50\r\n");
    EXPECT(d, "DEL t", ":0\r\n");
    EXPECT(d, "SETRANGE t 0 41", ":2\r\n");
    EXPECT(d, "INCR t", ":42\r\n");
}

static void floats_are_added_and_written_plainly(void **state) {
    struct driver *d = *state;
    EXPECT(d, "SET k 10.50", "+OK\r\n");
    EXPECT(d, "INCRBYFLOAT k 0.1", "$4\r\n10.6\r\n");
    EXPECT(d, "SET k 5.0e3", "+OK\r\n");
    EXPECT(d, "INCRBYFLOAT k 2.0e2", "$4\r\n5200\r\n");
    EXPECT(d, "INCRBYFLOAT k -5200", "$1\r\n0\r\n");
    EXPECT(d, "OBJECT ENCODING k", "$6\r\nembstr\r\n");
    EXPECT(d, "INCR k", ":1\r\n");
    EXPECT(d, "INCRBYFLOAT k abc", NOT_FLOAT);
    EXPECT(d, "INCRBYFLOAT k nan", NOT_FLOAT);
    EXPECT(d, "INCRBYFLOAT k \" 1\"", NOT_FLOAT);
    EXPECT(d, "INCRBYFLOAT k \"1 \"", NOT_FLOAT);
    EXPECT(d, "INCRBYFLOAT k \"\"", NOT_FLOAT);
    EXPECT(d, "INCRBYFLOAT k inf", "-ERR increment would produce NaN or Infinity\r\n");
    EXPECT(d, "SET k 0x10", "+OK\r\n");
    EXPECT(d, "INCRBYFLOAT k 0.1", "$4\r\n16.1\r\n");
}

static void a_float_of_thousands_of_digits_fits(void **state) {
    struct driver *d = *state;
    char first[DRIVER_LINE_MAX];
    strcpy(first, driver_run(d, "INCRBYFLOAT big 1e4900"));
    assert_memory_equal(first, "$4901\r\n1000000000000000000", 26);
    EXPECT(d, "GET big", first);
    EXPECT(d, "STRLEN big", ":4901\r\n");
}

static void lcs_finds_string_length_and_ranges(void **state) {
    struct driver *d = *state;
    EXPECT(d, "MSET x ohmytext y mynewtext", "+OK\r\n");
    EXPECT(d, "LCS x y", "$6\r\nmytext\r\n");
    EXPECT(d, "LCS x y LEN", ":6\r\n");
    EXPECT(d, "LCS x y IDX",
           "*4\r\n$7\r\nmatches\r\n*2\r\n"
           "*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n"
           "*2\r\n*2\r\n:2\r\n:3\r\n*2\r\n:0\r\n:1\r\n"
           "$3\r\nlen\r\n:6\r\n");
    EXPECT(d, "LCS x y IDX MINMATCHLEN 4 WITHMATCHLEN",
           "*4\r\n$7\r\nmatches\r\n*1\r\n"
           "*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n"
           "$3\r\nlen\r\n:6\r\n");
    EXPECT(d, "LCS none y IDX", "*4\r\n$7\r\nmatches\r\n*0\r\n$3\r\nlen\r\n:0\r\n");
    EXPECT(d, "LCS none y", "$0\r\n\r\n");
    EXPECT(d, "LCS x x", "$8\r\nohmytext\r\n");
    EXPECT(d, "LCS x y LEN IDX",
           "-ERR If you want both the length and indexes, please just use IDX.\r\n");
    EXPECT(d, "LCS x y FOO", SYNTAX_ERROR);
    EXPECT(d, "LCS x y MINMATCHLEN", SYNTAX_ERROR);
    EXPECT(d, "LCS x y MINMATCHLEN q", NOT_INTEGER);
    d->max_value_bytes = 100;
    EXPECT(d, "LCS x y",
           "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len\r\n");
}

/* A line "verb key <size bytes>". */
static const char *large_line(char *line, const char *verb, char byte, size_t size) {
    size_t at = strlen(verb);
    memcpy(line, verb, at);
    line[at++] = ' ';
    memset(line + at, byte, size);
    line[at + size] = '\0';
    return line;
}

static void large_values_live_in_blobs_and_grow_there(void **state) {
    struct driver *d = *state;
    char line[8192], value[8192];
    for (unsigned uses_blobs = 0; uses_blobs < 2; uses_blobs++) {
        d->uses_blobs = uses_blobs != 0;
        EXPECT(d, large_line(line, "SET k", 'a', 3000), "+OK\r\n");
        EXPECT(d, "STRLEN k", ":3000\r\n");
        EXPECT(d, "APPEND k b", ":3001\r\n");
        EXPECT(d, "APPEND k c", ":3002\r\n");
        EXPECT(d, "SETRANGE k 3001 xyz", ":3004\r\n");
        EXPECT(d, "GETRANGE k 2998 -1", "$6\r\naabxyz\r\n");
        EXPECT(d, "SETRANGE k 0 q", ":3004\r\n");
        EXPECT(d, "GETRANGE k 0 1", "$2\r\nqa\r\n");
        EXPECT(d, "OBJECT ENCODING k", "$3\r\nraw\r\n");
        strcpy(value, driver_run(d, "GET k"));
        assert_int_equal(strlen(value), 7 + 3004 + 2);
        EXPECT(d, "SET k small GET", value);
        EXPECT(d, large_line(line, "APPEND k", 'z', 3000), ":3005\r\n");
        EXPECT(d, large_line(line, "MSET j 1 k", 'z', 4000), "+OK\r\n");
        EXPECT(d, "STRLEN k", ":4000\r\n");
        EXPECT(d, "DEL k j", ":2\r\n");
    }
}

static void a_reply_keeps_the_value_it_refers_to(void **state) {
    struct driver *d = *state;
    enum { SIZE = 100000 };
    struct blob *blob = blob_create(&ALLOCATOR_SYSTEM, SIZE);
    memset(blob->data, 'a', SIZE);
    blob->size = SIZE;
    struct slice argv[] = {SLICE_LITERAL("SET"), SLICE_LITERAL("k"), blob_slice(blob)};
    assert_int_equal(driver_call(d, argv, 3), LARDER_OK);
    blob_release(blob);
    reply_clear(&d->reply);
    struct slice get[] = {SLICE_LITERAL("GET"), SLICE_LITERAL("k")};
    struct slice append[] = {SLICE_LITERAL("SETRANGE"), SLICE_LITERAL("k"), SLICE_LITERAL("0"),
                             SLICE_LITERAL("b")};
    assert_int_equal(driver_call(d, get, 2), LARDER_OK);
    assert_int_equal(d->reply.reference_count, 1);
    assert_int_equal(driver_call(d, append, 4), LARDER_OK);
    assert_int_equal(d->reply.references[0].blob->data[0], 'a');
    EXPECT(d, "GETRANGE k 0 1", "$2\r\nba\r\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(get_returns_what_set_stored),
        TEST(get_counts_hits_and_misses),
        TEST(a_database_does_not_see_the_keys_of_another),
        TEST(set_refuses_options_that_exclude_each_other),
        TEST(set_checks_its_lifetime),
        TEST(set_gives_a_lifetime_in_every_unit),
        TEST(set_with_a_time_that_is_over_leaves_no_key),
        TEST(set_obeys_its_conditions),
        TEST(an_expired_key_is_a_miss_and_a_write_deletes_it),
        TEST(getex_changes_the_lifetime),
        TEST(getdel_and_delifeq_let_go_of_the_key),
        TEST(several_keys_are_read_and_written_at_once),
        TEST(append_and_setrange_edit_the_string),
        TEST(getrange_counts_from_both_ends),
        TEST(integers_are_exact_to_their_limits),
        TEST(floats_are_added_and_written_plainly),
        TEST(a_float_of_thousands_of_digits_fits),
        TEST(lcs_finds_string_length_and_ranges),
        TEST(large_values_live_in_blobs_and_grow_there),
        TEST(a_reply_keeps_the_value_it_refers_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
