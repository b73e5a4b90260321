/* SPDX-License-Identifier: BSD-3-Clause */
/* Every allocation of init, load, get, set and rewrite fails in turn: each returns
 * LARDER_NO_MEMORY, leaks nothing, and a failed set leaves the old values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/config.h"

/* Counts what is held, exactly as sizes are passed back, and fails the allocation number fail_at
 * (from 1; 0 never). */
struct counter {
    size_t held_bytes;
    size_t calls;
    size_t fail_at;
};

static bool is_refused(struct counter *counter) {
    return ++counter->calls == counter->fail_at;
}

static void *count_allocate(void *context, size_t size) {
    struct counter *counter = context;
    if (is_refused(counter))
        return NULL;
    counter->held_bytes += size;
    return malloc(size);
}

static void *count_resize(void *context, void *pointer, size_t old_size, size_t new_size) {
    struct counter *counter = context;
    if (is_refused(counter))
        return NULL;
    counter->held_bytes += new_size - old_size;
    return realloc(pointer, new_size);
}

static void count_release(void *context, void *pointer, size_t size) {
    struct counter *counter = context;
    if (pointer != NULL)
        counter->held_bytes -= size;
    free(pointer);
}

struct fixture {
    struct counter counter;
    struct allocator allocator;
    struct server_config config;
    struct config_error error;
    char path[64];
};

static const char FILE_TEXT[] =
    "# text\nport 7000\nrequirepass \"a b\"\nsave 60 1\nsave 5 5\nbind 127.0.0.1 -::1\n"
    "client-output-buffer-limit normal 1 2 3\nrename-command A B\nuser bob on\nuser eve off\n"
    "latency-tracking-info-percentiles 1 2\nappendonly yes\nreplicaof 127.0.0.1 1\nhz 900\n"
    "oom-score-adj-values 1 2 3\ndir /tmp\n";

static void write_config(struct fixture *f) {
    FILE *file = fopen(f->path, "w");
    assert_non_null(file);
    assert_int_equal(fputs(FILE_TEXT, file) >= 0, 1);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->allocator = (struct allocator){.allocate = count_allocate,
                                      .resize = count_resize,
                                      .release = count_release,
                                      .context = &f->counter};
    (void)snprintf(f->path, sizeof(f->path), "/tmp/config-test-XXXXXX");
    int fd = mkstemp(f->path);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    write_config(f);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    assert_int_equal(unlink(f->path), 0);
    free(f);
    return 0;
}

static void arm(struct fixture *f, size_t fail_at) {
    f->counter.calls = 0;
    f->counter.fail_at = fail_at;
}

static enum larder_status init(struct fixture *f) {
    return config_init(&f->config, &f->allocator, 2);
}

static enum larder_status load(struct fixture *f) {
    char *argv[] = {"larder-server", f->path, "--timeout", "5", "--save", "1", "1"};
    return config_load(&f->config, 7, argv, (struct config_warnings){NULL, NULL}, &f->error);
}

static void config_init_survives_any_failed_allocation(void **state) {
    struct fixture *f = *state;
    size_t fail_at = 1;
    for (;; fail_at++) {
        arm(f, fail_at);
        enum larder_status status = init(f);
        if (status == LARDER_OK)
            break;
        assert_int_equal(status, LARDER_NO_MEMORY);
        assert_int_equal(f->counter.held_bytes, 0);
    }
    assert_true(fail_at > 20);
    config_finish(&f->config);
    assert_int_equal(f->counter.held_bytes, 0);
}

static void config_load_survives_any_failed_allocation(void **state) {
    struct fixture *f = *state;
    size_t fail_at = 1;
    for (;; fail_at++) {
        arm(f, 0);
        assert_int_equal(init(f), LARDER_OK);
        arm(f, fail_at);
        enum larder_status status = load(f);
        config_finish(&f->config);
        assert_int_equal(f->counter.held_bytes, 0);
        if (status == LARDER_OK)
            break;
        assert_int_equal(status, LARDER_NO_MEMORY);
    }
    assert_true(fail_at > 100);
}

static void count_pair(void *context, struct slice name, struct slice value) {
    (void)name;
    (void)value;
    *(size_t *)context += 1;
}

