/* SPDX-License-Identifier: BSD-3-Clause */
/* Readings of process and machine are plausible; signals arrive as events. */
#include "os/file.h"
#include "os/process.h"
#include "os/signal.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void memory_and_time_of_the_process_are_plausible(void **state) {
    (void)state;
    uint64_t before = process_resident_bytes();
    assert_true(before > 100000);
    size_t size = 32u << 20;
    volatile char *block = malloc(size);
    assert_non_null(block);
    for (size_t i = 0; i < size; i += 4096)
        block[i] = 1;
    assert_true(process_resident_bytes() >= before + size / 2);
    assert_true(process_peak_resident_bytes() >= before + size / 2);
    free((void *)(uintptr_t)block);
    struct process_cpu_times all, own;
    process_thread_cpu_times(&own);
    process_cpu_times(&all);
    assert_true(all.user_us + all.system_us >= own.user_us + own.system_us);
    assert_true(all.user_us + all.system_us > 0);
}

static void descriptor_limit_is_raised_as_far_as_permitted(void **state) {
    (void)state;
    uint64_t limit = process_raise_descriptor_limit(0);
    assert_true(limit > 0);
    assert_true(process_raise_descriptor_limit(limit + 1) >= limit);
}

static void identity_of_process_and_machine_is_known(void **state) {
    (void)state;
    char path[512];
    assert_true(process_executable_path(path, sizeof path));
    assert_non_null(strstr(path, "test_os_process"));
    assert_false(process_executable_path(path, 4));
    assert_string_equal(path, "");
    assert_true(process_working_directory(path, sizeof path));
    assert_int_equal(path[0], '/');
    assert_int_equal(process_id(), getpid());
    struct machine_description machine;
    machine_describe(&machine);
    assert_string_equal(machine.system, "Linux");
    assert_true(machine.memory_bytes > (64u << 20));
    assert_true((unsigned)machine_huge_page_state() <= HUGE_PAGES_ALWAYS);
}

static void random_bytes_differ_from_call_to_call(void **state) {
    (void)state;
    uint8_t first[32] = {0}, second[32] = {0};
    assert_int_equal(secure_random_bytes(first, sizeof first), LARDER_OK);
    assert_int_equal(secure_random_bytes(second, sizeof second), LARDER_OK);
    assert_memory_not_equal(first, second, sizeof first);
}

static void pid_file_holds_the_process_id(void **state) {
    (void)state;
    char path[64], expected[32];
    uint8_t *data = NULL;
    size_t size = 0;
    (void)snprintf(path, sizeof path, "/tmp/larder-pid-%d", (int)getpid());
    assert_int_equal(process_write_pid_file(path, NULL), LARDER_OK);
    assert_int_equal(file_read_whole(path, 100, &ALLOCATOR_SYSTEM, &data, &size, NULL), LARDER_OK);
    (void)snprintf(expected, sizeof expected, "%d\n", (int)getpid());
    assert_string_equal((const char *)data, expected);
    allocator_release(&ALLOCATOR_SYSTEM, data, size + 1);
    assert_int_equal(file_unlink(path, NULL), LARDER_OK);
}

static void signals_arrive_as_events_and_pipe_is_ignored(void **state) {
    (void)state;
    struct signal_source source;
    assert_int_equal(signal_source_init(&source), LARDER_OK);
    assert_int_equal(signal_source_take(&source), SIGNAL_NONE);
    static const struct {
        int number;
        enum signal_event event;
    } CASES[] = {{SIGTERM, SIGNAL_TERMINATE}, {SIGINT, SIGNAL_INTERRUPT}, {SIGHUP, SIGNAL_RELOAD}};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(kill(getpid(), CASES[i].number), 0);
        assert_int_equal(signal_source_take(&source), CASES[i].event);
    }
    assert_int_equal(raise(SIGPIPE), 0);
    signal_source_finish(&source);
    signal_source_restore_default();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_and_time_of_the_process_are_plausible),
        cmocka_unit_test(descriptor_limit_is_raised_as_far_as_permitted),
        cmocka_unit_test(identity_of_process_and_machine_is_known),
        cmocka_unit_test(random_bytes_differ_from_call_to_call),
        cmocka_unit_test(pid_file_holds_the_process_id),
        cmocka_unit_test(signals_arrive_as_events_and_pipe_is_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
