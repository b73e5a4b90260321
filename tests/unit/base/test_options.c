/* SPDX-License-Identifier: BSD-3-Clause */
/* The option mechanism on a small table of its own: kinds, refusals, quoting, globs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/glob.h"
#include "base/options.h"

struct fields {
    bool flag;
    int64_t number;
    int64_t memory;
    int64_t share;
    int64_t mode;
    int choice;
    int choices;
    struct option_text text;
    struct option_words words;
    struct option_integers integers;
    struct option_decimals decimals;
    struct option_words lines;
    union option_value spare[16];
};

static const struct option_name COLOURS[] = {{"red", 1}, {"green", 2}, {"blue", 4}, {NULL, 0}};

#define ROW(name_, kind_, field_, default_, ...)                                                   \
    {                                                                                              \
        .name = name_, .kind = kind_, .offset = offsetof(struct fields, field_),                   \
        .default_text = default_, __VA_ARGS__                                                      \
    }

static const struct option ROWS[] = {
    ROW("flag", OPTION_BOOL, flag, "no", .alias = "flagge"),
    ROW("number", OPTION_INTEGER, number, "5", .min = -1, .max = 10),
    ROW("memory", OPTION_MEMORY, memory, "1mb", .min = 1024, .max = INT64_MAX),
    ROW("share", OPTION_MEMORY, share, "0", .min = 0, .max = INT64_MAX, .flags = OPTION_PERCENT),
    ROW("mode", OPTION_OCTAL, mode, "755", .min = 0, .max = 0777),
    ROW("choice", OPTION_CHOICE, choice, "green", .names = COLOURS),
    ROW("choices", OPTION_CHOICES, choices, "red blue", .names = COLOURS),
    ROW("text", OPTION_TEXT, text, NULL, .alias = NULL),
    ROW("words", OPTION_WORDS, words, "a b", .alias = NULL),
    ROW("integers", OPTION_INTEGERS, integers, "1 2 3", .min = 0, .max = 9),
    ROW("decimals", OPTION_DECIMALS, decimals, "50 99.9", .min = 0, .max = 100),
    ROW("lines", OPTION_LINES, lines, NULL, .flags = OPTION_MERGE),
    {.name = "stored", .kind = OPTION_TEXT, .offset = OPTION_NO_FIELD, .default_text = "kept"},
};

static const struct option_table TABLE = {ROWS, sizeof(ROWS) / sizeof(ROWS[0]),
                                          offsetof(struct fields, spare)};

static const struct option *row_of(const char *name) {
    const struct option *row = options_find(&TABLE, slice_of_string(name));
    assert_non_null(row);
    return row;
}

/* Parse one argument and show the result as CONFIG GET, or the refusal. */
static void assert_shows(const char *name, const char *argument, const char *expected) {
    const struct option *row = row_of(name);
    struct slice text = slice_of_string(argument);
    struct option_input input = {.allocator = &ALLOCATOR_SYSTEM, .args = &text, .count = 1};
    union option_value value;
    struct option_error error;
    struct option_output output = {.allocator = &ALLOCATOR_SYSTEM};
    if (option_parse(row, &input, &value, &error) == LARDER_OK) {
        option_format(row, &value, &output);
        option_value_release(row, &ALLOCATOR_SYSTEM, &value);
    } else {
        option_output_text(&output, error.text);
    }
    assert_string_equal(output.data == NULL ? "" : output.data, expected);
    option_output_release(&output);
}

static void values_of_each_kind_are_read_and_shown(void **state) {
    (void)state;
    assert_shows("flag", "YES", "yes");
    assert_shows("flag", "no", "no");
    assert_shows("number", "-1", "-1");
    assert_shows("memory", "2k", "2000");
    assert_shows("memory", "2KB", "2048");
    assert_shows("memory", "3m", "3000000");
    assert_shows("memory", "3Mb", "3145728");
    assert_shows("memory", "1g", "1000000000");
    assert_shows("memory", "5gb", "5368709120");
    assert_shows("memory", "2000B", "2000");
    assert_shows("share", "50%", "50%");
    assert_shows("share", "0%", "0");
    assert_shows("share", "", "0");
    assert_shows("mode", "0700", "700");
    assert_shows("choice", "BLUE", "blue");
    assert_shows("choices", "blue green", "green blue");
    assert_shows("text", " any  text ", " any  text ");
    assert_shows("words", "  x   y ", "x y");
    assert_shows("words", "", "");
    assert_shows("integers", "4 5", "4 5");
    assert_shows("decimals", "50.0 99.123 100", "50 99.123 100");
}

