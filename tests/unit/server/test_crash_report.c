/* SPDX-License-Identifier: BSD-3-Clause */
/* Children die on purpose; the report and the manner of death are judged by the parent. */
#include "os/file.h"
#include "os/process.h"
#include "os/thread.h"
#include "server/crash_report.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64];

static void touch_forbidden_memory(void *context) {
    (void)context;
    volatile char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page[16] = 1;
}

static void abort_now(void *context) {
    (void)context;
    abort();
}

static void overflow_the_stack(void *context) {
    volatile char space[4096];
    space[0] = context == NULL ? 0 : 1;
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur > 0)
        overflow_the_stack((void *)(uintptr_t)&space[0]);
    space[1] = space[0];
}

static void run_in_thread(void (*run)(void *context)) {
    struct os_thread thread;
    struct os_thread_options options = {.run = run, .name = "loop-7", .core = OS_THREAD_ANY_CORE};
    if (os_thread_start(&thread, &options) == LARDER_OK)
        os_thread_join(&thread);
}

/* Run in a child that has the handler; returns its wait status, and the report. */
static int die_in_child(void (*run)(void *context), const char **out_report) {
    static char report[1 << 16];
    pid_t child = fork();
    if (child == 0) {
        static struct crash_report crash_report;
        struct file file;
        (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        if (file_open(&file, path, FILE_REPLACE_APPEND, 0600, NULL) != LARDER_OK ||
            crash_report_install(&crash_report, file.fd) != LARDER_OK)
            _exit(77);
        run_in_thread(run);
        _exit(78);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    uint8_t *data = NULL;
    size_t size = 0;
    assert_int_equal(
        file_read_whole(path, sizeof report - 1, &ALLOCATOR_SYSTEM, &data, &size, NULL), LARDER_OK);
    memcpy(report, data, size + 1);
    allocator_release(&ALLOCATOR_SYSTEM, data, size + 1);
    assert_int_equal(unlink(path), 0);
    *out_report = report;
    return status;
}

static void expect_report(const char *report, const char *signal_name) {
    char text[128], build_id[CRASH_REPORT_BUILD_ID_MAX];
    (void)snprintf(text, sizeof text, "larder-server " LARDER_VERSION " died of %s (signal ",
                   signal_name);
    assert_non_null(strstr(report, text));
    process_build_id(build_id, sizeof build_id);
    (void)snprintf(text, sizeof text, "build id %s\n", build_id[0] == '\0' ? "none" : build_id);
    assert_non_null(strstr(report, text));
    assert_non_null(strstr(report, ", thread loop-7\n"));
    assert_non_null(strstr(report, "--- stack\n"));
    assert_non_null(strstr(report, "test_crash_report"));
    assert_non_null(strstr(report, "=== LARDER CRASH REPORT END ==="));
}

static void forbidden_access_is_reported_and_still_kills(void **state) {
    (void)state;
    const char *report = NULL;
    int status = die_in_child(touch_forbidden_memory, &report);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    expect_report(report, "SIGSEGV");
    const char *address = strstr(report, "\naddress 0x");
    assert_non_null(address);
    assert_memory_equal(address + strlen("\naddress 0x") + 13, "010", 3);
#if defined(__x86_64__)
    assert_non_null(strstr(report, "rip 0x"));
    assert_non_null(strstr(report, "r15 0x"));
#endif
}

static void abort_is_reported_and_still_kills(void **state) {
    (void)state;
    const char *report = NULL;
    int status = die_in_child(abort_now, &report);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    expect_report(report, "SIGABRT");
    assert_non_null(strstr(report, "\nsent by process "));
}

static void stack_overflow_of_a_thread_is_reported(void **state) {
    (void)state;
    const char *report = NULL;
    int status = die_in_child(overflow_the_stack, &report);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    expect_report(report, "SIGSEGV");
}

int main(void) {
    (void)snprintf(path, sizeof path, "/tmp/larder-crash-%d", (int)getpid());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forbidden_access_is_reported_and_still_kills),
        cmocka_unit_test(abort_is_reported_and_still_kills),
        cmocka_unit_test(stack_overflow_of_a_thread_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
