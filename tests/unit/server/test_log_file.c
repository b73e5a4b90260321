/* SPDX-License-Identifier: BSD-3-Clause */
/* Log entries from the library's call to the bytes in the file. */
#include "os/thread.h"
#include "server/log_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { CONTENT_MAX = 1 << 20 };

static char directory[] = "/tmp/larder-log-XXXXXX";
static char path[64], rotated[64];

static const char *content_of(const char *file_path) {
    static char content[CONTENT_MAX + 1];
    uint8_t *data = NULL;
    size_t size = 0;
    struct error_text error;
    if (file_read_whole(file_path, CONTENT_MAX, &ALLOCATOR_SYSTEM, &data, &size, &error) !=
        LARDER_OK)
        fail_msg("%s", error.text);
    memcpy(content, data, size + 1);
    allocator_release(&ALLOCATOR_SYSTEM, data, size + 1);
    return content;
}

static void open_log(struct log_file *log_file, struct log *log, enum log_format format) {
    struct error_text error;
    if (log_file_open(log_file, path, format, &error) != LARDER_OK)
        fail_msg("%s", error.text);
    log_init(log, LOG_LEVEL_NOTICE, log_file_sink, log_file);
}

static void close_and_remove(struct log_file *log_file) {
    log_file_close(log_file);
    assert_int_equal(unlink(path), 0);
}

/* Whether `text` has the shape of `shape`, in which 9 stands for a digit and A for a letter. */
static bool has_shape(const char *text, const char *shape) {
    for (; *shape != '\0'; shape++, text++) {
        bool is_digit = *text >= '0' && *text <= '9';
        bool is_letter = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z');
        if (*shape == '9' ? !is_digit : *shape == 'A' ? !is_letter : *shape != *text)
            return false;
    }
    return true;
}

static void text_line_has_process_role_time_and_level(void **state) {
    (void)state;
    struct log_file log_file;
    struct log log;
    char expected[64];
    open_log(&log_file, &log, LOG_FORMAT_TEXT);
    log_write(&log, LOG_LEVEL_NOTICE, "Ready to accept connections on %d", 6379);
    log_file_set_role(&log_file, 'S');
    log_write(&log, LOG_LEVEL_WARNING, "low");
    const char *text = content_of(path);
    int length = snprintf(expected, sizeof expected, "%d:M ", (int)getpid());
    assert_memory_equal(text, expected, (size_t)length);
    text += length;
    assert_true(has_shape(text, "99 AAA 9999 99:99:99.999 * Ready to accept connections on "));
    text = strchr(text, '\n') + 1;
    (void)snprintf(expected, sizeof expected, "%d:S ", (int)getpid());
    assert_memory_equal(text, expected, (size_t)length);
    assert_string_equal(text + length + strlen("99 AAA 9999 99:99:99.999 "), "# low\n");
    close_and_remove(&log_file);
}

static void entries_below_the_level_are_dropped(void **state) {
    (void)state;
    struct log_file log_file;
    struct log log;
    open_log(&log_file, &log, LOG_FORMAT_TEXT);
    log_write(&log, LOG_LEVEL_VERBOSE, "unseen");
    log_set_level(&log, LOG_LEVEL_DEBUG);
    log_write(&log, LOG_LEVEL_DEBUG, "seen");
    log_set_level(&log, LOG_LEVEL_NOTHING);
    log_write(&log, LOG_LEVEL_WARNING, "unseen");
    log_write(NULL, LOG_LEVEL_WARNING, "unseen");
    const char *text = content_of(path);
    assert_null(strstr(text, "unseen"));
    assert_non_null(strstr(text, " . seen\n"));
    close_and_remove(&log_file);
}

static void logfmt_line_quotes_what_needs_it(void **state) {
    (void)state;
    struct log_file log_file;
    struct log log;
    open_log(&log_file, &log, LOG_FORMAT_LOGFMT);
    const struct log_field fields[] = {LOG_TEXT("client", SLICE_LITERAL("127.0.0.1:5000")),
                                       LOG_NUMBER("bytes", -12),
                                       LOG_TEXT("reason", SLICE_LITERAL("said \"no\" = bad\\")),
                                       LOG_TEXT("empty", SLICE_LITERAL(""))};
    log_write_fields(&log, LOG_LEVEL_NOTICE, "Client closed", fields, 4);
    const char *text = content_of(path);
    assert_non_null(strstr(text, " role=primary timestamp=\""));
    assert_true(has_shape(strstr(text, "timestamp="),
                          "timestamp=\"9999-99-99A99:99:99.999A\" level=notice "));
    assert_non_null(strstr(text, " message=\"Client closed\" client=127.0.0.1:5000 bytes=-12 "
                                 "reason=\"said \\\"no\\\" = bad\\\\\" empty=\"\"\n"));
    log_file_set_format(&log_file, LOG_FORMAT_TEXT);
    log_write_fields(&log, LOG_LEVEL_NOTICE, "Client closed", fields, 2);
    assert_non_null(strstr(content_of(path), " * Client closed client=127.0.0.1:5000 bytes=-12\n"));
    close_and_remove(&log_file);
}

static void text_from_outside_cannot_forge_a_line(void **state) {
    (void)state;
    struct log_file log_file;
    struct log log;
    open_log(&log_file, &log, LOG_FORMAT_TEXT);
    log_write(&log, LOG_LEVEL_NOTICE, "name '%s'", "x\r\n1:M forged\x1b[2J");
    struct log_field field = LOG_TEXT("name", SLICE_LITERAL("a\nb"));
    log_write_fields(&log, LOG_LEVEL_NOTICE, "field", &field, 1);
    const char *text = content_of(path);
    assert_non_null(strstr(text, "name 'x??1:M forged?[2J'\n"));
    assert_non_null(strstr(text, "field name=a?b\n"));
    close_and_remove(&log_file);
}

