/* SPDX-License-Identifier: BSD-3-Clause */
/* The feed of MONITOR: what commands look like as lines, and how the lines reach the sessions that
 * watch. Every thread has a buffer of lines for its watching sessions; whoever executes a command
 * appends to all buffers, and a message tells a thread that its buffer is no longer empty. So all
 * watchers see the commands of all threads in one order, and a busy server sends many lines at
 * once. */
#ifndef LARDER_SERVER_MONITOR_H
#define LARDER_SERVER_MONITOR_H

#include "base/lock_order.h"
#include "base/text_buffer.h"
#include "server/session.h"

/* Lines that wait for one thread at most; what comes beyond is dropped and its watchers are
 * disconnected, since they would miss commands. */
enum { MONITOR_PENDING_BYTES = 32 << 20 };

struct monitor_outlet {
    struct text_buffer pending; /* guarded by STATS_LOCK */
    bool has_overflowed;        /* guarded by STATS_LOCK */
    bool is_told;               /* guarded by STATS_LOCK; a message is under way */
};

struct monitor_feed {
    struct monitor_outlet outlets[SERVER_THREADS_MAX]; /* by thread */
};

void monitor_feed_init(struct monitor_feed *feed, const struct allocator *allocator);
void monitor_feed_finish(struct monitor_feed *feed);

/* Append an argument in double quotes, bytes that are not printable ASCII escaped. */
void monitor_quote(struct text_buffer *out, struct slice text);

/* Give a line ("+...\r\n") to all threads. No lock is held. */
void monitor_publish(struct server *server, struct monitor_feed *feed, struct slice line);

#endif
