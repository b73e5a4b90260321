/* SPDX-License-Identifier: BSD-3-Clause */
/* SORT and SORT_RO: orders, patterns, limits, storing, errors. */
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
#define WRONG_TYPE   "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
#define NO_DOUBLE    "-ERR One or more scores can't be converted into double\r\n"

/* The elements of an array reply of bulk strings, with blanks between; "-" for null. */
static const char *words(struct driver *d, const char *line) {
    static char text[2048];
    const char *at = driver_run(d, line);
    size_t used = 0;
    if (*at != '*')
        return at;
    for (at = strchr(at, '\n') + 1; *at != '\0';) {
        long size = strtol(at + 1, NULL, 10);
        at = strchr(at, '\n') + 1;
        if (used > 0)
            text[used++] = ' ';
        if (size < 0) {
            text[used++] = '-';
            continue;
        }
        memcpy(text + used, at, (size_t)size);
        used += (size_t)size;
        at += size + 2;
    }
    text[used] = '\0';
    return text;
}

#define WORDS(d, line, expected) assert_string_equal(words(d, line), expected)

static void numbers_are_sorted_as_numbers(void **state) {
    struct driver *d = *state;
    EXPECT(d, "RPUSH l 10 9 -3 2.5 100 1e1", ":6\r\n");
    WORDS(d, "SORT l", "-3 2.5 9 10 1e1 100");
    WORDS(d, "SORT l DESC", "100 1e1 10 9 2.5 -3");
    WORDS(d, "SORT_RO l ASC", "-3 2.5 9 10 1e1 100");
    WORDS(d, "SORT l ALPHA", "-3 10 100 1e1 2.5 9");
    WORDS(d, "SORT l DESC ALPHA", "9 2.5 1e1 100 10 -3");
    EXPECT(d, "RPUSH l abc", ":7\r\n");
    WORDS(d, "SORT l", NO_DOUBLE);
    WORDS(d, "SORT l ALPHA LIMIT 5 2", "9 abc");
    EXPECT(d, "RPUSH odd \" 12\" 0x10 \"\" inf", ":4\r\n");
    WORDS(d, "SORT odd", " 12 0x10 inf");
    EXPECT(d, "RPUSH bad nan", ":1\r\n");
    WORDS(d, "SORT bad", NO_DOUBLE);
    EXPECT(d, "RPUSH far 1e400", ":1\r\n");
    WORDS(d, "SORT far", NO_DOUBLE);
    assert_false(d->changed);
}

static void a_limit_cuts_the_sorted(void **state) {
    struct driver *d = *state;
    EXPECT(d, "RPUSH l 5 3 1 4 2", ":5\r\n");
    WORDS(d, "SORT l LIMIT 1 2", "2 3");
    WORDS(d, "SORT l LIMIT 3 100", "4 5");
    WORDS(d, "SORT l LIMIT 5 1", "");
    WORDS(d, "SORT l LIMIT -7 2", "1 2");
    WORDS(d, "SORT l LIMIT 2 -1", "3 4 5");
    WORDS(d, "SORT l LIMIT 0 0", "");
    WORDS(d, "SORT l LIMIT 0 1 LIMIT 1 1", "2");
    EXPECT(d, "SORT l LIMIT x 1", "-ERR value is not an integer or out of range\r\n");
    EXPECT(d, "SORT l LIMIT 1", SYNTAX_ERROR);
}

/* The words [first, first + count) of `all`, with blanks between. */
static void cut_words(const char *all, int first, int count, char *out) {
    out[0] = '\0';
    for (int i = 0; *all != '\0' && i < first + count; i++) {
        size_t size = strcspn(all, " ");
        if (i >= first)
            (void)sprintf(out + strlen(out), "%s%.*s", i > first ? " " : "", (int)size, all);
        all += size + (all[size] == ' ');
    }
}

