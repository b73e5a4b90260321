/* SPDX-License-Identifier: BSD-3-Clause */
/* Lock classes and the order in which they may be taken, for clang's thread-safety analysis
 * (-Wthread-safety; other compilers see nothing). A lock class is a token: it stands for every
 * lock of its kind, whichever object holds it, so pure code can say REQUIRES(PARTITION_LOCK)
 * without knowing where the lock lies.
 *
 * Order, outermost first; a thread that holds a lock may take only locks further down:
 *
 *   CONFIG_LOCK      one CONFIG SET, REWRITE or reload at a time; may wait for the kernel
 *   SCRIPT_LOCK      at most one operation whose keys are not known beforehand
 *   PARTITION_LOCK   one partition's index, log and counters; several only in ascending order
 *   CHANNEL_LOCK     one stripe of the channels; several only in ascending order
 *   TRACKING_LOCK    clients that track keys, or one stripe of the keys they have read
 *   EFFECT_LOCK      one thread's effect staging buffer
 *   POOL_LOCK        the node's pools of log segments and index pages
 *   ACL_LOCK         the table of users, the log of refusals
 *   SCRIPT_TABLE_LOCK  the texts of scripts and of libraries of functions
 *   STATS_LOCK       slow log, latency events, client registry: short lists
 *   MAILBOX_LOCK     one thread's queue of messages from other threads
 *   LOG_LOCK         the log file
 */
#ifndef LARDER_BASE_LOCK_ORDER_H
#define LARDER_BASE_LOCK_ORDER_H

#if defined(__clang__)
#define LOCK_ATTRIBUTE(x) __attribute__((x))
#else
#define LOCK_ATTRIBUTE(x)
#endif

#define LOCK_CAPABILITY      LOCK_ATTRIBUTE(capability("mutex"))
#define GUARDED_BY(lock)     LOCK_ATTRIBUTE(guarded_by(lock))
#define REQUIRES(...)        LOCK_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define ACQUIRE(...)         LOCK_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define TRY_ACQUIRE(...)     LOCK_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
#define RELEASE(...)         LOCK_ATTRIBUTE(release_capability(__VA_ARGS__))
#define EXCLUDES(...)        LOCK_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define ACQUIRED_BEFORE(...) LOCK_ATTRIBUTE(acquired_before(__VA_ARGS__))
#define NO_THREAD_SAFETY     LOCK_ATTRIBUTE(no_thread_safety_analysis)

struct LOCK_CAPABILITY lock_class {
    const char *name;
};

extern struct lock_class LOG_LOCK;
extern struct lock_class MAILBOX_LOCK ACQUIRED_BEFORE(LOG_LOCK);
extern struct lock_class STATS_LOCK ACQUIRED_BEFORE(MAILBOX_LOCK);
extern struct lock_class SCRIPT_TABLE_LOCK ACQUIRED_BEFORE(STATS_LOCK);
extern struct lock_class ACL_LOCK ACQUIRED_BEFORE(SCRIPT_TABLE_LOCK);
extern struct lock_class POOL_LOCK ACQUIRED_BEFORE(ACL_LOCK);
extern struct lock_class EFFECT_LOCK ACQUIRED_BEFORE(POOL_LOCK);
extern struct lock_class TRACKING_LOCK ACQUIRED_BEFORE(EFFECT_LOCK);
extern struct lock_class CHANNEL_LOCK ACQUIRED_BEFORE(TRACKING_LOCK);
extern struct lock_class PARTITION_LOCK ACQUIRED_BEFORE(CHANNEL_LOCK);
extern struct lock_class SCRIPT_LOCK ACQUIRED_BEFORE(PARTITION_LOCK);
extern struct lock_class CONFIG_LOCK ACQUIRED_BEFORE(SCRIPT_LOCK);

#endif