static void refusals_say_what_redis_says(void **state) {
    (void)state;
    assert_shows("flag", "maybe", "argument must be 'yes' or 'no'");
    assert_shows("number", "11", "argument must be between -1 and 10 inclusive");
    static const char *const NO_INTEGERS[] = {"", "a", "05", "+5", " 5", "0x10", "5 "};
    for (size_t i = 0; i < sizeof(NO_INTEGERS) / sizeof(NO_INTEGERS[0]); i++)
        assert_shows("number", NO_INTEGERS[i], "argument couldn't be parsed into an integer");
    static const char *const NO_MEMORY[] = {"-1", "1.5gb", "abc", "5%", " 5", "kb", "5kbb"};
    for (size_t i = 0; i < sizeof(NO_MEMORY) / sizeof(NO_MEMORY[0]); i++)
        assert_shows("memory", NO_MEMORY[i], "argument must be a memory value");
    static const char RANGE[] = "argument must be between 1024 and 9223372036854775807 inclusive";
    assert_shows("memory", "1023", RANGE);
    assert_shows("memory", "9223372036854775808", RANGE);
    assert_shows("memory", "9007199254740992kb", RANGE);
    assert_shows("share", "101%", "percentage argument must be less or equal to 100");
    assert_shows("share", "-5%", "argument must be a memory or percent value");
    assert_shows("mode", "788", "argument couldn't be parsed as an octal number");
    assert_shows("mode", "1000", "argument must be between 0 and 777 inclusive");
    assert_shows("choice", "pink", "argument(s) must be one of the following: red, green, blue");
    assert_shows("decimals", "abc", "Invalid decimals parameters");
    assert_shows("decimals", "nan", "Invalid decimals parameters");
    assert_shows("decimals", "101", "decimals parameters should sit between [0.0,100.0]");
}

static void an_option_of_one_value_refuses_several(void **state) {
    (void)state;
    struct slice args[] = {SLICE_LITERAL("1"), SLICE_LITERAL("2")};
    static const size_t COUNTS[] = {0, 2};
    for (size_t i = 0; i < 2; i++) {
        struct option_input input = {&ALLOCATOR_SYSTEM, args, COUNTS[i], NULL};
        union option_value value;
        struct option_error error;
        assert_int_equal(option_parse(row_of("number"), &input, &value, &error), LARDER_INVALID);
        assert_string_equal(error.text, "wrong number of arguments");
    }
}

static void defaults_fill_all_fields(void **state) {
    (void)state;
    struct fields fields;
    assert_int_equal(options_init(&TABLE, &fields, &ALLOCATOR_SYSTEM), LARDER_OK);
    assert_false(fields.flag);
    assert_int_equal(fields.memory, 1 << 20);
    assert_int_equal(fields.mode, 0755);
    assert_int_equal(fields.choices, 5);
    assert_string_equal(fields.text.data, "");
    assert_int_equal(fields.words.count, 2);
    assert_string_equal(fields.words.items[1].data, "b");
    assert_int_equal(fields.integers.items[2], 3);
    const struct option *stored = row_of("stored");
    const struct option_text *kept = options_field_const(&TABLE, stored, &fields);
    assert_string_equal(kept->data, "kept");
    assert_true((const char *)kept >= (const char *)fields.spare);
    options_finish(&TABLE, &fields, &ALLOCATOR_SYSTEM);
    assert_int_equal(fields.words.count, 0);
}

static void lines_add_up_with_their_arguments_quoted(void **state) {
    (void)state;
    const struct option *row = row_of("lines");
    struct slice args[] = {SLICE_LITERAL("bob"), SLICE_LITERAL(""), SLICE_LITERAL("a b")};
    struct option_error error;
    union option_value first, second;
    struct option_input input = {&ALLOCATOR_SYSTEM, args, 3, NULL};
    assert_int_equal(option_parse(row, &input, &first, &error), LARDER_OK);
    input = (struct option_input){&ALLOCATOR_SYSTEM, args, 1, &first};
    assert_int_equal(option_parse(row, &input, &second, &error), LARDER_OK);
    assert_int_equal(second.words.count, 2);
    assert_string_equal(second.words.items[0].data, "bob \"\" \"a b\"");
    assert_string_equal(second.words.items[1].data, "bob");
    option_value_release(row, &ALLOCATOR_SYSTEM, &first);
    option_value_release(row, &ALLOCATOR_SYSTEM, &second);
}

static void names_and_aliases_are_found_in_any_case(void **state) {
    (void)state;
    assert_ptr_equal(options_find(&TABLE, SLICE_LITERAL("FLAGGE")), &ROWS[0]);
    assert_ptr_equal(options_find(&TABLE, SLICE_LITERAL("Number")), &ROWS[1]);
    assert_null(options_find(&TABLE, SLICE_LITERAL("numbe")));
    assert_null(options_find(&TABLE, SLICE_LITERAL("")));
}