static void overlong_entries_are_cut_and_overlong_fields_left_out(void **state) {
    (void)state;
    static char big[5000];
    memset(big, '"', sizeof big - 1);
    struct log_file log_file;
    struct log log;
    open_log(&log_file, &log, LOG_FORMAT_LOGFMT);
    log_write(&log, LOG_LEVEL_NOTICE, "%s", big);
    const struct log_field fields[] = {LOG_TEXT("big", slice_of_string(big)),
                                       LOG_NUMBER("small", 1)};
    log_write_fields(&log, LOG_LEVEL_NOTICE, "cut", fields, 2);
    const char *text = content_of(path);
    assert_non_null(strstr(text, "\\\"...\"\n"));
    assert_non_null(strstr(text, "message=cut small=1\n"));
    assert_true(strlen(text) < 2 * LOG_MESSAGE_MAX + 400);
    close_and_remove(&log_file);
}

static void write_numbered(void *context) {
    struct log *log = context;
    for (int i = 0; i < 500; i++)
        log_write(log, LOG_LEVEL_NOTICE, "entry of a thread");
}

static size_t count_lines(const char *text) {
    size_t count = 0;
    for (; (text = strchr(text, '\n')) != NULL; text++)
        count++;
    return count;
}

static void reopening_while_threads_write_loses_nothing(void **state) {
    (void)state;
    struct log_file log_file;
    struct log log;
    struct os_thread threads[2];
    struct os_thread_options options = {
        .run = write_numbered, .context = &log, .core = OS_THREAD_ANY_CORE};
    open_log(&log_file, &log, LOG_FORMAT_TEXT);
    int descriptor = log_file_descriptor(&log_file);
    write_numbered(&log);
    for (int i = 0; i < 2; i++)
        assert_int_equal(os_thread_start(&threads[i], &options), LARDER_OK);
    assert_int_equal(rename(path, rotated), 0);
    assert_int_equal(log_file_reopen(&log_file, NULL), LARDER_OK);
    for (int i = 0; i < 2; i++)
        os_thread_join(&threads[i]);
    assert_int_equal(log_file_descriptor(&log_file), descriptor);
    log_write(&log, LOG_LEVEL_NOTICE, "after");
    size_t lines = count_lines(content_of(rotated)) + count_lines(content_of(path));
    assert_int_equal(lines, 1501);
    assert_non_null(strstr(content_of(path), "after"));
    assert_int_equal(unlink(rotated), 0);
    close_and_remove(&log_file);
}

static void failure_to_reopen_keeps_the_old_file(void **state) {
    (void)state;
    struct log_file log_file;
    struct log log;
    struct error_text error;
    open_log(&log_file, &log, LOG_FORMAT_TEXT);
    assert_int_equal(rename(path, rotated), 0);
    /* A directory in the file's place can't be opened for writing, not even by root. */
    assert_int_equal(directory_create(path, 0700, NULL), LARDER_OK);
    assert_int_not_equal(log_file_reopen(&log_file, &error), LARDER_OK);
    assert_non_null(strstr(error.text, path));
    log_write(&log, LOG_LEVEL_NOTICE, "kept");
    assert_non_null(strstr(content_of(rotated), "kept"));
    log_file_close(&log_file);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(unlink(rotated), 0);
}

static void wrong_path_or_facility_is_told(void **state) {
    (void)state;
    struct log_file log_file;
    struct error_text error;
    assert_int_equal(log_file_open(&log_file, "/nonexistent/x.log", LOG_FORMAT_TEXT, &error),
                     LARDER_NOT_FOUND);
    assert_non_null(strstr(error.text, "/nonexistent/x.log"));
    assert_int_equal(log_file_open(&log_file, NULL, LOG_FORMAT_TEXT, &error), LARDER_OK);
    assert_int_equal(log_file_reopen(&log_file, &error), LARDER_OK);
    assert_int_equal(log_file_use_syslog(&log_file, "larder", "local9", &error), LARDER_INVALID);
    assert_non_null(strstr(error.text, "local9"));
    assert_int_equal(log_file_use_syslog(&log_file, "larder", "LOCAL0", &error), LARDER_OK);
    log_file_close(&log_file);
}

static void levels_have_names(void **state) {
    (void)state;
    enum log_level level = LOG_LEVEL_DEBUG;
    assert_true(log_level_find(SLICE_LITERAL("Warning"), &level));
    assert_int_equal(level, LOG_LEVEL_WARNING);
    assert_string_equal(log_level_name(level), "warning");
    assert_false(log_level_find(SLICE_LITERAL("loud"), &level));
}

static int make_directory(void **state) {
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    (void)snprintf(path, sizeof path, "%s/larder.log", directory);
    (void)snprintf(rotated, sizeof rotated, "%s/larder.log.1", directory);
    return 0;
}

static int remove_directory(void **state) {
    (void)state;
    return rmdir(directory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_line_has_process_role_time_and_level),
        cmocka_unit_test(entries_below_the_level_are_dropped),
        cmocka_unit_test(logfmt_line_quotes_what_needs_it),
        cmocka_unit_test(text_from_outside_cannot_forge_a_line),
        cmocka_unit_test(overlong_entries_are_cut_and_overlong_fields_left_out),
        cmocka_unit_test(reopening_while_threads_write_loses_nothing),
        cmocka_unit_test(failure_to_reopen_keeps_the_old_file),
        cmocka_unit_test(wrong_path_or_facility_is_told),
        cmocka_unit_test(levels_have_names),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
