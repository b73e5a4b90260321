/* SPDX-License-Identifier: BSD-3-Clause */
/* DUMP and RESTORE: values go out and come back, damaged payloads are refused, memory may run out
 * anywhere. Payloads of other programs: tests/fuzz/restore/corpus and tests/e2e/test_dump.py. */
#include "base/crc64.h"
#include "commands/dump.h"
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

#define BAD_DATA   "-ERR Bad data format\r\n"
#define BAD_FOOTER "-ERR DUMP payload version or checksum are wrong\r\n"

/* One of each kind, with what each kind has to remember. */
static const char *const KEYS[] = {"text", "number", "list", "integers", "set", "zset", "stream"};
enum { KEY_COUNT = sizeof(KEYS) / sizeof(*KEYS), PAYLOAD_MAX = 4096 };

static void prepare(struct driver *d) {
    static const char *const LINES[] = {
        "SET text hello",
        "SET number -70000",
        "RPUSH list a 1 -5 4096 9999999999 \"\" a",
        "SADD integers 1 2 70000",
        "SADD set a b 17",
        "ZADD zset 1 a 2.5 b -inf c inf 9 0.1 d",
        "XADD stream 1-1 name v n2 5",
        "XADD stream 1-2 name w n2 -500",
        "XADD stream 3-0 other w",
        "XADD stream 4-0 other 12345678",
        "XDEL stream 4-0",
        "XGROUP CREATE stream g 0",
        "XGROUP CREATE stream empty 1-2",
        "XREADGROUP GROUP g c COUNT 2 STREAMS stream >",
        "XGROUP CREATECONSUMER stream empty idle",
    };
    for (size_t i = 0; i < sizeof(LINES) / sizeof(*LINES); i++)
        assert_true(driver_run(d, LINES[i])[0] != '-');
}

static size_t dump(struct driver *d, const char *key, uint8_t *out) {
    struct slice words[] = {SLICE_LITERAL("DUMP"), slice_of_string(key)};
    reply_clear(&d->reply);
    assert_int_equal(driver_call(d, words, 2), LARDER_OK);
    assert_int_equal(d->reply.data[0], '$');
    size_t size = (size_t)strtoul((const char *)d->reply.data + 1, NULL, 10);
    assert_true(size >= DUMP_FOOTER_BYTES && size < PAYLOAD_MAX);
    const uint8_t *text = memchr(d->reply.data, '\n', d->reply.used);
    memcpy(out, text + 1, size);
    return size;
}

static const char *restore(struct driver *d, const char *key, struct slice payload) {
    struct slice words[] = {SLICE_LITERAL("RESTORE"), slice_of_string(key), SLICE_LITERAL("0"),
                            payload, SLICE_LITERAL("REPLACE")};
    reply_clear(&d->reply);
    (void)driver_fill(d);
    assert_int_equal(driver_call(d, words, 5), LARDER_OK);
    return driver_reply_text(d);
}

static void sign(uint8_t *payload, size_t size) {
    uint64_t checksum = crc64(0, slice_of(payload, size - 8));
    memcpy(payload + size - 8, &checksum, sizeof(checksum));
}

static void the_checksum_is_that_of_its_specification(void **state) {
    (void)state;
    assert_true(crc64(0, SLICE_LITERAL("123456789")) == UINT64_C(0xe9c6d914c4b8d9ca));
    assert_true(crc64(crc64(0, SLICE_LITERAL("1234")), SLICE_LITERAL("56789")) ==
                UINT64_C(0xe9c6d914c4b8d9ca));
}

static void a_restored_value_is_the_dumped_one(void **state) {
    struct driver *d = *state;
    uint8_t payload[PAYLOAD_MAX], again[PAYLOAD_MAX];
    prepare(d);
    char *before = driver_image(d, KEYS, KEY_COUNT, 1);
    for (size_t i = 0; i < KEY_COUNT; i++) {
        size_t size = dump(d, KEYS[i], payload);
        assert_string_equal(restore(d, KEYS[i], slice_of(payload, size)), "+OK\r\n");
        assert_int_equal(dump(d, KEYS[i], again), size);
    }
    char *after = driver_image(d, KEYS, KEY_COUNT, 1);
    assert_string_equal(before, after);
    free(before);
    free(after);
    EXPECT(d, "DUMP none", "$-1\r\n");
}

/* Every payload cut off anywhere, or with any byte changed, has the right checksum here: it gives
 * a value or is refused, and neither leaks nor reads beyond its end. */
