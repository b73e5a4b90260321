/* SPDX-License-Identifier: BSD-3-Clause */
/* The filters of CLIENT LIST and CLIENT KILL: what is accepted, how it is refused, what matches. */
#include "base/options.h"
#include "server/client_filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct parsed {
    struct option_words words;
    struct slice slices[32];
    struct client_filter filter;
    struct client_filter_error error;
    enum larder_status status;
};

static void parse(struct parsed *p, enum client_filter_use use, const char *line) {
    *p = (struct parsed){.error = {""}};
    assert_int_equal(option_split_line(&ALLOCATOR_SYSTEM, slice_of_string(line), &p->words),
                     LARDER_OK);
    assert_in_range(p->words.count, 0, 32);
    for (size_t i = 0; i < p->words.count; i++)
        p->slices[i] = option_text_slice(&p->words.items[i]);
    p->status = client_filter_parse(p->slices, p->words.count, use, &p->filter, &p->error);
}

static void finish(struct parsed *p) {
    option_words_release(&ALLOCATOR_SYSTEM, &p->words);
}

static const struct client_traits TRAITS = {
    .id = 7,
    .type = CLIENT_TYPE_NORMAL,
    .user = SLICE_LITERAL("default"),
    .address = "127.0.0.1:4711",
    .local_address = "127.0.0.1:6379",
    .age_s = 100,
};

static bool matches(enum client_filter_use use, const char *line, bool is_me) {
    struct parsed p;
    struct client_traits traits = TRAITS;
    traits.is_me = is_me;
    parse(&p, use, line);
    assert_int_equal(p.status, LARDER_OK);
    bool result = client_filter_matches(&p.filter, &traits);
    finish(&p);
    return result;
}

static void expect_refusal(enum client_filter_use use, const char *line, const char *text) {
    struct parsed p;
    parse(&p, use, line);
    assert_int_equal(p.status, LARDER_INVALID);
    assert_string_equal(p.error.text, text);
    finish(&p);
}

static void every_filter_selects(void **state) {
    (void)state;
    enum client_filter_use list = CLIENT_FILTER_LIST;
    assert_true(matches(list, "", false));
    assert_true(matches(list, "type NORMAL", false));
    assert_false(matches(list, "type pubsub", false));
    assert_false(matches(list, "type slave", false));
    assert_true(matches(list, "id 1 7 9", false));
    assert_false(matches(list, "id 1 9", false));
    assert_true(matches(list, "addr 127.0.0.1:4711", false));
    assert_false(matches(list, "addr 127.0.0.1:471", false));
    assert_true(matches(list, "laddr 127.0.0.1:6379", false));
    assert_false(matches(list, "laddr 127.0.0.1:4711", false));
    assert_true(matches(list, "user default", false));
    assert_true(matches(list, "maxage 100", false));
    assert_false(matches(list, "maxage 101", false));
}

static void filters_are_joined_by_and(void **state) {
    (void)state;
    assert_true(matches(CLIENT_FILTER_LIST, "id 7 8 type normal maxage 5", false));
    assert_false(matches(CLIENT_FILTER_LIST, "id 7 8 type normal maxage 500", false));
    assert_false(matches(CLIENT_FILTER_LIST, "maxage 5 id 8", false));
}

static void kill_spares_the_caller_unless_told(void **state) {
    (void)state;
    assert_false(matches(CLIENT_FILTER_KILL, "type normal", true));
    assert_true(matches(CLIENT_FILTER_KILL, "type normal skipme no", true));
    assert_false(matches(CLIENT_FILTER_KILL, "skipme no type normal skipme YES", true));
    assert_true(matches(CLIENT_FILTER_LIST, "type normal", true));
    assert_false(matches(CLIENT_FILTER_LIST, "skipme yes", true));
}

static void bad_filters_are_refused_with_known_texts(void **state) {
    (void)state;
    enum client_filter_use list = CLIENT_FILTER_LIST, kill = CLIENT_FILTER_KILL;
    expect_refusal(list, "type", "ERR syntax error");
    expect_refusal(list, "foo bar", "ERR syntax error");
    expect_refusal(list, "type normal x", "ERR syntax error");
    expect_refusal(list, "type foo", "ERR Unknown client type 'foo'");
    expect_refusal(list, "id a", "ERR Invalid client ID");
    expect_refusal(list, "id 1 a", "ERR Invalid client ID");
    expect_refusal(list, "id", "ERR syntax error");
    expect_refusal(kill, "id a", "ERR client-id should be greater than 0");
    expect_refusal(kill, "id 0", "ERR client-id should be greater than 0");
    expect_refusal(kill, "id 5 addr", "ERR syntax error");
    expect_refusal(kill, "skipme perhaps", "ERR syntax error");
    expect_refusal(kill, "maxage 0", "ERR maxage should be greater than 0");
}

static void names_are_printable_without_spaces(void **state) {
    (void)state;
    assert_true(client_text_is_valid(SLICE_LITERAL("my-app:1")));
    assert_true(client_text_is_valid(slice_of("", 0)));
    assert_false(client_text_is_valid(SLICE_LITERAL("a b")));
    assert_false(client_text_is_valid(SLICE_LITERAL("a\n")));
    assert_false(client_text_is_valid(SLICE_LITERAL("\x7f")));
    assert_false(client_text_is_valid(SLICE_LITERAL("\xc3\xa4")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_filter_selects),
        cmocka_unit_test(filters_are_joined_by_and),
        cmocka_unit_test(kill_spares_the_caller_unless_told),
        cmocka_unit_test(bad_filters_are_refused_with_known_texts),
        cmocka_unit_test(names_are_printable_without_spaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
