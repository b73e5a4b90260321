/* SPDX-License-Identifier: BSD-3-Clause */
/* CLIENT: what is known about connections, ending and pausing them, and what a client tells about
 * itself. Sessions of all threads are looked at under STATS_LOCK; texts are made there, replies are
 * written after. */
#include "server/acl.h"
#include "server/client_filter.h"
#include "server/session_commands.h"

#include "base/text_buffer.h"

#include <stdio.h>

static void reply_no_memory(struct call *call) {
    reply_error(call->reply, "OOM not enough memory for the operation");
}

static void reply_text(struct call *call, struct text_buffer *text) {
    if (text->is_out_of_memory)
        reply_no_memory(call);
    else
        reply_verbatim(call->reply, text_buffer_slice(text));
    text_buffer_finish(text);
}

/* ---- what is known ---- */

void session_command_client_id(struct session *session, struct call *call) {
    reply_integer(call->reply, (int64_t)session->id);
}

void session_command_client_info(struct session *session, struct call *call) {
    struct text_buffer text;
    text_buffer_init(&text, session->server->allocator);
    server_stats_lock(session->server);
    session_describe(session, session->thread->now_ms, &text);
    server_stats_unlock(session->server);
    text_buffer_append(&text, SLICE_LITERAL("\n"));
    reply_text(call, &text);
}

static bool matches(const struct client_filter *filter, const struct session *s,
                    const struct session *me) {
    char address[SOCKET_TEXT_MAX] = "", local[SOCKET_TEXT_MAX] = "";
    if (filter->has_address)
        session_peer_text(s, address, sizeof(address));
    if (filter->has_local_address) {
        if (s->connection.is_unix)
            (void)snprintf(local, sizeof(local), "%s:0", s->server->unix_path);
        else
            socket_local_text(s->connection.fd, local, sizeof(local));
    }
    struct client_traits traits = {
        .id = s->id,
        .is_me = s == me,
        .type =
            (atomic_load_explicit(&s->shown_flags, memory_order_relaxed) & SESSION_SUBSCRIBER) != 0
                ? CLIENT_TYPE_PUBSUB
                : CLIENT_TYPE_NORMAL,
        .user = s->user != NULL ? s->user->name : SLICE_LITERAL(""),
        .address = address,
        .local_address = local,
        .age_s = (me->thread->now_ms - s->created_ms) / 1000,
    };
    return client_filter_matches(filter, &traits);
}

static struct session *oldest(struct server *server) REQUIRES(STATS_LOCK) {
    struct session *s = server->sessions;
    while (s != NULL && s->registry_next != NULL)
        s = s->registry_next;
    return s;
}

/* Parse the filters of LIST and KILL; false: the error was written. */
static bool parse_filter(struct session *session, struct call *call, enum client_filter_use use,
                         struct client_filter *out) {
    struct client_filter_error error;
    if (client_filter_parse(call->argv + 2, call->argc - 2, use, out, &error) != LARDER_OK) {
        reply_error(call->reply, error.text);
        return false;
    }
    if (!out->has_user)
        return true;
    struct acl_user *user = acl_find(session->server, out->user);
    bool is_there = user != NULL;
    acl_user_release(user);
    if (!is_there)
        reply_error_format(call->reply, "ERR No such user '%.*s'",
                           (int)(out->user.size < 100 ? out->user.size : 100),
                           (const char *)out->user.data);
    return is_there;
}

void session_command_client_list(struct session *session, struct call *call) {
    struct server *server = session->server;
    struct client_filter filter;
    if (!parse_filter(session, call, CLIENT_FILTER_LIST, &filter))
        return;
    struct text_buffer text;
    text_buffer_init(&text, server->allocator);
    server_stats_lock(server);
    for (struct session *s = oldest(server); s != NULL; s = s->registry_previous) {
        if (!matches(&filter, s, session))
            continue;
        session_describe(s, session->thread->now_ms, &text);
        text_buffer_append(&text, SLICE_LITERAL("\n"));
    }
    server_stats_unlock(server);
    reply_text(call, &text);
}

/* ---- ending ---- */

static size_t kill_matching(struct session *me, const struct client_filter *filter, bool *hits_me) {
    struct server *server = me->server;
    size_t count = 0;
    *hits_me = false;
    server_stats_lock(server);
    for (struct session *s = server->sessions; s != NULL; s = s->registry_next) {
        if (!matches(filter, s, me))
            continue;
        count++;
        if (s == me)
            *hits_me = true;
        else
            session_kill(s);
    }
    server_stats_unlock(server);
    return count;
}

void session_command_client_kill(struct session *session, struct call *call) {
    bool is_old_form = call->argc == 3, hits_me;
    struct client_filter filter = {.has_address = true, .address = call->argv[2]};
    if (!is_old_form && !parse_filter(session, call, CLIENT_FILTER_KILL, &filter))
        return;
    size_t count = kill_matching(session, &filter, &hits_me);
    if (!is_old_form)
        reply_integer(call->reply, (int64_t)count);
    else if (count > 0)
        reply_ok(call->reply);
    else
        reply_error(call->reply, "ERR No such client");
    if (hits_me)
        session_close_after_reply(session);
}

