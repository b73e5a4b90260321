/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions and their registry. The registry is a list under STATS_LOCK; what other threads show of
 * a session are atomic copies that its own thread brings up to date after each batch. */
#include "server/session.h"

#include "server/acl.h"
#include "server/blocking.h"
#include "server/tracking.h"
#include "server/transaction.h"

#include "base/text_buffer.h"
#include "os/clock.h"
#include "server/pubsub.h"
#include "server/session_commands.h"

#include <stdio.h>

static const char PROTECTED_MODE_TEXT[] =
    "-DENIED larder-server is running in protected mode because protected mode is enabled and no "
    "password is set for the default user. In this mode connections are only accepted from the "
    "loopback interface. To connect from other computers, either set a password (requirepass), "
    "or turn protected mode off: 'CONFIG SET protected-mode no' over the loopback interface, "
    "'protected-mode no' in the configuration file, or '--protected-mode no' at the start. Do not "
    "expose an open server to the internet.\r\n";
static const char MAX_CLIENTS_TEXT[] = "-ERR max number of clients reached\r\n";

static void registry_add(struct session *session) REQUIRES(STATS_LOCK) {
    struct server *server = session->server;
    session->id = ++server->next_session_id;
    session->registry_next = server->sessions;
    if (session->registry_next != NULL)
        session->registry_next->registry_previous = session;
    server->sessions = session;
    server->session_count++;
    server->totals.connections_received++;
}

static void registry_remove(struct session *session) REQUIRES(STATS_LOCK) {
    if (session->registry_previous != NULL)
        session->registry_previous->registry_next = session->registry_next;
    else
        session->server->sessions = session->registry_next;
    if (session->registry_next != NULL)
        session->registry_next->registry_previous = session->registry_previous;
    session->server->session_count--;
}

/* Whom the server does not serve: NULL, or the reply that says why. */
static const char *refusal(const struct session *session, uint32_t session_count) {
    struct server *server = session->server;
    if (session_count > atomic_load_explicit(&server->max_clients, memory_order_relaxed))
        return MAX_CLIENTS_TEXT;
    bool is_open = atomic_load_explicit(&server->protected_mode, memory_order_relaxed) &&
                   !atomic_load_explicit(&server->requires_password, memory_order_relaxed);
    return is_open && !session->connection.is_loopback ? PROTECTED_MODE_TEXT : NULL;
}

bool session_opened(struct loop *loop, struct connection *connection) {
    struct session *session = session_of(connection);
    struct server_thread *thread = thread_of_loop(loop);
    struct server *server = thread->server;
    session->server = server;
    session->thread = thread;
    session->protocol = 2;
    session->created_ms = (int64_t)(clock_wall_us() / 1000);
    atomic_init(&session->active_ms, session->created_ms);
    atomic_init(&session->last_command, -1);
    atomic_init(&session->shown_protocol, 2);
    acl_session_open(session);
    server_stats_lock(server);
    registry_add(session);
    const char *reason = refusal(session, server->session_count);
    if (reason != NULL)
        server->totals.connections_rejected++;
    server_stats_unlock(server);
    node_account(server->node, (int64_t)sizeof(struct session));
    uint32_t keepalive_s = atomic_load_explicit(&server->keepalive_s, memory_order_relaxed);
    if (keepalive_s > 0)
        socket_set_keepalive(connection->fd, keepalive_s);
    if (reason == NULL)
        return true;
    session->flags |= SESSION_CLOSING;
    (void)!connection_send_bytes(connection, slice_of_string(reason));
    return false;
}

static void release_text(struct session *session, char **field) {
    if (*field != NULL)
        allocator_release(session->server->allocator, *field, strlen(*field) + 1);
    *field = NULL;
}

void session_closing(struct loop *loop, struct connection *connection) {
    (void)loop;
    struct session *session = session_of(connection);
    struct server *server = session->server;
    tracking_end(session);
    server_stats_lock(server);
    registry_remove(session);
    release_text(session, &session->name);
    release_text(session, &session->library_name);
    release_text(session, &session->library_version);
    struct acl_user *user = session->user;
    session->user = NULL;
    server->totals.bytes_received += connection->bytes_received;
    server->totals.bytes_sent += connection->bytes_sent;
    server_stats_unlock(server);
    acl_user_release(user);
    tracking_target_gone(session);
    if ((session->flags & SESSION_MONITOR) != 0)
        atomic_fetch_sub(&server->monitor_count, 1);
    request_partial_destroy(session->partial);
    pubsub_leave(session);
    delivery_dismiss(session);
    blocking_abandon(session);
    transaction_discard(session);
    (void)node_unwatch(&session->thread->node_thread, &session->watched, false);
    node_account(server->node,
                 -(int64_t)sizeof(struct session) -
                     (int64_t)atomic_load_explicit(&session->memory_bytes, memory_order_relaxed));
}

