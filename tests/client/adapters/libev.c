/* SPDX-License-Identifier: BSD-3-Clause */
#include "adapters/driver.h"

#include <valkey/adapters/libev.h>

static struct ev_loop *loop;
static ev_timer limit;

static void at_limit(struct ev_loop *l, ev_timer *timer, int events) {
    (void)l, (void)timer, (void)events;
}

void driver_open(void) {
    loop = ev_loop_new(EVFLAG_AUTO);
    limit.cb = at_limit;
    limit.repeat = 0.005;
    ev_timer_again(loop, &limit);
}

void driver_close(void) {
    ev_timer_stop(loop, &limit);
    ev_loop_destroy(loop);
}

int driver_attach(valkeyAsyncContext *ac) {
    return valkeyLibevAttach(loop, ac);
}

int driver_use(valkeyClusterOptions *options) {
    return valkeyClusterOptionsUseLibev(options, loop);
}

void driver_turn(void) {
    (void)ev_run(loop, EVRUN_ONCE);
}
