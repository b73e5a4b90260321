/* SPDX-License-Identifier: BSD-3-Clause */
/* The slow log: numbering, trimming of arguments, limits of length. */
#include "server/slow_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void expect_text(struct slice text, const char *wanted) {
    assert_int_equal(text.size, strlen(wanted));
    assert_memory_equal(text.data, wanted, text.size);
}

static struct slow_log_entry *entry_of(const struct allocator *a, const char *word) {
    struct slice argv[1] = {slice_of_string(word)};
    struct slow_log_entry *entry =
        slow_log_entry_create(a, 1, argv, SLICE_LITERAL("127.0.0.1:1"), SLICE_LITERAL("me"));
    assert_non_null(entry);
    return entry;
}

static void add(struct slow_log *log, const char *word) {
    slow_log_entry_destroy(log->allocator, slow_log_add(log, entry_of(log->allocator, word)));
}

static void the_newest_entries_are_kept_and_numbered_on(void **state) {
    (void)state;
    struct slow_log log;
    slow_log_init(&log, &ALLOCATOR_SYSTEM, 3);
    for (int i = 0; i < 10; i++) {
        char word[8];
        (void)snprintf(word, sizeof(word), "c%d", i);
        add(&log, word);
    }
    assert_int_equal(log.length, 3);
    uint64_t id = 9;
    for (const struct slow_log_entry *e = log.newest; e != NULL; e = e->older, id--) {
        char word[8];
        (void)snprintf(word, sizeof(word), "c%d", (int)id);
        assert_int_equal(e->id, id);
        expect_text(e->argv[0], word);
    }
    assert_int_equal(id, 6);
    slow_log_finish(&log);
}

static void numbers_go_on_after_a_reset(void **state) {
    (void)state;
    struct slow_log log;
    slow_log_init(&log, &ALLOCATOR_SYSTEM, 3);
    add(&log, "a");
    add(&log, "b");
    slow_log_entry_destroy(log.allocator, slow_log_reset(&log));
    assert_int_equal(log.length, 0);
    assert_null(log.newest);
    add(&log, "c");
    assert_int_equal(log.newest->id, 2);
    slow_log_finish(&log);
}

static void a_lower_limit_drops_the_oldest(void **state) {
    (void)state;
    struct slow_log log;
    slow_log_init(&log, &ALLOCATOR_SYSTEM, 10);
    for (int i = 0; i < 5; i++)
        add(&log, "x");
    struct slow_log_entry *dropped = slow_log_limit(&log, 2);
    assert_int_equal(dropped->id, 2);
    slow_log_entry_destroy(log.allocator, dropped);
    assert_int_equal(log.length, 2);
    assert_int_equal(log.oldest->id, 3);
    assert_null(log.oldest->older);
    slow_log_entry_destroy(log.allocator, slow_log_limit(&log, 0));
    assert_null(log.newest);
    assert_null(log.oldest);
    add(&log, "y");
    assert_int_equal(log.length, 0);
    slow_log_finish(&log);
}

static void many_and_long_arguments_are_cut_with_a_note(void **state) {
    (void)state;
    struct slice argv[40];
    char word[200];
    memset(word, 'w', sizeof(word));
    for (size_t i = 0; i < 40; i++)
        argv[i] = slice_of(word, i == 1 ? 200 : i == 2 ? 128 : 1);
    struct slow_log_entry *e =
        slow_log_entry_create(&ALLOCATOR_SYSTEM, 40, argv, SLICE_LITERAL("peer"), slice_of("", 0));
    assert_int_equal(e->argc, SLOW_LOG_ARGUMENTS);
    assert_int_equal(e->argv[1].size, 128 + strlen("... (72 more bytes)"));
    assert_memory_equal(e->argv[1].data + 128, "... (72 more bytes)", 19);
    assert_int_equal(e->argv[2].size, 128);
    expect_text(e->argv[31], "... (9 more arguments)");
    expect_text(e->peer, "peer");
    assert_int_equal(e->name.size, 0);
    slow_log_entry_destroy(&ALLOCATOR_SYSTEM, e);
    e = slow_log_entry_create(&ALLOCATOR_SYSTEM, 32, argv, SLICE_LITERAL("p"), slice_of("", 0));
    assert_int_equal(e->argc, 32);
    expect_text(e->argv[31], "w");
    slow_log_entry_destroy(&ALLOCATOR_SYSTEM, e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_entries_are_kept_and_numbered_on),
        cmocka_unit_test(numbers_go_on_after_a_reset),
        cmocka_unit_test(a_lower_limit_drops_the_oldest),
        cmocka_unit_test(many_and_long_arguments_are_cut_with_a_note),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