static void a_limit_gives_that_part_of_the_whole(void **state) {
    static const char *const ORDERS[] = {"", " DESC", " ALPHA", " BY w_* ALPHA",
                                         " BY w_* ALPHA DESC"};
    struct driver *d = *state;
    char line[64], whole[2048], part[2048];
    for (int i = 0; i < 60; i++) { /* few weights: those of the same keep the order of the list */
        int element = i * 37 % 60;
        (void)snprintf(line, sizeof(line), "RPUSH l %d", element);
        EXPECT(d, line, (snprintf(part, sizeof(part), ":%d\r\n", i + 1), part));
        (void)snprintf(line, sizeof(line), "SET w_%d weight%d", element, element % 4);
        EXPECT(d, line, "+OK\r\n");
    }
    for (size_t order = 0; order < sizeof(ORDERS) / sizeof(*ORDERS); order++) {
        (void)snprintf(line, sizeof(line), "SORT l%s", ORDERS[order]);
        (void)snprintf(whole, sizeof(whole), "%s", words(d, line));
        for (int first = 0; first < 62; first += 3) {
            for (int count = 1; count < 62; count += 4) {
                (void)snprintf(line, sizeof(line), "SORT l%s LIMIT %d %d", ORDERS[order], first,
                               count);
                cut_words(whole, first, count, part);
                assert_string_equal(words(d, line), part);
            }
        }
    }
}

static void patterns_name_weights_and_values(void **state) {
    struct driver *d = *state;
    EXPECT(d, "RPUSH l a b c d", ":4\r\n");
    EXPECT(d, "MSET w_a 3 w_b 1 w_c 2 v_a_x A v_c_x C 7 seven", "+OK\r\n");
    WORDS(d, "SORT l BY w_*", "d b c a");
    WORDS(d, "SORT l BY w_* DESC", "a c b d");
    WORDS(d, "SORT l BY w_* ALPHA", "d b c a");
    WORDS(d, "SORT l BY w_* GET v_*_x GET # GET w_*", "- d - - b 1 C c 2 A a 3");
    WORDS(d, "SORT l BY w_* GET v_*_x LIMIT 2 1", "C");
    WORDS(d, "SORT l ALPHA GET nothing GET *", "- - - - - - - -");
    WORDS(d, "SORT l BY nosort", "a b c d");
    WORDS(d, "SORT l BY nosort DESC", "d c b a");
    WORDS(d, "SORT l BY nosort LIMIT 1 2", "b c");
    WORDS(d, "SORT l BY nosort DESC LIMIT 1 2", "c b");
    EXPECT(d, "RPUSH numbers 7 8", ":2\r\n");
    WORDS(d, "SORT numbers GET *", "seven -");
    EXPECT(d, "RPUSH w_d 1", ":1\r\n");
    WORDS(d, "SORT l BY w_* GET w_*", "- 1 2 3");
    EXPECT(d, "SET w_a x", "+OK\r\n");
    WORDS(d, "SORT l BY w_*", NO_DOUBLE);
    WORDS(d, "SORT l BY w_*->f ALPHA", "a b c d");
    WORDS(d, "SORT l BY w_*-> ALPHA", "a b c d");
    WORDS(d, "SORT none BY w_* GET #", "");
}

static void sorted_sets_are_sorted_too(void **state) {
    struct driver *d = *state;
    EXPECT(d, "ZADD z 3 1 2 2 1 3", ":3\r\n");
    WORDS(d, "SORT z", "1 2 3");
    WORDS(d, "SORT z BY nosort", "3 2 1");
    WORDS(d, "SORT z BY nosort DESC", "1 2 3");
    WORDS(d, "SORT z BY nosort LIMIT 1 1", "2");
    WORDS(d, "SORT z BY nosort DESC LIMIT 1 5", "2 3");
}

