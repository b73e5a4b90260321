/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands as they go over the wire. */
#include "support/testing.h"

#include <valkey/valkey.h>

#include <float.h>
#include <limits.h>

static void expect_words(const char *command, int size, int count, const char *const *words,
                         const size_t *sizes) {
    char *wanted;
    long long wanted_size =
        valkeyFormatCommandArgv(&wanted, count, (const char **)(uintptr_t)words, sizes);
    assert_int_equal(size, wanted_size);
    assert_memory_equal(command, wanted, (size_t)size + 1);
    valkeyFreeCommand(wanted);
}

#define EXPECT_FORMAT(count, words, ...)                                                           \
    do {                                                                                           \
        char *command_;                                                                            \
        int size_ = valkeyFormatCommand(&command_, __VA_ARGS__);                                   \
        expect_words(command_, size_, count, words, NULL);                                         \
        valkeyFreeCommand(command_);                                                               \
    } while (0)

#define WORDS(...)                                                                                 \
    (const char *const[]) {                                                                        \
        __VA_ARGS__                                                                                \
    }

static void words_of_an_array_are_counted_and_copied(void **state) {
    (void)state;
    const char *argv[] = {"SET", "fo\0o", ""};
    size_t sizes[] = {3, 4, 0};
    char *command;
    assert_int_equal(valkeyFormatCommandArgv(&command, 3, argv, sizes), 29);
    assert_memory_equal(command, "*3\r\n$3\r\nSET\r\n$4\r\nfo\0o\r\n$0\r\n\r\n", 30);
    valkeyFreeCommand(command);
    argv[1] = "foo";
    assert_int_equal(valkeyFormatCommandArgv(&command, 3, argv, NULL), 28);
    assert_memory_equal(command, "*3\r\n$3\r\nSET\r\n$3\r\nfoo\r\n$0\r\n\r\n", 29);
    valkeyFreeCommand(command);
    assert_int_equal(valkeyFormatCommandArgv(NULL, 3, argv, NULL), -1);
}

static void formats_are_cut_at_spaces(void **state) {
    (void)state;
    EXPECT_FORMAT(1, WORDS("PING"), "PING");
    EXPECT_FORMAT(3, WORDS("SET", "foo", "bar"), "  SET   foo bar ");
    EXPECT_FORMAT(0, WORDS("unused"), "   ");
}

static void values_never_split_a_word(void **state) {
    (void)state;
    EXPECT_FORMAT(3, WORDS("SET", "a b", "%c d"), "SET %s %s", "a b", "%c d");
    EXPECT_FORMAT(3, WORDS("SET", "", ""), "SET %s %b", "", "", (size_t)0);
    EXPECT_FORMAT(3, WORDS("SET", "pre:a b:post", "100%"), "SET pre:%s:post 100%%", "a b");
    char *command;
    int size = valkeyFormatCommand(&command, "SET %b%s x", "a\0b", (size_t)3, "c");
    expect_words(command, size, 3, WORDS("SET", "a\0bc", "x"), (size_t[]){3, 4, 1});
    valkeyFreeCommand(command);
}

static void numbers_are_printed_as_printf_does(void **state) {
    (void)state;
    EXPECT_FORMAT(3, WORDS("k", "-5", "key:00042"), "k %d key:%05i", -5, 42);
    EXPECT_FORMAT(4, WORDS("k", "10", "ff", "FF"), "k %o %x %X", 8, 255, 255);
    EXPECT_FORMAT(3, WORDS("k", "4294967295", "-1"), "k %u %hhd", UINT_MAX, 255);
    EXPECT_FORMAT(2, WORDS("k", "-32768"), "k %hd", 32768);
    EXPECT_FORMAT(2, WORDS("k", "9223372036854775807"), "k %ld", LONG_MAX);
    EXPECT_FORMAT(2, WORDS("k", "18446744073709551615"), "k %llu", ULLONG_MAX);
    EXPECT_FORMAT(4, WORDS("k", "1.50", "1.500000e+00", "1.5"), "k %.2f %e %g", 1.5, 1.5, 1.5);
    EXPECT_FORMAT(3, WORDS("k", "0x1.8p+0", "[ +7]"), "k %a [%+3d]", 1.5, 7);
    EXPECT_FORMAT(3, WORDS("k", "1", "s"), "k %d %s", 1, "s");
    char wanted[512];
    (void)snprintf(wanted, sizeof wanted, "%f", DBL_MAX);
    EXPECT_FORMAT(3, WORDS("k", wanted, "z"), "k %f %s", DBL_MAX, "z");
    (void)snprintf(wanted, sizeof wanted, "%300d", 5);
    EXPECT_FORMAT(2, WORDS("k", wanted), "k %300d", 5);
}

static void long_values_and_many_words_fit(void **state) {
    (void)state;
    enum { SIZE = 100000 };
    char *value = malloc(SIZE + 1), *command;
    memset(value, 'v', SIZE);
    value[SIZE] = '\0';
    EXPECT_FORMAT(4, WORDS("SET", value, "x", value), "SET %s x %s", value, value);
    for (int i = 0; i < SIZE; i += 2)
        value[i] = ' ';
    int size = valkeyFormatCommand(&command, value);
    assert_int_equal(size, 8 + SIZE / 2 * 7);
    assert_memory_equal(command, "*50000\r\n$1\r\nv\r\n", 15);
    valkeyFreeCommand(command);
    free(value);
}

static void bad_formats_are_refused(void **state) {
    (void)state;
    static const char *const FORMATS[] = {
        "k %", "k %y", "k %*d",  "k %lls", "k %h",
        "%",   "k %q", "k %.9s", "k %llf", "k %00000000000000000000000000000001d"};
    for (size_t i = 0; i < COUNT_OF(FORMATS); i++) {
        char *command = (char *)1;
        assert_int_equal(valkeyFormatCommand(&command, FORMATS[i], 1, 2), -2);
        assert_null(command);
    }
    char *command;
    assert_int_equal(valkeyFormatCommand(&command, "k %s", (char *)NULL), -2);
    assert_int_equal(valkeyFormatCommand(NULL, "k"), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_of_an_array_are_counted_and_copied),
        cmocka_unit_test(formats_are_cut_at_spaces),
        cmocka_unit_test(values_never_split_a_word),
        cmocka_unit_test(numbers_are_printed_as_printf_does),
        cmocka_unit_test(long_values_and_many_words_fit),
        cmocka_unit_test(bad_formats_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
