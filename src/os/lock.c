/* SPDX-License-Identifier: BSD-3-Clause */
/* Spinning reads the state without writing it, so that waiters don't take the line from the holder;
 * it ends early when the lock is known to have sleepers. */
#include "os/lock.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SPIN_ROUNDS = 60 };

static void pause_briefly(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* True: the lock was taken. */
static bool spin(struct lock *lock) {
    for (unsigned round = 0; round < SPIN_ROUNDS; round++) {
        uint32_t state = atomic_load_explicit(&lock->state, memory_order_relaxed);
        if (state == LOCK_FREE && lock_try_acquire(lock))
            return true;
        if (state == LOCK_CONTENDED)
            break;
        pause_briefly();
    }
    return false;
}

void lock_wait(struct lock *lock) {
    if (spin(lock))
        return;
    /* From here on whoever releases must wake: the lock is taken as contended. */
    while (atomic_exchange_explicit(&lock->state, LOCK_CONTENDED, memory_order_acquire) !=
           LOCK_FREE)
        (void)syscall(SYS_futex, &lock->state, FUTEX_WAIT_PRIVATE, LOCK_CONTENDED, NULL, NULL, 0);
}

bool lock_acquire_for(struct lock *lock, uint32_t us) {
    if (lock_try_acquire(lock) || spin(lock))
        return true;
    struct timespec now, end;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t end_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec + (int64_t)us * 1000;
    end = (struct timespec){.tv_sec = end_ns / 1000000000, .tv_nsec = end_ns % 1000000000};
    while (atomic_exchange_explicit(&lock->state, LOCK_CONTENDED, memory_order_acquire) !=
           LOCK_FREE) {
        /* FUTEX_WAIT_BITSET takes an absolute time. The state stays contended when the time is
         * over, which costs whoever releases one needless wake. */
        long result = syscall(SYS_futex, &lock->state, FUTEX_WAIT_BITSET_PRIVATE, LOCK_CONTENDED,
                              &end, NULL, FUTEX_BITSET_MATCH_ANY);
        if (result != 0 && errno == ETIMEDOUT)
            return false;
    }
    return true;
}

void lock_wake(struct lock *lock) {
    (void)syscall(SYS_futex, &lock->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
