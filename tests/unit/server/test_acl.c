/* SPDX-License-Identifier: BSD-3-Clause */
/* Users: the language of rules, what users are shown as, and what they may do. Every command is
 * tried against every category of the table of commands. */
#include "server/acl_rules.h"
#include "server/acl_verdict.h"
#include "support/test_allocator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS_MAX = 64 };

/* Split at spaces. */
static size_t split(const char *text, struct slice *words) {
    size_t count = 0;
    for (const char *at = text; *at != '\0';) {
        size_t size = strcspn(at, " ");
        words[count++] = slice_of(at, size);
        at += size + (at[size] != '\0');
    }
    return count;
}

/* Apply rules to a user; NULL: all applied, else the reason. */
static const char *apply(struct acl_user *user, const char *rules) {
    struct slice given[WORDS_MAX];
    struct acl_words words;
    const char *reason = NULL;
    size_t count = split(rules, given);
    if (acl_words_init(&words, user->allocator, given, count) != LARDER_OK)
        reason = "unmatched";
    for (size_t i = 0; i < words.count && reason == NULL; i++)
        if (acl_rule_apply(user, words.items[i], false, &reason) == LARDER_OK)
            reason = NULL;
    acl_words_finish(&words);
    return reason;
}

static struct acl_user *user_of(const char *rules) {
    struct acl_user *user = acl_user_create(&ALLOCATOR_SYSTEM, SLICE_LITERAL("u"), false);
    assert_non_null(user);
    const char *reason = apply(user, rules);
    if (reason != NULL)
        fail_msg("'%s': %s", rules, reason);
    return user;
}

static void expect_shown(const char *rules, const char *wanted) {
    struct acl_user *user = user_of(rules);
    struct text_buffer text;
    text_buffer_init(&text, &ALLOCATOR_SYSTEM);
    acl_describe_user(user, &text);
    assert_string_equal(text.data, wanted);
    /* What is shown makes the same user. */
    struct acl_user *again = user_of(text.data);
    struct text_buffer second;
    text_buffer_init(&second, &ALLOCATOR_SYSTEM);
    acl_describe_user(again, &second);
    assert_string_equal(second.data, wanted);
    for (size_t i = 0; i < user->selector_count; i++)
        assert_memory_equal(user->selectors[i].commands, again->selectors[i].commands,
                            sizeof(user->selectors[i].commands));
    text_buffer_finish(&second);
    text_buffer_finish(&text);
    acl_user_release(again);
    acl_user_release(user);
}

static void expect_refused(const char *rules, const char *wanted) {
    struct acl_user *user = acl_user_create(&ALLOCATOR_SYSTEM, SLICE_LITERAL("u"), false);
    const char *reason = apply(user, rules);
    assert_non_null(reason);
    assert_string_equal(reason, wanted);
    acl_user_release(user);
}

static const struct command_spec *spec_of(size_t argc, const struct slice *argv) {
    const struct command_spec *spec = command_find((const char *)argv[0].data, argv[0].size);
    assert_non_null(spec);
    if (spec->subcommand_count > 0 && argc > 1)
        spec = command_find_subcommand(spec, (const char *)argv[1].data, argv[1].size);
    assert_non_null(spec);
    return spec;
}

static enum acl_verdict verdict_of(const struct acl_user *user, const char *command,
                                   size_t *position) {
    struct slice argv[WORDS_MAX];
    size_t argc = split(command, argv);
    return acl_user_verdict(user, &ALLOCATOR_SYSTEM, spec_of(argc, argv), argc, argv, position);
}

static void expect(const char *rules, const char *command, enum acl_verdict wanted,
                   size_t wanted_position) {
    struct acl_user *user = user_of(rules);
    size_t position = 0;
    enum acl_verdict verdict = verdict_of(user, command, &position);
    if (verdict != wanted)
        fail_msg("user '%s', command '%s': %d instead of %d", rules, command, verdict, wanted);
    if (wanted == ACL_DENIED_KEY || wanted == ACL_DENIED_CHANNEL)
        assert_int_equal(position, wanted_position);
    acl_user_release(user);
}

