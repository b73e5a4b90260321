/* SPDX-License-Identifier: BSD-3-Clause */
/* Spinning reads the state without writing it, so that waiters don't take the line from the holder;
 * it ends early when the lock is known to have sleepers. */
#include "os/lock.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SPIN_ROUNDS = 60 };

static void pause_briefly(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void lock_wait(struct lock *lock) {
    for (unsigned round = 0; round < SPIN_ROUNDS; round++) {
        uint32_t state = atomic_load_explicit(&lock->state, memory_order_relaxed);
        if (state == LOCK_FREE && lock_try_acquire(lock))
            return;
        if (state == LOCK_CONTENDED)
            break;
        pause_briefly();
    }
    /* From here on whoever releases must wake: the lock is taken as contended. */
    while (atomic_exchange_explicit(&lock->state, LOCK_CONTENDED, memory_order_acquire) !=
           LOCK_FREE)
        (void)syscall(SYS_futex, &lock->state, FUTEX_WAIT_PRIVATE, LOCK_CONTENDED, NULL, NULL, 0);
}

void lock_wake(struct lock *lock) {
    (void)syscall(SYS_futex, &lock->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
