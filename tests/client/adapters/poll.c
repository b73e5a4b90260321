/* SPDX-License-Identifier: BSD-3-Clause */
#include "adapters/driver.h"

#include <valkey/adapters/poll.h>

enum { CONTEXTS_MAX = 16 };

/* The adapter has no loop: this one knows its contexts until their data is cleaned up. */
static valkeyAsyncContext *contexts[CONTEXTS_MAX];
static void (*cleanup)(void *);

static void forget(void *data) {
    for (int i = 0; i < CONTEXTS_MAX; i++)
        if (contexts[i] != NULL && contexts[i] == ((valkeyPollEvents *)data)->context)
            contexts[i] = NULL;
    cleanup(data);
}

void driver_open(void) {}

void driver_close(void) {}

int driver_attach(valkeyAsyncContext *ac) {
    int result = valkeyPollAttach(ac);
    for (int i = 0; result == VALKEY_OK && i < CONTEXTS_MAX; i++) {
        if (contexts[i] != NULL)
            continue;
        contexts[i] = ac;
        cleanup = ac->ev.cleanup;
        ac->ev.cleanup = forget;
        break;
    }
    return result;
}

static int attach(valkeyAsyncContext *ac, void *data) {
    (void)data;
    return driver_attach(ac);
}

int driver_use(valkeyClusterOptions *options) {
    int result = valkeyClusterOptionsUsePoll(options);
    if (result == VALKEY_OK)
        options->attach_fn = attach;
    return result;
}

void driver_turn(void) {
    for (int i = 0; i < CONTEXTS_MAX; i++)
        if (contexts[i] != NULL)
            (void)valkeyPollTick(contexts[i], 0.001);
}
