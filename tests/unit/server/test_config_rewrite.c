/* SPDX-License-Identifier: BSD-3-Clause */
/* CONFIG REWRITE: what stays, what changes, and that a reload of the result gives the values that
 * were in force. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/config.h"

struct fixture {
    struct server_config config;
    struct config_error error;
    char folder[64];
    char path[128];
    char text[8192]; /* the file after the last rewrite */
};

static const struct config_warnings NO_WARNINGS = {NULL, NULL};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    (void)snprintf(f->folder, sizeof(f->folder), "/tmp/config-test-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    (void)snprintf(f->path, sizeof(f->path), "%s/larder.conf", f->folder);
    assert_int_equal(config_init(&f->config, &ALLOCATOR_SYSTEM, 2), LARDER_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", f->folder);
    assert_int_equal(system(command), 0);
    config_finish(&f->config);
    free(f);
    return 0;
}

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static void read_text(struct fixture *f) {
    FILE *file = fopen(f->path, "r");
    assert_non_null(file);
    size_t size = fread(f->text, 1, sizeof(f->text) - 1, file);
    f->text[size] = '\0';
    assert_int_equal(fclose(file), 0);
}

static void load_file(struct fixture *f, const char *text) {
    write_file(f->path, text);
    char *argv[] = {"larder-server", f->path};
    assert_int_equal(config_load(&f->config, 2, argv, NO_WARNINGS, &f->error), LARDER_OK);
}

static void set(struct fixture *f, const char *name, const char *value) {
    struct slice pair[] = {slice_of_string(name), slice_of_string(value)};
    assert_int_equal(config_set(&f->config, pair, 1, true, NO_WARNINGS, &f->error), LARDER_OK);
}

/* Rewrite, and load the file into a fresh config: it must hold the same values. */
static void rewrite(struct fixture *f) {
    assert_int_equal(config_rewrite(&f->config, NULL, &f->error), LARDER_OK);
    read_text(f);
    static struct server_config again;
    struct option_output texts[2] = {{.allocator = &ALLOCATOR_SYSTEM},
                                     {.allocator = &ALLOCATOR_SYSTEM}};
    assert_int_equal(config_init(&again, &ALLOCATOR_SYSTEM, 2), LARDER_OK);
    char *argv[] = {"larder-server", f->path};
    assert_int_equal(config_load(&again, 2, argv, NO_WARNINGS, &f->error), LARDER_OK);
    assert_int_equal(config_write_changes(&f->config, &texts[0]), LARDER_OK);
    assert_int_equal(config_write_changes(&again, &texts[1]), LARDER_OK);
    assert_string_equal(texts[0].data, texts[1].data);
    option_output_release(&texts[0]);
    option_output_release(&texts[1]);
    config_finish(&again);
}

static void comments_order_and_unchanged_lines_stay(void **state) {
    struct fixture *f = *state;
    load_file(f,
              "# head\ndir /tmp\n\n  MaxMemory   1024mb\n# tail\ntimeout 5\nsave 60 1\nsave 5 5\n");
    set(f, "timeout", "6");
    rewrite(f);
    assert_string_equal(
        f->text,
        "# head\ndir /tmp\n\n  MaxMemory   1024mb\n# tail\ntimeout 6\nsave 60 1\nsave 5 5\n");
}

static void repeated_lines_of_an_option_become_the_last_one(void **state) {
    struct fixture *f = *state;
    load_file(f, "timeout 5\ndir /tmp\ntimeout 7\nsave 60 1\nslave-priority 3\nsave 5 6\n");
    rewrite(f);
    assert_string_equal(f->text, "dir /tmp\ntimeout 7\nsave 60 1\nslave-priority 3\nsave 5 6\n");
    set(f, "save", "1 2");
    set(f, "replica-priority", "4");
    rewrite(f);
    assert_string_equal(f->text, "dir /tmp\ntimeout 7\nreplica-priority 4\nsave 1 2\n");
}

static void a_value_set_back_to_its_default_is_written(void **state) {
    struct fixture *f = *state;
    load_file(f, "dir /tmp\ntimeout 5\nsave 60 1\n");
    set(f, "timeout", "0");
    set(f, "save", "");
    rewrite(f);
    assert_string_equal(f->text, "dir /tmp\ntimeout 0\nsave \"\"\n");
}

static void what_the_file_lacks_is_appended_once_under_a_heading(void **state) {
    struct fixture *f = *state;
    load_file(f, "dir /tmp\nuser bob on\nrename-command A \"\"");
    set(f, "maxmemory", "2000000");
    set(f, "requirepass", "a b\"c");
    set(f, "client-output-buffer-limit", "pubsub 1 2 3");
    rewrite(f);
    static const char HEAD[] = "dir /tmp\nuser bob on\nrename-command A \"\"\n\n"
                               "# Written by CONFIG REWRITE\nrequirepass \"a b\\\"c\"\n"
                               "maxmemory 2000000\nclient-output-buffer-limit normal 0 0 0 slave "
                               "268435456 67108864 60 pubsub 1 2 3\n";
    assert_string_equal(f->text, HEAD);
    set(f, "hz", "20");
    rewrite(f);
    assert_int_equal(strncmp(f->text, HEAD, sizeof(HEAD) - 1), 0);
    assert_string_equal(f->text + sizeof(HEAD) - 1, "hz 20\n");
}

static void arguments_of_the_start_are_written_too(void **state) {
    struct fixture *f = *state;
    write_file(f->path, "rename-command A B\n");
    char *argv[] = {"larder-server", f->path, "--rename-command", "C", "D", "--port",
                    "7001",          "--dir", f->folder};
    assert_int_equal(config_load(&f->config, 9, argv, NO_WARNINGS, &f->error), LARDER_OK);
    rewrite(f);
    char expected[512];
    (void)snprintf(expected, sizeof(expected),
                   "rename-command A B\n\n# Written by CONFIG REWRITE\nport 7001\ndir %s\n"
                   "rename-command C D\n",
                   f->folder);
    assert_string_equal(f->text, expected);
}

static void a_changed_option_of_an_included_file_is_appended_behind_it(void **state) {
    struct fixture *f = *state;
    char text[512], part[128];
    (void)snprintf(part, sizeof(part), "%s/part.conf", f->folder);
    write_file(part, "timeout 7\nsave 60 1\n");
    (void)snprintf(text, sizeof(text), "timeout 5\ndir /tmp\ninclude %s\n", part);
    load_file(f, text);
    set(f, "timeout", "8");
    set(f, "save", "9 9");
    rewrite(f);
    (void)snprintf(text, sizeof(text),
                   "dir /tmp\ninclude %s\n\n# Written by CONFIG REWRITE\ntimeout 8\nsave \"\"\n"
                   "save 9 9\n",
                   part);
    assert_string_equal(f->text, text);
}

static void the_mode_of_the_file_stays_and_nothing_is_left_behind(void **state) {
    struct fixture *f = *state;
    load_file(f, "dir /tmp\n");
    assert_int_equal(chmod(f->path, 0640), 0);
    set(f, "timeout", "1");
    rewrite(f);
    struct stat file;
    assert_int_equal(stat(f->path, &file), 0);
    assert_int_equal(file.st_mode & 07777, 0640);
    DIR *folder = opendir(f->folder);
    assert_non_null(folder);
    int entries = 0;
    while (readdir(folder) != NULL)
        entries++;
    assert_int_equal(closedir(folder), 0);
    assert_int_equal(entries, 3);
}

static void a_file_with_errors_is_left_alone(void **state) {
    struct fixture *f = *state;
    load_file(f, "dir /tmp\n");
    write_file(f->path, "nosuch 1\n");
    assert_int_equal(config_rewrite(&f->config, NULL, &f->error), LARDER_INVALID);
    assert_non_null(strstr(f->error.text, "line 1: 'nosuch 1'"));
    read_text(f);
    assert_string_equal(f->text, "nosuch 1\n");
}

static void without_a_file_there_is_an_error(void **state) {
    struct fixture *f = *state;
    assert_int_equal(config_rewrite(&f->config, NULL, &f->error), LARDER_NOT_FOUND);
    assert_string_equal(f->error.text, "The server is running without a config file");
    assert_int_equal(config_rewrite(&f->config, "/nonexistent/larder.conf", &f->error), LARDER_IO);
    assert_non_null(strstr(f->error.text, "/nonexistent/larder.conf"));
}

static void a_missing_file_is_created(void **state) {
    struct fixture *f = *state;
    set(f, "port", "1234");
    assert_int_equal(config_rewrite(&f->config, f->path, &f->error), LARDER_OK);
    read_text(f);
    assert_string_equal(f->text, "# Written by CONFIG REWRITE\nport 1234\n");
}

#define FILED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        FILED(comments_order_and_unchanged_lines_stay),
        FILED(repeated_lines_of_an_option_become_the_last_one),
        FILED(a_value_set_back_to_its_default_is_written),
        FILED(what_the_file_lacks_is_appended_once_under_a_heading),
        FILED(arguments_of_the_start_are_written_too),
        FILED(a_changed_option_of_an_included_file_is_appended_behind_it),
        FILED(the_mode_of_the_file_stays_and_nothing_is_left_behind),
        FILED(a_file_with_errors_is_left_alone),
        FILED(without_a_file_there_is_an_error),
        FILED(a_missing_file_is_created),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
