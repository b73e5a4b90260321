/* SPDX-License-Identifier: BSD-3-Clause */
/* Bit commands: replies and error texts as clients know them, and loops over words checked against
 * loops over bits. */
#include "unit/commands/call_driver.h"

#include "commands/bits.h"

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
#define BAD_OFFSET   "-ERR bit offset is not an integer or out of range\r\n"

static void single_bits_are_set_and_read(void **state) {
    struct driver *d = *state;
    EXPECT(d, "SETBIT b 7 1", ":0\r\n");
    assert_true(d->changed);
    EXPECT(d, "SETBIT b 7 1", ":1\r\n");
    assert_false(d->changed);
    EXPECT(d, "SETBIT b 100 0", ":0\r\n");
    EXPECT(d, "STRLEN b", ":13\r\n");
    EXPECT(d, "GETBIT b 7", ":1\r\n");
    EXPECT(d, "GETBIT b 6", ":0\r\n");
    EXPECT(d, "GETBIT b 1000", ":0\r\n");
    EXPECT(d, "GETBIT none 1", ":0\r\n");
    EXPECT(d, "SET n 12", "+OK\r\n");
    EXPECT(d, "GETBIT n 2", ":1\r\n");
    EXPECT(d, "SETBIT n 6 1", ":0\r\n");
    EXPECT(d, "GET n", "$2\r\n32\r\n");
    EXPECT(d, "OBJECT ENCODING n", "$3\r\nraw\r\n");
}

static void bit_offsets_are_checked(void **state) {
    struct driver *d = *state;
    EXPECT(d, "SETBIT b -1 1", BAD_OFFSET);
    EXPECT(d, "SETBIT b abc 1", BAD_OFFSET);
    EXPECT(d, "SETBIT b 4294967296 1", BAD_OFFSET);
    EXPECT(d, "GETBIT b 4294967296", BAD_OFFSET);
    EXPECT(d, "SETBIT b 1 2", "-ERR bit is not an integer or out of range\r\n");
    EXPECT(d, "SETBIT b 1 x", "-ERR bit is not an integer or out of range\r\n");
    EXPECT(d, "EXISTS b", ":0\r\n");
}

static void bits_are_counted_in_ranges(void **state) {
    struct driver *d = *state;
    EXPECT(d, "SET k foobar", "+OK\r\n");
    EXPECT(d, "BITCOUNT k", ":26\r\n");
    EXPECT(d, "BITCOUNT k 0 0", ":4\r\n");
    EXPECT(d, "BITCOUNT k 1 1", ":6\r\n");
    EXPECT(d, "BITCOUNT k 1 1 BYTE", ":6\r\n");
    EXPECT(d, "BITCOUNT k 5 30 BIT", ":17\r\n");
    EXPECT(d, "BITCOUNT k -2 -1", ":7\r\n");
    EXPECT(d, "BITCOUNT k 4", ":7\r\n");
    EXPECT(d, "BITCOUNT k 3 1", ":0\r\n");
    EXPECT(d, "BITCOUNT k 0 1 FOO", SYNTAX_ERROR);
    EXPECT(d, "BITCOUNT k 0 1 BIT x", SYNTAX_ERROR);
    EXPECT(d, "BITCOUNT k a b", NOT_INTEGER);
    EXPECT(d, "BITCOUNT none a b", ":0\r\n");
}

static void the_first_bit_is_found(void **state) {
    struct driver *d = *state;
    EXPECT(d, "BITPOS none 1", ":-1\r\n");
    EXPECT(d, "BITPOS none 0", ":0\r\n");
    EXPECT(d, "SETBIT k 12 1", ":0\r\n");
    EXPECT(d, "BITPOS k 1", ":12\r\n");
    EXPECT(d, "BITPOS k 0", ":0\r\n");
    EXPECT(d, "BITPOS k 1 2", ":-1\r\n");
    EXPECT(d, "BITPOS k 1 0 -1 BIT", ":12\r\n");
    EXPECT(d, "BITPOS k 1 13 15 BIT", ":-1\r\n");
    EXPECT(d, "BITFIELD f SET i64 0 -1", "*1\r\n:0\r\n");
    EXPECT(d, "BITPOS f 0", ":64\r\n");
    EXPECT(d, "BITPOS f 0 2", ":64\r\n");
    EXPECT(d, "BITPOS f 0 2 -1", ":-1\r\n");
    EXPECT(d, "BITPOS f 1 -50 -76", ":0\r\n");
    EXPECT(d, "BITCOUNT f -50 -76", ":0\r\n");
    EXPECT(d, "BITPOS f 1 9223372036854775807", ":-1\r\n");
    EXPECT(d, "BITPOS k 2", "-ERR The bit argument must be 1 or 0.\r\n");
    EXPECT(d, "BITPOS k x", NOT_INTEGER);
    EXPECT(d, "BITPOS k 1 0 1 FOO", SYNTAX_ERROR);
    EXPECT(d, "BITPOS k 1 0 1 BIT FOO", SYNTAX_ERROR);
}