static void config_get_survives_any_failed_allocation(void **state) {
    struct fixture *f = *state;
    assert_int_equal(init(f), LARDER_OK);
    struct slice all = SLICE_LITERAL("*");
    size_t held = f->counter.held_bytes;
    for (size_t fail_at = 1;; fail_at++) {
        size_t count = 0;
        arm(f, fail_at);
        enum larder_status status = config_get(&f->config, &all, 1, count_pair, &count);
        assert_int_equal(f->counter.held_bytes, held);
        if (status == LARDER_OK) {
            assert_true(count > 200);
            break;
        }
        assert_int_equal(status, LARDER_NO_MEMORY);
    }
    config_finish(&f->config);
}

static char *changes_of(struct fixture *f) {
    struct option_output output = {.allocator = &ALLOCATOR_SYSTEM};
    arm(f, 0);
    assert_int_equal(config_write_changes(&f->config, &output), LARDER_OK);
    return output.data; /* from malloc */
}

static void config_set_survives_any_failed_allocation(void **state) {
    struct fixture *f = *state;
    static const char *const WORDS[] = {"requirepass",
                                        "secret",
                                        "bind",
                                        "1.2.3.4 5.6.7.8",
                                        "save",
                                        "7 7",
                                        "timeout",
                                        "9",
                                        "client-output-buffer-limit",
                                        "pubsub 1 1 1",
                                        "latency-tracking-info-percentiles",
                                        "5 6"};
    enum { PAIRS = sizeof(WORDS) / sizeof(WORDS[0]) / 2 };
    struct slice pairs[2 * PAIRS];
    for (size_t i = 0; i < 2 * PAIRS; i++)
        pairs[i] = slice_of_string(WORDS[i]);
    assert_int_equal(init(f), LARDER_OK);
    assert_int_equal(load(f), LARDER_OK);
    char *before = changes_of(f);
    size_t held = f->counter.held_bytes;
    size_t fail_at = 1;
    for (;; fail_at++) {
        arm(f, fail_at);
        enum larder_status status = config_set(&f->config, pairs, PAIRS, false,
                                               (struct config_warnings){NULL, NULL}, &f->error);
        char *after = changes_of(f);
        if (status == LARDER_OK) {
            assert_string_not_equal(before, after);
            free(after);
            break;
        }
        assert_int_equal(status, LARDER_NO_MEMORY);
        assert_int_equal(f->counter.held_bytes, held);
        assert_string_equal(before, after);
        free(after);
    }
    assert_true(fail_at > 20);
    free(before);
    config_finish(&f->config);
    assert_int_equal(f->counter.held_bytes, 0);
}

static void assert_file_text(struct fixture *f, bool is_old) {
    char text[4096];
    FILE *file = fopen(f->path, "r");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    text[size] = '\0';
    assert_int_equal(fclose(file), 0);
    assert_int_equal(strcmp(text, FILE_TEXT) == 0, is_old);
}

static void config_rewrite_survives_failed_allocations(void **state) {
    struct fixture *f = *state;
    assert_int_equal(init(f), LARDER_OK);
    assert_int_equal(load(f), LARDER_OK);
    size_t held = f->counter.held_bytes;
    arm(f, 0);
    assert_int_equal(config_rewrite(&f->config, NULL, &f->error), LARDER_OK);
    assert_file_text(f, false);
    size_t total = f->counter.calls;
    write_config(f);
    for (size_t fail_at = 1; fail_at <= total; fail_at++) {
        arm(f, fail_at);
        assert_int_equal(config_rewrite(&f->config, NULL, &f->error), LARDER_NO_MEMORY);
        assert_int_equal(f->counter.held_bytes, held);
        if (fail_at % 64 == 0 || fail_at == total)
            assert_file_text(f, true);
    }
    config_finish(&f->config);
    assert_int_equal(f->counter.held_bytes, 0);
}

static void a_hook_that_cannot_be_stored_is_an_error(void **state) {
    struct fixture *f = *state;
    assert_int_equal(init(f), LARDER_OK);
    arm(f, 1);
    assert_int_equal(config_on_apply(&f->config, "timeout", NULL, NULL), LARDER_NO_MEMORY);
    assert_int_equal(f->config.hook_count, 0);
    config_finish(&f->config);
}

#define COUNTED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        COUNTED(config_init_survives_any_failed_allocation),
        COUNTED(config_load_survives_any_failed_allocation),
        COUNTED(config_get_survives_any_failed_allocation),
        COUNTED(config_set_survives_any_failed_allocation),
        COUNTED(config_rewrite_survives_failed_allocations),
        COUNTED(a_hook_that_cannot_be_stored_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
