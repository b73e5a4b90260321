/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on hashes: replies, encodings, effects. */
#include "store/expiry.h"
#include "unit/commands/call_driver.h"

static struct driver *create(void) {
    struct driver *d = malloc(sizeof(*d));
    driver_init(d, 3);
    return d;
}

static void destroy(struct driver *d) {
    driver_finish(d);
    free(d);
}

static void fields_are_set_and_read(void **state) {
    (void)state;
    struct driver *d = create();
    EXPECT(d, "HSET h a 1 b two a 3", ":2\r\n");
    EXPECT(d, "HSET h a 4 c 5", ":1\r\n");
    EXPECT(d, "HGET h a", "$1\r\n4\r\n");
    EXPECT(d, "HGET h x", "$-1\r\n");
    EXPECT(d, "HGET none x", "$-1\r\n");
    EXPECT(d, "HMGET h c x b", "*3\r\n$1\r\n5\r\n$-1\r\n$3\r\ntwo\r\n");
    EXPECT(d, "HGETALL h",
           "*6\r\n$1\r\na\r\n$1\r\n4\r\n$1\r\nb\r\n$3\r\ntwo\r\n$1\r\nc\r\n$1\r\n5\r\n");
    EXPECT(d, "HKEYS h", "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n");
    EXPECT(d, "HVALS h", "*3\r\n$1\r\n4\r\n$3\r\ntwo\r\n$1\r\n5\r\n");
    EXPECT(d, "HLEN h", ":3\r\n");
    EXPECT(d, "HSTRLEN h b", ":3\r\n");
    EXPECT(d, "HEXISTS h b", ":1\r\n");
    EXPECT(d, "HSETNX h b x", ":0\r\n");
    EXPECT(d, "HSETNX h d x", ":1\r\n");
    EXPECT(d, "HMSET h e 1", "+OK\r\n");
    EXPECT(d, "HSET h e", "-ERR wrong number of arguments for 'hset' command\r\n");
    EXPECT(d, "HSET h e 1 f", "-ERR wrong number of arguments for 'hset' command\r\n");
    d->reply.protocol = 3;
    EXPECT(d, "HSET j a 1", ":1\r\n");
    EXPECT(d, "HGETALL j", "%1\r\n$1\r\na\r\n$1\r\n1\r\n");
    EXPECT(d, "HRANDFIELD j 1 WITHVALUES", "*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n");
    destroy(d);
}

static void removing_the_last_field_removes_the_key(void **state) {
    (void)state;
    struct driver *d = create();
    EXPECT(d, "HSET h a 1 b 2", ":2\r\n");
    EXPECT(d, "HDEL h a x a", ":1\r\n");
    EXPECT(d, "EXISTS h", ":1\r\n");
    EXPECT(d, "HDEL h b", ":1\r\n");
    EXPECT(d, "EXISTS h", ":0\r\n");
    EXPECT(d, "HDEL h b", ":0\r\n");
    destroy(d);
}

static void numbers_are_added(void **state) {
    (void)state;
    struct driver *d = create();
    EXPECT(d, "HINCRBY h a 5", ":5\r\n");
    EXPECT(d, "HINCRBY h a -7", ":-2\r\n");
    EXPECT(d, "HINCRBYFLOAT h a 2.25", "$4\r\n0.25\r\n");
    EXPECT(d, "HINCRBY h a 1", "-ERR hash value is not an integer\r\n");
    EXPECT(d, "HINCRBY h b x", "-ERR value is not an integer or out of range\r\n");
    EXPECT(d, "HSET h b text m 9223372036854775807", ":2\r\n");
    EXPECT(d, "HINCRBYFLOAT h b 1", "-ERR hash value is not a float\r\n");
    EXPECT(d, "HINCRBY h m 1", "-ERR increment or decrement would overflow\r\n");
    EXPECT(d, "HINCRBYFLOAT none b x", "-ERR value is not a valid float\r\n");
    EXPECT(d, "EXISTS none", ":0\r\n");
    destroy(d);
}

