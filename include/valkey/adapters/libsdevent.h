/* SPDX-License-Identifier: BSD-3-Clause */
/* For programs that use systemd's sd-event. */
#ifndef VALKEY_ADAPTERS_LIBSDEVENT_H
#define VALKEY_ADAPTERS_LIBSDEVENT_H

#include "../cluster.h"

#include <sys/epoll.h>
#include <systemd/sd-event.h>
#include <time.h>

/* Two references: the context's and that of a handler that runs. */
typedef struct valkeyLibsdeventEvents {
    valkeyAsyncContext *context; /* NULL once it is gone */
    sd_event *event;
    sd_event_source *io, *timer;
    uint32_t events;
    int references;
} valkeyLibsdeventEvents;

VALKEY_UNUSED static void valkeyLibsdeventRelease(valkeyLibsdeventEvents *e) {
    if (--e->references == 0)
        vk_free(e);
}

VALKEY_UNUSED static int valkeyLibsdeventOnIo(sd_event_source *source, int fd, uint32_t ready,
                                              void *data) {
    valkeyLibsdeventEvents *e = (valkeyLibsdeventEvents *)data;
    const uint32_t failed = EPOLLERR | EPOLLHUP;
    (void)source, (void)fd;
    e->references++;
    if (e->context != NULL && e->events & EPOLLIN && ready & (EPOLLIN | failed))
        valkeyAsyncHandleRead(e->context);
    if (e->context != NULL && e->events & EPOLLOUT && ready & (EPOLLOUT | failed))
        valkeyAsyncHandleWrite(e->context);
    valkeyLibsdeventRelease(e);
    return 0;
}

VALKEY_UNUSED static int valkeyLibsdeventOnTimer(sd_event_source *source, uint64_t time,
                                                 void *data) {
    valkeyLibsdeventEvents *e = (valkeyLibsdeventEvents *)data;
    (void)source, (void)time;
    valkeyAsyncHandleTimeout(e->context);
    return 0;
}

VALKEY_UNUSED static void valkeyLibsdeventWatch(valkeyLibsdeventEvents *e, uint32_t events) {
    if (events == e->events)
        return;
    e->events = events;
    /* Without events it is not watched at all. */
    if (events != 0)
        (void)sd_event_source_set_io_events(e->io, events);
    (void)sd_event_source_set_enabled(e->io, events != 0 ? SD_EVENT_ON : SD_EVENT_OFF);
}

VALKEY_UNUSED static void valkeyLibsdeventAddRead(void *data) {
    valkeyLibsdeventEvents *e = (valkeyLibsdeventEvents *)data;
    valkeyLibsdeventWatch(e, e->events | EPOLLIN);
}

VALKEY_UNUSED static void valkeyLibsdeventDelRead(void *data) {
    valkeyLibsdeventEvents *e = (valkeyLibsdeventEvents *)data;
    valkeyLibsdeventWatch(e, e->events & ~(uint32_t)EPOLLIN);
}

VALKEY_UNUSED static void valkeyLibsdeventAddWrite(void *data) {
    valkeyLibsdeventEvents *e = (valkeyLibsdeventEvents *)data;
    valkeyLibsdeventWatch(e, e->events | EPOLLOUT);
}

VALKEY_UNUSED static void valkeyLibsdeventDelWrite(void *data) {
    valkeyLibsdeventEvents *e = (valkeyLibsdeventEvents *)data;
    valkeyLibsdeventWatch(e, e->events & ~(uint32_t)EPOLLOUT);
}

VALKEY_UNUSED static void valkeyLibsdeventScheduleTimer(void *data, struct timeval tv) {
    valkeyLibsdeventEvents *e = (valkeyLibsdeventEvents *)data;
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t due = (uint64_t)(now.tv_sec + tv.tv_sec) * 1000000 + (uint64_t)now.tv_nsec / 1000 +
                   (uint64_t)tv.tv_usec;
    if (e->timer == NULL) {
        (void)sd_event_add_time(e->event, &e->timer, CLOCK_MONOTONIC, due, 1,
                                valkeyLibsdeventOnTimer, e);
        return;
    }
    (void)sd_event_source_set_time(e->timer, due);
    (void)sd_event_source_set_enabled(e->timer, SD_EVENT_ONESHOT);
}

VALKEY_UNUSED static void valkeyLibsdeventCleanup(void *data) {
    valkeyLibsdeventEvents *e = (valkeyLibsdeventEvents *)data;
    e->context = NULL;
    if (e->io != NULL) {
        (void)sd_event_source_set_enabled(e->io, SD_EVENT_OFF);
        e->io = sd_event_source_unref(e->io);
    }
    if (e->timer != NULL) {
        (void)sd_event_source_set_enabled(e->timer, SD_EVENT_OFF);
        e->timer = sd_event_source_unref(e->timer);
    }
    e->event = sd_event_unref(e->event);
    valkeyLibsdeventRelease(e);
}

/* VALKEY_ERR: attached already, no memory, or no socket. */
VALKEY_UNUSED static int valkeyLibsdeventAttach(valkeyAsyncContext *ac, struct sd_event *event) {
    if (ac->ev.data != NULL)
        return VALKEY_ERR;
    valkeyLibsdeventEvents *e = (valkeyLibsdeventEvents *)vk_calloc(1, sizeof(*e));
    if (e == NULL)
        return VALKEY_ERR;
    e->context = ac;
    e->references = 1;
    e->event = sd_event_ref(event);
    if (sd_event_add_io(event, &e->io, ac->c.fd, 0, valkeyLibsdeventOnIo, e) < 0) {
        valkeyLibsdeventCleanup(e);
        return VALKEY_ERR;
    }
    (void)sd_event_source_set_enabled(e->io, SD_EVENT_OFF);
    ac->ev.addRead = valkeyLibsdeventAddRead;
    ac->ev.delRead = valkeyLibsdeventDelRead;
    ac->ev.addWrite = valkeyLibsdeventAddWrite;
    ac->ev.delWrite = valkeyLibsdeventDelWrite;
    ac->ev.cleanup = valkeyLibsdeventCleanup;
    ac->ev.scheduleTimer = valkeyLibsdeventScheduleTimer;
    ac->ev.data = e;
    return VALKEY_OK;
}

VALKEY_UNUSED static int valkeyLibsdeventAttachFn(valkeyAsyncContext *ac, void *event) {
    return valkeyLibsdeventAttach(ac, (struct sd_event *)event);
}

/* Connections of a cluster are attached to this loop. VALKEY_ERR: an argument is NULL. */
VALKEY_UNUSED static int valkeyClusterOptionsUseLibsdevent(valkeyClusterOptions *options,
                                                           struct sd_event *event) {
    if (options == NULL || event == NULL)
        return VALKEY_ERR;
    options->attach_fn = valkeyLibsdeventAttachFn;
    options->attach_data = event;
    return VALKEY_OK;
}

#endif