static void bitop_combines_strings_of_any_length(void **state) {
    struct driver *d = *state;
    EXPECT(d, "MSET a abcdef b xyz n 12", "+OK\r\n");
    EXPECT(d, "BITOP AND d a b", ":6\r\n");
    driver_run(d, "GET d");
    assert_memory_equal(d->line, "$6\r\n``b\0\0\0\r\n", 12);
    EXPECT(d, "BITOP OR d a b", ":6\r\n");
    EXPECT(d, "GET d", "$6\r\ny{{def\r\n");
    EXPECT(d, "BITOP XOR d a a", ":6\r\n");
    EXPECT(d, "BITCOUNT d", ":0\r\n");
    EXPECT(d, "BITOP NOT n n", ":2\r\n");
    EXPECT(d, "GET n", "$2\r\n\xce\xcd\r\n");
    EXPECT(d, "BITOP OR a a b", ":6\r\n");
    EXPECT(d, "GET a", "$6\r\ny{{def\r\n");
    EXPECT(d, "BITOP AND a none", ":0\r\n");
    EXPECT(d, "EXISTS a", ":0\r\n");
    EXPECT(d, "BITOP AND a none", ":0\r\n");
    assert_false(d->changed);
    EXPECT(d, "BITOP FOO d a", SYNTAX_ERROR);
    EXPECT(d, "BITOP NOT d a b", "-ERR BITOP NOT must be called with a single source key.\r\n");
}

static void bitop_of_large_strings_makes_a_large_string(void **state) {
    struct driver *d = *state;
    EXPECT(d, "SETBIT a 40000 1", ":0\r\n");
    EXPECT(d, "SETBIT b 30000 1", ":0\r\n");
    EXPECT(d, "BITOP OR d a b", ":5001\r\n");
    EXPECT(d, "BITCOUNT d", ":2\r\n");
    EXPECT(d, "BITOP NOT d a", ":5001\r\n");
    EXPECT(d, "BITCOUNT d", ":40007\r\n");
    EXPECT(d, "BITPOS d 0", ":40000\r\n");
}

static void bitfield_reads_writes_and_increments(void **state) {
    struct driver *d = *state;
    EXPECT(d, "BITFIELD b", "*0\r\n");
    EXPECT(d, "BITFIELD b GET u8 0 GET i5 100", "*2\r\n:0\r\n:0\r\n");
    EXPECT(d, "EXISTS b", ":0\r\n");
    EXPECT(d,
           "BITFIELD b SET u8 0 255 GET u8 0 INCRBY u8 0 10 OVERFLOW SAT INCRBY u8 0 300 "
           "OVERFLOW FAIL INCRBY u8 0 1",
           "*5\r\n:0\r\n:255\r\n:9\r\n:255\r\n$-1\r\n");
    EXPECT(d, "BITFIELD b SET u8 #1 65 SET i4 20 -3 GET i4 20 GET u4 20",
           "*4\r\n:0\r\n:0\r\n:-3\r\n:13\r\n");
    EXPECT(d, "BITFIELD b GET u16 0", "*1\r\n:65345\r\n");
    EXPECT(d, "BITFIELD s SET i64 3 -5 GET i64 3 INCRBY i64 3 -9223372036854775807",
           "*3\r\n:0\r\n:-5\r\n:9223372036854775804\r\n");
    EXPECT(d, "BITFIELD s OVERFLOW SAT INCRBY i64 3 100", "*1\r\n:9223372036854775807\r\n");
    EXPECT(d, "BITFIELD i SET i8 0 200 GET i8 0 OVERFLOW SAT SET i8 0 -200 GET i8 0",
           "*4\r\n:0\r\n:-56\r\n:-56\r\n:-128\r\n");
    EXPECT(d, "BITFIELD u OVERFLOW SAT SET u8 0 -1 GET u8 0", "*2\r\n:0\r\n:255\r\n");
    EXPECT(d, "BITFIELD w SET u63 1 9223372036854775807 INCRBY u63 1 1", "*2\r\n:0\r\n:0\r\n");
    EXPECT(d, "BITFIELD_RO b GET u8 0", "*1\r\n:255\r\n");
}

static void bitfield_makes_room_even_when_the_write_fails(void **state) {
    struct driver *d = *state;
    EXPECT(d, "BITFIELD k OVERFLOW FAIL INCRBY u2 0 5", "*1\r\n$-1\r\n");
    EXPECT(d, "STRLEN k", ":1\r\n");
    EXPECT(d, "BITFIELD k OVERFLOW FAIL INCRBY u2 0 5", "*1\r\n$-1\r\n");
    assert_false(d->changed);
}

