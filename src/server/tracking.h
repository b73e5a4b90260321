/* SPDX-License-Identifier: BSD-3-Clause */
/* CLIENT TRACKING: clients that keep what they read are told when it changes. A client with
 * tracking has a tracker, shared by reference with the keys it has read.
 *
 *   a read command of its:  keys -> table of tracked keys, before the command runs
 *   a changed key (node_listener.changed, partition locks are held): its trackers are taken out of
 *     the table and put among what the changing thread has to tell
 *   after the command, or at the end of the pass: the messages are posted (delivery.h)
 *
 * So each read is told of once at most, and what a command changed is told after its reply. A read
 * whose key was taken out while it ran is told of at once: whatever it saw may be out of date. Who
 * asked for broadcasts is told of every key with one of its prefixes. When there is no memory to
 * tell a client, its connection is closed: it must not go on with what it keeps. */
#ifndef LARDER_SERVER_TRACKING_H
#define LARDER_SERVER_TRACKING_H

#include "server/session.h"

enum tracker_flag {
    TRACKER_BROADCAST = 1 << 0,
    TRACKER_NO_LOOP = 1 << 1,
    TRACKER_OPT_IN = 1 << 2,
    TRACKER_OPT_OUT = 1 << 3,
    TRACKER_CACHING = 1 << 4, /* CLIENT CACHING was given for the next command */
};

struct tracker_prefix {
    uint8_t *text; /* owned; NULL when empty */
    size_t size;
};

struct tracker {
    struct tracking *tracking;
    _Atomic uint32_t references;
    /* immutable */
    uint64_t session_id;
    unsigned thread;
    /* written by the session's thread */
    _Atomic uint32_t flags;
    /* guarded by TRACKING_LOCK */
    struct tracker *previous, *next;
    uint64_t redirect_id; /* 0: to itself */
    unsigned redirect_thread;
    struct tracker_prefix *prefixes;
    size_t prefix_count;
    /* atomic */
    _Atomic bool is_off;    /* its session is gone or tracks no more */
    _Atomic bool is_broken; /* the session that it redirects to is gone */
    _Atomic uint64_t shown_redirect;
};

struct tracking_numbers {
    uint64_t clients, keys, items, prefixes;
};

/* Errors: LARDER_NO_MEMORY. */
enum larder_status tracking_create(struct server *server) LARDER_NODISCARD;
/* All sessions are closed. */
void tracking_destroy(struct server *server);
/* What a thread has to tell is forgotten: it runs no more. */
void tracking_thread_finish(struct server_thread *thread);
void tracking_set_limit(struct server *server, uint64_t max_keys);
struct tracking_numbers tracking_numbers(struct server *server);

/* ---- the session's thread ---- */

/* What CLIENT TRACKING ON asks for. */
struct tracking_request {
    uint32_t flags;       /* enum tracker_flag */
    uint64_t redirect_id; /* 0: none */
    const struct slice *prefixes;
    size_t prefix_count;
};
/* Begin, or go on in another way. Errors: LARDER_NO_MEMORY; LARDER_NOT_FOUND: no such client to
 * redirect to. */
enum larder_status tracking_begin(struct session *session,
                                  const struct tracking_request *request) LARDER_NODISCARD;
/* End it; nothing is done when there is none. */
void tracking_end(struct session *session);
/* A session is closed that others may redirect to. */
void tracking_target_gone(struct session *session);
/* The prefix that a new one of a tracker would overlap with; NULL data: none. Borrows. */
struct slice tracking_overlap(struct session *session, struct slice prefix);
/* A prefix of the session's tracker; false: there is none of this index. Borrows until it ends. */
bool tracking_prefix(const struct session *session, size_t index, struct slice *out);

/* Around each read-only command of a session that tracks, also in EXEC and in scripts (where the
 * session is the script's caller). */
void tracking_before_read(struct session *session, const struct command_spec *spec, size_t argc,
                          const struct slice *argv);
void tracking_after_read(struct session *session, const struct command_spec *spec, size_t argc,
                         const struct slice *argv);
/* A command of the session is over that was not queued by MULTI. */
void tracking_after_command(struct session *session, const struct command_spec *spec);

/* ---- telling ---- */

/* node_listener.changed and .flushed; the context is the server. */
void tracking_changed(void *context, struct node_thread *thread, uint32_t database,
                      struct slice key);
void tracking_flushed(void *context, struct node_thread *thread, uint32_t database);
/* Post what the thread has to tell. */
void tracking_tell(struct server_thread *thread);
static inline bool tracking_has_to_tell(const struct server_thread *thread) {
    return thread->untold != NULL;
}

#endif