static void globs_match_without_regard_to_case(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *name;
        bool matches;
    } CASES[] = {
        {"*", "", false}, /* as clients know it */
        {"*", "abc", true},         {"a*c", "abbc", true},
        {"A*C", "abbc", true},      {"a?c", "abc", true},
        {"a?c", "ac", false},       {"[a-c]x", "Bx", true},
        {"[^a-c]x", "bx", false},   {"[^a-c]x", "dx", true},
        {"a\\*", "a*", true},       {"a\\*", "ab", false},
        {"*-*-e", "a-b-c-e", true}, {"slave*", "sla", false},
        {"[z-a]", "m", true},       {"[abc", "b", true},
        {"a**b", "ab", true},       {"", "a", false},
        {"[", "a", false},          {"*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
        if (glob_match_any_case(slice_of_string(CASES[i].pattern),
                                slice_of_string(CASES[i].name)) != CASES[i].matches)
            fail_msg("pattern '%s', name '%s'", CASES[i].pattern, CASES[i].name);
}

static void assert_split(const char *line, size_t count, const char *const *words) {
    struct option_words split;
    assert_int_equal(option_split_line(&ALLOCATOR_SYSTEM, slice_of_string(line), &split),
                     LARDER_OK);
    assert_int_equal(split.count, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(split.items[i].data, words[i]);
    option_words_release(&ALLOCATOR_SYSTEM, &split);
}

static void lines_are_split_by_the_quoting_rules(void **state) {
    (void)state;
    assert_split(" a\tb  c ", 3, (const char *const[]){"a", "b", "c"});
    assert_split("\"a b\" ''", 2, (const char *const[]){"a b", ""});
    assert_split("\"\\x41\\n\\r\\t\\b\\a\\\"\\q\\xzz\"", 1,
                 (const char *const[]){"A\n\r\t\b\a\"qxzz"});
    assert_split("'a\\'b\\n'", 1, (const char *const[]){"a'b\\n"});
    assert_split("a\"b c\"", 1, (const char *const[]){"ab c"});
    assert_split("   ", 0, NULL);
    static const char *const BAD[] = {"\"a", "'a", "\"a\"b", "'a'b", "a\"", "\"a\\"};
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        struct option_words split;
        assert_int_equal(option_split_line(&ALLOCATOR_SYSTEM, slice_of_string(BAD[i]), &split),
                         LARDER_INVALID);
    }
}

static void quoted_words_are_read_back_for_every_byte(void **state) {
    (void)state;
    for (int first = 0; first < 256; first++) {
        uint8_t word[] = {(uint8_t)first, 'x', (uint8_t)first};
        struct option_output line = {.allocator = &ALLOCATOR_SYSTEM};
        option_quote(&line, slice_of(word, sizeof(word)));
        struct option_words split;
        assert_int_equal(
            option_split_line(&ALLOCATOR_SYSTEM, slice_of(line.data, line.size), &split),
            LARDER_OK);
        assert_int_equal(split.count, 1);
        assert_true(slice_equal(option_text_slice(&split.items[0]), slice_of(word, sizeof(word))));
        option_words_release(&ALLOCATOR_SYSTEM, &split);
        option_output_release(&line);
    }
}

static void file_lines_use_units_and_quotes(void **state) {
    (void)state;
    static const struct {
        const char *name, *value, *line;
    } CASES[] = {
        {"memory", "5gb", "5gb"},   {"memory", "1536", "1536"}, {"memory", "3072kb", "3mb"},
        {"share", "0", "0"},        {"share", "7%", "7%"},      {"text", "a b", "\"a b\""},
        {"text", "", "\"\""},       {"words", "", "\"\""},      {"words", "a b", "a b"},
        {"text", "plain", "plain"}, {"text", "#x", "\"#x\""}};
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        const struct option *row = row_of(CASES[i].name);
        struct slice text = slice_of_string(CASES[i].value);
        struct option_input input = {&ALLOCATOR_SYSTEM, &text, 1, NULL};
        union option_value value;
        struct option_error error;
        struct option_output line = {.allocator = &ALLOCATOR_SYSTEM};
        assert_int_equal(option_parse(row, &input, &value, &error), LARDER_OK);
        option_format_line(row, &value, &line);
        assert_string_equal(line.data, CASES[i].line);
        option_output_release(&line);
        option_value_release(row, &ALLOCATOR_SYSTEM, &value);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_each_kind_are_read_and_shown),
        cmocka_unit_test(refusals_say_what_redis_says),
        cmocka_unit_test(an_option_of_one_value_refuses_several),
        cmocka_unit_test(defaults_fill_all_fields),
        cmocka_unit_test(lines_add_up_with_their_arguments_quoted),
        cmocka_unit_test(names_and_aliases_are_found_in_any_case),
        cmocka_unit_test(globs_match_without_regard_to_case),
        cmocka_unit_test(lines_are_split_by_the_quoting_rules),
        cmocka_unit_test(quoted_words_are_read_back_for_every_byte),
        cmocka_unit_test(file_lines_use_units_and_quotes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
