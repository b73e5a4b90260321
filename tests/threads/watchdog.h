/* SPDX-License-Identifier: BSD-3-Clause */
/* Ends a test that hangs, and says where each of its threads was. A thread notes what it is about
 * to do by watchdog_at; the watchdog is a thread of its own. */
#ifndef LARDER_TESTS_WATCHDOG_H
#define LARDER_TESTS_WATCHDOG_H

#include "os/clock.h"
#include "os/thread.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WATCHED_THREADS_MAX = 16 };

struct watched {
    _Alignas(64) _Atomic uint64_t steps;
    _Atomic(const char *) place; /* a literal */
};

struct watchdog {
    struct os_thread thread;
    uint64_t deadline_ns;
    _Atomic bool is_over;
    struct watched watched[WATCHED_THREADS_MAX];
    void (*report)(void *context); /* prints more; may be NULL */
    void *context;
};

static inline void watchdog_at(struct watchdog *w, unsigned thread, const char *place) {
    atomic_fetch_add_explicit(&w->watched[thread].steps, 1, memory_order_relaxed);
    atomic_store_explicit(&w->watched[thread].place, place, memory_order_relaxed);
}

static inline void watchdog_run(void *context) {
    struct watchdog *w = context;
    while (!atomic_load(&w->is_over) && clock_monotonic_ns() < w->deadline_ns)
        thread_sleep_ms(20);
    if (atomic_load(&w->is_over))
        return;
    (void)fprintf(stderr, "watchdog: the test hangs\n");
    for (unsigned i = 0; i < WATCHED_THREADS_MAX; i++) {
        const char *place = atomic_load(&w->watched[i].place);
        if (place != NULL)
            (void)fprintf(stderr, "  thread %u after %llu steps: %s\n", i,
                          (unsigned long long)atomic_load(&w->watched[i].steps), place);
    }
    if (w->report != NULL)
        w->report(w->context);
    abort();
}

/* Zero-initialised but for `report` and `context`. */
static inline void watchdog_start(struct watchdog *w, unsigned seconds) {
    w->deadline_ns = clock_monotonic_ns() + seconds * 1000000000ull;
    struct os_thread_options options = {
        .run = watchdog_run, .context = w, .name = "watchdog", .core = OS_THREAD_ANY_CORE};
    if (os_thread_start(&w->thread, &options) != LARDER_OK)
        abort();
}

static inline void watchdog_stop(struct watchdog *w) {
    atomic_store(&w->is_over, true);
    os_thread_join(&w->thread);
}

#endif
