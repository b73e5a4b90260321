/* SPDX-License-Identifier: BSD-3-Clause */
#include "adapters/driver.h"

#include <valkey/adapters/libsdevent.h>

static sd_event *event;

void driver_open(void) {
    (void)sd_event_new(&event);
}

void driver_close(void) {
    event = sd_event_unref(event);
}

int driver_attach(valkeyAsyncContext *ac) {
    return valkeyLibsdeventAttach(ac, event);
}

int driver_use(valkeyClusterOptions *options) {
    return valkeyClusterOptionsUseLibsdevent(options, event);
}

void driver_turn(void) {
    (void)sd_event_run(event, 5000);
}