static void it_is_packed_up_to_the_limits(void **state) {
    (void)state;
    struct driver *d = create();
    atomic_store(&d->keyspace.limits.hash_entries, 3);
    EXPECT(d, "HSET h a 1 b 2 c 3", ":3\r\n");
    EXPECT(d, "HSET h a 4 b 5 c 6 a 7", ":0\r\n");
    EXPECT(d, "OBJECT ENCODING h", "$8\r\nlistpack\r\n");
    EXPECT(d, "HSET h d 4", ":1\r\n");
    EXPECT(d, "OBJECT ENCODING h", "$9\r\nhashtable\r\n");
    EXPECT(d, "HMGET h a b c d", "*4\r\n$1\r\n7\r\n$1\r\n5\r\n$1\r\n6\r\n$1\r\n4\r\n");
    atomic_store(&d->keyspace.limits.hash_value_bytes, 5);
    EXPECT(d, "HSET j a 12345", ":1\r\n");
    EXPECT(d, "OBJECT ENCODING j", "$8\r\nlistpack\r\n");
    EXPECT(d, "HSET j a 123456", ":0\r\n");
    EXPECT(d, "OBJECT ENCODING j", "$9\r\nhashtable\r\n");
    EXPECT(d, "HGET j a", "$6\r\n123456\r\n");
    destroy(d);
}

static void a_scan_shows_all_pairs(void **state) {
    (void)state;
    struct driver *d = create();
    EXPECT(d, "HSET h a 1 bb 2", ":2\r\n");
    EXPECT(d, "HSCAN h 0", "*2\r\n$1\r\n0\r\n*4\r\n$1\r\na\r\n$1\r\n1\r\n$2\r\nbb\r\n$1\r\n2\r\n");
    EXPECT(d, "HSCAN h 0 NOVALUES MATCH b*", "*2\r\n$1\r\n0\r\n*1\r\n$2\r\nbb\r\n");
    EXPECT(d, "HSCAN none 0", "*2\r\n$1\r\n0\r\n*0\r\n");
    EXPECT(d, "HSCAN h x", "-ERR invalid cursor\r\n");
    EXPECT(d, "HRANDFIELD h 2", "*2\r\n$1\r\na\r\n$2\r\nbb\r\n");
    EXPECT(d, "HRANDFIELD h 0", "*0\r\n");
    EXPECT(d, "HRANDFIELD none", "$-1\r\n");
    EXPECT(d, "HRANDFIELD h 1 FOO", "-ERR syntax error\r\n");
    destroy(d);
}

