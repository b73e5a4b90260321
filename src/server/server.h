/* SPDX-License-Identifier: BSD-3-Clause */
/* The RESP server: one node, N loop threads that each own their sessions, and what they share.
 *
 *   server.c    life of the server: listeners, threads, applying configuration
 *   session.c   life of a session, the registry of sessions, killing, pausing
 *   acl*.c      users and what they may do: acl_user, acl_rules, acl_verdict are pure
 *   batch.c     a loop's pass: receive, read commands, prefetch, execute, send
 *   dispatch.c  one command: checks, which function runs, counters, slow log, monitors
 *   session_*.c, admin_*.c  commands about sessions and the server */
#ifndef LARDER_SERVER_SERVER_H
#define LARDER_SERVER_SERVER_H

#include "base/log.h"
#include "net/loop.h"
#include "node/node.h"
#include "os/clock.h"
#include "os/thread.h"
#include "server/config.h"
#include "server/statistics.h"
#include "wire/request.h"

struct server;
struct session;

enum { SERVER_THREADS_MAX = 128 };

/* Who answers HELLO, INFO and the clients' feature tests. */
#define SERVER_REDIS_VERSION "7.2.4"

/* One command that was read and waits for its turn in the batch. */
struct request {
    struct session *session;
    const struct command_spec *spec; /* NULL: unknown */
    size_t argc;
    size_t first_argument;           /* in the thread's arguments, unless it has a partial */
    struct request_partial *partial; /* owned until executed; NULL usually */
    bool is_broken;                  /* not a command: the session's protocol error */
    size_t end;                      /* offset behind it in the session's received bytes */
    struct key key;                  /* first key, when the spec has one at a fixed place */
    const void *bucket;              /* prefetch hint */
};

struct untold;

/* What one loop thread has. */
struct server_thread {
    struct server *server;
    struct loop loop;
    struct os_thread os_thread;
    struct node_thread node_thread;
    struct cycle_clock cycles;
    struct reply reply; /* output arena of the batch */
    struct request_arguments arguments;
    struct request *requests;
    size_t request_count, request_capacity;
    uint8_t *scratch; /* input arena of the batch */
    struct thread_statistics statistics;
    struct untold *untold;            /* owned: changed keys to tell clients of; see tracking.h */
    uint64_t running_session;         /* id of the one whose command runs; 0: none */
    struct delivery_thread *delivery; /* owned: its mailbox; see delivery.h */
    struct held_publication *held_publications; /* of the section being run; see pubsub.h */
    struct held_publication *last_held_publication;
    bool has_crowded_mailbox; /* the command posted to a thread that does not keep up */
    int64_t now_ms;           /* wall clock at the start of the pass */
    uint64_t command_began;   /* cycles: when the command before ended, or the batch began to run */
    struct script_thread *scripts;               /* owned: its interpreters; see script_run.h */
    struct session_wait *spare_wait;             /* for the next blocking command */
    struct session_wait *first_wait, *last_wait; /* those with a deadline, earliest first */
    bool is_out_of_memory;        /* writes that need memory are refused in this batch */
    int64_t checked_limit_bytes;  /* the memory limit of which is_out_of_memory tells */
    struct batch_progress *batch; /* the one being run */
    bool is_busy; /* it is held up and serves its connections all the same; see busy.h */
};

enum pause_mode { PAUSE_OFF, PAUSE_WRITES, PAUSE_ALL };

/* Bytes that a client may leave unread. */
struct output_limit {
    _Atomic uint64_t hard_bytes; /* 0: none */
    _Atomic uint64_t soft_bytes; /* for longer than soft_s; 0: none */
    _Atomic uint32_t soft_s;
};

struct acl;
struct tracking;
struct slow_log;
struct latency_monitor;

struct server {
    const struct allocator *allocator;
    struct node *node;
    struct server_thread *threads;
    unsigned thread_count;
    struct log *log;
    struct log_file *log_file;
    struct cycle_clock cycles;
    char run_id[41];
    int64_t started_ms;
    const char *executable;
    const char *config_path;

    /* guarded by CONFIG_LOCK */
    struct lock config_lock;
    _Atomic uint64_t config_owner; /* os_thread_self of the holder: EXEC takes it beforehand */
    uint32_t config_depth;
    struct server_config config;

    /* atomic copies of settings that threads read on every command */
    _Atomic bool requires_password;
    _Atomic bool protected_mode;
    _Atomic uint32_t max_clients;
    _Atomic uint64_t query_buffer_limit;
    struct output_limit output_limits[2]; /* of normal clients, of subscribers */
    _Atomic uint32_t idle_timeout_s;
    _Atomic uint32_t keepalive_s;
    _Atomic int64_t slow_log_threshold_us;
    _Atomic int64_t latency_threshold_ms;
    _Atomic bool tracks_latency;
    _Atomic uint32_t slow_log_max;
    _Atomic uint32_t expire_effort;       /* 1 to 10 */
    _Atomic int64_t clients_memory_limit; /* of all clients together; 0 none */
    _Atomic uint32_t monitor_count;
    _Atomic uint32_t events;     /* notify-keyspace-events; see notifications.h */
    _Atomic uint32_t pause_mode; /* enum pause_mode */
    _Atomic int64_t pause_until_ms;
    _Atomic int shutdown_flags; /* 0: running; see server_shutdown */

