/* SPDX-License-Identifier: BSD-3-Clause */
/* For programs that use libevent 2. */
#ifndef VALKEY_ADAPTERS_LIBEVENT_H
#define VALKEY_ADAPTERS_LIBEVENT_H

#include "../cluster.h"

#include <event2/event.h>

typedef struct valkeyLibeventEvents {
    valkeyAsyncContext *context;
    struct event *read, *write, *timer;
} valkeyLibeventEvents;

/* Handling an event may free everything here, hence it is the last thing these do. */
VALKEY_UNUSED static void valkeyLibeventOnRead(evutil_socket_t fd, short events, void *data) {
    (void)fd, (void)events;
    valkeyAsyncHandleRead(((valkeyLibeventEvents *)data)->context);
}

VALKEY_UNUSED static void valkeyLibeventOnWrite(evutil_socket_t fd, short events, void *data) {
    (void)fd, (void)events;
    valkeyAsyncHandleWrite(((valkeyLibeventEvents *)data)->context);
}

VALKEY_UNUSED static void valkeyLibeventOnTimer(evutil_socket_t fd, short events, void *data) {
    (void)fd, (void)events;
    valkeyAsyncHandleTimeout(((valkeyLibeventEvents *)data)->context);
}

VALKEY_UNUSED static void valkeyLibeventAddRead(void *data) {
    (void)event_add(((valkeyLibeventEvents *)data)->read, NULL);
}

VALKEY_UNUSED static void valkeyLibeventDelRead(void *data) {
    (void)event_del(((valkeyLibeventEvents *)data)->read);
}

VALKEY_UNUSED static void valkeyLibeventAddWrite(void *data) {
    (void)event_add(((valkeyLibeventEvents *)data)->write, NULL);
}

VALKEY_UNUSED static void valkeyLibeventDelWrite(void *data) {
    (void)event_del(((valkeyLibeventEvents *)data)->write);
}

VALKEY_UNUSED static void valkeyLibeventScheduleTimer(void *data, struct timeval tv) {
    (void)event_add(((valkeyLibeventEvents *)data)->timer, &tv);
}

VALKEY_UNUSED static void valkeyLibeventCleanup(void *data) {
    valkeyLibeventEvents *e = (valkeyLibeventEvents *)data;
    if (e->read != NULL)
        event_free(e->read);
    if (e->write != NULL)
        event_free(e->write);
    if (e->timer != NULL)
        event_free(e->timer);
    vk_free(e);
}

/* The base must outlive the context. VALKEY_ERR: attached already, or no memory. */
VALKEY_UNUSED static int valkeyLibeventAttach(valkeyAsyncContext *ac, struct event_base *base) {
    if (ac->ev.data != NULL)
        return VALKEY_ERR;
    valkeyLibeventEvents *e = (valkeyLibeventEvents *)vk_calloc(1, sizeof(*e));
    if (e == NULL)
        return VALKEY_ERR;
    e->context = ac;
    e->read = event_new(base, ac->c.fd, EV_READ | EV_PERSIST, valkeyLibeventOnRead, e);
    e->write = event_new(base, ac->c.fd, EV_WRITE | EV_PERSIST, valkeyLibeventOnWrite, e);
    e->timer = event_new(base, -1, 0, valkeyLibeventOnTimer, e);
    if (e->read == NULL || e->write == NULL || e->timer == NULL) {
        valkeyLibeventCleanup(e);
        return VALKEY_ERR;
    }
    ac->ev.addRead = valkeyLibeventAddRead;
    ac->ev.delRead = valkeyLibeventDelRead;
    ac->ev.addWrite = valkeyLibeventAddWrite;
    ac->ev.delWrite = valkeyLibeventDelWrite;
    ac->ev.cleanup = valkeyLibeventCleanup;
    ac->ev.scheduleTimer = valkeyLibeventScheduleTimer;
    ac->ev.data = e;
    return VALKEY_OK;
}

VALKEY_UNUSED static int valkeyLibeventAttachFn(valkeyAsyncContext *ac, void *base) {
    return valkeyLibeventAttach(ac, (struct event_base *)base);
}

/* Connections of a cluster are attached to this loop. VALKEY_ERR: an argument is NULL. */
VALKEY_UNUSED static int valkeyClusterOptionsUseLibevent(valkeyClusterOptions *options,
                                                         struct event_base *base) {
    if (options == NULL || base == NULL)
        return VALKEY_ERR;
    options->attach_fn = valkeyLibeventAttachFn;
    options->attach_data = base;
    return VALKEY_OK;
}

#endif