static void damaged_payloads_are_refused_or_some_value(void **state) {
    struct driver *d = *state;
    uint8_t payload[PAYLOAD_MAX];
    prepare(d);
    unsigned refused = 0;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        size_t size = dump(d, KEYS[i], payload);
        for (size_t body = 0; body + DUMP_FOOTER_BYTES < size; body++) {
            uint8_t *cut = malloc(body + DUMP_FOOTER_BYTES);
            memcpy(cut, payload, body);
            memcpy(cut + body, "\x0a\x00", 2);
            sign(cut, body + DUMP_FOOTER_BYTES);
            const char *reply = restore(d, "x", slice_of(cut, body + DUMP_FOOTER_BYTES));
            assert_string_equal(reply, BAD_DATA);
            free(cut);
        }
        for (size_t at = 0; at + DUMP_FOOTER_BYTES < size; at++) {
            static const uint8_t CHANGES[] = {0x01, 0x02, 0x10, 0x80, 0xff, 0xc0};
            for (size_t k = 0; k < sizeof(CHANGES); k++) {
                payload[at] ^= CHANGES[k];
                sign(payload, size);
                const char *reply = restore(d, "x", slice_of(payload, size));
                assert_true(strcmp(reply, "+OK\r\n") == 0 || strcmp(reply, BAD_DATA) == 0);
                refused += reply[0] == '-';
                payload[at] ^= CHANGES[k];
            }
        }
    }
    assert_true(refused > 100);
}

static void the_footer_is_checked(void **state) {
    struct driver *d = *state;
    uint8_t payload[PAYLOAD_MAX];
    EXPECT(d, "SET text hello", "+OK\r\n");
    size_t size = dump(d, "text", payload);
    assert_string_equal(restore(d, "x", slice_of(payload, size)), "+OK\r\n");
    assert_string_equal(restore(d, "x", slice_of(payload, 9)), BAD_FOOTER);
    payload[size - 1] ^= 1;
    assert_string_equal(restore(d, "x", slice_of(payload, size)), BAD_FOOTER);
    payload[size - DUMP_FOOTER_BYTES] = 12;
    sign(payload, size);
    assert_string_equal(restore(d, "x", slice_of(payload, size)), BAD_FOOTER);
    payload[size - DUMP_FOOTER_BYTES] = 80;
    sign(payload, size);
    assert_string_equal(restore(d, "x", slice_of(payload, size)), "+OK\r\n");
}

static void options_and_their_errors(void **state) {
    struct driver *d = *state;
    EXPECT(d, "SET k v", "+OK\r\n");
    EXPECT(d, "RESTORE k 0 x", "-BUSYKEY Target key name already exists.\r\n");
    EXPECT(d, "RESTORE n 0 x", BAD_FOOTER);
    EXPECT(d, "RESTORE n x x", "-ERR value is not an integer or out of range\r\n");
    EXPECT(d, "RESTORE n -1 x", "-ERR Invalid TTL value, must be >= 0\r\n");
    EXPECT(d, "RESTORE n 0 x WHAT", "-ERR syntax error\r\n");
    EXPECT(d, "RESTORE n 0 x IDLETIME", "-ERR syntax error\r\n");
    EXPECT(d, "RESTORE n 0 x IDLETIME 1 FREQ 1", "-ERR syntax error\r\n");
    EXPECT(d, "RESTORE n 0 x IDLETIME -1", "-ERR Invalid IDLETIME value, must be >= 0\r\n");
    EXPECT(d, "RESTORE n 0 x FREQ 256", "-ERR Invalid FREQ value, must be >= 0 and <= 255\r\n");
    uint8_t payload[PAYLOAD_MAX];
    struct slice words[] = {SLICE_LITERAL("RESTORE"), SLICE_LITERAL("k"),
                            SLICE_LITERAL("5000"),    {0},
                            SLICE_LITERAL("REPLACE"), SLICE_LITERAL("ABSTTL")};
    words[3] = slice_of(payload, dump(d, "k", payload));
    reply_clear(&d->reply);
    assert_int_equal(driver_call(d, words, 5), LARDER_OK);
    EXPECT(d, "PTTL k", ":5000\r\n");
    reply_clear(&d->reply);
    assert_int_equal(driver_call(d, words, 6), LARDER_OK);
    assert_string_equal(driver_reply_text(d), "+OK\r\n");
    EXPECT(d, "EXISTS k", ":0\r\n");
}

static void no_refused_allocation_leaves_anything(void **state) {
    struct driver *d = *state;
    uint8_t payload[PAYLOAD_MAX];
    prepare(d);
    for (size_t i = 0; i < KEY_COUNT; i++) {
        size_t size = dump(d, KEYS[i], payload);
        struct slice bytes = slice_of(payload, size);
        int64_t held_bytes = d->held_bytes;
        enum larder_status status = LARDER_NO_MEMORY;
        for (int64_t n = 0; status != LARDER_OK; n++) {
            struct dump_content content;
            d->allocations_left = n;
            status = dump_read(bytes, &d->keyspace.objects, &content);
            d->allocations_left = -1;
            assert_true(status == LARDER_OK || status == LARDER_NO_MEMORY);
            if (status == LARDER_OK) {
                object_destroy(content.object, &d->allocator);
                dump_content_finish(&content, &d->allocator);
            }
            assert_int_equal(d->held_bytes, held_bytes);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checksum_is_that_of_its_specification),
        cmocka_unit_test_setup_teardown(a_restored_value_is_the_dumped_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_payloads_are_refused_or_some_value, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_footer_is_checked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(options_and_their_errors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_refused_allocation_leaves_anything, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
