/* SPDX-License-Identifier: BSD-3-Clause */
#include "adapters/driver.h"

#include <valkey/adapters/ivykis.h>

static struct iv_timer limit;

static void at_limit(void *data) {
    (void)data;
    iv_quit();
}

void driver_open(void) {
    iv_init();
}

void driver_close(void) {
    iv_deinit();
}

int driver_attach(valkeyAsyncContext *ac) {
    return valkeyIvykisAttach(ac);
}

int driver_use(valkeyClusterOptions *options) {
    return valkeyClusterOptionsUseIvykis(options);
}

void driver_turn(void) {
    IV_TIMER_INIT(&limit);
    iv_validate_now();
    limit.expires = iv_now;
    limit.expires.tv_nsec += 3000000;
    if (limit.expires.tv_nsec >= 1000000000) {
        limit.expires.tv_nsec -= 1000000000;
        limit.expires.tv_sec++;
    }
    limit.handler = at_limit;
    iv_timer_register(&limit);
    iv_main();
}