static void bitfield_checks_the_whole_program_first(void **state) {
    struct driver *d = *state;
    static const char BAD_TYPE[] = "-ERR Invalid bitfield type. Use something like i16 u8. Note "
                                   "that u64 is not supported but i64 is.\r\n";
    EXPECT(d, "BITFIELD b SET u8 0 1 GET u64 0", BAD_TYPE);
    EXPECT(d, "BITFIELD b GET i65 0", BAD_TYPE);
    EXPECT(d, "BITFIELD b GET u0 0", BAD_TYPE);
    EXPECT(d, "BITFIELD b GET x8 0", BAD_TYPE);
    EXPECT(d, "BITFIELD b SET u8 0 1 GET u8 x", BAD_OFFSET);
    EXPECT(d, "BITFIELD b GET u8 #-1", BAD_OFFSET);
    EXPECT(d, "BITFIELD b GET u8 #4611686018427387904", BAD_OFFSET);
    EXPECT(d, "BITFIELD b SET u8 0 x", NOT_INTEGER);
    EXPECT(d, "BITFIELD b OVERFLOW foo", "-ERR Invalid OVERFLOW type specified\r\n");
    EXPECT(d, "BITFIELD b GET u8", SYNTAX_ERROR);
    EXPECT(d, "BITFIELD b SET u8 0 1 FOO", SYNTAX_ERROR);
    EXPECT(d, "BITFIELD_RO b GET u8 0 SET u8 0 1",
           "-ERR BITFIELD_RO only supports the GET subcommand\r\n");
    EXPECT(d, "EXISTS b", ":0\r\n");
}

enum { RANDOM_BYTES = 700 };

static void counting_and_finding_agree_with_a_loop_over_bits(void **state) {
    (void)state;
    struct random random = random_seeded(3);
    uint8_t data[RANDOM_BYTES];
    for (unsigned round = 0; round < 600; round++) {
        uint64_t size = 1 + random_below(&random, RANDOM_BYTES);
        uint8_t fill = random_below(&random, 2) == 0 ? 0 : 0xff;
        for (size_t i = 0; i < size; i++)
            data[i] = random_below(&random, 90) == 0 ? (uint8_t)random_next(&random) : fill;
        struct slice bytes = slice_of(data, size);
        uint64_t first = random_below(&random, size * 8);
        uint64_t last = first + random_below(&random, size * 8 - first);
        uint64_t count = 0;
        int64_t found[2] = {-1, -1};
        for (uint64_t bit = first; bit <= last; bit++) {
            unsigned value = data[bit / 8] >> (7 - bit % 8) & 1;
            count += value;
            if (found[value] < 0)
                found[value] = (int64_t)bit;
        }
        assert_int_equal(bits_count_range(bytes, first, last), count);
        assert_int_equal(bits_find(bytes, 0, first, last), found[0]);
        assert_int_equal(bits_find(bytes, 1, first, last), found[1]);
    }
}

static void a_field_stored_is_loaded_and_leaves_its_neighbours(void **state) {
    (void)state;
    struct random random = random_seeded(4);
    uint8_t data[32], before[32];
    for (unsigned round = 0; round < 20000; round++) {
        for (size_t i = 0; i < sizeof(data); i++)
            data[i] = (uint8_t)random_next(&random);
        memcpy(before, data, sizeof(data));
        unsigned width = 1 + (unsigned)random_below(&random, 64);
        uint64_t bit = random_below(&random, sizeof(data) * 8 - width + 1);
        uint64_t value = random_next(&random);
        bits_store(data, bit, width, value);
        for (uint64_t i = 0; i < sizeof(data) * 8; i++) {
            unsigned now = bits_get(slice_of(data, sizeof(data)), i);
            bool is_inside = i >= bit && i < bit + width;
            unsigned expected = is_inside ? value >> (bit + width - 1 - i) & 1
                                          : bits_get(slice_of(before, sizeof(before)), i);
            assert_int_equal(now, expected);
        }
        uint64_t mask = width == 64 ? UINT64_MAX : ((uint64_t)1 << width) - 1;
        assert_int_equal(bits_load(slice_of(data, sizeof(data)), bit, width), value & mask);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(single_bits_are_set_and_read),
        TEST(bit_offsets_are_checked),
        TEST(bits_are_counted_in_ranges),
        TEST(the_first_bit_is_found),
        TEST(bitop_combines_strings_of_any_length),
        TEST(bitop_of_large_strings_makes_a_large_string),
        TEST(bitfield_reads_writes_and_increments),
        TEST(bitfield_makes_room_even_when_the_write_fails),
        TEST(bitfield_checks_the_whole_program_first),
        cmocka_unit_test(counting_and_finding_agree_with_a_loop_over_bits),
        cmocka_unit_test(a_field_stored_is_loaded_and_leaves_its_neighbours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
