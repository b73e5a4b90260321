/* SPDX-License-Identifier: BSD-3-Clause */
/* For programs that use GLib's main loop. valkey_source_new makes a source; attach it to a
 * GMainContext with g_source_attach. The caller owns a reference to it, as with any source. */
#ifndef VALKEY_ADAPTERS_GLIB_H
#define VALKEY_ADAPTERS_GLIB_H

#include "../cluster.h"

#include <glib.h>

typedef struct valkeySource {
    GSource source; /* first */
    GPollFD poll;
    gboolean is_polled;
    gint64 deadline;             /* of the timer in microseconds; -1: none */
    valkeyAsyncContext *context; /* NULL once it is gone */
} valkeySource;

VALKEY_UNUSED static gboolean valkey_source_is_due(const valkeySource *self) {
    return self->deadline >= 0 && g_get_monotonic_time() >= self->deadline;
}

VALKEY_UNUSED static gboolean valkey_source_prepare(GSource *source, gint *timeout) {
    const valkeySource *self = (const valkeySource *)source;
    *timeout = -1;
    return valkey_source_is_due(self);
}

VALKEY_UNUSED static gboolean valkey_source_check(GSource *source) {
    const valkeySource *self = (const valkeySource *)source;
    return self->poll.revents != 0 || valkey_source_is_due(self);
}

VALKEY_UNUSED static gboolean valkey_source_dispatch(GSource *source, GSourceFunc callback,
                                                     gpointer data) {
    valkeySource *self = (valkeySource *)source;
    gushort ready = self->poll.revents, failed = G_IO_ERR | G_IO_HUP;
    (void)callback, (void)data;
    self->poll.revents = 0;
    if (self->context != NULL && self->poll.events & G_IO_IN && ready & (G_IO_IN | failed))
        valkeyAsyncHandleRead(self->context);
    if (self->context != NULL && self->poll.events & G_IO_OUT && ready & (G_IO_OUT | failed))
        valkeyAsyncHandleWrite(self->context);
    if (self->context != NULL && valkey_source_is_due(self)) {
        self->deadline = -1;
        g_source_set_ready_time(source, -1);
        valkeyAsyncHandleTimeout(self->context);
    }
    return self->context != NULL ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* The socket is polled from when there is something to wait for. */
VALKEY_UNUSED static void valkey_source_watch(valkeySource *self) {
    if (!self->is_polled)
        g_source_add_poll(&self->source, &self->poll);
    self->is_polled = TRUE;
}

VALKEY_UNUSED static void valkey_source_add_read(void *data) {
    valkeySource *self = (valkeySource *)data;
    valkey_source_watch(self);
    self->poll.events |= G_IO_IN;
    g_main_context_wakeup(g_source_get_context((GSource *)data));
}

VALKEY_UNUSED static void valkey_source_del_read(void *data) {
    valkeySource *self = (valkeySource *)data;
    self->poll.events = (gushort)(self->poll.events & ~G_IO_IN);
}

VALKEY_UNUSED static void valkey_source_add_write(void *data) {
    valkeySource *self = (valkeySource *)data;
    valkey_source_watch(self);
    self->poll.events |= G_IO_OUT;
    g_main_context_wakeup(g_source_get_context((GSource *)data));
}

VALKEY_UNUSED static void valkey_source_del_write(void *data) {
    valkeySource *self = (valkeySource *)data;
    self->poll.events = (gushort)(self->poll.events & ~G_IO_OUT);
}

VALKEY_UNUSED static void valkey_source_schedule_timer(void *data, struct timeval tv) {
    valkeySource *self = (valkeySource *)data;
    self->deadline = g_get_monotonic_time() + (gint64)tv.tv_sec * G_USEC_PER_SEC + tv.tv_usec;
    g_source_set_ready_time(&self->source, self->deadline);
}

VALKEY_UNUSED static void valkey_source_cleanup(void *data) {
    valkeySource *self = (valkeySource *)data;
    self->context = NULL;
    g_source_destroy(&self->source);
    g_source_unref(&self->source);
}

/* A new source for the context, or NULL if it has one. */
VALKEY_UNUSED static GSource *valkey_source_new(valkeyAsyncContext *ac) {
    static GSourceFuncs functions = {
        valkey_source_prepare, valkey_source_check, valkey_source_dispatch, NULL, NULL, NULL};
    if (ac->ev.data != NULL)
        return NULL;
    GSource *source = g_source_new(&functions, sizeof(valkeySource));
    valkeySource *self = (valkeySource *)source;
    self->context = ac;
    self->deadline = -1;
    self->is_polled = FALSE;
    self->poll.fd = ac->c.fd;
    self->poll.events = self->poll.revents = 0;
    ac->ev.addRead = valkey_source_add_read;
    ac->ev.delRead = valkey_source_del_read;
    ac->ev.addWrite = valkey_source_add_write;
    ac->ev.delWrite = valkey_source_del_write;
    ac->ev.cleanup = valkey_source_cleanup;
    ac->ev.scheduleTimer = valkey_source_schedule_timer;
    ac->ev.data = g_source_ref(source);
    return source;
}

VALKEY_UNUSED static int valkeyGlibAttachFn(valkeyAsyncContext *ac, void *context) {
    GSource *source = valkey_source_new(ac);
    if (source == NULL)
        return VALKEY_ERR;
    (void)g_source_attach(source, (GMainContext *)context);
    g_source_unref(source); /* the context holds it */
    return VALKEY_OK;
}

/* Connections of a cluster are attached to this context; NULL: the default one. */
VALKEY_UNUSED static int valkeyClusterOptionsUseGlib(valkeyClusterOptions *options,
                                                     GMainContext *context) {
    if (options == NULL)
        return VALKEY_ERR;
    options->attach_fn = valkeyGlibAttachFn;
    options->attach_data = context;
    return VALKEY_OK;
}

#endif
