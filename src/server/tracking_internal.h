/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by tracking.c (who tracks and what) and tracking_tell.c (telling them). */
#ifndef LARDER_SERVER_TRACKING_INTERNAL_H
#define LARDER_SERVER_TRACKING_INTERNAL_H

#include "server/delivery.h"
#include "server/tracking.h"
#include "server/tracking_table.h"

struct tracking {
    struct server *server;
    struct lock lock;
    struct tracker *first; /* all that are on; guarded by TRACKING_LOCK */
    _Atomic uint32_t client_count, broadcast_count;
    _Atomic uint64_t max_keys;
    _Atomic uint64_t hand; /* which stripe gives up a key next */
    struct tracking_table table;
};

/* One thing to tell: a key was changed. */
struct untold_key {
    struct untold_key *next;
    struct tracked_key *tracked; /* owned; whom to tell; NULL: broadcast alone */
    uint64_t by;                 /* id of the session that changed it; 0: none */
    size_t size;
    uint8_t text[];
};

/* What a thread has to tell; allocated when there is something. */
struct untold {
    struct untold_key *first, **end;
    size_t count;
    bool is_all; /* everything was flushed */
};

static inline struct tracking *tracking_of(const struct server *server) {
    return server->tracking;
}

void tracking_lock(struct tracking *tracking) ACQUIRE(TRACKING_LOCK);
void tracking_unlock(struct tracking *tracking) RELEASE(TRACKING_LOCK);

void tracker_release(struct tracker *tracker);

/* Tell the thread's sessions later. `tracked` is taken over. Without memory those concerned are
 * disconnected. */
void untold_add(struct server_thread *thread, struct tracked_key *tracked, struct slice key,
                uint64_t by);
void untold_all(struct server_thread *thread);
/* End the connection of a session that can't be told. */
void tracking_disconnect(struct server *server, uint64_t session_id);

#endif
