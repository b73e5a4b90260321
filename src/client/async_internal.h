/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside the asynchronous part: what async.c (life and events), async_command.c (sending) and
 * async_reply.c (answers) share. */
#ifndef LARDER_CLIENT_ASYNC_INTERNAL_H
#define LARDER_CLIENT_ASYNC_INTERNAL_H

#include "client/connection.h"
#include "client/subscriptions.h"

/* What a callback in ac->replies waits for; kept in its field `subscribed`. The confirmations of a
 * subscription go to the callbacks of the channels; its entry in the queue keeps the order and gets
 * the error, if that is the answer. */
enum waiting_kind {
    WAITING_REPLY,
    WAITING_MONITOR,     /* stays, every line is for it */
    WAITING_SUBSCRIBE,   /* pending_subs confirmations are still to come */
    WAITING_UNSUBSCRIBE, /* likewise */
};

/* async.c */
valkeyAsyncContext *async_of(valkeyContext *c);
/* Take c.err over. */
void async_copy_error(valkeyAsyncContext *ac);
/* Call with VALKEY_IN_CALLBACK set, so that disconnecting and freeing wait. False: there is no
 * function to call. */
bool async_run_callback(valkeyAsyncContext *ac, const valkeyCallback *callback, void *reply);
/* After callbacks: do what they asked for. True: the context is gone. */
bool async_settle(valkeyAsyncContext *ac);
/* Disconnect because of c.err, or because all is done. The context may be gone afterwards. */
LIBVALKEY_API void valkeyAsyncDisconnectInternal(valkeyAsyncContext *ac);
/* Have the timer run for what is outstanding. */
void async_arm_timer(valkeyAsyncContext *ac);
/* Call `fn` once, at that time or soon after; it takes the place of an earlier one. False: the
 * adapter has no timer. */
bool async_wake_at(valkeyAsyncContext *ac, long long at_ms, void (*fn)(valkeyAsyncContext *));

/* async_command.c: the queue of waiting callbacks, with spare entries kept for reuse. */
valkeyCallback *callback_take_spare(valkeyAsyncContext *ac);
void callback_give_back(valkeyAsyncContext *ac, valkeyCallback *callback);
void callback_free_spares(valkeyAsyncContext *ac);
void queue_push(valkeyAsyncContext *ac, valkeyCallback *callback);
/* Remove the head, which exists. */
void queue_pop(valkeyAsyncContext *ac);

/* async_reply.c: hand all complete replies to their callbacks. */
LIBVALKEY_API void valkeyProcessCallbacks(valkeyAsyncContext *ac);

/* The socket is not connecting yet: have it go on. */
void async_open_soon(valkeyAsyncContext *ac);

static inline bool async_is_opening(valkeyAsyncContext *ac) {
    return connection_of(&ac->c)->async.opening != NULL;
}

/* Have the loop watch a socket that is connecting or connected. */
static inline void event_watch_read(valkeyAsyncContext *ac) {
    if (ac->ev.addRead != NULL)
        ac->ev.addRead(ac->ev.data);
}

static inline void event_watch_write(valkeyAsyncContext *ac) {
    if (ac->ev.addWrite != NULL)
        ac->ev.addWrite(ac->ev.data);
}

/* The same for any socket. */
static inline void event_add_read(valkeyAsyncContext *ac) {
    if (async_is_opening(ac))
        async_open_soon(ac);
    else
        event_watch_read(ac);
}

static inline void event_add_write(valkeyAsyncContext *ac) {
    if (async_is_opening(ac))
        async_open_soon(ac);
    else
        event_watch_write(ac);
}

static inline void event_del_write(valkeyAsyncContext *ac) {
    if (ac->ev.delWrite != NULL)
        ac->ev.delWrite(ac->ev.data);
}

/* The adapter's data is gone afterwards. */
static inline void event_cleanup(valkeyAsyncContext *ac) {
    void (*cleanup)(void *) = ac->ev.cleanup;
    ac->ev.cleanup = NULL;
    ac->ev.addRead = ac->ev.delRead = ac->ev.addWrite = ac->ev.delWrite = NULL;
    ac->ev.scheduleTimer = NULL;
    if (cleanup != NULL)
        cleanup(ac->ev.data);
    ac->ev.data = NULL;
}

#endif
