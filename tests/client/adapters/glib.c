/* SPDX-License-Identifier: BSD-3-Clause */
#include "adapters/driver.h"

#include <valkey/adapters/glib.h>

static GMainContext *context;
static GSource *limit;

static gboolean at_limit(gpointer data) {
    (void)data;
    return G_SOURCE_CONTINUE;
}

void driver_open(void) {
    context = g_main_context_new();
    limit = g_timeout_source_new(5);
    g_source_set_callback(limit, at_limit, NULL, NULL);
    (void)g_source_attach(limit, context);
}

void driver_close(void) {
    g_source_destroy(limit);
    g_source_unref(limit);
    g_main_context_unref(context);
}

int driver_attach(valkeyAsyncContext *ac) {
    GSource *source = valkey_source_new(ac);
    if (source == NULL)
        return VALKEY_ERR;
    (void)g_source_attach(source, context);
    g_source_unref(source);
    return VALKEY_OK;
}

int driver_use(valkeyClusterOptions *options) {
    return valkeyClusterOptionsUseGlib(options, context);
}

void driver_turn(void) {
    (void)g_main_context_iteration(context, TRUE);
}
