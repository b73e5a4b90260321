/* SPDX-License-Identifier: BSD-3-Clause */
/* What the shared suite needs of an event loop; each adapter's file implements it. */
#ifndef LARDER_TESTS_CLIENT_DRIVER_H
#define LARDER_TESTS_CLIENT_DRIVER_H

#include <valkey/cluster.h>

void driver_open(void);
void driver_close(void);
/* Attach a context to the loop. Returns what the adapter returned. */
int driver_attach(valkeyAsyncContext *ac);
/* Have connections of a cluster attached to the loop, with the adapter's own function. */
int driver_use(valkeyClusterOptions *options);
/* Wait for events for at most a few milliseconds and handle them. */
void driver_turn(void);

#endif
