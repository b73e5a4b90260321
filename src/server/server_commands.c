/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands about the server as a whole: time, role, end, MONITOR, the slow log. */
#include "server/observe.h"
#include "server/session_commands.h"

void session_command_time(struct session *session, struct call *call) {
    (void)session;
    uint64_t now_us = clock_wall_us();
    reply_array(call->reply, 2);
    reply_bulk_integer(call->reply, (int64_t)(now_us / 1000000));
    reply_bulk_integer(call->reply, (int64_t)(now_us % 1000000));
}

void session_command_role(struct session *session, struct call *call) {
    (void)session;
    reply_array(call->reply, 3);
    reply_bulk_text(call->reply, "master");
    reply_integer(call->reply, 0);
    reply_array(call->reply, 0);
}

/* There are no replicas, so what can be acknowledged has been: by none. */
void session_command_wait(struct session *session, struct call *call) {
    (void)session;
    int64_t replicas, timeout_ms;
    if (!call_integer(call, call->argv[1], &replicas))
        return;
    if (!slice_to_int64(call->argv[2], &timeout_ms))
        reply_error(call->reply, "ERR timeout is not an integer or out of range");
    else if (timeout_ms < 0)
        reply_error(call->reply, "ERR timeout is negative");
    else
        reply_integer(call->reply, 0);
}

/* ---- SHUTDOWN ---- */

struct shutdown_options {
    bool save, nosave, abort, now, force;
};

static bool parse_shutdown(const struct call *call, struct shutdown_options *out) {
    *out = (struct shutdown_options){.save = false};
    for (size_t i = 1; i < call->argc; i++) {
        struct slice word = call->argv[i];
        bool *flag = slice_equal_word(word, "save")     ? &out->save
                     : slice_equal_word(word, "nosave") ? &out->nosave
                     : slice_equal_word(word, "abort")  ? &out->abort
                     : slice_equal_word(word, "now")    ? &out->now
                     : slice_equal_word(word, "force")  ? &out->force
                                                        : NULL;
        if (flag == NULL)
            return false;
        *flag = true;
    }
    bool has_others = out->save || out->nosave || out->now || out->force;
    return !(out->save && out->nosave) && !(out->abort && has_others);
}

/* Nothing is kept on disk: SAVE and NOSAVE mean the same, and there is nothing to wait for. */
void session_command_shutdown(struct session *session, struct call *call) {
    struct shutdown_options options;
    if (!parse_shutdown(call, &options)) {
        (void)!call_syntax_error(call);
    } else if (options.abort) {
        reply_error(call->reply, "ERR No shutdown in progress.");
    } else {
        log_write(session->server->log, LOG_LEVEL_WARNING, "User requested shutdown...");
        server_request_shutdown(session->server);
        session_close_after_reply(session);
    }
}

/* ---- MONITOR ---- */

void session_command_monitor(struct session *session, struct call *call) {
    if (session->thread->node_thread.section.kind != SECTION_NONE) {
        reply_error(call->reply, "ERR MONITOR isn't allowed for DENY BLOCKING client");
        return;
    }
    if ((session->flags & SESSION_MONITOR) == 0) {
        session->flags |= SESSION_MONITOR;
        atomic_fetch_add(&session->server->monitor_count, 1);
        session_show_flags(session);
    }
    reply_ok(call->reply);
}

/* ---- SLOWLOG ---- */

enum { SLOW_LOG_GET_DEFAULT = 10 };

static void reply_entry(struct reply *reply, const struct slow_log_entry *entry) {
    reply_array(reply, 6);
    reply_integer(reply, (int64_t)entry->id);
    reply_integer(reply, entry->time_s);
    reply_integer(reply, (int64_t)entry->duration_us);
    reply_array(reply, entry->argc);
    for (size_t i = 0; i < entry->argc; i++)
        reply_bulk(reply, entry->argv[i]);
    reply_bulk(reply, entry->peer);
    reply_bulk(reply, entry->name);
}

void session_command_slowlog_get(struct session *session, struct call *call) {
    struct server *server = session->server;
    int64_t wanted = SLOW_LOG_GET_DEFAULT;
    if (call->argc > 3) {
        session_refuse_subcommand(call);
        return;
    }
    if (call->argc == 3 && (!slice_to_int64(call->argv[2], &wanted) || wanted < -1)) {
        reply_error(call->reply, "ERR count should be greater than or equal to -1");
        return;
    }
    server_stats_lock(server);
    const struct slow_log *log = server->slow_log;
    size_t count = wanted < 0 || (uint64_t)wanted > log->length ? log->length : (size_t)wanted;
    reply_array(call->reply, count);
    const struct slow_log_entry *entry = log->newest;
    for (size_t i = 0; i < count; i++, entry = entry->older)
        reply_entry(call->reply, entry);
    server_stats_unlock(server);
}

void session_command_slowlog_len(struct session *session, struct call *call) {
    struct server *server = session->server;
    server_stats_lock(server);
    size_t length = server->slow_log->length;
    server_stats_unlock(server);
    reply_integer(call->reply, (int64_t)length);
}

void session_command_slowlog_reset(struct session *session, struct call *call) {
    struct server *server = session->server;
    server_stats_lock(server);
    struct slow_log_entry *all = slow_log_reset(server->slow_log);
    server_stats_unlock(server);
    slow_log_entry_destroy(server->allocator, all);
    reply_ok(call->reply);
}