static void sets_are_sorted_too(void **state) {
    struct driver *d = *state;
    EXPECT(d, "SADD s 3 1 2", ":3\r\n");
    WORDS(d, "SORT s", "1 2 3");
    EXPECT(d, "SADD t b a c", ":3\r\n");
    WORDS(d, "SORT t ALPHA DESC", "c b a");
    WORDS(d, "SORT t", NO_DOUBLE);
    d->flags = CALL_SCRIPT;
    WORDS(d, "SORT t BY nosort", "a b c");
    d->flags = 0;
    d->thread.effects = NULL;
    EXPECT(d, "SORT t BY nosort LIMIT 1 1 STORE out", ":1\r\n");
    WORDS(d, "LRANGE out 0 -1", "b");
}

static void a_result_is_stored_as_a_list(void **state) {
    struct driver *d = *state;
    d->thread.effects = NULL;
    EXPECT(d, "RPUSH l 3 1 2", ":3\r\n");
    EXPECT(d, "SORT l STORE out", ":3\r\n");
    EXPECT(d, "LRANGE out 0 -1", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n");
    EXPECT(d, "PEXPIRE out 5000", ":1\r\n");
    EXPECT(d, "SORT l GET # GET none_* LIMIT 0 1 STORE out", ":2\r\n");
    EXPECT(d, "LRANGE out 0 -1", "*2\r\n$1\r\n1\r\n$0\r\n\r\n");
    EXPECT(d, "TTL out", ":-1\r\n");
    EXPECT(d, "SORT l DESC STORE l", ":3\r\n");
    EXPECT(d, "LRANGE l 0 -1", "*3\r\n$1\r\n3\r\n$1\r\n2\r\n$1\r\n1\r\n");
    EXPECT(d, "SORT l STORE other STORE out LIMIT 1 1", ":1\r\n");
    EXPECT(d, "EXISTS other", ":0\r\n");
    EXPECT(d, "LRANGE out 0 -1", "*1\r\n$1\r\n2\r\n");
    EXPECT(d, "SORT none STORE out", ":0\r\n");
    assert_true(d->changed);
    EXPECT(d, "EXISTS out", ":0\r\n");
    EXPECT(d, "SORT none STORE out", ":0\r\n");
    assert_false(d->changed);
    EXPECT(d, "SORT_RO l STORE out", SYNTAX_ERROR);
}

static void what_cannot_be_sorted_is_refused(void **state) {
    struct driver *d = *state;
    EXPECT(d, "SET s x", "+OK\r\n");
    EXPECT(d, "SORT s", WRONG_TYPE);
    EXPECT(d, "SORT s FOO", SYNTAX_ERROR);
    EXPECT(d, "SORT s BY", SYNTAX_ERROR);
    EXPECT(d, "SORT s GET", SYNTAX_ERROR);
    EXPECT(d, "SORT s STORE", SYNTAX_ERROR);
    EXPECT(d, "SORT none", "*0\r\n");
}

static void long_lists_are_sorted(void **state) {
    struct driver *d = *state;
    char line[DRIVER_LINE_MAX];
    for (unsigned i = 0; i < 3000; i++) {
        sprintf(line, "RPUSH l %u", i * 1237 % 3001);
        (void)driver_run(d, line);
    }
    for (unsigned i = 0; i < 3000; i += 250) {
        char expected[16];
        unsigned missing = 3000u * 1237 % 3001; /* the one value that is not drawn */
        sprintf(line, "SORT l LIMIT %u 1", i);
        sprintf(expected, "%u", i < missing ? i : i + 1);
        WORDS(d, line, expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(numbers_are_sorted_as_numbers),
        TEST(a_limit_cuts_the_sorted),
        TEST(a_limit_gives_that_part_of_the_whole),
        TEST(patterns_name_weights_and_values),
        TEST(sorted_sets_are_sorted_too),
        TEST(sets_are_sorted_too),
        TEST(a_result_is_stored_as_a_list),
        TEST(what_cannot_be_sorted_is_refused),
        TEST(long_lists_are_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
