/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands about the connection itself: who is there, which protocol and database it speaks to. */
#include "server/acl.h"
#include "server/client_filter.h"
#include "server/pubsub.h"
#include "server/session_commands.h"
#include "server/tracking.h"
#include "server/transaction.h"

/* In subscriber mode a reply has to look like a message. */
static void reply_subscriber_pong(struct call *call) {
    reply_array(call->reply, 2);
    reply_bulk_text(call->reply, "pong");
    reply_bulk(call->reply, call->argc == 2 ? call->argv[1] : SLICE_LITERAL(""));
}

void session_command_ping(struct session *session, struct call *call) {
    if (call->argc > 2)
        (void)!call_wrong_arity(call);
    else if (session->protocol != 3 && (session->flags & SESSION_SUBSCRIBER) != 0)
        reply_subscriber_pong(call);
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
    if (!call_integer(call, call->argv[1], &database))
        return;
    if (database < INT32_MIN || database > INT32_MAX) {
        reply_error_format(call->reply, "ERR value is out of range, value must between %d and %d",
                           INT32_MIN, INT32_MAX);
        return;
    }
    if (database < 0 || database >= session->server->node->keyspace.database_count) {
        reply_error(call->reply, "ERR DB index is out of range");
        return;
    }
    session->database = (uint32_t)database;
    session_show_flags(session);
    reply_ok(call->reply);
}

/* ---- AUTH and HELLO ---- */

static const char WRONG_PASSWORD[] =
    "WRONGPASS invalid username-password pair or user is disabled.";

void session_command_auth(struct session *session, struct call *call) {
    if (call->argc > 3) {
        (void)!call_syntax_error(call);
        return;
    }
    bool names_user = call->argc == 3;
    if (!names_user && !acl_default_has_password(session->server)) {
        reply_error(call->reply,
                    "ERR AUTH <password> called without any password configured for the default "
                    "user. Are you sure your configuration is correct?");
        return;
    }
    struct slice user = names_user ? call->argv[1] : SLICE_LITERAL("default");
    if (acl_authenticate(session, user, call->argv[call->argc - 1], call->argv[0]))
        reply_ok(call->reply);
    else
        reply_error(call->reply, WRONG_PASSWORD);
}

struct hello_options {
    int64_t protocol;
    bool has_auth, has_name;
    struct slice user, password, name;
};

/* False: the error was written. */
static bool parse_hello(struct session *session, struct call *call, struct hello_options *out) {
    enum { SHOWN_BYTES = 400 };
    *out = (struct hello_options){.protocol = session->protocol};
    if (call->argc >= 2 && !slice_to_int64(call->argv[1], &out->protocol)) {
        reply_error(call->reply, "ERR Protocol version is not an integer or out of range");
        return false;
    }
    if (out->protocol != 2 && out->protocol != 3) {
        reply_error(call->reply, "NOPROTO unsupported protocol version");
        return false;
    }
    for (size_t i = 2; i < call->argc; i++) {
        size_t more = call->argc - 1 - i;
        if (slice_equal_word(call->argv[i], "auth") && more >= 2) {
            out->has_auth = true;
            out->user = call->argv[++i];
            out->password = call->argv[++i];
        } else if (slice_equal_word(call->argv[i], "setname") && more >= 1) {
            out->has_name = true;
            out->name = call->argv[++i];
        } else {
            struct slice word = call->argv[i];
            reply_error_format(call->reply, "ERR Syntax error in HELLO option '%.*s'",
                               (int)(word.size < SHOWN_BYTES ? word.size : SHOWN_BYTES),
                               (const char *)word.data);
            return false;
        }
    }
    return true;
}

static void reply_hello(struct session *session, struct reply *reply) {
    reply_map(reply, 7);
    reply_bulk_text(reply, "server");
    reply_bulk_text(reply, "redis");
    reply_bulk_text(reply, "version");
    reply_bulk_text(reply, SERVER_REDIS_VERSION);
    reply_bulk_text(reply, "proto");
    reply_integer(reply, session->protocol);
    reply_bulk_text(reply, "id");
    reply_integer(reply, (int64_t)session->id);
    reply_bulk_text(reply, "mode");
    reply_bulk_text(reply, "standalone");
    reply_bulk_text(reply, "role");
    reply_bulk_text(reply, "master");
    reply_bulk_text(reply, "modules");
    reply_array(reply, 0);
}

void session_command_hello(struct session *session, struct call *call) {
    struct hello_options options;
    if (!parse_hello(session, call, &options))
        return;
    if (options.has_auth &&
        !acl_authenticate(session, options.user, options.password, call->argv[0])) {
        reply_error(call->reply, WRONG_PASSWORD);
        return;
    }
    if (acl_must_authenticate(session)) {
        reply_error(call->reply,
                    "NOAUTH HELLO must be called with the client already authenticated, otherwise "
                    "the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the "
                    "client and select the RESP protocol version at the same time");
        return;
    }
    if (options.has_name && !client_text_is_valid(options.name)) {
        reply_error(call->reply, CLIENT_NAME_ERROR);
        return;
    }
    if (options.has_name && session_set_text(session, &session->name, options.name) != LARDER_OK) {
        reply_error(call->reply, "OOM not enough memory for the operation");
        return;
    }
    session->protocol = (uint8_t)options.protocol;
    call->reply->protocol = session->protocol;
    session_show_flags(session);
    reply_hello(session, call->reply);
}

void session_command_reset(struct session *session, struct call *call) {
    struct server *server = session->server;
    if ((session->flags & SESSION_MONITOR) != 0)
        atomic_fetch_sub(&server->monitor_count, 1);
    pubsub_leave(session);
    transaction_discard(session);
    session->flags = 0;
    tracking_end(session);
    acl_session_open(session);
    session->database = 0;
    session->protocol = 2;
    call->reply->protocol = 2;
    (void)!session_set_text(session, &session->name, slice_of("", 0));
    session_show_flags(session);
    reply_simple(call->reply, "RESET");
}