    /* guarded by STATS_LOCK */
    struct lock registry_lock;
    struct session *sessions; /* all, linked by registry_next */
    struct slow_log *slow_log;
    struct latency_monitor *latency;
    uint64_t next_session_id;
    uint32_t session_count;
    char unix_path[SOCKET_ADDRESS_MAX]; /* immutable after create */
    bool has_told_of_lost_events;       /* in the log; first thread only */
    struct server_totals totals;        /* of sessions that are gone, rejected connections, ... */

    struct acl *acl;                     /* users and what they may do */
    struct tracking *tracking;           /* clients that keep what they read */
    struct tls_context *tls;             /* NULL: no TLS */
    struct pubsub *pubsub;               /* owned; see pubsub.h */
    struct script_store *scripts;        /* owned; see script_store.h */
    _Atomic bool flushes_lazily;         /* FLUSHALL without SYNC or ASYNC */
    _Atomic int64_t script_memory_limit; /* of each interpreter */

    /* immutable after create: rename-command */
    struct renamed_command *renamed;
    size_t renamed_count, renamed_capacity;

    /* guarded by CONFIG_LOCK once the threads run */
    int64_t listening_port, listening_tls_port;
    bool is_listening;
    struct metrics_http *metrics; /* NULL: off */
    unsigned started_count;       /* threads that run */

    /* set once by whoever asks for the end; the program's main thread waits for it */
    struct wakeup *shutdown_wakeup;
};

/* Errors with a text fit for the log: LARDER_INVALID, LARDER_EXISTS (port taken), ... `config` is
 * moved into the server on success. Returns owned. */
struct metrics_http;

/* A command that is called by another name; no name: not at all. */
struct renamed_command {
    const struct command_spec *spec;
    struct blob *name; /* owned */
};

struct server_options {
    const struct allocator *allocator; /* NULL: ALLOCATOR_SYSTEM */
    struct server_config *config;
    struct log *log;
    struct log_file *log_file;
    const char *executable;
};
enum larder_status server_create(const struct server_options *options, struct server **out_server,
                                 struct error_text *error) LARDER_NODISCARD;
/* Start the loop threads. */
enum larder_status server_start(struct server *server) LARDER_NODISCARD;
/* Ask the loops to end. Any thread and signal handlers. */
void server_stop(struct server *server);
/* Blocks until the loops have ended. */
void server_join(struct server *server);
/* Not running any more. NULL is allowed. */
void server_destroy(struct server *server);
/* As server_destroy, but leaves the configuration, which the caller has. */
void server_destroy_parts(struct server *server);

/* Have the program's main thread end the server: SHUTDOWN. Any thread. */
void server_request_shutdown(struct server *server);

static inline struct server_thread *thread_of_loop(struct loop *loop) {
    return (struct server_thread *)((uint8_t *)loop - offsetof(struct server_thread, loop));
}

/* Have a thread look at its sessions now (session_check_all). Any thread. */
void server_thread_wake(struct server_thread *thread);

void server_config_lock(struct server *server) ACQUIRE(CONFIG_LOCK);
/* For one that holds locks further down and must not wait for this one. */
bool server_config_try_lock(struct server *server) TRY_ACQUIRE(true, CONFIG_LOCK);
void server_config_unlock(struct server *server) RELEASE(CONFIG_LOCK);
void server_stats_lock(struct server *server) ACQUIRE(STATS_LOCK);
void server_stats_unlock(struct server *server) RELEASE(STATS_LOCK);

/* At the start of a pass: read the clock, do the node's housekeeping for the thread. */
void server_thread_begin_pass(struct server_thread *thread);
/* Make room for writes of about `coming_bytes`; sets is_out_of_memory. No lock is held. */
void server_thread_check_memory(struct server_thread *thread, int64_t coming_bytes);

/* ---- batch.c ---- */
enum larder_status server_thread_init_batch(struct server_thread *thread) LARDER_NODISCARD;
void server_thread_finish_batch(struct server_thread *thread);
void server_batch(struct loop *loop, struct connection **ready, size_t count);
/* The command that runs takes long: send the replies that are ready, and run what else was read as
 * things are now (is_busy). Between two of its steps. */
void server_batch_let_go(struct server_thread *thread);

/* The spec of the command or subcommand, as it is called here (rename-command). NULL: unknown. A
 * container without a known subcommand is returned itself. */
const struct command_spec *server_find_command(const struct server *server,
                                               const struct slice *argv, size_t argc);

/* ---- dispatch.c ---- */

/* A command was run: count it. */
void dispatch_count(struct server_thread *thread, const struct command_spec *spec, uint64_t ns,
                    bool has_failed);

/* Execute one command of a session and write its reply into the thread's reply buffer. False: it
 * was not executed, the session waits (CLIENT PAUSE) and the command is to be read again. */
bool dispatch(struct server_thread *thread, struct session *session, const struct request *request,
              const struct slice *argv);

/* One command that was admitted, in MULTI, in a script or alone. */
struct command_input {
    const struct command_spec *spec;
    size_t argc;
    const struct slice *argv;
    struct blob *const *blobs; /* per argument, or NULL */
    struct key key;            /* hashed beforehand, or zero */
};

/* Run it and count it. Its reply goes to thread->reply (one reply, unless it waits); inside a
 * section of the node it runs there. */
void dispatch_run(struct server_thread *thread, struct session *session,
                  const struct command_input *input);

/* A command about sessions or the server. Writes exactly one reply. */
typedef void (*session_command)(struct session *session, struct call *call);
/* NULL where the command is not such a one. session_commands.c */
extern const session_command session_commands[COMMAND_COUNT];

/* Whether the command exists here: one of the two tables has it, or it is a container of one. */
bool command_is_built(const struct command_spec *spec);

#endif