static void another_type_is_refused(void **state) {
    (void)state;
    static const char *const LINES[] = {
        "HSET s a 1",    "HGET s a", "HGETALL s",    "HDEL s a",  "HLEN s",       "HSCAN s 0",
        "HINCRBY s a 1", "HKEYS s",  "HSETNX s a 1", "HMGET s a", "HRANDFIELD s", "HEXISTS s a"};
    struct driver *d = create();
    EXPECT(d, "SET s text", "+OK\r\n");
    for (size_t i = 0; i < sizeof(LINES) / sizeof(*LINES); i++)
        EXPECT(d, LINES[i],
               "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
    destroy(d);
}

static void fields_expire(void **state) {
    (void)state;
    struct driver *d = create();
    EXPECT(d, "HSET h a 1 b 2 c 3", ":3\r\n");
    EXPECT(d, "HEXPIRE h 10 FIELDS 3 a b x", "*3\r\n:1\r\n:1\r\n:-2\r\n");
    EXPECT(d, "OBJECT ENCODING h", "$9\r\nhashtable\r\n");
    EXPECT(d, "HPEXPIRE h 20000 GT FIELDS 2 b c", "*2\r\n:1\r\n:0\r\n");
    EXPECT(d, "HPTTL h FIELDS 4 a b c x", "*4\r\n:10000\r\n:20000\r\n:-1\r\n:-2\r\n");
    d->thread.now_ms += 10001;
    EXPECT(d, "HGET h a", "$-1\r\n");
    EXPECT(d, "HLEN h", ":2\r\n");
    EXPECT(d, "HEXISTS h a", ":0\r\n");
    EXPECT(d, "HINCRBY h a 5", ":5\r\n");
    EXPECT(d, "HTTL h FIELDS 2 a b", "*2\r\n:-1\r\n:10\r\n");
    EXPECT(d, "HINCRBY h b 5", ":7\r\n");
    EXPECT(d, "HTTL h FIELDS 1 b", "*1\r\n:10\r\n");
    EXPECT(d, "HSET h b 1", ":0\r\n");
    EXPECT(d, "HTTL h FIELDS 1 b", "*1\r\n:-1\r\n");
    EXPECT(d, "HSETEX h FNX EX 10 FIELDS 1 b 2", ":0\r\n");
    EXPECT(d, "HSETEX h FXX EX 10 FIELDS 1 b 2", ":1\r\n");
    EXPECT(d, "HGETEX h PERSIST FIELDS 2 b x", "*2\r\n$1\r\n2\r\n$-1\r\n");
    EXPECT(d, "HGETDEL h FIELDS 2 a b", "*2\r\n$1\r\n5\r\n$1\r\n2\r\n");
    EXPECT(d, "HEXPIRE h 0 FIELDS 1 c", "*1\r\n:2\r\n");
    EXPECT(d, "EXISTS h", ":0\r\n");
    destroy(d);
}

static void what_is_wrong_is_found_in_the_order_that_clients_know(void **state) {
    (void)state;
    struct driver *d = create();
    const char *number = "-ERR numfields should be greater than 0 and match the provided number of "
                         "fields\r\n";
    const char *integer = "-ERR value is not an integer or out of range\r\n";
    const char *type = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
    EXPECT(d, "SET s x", "+OK\r\n");
    EXPECT(d, "HSET h a 1", ":1\r\n");
    EXPECT(d, "HEXPIRE h 10 FOO BAR a", number);
    EXPECT(d, "HEXPIRE h abc FOO FIELDS 2 a", "-ERR Unsupported option FOO\r\n");
    EXPECT(d, "HEXPIRE s abc FIELDS 2 a", number);
    EXPECT(d, "HEXPIRE s abc FIELDS 1 a", integer);
    EXPECT(d, "HGETEX h a b c", number);
    EXPECT(d, "HGETEX h EX FIELDS FIELDS 1 a", "-ERR syntax error\r\n");
    EXPECT(d, "HGETEX h EX abc FIELDS 2 a", number);
    EXPECT(d, "HGETEX s EX abc FIELDS 1 a", type);
    EXPECT(d, "HGETEX h EX abc FIELDS 1 a", integer);
    EXPECT(d, "HSETEX s NX EX abc FIELDS 1 a 1", type);
    EXPECT(d, "HSETEX h NX EX abc FIELDS 1 a 1", ":0\r\n");
    EXPECT(d, "HSETEX h FNX EX abc FIELDS 1 a 1", integer);
    EXPECT(d, "HGETEX h EX 10 FIELDS 1 x", "*1\r\n$-1\r\n");
    EXPECT(d, "OBJECT ENCODING h", "$8\r\nlistpack\r\n");
    EXPECT(d, "HGETEX h EX 10 EX 20 FIELDS 1 a", "*1\r\n$1\r\n1\r\n");
    EXPECT(d, "HTTL h FIELDS 1 a", "*1\r\n:20\r\n");
    destroy(d);
}

static size_t swept(struct driver *d) NO_THREAD_SAFETY {
    size_t steps = 0;
    for (uint32_t id = 0; id < d->keyspace.partition_count; id++) {
        struct partition *p = keyspace_partition(&d->keyspace, id);
        while (expiry_has_elements(p, d->thread.now_ms) && steps < 10000) {
            (void)expiry_step_elements(p, &d->keyspace, &d->thread, id, d->thread.now_ms, 4);
            steps++;
        }
    }
    return steps;
}

static bool was_told(struct driver *d, const char *event, const char *key) {
    for (uint32_t i = 0; i < d->thread.notices.count; i++) {
        const struct notice *notice = &d->thread.notices.items[i];
        bool is_event = event == NULL ? notice->event == NULL
                                      : notice->event != NULL && strcmp(notice->event, event) == 0;
        if (is_event && slice_equal(notice_key(&d->thread.notices, notice), slice_of_string(key)))
            return true;
    }
    return false;
}

static void a_write_removes_what_has_expired(void **state) {
    (void)state;
    struct driver *d = create();
    EXPECT(d, "HSET h a 1 b 2 c 3", ":3\r\n");
    EXPECT(d, "HEXPIRE h 10 FIELDS 2 a b", "*2\r\n:1\r\n:1\r\n");
    EXPECT(d, "HSETEX lone EX 10 FIELDS 1 a 1", ":1\r\n");
    d->thread.now_ms += 10001;
    d->thread.notices.interest = NOTICE_CHANGES | NOTICE_EVENTS;
    EXPECT(d, "HDEL h x", ":0\r\n");
    assert_true(was_told(d, "hexpired", "h") && was_told(d, NULL, "h"));
    assert_false(was_told(d, "del", "h"));
    d->thread.now_ms -= 10001; /* they are not hidden but gone */
    EXPECT(d, "HMGET h a b c", "*3\r\n$-1\r\n$-1\r\n$1\r\n3\r\n");
    d->thread.now_ms += 10001;
    EXPECT(d, "HSETEX lone XX EX 10 FIELDS 1 b 1", ":0\r\n");
    assert_true(was_told(d, "hexpired", "lone") && was_told(d, "del", "lone"));
    EXPECT(d, "EXISTS lone", ":0\r\n");
    destroy(d);
}

static void the_sweep_removes_what_has_expired(void **state) {
    (void)state;
    enum { KEYS = 40, FIELDS = 200 };
    struct driver *d = create();
    char line[96];
    assert_int_equal(swept(d), 0);
    for (unsigned key = 0; key < KEYS; key++) {
        for (unsigned field = 0; field < FIELDS; field++) {
            snprintf(line, sizeof(line), "HSETEX h%u EX %u FIELDS 1 f%u v", key, 10 + key % 2,
                     field);
            EXPECT(d, line, ":1\r\n");
        }
        snprintf(line, sizeof(line), "HSET %s%u stays 1", key % 4 == 0 ? "h" : "plain", key);
        EXPECT(d, line, ":1\r\n");
    }
    EXPECT(d, "COPY h0 copy", ":1\r\n");
    EXPECT(d, "RENAME h1 renamed", "+OK\r\n");
    assert_int_equal(swept(d), 0);
    d->thread.now_ms += 10001;
    assert_true(swept(d) > 0);
    assert_int_equal(swept(d), 0);
    EXPECT(d, "EXISTS h0 h2 h4 h6 copy renamed", ":4\r\n");
    EXPECT(d, "HGETALL h0", "*2\r\n$5\r\nstays\r\n$1\r\n1\r\n");
    EXPECT(d, "HLEN renamed", ":200\r\n");
    d->thread.now_ms += 1000;
    assert_true(swept(d) > 0);
    EXPECT(d, "EXISTS h1 h3 h5 renamed", ":0\r\n");
    assert_int_equal(driver_key_count(d), 41);
    destroy(d);
}

/* Without memory for the effect nothing is removed, and the next sweep does it. */
static void a_sweep_without_memory_loses_nothing(void **state) NO_THREAD_SAFETY {
    (void)state;
    struct driver *d = create();
    EXPECT(d, "HSETEX h EX 10 FIELDS 1 field value", ":1\r\n");
    d->thread.now_ms += 10001;
    effects_finish(&d->effects);
    effects_init(&d->effects, &d->allocator);
    uint32_t id = keyspace_partition_id(&d->keyspace, SLICE_LITERAL("h"));
    struct partition *p = keyspace_partition(&d->keyspace, id);
    d->allocations_left = 0;
    assert_false(
        expiry_step_elements(p, &d->keyspace, &d->thread, id, d->thread.now_ms, UINT32_MAX));
    d->allocations_left = -1;
    EXPECT(d, "EXISTS h", ":1\r\n");
    assert_true(swept(d) > 0);
    EXPECT(d, "EXISTS h", ":0\r\n");
    destroy(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_set_and_read),
        cmocka_unit_test(removing_the_last_field_removes_the_key),
        cmocka_unit_test(numbers_are_added),
        cmocka_unit_test(it_is_packed_up_to_the_limits),
        cmocka_unit_test(a_scan_shows_all_pairs),
        cmocka_unit_test(another_type_is_refused),
        cmocka_unit_test(fields_expire),
        cmocka_unit_test(what_is_wrong_is_found_in_the_order_that_clients_know),
        cmocka_unit_test(a_write_removes_what_has_expired),
        cmocka_unit_test(the_sweep_removes_what_has_expired),
        cmocka_unit_test(a_sweep_without_memory_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
