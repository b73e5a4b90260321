/* SPDX-License-Identifier: BSD-3-Clause */
/* One command of a session: is it known, complete, allowed now; then it runs, either on partitions
 * (node_execute) or as a command about sessions and the server; then it is counted. To add a
 * command: describe it under commands/, write its function, add a row to command_functions or
 * session_commands. */
#include "server/observe.h"

#include "base/command_keys.h"
#include "commands/functions.h"
#include "server/acl.h"
#include "server/blocking.h"
#include "server/busy.h"
#include "server/pubsub.h"
#include "server/session_commands.h"
#include "server/tracking.h"
#include "server/transaction.h"

static bool has_child_built(const struct command_spec *spec) {
    for (size_t i = 0; i < spec->subcommand_count; i++)
        if (command_is_built(&spec->subcommands[i]))
            return true;
    return false;
}

bool command_is_built(const struct command_spec *spec) {
    return command_functions[spec->id] != NULL || session_commands[spec->id] != NULL ||
           has_child_built(spec);
}

/* ---- refusals ---- */

/* Append up to `limit` bytes of the word in quotes. */
static size_t append_quoted(char *out, size_t used, size_t capacity, struct slice word,
                            size_t limit) {
    size_t take = word.size < limit ? word.size : limit;
    if (used + take + 4 > capacity)
        return used;
    out[used++] = '\'';
    for (size_t i = 0; i < take && word.data[i] != '\0'; i++)
        out[used++] = (char)word.data[i];
    out[used++] = '\'';
    out[used++] = ' ';
    out[used] = '\0';
    return used;
}

static void refuse_unknown(struct reply *reply, size_t argc, const struct slice *argv) {
    enum { ARGUMENTS_SHOWN_BYTES = 128 };
    char arguments[ARGUMENTS_SHOWN_BYTES * 2 + 8] = "", name[ARGUMENTS_SHOWN_BYTES + 1];
    size_t used = 0;
    for (size_t i = 1; i < argc && used < ARGUMENTS_SHOWN_BYTES; i++)
        used = append_quoted(arguments, used, sizeof(arguments), argv[i],
                             ARGUMENTS_SHOWN_BYTES - used);
    size_t length = argv[0].size < ARGUMENTS_SHOWN_BYTES ? argv[0].size : ARGUMENTS_SHOWN_BYTES;
    memcpy(name, argv[0].data, length);
    name[length] = '\0';
    reply_error_format(reply, "ERR unknown command '%s', with args beginning with: %s", name,
                       arguments);
}

