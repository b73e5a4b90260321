/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads of the library, and the means to wake one that waits in a poller. The library's threads
 * block all signals: signals belong to the host program. */
#ifndef LARDER_OS_THREAD_H
#define LARDER_OS_THREAD_H

#include "base/status.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OS_THREAD_ANY_CORE = -1, OS_THREAD_NAME_MAX = 16 };

/* Caller's memory; must not move or end between start and join. */
struct os_thread {
    void (*run)(void *context); /* immutable after start, as all fields */
    void *context;
    pthread_t handle;
    int core;
    bool has_alternate_stack; /* for handlers of fatal signals; stacks from 256 KiB have one */
    char name[OS_THREAD_NAME_MAX];
};

/* The zero value of every field but `run` and `name` is the default; set `core` to
 * OS_THREAD_ANY_CORE unless the thread is to be pinned. */
struct os_thread_options {
    void (*run)(void *context);
    void *context;      /* borrowed until the thread ends */
    const char *name;   /* shown by ps, cut at 15 bytes; borrowed for the call */
    size_t stack_bytes; /* 0: the system's default */
    int core;           /* index of the core to run on, or OS_THREAD_ANY_CORE */
};

/* Start a thread that calls options->run(options->context). A core that does not exist or is not
 * permitted is ignored: the thread then runs anywhere.
 * Errors: LARDER_NO_MEMORY, LARDER_INVALID (stack size), LARDER_BUSY (thread limit). */
LARDER_NODISCARD
enum larder_status os_thread_start(struct os_thread *thread,
                                   const struct os_thread_options *options);

/* Blocks until the thread's function has returned. Once per start, not from the thread itself. */
void os_thread_join(struct os_thread *thread);

/* Cores that this process may run on, at least 1. */
unsigned thread_core_count(void);

/* A number that no other thread of the process has while this one lives; never 0. */
uint64_t os_thread_self(void);

/* Let another runnable thread go first. */
void thread_yield(void);

/* Blocks the calling thread for this long, signals notwithstanding. */
void thread_sleep_ms(unsigned milliseconds);

/* Something a poller can wait for that other threads can make readable. */
struct wakeup {
    int fd; /* immutable after init */
};

/* Errors: LARDER_BUSY (descriptor limit), LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status wakeup_init(struct wakeup *wakeup);
void wakeup_finish(struct wakeup *wakeup);

/* Make it readable until drained; many signals before a drain count as one. Any thread, and
 * signal handlers. Never blocks. What the caller wrote before is visible after the drain. */
void wakeup_signal(struct wakeup *wakeup);

/* Make it unreadable. The waiting thread, before it looks at what it was woken for. */
void wakeup_drain(struct wakeup *wakeup);

/* The descriptor to add to a poller for POLLER_READ. */
static inline int wakeup_fd(const struct wakeup *wakeup) {
    return wakeup->fd;
}

#endif