void session_close_after_reply(struct session *session) {
    session->flags |= SESSION_CLOSING;
    session->connection.flags |= CONNECTION_CLOSE_AFTER_SEND;
    loop_queue(session->connection.loop, &session->connection);
}

enum larder_status session_set_text(struct session *session, char **field, struct slice text) {
    char *copy = NULL;
    if (text.size > 0) {
        copy = allocator_allocate(session->server->allocator, text.size + 1);
        if (copy == NULL)
            return LARDER_NO_MEMORY;
        memcpy(copy, text.data, text.size);
        copy[text.size] = '\0';
    }
    server_stats_lock(session->server);
    release_text(session, field);
    *field = copy;
    server_stats_unlock(session->server);
    return LARDER_OK;
}

/* ---- what others see ---- */

static void store_u64(_Atomic uint64_t *field, uint64_t value) {
    atomic_store_explicit(field, value, memory_order_relaxed);
}

static const struct output_limit *output_limit(const struct session *session) {
    return &session->server->output_limits[(session->flags & SESSION_SUBSCRIBER) != 0];
}

void session_note(struct session *session) {
    struct server *server = session->server;
    struct connection *c = &session->connection;
    uint64_t input = c->input_used + request_partial_bytes(session->partial);
    uint64_t output = connection_pending(c);
    uint64_t memory = connection_buffer_bytes(c) + request_partial_bytes(session->partial);
    uint64_t before = atomic_load_explicit(&session->memory_bytes, memory_order_relaxed);
    if (memory != before) {
        node_account(server->node, (int64_t)memory - (int64_t)before);
        store_u64(&session->memory_bytes, memory);
    }
    store_u64(&session->input_bytes, input);
    store_u64(&session->output_bytes, output);
    store_u64(&session->net_received, c->bytes_received);
    store_u64(&session->net_sent, c->bytes_sent);
    if (input == 0 && output == 0)
        return;
    uint64_t query_limit = atomic_load_explicit(&server->query_buffer_limit, memory_order_relaxed);
    uint64_t hard = atomic_load_explicit(&output_limit(session)->hard_bytes, memory_order_relaxed);
    bool is_over_query = input > query_limit;
    bool is_over_output = hard > 0 && output > hard;
    if (!is_over_query && !is_over_output)
        return;
    server_stats_lock(server);
    if (is_over_query)
        server->totals.query_limit_disconnections++;
    else
        server->totals.output_limit_disconnections++;
    server_stats_unlock(server);
    char peer[SOCKET_TEXT_MAX];
    session_peer_text(session, peer, sizeof(peer));
    log_write(server->log, LOG_LEVEL_WARNING, "Closing client %s: %s limit reached (%llu bytes)",
              peer, is_over_query ? "client-query-buffer" : "client-output-buffer",
              (unsigned long long)(is_over_query ? input : output));
    loop_break(c->loop, c);
}

void session_peer_text(const struct session *session, char *out, size_t size) {
    const struct connection *c = &session->connection;
    if (c->is_unix)
        (void)snprintf(out, size, "%s:0", session->server->unix_path);
    else if (strchr(c->peer_address, ':') != NULL)
        (void)snprintf(out, size, "[%s]:%u", c->peer_address, (unsigned)c->peer_port);
    else
        (void)snprintf(out, size, "%s:%u", c->peer_address, (unsigned)c->peer_port);
}

/* ---- killing and pausing ---- */

struct wake_message {
    struct loop_message message;
    const struct allocator *allocator;
};

static void run_wake(struct loop *loop, struct loop_message *message) {
    struct wake_message *wake = (struct wake_message *)message;
    session_check_all(thread_of_loop(loop));
    allocator_release(wake->allocator, wake, sizeof(*wake));
}

/* Have a thread look at its sessions now instead of at its next tick. */
void server_thread_wake(struct server_thread *thread) {
    struct wake_message *wake = allocator_allocate(thread->server->allocator, sizeof(*wake));
    if (wake == NULL)
        return; /* the next tick will do */
    *wake = (struct wake_message){{NULL, run_wake}, thread->server->allocator};
    loop_post(&thread->loop, &wake->message);
}

void session_kill(struct session *session) {
    atomic_store_explicit(&session->is_killed, true, memory_order_relaxed);
    server_thread_wake(session->thread);
}