static void refuse_subcommand(struct reply *reply, const struct command_spec *spec,
                              const struct slice *argv) {
    enum { SHOWN_BYTES = 128 };
    char container[32];
    size_t i = 0;
    for (; spec->name[i] != '\0' && i + 1 < sizeof(container); i++) {
        char c = spec->name[i];
        container[i] = (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    }
    container[i] = '\0';
    int length = (int)(argv[1].size < SHOWN_BYTES ? argv[1].size : SHOWN_BYTES);
    reply_error_format(reply, "ERR unknown subcommand '%.*s'. Try %s HELP.", length,
                       (const char *)argv[1].data, container);
}

/* A browser that was made to post to this port: its first lines look like commands. */
static bool is_http(struct slice name) {
    return slice_equal_word(name, "POST") || slice_equal_word(name, "Host:");
}

static void drop_http(struct session *session) {
    char peer[SOCKET_TEXT_MAX];
    session_peer_text(session, peer, sizeof(peer));
    log_write(session->server->log, LOG_LEVEL_WARNING,
              "Possible SECURITY ATTACK: %s sent an HTTP request. The connection is closed.", peer);
    session->flags |= SESSION_CLOSING;
    loop_break(session->connection.loop, &session->connection);
}

/* Whether the session's user may run it; else the error was written. */
static bool is_permitted(struct session *session, const struct command_spec *spec, size_t argc,
                         const struct slice *argv) {
    char text[ACL_REFUSAL_MAX];
    atomic_store_explicit(&session->last_command, spec->id, memory_order_relaxed); /* for the log */
    enum acl_context context =
        session->transaction != NULL ? ACL_CONTEXT_MULTI : ACL_CONTEXT_TOPLEVEL;
    enum acl_verdict verdict = acl_check(session, spec, argc, argv, context);
    if (verdict == ACL_ALLOWED)
        return true;
    acl_refusal(verdict, ACL_CONTEXT_TOPLEVEL, spec, text);
    reply_error(&session->thread->reply, text);
    return false;
}

/* A client that speaks RESP2 could not tell other replies from messages. */
static bool is_for_subscribers(const struct command_spec *spec) {
    switch (spec->id) {
    case COMMAND_PING:
    case COMMAND_PSUBSCRIBE:
    case COMMAND_PUNSUBSCRIBE:
    case COMMAND_QUIT:
    case COMMAND_RESET:
    case COMMAND_SSUBSCRIBE:
    case COMMAND_SUBSCRIBE:
    case COMMAND_SUNSUBSCRIBE:
    case COMMAND_UNSUBSCRIBE: return true;
    default: return false;
    }
}

/* Whether the command may run; else its error was written. */
static bool is_admitted(struct server_thread *thread, struct session *session,
                        const struct command_spec *spec, size_t argc, const struct slice *argv) {
    struct reply *reply = &thread->reply;
    if (!acl_session_is_current(session) && !acl_session_renew(session)) {
        session->flags |= SESSION_CLOSING;
        loop_break(session->connection.loop, &session->connection);
        return false;
    }
    if (spec == NULL || !command_is_built(spec)) {
        if (is_http(argv[0]))
            drop_http(session);
        else
            refuse_unknown(reply, argc, argv);
        return false;
    }
    if (spec->subcommand_count > 0 && argc >= 2) {
        refuse_subcommand(reply, spec, argv);
        return false;
    }
    bool is_bare_container =
        command_functions[spec->id] == NULL && session_commands[spec->id] == NULL;
    if (is_bare_container || !command_arity_fits(spec, argc)) {
        reply_error_format(reply, "ERR wrong number of arguments for '%s' command", spec->name);
        return false;
    }
    if (acl_must_authenticate(session) && (spec->flags & COMMAND_FLAG_NO_AUTH) == 0) {
        reply_error(reply, "NOAUTH Authentication required.");
        return false;
    }
    if (session->transaction != NULL && (spec->flags & COMMAND_FLAG_NO_MULTI) != 0 &&
        spec->id != COMMAND_MULTI && spec->id != COMMAND_WATCH) {
        reply_error(reply, "ERR Command not allowed inside a transaction");
        return false;
    }
    if (session->is_restricted && !is_permitted(session, spec, argc, argv))
        return false;
    if (session->protocol != 3 && (session->flags & SESSION_SUBSCRIBER) != 0 &&
        !is_for_subscribers(spec)) {
        reply_error_format(reply,
                           "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING "
                           "/ QUIT / RESET are allowed in this context",
                           spec->name);
        return false;
    }
    return true;
}

/* ---- memory ---- */

enum {
    RECHECK_BYTES = 16 * 1024, /* of growth within a batch after which the limit is looked at */
};

/* Bytes that the command brings beyond what counts already: a large argument counts as its client's
 * since it began to arrive. */
static size_t coming_bytes(const struct session *session, const struct request *request,
                           const struct slice *argv) {
    size_t bytes = 0;
    for (size_t i = 1; i < request->argc; i++)
        bytes += argv[i].size;
    if (request->partial == NULL)
        return bytes;
    uint64_t counted = atomic_load_explicit(&session->memory_bytes, memory_order_relaxed);
    return counted < bytes ? bytes - (size_t)counted : 0;
}

/* What a command has stored of its large arguments is no longer its client's. */
static void hand_over_memory(struct server_thread *thread, struct session *session) {
    uint64_t counted = atomic_load_explicit(&session->memory_bytes, memory_order_relaxed);
    atomic_store_explicit(&session->memory_bytes, 0, memory_order_relaxed);
    node_account(thread->server->node, -(int64_t)counted);
    store_thread_report(&thread->node_thread.store, &thread->server->node->keyspace);
}

/* Whether a write, or a transaction that is put together, may take memory now. */
static bool has_memory(struct server_thread *thread, const struct session *session,
                       const struct request *request, const struct slice *argv) {
    const struct command_spec *spec = request->spec;
    struct node *node = thread->server->node;
    bool is_queued =
        session->transaction != NULL &&
        (transaction_takes(spec) || spec->id == COMMAND_MULTI || spec->id == COMMAND_WATCH);
    if (spec->id == COMMAND_EXEC && session->transaction != NULL)
        spec = transaction_heaviest(session);
    if ((spec->flags & COMMAND_FLAG_WRITE) == 0 && !is_queued)
        return true;
    int64_t limit = atomic_load_explicit(&node->max_memory_bytes, memory_order_relaxed);
    if (limit == 0 && !thread->is_out_of_memory)
        return true;
    size_t bytes = coming_bytes(session, request, argv);
    if (thread->node_thread.store.memory_delta > RECHECK_BYTES || bytes > RECHECK_BYTES ||
        thread->is_out_of_memory || limit != thread->checked_limit_bytes)
        server_thread_check_memory(thread, (int64_t)bytes);
    return !thread->is_out_of_memory || ((spec->flags & COMMAND_FLAG_DENYOOM) == 0 && !is_queued);
}

/* ---- running ---- */

static void run(struct server_thread *thread, struct session *session,
                const struct command_input *input) {
    const struct command_spec *spec = input->spec;
    struct call call = {
        .spec = spec,
        .argc = input->argc,
        .argv = input->argv,
        .argv_blobs = input->blobs,
        .database = session->database,
        .flags = (session->flags & SESSION_NO_TOUCH) != 0 ? CALL_NO_TOUCH : 0,
        .key = input->key,
        .reply = &thread->reply,
    };
    if (command_functions[spec->id] == NULL) {
        session_commands[spec->id](session, &call);
        return;
    }
    if ((spec->flags & COMMAND_FLAG_BLOCKING) != 0 &&
        thread->node_thread.section.kind == SECTION_NONE && blocking_prepare(thread, session))
        call.flags |= CALL_MAY_BLOCK;
    call.flags |= acl_call_flags(session, spec, input->argc, input->argv);
    struct waiter *waiter = node_execute(&thread->node_thread, &call);
    if (waiter != NULL)
        blocking_begin(thread, session, waiter);
    if (call.wait.arguments != NULL)
        allocator_release(thread->server->allocator, call.wait.arguments,
                          call.wait.argument_capacity * sizeof(*call.wait.arguments));
}

static unsigned latency_bucket(uint64_t ns) {
    unsigned bucket = ns == 0 ? 0 : 63 - (unsigned)__builtin_clzll(ns);
    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

void dispatch_count(struct server_thread *thread, const struct command_spec *spec, uint64_t ns,
                    bool has_failed) {
    struct command_statistics *statistics = &thread->statistics.commands[spec->id];
    counter_add(&statistics->calls, 1);
    counter_add(&statistics->ns, ns);
    counter_add(&statistics->latency[latency_bucket(ns)], 1);
    if (has_failed)
        counter_add(&statistics->failed, 1);
}

static bool is_slow(const struct server *server, uint64_t us) {
    int64_t slow = atomic_load_explicit(&server->slow_log_threshold_us, memory_order_relaxed);
    int64_t latency = atomic_load_explicit(&server->latency_threshold_ms, memory_order_relaxed);
    return (slow >= 0 && us >= (uint64_t)slow) || (latency > 0 && us >= 1000 * (uint64_t)latency);
}

/* A reply that found no memory becomes the error; where not even that has room, the client must not
 * take the next reply for this one: its connection ends. */
static void ensure_reply(struct session *session, struct reply_mark begin) {
    struct reply *reply = &session->thread->reply;
    if (!reply->failed)
        return;
    reply_cut(reply, begin);
    reply_error(reply, NODE_OUT_OF_MEMORY_TEXT);
    if (!reply->failed)
        return;
    reply_cut(reply, begin);
    session->flags |= SESSION_CLOSING;
    loop_break(&session->thread->loop, &session->connection);
}

/* The command has its reply. An error is counted; CLIENT REPLY: take back what was written, and see
 * to the next command. */
static void settle(struct session *session, struct reply_mark begin) {
    const struct reply *reply = &session->thread->reply;
    ensure_reply(session, begin);
    if (reply->used > begin.used && reply->data[begin.used] == '-') {
        counter_add(&session->thread->statistics.error_replies, 1);
        observe_error(session->server,
                      slice_of(reply->data + begin.used, reply->used - begin.used));
    }
    bool is_muted = (session->flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP)) != 0 &&
                    (session->flags & SESSION_PUSHED) == 0;
    if (is_muted)
        reply_cut(&session->thread->reply, begin);
    session->flags &= ~(uint32_t)(SESSION_REPLY_SKIP | SESSION_PUSHED);
    if ((session->flags & SESSION_SKIP_NEXT) != 0)
        session->flags = (session->flags & ~(uint32_t)SESSION_SKIP_NEXT) | SESSION_REPLY_SKIP;
}

void dispatch_run(struct server_thread *thread, struct session *session,
                  const struct command_input *input) {
    struct server *server = thread->server;
    const struct command_spec *spec = input->spec;
    struct reply *reply = &thread->reply;
    struct reply_mark begin = reply_mark(reply);
    if (thread->node_thread.section.kind == SECTION_NONE)
        atomic_store_explicit(&session->last_command, spec->id, memory_order_relaxed);
    if (session->tracker != NULL)
        tracking_before_read(session, spec, input->argc, input->argv);
    run(thread, session, input);
    if (session->tracker != NULL)
        tracking_after_read(session, spec, input->argc, input->argv);
    uint64_t now = cycle_clock_now(&thread->cycles);
    uint64_t ns = cycle_clock_to_ns(&thread->cycles, now - thread->command_began);
    thread->command_began = now; /* of the next one in the batch */
    bool has_failed = reply->used > begin.used && reply->data[begin.used] == '-';
    dispatch_count(thread, spec, ns, has_failed);
    if (ns >= 1000 * 16 ||
        atomic_load_explicit(&server->slow_log_threshold_us, memory_order_relaxed) < 16) {
        if (is_slow(server, ns / 1000))
            observe_slow(session, spec, input->argc, input->argv, ns / 1000);
    }
    counter_add(&session->command_count, 1);
    if (atomic_load_explicit(&server->monitor_count, memory_order_relaxed) > 0)
        observe_command(session, spec, input->argc, input->argv, false);
}

/* A command that is refused while a transaction is put together spoils it. */
static void refused(struct server_thread *thread, struct session *session,
                    const struct command_spec *spec, struct reply_mark begin) {
    if (spec != NULL)
        counter_add(&thread->statistics.commands[spec->id].rejected, 1);
    if (session->transaction != NULL || (spec != NULL && spec->id == COMMAND_EXEC))
        transaction_spoil(session, spec, begin);
    settle(session, begin);
}

/* It is not read until a tick finds no reason to pause it. */
static void pause_session(struct session *session) {
    session->flags |= SESSION_PAUSED;
    session->connection.flags |= CONNECTION_PAUSED;
    session_show_flags(session);
    loop_watch(&session->thread->loop, &session->connection);
}

/* EXEC writes if something that it runs does. */
static bool is_paused(struct session *session, const struct command_spec *spec) {
    if (spec->id == COMMAND_EXEC && session->transaction != NULL)
        spec = transaction_heaviest(session);
    return atomic_load_explicit(&session->server->pause_mode, memory_order_relaxed) != PAUSE_OFF &&
           session_is_held_back(session, spec);
}

bool dispatch(struct server_thread *thread, struct session *session, const struct request *request,
              const struct slice *argv) {
    const struct command_spec *spec = request->spec;
    struct reply *reply = &thread->reply;
    struct reply_mark begin = reply_mark(reply);
    counter_add(&thread->statistics.commands_processed, 1);
    if (!is_admitted(thread, session, spec, request->argc, argv)) {
        refused(thread, session, spec, begin);
        return true;
    }
    if ((thread->is_busy && !busy_allows(spec)) ||
        busy_holds_up(thread->server, spec, session->transaction == NULL)) {
        busy_refuse(thread, reply);
        refused(thread, session, spec, begin);
        return true;
    }
    bool is_queued = session->transaction != NULL && transaction_takes(spec);
    if (!is_queued && is_paused(session, spec)) {
        pause_session(session);
        return false;
    }
    if (!has_memory(thread, session, request, argv)) {
        reply_error(reply, NODE_OUT_OF_MEMORY_TEXT);
        refused(thread, session, spec, begin);
        return true;
    }
    struct command_input input = {
        .spec = spec,
        .argc = request->argc,
        .argv = argv,
        .blobs = request->partial != NULL ? request->partial->blobs : NULL,
        .key = request->key,
    };
    thread->running_session = session->id;
    if (is_queued)
        transaction_queue(thread, session, &input);
    else
        dispatch_run(thread, session, &input);
    thread->running_session = 0;
    if (thread->held_publications != NULL)
        pubsub_let_go(thread);
    if (session->tracker != NULL && !is_queued)
        tracking_after_command(session, spec);
    if (tracking_has_to_tell(thread))
        tracking_tell(thread);
    if (thread->has_crowded_mailbox) {
        thread->has_crowded_mailbox = false;
        pause_session(session);
        request_partial_destroy(session->partial); /* what stands behind is read again then */
        session->partial = NULL;
    }
    if (request->partial != NULL)
        hand_over_memory(thread, session);
    settle(session, begin);
    return true;
}
