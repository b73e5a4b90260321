/* SPDX-License-Identifier: BSD-3-Clause */
/* A lock of four bytes for short critical sections: a waiter spins for about two microseconds, then
 * sleeps in the kernel (futex; the three states of Drepper's "Futexes are tricky", 2011). Taking
 * and releasing it uncontended is one atomic operation each. Not recursive, not fair. */
#ifndef LARDER_OS_LOCK_H
#define LARDER_OS_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { LOCK_FREE, LOCK_TAKEN, LOCK_CONTENDED };

struct lock {
    _Atomic uint32_t state; /* LOCK_ values; zero-initialised is free */
};

/* The slow halves: spin, sleep, wake. */
void lock_wait(struct lock *lock);
void lock_wake(struct lock *lock);

static inline bool lock_try_acquire(struct lock *lock) {
    uint32_t expected = LOCK_FREE;
    /* acquire pairs with the release in lock_release */
    return atomic_compare_exchange_strong_explicit(&lock->state, &expected, LOCK_TAKEN,
                                                   memory_order_acquire, memory_order_relaxed);
}

/* As lock_acquire, but gives up after about `us` microseconds. True: the lock is the caller's. */
bool lock_acquire_for(struct lock *lock, uint32_t us);

/* Blocks until the lock is the caller's. */
static inline void lock_acquire(struct lock *lock) {
    if (!lock_try_acquire(lock))
        lock_wait(lock);
}

static inline void lock_release(struct lock *lock) {
    if (atomic_exchange_explicit(&lock->state, LOCK_FREE, memory_order_release) == LOCK_CONTENDED)
        lock_wake(lock);
}

#endif
