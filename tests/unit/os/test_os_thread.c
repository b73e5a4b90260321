/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads, wake-ups and the poller together, as the loops use them. */
#include "os/poller.h"
#include "os/socket.h"
#include "os/thread.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct observed {
    char name[OS_THREAD_NAME_MAX];
    bool blocks_terminate;
    bool blocks_segv;
    unsigned cores;
};

static void observe(void *context) {
    struct observed *observed = context;
    (void)pthread_getname_np(pthread_self(), observed->name, sizeof observed->name);
    sigset_t blocked;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    observed->blocks_terminate = sigismember(&blocked, SIGTERM) == 1;
    observed->blocks_segv = sigismember(&blocked, SIGSEGV) == 1;
    observed->cores = thread_core_count();
}

static void thread_runs_named_pinned_and_without_signals(void **state) {
    (void)state;
    struct observed observed = {0};
    struct os_thread thread;
    struct os_thread_options options = {
        .run = observe, .context = &observed, .name = "loop-0-has-a-long-name", .core = 0};
    assert_int_equal(os_thread_start(&thread, &options), LARDER_OK);
    os_thread_join(&thread);
    assert_string_equal(observed.name, "loop-0-has-a-lo");
    assert_true(observed.blocks_terminate);
    assert_false(observed.blocks_segv);
    assert_int_equal(observed.cores, 1);
}

static void thread_with_an_impossible_core_or_stack_is_handled(void **state) {
    (void)state;
    struct observed observed = {0};
    struct os_thread thread;
    struct os_thread_options options = {.run = observe, .context = &observed, .core = 1023};
    assert_int_equal(os_thread_start(&thread, &options), LARDER_OK);
    os_thread_join(&thread);
    assert_string_equal(observed.name, "larder");
    assert_int_equal(observed.cores, thread_core_count());
    options.stack_bytes = 1;
    assert_int_equal(os_thread_start(&thread, &options), LARDER_INVALID);
}

struct exchange {
    struct poller poller;
    struct wakeup wakeup;
    int wakeups_seen;
};

static void wait_for_a_wakeup(void *context) {
    struct exchange *exchange = context;
    struct poller_event events[4];
    size_t count = 0;
    while (exchange->wakeups_seen == 0) {
        enum larder_status status =
            poller_wait(&exchange->poller, events, 4, POLLER_WAIT_FOREVER, &count);
        if (status != LARDER_OK)
            return;
        for (size_t i = 0; i < count; i++) {
            wakeup_drain(&exchange->wakeup);
            exchange->wakeups_seen++;
        }
    }
}

static void wakeup_reaches_a_thread_that_polls(void **state) {
    (void)state;
    struct exchange exchange = {0};
    assert_int_equal(poller_init(&exchange.poller), LARDER_OK);
    assert_int_equal(wakeup_init(&exchange.wakeup), LARDER_OK);
    assert_int_equal(poller_add(&exchange.poller, wakeup_fd(&exchange.wakeup), POLLER_READ, NULL),
                     LARDER_OK);
    struct os_thread thread;
    struct os_thread_options options = {
        .run = wait_for_a_wakeup, .context = &exchange, .core = OS_THREAD_ANY_CORE};
    assert_int_equal(os_thread_start(&thread, &options), LARDER_OK);
    wakeup_signal(&exchange.wakeup);
    os_thread_join(&thread);
    assert_int_equal(exchange.wakeups_seen, 1);
    wakeup_finish(&exchange.wakeup);
    poller_finish(&exchange.poller);
}

static void many_signals_before_a_drain_count_as_one(void **state) {
    (void)state;
    struct poller poller;
    struct wakeup wakeup;
    struct poller_event events[2];
    size_t count = 0;
    assert_int_equal(poller_init(&poller), LARDER_OK);
    assert_int_equal(wakeup_init(&wakeup), LARDER_OK);
    assert_int_equal(poller_add(&poller, wakeup.fd, POLLER_READ, &wakeup), LARDER_OK);
    for (int i = 0; i < 5; i++)
        wakeup_signal(&wakeup);
    assert_int_equal(poller_wait(&poller, events, 2, 0, &count), LARDER_OK);
    assert_int_equal(count, 1);
    assert_ptr_equal(events[0].data, &wakeup);
    assert_int_equal(events[0].events, POLLER_READ);
    wakeup_drain(&wakeup);
    assert_int_equal(poller_wait(&poller, events, 2, 0, &count), LARDER_OK);
    assert_int_equal(count, 0);
    wakeup_finish(&wakeup);
    poller_finish(&poller);
}

static void poller_reports_until_the_bytes_are_read(void **state) {
    (void)state;
    struct poller poller;
    struct poller_event events[4];
    size_t count = 0, size = 0;
    int pair[2], marks[2];
    char buffer[8];
    assert_int_equal(poller_init(&poller), LARDER_OK);
    assert_int_equal(socket_pair(pair), LARDER_OK);
    assert_int_equal(poller_add(&poller, pair[0], POLLER_READ, &marks[0]), LARDER_OK);
    assert_int_equal(poller_add(&poller, pair[0], POLLER_READ, &marks[0]), LARDER_EXISTS);
    assert_int_equal(socket_send(pair[1], "abcd", 4, &size), LARDER_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(poller_wait(&poller, events, 4, 0, &count), LARDER_OK);
        assert_int_equal(count, 1);
        assert_int_equal(events[0].events, POLLER_READ);
        assert_int_equal(socket_receive(pair[0], buffer, 2, &size), LARDER_OK);
    }
    assert_int_equal(poller_wait(&poller, events, 4, 0, &count), LARDER_OK);
    assert_int_equal(count, 0);
    assert_int_equal(poller_modify(&poller, pair[0], POLLER_WRITE, &marks[1]), LARDER_OK);
    assert_int_equal(poller_wait(&poller, events, 4, 0, &count), LARDER_OK);
    assert_int_equal(count, 1);
    assert_ptr_equal(events[0].data, &marks[1]);
    assert_int_equal(events[0].events, POLLER_WRITE);
    assert_int_equal(poller_modify(&poller, pair[0], 0, &marks[0]), LARDER_OK);
    socket_close(pair[1]);
    assert_int_equal(poller_wait(&poller, events, 4, 0, &count), LARDER_OK);
    assert_int_equal(count, 1);
    assert_true((events[0].events & POLLER_CLOSED) != 0);
    poller_remove(&poller, pair[0]);
    poller_remove(&poller, pair[0]);
    assert_int_equal(poller_modify(&poller, pair[0], POLLER_READ, NULL), LARDER_NOT_FOUND);
    socket_close(pair[0]);
    poller_finish(&poller);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thread_runs_named_pinned_and_without_signals),
        cmocka_unit_test(thread_with_an_impossible_core_or_stack_is_handled),
        cmocka_unit_test(wakeup_reaches_a_thread_that_polls),
        cmocka_unit_test(many_signals_before_a_drain_count_as_one),
        cmocka_unit_test(poller_reports_until_the_bytes_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