bool session_is_held_back(const struct session *session, const struct command_spec *spec) {
    struct server *server = session->server;
    uint32_t mode = atomic_load_explicit(&server->pause_mode, memory_order_relaxed);
    if (mode == PAUSE_OFF)
        return false;
    if (session->thread->now_ms >=
        atomic_load_explicit(&server->pause_until_ms, memory_order_relaxed))
        return false;
    return mode == PAUSE_ALL ||
           (spec->flags & (COMMAND_FLAG_WRITE | COMMAND_FLAG_MAY_REPLICATE)) != 0;
}

static bool is_over_soft_limit(struct session *session, int64_t now_ms) {
    const struct output_limit *limit = output_limit(session);
    uint64_t soft = atomic_load_explicit(&limit->soft_bytes, memory_order_relaxed);
    if (soft == 0 || connection_pending(&session->connection) <= soft) {
        session->output_soft_since_ms = 0;
        return false;
    }
    if (session->output_soft_since_ms == 0)
        session->output_soft_since_ms = now_ms;
    int64_t allowed_ms = 1000 * (int64_t)atomic_load_explicit(&limit->soft_s, memory_order_relaxed);
    return now_ms - session->output_soft_since_ms > allowed_ms;
}

static void check(struct session *session, int64_t now_ms, bool is_pause_over) {
    struct server *server = session->server;
    struct connection *c = &session->connection;
    if ((session->flags & SESSION_PAUSED) != 0 && is_pause_over) {
        session->flags &= ~(uint32_t)SESSION_PAUSED;
        session_show_flags(session);
        c->flags &= ~(uint32_t)CONNECTION_PAUSED;
        loop_watch(c->loop, c);
        session->has_more = true; /* its command is in the kept bytes */
        loop_queue(c->loop, c);
    }
    uint32_t timeout_s = atomic_load_explicit(&server->idle_timeout_s, memory_order_relaxed);
    int64_t idle_ms = now_ms - atomic_load_explicit(&session->active_ms, memory_order_relaxed);
    bool is_idle = timeout_s > 0 && idle_ms > 1000 * (int64_t)timeout_s &&
                   (session->flags &
                    (SESSION_MONITOR | SESSION_SUBSCRIBER | SESSION_PAUSED | SESSION_BLOCKED)) == 0;
    bool is_slow = is_over_soft_limit(session, now_ms);
    if (is_idle || is_slow) {
        server_stats_lock(server);
        if (is_idle)
            server->totals.timeouts++;
        else
            server->totals.output_limit_disconnections++;
        server_stats_unlock(server);
    }
    bool is_outlawed = (session->flags & SESSION_CLOSING) == 0 &&
                       !acl_session_is_current(session) && !acl_session_renew(session);
    if (is_idle || is_slow || is_outlawed ||
        atomic_load_explicit(&session->is_killed, memory_order_relaxed))
        loop_break(c->loop, c);
}

/* maxmemory-clients: end the client that holds most, until the rest is within the limit. Those that
 * said CLIENT NO-EVICT stay. */
static void evict_clients(struct server *server) {
    int64_t limit = atomic_load_explicit(&server->clients_memory_limit, memory_order_relaxed);
    if (limit == 0)
        return;
    server_stats_lock(server);
    for (;;) {
        uint64_t sum = 0, most = 0;
        struct session *largest = NULL;
        for (struct session *s = server->sessions; s != NULL; s = s->registry_next) {
            if (atomic_load_explicit(&s->is_killed, memory_order_relaxed))
                continue;
            uint64_t bytes =
                sizeof(*s) + atomic_load_explicit(&s->memory_bytes, memory_order_relaxed);
            sum += bytes;
            uint32_t flags = atomic_load_explicit(&s->shown_flags, memory_order_relaxed);
            if ((flags & SESSION_NO_EVICT) == 0 && bytes > most) {
                most = bytes;
                largest = s;
            }
        }
        if (sum <= (uint64_t)limit || largest == NULL)
            break;
        session_kill(largest);
        server->totals.clients_evicted++;
    }
    server_stats_unlock(server);
}

void session_check_all(struct server_thread *thread) {
    struct server *server = thread->server;
    thread->now_ms = (int64_t)(clock_wall_us() / 1000);
    bool is_pause_over =
        atomic_load_explicit(&server->pause_mode, memory_order_relaxed) == PAUSE_OFF ||
        thread->now_ms >= atomic_load_explicit(&server->pause_until_ms, memory_order_relaxed);
    if (thread == &server->threads[0])
        evict_clients(server);
    for (struct connection *c = thread->loop.connections; c != NULL; c = c->next)
        check(session_of(c), thread->now_ms, is_pause_over);
}

