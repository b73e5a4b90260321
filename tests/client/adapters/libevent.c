/* SPDX-License-Identifier: BSD-3-Clause */
#include "adapters/driver.h"

#include <valkey/adapters/libevent.h>

static struct event_base *base;

void driver_open(void) {
    base = event_base_new();
}

void driver_close(void) {
    event_base_free(base);
}

int driver_attach(valkeyAsyncContext *ac) {
    return valkeyLibeventAttach(ac, base);
}

int driver_use(valkeyClusterOptions *options) {
    return valkeyClusterOptionsUseLibevent(options, base);
}

void driver_turn(void) {
    struct timeval limit = {.tv_usec = 5000};
    (void)event_base_loopexit(base, &limit);
    (void)event_base_loop(base, EVLOOP_ONCE);
}