static void a_user_is_shown_as_rules_that_make_it(void **state) {
    (void)state;
    expect_shown("", "off resetchannels -@all");
    expect_shown("on nopass ~* &* +@all", "on nopass ~* &* +@all");
    expect_shown("+get -@all +set", "off resetchannels -@all +set");
    expect_shown("+@all -@write +set", "off resetchannels +@all -@write +set");
    expect_shown("+client -client|id", "off resetchannels -@all +client -client|id");
    expect_shown("+client|id +client", "off resetchannels -@all +client");
    expect_shown("+@read +GET -get +get", "off resetchannels -@all +@read +get");
    expect_shown("+set|x -set +set|y", "off resetchannels -@all -set +set|y");
    expect_shown("+dEbUg|Foo", "off resetchannels -@all +debug|Foo");
    expect_shown("%R~x %W~x %R~y %rW~z", "off ~x %R~y ~z resetchannels -@all");
    expect_shown("&a &b &a", "off resetchannels &a &b -@all");
    expect_shown("(+get ~x) ( +set &c )",
                 "off resetchannels -@all (~x resetchannels -@all +get) (resetchannels &c -@all "
                 "+set)");
    expect_shown("+get (~x) reset +set", "off sanitize-payload resetchannels -@all +set");
    expect_shown(">a nopass >b", "off #3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c"
                                 "009d resetchannels -@all");
    expect_shown(">a <a", "off resetchannels -@all");
}

static void rules_that_say_nothing_are_refused(void **state) {
    (void)state;
    const char *unknown = "Unknown command or category name in ACL";
    expect_refused("foo", "Syntax error");
    expect_refused("+foo", unknown);
    expect_refused("+", unknown);
    expect_refused("+@", unknown);
    expect_refused("+@nonsense", unknown);
    expect_refused("-select|1", unknown);
    expect_refused("+client|foo", unknown);
    expect_refused("+get|", "Syntax error");
    expect_refused("+client|id|x", "Allowing first-arg of a subcommand is not supported");
    expect_refused("%~x", "Syntax error");
    expect_refused("%", "Syntax error");
    expect_refused("%RR~x", "Syntax error");
    expect_refused("(on)", "Syntax error");
    expect_refused("(~x", "unmatched");
    expect_refused("#abc", "The password hash must be exactly 64 characters and contain only "
                           "lowercase hexadecimal characters");
    expect_refused("<x", "The password you are trying to remove from the user does not exist");
}

/* Where one is open, a parenthesis begins anew. */
static void words_of_a_selector_are_joined(void **state) {
    (void)state;
    struct slice given[WORDS_MAX];
    struct acl_words words;
    size_t count = split("on (~x (~y +get) ~z", given);
    assert_int_equal(acl_words_init(&words, &ALLOCATOR_SYSTEM, given, count), LARDER_OK);
    assert_int_equal(words.count, 3);
    assert_true(slice_equal(words.items[1], SLICE_LITERAL("(~y +get)")));
    assert_true(slice_equal(words.items[2], SLICE_LITERAL("~z")));
    acl_words_finish(&words);
}

static void each_command_is_permitted_by_exactly_its_categories(void **state) {
    (void)state;
    for (size_t c = 0; ACL_CATEGORY_NAMES[c] != NULL; c++) {
        char rules[64];
        (void)snprintf(rules, sizeof(rules), "~* &* +@%s", ACL_CATEGORY_NAMES[c]);
        struct acl_user *with = user_of(rules);
        (void)snprintf(rules, sizeof(rules), "~* &* +@all -@%s", ACL_CATEGORY_NAMES[c]);
        struct acl_user *without = user_of(rules);
        for (size_t i = 0; i < COMMAND_COUNT; i++) {
            const struct command_spec *spec = &command_table[i];
            struct slice argv[2] = {slice_of_string(spec->name), SLICE_LITERAL("x")};
            size_t position;
            bool is_member = (spec->categories >> c & 1) != 0;
            bool is_always = (spec->flags & COMMAND_FLAG_NO_AUTH) != 0;
            bool is_allowed =
                acl_user_verdict(with, &ALLOCATOR_SYSTEM, spec, 2, argv, &position) == ACL_ALLOWED;
            bool is_allowed_without = acl_user_verdict(without, &ALLOCATOR_SYSTEM, spec, 2, argv,
                                                       &position) == ACL_ALLOWED;
            if (is_allowed != (is_member || is_always) ||
                is_allowed_without != (!is_member || is_always))
                fail_msg("%s and @%s", spec->name, ACL_CATEGORY_NAMES[c]);
        }
        acl_user_release(with);
        acl_user_release(without);
    }
}

