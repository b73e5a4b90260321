/* SPDX-License-Identifier: BSD-3-Clause */
#include "adapters/driver.h"

#include <valkey/adapters/libuv.h>

#include <stdlib.h>

static uv_loop_t loop;
static uv_timer_t limit;

static void at_limit(uv_timer_t *timer) {
    (void)timer;
}

void driver_open(void) {
    (void)uv_loop_init(&loop);
    (void)uv_timer_init(&loop, &limit);
    (void)uv_timer_start(&limit, at_limit, 5, 5);
}

void driver_close(void) {
    uv_close((uv_handle_t *)&limit, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&loop) != 0)
        abort();
}

int driver_attach(valkeyAsyncContext *ac) {
    return valkeyLibuvAttach(ac, &loop);
}

int driver_use(valkeyClusterOptions *options) {
    return valkeyClusterOptionsUseLibuv(options, &loop);
}

void driver_turn(void) {
    (void)uv_run(&loop, UV_RUN_ONCE);
}
