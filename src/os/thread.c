/* SPDX-License-Identifier: BSD-3-Clause */
/* POSIX threads; wake-ups are eventfds. */
#include "os/thread.h"
#include "os/system_error.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { ALTERNATE_STACK_BYTES = 64 << 10, STACK_WITH_ALTERNATE_MIN_BYTES = 256 << 10 };

/* Lend the outermost part of the thread's stack to signal handlers that ask for a stack of their
 * own, so that a program's fault handler can report an overflow of the rest. What was set before is
 * put back, because whoever set it will free it. */
static __attribute__((noinline)) void run_with_alternate_stack(struct os_thread *thread) {
    char space[ALTERNATE_STACK_BYTES];
    stack_t alternate = {.ss_sp = space, .ss_size = sizeof space}, old;
    bool is_set = sigaltstack(&alternate, &old) == 0;
    thread->run(thread->context);
    if (is_set)
        (void)sigaltstack(&old, NULL);
}

static void *thread_main(void *argument) {
    struct os_thread *thread = argument;
    (void)pthread_setname_np(pthread_self(), thread->name);
    if (thread->core >= 0 && thread->core < CPU_SETSIZE) {
        cpu_set_t cores;
        CPU_ZERO(&cores);
        CPU_SET((size_t)thread->core, &cores);
        (void)pthread_setaffinity_np(pthread_self(), sizeof cores, &cores);
    }
    if (thread->has_alternate_stack)
        run_with_alternate_stack(thread);
    else
        thread->run(thread->context);
    return NULL;
}

static int create_with_signals_blocked(struct os_thread *thread, const pthread_attr_t *attributes) {
    sigset_t all, old;
    sigfillset(&all);
    /* Faults must reach their handler in the thread that caused them. */
    static const int FAULTS[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
    for (size_t i = 0; i < sizeof FAULTS / sizeof FAULTS[0]; i++)
        sigdelset(&all, FAULTS[i]);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    int error = pthread_create(&thread->handle, attributes, thread_main, thread);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return error;
}

enum larder_status os_thread_start(struct os_thread *thread,
                                   const struct os_thread_options *options) {
    thread->run = options->run;
    thread->context = options->context;
    thread->core = options->core;
    thread->has_alternate_stack =
        options->stack_bytes == 0 || options->stack_bytes >= STACK_WITH_ALTERNATE_MIN_BYTES;
    (void)snprintf(thread->name, sizeof thread->name, "%s",
                   options->name == NULL ? "larder" : options->name);
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error != 0)
        return system_error_status(error);
    if (options->stack_bytes > 0)
        error = pthread_attr_setstacksize(&attributes, options->stack_bytes);
    if (error == 0)
        error = create_with_signals_blocked(thread, &attributes);
    (void)pthread_attr_destroy(&attributes);
    return error == EAGAIN ? LARDER_BUSY : system_error_status(error);
}

void os_thread_join(struct os_thread *thread) {
    (void)pthread_join(thread->handle, NULL);
}

unsigned thread_core_count(void) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    if (sched_getaffinity(0, sizeof cores, &cores) == 0 && CPU_COUNT(&cores) > 0)
        return (unsigned)CPU_COUNT(&cores);
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (unsigned)count : 1;
}

uint64_t os_thread_self(void) {
    return (uint64_t)(uintptr_t)pthread_self();
}

void thread_yield(void) {
    (void)sched_yield();
}

void thread_sleep_ms(unsigned milliseconds) {
    struct timespec left = {.tv_sec = (time_t)(milliseconds / 1000),
                            .tv_nsec = (long)(milliseconds % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

enum larder_status wakeup_init(struct wakeup *wakeup) {
    wakeup->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return wakeup->fd < 0 ? system_error_status(errno) : LARDER_OK;
}

void wakeup_finish(struct wakeup *wakeup) {
    if (wakeup->fd >= 0)
        (void)close(wakeup->fd);
    wakeup->fd = -1;
}

void wakeup_signal(struct wakeup *wakeup) {
    int saved = errno;
    uint64_t one = 1;
    /* A full counter is readable already. */
    while (write(wakeup->fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
    errno = saved;
}

void wakeup_drain(struct wakeup *wakeup) {
    uint64_t count = 0;
    while (read(wakeup->fd, &count, sizeof count) < 0 && errno == EINTR)
        continue;
}