static void each_command_is_permitted_by_its_name_alone(void **state) {
    (void)state;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        char rules[64];
        (void)snprintf(rules, sizeof(rules), "~* &* +%s", command_table[i].name);
        struct acl_user *user = user_of(rules);
        for (size_t j = 0; j < COMMAND_COUNT; j++) {
            const struct command_spec *spec = &command_table[j];
            struct slice argv[2] = {slice_of_string(spec->name), SLICE_LITERAL("x")};
            size_t position;
            bool is_wanted =
                j == i || (size_t)spec->parent == i || (spec->flags & COMMAND_FLAG_NO_AUTH) != 0;
            enum acl_verdict verdict =
                acl_user_verdict(user, &ALLOCATOR_SYSTEM, spec, 2, argv, &position);
            if ((verdict == ACL_ALLOWED) != is_wanted)
                fail_msg("+%s and %s", command_table[i].name, spec->name);
        }
        acl_user_release(user);
    }
}

static void keys_are_permitted_by_what_is_done_to_them(void **state) {
    (void)state;
    const char *rules = "+@all ~k* %R~r* %W~w*";
    expect(rules, "get k1", ACL_ALLOWED, 0);
    expect(rules, "get r1", ACL_ALLOWED, 0);
    expect(rules, "get w1", ACL_DENIED_KEY, 1);
    expect(rules, "set w1 1", ACL_ALLOWED, 0);
    expect(rules, "set r1 1", ACL_DENIED_KEY, 1);
    expect(rules, "set w1 1 get", ACL_DENIED_KEY, 1);
    expect(rules, "copy r1 w1", ACL_ALLOWED, 0);
    expect(rules, "copy w1 r1", ACL_DENIED_KEY, 1);
    expect(rules, "rename k1 r1", ACL_DENIED_KEY, 2);
    expect(rules, "mset k1 1 x 2", ACL_DENIED_KEY, 3);
    expect(rules, "exists w1 r1", ACL_ALLOWED, 0);
    expect(rules, "exists w1 x1", ACL_DENIED_KEY, 2);
    expect(rules, "bitfield r1 get u8 0", ACL_ALLOWED, 0);
    expect(rules, "bitfield r1 set u8 0 1", ACL_DENIED_KEY, 1);
    expect(rules, "sort k1 by a*", ACL_ALLOWED, 0);
}

static bool reads_all(const char *rules, const char *command) {
    struct slice argv[WORDS_MAX];
    size_t argc = split(command, argv);
    struct acl_user *user = user_of(rules);
    bool does = acl_user_reads_all_keys(user, &ALLOCATOR_SYSTEM, spec_of(argc, argv), argc, argv);
    acl_user_release(user);
    return does;
}

static void keys_that_sort_does_not_name_need_one_selector_that_reads_all(void **state) {
    (void)state;
    assert_true(reads_all("+@all ~*", "sort k"));
    assert_true(reads_all("+@all %R~* ~k", "sort k"));
    assert_true(reads_all("+@all ~k (+sort %R~*)", "sort k by a*"));
    assert_false(reads_all("+@all ~k", "sort k"));
    assert_false(reads_all("+@all %W~* ~k", "sort k"));
    assert_false(reads_all("+@all ~k (+get ~*)", "sort k"));
    assert_false(reads_all("+@all ~k (+sort %R~*)", "sort k store l"));
}

static void channels_are_permitted_by_pattern_and_patterns_word_by_word(void **state) {
    (void)state;
    const char *rules = "+@all &c* &[x]";
    expect(rules, "publish c1 m", ACL_ALLOWED, 0);
    expect(rules, "publish d c1", ACL_DENIED_CHANNEL, 1);
    expect(rules, "subscribe c1 x y", ACL_DENIED_CHANNEL, 3);
    expect(rules, "psubscribe c* [x]", ACL_ALLOWED, 0);
    expect(rules, "psubscribe c* c1", ACL_DENIED_CHANNEL, 2);
    expect(rules, "spublish d m", ACL_DENIED_CHANNEL, 1);
    expect(rules, "ssubscribe c", ACL_ALLOWED, 0);
    expect(rules, "unsubscribe d", ACL_ALLOWED, 0);
}

static void one_selector_has_to_permit_all_of_a_command(void **state) {
    (void)state;
    expect("+get ~a (+set ~b)", "get a", ACL_ALLOWED, 0);
    expect("+get ~a (+set ~b)", "set b 1", ACL_ALLOWED, 0);
    expect("+get ~a (+set ~b)", "get b", ACL_DENIED_KEY, 1);
    expect("+get ~a (+set ~b)", "del a", ACL_DENIED_COMMAND, 0);
    expect("+mget ~a (+mget ~a ~b)", "mget a b c", ACL_DENIED_KEY, 3);
    expect("+get ~a (+set ~b) clearselectors", "set b 1", ACL_DENIED_COMMAND, 0);
}

