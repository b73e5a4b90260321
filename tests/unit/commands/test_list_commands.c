/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on lists: replies, error texts, events, and the first half of waiting. */
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
#define WRONG_TYPE   "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
#define NOT_POSITIVE "-ERR value is out of range, must be positive\r\n"

static void elements_go_in_at_both_ends(void **state) {
    struct driver *d = *state;
    EXPECT(d, "RPUSH l b c", ":2\r\n");
    EXPECT(d, "LPUSH l a z", ":4\r\n");
    EXPECT(d, "LRANGE l 0 -1", "*4\r\n$1\r\nz\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n");
    EXPECT(d, "LLEN l", ":4\r\n");
    EXPECT(d, "LPUSHX l 12", ":5\r\n");
    EXPECT(d, "RPUSHX l -7 007", ":7\r\n");
    EXPECT(d, "LRANGE l 4 9", "*3\r\n$1\r\nc\r\n$2\r\n-7\r\n$3\r\n007\r\n");
    EXPECT(d, "LPUSHX none a", ":0\r\n");
    assert_false(d->changed);
    EXPECT(d, "LLEN none", ":0\r\n");
    EXPECT(d, "TYPE l", "+list\r\n");
    EXPECT(d, "OBJECT ENCODING l", "$8\r\nlistpack\r\n");
}

