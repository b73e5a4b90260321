/* SPDX-License-Identifier: BSD-3-Clause */
/* Waits for readiness of many descriptors at once, level-triggered: a descriptor is reported again
 * by the next wait until what it was reported for has been used up. One thread waits; add, modify
 * and remove may be called by any thread. */
#ifndef LARDER_OS_POLLER_H
#define LARDER_OS_POLLER_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

enum {
    POLLER_READ = 1,   /* bytes, a connection to accept, or the peer's end of stream */
    POLLER_WRITE = 2,  /* room to send */
    POLLER_CLOSED = 4, /* reported, never asked for: error, or both directions are shut */
};

enum { POLLER_WAIT_FOREVER = -1, POLLER_BATCH_MAX = 512 };

struct poller {
    int fd; /* immutable after init */
};

struct poller_event {
    void *data;      /* as given to add or modify */
    uint32_t events; /* POLLER_ flags */
};

/* Errors: LARDER_BUSY (descriptor limit), LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status poller_init(struct poller *poller);
void poller_finish(struct poller *poller);

/* Watch `fd` for `events` (POLLER_READ and POLLER_WRITE or 0: then only POLLER_CLOSED comes).
 * Errors: LARDER_NO_MEMORY, LARDER_NO_SPACE (the system's limit on watched descriptors),
 * LARDER_EXISTS, LARDER_DENIED (the descriptor can't be waited for, like a file). */
LARDER_NODISCARD
enum larder_status poller_add(struct poller *poller, int fd, uint32_t events, void *data);

/* Change events and data of a watched descriptor. Errors: LARDER_NOT_FOUND, LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status poller_modify(struct poller *poller, int fd, uint32_t events, void *data);

/* Stop watching; before the descriptor is closed. Events that an earlier wait returned may still
 * name its data. Unknown descriptors are ignored. */
void poller_remove(struct poller *poller, int fd);

/* Blocks until something is ready, a signal arrives, or `timeout_ms` (0: don't wait;
 * POLLER_WAIT_FOREVER) has passed. Stores at most `capacity` events, of which at most
 * POLLER_BATCH_MAX per call. *out_count may be 0. Errors: LARDER_IO (programming error). */
LARDER_NODISCARD
enum larder_status poller_wait(struct poller *poller, struct poller_event *events, size_t capacity,
                               int timeout_ms, size_t *out_count);

#endif
