/* SPDX-License-Identifier: BSD-3-Clause */
/* An event loop: one thread, its poller, its connections, messages from other threads and a
 * periodic tick. A pass of the loop serves all ready connections as one batch:
 *
 *   wait -> messages -> batch(ready connections) -> tick if it is due -> end -> close what is over
 *
 * The handler receives, executes and sends (src/server/batch.c); the loop knows no protocol.
 * Functions are for the loop's thread unless they say otherwise. */
#ifndef LARDER_NET_LOOP_H
#define LARDER_NET_LOOP_H

#include "base/alloc.h"
#include "base/lock_order.h"
#include "net/connection.h"
#include "os/lock.h"
#include "os/poller.h"
#include "os/thread.h"

struct loop;

/* Something another thread wants done by the loop's thread. Owned by whoever posts it until `run`,
 * which disposes of it. */
struct loop_message {
    struct loop_message *next;
    void (*run)(struct loop *loop, struct loop_message *message);
};

struct loop_listener {
    int fd;
    bool is_tls;
    bool is_unix;
};

struct loop_handler {
    void *context;
    size_t connection_bytes; /* of the handler's struct, which begins with struct connection */
    /* A connection was accepted by another loop or this one. False refuses it: it is closed after
     * what was sent. */
    bool (*opened)(struct loop *loop, struct connection *connection);
    /* Serve these: receive, execute, send. */
    void (*batch)(struct loop *loop, struct connection **ready, size_t count);
    void (*closing)(struct loop *loop, struct connection *connection);
    void (*tick)(struct loop *loop);
    /* All else of a pass is done, but for closing what is over. NULL: nothing to do. */
    void (*end_pass)(struct loop *loop);
    /* The time of loop_wake_at has come. NULL when it is not used. */
    void (*wake)(struct loop *loop);
    /* A peer was accepted on a listener: say which loop serves it, and make its TLS session if the
     * listener asks for one. May refuse by closing peer->fd and returning NULL. */
    struct loop *(*place)(struct loop *loop, const struct loop_listener *listener,
                          struct socket_peer *peer, struct tls_session **out_tls);
};

struct loop {
    /* immutable after init */
    const struct allocator *allocator;
    struct loop_handler handler;
    unsigned index;
    /* loop thread only */
    struct poller poller;
    struct wakeup wakeup;
    struct connection *connections;
    struct connection *queue, **queue_end; /* to serve again without new bytes */
    struct connection **ready;
    size_t ready_capacity;
    struct loop_listener *listeners;
    size_t listener_count;
    bool is_accepting_late; /* out of descriptors: listeners wait for the next tick */
    uint64_t now_ns;        /* monotonic, read once per pass */
    uint64_t next_tick_ns;
    uint64_t wake_at_ns; /* 0: not asked for */
    uint64_t passes;
    _Atomic uint64_t busy_ns; /* spent serving, for INFO */
    /* atomic */
    _Atomic uint32_t connection_count;
    _Atomic uint64_t thread; /* os_thread_self of the one that runs it; 0 before */
    _Atomic bool is_stopping;
    _Atomic uint32_t tick_ms;          /* period of `tick` */
    _Atomic uint32_t accepts_per_pass; /* of one listener */
    _Atomic uint32_t tls_accepts_per_pass;
    /* guarded by MAILBOX_LOCK */
    struct lock mailbox_lock;
    struct loop_message *messages, **messages_end;
};

/* Errors: LARDER_NO_MEMORY, LARDER_BUSY (descriptor limit). */
enum larder_status loop_init(struct loop *loop, const struct allocator *allocator, unsigned index,
                             const struct loop_handler *handler) LARDER_NODISCARD;
/* Closes all connections; messages that were not run are run. The loop doesn't run any more. */
void loop_finish(struct loop *loop);

/* Accept on these; the loop closes them at the end. Replaces the earlier ones, which are closed
 * unless they are in the new list. Errors: LARDER_NO_MEMORY. */
enum larder_status loop_set_listeners(struct loop *loop, const struct loop_listener *listeners,
                                      size_t count) LARDER_NODISCARD;

/* Run until loop_stop. Blocks. */
void loop_run(struct loop *loop);
/* In the middle of a batch: accept, run messages, and serve the connections that the batch does not
 * hold, as a batch within it. Nothing is closed and no tick happens. */
void loop_serve_meanwhile(struct loop *loop);
/* Any thread, signal handlers too. */
void loop_stop(struct loop *loop);

/* Any thread. The message is run by the loop's thread in its next pass; if the loop has finished it
 * is run at loop_finish. */
void loop_post(struct loop *loop, struct loop_message *message);

/* Take over an accepted socket. `tls` may be NULL. On failure the socket is closed.
 * Errors: LARDER_NO_MEMORY. */
enum larder_status loop_adopt(struct loop *loop, const struct socket_peer *peer,
                              struct tls_session *tls) LARDER_NODISCARD;

/* Have handler.wake called once at this monotonic time, or at an earlier one asked for before. */
static inline void loop_wake_at(struct loop *loop, uint64_t time_ns) {
    if (loop->wake_at_ns == 0 || time_ns < loop->wake_at_ns)
        loop->wake_at_ns = time_ns;
}

/* Bring the poller in line with what the connection waits for. */
void loop_watch(struct loop *loop, struct connection *connection);
/* Serve the connection in the next pass, new bytes or not. */
void loop_queue(struct loop *loop, struct connection *connection);
/* Close it at the end of this pass; sets CONNECTION_BROKEN. */
void loop_break(struct loop *loop, struct connection *connection);

#endif