static void elements_come_out_at_both_ends(void **state) {
    struct driver *d = *state;
    EXPECT(d, "RPUSH l a b c d e f", ":6\r\n");
    EXPECT(d, "LPOP l", "$1\r\na\r\n");
    EXPECT(d, "RPOP l", "$1\r\nf\r\n");
    EXPECT(d, "LPOP l 2", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n");
    EXPECT(d, "RPOP l 0", "*0\r\n");
    EXPECT(d, "RPOP l 9", "*2\r\n$1\r\ne\r\n$1\r\nd\r\n");
    EXPECT(d, "EXISTS l", ":0\r\n");
    EXPECT(d, "LPOP l", "$-1\r\n");
    EXPECT(d, "LPOP l 0", "*-1\r\n");
    EXPECT(d, "LPOP l x", NOT_POSITIVE);
    EXPECT(d, "RPOP l -1", NOT_POSITIVE);
    EXPECT(d, "LPOP l 1 2", "-ERR wrong number of arguments for 'lpop' command\r\n");
    assert_int_equal(driver_key_count(d), 0);
}

static void positions_count_from_either_end(void **state) {
    struct driver *d = *state;
    EXPECT(d, "RPUSH l a b c", ":3\r\n");
    EXPECT(d, "LINDEX l 0", "$1\r\na\r\n");
    EXPECT(d, "LINDEX l -1", "$1\r\nc\r\n");
    EXPECT(d, "LINDEX l 3", "$-1\r\n");
    EXPECT(d, "LINDEX l -4", "$-1\r\n");
    EXPECT(d, "LINDEX l x", NOT_INTEGER);
    EXPECT(d, "LINDEX none x", "$-1\r\n");
    EXPECT(d, "LSET l 1 B", "+OK\r\n");
    EXPECT(d, "LSET l -3 A", "+OK\r\n");
    EXPECT(d, "LSET l 3 x", "-ERR index out of range\r\n");
    EXPECT(d, "LSET l x x", NOT_INTEGER);
    EXPECT(d, "LSET none 0 x", "-ERR no such key\r\n");
    EXPECT(d, "LRANGE l -2 -1", "*2\r\n$1\r\nB\r\n$1\r\nc\r\n");
    EXPECT(d, "LRANGE l 2 1", "*0\r\n");
    EXPECT(d, "LRANGE l -9223372036854775808 9223372036854775807",
           "*3\r\n$1\r\nA\r\n$1\r\nB\r\n$1\r\nc\r\n");
    EXPECT(d, "LRANGE l 0 x", NOT_INTEGER);
    EXPECT(d, "LRANGE none 0 -1", "*0\r\n");
}

static void elements_are_inserted_beside_a_pivot(void **state) {
    struct driver *d = *state;
    EXPECT(d, "LINSERT l BEFORE a x", ":0\r\n");
    EXPECT(d, "RPUSH l a b", ":2\r\n");
    EXPECT(d, "LINSERT l before b x", ":3\r\n");
    EXPECT(d, "LINSERT l AFTER b y", ":4\r\n");
    EXPECT(d, "LINSERT l AFTER none y", ":-1\r\n");
    assert_false(d->changed);
    EXPECT(d, "LINSERT l BESIDE a y", SYNTAX_ERROR);
    EXPECT(d, "LRANGE l 0 -1", "*4\r\n$1\r\na\r\n$1\r\nx\r\n$1\r\nb\r\n$1\r\ny\r\n");
}

static void equal_elements_are_removed_and_found(void **state) {
    struct driver *d = *state;
    EXPECT(d, "RPUSH l a b a c a 1", ":6\r\n");
    EXPECT(d, "LPOS l a", ":0\r\n");
    EXPECT(d, "LPOS l a RANK 2", ":2\r\n");
    EXPECT(d, "LPOS l a RANK -1", ":4\r\n");
    EXPECT(d, "LPOS l a COUNT 0", "*3\r\n:0\r\n:2\r\n:4\r\n");
    EXPECT(d, "LPOS l a RANK -2 COUNT 5", "*2\r\n:2\r\n:0\r\n");
    EXPECT(d, "LPOS l a COUNT 0 MAXLEN 3", "*2\r\n:0\r\n:2\r\n");
    EXPECT(d, "LPOS l x", "$-1\r\n");
    EXPECT(d, "LPOS l x COUNT 1", "*0\r\n");
    EXPECT(d, "LPOS none x COUNT 1", "*0\r\n");
    EXPECT(d, "LPOS none x", "$-1\r\n");
    EXPECT(d, "LPOS l 1", ":5\r\n");
    EXPECT(d, "LPOS l a COUNT -1", "-ERR COUNT can't be negative\r\n");
    EXPECT(d, "LPOS l a MAXLEN x", "-ERR MAXLEN can't be negative\r\n");
    EXPECT(d, "LPOS l a RANK x", NOT_INTEGER);
    EXPECT(d, "LPOS l a RANK", SYNTAX_ERROR);
    EXPECT(d, "LPOS l a RANK 0",
           "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or "
           "use negative to start from the end of the list\r\n");
    EXPECT(d, "LREM l -1 a", ":1\r\n");
    EXPECT(d, "LREM l 1 a", ":1\r\n");
    EXPECT(d, "LRANGE l 0 -1", "*4\r\n$1\r\nb\r\n$1\r\na\r\n$1\r\nc\r\n$1\r\n1\r\n");
    EXPECT(d, "LREM l 0 x", ":0\r\n");
    assert_false(d->changed);
    EXPECT(d, "LREM none 0 x", ":0\r\n");
    EXPECT(d, "LREM l x x", NOT_INTEGER);
}

static void trimming_keeps_a_range(void **state) {
    struct driver *d = *state;
    EXPECT(d, "RPUSH l a b c d e", ":5\r\n");
    EXPECT(d, "LTRIM l 0 -1", "+OK\r\n");
    assert_false(d->changed);
    EXPECT(d, "LTRIM l 1 -2", "+OK\r\n");
    EXPECT(d, "LRANGE l 0 -1", "*3\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n");
    EXPECT(d, "LTRIM l 0 1", "+OK\r\n");
    EXPECT(d, "LTRIM l 1 100", "+OK\r\n");
    EXPECT(d, "LRANGE l 0 -1", "*1\r\n$1\r\nc\r\n");
    EXPECT(d, "LTRIM l 5 1", "+OK\r\n");
    EXPECT(d, "EXISTS l", ":0\r\n");
    EXPECT(d, "LTRIM l 0 0", "+OK\r\n");
    EXPECT(d, "LTRIM l 0 x", NOT_INTEGER);
}

static void elements_move_between_lists(void **state) {
    struct driver *d = *state;
    EXPECT(d, "RPUSH a 1 2 3", ":3\r\n");
    EXPECT(d, "LMOVE a b LEFT RIGHT", "$1\r\n1\r\n");
    EXPECT(d, "RPOPLPUSH a b", "$1\r\n3\r\n");
    EXPECT(d, "LRANGE b 0 -1", "*2\r\n$1\r\n3\r\n$1\r\n1\r\n");
    EXPECT(d, "LMOVE a b LEFT LEFT", "$1\r\n2\r\n");
    EXPECT(d, "EXISTS a", ":0\r\n");
    EXPECT(d, "LMOVE a b LEFT LEFT", "$-1\r\n");
    EXPECT(d, "LMOVE b b LEFT RIGHT", "$1\r\n2\r\n");
    EXPECT(d, "LMOVE b b RIGHT RIGHT", "$1\r\n2\r\n");
    EXPECT(d, "LRANGE b 0 -1", "*3\r\n$1\r\n3\r\n$1\r\n1\r\n$1\r\n2\r\n");
    EXPECT(d, "LMOVE b c LEFT UP", SYNTAX_ERROR);
    EXPECT(d, "SET s x", "+OK\r\n");
    EXPECT(d, "LMOVE b s LEFT LEFT", WRONG_TYPE);
    EXPECT(d, "LMOVE s b LEFT LEFT", WRONG_TYPE);
    EXPECT(d, "LLEN b", ":3\r\n");
}

static void the_first_list_of_several_gives(void **state) {
    struct driver *d = *state;
    EXPECT(d, "RPUSH b 1 2 3", ":3\r\n");
    EXPECT(d, "LMPOP 2 a b LEFT", "*2\r\n$1\r\nb\r\n*1\r\n$1\r\n1\r\n");
    EXPECT(d, "LMPOP 2 a b RIGHT COUNT 10", "*2\r\n$1\r\nb\r\n*2\r\n$1\r\n3\r\n$1\r\n2\r\n");
    EXPECT(d, "LMPOP 2 a b RIGHT", "*-1\r\n");
    EXPECT(d, "LMPOP 0 a RIGHT", "-ERR numkeys should be greater than 0\r\n");
    EXPECT(d, "LMPOP 2 a RIGHT", SYNTAX_ERROR);
    EXPECT(d, "LMPOP 1 a UP", SYNTAX_ERROR);
    EXPECT(d, "LMPOP 1 a LEFT COUNT 0", "-ERR count should be greater than 0\r\n");
    EXPECT(d, "LMPOP 1 a LEFT COUNT", SYNTAX_ERROR);
    EXPECT(d, "LMPOP 1 a LEFT COUNT 1 COUNT 1", SYNTAX_ERROR);
    EXPECT(d, "SET s x", "+OK\r\n");
    EXPECT(d, "LMPOP 2 s b RIGHT", WRONG_TYPE);
}

static void other_types_are_refused(void **state) {
    struct driver *d = *state;
    static const char *const LINES[] = {"LPUSH s a",
                                        "RPUSHX s a",
                                        "LPOP s",
                                        "RPOP s 1",
                                        "LLEN s",
                                        "LRANGE s 0 1",
                                        "LINDEX s 0",
                                        "LSET s 0 a",
                                        "LREM s 0 a",
                                        "LTRIM s 0 1",
                                        "LPOS s a",
                                        "BLPOP s 0",
                                        "LINSERT s AFTER a b",
                                        "RPOPLPUSH s a",
                                        "BLMPOP 0 1 s LEFT",
                                        "BLMOVE s a LEFT LEFT 0"};
    EXPECT(d, "SET s x", "+OK\r\n");
    for (size_t i = 0; i < sizeof(LINES) / sizeof(*LINES); i++)
        EXPECT(d, LINES[i], WRONG_TYPE);
    EXPECT(d, "RPUSH l a", ":1\r\n");
    EXPECT(d, "GET l", WRONG_TYPE);
    EXPECT(d, "APPEND l a", WRONG_TYPE);
    EXPECT(d, "SET l v", "+OK\r\n");
    EXPECT(d, "GET l", "$1\r\nv\r\n");
}

static void long_lists_change_their_encoding(void **state) {
    struct driver *d = *state;
    char line[DRIVER_LINE_MAX];
    memcpy(line, "RPUSH l ", 8);
    memset(line + 8, 'x', 5000);
    line[5008] = '\0';
    EXPECT(d, line, ":1\r\n");
    EXPECT(d, "OBJECT ENCODING l", "$8\r\nlistpack\r\n");
    EXPECT(d, line, ":2\r\n");
    EXPECT(d, "OBJECT ENCODING l", "$9\r\nquicklist\r\n");
    EXPECT(d, "LPUSH l a", ":3\r\n");
    EXPECT(d, "LPOP l", "$1\r\na\r\n");
    EXPECT(d, "LTRIM l 5 5", "+OK\r\n");
    EXPECT(d, "RPUSH l a", ":1\r\n");
    EXPECT(d, "OBJECT ENCODING l", "$8\r\nlistpack\r\n");
    memset(line + 8, 'x', 9000);
    line[9008] = '\0';
    EXPECT(d, line, ":2\r\n");
    EXPECT(d, "OBJECT ENCODING l", "$9\r\nquicklist\r\n");
    EXPECT(d, "LSET l 1 b", "+OK\r\n");
    EXPECT(d, "LRANGE l 0 -1", "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
}

static void a_lifetime_outlives_changes_but_not_the_last_element(void **state) {
    struct driver *d = *state;
    EXPECT(d, "RPUSH l a b", ":2\r\n");
    EXPECT(d, "PEXPIRE l 5000", ":1\r\n");
    EXPECT(d, "RPUSH l c", ":3\r\n");
    EXPECT(d, "LPOP l", "$1\r\na\r\n");
    EXPECT(d, "PTTL l", ":5000\r\n");
    EXPECT(d, "LPOP l 2", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n");
    EXPECT(d, "RPUSH l a", ":1\r\n");
    EXPECT(d, "PTTL l", ":-1\r\n");
    EXPECT(d, "PEXPIRE l 5", ":1\r\n");
    d->thread.now_ms += 6;
    EXPECT(d, "RPUSH l b", ":1\r\n");
    EXPECT(d, "LRANGE l 0 -1", "*1\r\n$1\r\nb\r\n");
}

/* ---- waiting ---- */

static void without_leave_to_wait_nothing_is_null(void **state) {
    struct driver *d = *state;
    EXPECT(d, "BLPOP a b 0", "*-1\r\n");
    EXPECT(d, "BRPOP a 10", "*-1\r\n");
    EXPECT(d, "BLMPOP 0 1 a LEFT", "*-1\r\n");
    EXPECT(d, "BLMOVE a b LEFT LEFT 0", "$-1\r\n");
    EXPECT(d, "BRPOPLPUSH a b 0", "$-1\r\n");
    EXPECT(d, "BLPOP a -1", "-ERR timeout is negative\r\n");
    EXPECT(d, "BLPOP a x", "-ERR timeout is not a float or out of range\r\n");
    EXPECT(d, "BLMPOP x 1 a LEFT", "-ERR timeout is not a float or out of range\r\n");
    EXPECT(d, "BLMPOP x 1 a UP", SYNTAX_ERROR);
    EXPECT(d, "BLMOVE a b UP LEFT x", SYNTAX_ERROR);
    EXPECT(d, "BLMPOP 0 0 a UP", "-ERR numkeys should be greater than 0\r\n");
}

static void what_is_there_is_popped_at_once(void **state) {
    struct driver *d = *state;
    d->flags = CALL_MAY_BLOCK;
    EXPECT(d, "RPUSH b 1 2 3 4", ":4\r\n");
    EXPECT(d, "BLPOP a b 0", "*2\r\n$1\r\nb\r\n$1\r\n1\r\n");
    EXPECT(d, "BRPOP a b 0", "*2\r\n$1\r\nb\r\n$1\r\n4\r\n");
    EXPECT(d, "BLMPOP 0 2 a b LEFT COUNT 5", "*2\r\n$1\r\nb\r\n*2\r\n$1\r\n2\r\n$1\r\n3\r\n");
    EXPECT(d, "RPUSH b 1", ":1\r\n");
    EXPECT(d, "BLMOVE b c LEFT LEFT 0", "$1\r\n1\r\n");
    EXPECT(d, "BRPOPLPUSH c b 0", "$1\r\n1\r\n");
    EXPECT(d, "LRANGE b 0 -1", "*1\r\n$1\r\n1\r\n");
}

static void expect_waiting(struct driver *d, const char *line, int64_t until_ms) {
    (void)driver_run(d, line);
    assert_int_equal(d->status, LARDER_AGAIN);
    assert_int_equal(d->wait.until_ms, until_ms);
    assert_true(d->wait.is_array);
    assert_false(d->changed);
}

static void nothing_to_pop_is_waited_for(void **state) {
    struct driver *d = *state;
    d->flags = CALL_MAY_BLOCK;
    expect_waiting(d, "BLPOP a b 0", 0);
    expect_waiting(d, "BRPOP a b 1.5", DRIVER_NOW_MS + 1500);
    expect_waiting(d, "BLMPOP 0.001 2 a b LEFT", DRIVER_NOW_MS + 1);
    expect_waiting(d, "BLMOVE a b LEFT LEFT 2", DRIVER_NOW_MS + 2000);
    expect_waiting(d, "BRPOPLPUSH a b 0", 0);
    EXPECT(d, "SET b x", "+OK\r\n");
    expect_waiting(d, "BLMOVE a b LEFT LEFT 0", 0);
    EXPECT(d, "BLPOP a b 0", WRONG_TYPE);
}

static void who_waits_is_served_by_one_key_only(void **state) {
    struct driver *d = *state;
    d->flags = CALL_MAY_BLOCK;
    EXPECT(d, "RPUSH a 1 2", ":2\r\n");
    EXPECT(d, "RPUSH b 3 4", ":2\r\n");
    EXPECT(d, "SET s x", "+OK\r\n");
    d->only_key = SLICE_LITERAL("b");
    EXPECT(d, "BLPOP a b 0", "*2\r\n$1\r\nb\r\n$1\r\n3\r\n");
    EXPECT(d, "BLMPOP 0 2 a b LEFT", "*2\r\n$1\r\nb\r\n*1\r\n$1\r\n4\r\n");
    expect_waiting(d, "BLPOP a b 0", 0);
    d->only_key = SLICE_LITERAL("s");
    expect_waiting(d, "BLPOP a s 0", 0);
    assert_int_equal(d->reply.used > 0 && d->reply.data[0] == '*', false);
    (void)driver_run(d, "BLMOVE s a LEFT LEFT 0");
    assert_int_equal(d->status, LARDER_AGAIN);
    (void)driver_run(d, "BLMOVE a s LEFT LEFT 0");
    assert_int_equal(d->status, LARDER_AGAIN);
    d->only_key = SLICE_LITERAL("a");
    EXPECT(d, "BLMOVE a s LEFT LEFT 0", WRONG_TYPE);
    EXPECT(d, "BLMOVE a c LEFT LEFT 0", "$1\r\n1\r\n");
    d->only_key = slice_of(NULL, 0);
    EXPECT(d, "LRANGE a 0 -1", "*1\r\n$1\r\n2\r\n");
}

/* ---- events and effects ---- */

static void expect_events(struct driver *d, const char *line, const char *events) {
    char told[512] = "";
    notices_clear(&d->thread.notices);
    d->thread.notices.interest = NOTICE_LIST | NOTICE_GENERIC;
    (void)driver_run(d, line);
    for (uint32_t i = 0; i < d->thread.notices.count; i++) {
        const struct notice *notice = &d->thread.notices.items[i];
        struct slice key = notice_key(&d->thread.notices, notice);
        if (notice->event != NULL)
            sprintf(told + strlen(told), "%s %.*s;", notice->event, (int)key.size,
                    (const char *)key.data);
    }
    assert_string_equal(told, events);
    d->thread.notices.interest = 0;
    notices_clear(&d->thread.notices);
}

static void events_are_told_in_the_order_of_redis(void **state) {
    struct driver *d = *state;
    expect_events(d, "RPUSH l a b c d e f g", "rpush l;");
    expect_events(d, "LPUSHX l z", "lpush l;");
    expect_events(d, "LSET l 0 y", "lset l;");
    expect_events(d, "LINSERT l AFTER y x", "linsert l;");
    expect_events(d, "LREM l 0 y", "lrem l;");
    expect_events(d, "LREM l 0 y", "");
    expect_events(d, "LTRIM l 1 -1", "ltrim l;");
    expect_events(d, "LTRIM l 0 -1", "ltrim l;");
    expect_events(d, "LPOP l", "lpop l;");
    expect_events(d, "LMOVE l m RIGHT LEFT", "lpush m;rpop l;");
    expect_events(d, "LMOVE m m RIGHT LEFT", "lpush m;rpop m;");
    expect_events(d, "BLPOP m 0", "lpop m;del m;");
    expect_events(d, "LMPOP 2 m l LEFT COUNT 3", "lpop l;");
    expect_events(d, "BRPOPLPUSH l m 0", "lpush m;rpop l;");
    expect_events(d, "LREM l 0 e", "lrem l;del l;");
    expect_events(d, "LTRIM m 1 0", "ltrim m;del m;");
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(elements_go_in_at_both_ends),
        TEST(elements_come_out_at_both_ends),
        TEST(positions_count_from_either_end),
        TEST(elements_are_inserted_beside_a_pivot),
        TEST(equal_elements_are_removed_and_found),
        TEST(trimming_keeps_a_range),
        TEST(elements_move_between_lists),
        TEST(the_first_list_of_several_gives),
        TEST(other_types_are_refused),
        TEST(long_lists_change_their_encoding),
        TEST(a_lifetime_outlives_changes_but_not_the_last_element),
        TEST(without_leave_to_wait_nothing_is_null),
        TEST(what_is_there_is_popped_at_once),
        TEST(nothing_to_pop_is_waited_for),
        TEST(who_waits_is_served_by_one_key_only),
        TEST(events_are_told_in_the_order_of_redis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
