/* SPDX-License-Identifier: BSD-3-Clause */
/* For programs that use libev. */
#ifndef VALKEY_ADAPTERS_LIBEV_H
#define VALKEY_ADAPTERS_LIBEV_H

#include "../cluster.h"

#include <ev.h>
#include <string.h>

typedef struct valkeyLibevEvents {
    valkeyAsyncContext *context;
    struct ev_loop *loop;
    ev_io read, write;
    ev_timer timer;
} valkeyLibevEvents;

/* Handling an event may free everything here, hence it is the last thing these do. */
VALKEY_UNUSED static void valkeyLibevOnRead(struct ev_loop *loop, ev_io *watcher, int events) {
    (void)loop, (void)events;
    valkeyAsyncHandleRead(((valkeyLibevEvents *)watcher->data)->context);
}

VALKEY_UNUSED static void valkeyLibevOnWrite(struct ev_loop *loop, ev_io *watcher, int events) {
    (void)loop, (void)events;
    valkeyAsyncHandleWrite(((valkeyLibevEvents *)watcher->data)->context);
}

VALKEY_UNUSED static void valkeyLibevOnTimer(struct ev_loop *loop, ev_timer *watcher, int events) {
    (void)events;
    ev_timer_stop(loop, watcher);
    valkeyAsyncHandleTimeout(((valkeyLibevEvents *)watcher->data)->context);
}

VALKEY_UNUSED static void valkeyLibevAddRead(void *data) {
    valkeyLibevEvents *e = (valkeyLibevEvents *)data;
    ev_io_start(e->loop, &e->read);
}

VALKEY_UNUSED static void valkeyLibevDelRead(void *data) {
    valkeyLibevEvents *e = (valkeyLibevEvents *)data;
    ev_io_stop(e->loop, &e->read);
}

VALKEY_UNUSED static void valkeyLibevAddWrite(void *data) {
    valkeyLibevEvents *e = (valkeyLibevEvents *)data;
    ev_io_start(e->loop, &e->write);
}

VALKEY_UNUSED static void valkeyLibevDelWrite(void *data) {
    valkeyLibevEvents *e = (valkeyLibevEvents *)data;
    ev_io_stop(e->loop, &e->write);
}

VALKEY_UNUSED static void valkeyLibevScheduleTimer(void *data, struct timeval tv) {
    valkeyLibevEvents *e = (valkeyLibevEvents *)data;
    ev_timer_stop(e->loop, &e->timer);
    ev_now_update(e->loop);
    e->timer.repeat = (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
    ev_timer_again(e->loop, &e->timer);
}

VALKEY_UNUSED static void valkeyLibevCleanup(void *data) {
    valkeyLibevEvents *e = (valkeyLibevEvents *)data;
    ev_io_stop(e->loop, &e->read);
    ev_io_stop(e->loop, &e->write);
    ev_timer_stop(e->loop, &e->timer);
    vk_free(e);
}

VALKEY_UNUSED static void valkeyLibevSetCallbacks(valkeyLibevEvents *e) {
    memset(&e->read, 0, sizeof e->read);
    memset(&e->write, 0, sizeof e->write);
    memset(&e->timer, 0, sizeof e->timer);
    e->read.cb = valkeyLibevOnRead;
    e->write.cb = valkeyLibevOnWrite;
    e->timer.cb = valkeyLibevOnTimer;
    e->read.data = e->write.data = e->timer.data = e;
    ev_io_set(&e->read, e->context->c.fd, EV_READ);
    ev_io_set(&e->write, e->context->c.fd, EV_WRITE);
}

/* The loop must outlive the context. VALKEY_ERR: attached already, or no memory. */
VALKEY_UNUSED static int valkeyLibevAttach(EV_P_ valkeyAsyncContext *ac) {
    if (ac->ev.data != NULL)
        return VALKEY_ERR;
    valkeyLibevEvents *e = (valkeyLibevEvents *)vk_calloc(1, sizeof(*e));
    if (e == NULL)
        return VALKEY_ERR;
    e->context = ac;
#if EV_MULTIPLICITY
    e->loop = EV_A;
#endif
    valkeyLibevSetCallbacks(e);
    ac->ev.addRead = valkeyLibevAddRead;
    ac->ev.delRead = valkeyLibevDelRead;
    ac->ev.addWrite = valkeyLibevAddWrite;
    ac->ev.delWrite = valkeyLibevDelWrite;
    ac->ev.cleanup = valkeyLibevCleanup;
    ac->ev.scheduleTimer = valkeyLibevScheduleTimer;
    ac->ev.data = e;
    return VALKEY_OK;
}

VALKEY_UNUSED static int valkeyLibevAttachFn(valkeyAsyncContext *ac, void *loop) {
#if EV_MULTIPLICITY
    return valkeyLibevAttach((struct ev_loop *)loop, ac);
#else
    (void)loop;
    return valkeyLibevAttach(ac);
#endif
}

/* Connections of a cluster are attached to this loop. VALKEY_ERR: an argument is NULL. */
VALKEY_UNUSED static int valkeyClusterOptionsUseLibev(valkeyClusterOptions *options,
                                                      struct ev_loop *loop) {
    if (options == NULL || loop == NULL)
        return VALKEY_ERR;
    options->attach_fn = valkeyLibevAttachFn;
    options->attach_data = loop;
    return VALKEY_OK;
}

#endif
