/* SPDX-License-Identifier: BSD-3-Clause */
/* A session: one client connection and what it has chosen (database, protocol, name ...). Lives in
 * the memory of its connection. Fields are its thread's unless marked; other threads see sessions
 * only through the registry, under STATS_LOCK. */
#ifndef LARDER_SERVER_SESSION_H
#define LARDER_SERVER_SESSION_H

#include "node/waiting.h"
#include "server/server.h"

enum session_flag {
    SESSION_AUTHENTICATED = 1 << 0,
    SESSION_REPLY_OFF = 1 << 1,  /* CLIENT REPLY OFF */
    SESSION_REPLY_SKIP = 1 << 2, /* of the command being executed */
    SESSION_SKIP_NEXT = 1 << 3,  /* CLIENT REPLY SKIP: set for the next command */
    SESSION_NO_EVICT = 1 << 4,
    SESSION_NO_TOUCH = 1 << 5,
    SESSION_MONITOR = 1 << 6,
    SESSION_PAUSED = 1 << 7,     /* a command waits for the end of CLIENT PAUSE */
    SESSION_CLOSING = 1 << 8,    /* executes nothing more */
    SESSION_SUBSCRIBER = 1 << 9, /* has subscriptions */
    SESSION_BLOCKED = 1 << 10,   /* a command waits: nothing is executed until it has its reply */
    SESSION_MULTI = 1 << 11,     /* commands are queued for EXEC */
    SESSION_PUSHED = 1 << 12,    /* the command's reply is a push, not muted by CLIENT REPLY */
};

struct acl_user;
struct tracker;

struct session {
    struct connection connection; /* first: the loop allocates it */
    struct server *server;
    struct server_thread *thread;
    struct session *registry_next, *registry_previous; /* guarded by STATS_LOCK */
    uint64_t id;
    struct request_partial *partial;
    struct recipient *recipient; /* NULL: nothing can come out of turn; see delivery.h */
    uint32_t database;
    uint32_t flags; /* enum session_flag */
    uint8_t protocol;
    int64_t created_ms;
    struct tracker *tracker; /* NULL: no CLIENT TRACKING; set under STATS_LOCK; tracking.h */
    bool is_redirect_target; /* others redirect to it; guarded by STATS_LOCK */
    struct acl_user *user;   /* a reference; set under STATS_LOCK; see acl.h */
    uint64_t acl_version;    /* of the table that `user` was taken from */
    bool is_restricted;      /* the user may not do everything: each command is checked */
    struct transaction *transaction; /* NULL: not in MULTI */
    struct watch_set watched;
    bool watches_nothing; /* what `watched` holds was forgotten, but could not be taken out yet */
    struct session_wait *wait;    /* of the blocking command; NULL: none */
    int64_t output_soft_since_ms; /* since when the soft output limit is exceeded; 0: it is not */
    /* of the batch being served */
    uint8_t *received;
    size_t received_size;
    size_t consumed; /* bytes of `received` that were read into requests or a partial */
    size_t used;     /* bytes of `received` whose commands were executed */
    size_t first_request, end_request;
    struct reply_mark reply_begin, reply_end;
    struct request_error error; /* of broken input */
    bool has_more;              /* complete commands were left for the next pass */
    /* atomic: written by the session's thread, shown by CLIENT LIST of any */
    _Atomic int64_t active_ms;    /* of the last command */
    _Atomic int32_t last_command; /* id, -1 for none */
    _Atomic uint32_t shown_database, shown_flags, shown_protocol, shown_watched;
    _Atomic int64_t waits_until_ms; /* of a blocking command with a timeout, else 0 */
    _Atomic int32_t shown_queued;   /* commands in MULTI, plus 1; 0: not in MULTI */
    _Atomic uint64_t input_bytes, output_bytes, memory_bytes; /* held right now */
    _Atomic uint64_t net_received, net_sent, command_count;
    _Atomic bool is_killed; /* by another thread: close at the next occasion */
    /* guarded by STATS_LOCK; owned, NULL when not set */
    char *name;
    char *library_name;
    char *library_version;
};

static inline struct session *session_of(struct connection *connection) {
    return (struct session *)connection;
}

/* Loop handler functions. */
bool session_opened(struct loop *loop, struct connection *connection);
void session_closing(struct loop *loop, struct connection *connection);

/* Read and execute nothing more; close once what was replied is sent. */
void session_close_after_reply(struct session *session);

/* Give the session a name, library name or version (NULL or empty: none). `field` is one of its
 * three text fields. Errors: LARDER_NO_MEMORY. */
enum larder_status session_set_text(struct session *session, char **field,
                                    struct slice text) LARDER_NODISCARD;

/* End a session of any thread, from any thread. STATS_LOCK is held, so it is still there. */
void session_kill(struct session *session) REQUIRES(STATS_LOCK);

/* What CLIENT LIST and INFO show: "id=3 addr=... ...", appended as text to `out` without a line
 * end. STATS_LOCK is held. */
struct text_buffer;
void session_describe(const struct session *session, int64_t now_ms, struct text_buffer *out)
    REQUIRES(STATS_LOCK);

/* "127.0.0.1:4711", "[::1]:4711" or "/path:0". */
void session_peer_text(const struct session *session, char *out, size_t size);

/* After its commands of a batch: bring what others see up to date, enforce the buffer limits. */
void session_note(struct session *session);

/* Close sessions that were killed, idle too long, or over their output limit; serve those whose
 * pause has ended. Once per tick of the loop. */
void session_check_all(struct server_thread *thread);

/* Whether CLIENT PAUSE holds back this command now. */
bool session_is_held_back(const struct session *session, const struct command_spec *spec);

#endif