/* ---- CLIENT LIST ---- */

static void describe_flags(const struct session *session, char *out) REQUIRES(STATS_LOCK) {
    uint32_t flags = atomic_load_explicit(&session->shown_flags, memory_order_relaxed);
    const struct tracker *tracker = session->tracker;
    char *at = out;
    if ((flags & SESSION_MONITOR) != 0)
        *at++ = 'O';
    if ((flags & SESSION_SUBSCRIBER) != 0)
        *at++ = 'P';
    if ((flags & (SESSION_PAUSED | SESSION_BLOCKED)) != 0)
        *at++ = 'b';
    if ((flags & SESSION_MULTI) != 0)
        *at++ = 'x';
    if (tracker != NULL)
        *at++ = 't';
    if (tracker != NULL && atomic_load_explicit(&tracker->is_broken, memory_order_relaxed))
        *at++ = 'R';
    if (tracker != NULL &&
        (atomic_load_explicit(&tracker->flags, memory_order_relaxed) & TRACKER_BROADCAST) != 0)
        *at++ = 'B';
    if ((flags & SESSION_CLOSING) != 0)
        *at++ = 'c';
    if ((flags & SESSION_NO_EVICT) != 0)
        *at++ = 'e';
    if ((flags & SESSION_NO_TOUCH) != 0)
        *at++ = 'T';
    if (at == out)
        *at++ = 'N';
    *at = '\0';
}

static unsigned long long shown(const _Atomic uint64_t *field) {
    return (unsigned long long)atomic_load_explicit(field, memory_order_relaxed);
}

void session_describe(const struct session *s, int64_t now_ms, struct text_buffer *out) {
    char peer[SOCKET_TEXT_MAX], local[SOCKET_TEXT_MAX], flags[16];
    session_peer_text(s, peer, sizeof(peer));
    if (s->connection.is_unix)
        (void)snprintf(local, sizeof(local), "%s:0", s->server->unix_path);
    else
        socket_local_text(s->connection.fd, local, sizeof(local));
    describe_flags(s, flags);
    int32_t last = atomic_load_explicit(&s->last_command, memory_order_relaxed);
    text_buffer_format(
        out, "id=%llu addr=%s laddr=%s fd=%d name=%s age=%lld idle=%lld flags=%s ",
        (unsigned long long)s->id, peer, local, s->connection.fd, s->name != NULL ? s->name : "",
        (long long)((now_ms - s->created_ms) / 1000),
        (long long)((now_ms - atomic_load_explicit(&s->active_ms, memory_order_relaxed)) / 1000),
        flags);
    text_buffer_format(out, "db=%u sub=%u psub=%u ssub=%u multi=%d watch=%u ",
                       atomic_load_explicit(&s->shown_database, memory_order_relaxed),
                       pubsub_count(s, CHANNEL_PLAIN), pubsub_count(s, CHANNEL_PATTERN),
                       pubsub_count(s, CHANNEL_SHARD),
                       atomic_load_explicit(&s->shown_queued, memory_order_relaxed) - 1,
                       atomic_load_explicit(&s->shown_watched, memory_order_relaxed));
    text_buffer_format(out, "qbuf=%llu qbuf-free=0 ", shown(&s->input_bytes));
    text_buffer_format(out, "argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=%llu oll=0 omem=%llu ",
                       shown(&s->output_bytes), shown(&s->output_bytes));
    text_buffer_format(
        out, "tot-mem=%llu events=%s cmd=%s user=%.*s redir=%lld resp=%u ",
        shown(&s->memory_bytes) + (unsigned long long)sizeof(*s),
        shown(&s->output_bytes) > 0 ? "rw" : "r", last < 0 ? "NULL" : command_table[last].name,
        s->user != NULL ? (int)s->user->name.size : 0,
        s->user != NULL ? (const char *)s->user->name.data : "",
        s->tracker != NULL
            ? (long long)atomic_load_explicit(&s->tracker->shown_redirect, memory_order_relaxed)
            : -1LL,
        atomic_load_explicit(&s->shown_protocol, memory_order_relaxed));
    text_buffer_format(out, "lib-name=%s lib-ver=%s tot-net-in=%llu tot-net-out=%llu tot-cmds=%llu",
                       s->library_name != NULL ? s->library_name : "",
                       s->library_version != NULL ? s->library_version : "",
                       shown(&s->net_received), shown(&s->net_sent), shown(&s->command_count));
}
