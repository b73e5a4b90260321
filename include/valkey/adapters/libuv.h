/* SPDX-License-Identifier: BSD-3-Clause */
/* For programs that use libuv. */
#ifndef VALKEY_ADAPTERS_LIBUV_H
#define VALKEY_ADAPTERS_LIBUV_H

#include "../cluster.h"

#include <uv.h>

/* Freed when libuv has closed both handles. */
typedef struct valkeyLibuvEvents {
    valkeyAsyncContext *context; /* NULL once it is gone */
    uv_poll_t poll;
    uv_timer_t timer;
    int events;  /* UV_READABLE | UV_WRITABLE */
    int handles; /* not yet closed */
} valkeyLibuvEvents;

VALKEY_UNUSED static void valkeyLibuvOnPoll(uv_poll_t *poll, int status, int events) {
    valkeyLibuvEvents *e = (valkeyLibuvEvents *)poll->data;
    /* An error of the socket shows itself when it is used. */
    int ready = status != 0 ? e->events : events & e->events;
    if (e->context != NULL && ready & UV_READABLE)
        valkeyAsyncHandleRead(e->context);
    if (e->context != NULL && ready & UV_WRITABLE)
        valkeyAsyncHandleWrite(e->context);
}

VALKEY_UNUSED static void valkeyLibuvOnTimer(uv_timer_t *timer) {
    valkeyLibuvEvents *e = (valkeyLibuvEvents *)timer->data;
    if (e->context != NULL)
        valkeyAsyncHandleTimeout(e->context);
}

VALKEY_UNUSED static void valkeyLibuvWatch(valkeyLibuvEvents *e, int events) {
    if (e->events == events)
        return;
    e->events = events;
    if (events == 0)
        (void)uv_poll_stop(&e->poll);
    else
        (void)uv_poll_start(&e->poll, events, valkeyLibuvOnPoll);
}

VALKEY_UNUSED static void valkeyLibuvAddRead(void *data) {
    valkeyLibuvEvents *e = (valkeyLibuvEvents *)data;
    valkeyLibuvWatch(e, e->events | UV_READABLE);
}

VALKEY_UNUSED static void valkeyLibuvDelRead(void *data) {
    valkeyLibuvEvents *e = (valkeyLibuvEvents *)data;
    valkeyLibuvWatch(e, e->events & ~UV_READABLE);
}

VALKEY_UNUSED static void valkeyLibuvAddWrite(void *data) {
    valkeyLibuvEvents *e = (valkeyLibuvEvents *)data;
    valkeyLibuvWatch(e, e->events | UV_WRITABLE);
}

VALKEY_UNUSED static void valkeyLibuvDelWrite(void *data) {
    valkeyLibuvEvents *e = (valkeyLibuvEvents *)data;
    valkeyLibuvWatch(e, e->events & ~UV_WRITABLE);
}

VALKEY_UNUSED static void valkeyLibuvScheduleTimer(void *data, struct timeval tv) {
    valkeyLibuvEvents *e = (valkeyLibuvEvents *)data;
    uv_update_time(e->timer.loop);
    (void)uv_timer_start(&e->timer, valkeyLibuvOnTimer,
                         (uint64_t)tv.tv_sec * 1000 + ((uint64_t)tv.tv_usec + 999) / 1000, 0);
}

VALKEY_UNUSED static void valkeyLibuvOnClose(uv_handle_t *handle) {
    valkeyLibuvEvents *e = (valkeyLibuvEvents *)handle->data;
    if (--e->handles == 0)
        vk_free(e);
}

VALKEY_UNUSED static void valkeyLibuvCleanup(void *data) {
    valkeyLibuvEvents *e = (valkeyLibuvEvents *)data;
    e->context = NULL;
    uv_close((uv_handle_t *)&e->poll, valkeyLibuvOnClose);
    uv_close((uv_handle_t *)&e->timer, valkeyLibuvOnClose);
}

/* The loop must run until it has closed the handles after the context is gone. VALKEY_ERR: attached
 * already, no memory, or libuv refuses the socket. */
VALKEY_UNUSED static int valkeyLibuvAttach(valkeyAsyncContext *ac, uv_loop_t *loop) {
    if (ac->ev.data != NULL)
        return VALKEY_ERR;
    valkeyLibuvEvents *e = (valkeyLibuvEvents *)vk_calloc(1, sizeof(*e));
    if (e == NULL)
        return VALKEY_ERR;
    if (uv_poll_init(loop, &e->poll, ac->c.fd) != 0) {
        vk_free(e);
        return VALKEY_ERR;
    }
    (void)uv_timer_init(loop, &e->timer);
    e->handles = 2;
    e->context = ac;
    e->poll.data = e->timer.data = e;
    ac->ev.addRead = valkeyLibuvAddRead;
    ac->ev.delRead = valkeyLibuvDelRead;
    ac->ev.addWrite = valkeyLibuvAddWrite;
    ac->ev.delWrite = valkeyLibuvDelWrite;
    ac->ev.cleanup = valkeyLibuvCleanup;
    ac->ev.scheduleTimer = valkeyLibuvScheduleTimer;
    ac->ev.data = e;
    return VALKEY_OK;
}

VALKEY_UNUSED static int valkeyLibuvAttachFn(valkeyAsyncContext *ac, void *loop) {
    return valkeyLibuvAttach(ac, (uv_loop_t *)loop);
}

/* Connections of a cluster are attached to this loop. VALKEY_ERR: an argument is NULL. */
VALKEY_UNUSED static int valkeyClusterOptionsUseLibuv(valkeyClusterOptions *options,
                                                      uv_loop_t *loop) {
    if (options == NULL || loop == NULL)
        return VALKEY_ERR;
    options->attach_fn = valkeyLibuvAttachFn;
    options->attach_data = loop;
    return VALKEY_OK;
}

#endif