static void a_first_argument_can_be_permitted(void **state) {
    (void)state;
    expect("+select|0", "select 0", ACL_ALLOWED, 0);
    expect("+select|0", "select 1", ACL_DENIED_COMMAND, 0);
    expect("+select|0 -select", "select 0", ACL_DENIED_COMMAND, 0);
    expect("+select|0 -@connection", "select 0", ACL_DENIED_COMMAND, 0);
    expect("+set|x ~*", "SET X 1", ACL_ALLOWED, 0);
}

static void a_password_is_accepted_when_it_is_one_of_the_users(void **state) {
    (void)state;
    struct acl_user *user = user_of("on >one >two");
    assert_true(acl_user_accepts(user, SLICE_LITERAL("one")));
    assert_true(acl_user_accepts(user, SLICE_LITERAL("two")));
    assert_false(acl_user_accepts(user, SLICE_LITERAL("three")));
    assert_false(acl_user_accepts(user, SLICE_LITERAL("")));
    assert_null(apply(user, "off"));
    assert_false(acl_user_accepts(user, SLICE_LITERAL("one")));
    assert_null(apply(user, "on nopass"));
    assert_true(acl_user_accepts(user, SLICE_LITERAL("anything")));
    assert_null(apply(user, "resetpass"));
    assert_false(acl_user_accepts(user, SLICE_LITERAL("anything")));
    acl_user_release(user);
}

static void only_a_user_of_everything_is_unrestricted(void **state) {
    (void)state;
    static const char *const RESTRICTED[] = {"+@all ~*", "+@all &*", "~* &*", "+@all ~* &* -get",
                                             "+@all %R~* &*"};
    struct acl_user *user = user_of("+@all ~* &*");
    assert_true(acl_user_permits_all(user));
    acl_user_release(user);
    for (size_t i = 0; i < sizeof(RESTRICTED) / sizeof(*RESTRICTED); i++) {
        user = user_of(RESTRICTED[i]);
        assert_false(acl_user_permits_all(user));
        acl_user_release(user);
    }
}

/* Make, change, copy and describe a user; false: there was no memory. */
static bool live_a_life(const struct allocator *allocator) {
    static const char *const RULES[] = {"+@read", "+client|id", "+set|x",    "~a", "%R~b",   "&c",
                                        ">p",     "-get",       "(+set ~x)", "on", "(-@all)"};
    struct acl_user *user = acl_user_create(allocator, SLICE_LITERAL("u"), false);
    struct acl_user *copy = NULL;
    const char *reason;
    bool is_done = user != NULL;
    for (size_t i = 0; i < sizeof(RULES) / sizeof(*RULES) && is_done; i++)
        is_done = acl_rule_apply(user, slice_of_string(RULES[i]), false, &reason) == LARDER_OK;
    if (is_done)
        copy = acl_user_copy(user);
    is_done = copy != NULL;
    acl_user_release(copy);
    acl_user_release(user);
    return is_done;
}

static void without_memory_nothing_is_left_behind(void **state) {
    (void)state;
    struct test_allocator allocator;
    test_allocator_init(&allocator);
    bool is_done = false;
    for (uint64_t call = 1; !is_done; call++) {
        test_allocator_fail_in(&allocator, call, 0);
        is_done = live_a_life(&allocator.base);
        assert_int_equal(allocator.heap_blocks, 0);
    }
    assert_true(allocator.calls > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user_is_shown_as_rules_that_make_it),
        cmocka_unit_test(rules_that_say_nothing_are_refused),
        cmocka_unit_test(words_of_a_selector_are_joined),
        cmocka_unit_test(each_command_is_permitted_by_exactly_its_categories),
        cmocka_unit_test(each_command_is_permitted_by_its_name_alone),
        cmocka_unit_test(keys_are_permitted_by_what_is_done_to_them),
        cmocka_unit_test(keys_that_sort_does_not_name_need_one_selector_that_reads_all),
        cmocka_unit_test(channels_are_permitted_by_pattern_and_patterns_word_by_word),
        cmocka_unit_test(one_selector_has_to_permit_all_of_a_command),
        cmocka_unit_test(a_first_argument_can_be_permitted),
        cmocka_unit_test(a_password_is_accepted_when_it_is_one_of_the_users),
        cmocka_unit_test(only_a_user_of_everything_is_unrestricted),
        cmocka_unit_test(without_memory_nothing_is_left_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
