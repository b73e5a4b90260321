/* SPDX-License-Identifier: BSD-3-Clause */
/* Without an event library: the program calls valkeyPollTick, which waits in poll(2) and handles
 * what is ready. */
#ifndef VALKEY_ADAPTERS_POLL_H
#define VALKEY_ADAPTERS_POLL_H

#include "../cluster.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

/* What valkeyPollTick returns. */
#define VALKEY_POLL_HANDLED_READ    1
#define VALKEY_POLL_HANDLED_WRITE   2
#define VALKEY_POLL_HANDLED_TIMEOUT 4

typedef struct valkeyPollEvents {
    valkeyAsyncContext *context;
    valkeyFD fd;
    char reading, writing;
    char in_tick, deleted; /* the context may go while a tick handles it */
    double deadline;       /* of the timer, in seconds; 0: none */
} valkeyPollEvents;

VALKEY_UNUSED static double valkeyPollNow(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

VALKEY_UNUSED static int valkeyPollTimeoutMs(const valkeyPollEvents *e, double timeout) {
    if (e->deadline > 0) {
        double left = e->deadline - valkeyPollNow();
        if (left < 0)
            left = 0;
        if (timeout < 0 || left < timeout)
            timeout = left;
    }
    if (timeout < 0)
        return -1;
    return timeout > 2000000 ? 2000000000 : (int)(timeout * 1000 + 0.999);
}

/* Wait at most `timeout` seconds (below 0: until something happens; 0: not at all). Returns
 * VALKEY_POLL_HANDLED_ bits; the context may be gone afterwards. */
VALKEY_UNUSED static int valkeyPollTick(valkeyAsyncContext *ac, double timeout) {
    valkeyPollEvents *e = (valkeyPollEvents *)ac->ev.data;
    if (e == NULL || (!e->reading && !e->writing && e->deadline <= 0))
        return 0;
    struct pollfd waiting;
    waiting.fd = e->reading || e->writing ? e->fd : -1;
    waiting.events = (short)((e->reading ? POLLIN : 0) | (e->writing ? POLLOUT : 0));
    waiting.revents = 0;
    int ready = poll(&waiting, 1, valkeyPollTimeoutMs(e, timeout));
    if (ready < 0 && errno != EINTR)
        return 0;
    int handled = 0;
    e->in_tick = 1;
    if (ready > 0 && e->reading && waiting.revents & (POLLIN | POLLERR | POLLHUP)) {
        valkeyAsyncHandleRead(ac);
        handled |= VALKEY_POLL_HANDLED_READ;
    }
    if (ready > 0 && !e->deleted && e->writing && waiting.revents & (POLLOUT | POLLERR | POLLHUP)) {
        valkeyAsyncHandleWrite(ac);
        handled |= VALKEY_POLL_HANDLED_WRITE;
    }
    if (!e->deleted && e->deadline > 0 && valkeyPollNow() >= e->deadline) {
        e->deadline = 0;
        valkeyAsyncHandleTimeout(ac);
        handled |= VALKEY_POLL_HANDLED_TIMEOUT;
    }
    e->in_tick = 0;
    if (e->deleted)
        vk_free(e);
    return handled;
}

VALKEY_UNUSED static void valkeyPollAddRead(void *data) {
    ((valkeyPollEvents *)data)->reading = 1;
}

VALKEY_UNUSED static void valkeyPollDelRead(void *data) {
    ((valkeyPollEvents *)data)->reading = 0;
}

VALKEY_UNUSED static void valkeyPollAddWrite(void *data) {
    ((valkeyPollEvents *)data)->writing = 1;
}

VALKEY_UNUSED static void valkeyPollDelWrite(void *data) {
    ((valkeyPollEvents *)data)->writing = 0;
}

VALKEY_UNUSED static void valkeyPollCleanup(void *data) {
    valkeyPollEvents *e = (valkeyPollEvents *)data;
    if (e->in_tick) {
        e->deleted = 1;
        e->reading = e->writing = 0;
        e->deadline = 0;
    } else {
        vk_free(e);
    }
}

VALKEY_UNUSED static void valkeyPollScheduleTimer(void *data, struct timeval tv) {
    ((valkeyPollEvents *)data)->deadline =
        valkeyPollNow() + (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

VALKEY_UNUSED static int valkeyPollAttach(valkeyAsyncContext *ac) {
    if (ac->ev.data != NULL)
        return VALKEY_ERR;
    valkeyPollEvents *e = (valkeyPollEvents *)vk_calloc(1, sizeof(*e));
    if (e == NULL)
        return VALKEY_ERR;
    e->context = ac;
    e->fd = ac->c.fd;
    ac->ev.addRead = valkeyPollAddRead;
    ac->ev.delRead = valkeyPollDelRead;
    ac->ev.addWrite = valkeyPollAddWrite;
    ac->ev.delWrite = valkeyPollDelWrite;
    ac->ev.cleanup = valkeyPollCleanup;
    ac->ev.scheduleTimer = valkeyPollScheduleTimer;
    ac->ev.data = e;
    return VALKEY_OK;
}

VALKEY_UNUSED static int valkeyPollAttachFn(valkeyAsyncContext *ac, void *data) {
    (void)data;
    return valkeyPollAttach(ac);
}

/* Each connection of a cluster is then to be ticked. */
VALKEY_UNUSED static int valkeyClusterOptionsUsePoll(valkeyClusterOptions *options) {
    if (options == NULL)
        return VALKEY_ERR;
    options->attach_fn = valkeyPollAttachFn;
    options->attach_data = NULL;
    return VALKEY_OK;
}

#endif