/* ---- pausing ---- */

static void wake_all(struct server *server) {
    for (unsigned i = 0; i < server->thread_count; i++)
        server_thread_wake(&server->threads[i]);
}

void session_command_client_pause(struct session *session, struct call *call) {
    struct server *server = session->server;
    enum pause_mode mode = PAUSE_ALL;
    int64_t timeout_ms, now_ms = session->thread->now_ms;
    if (call->argc > 4) {
        session_refuse_subcommand(call);
        return;
    }
    if (call->argc == 4 && slice_equal_word(call->argv[3], "write")) {
        mode = PAUSE_WRITES;
    } else if (call->argc == 4 && !slice_equal_word(call->argv[3], "all")) {
        reply_error(call->reply, "ERR CLIENT PAUSE mode must be WRITE or ALL");
        return;
    }
    if (!slice_to_int64(call->argv[2], &timeout_ms) || timeout_ms > INT64_MAX - now_ms) {
        reply_error(call->reply, "ERR timeout is not an integer or out of range");
        return;
    }
    if (timeout_ms < 0) {
        reply_error(call->reply, "ERR timeout is negative");
        return;
    }
    atomic_store_explicit(&server->pause_until_ms, now_ms + timeout_ms, memory_order_relaxed);
    atomic_store_explicit(&server->pause_mode, mode, memory_order_relaxed);
    reply_ok(call->reply);
}

void session_command_client_unpause(struct session *session, struct call *call) {
    struct server *server = session->server;
    atomic_store_explicit(&server->pause_mode, PAUSE_OFF, memory_order_relaxed);
    wake_all(server);
    reply_ok(call->reply);
}

/* ---- what a client tells ---- */

void session_command_client_reply(struct session *session, struct call *call) {
    uint32_t muting = SESSION_REPLY_OFF | SESSION_REPLY_SKIP;
    if (slice_equal_word(call->argv[2], "on")) {
        session->flags &= ~muting;
        reply_ok(call->reply);
    } else if (slice_equal_word(call->argv[2], "off")) {
        session->flags |= SESSION_REPLY_OFF;
    } else if (slice_equal_word(call->argv[2], "skip")) {
        if ((session->flags & SESSION_REPLY_OFF) == 0)
            session->flags |= SESSION_SKIP_NEXT;
    } else {
        (void)!call_syntax_error(call);
    }
}

static void set_text(struct session *session, struct call *call, char **field, struct slice text) {
    if (session_set_text(session, field, text) == LARDER_OK)
        reply_ok(call->reply);
    else
        reply_no_memory(call);
}

void session_command_client_setname(struct session *session, struct call *call) {
    if (!client_text_is_valid(call->argv[2]))
        reply_error(call->reply, CLIENT_NAME_ERROR);
    else
        set_text(session, call, &session->name, call->argv[2]);
}

void session_command_client_getname(struct session *session, struct call *call) {
    if (session->name == NULL)
        reply_null(call->reply);
    else
        reply_bulk_text(call->reply, session->name);
}

void session_command_client_setinfo(struct session *session, struct call *call) {
    struct slice name = call->argv[2], value = call->argv[3];
    bool is_name = slice_equal_word(name, "lib-name");
    if (!is_name && !slice_equal_word(name, "lib-ver"))
        reply_error_format(call->reply, "ERR Unrecognized option '%.*s'",
                           (int)(name.size < 128 ? name.size : 128), (const char *)name.data);
    else if (!client_text_is_valid(value))
        reply_error_format(call->reply,
                           "ERR %s cannot contain spaces, newlines or special characters.",
                           is_name ? "lib-name" : "lib-ver");
    else
        set_text(session, call, is_name ? &session->library_name : &session->library_version,
                 value);
}

/* ON or OFF for a flag. */
static void set_flag(struct session *session, struct call *call, uint32_t flag) {
    if (slice_equal_word(call->argv[2], "on")) {
        session->flags |= flag;
    } else if (slice_equal_word(call->argv[2], "off")) {
        session->flags &= ~flag;
    } else {
        (void)!call_syntax_error(call);
        return;
    }
    session_show_flags(session);
    reply_ok(call->reply);
}

void session_command_client_no_evict(struct session *session, struct call *call) {
    set_flag(session, call, SESSION_NO_EVICT);
}

void session_command_client_no_touch(struct session *session, struct call *call) {
    set_flag(session, call, SESSION_NO_TOUCH);
}

/* Capabilities that are not known are to be ignored, and none is known. */
void session_command_client_capa(struct session *session, struct call *call) {
    (void)session;
    reply_ok(call->reply);
}
