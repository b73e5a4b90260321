/* SPDX-License-Identifier: BSD-3-Clause */
/* For programs that use ivykis. */
#ifndef VALKEY_ADAPTERS_IVYKIS_H
#define VALKEY_ADAPTERS_IVYKIS_H

#include "../cluster.h"

#include <iv.h>

typedef struct valkeyIvykisEvents {
    valkeyAsyncContext *context;
    struct iv_fd fd;
    struct iv_timer timer;
} valkeyIvykisEvents;

/* Handling an event may free everything here, hence it is the last thing these do. */
VALKEY_UNUSED static void valkeyIvykisOnRead(void *data) {
    valkeyAsyncHandleRead(((valkeyIvykisEvents *)data)->context);
}

VALKEY_UNUSED static void valkeyIvykisOnWrite(void *data) {
    valkeyAsyncHandleWrite(((valkeyIvykisEvents *)data)->context);
}

VALKEY_UNUSED static void valkeyIvykisOnTimer(void *data) {
    valkeyAsyncHandleTimeout(((valkeyIvykisEvents *)data)->context);
}

/* The socket is known to the loop from when there is something to wait for. */
VALKEY_UNUSED static void valkeyIvykisWatch(valkeyIvykisEvents *e) {
    if (!iv_fd_registered(&e->fd))
        iv_fd_register(&e->fd);
}

VALKEY_UNUSED static void valkeyIvykisAddRead(void *data) {
    valkeyIvykisWatch((valkeyIvykisEvents *)data);
    iv_fd_set_handler_in(&((valkeyIvykisEvents *)data)->fd, valkeyIvykisOnRead);
}

VALKEY_UNUSED static void valkeyIvykisDelRead(void *data) {
    valkeyIvykisEvents *e = (valkeyIvykisEvents *)data;
    if (iv_fd_registered(&e->fd))
        iv_fd_set_handler_in(&e->fd, NULL);
}

VALKEY_UNUSED static void valkeyIvykisAddWrite(void *data) {
    valkeyIvykisWatch((valkeyIvykisEvents *)data);
    iv_fd_set_handler_out(&((valkeyIvykisEvents *)data)->fd, valkeyIvykisOnWrite);
}

VALKEY_UNUSED static void valkeyIvykisDelWrite(void *data) {
    valkeyIvykisEvents *e = (valkeyIvykisEvents *)data;
    if (iv_fd_registered(&e->fd))
        iv_fd_set_handler_out(&e->fd, NULL);
}

VALKEY_UNUSED static void valkeyIvykisScheduleTimer(void *data, struct timeval tv) {
    valkeyIvykisEvents *e = (valkeyIvykisEvents *)data;
    if (iv_timer_registered(&e->timer))
        iv_timer_unregister(&e->timer);
    iv_validate_now();
    e->timer.expires = iv_now;
    e->timer.expires.tv_sec += tv.tv_sec;
    e->timer.expires.tv_nsec += (long)tv.tv_usec * 1000;
    if (e->timer.expires.tv_nsec >= 1000000000) {
        e->timer.expires.tv_nsec -= 1000000000;
        e->timer.expires.tv_sec++;
    }
    iv_timer_register(&e->timer);
}

VALKEY_UNUSED static void valkeyIvykisCleanup(void *data) {
    valkeyIvykisEvents *e = (valkeyIvykisEvents *)data;
    if (iv_timer_registered(&e->timer))
        iv_timer_unregister(&e->timer);
    if (iv_fd_registered(&e->fd))
        iv_fd_unregister(&e->fd);
    vk_free(e);
}

/* To the calling thread's loop. VALKEY_ERR: attached already, no memory, or no socket. */
VALKEY_UNUSED static int valkeyIvykisAttach(valkeyAsyncContext *ac) {
    if (ac->ev.data != NULL || ac->c.fd < 0)
        return VALKEY_ERR;
    valkeyIvykisEvents *e = (valkeyIvykisEvents *)vk_calloc(1, sizeof(*e));
    if (e == NULL)
        return VALKEY_ERR;
    e->context = ac;
    IV_FD_INIT(&e->fd);
    e->fd.fd = ac->c.fd;
    e->fd.cookie = e;
    IV_TIMER_INIT(&e->timer);
    e->timer.cookie = e;
    e->timer.handler = valkeyIvykisOnTimer;
    ac->ev.addRead = valkeyIvykisAddRead;
    ac->ev.delRead = valkeyIvykisDelRead;
    ac->ev.addWrite = valkeyIvykisAddWrite;
    ac->ev.delWrite = valkeyIvykisDelWrite;
    ac->ev.cleanup = valkeyIvykisCleanup;
    ac->ev.scheduleTimer = valkeyIvykisScheduleTimer;
    ac->ev.data = e;
    return VALKEY_OK;
}

VALKEY_UNUSED static int valkeyIvykisAttachFn(valkeyAsyncContext *ac, void *data) {
    (void)data;
    return valkeyIvykisAttach(ac);
}

/* Connections of a cluster are attached to the loop of this thread. */
VALKEY_UNUSED static int valkeyClusterOptionsUseIvykis(valkeyClusterOptions *options) {
    if (options == NULL)
        return VALKEY_ERR;
    options->attach_fn = valkeyIvykisAttachFn;
    options->attach_data = NULL;
    return VALKEY_OK;
}

#endif
