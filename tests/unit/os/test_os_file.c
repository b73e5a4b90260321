/* SPDX-License-Identifier: BSD-3-Clause */
/* Files and directories, in a directory of their own. */
#include "os/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[] = "/tmp/larder-file-XXXXXX";

static const char *path_of(const char *name) {
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

static void expect_content(const char *name, const char *expected) {
    uint8_t *data = NULL;
    size_t size = 0;
    struct error_text error;
    if (file_read_whole(path_of(name), 1 << 20, &ALLOCATOR_SYSTEM, &data, &size, &error) !=
        LARDER_OK)
        fail_msg("%s", error.text);
    assert_string_equal((const char *)data, expected);
    assert_int_equal(size, strlen(expected));
    allocator_release(&ALLOCATOR_SYSTEM, data, size + 1);
}

static void appended_bytes_are_read_back_and_can_be_cut(void **state) {
    (void)state;
    struct file file;
    uint64_t size = 0;
    assert_int_equal(file_open(&file, path_of("journal"), FILE_APPEND, 0640, NULL), LARDER_OK);
    assert_int_equal(file_preallocate(&file, 1 << 16, NULL), LARDER_OK);
    assert_int_equal(file_append(&file, SLICE_LITERAL("hello "), NULL), LARDER_OK);
    assert_int_equal(file_append(&file, SLICE_LITERAL("world"), NULL), LARDER_OK);
    assert_int_equal(file_sync(&file, NULL), LARDER_OK);
    assert_int_equal(file_size(&file, &size, NULL), LARDER_OK);
    assert_int_equal(size, 11);
    char buffer[16];
    size_t count = 0;
    assert_int_equal(file_read_at(&file, 6, buffer, sizeof buffer, &count, NULL), LARDER_OK);
    assert_int_equal(count, 5);
    assert_memory_equal(buffer, "world", 5);
    assert_int_equal(file_truncate(&file, 5, NULL), LARDER_OK);
    assert_int_equal(file_append(&file, SLICE_LITERAL("!"), NULL), LARDER_OK);
    file_close(&file);
    file_close(&file);
    expect_content("journal", "hello!");
    struct file second;
    assert_int_equal(file_open(&second, path_of("journal"), FILE_CREATE_APPEND, 0640, NULL),
                     LARDER_EXISTS);
    assert_int_equal(file_open(&second, path_of("journal"), FILE_REPLACE_APPEND, 0640, NULL),
                     LARDER_OK);
    file_close(&second);
    expect_content("journal", "");
    assert_int_equal(file_unlink(path_of("journal"), NULL), LARDER_OK);
    assert_int_equal(file_unlink(path_of("journal"), NULL), LARDER_NOT_FOUND);
}

static void failures_name_the_file_and_the_reason(void **state) {
    (void)state;
    struct file file;
    struct error_text error;
    assert_int_equal(file_open(&file, path_of("none/x"), FILE_READ, 0, &error), LARDER_NOT_FOUND);
    char expected[256];
    (void)snprintf(expected, sizeof expected, "can't open '%s': No such file or directory",
                   path_of("none/x"));
    assert_string_equal(error.text, expected);
    assert_int_equal(file.fd, -1);
    assert_int_equal(file_open(&file, "/dev/full", FILE_APPEND, 0, &error), LARDER_OK);
    assert_int_equal(file_append(&file, SLICE_LITERAL("x"), &error), LARDER_NO_SPACE);
    file_write_quietly(file.fd, SLICE_LITERAL("x"));
    file_close(&file);
    assert_int_equal(file_append(&file, SLICE_LITERAL("x"), NULL), LARDER_IO);
}

static void atomic_write_replaces_content_and_keeps_permissions(void **state) {
    (void)state;
    struct stat info;
    const char *path = path_of("conf");
    assert_int_equal(file_write_atomically(path, SLICE_LITERAL("one"), 0600, NULL), LARDER_OK);
    expect_content("conf", "one");
    path = path_of("conf");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(file_write_atomically(path, SLICE_LITERAL("two"), 0600, NULL), LARDER_OK);
    expect_content("conf", "two");
    assert_int_equal(stat(path_of("conf"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0644);
    struct error_text error;
    assert_int_equal(file_write_atomically(path_of("no/conf"), SLICE_LITERAL("x"), 0600, &error),
                     LARDER_NOT_FOUND);
    assert_int_equal(file_unlink(path_of("conf"), NULL), LARDER_OK);
    /* Nothing else was left behind: the directory can be removed below only when it is empty. */
}

static void whole_file_beyond_the_limit_is_refused(void **state) {
    (void)state;
    static uint8_t block[10000];
    memset(block, 'x', sizeof block);
    struct error_text error;
    uint8_t *data = NULL;
    size_t size = 0;
    assert_int_equal(
        file_write_atomically(path_of("big"), slice_of(block, sizeof block), 0600, NULL),
        LARDER_OK);
    assert_int_equal(file_read_whole(path_of("big"), 9999, &ALLOCATOR_SYSTEM, &data, &size, &error),
                     LARDER_TOO_LARGE);
    assert_null(data);
    assert_non_null(strstr(error.text, "9999"));
    assert_int_equal(
        file_read_whole(path_of("big"), 10000, &ALLOCATOR_SYSTEM, &data, &size, &error), LARDER_OK);
    assert_int_equal(size, 10000);
    allocator_release(&ALLOCATOR_SYSTEM, data, size + 1);
    assert_int_equal(file_read_whole(directory, 9999, &ALLOCATOR_SYSTEM, &data, &size, &error),
                     LARDER_IO);
}

struct failing {
    int until_failure;
    size_t held;
};

static void *failing_resize(void *context, void *pointer, size_t old_size, size_t new_size) {
    struct failing *failing = context;
    if (failing->until_failure-- == 0)
        return NULL;
    failing->held += new_size - old_size;
    return realloc(pointer, new_size);
}

static void failing_release(void *context, void *pointer, size_t size) {
    struct failing *failing = context;
    failing->held -= size;
    free(pointer);
}

static void lack_of_memory_while_reading_is_a_status(void **state) {
    (void)state;
    struct failing failing = {0};
    struct allocator allocator = {
        .resize = failing_resize, .release = failing_release, .context = &failing};
    uint8_t *data = NULL;
    size_t size = 0;
    enum larder_status status = LARDER_NO_MEMORY;
    int failures = 0;
    for (; status == LARDER_NO_MEMORY; failures++) {
        failing.until_failure = failures;
        status = file_read_whole(path_of("big"), 1 << 20, &allocator, &data, &size, NULL);
        if (status == LARDER_NO_MEMORY)
            assert_int_equal(failing.held, 0);
    }
    assert_int_equal(status, LARDER_OK);
    assert_true(failures > 2);
    allocator_release(&allocator, data, size + 1);
    assert_int_equal(failing.held, 0);
    assert_int_equal(file_unlink(path_of("big"), NULL), LARDER_OK);
}

static void directories_are_created_with_their_parents(void **state) {
    (void)state;
    struct error_text error;
    assert_int_equal(directory_create(path_of("a/b/c"), 0750, &error), LARDER_OK);
    assert_int_equal(directory_create(path_of("a/b/c/"), 0750, &error), LARDER_OK);
    assert_true(directory_exists(path_of("a/b/c")));
    assert_false(file_exists(path_of("a/b/c")));
    assert_int_equal(directory_sync(path_of("a"), &error), LARDER_OK);
    assert_int_equal(file_write_atomically(path_of("a/file"), SLICE_LITERAL("x"), 0600, NULL),
                     LARDER_OK);
    assert_int_equal(directory_create(path_of("a/file/d"), 0750, &error), LARDER_EXISTS);
    assert_int_equal(directory_create("", 0750, &error), LARDER_NOT_FOUND);
    assert_int_equal(file_rename(path_of("a/file"), path_of("a/renamed"), &error), LARDER_OK);
    assert_true(file_exists(path_of("a/renamed")));
    assert_int_equal(file_rename(path_of("a/file"), path_of("x"), &error), LARDER_NOT_FOUND);
    assert_int_equal(directory_enter(path_of("absent"), &error), LARDER_NOT_FOUND);
    assert_int_equal(file_unlink(path_of("a/renamed"), NULL), LARDER_OK);
    assert_int_equal(rmdir(path_of("a/b/c")) + rmdir(path_of("a/b")) + rmdir(path_of("a")), 0);
}

static int make_directory(void **state) {
    (void)state;
    return mkdtemp(directory) == NULL;
}

static int remove_directory(void **state) {
    (void)state;
    return rmdir(directory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appended_bytes_are_read_back_and_can_be_cut),
        cmocka_unit_test(failures_name_the_file_and_the_reason),
        cmocka_unit_test(atomic_write_replaces_content_and_keeps_permissions),
        cmocka_unit_test(whole_file_beyond_the_limit_is_refused),
        cmocka_unit_test(lack_of_memory_while_reading_is_a_status),
        cmocka_unit_test(directories_are_created_with_their_parents),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
