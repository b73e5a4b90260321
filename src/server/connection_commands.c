/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands about the connection itself. */
#include "server/session_commands.h"

void session_command_ping(struct session *session, struct call *call) {
    (void)session;
    if (call->argc > 2)
        (void)!call_wrong_arity(call);
    else if (call->argc == 2)
        reply_bulk(call->reply, call->argv[1]);
    else
        reply_simple(call->reply, "PONG");
}

void session_command_echo(struct session *session, struct call *call) {
    (void)session;
    reply_bulk(call->reply, call->argv[1]);
}

void session_command_quit(struct session *session, struct call *call) {
    reply_ok(call->reply);
    session_close_after_reply(session);
}

void session_command_select(struct session *session, struct call *call) {
    int64_t database;
    if (!slice_to_int64(call->argv[1], &database)) {
        reply_error(call->reply, "ERR invalid DB index");
        return;
    }
    if (database < 0 || database >= session->server->node->keyspace.database_count) {
        reply_error(call->reply, "ERR DB index is out of range");
        return;
    }
    session->database = (uint32_t)database;
    atomic_store_explicit(&session->shown_database, session->database, memory_order_relaxed);
    reply_ok(call->reply);
}
