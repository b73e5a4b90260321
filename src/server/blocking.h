/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions whose command waits (BLPOP, XREAD BLOCK ...). The node keeps the waiter and serves it
 * from whatever thread changes a key; here its session stands still meanwhile: what the client
 * sends is received and kept (so that the end of the connection is noticed) but not executed. */
#ifndef LARDER_SERVER_BLOCKING_H
#define LARDER_SERVER_BLOCKING_H

#include "server/session.h"

/* Owned by the session, or, when that is gone while its waiter is being served, by the message that
 * brings the waiter back. */
struct session_wait {
    struct session *session; /* NULL: gone */
    struct loop *loop;       /* of its thread */
    struct waiter *waiter;
    struct session_wait *next, *previous; /* of the thread, those with a deadline */
    uint64_t began;                       /* cycles */
    bool is_muted;                        /* CLIENT REPLY OFF or SKIP: its reply is not sent */
};

/* Before a command that may block: the node is told whom its waiter belongs to. False: no memory.
 */
bool blocking_prepare(struct server_thread *thread, struct session *session);
/* node_execute gave a waiter: the session waits. */
void blocking_begin(struct server_thread *thread, struct session *session, struct waiter *waiter);
/* node_listener.served: brings the waiter back to its session's thread. Any thread. */
void blocking_served(void *context, struct waiter *waiter);
/* Answer those whose time is over; asks the loop to be called again for the next. */
void blocking_check(struct server_thread *thread);
/* The session ends. */
void blocking_abandon(struct session *session);
/* The thread ends. */
void blocking_finish(struct server_thread *thread);

/* End the wait of session `id` as its timeout would, or with an error. False: it does not wait.
 * Any thread. */
bool blocking_unblock(struct server *server, uint64_t id, bool with_error);

#endif
