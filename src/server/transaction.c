/* SPDX-License-Identifier: BSD-3-Clause */
/* A queued command is one block: its argument slices and their bytes; arguments that came in blobs
 * keep these. EXEC plans the section from the queue: keys as the command descriptions tell, every
 * partition when a command is about the keyspace as a whole, an open one when keys are unknown. */
#include "server/transaction.h"

#include "node/section.h"
#include "server/acl.h"
#include "server/blocking.h"
#include "server/busy.h"
#include "server/session_commands.h"

struct queued {
    struct command_input input;
    size_t bytes; /* of the block that input.argv begins */
};

struct transaction {
    struct queued *items;
    size_t count, capacity;
    bool is_spoilt;
};

bool transaction_takes(const struct command_spec *spec) {
    switch (spec->id) {
    case COMMAND_EXEC:
    case COMMAND_DISCARD:
    case COMMAND_MULTI:
    case COMMAND_WATCH:
    case COMMAND_QUIT:
    case COMMAND_RESET: return false;
    default: return true;
    }
}

/* ---- the queue ---- */

static void show(struct session *session) {
    const struct transaction *t = session->transaction;
    atomic_store_explicit(&session->shown_queued, t != NULL ? (int32_t)t->count + 1 : 0,
                          memory_order_relaxed);
    size_t watched = session->watches_nothing ? 0 : session->watched.count;
    atomic_store_explicit(&session->shown_watched, (uint32_t)watched, memory_order_relaxed);
    session_show_flags(session);
}

/* The blobs, as many as arguments, stand behind the slices. */
static enum larder_status copy_input(const struct allocator *a, const struct command_input *input,
                                     struct queued *out) {
    size_t blobs = input->blobs != NULL ? input->argc * sizeof(struct blob *) : 0;
    size_t bytes = input->argc * sizeof(struct slice) + blobs;
    for (size_t i = 0; i < input->argc; i++)
        if (input->blobs == NULL || input->blobs[i] == NULL)
            bytes += input->argv[i].size;
    struct slice *argv = allocator_allocate(a, bytes);
    if (argv == NULL)
        return LARDER_NO_MEMORY;
    struct blob **copies = (struct blob **)(void *)(argv + input->argc);
    uint8_t *at = (uint8_t *)(argv + input->argc) + blobs;
    for (size_t i = 0; i < input->argc; i++) {
        struct blob *blob = input->blobs != NULL ? input->blobs[i] : NULL;
        if (blobs > 0)
            copies[i] = blob != NULL ? blob_acquire(blob) : NULL;
        argv[i] = input->argv[i];
        if (blob != NULL)
            continue;
        if (argv[i].size > 0)
            memcpy(at, argv[i].data, argv[i].size);
        argv[i].data = at;
        at += argv[i].size;
    }
    *out = (struct queued){.input = *input, .bytes = bytes};
    out->input.argv = argv;
    out->input.blobs = blobs > 0 ? copies : NULL;
    out->input.key = (struct key){.text = {NULL, 0}};
    return LARDER_OK;
}

static void release_input(const struct allocator *a, struct queued *item) {
    for (size_t i = 0; item->input.blobs != NULL && i < item->input.argc; i++)
        blob_release(item->input.blobs[i]);
    allocator_release(a, (void *)(uintptr_t)item->input.argv, item->bytes);
}

static enum larder_status append(struct session *session, const struct command_input *input) {
    struct transaction *t = session->transaction;
    const struct allocator *a = session->server->allocator;
    if (t->count == t->capacity) {
        size_t capacity = t->capacity == 0 ? 8 : 2 * t->capacity;
        void *grown = allocator_resize(a, t->items, t->capacity * sizeof(*t->items),
                                       capacity * sizeof(*t->items));
        if (grown == NULL)
            return LARDER_NO_MEMORY;
        t->items = grown;
        t->capacity = capacity;
    }
    enum larder_status status = copy_input(a, input, &t->items[t->count]);
    if (status != LARDER_OK)
        return status;
    node_account(session->server->node, (int64_t)t->items[t->count].bytes);
    t->count++;
    return LARDER_OK;
}

void transaction_queue(struct server_thread *thread, struct session *session,
                       const struct command_input *input) {
    if (append(session, input) != LARDER_OK) {
        session->transaction->is_spoilt = true;
        reply_error(&thread->reply, "OOM not enough memory to queue the command");
        return;
    }
    atomic_store_explicit(&session->shown_queued, (int32_t)session->transaction->count + 1,
                          memory_order_relaxed);
    reply_simple(&thread->reply, "QUEUED");
}

void transaction_spoil(struct session *session, const struct command_spec *spec,
                       struct reply_mark begin) {
    struct reply *reply = &session->thread->reply;
    if (spec == NULL || spec->id != COMMAND_EXEC) {
        if (session->transaction != NULL)
            session->transaction->is_spoilt = true;
        return;
    }
    char text[256];
    size_t frame = reply->used - begin.used > 5 && /* its "-" or "-ERR ", CR and LF */
                           memcmp(reply->data + begin.used, "-ERR ", 5) == 0
                       ? 5
                       : 1;
    size_t size = reply->used - begin.used;
    size = size > frame + 2 ? size - frame - 2 : 0;
    if (size >= sizeof(text))
        size = sizeof(text) - 1;
    if (size > 0)
        memcpy(text, reply->data + begin.used + frame, size);
    text[size] = '\0';
    reply_cut(reply, begin);
    reply_error_format(reply, "EXECABORT Transaction discarded because of: %s", text);
    transaction_discard(session);
}

const struct command_spec *transaction_heaviest(const struct session *session) {
    const struct transaction *t = session->transaction;
    const struct command_spec *heaviest = &command_table[COMMAND_EXEC];
    for (size_t i = 0; i < t->count; i++) {
        const struct command_spec *spec = t->items[i].input.spec;
        if ((spec->flags & COMMAND_FLAG_DENYOOM) != 0)
            return spec;
        if ((spec->flags & COMMAND_FLAG_WRITE) != 0 || heaviest->id == COMMAND_EXEC)
            heaviest = spec;
    }
    return heaviest;
}

static void forget_queue(struct session *session) {
    struct transaction *t = session->transaction;
    const struct allocator *a = session->server->allocator;
    if (t == NULL)
        return;
    int64_t bytes = 0;
    for (size_t i = 0; i < t->count; i++) {
        bytes += (int64_t)t->items[i].bytes;
        release_input(a, &t->items[i]);
    }
    node_account(session->server->node, -bytes);
    allocator_release(a, t->items, t->capacity * sizeof(*t->items));
    allocator_release(a, t, sizeof(*t));
    session->transaction = NULL;
}

/* It does not wait for a script that holds the keys: then it is noted only that none is watched. */
static void forget_watched(struct session *session) {
    session->watches_nothing =
        !node_unwatch(&session->thread->node_thread, &session->watched, true);
}

void transaction_discard(struct session *session) {
    forget_queue(session);
    forget_watched(session);
    session->flags &= ~(uint32_t)SESSION_MULTI;
    show(session);
}

/* ---- commands ---- */

void session_command_multi(struct session *session, struct call *call) {
    if (session->transaction != NULL) {
        reply_error(call->reply, "ERR MULTI calls can not be nested");
        return;
    }
    session->transaction =
        allocator_allocate_zeroed(session->server->allocator, sizeof(*session->transaction));
    if (session->transaction == NULL) {
        reply_error(call->reply, "OOM not enough memory for a transaction");
        return;
    }
    session->flags |= SESSION_MULTI;
    show(session);
    reply_ok(call->reply);
}

void session_command_discard(struct session *session, struct call *call) {
    if (session->transaction == NULL) {
        reply_error(call->reply, "ERR DISCARD without MULTI");
        return;
    }
    transaction_discard(session);
    reply_ok(call->reply);
}

void session_command_watch(struct session *session, struct call *call) {
    if (session->transaction != NULL) {
        reply_error(call->reply, "ERR WATCH inside MULTI is not allowed");
        return;
    }
    bool is_held_up = session->thread->is_busy;
    enum larder_status status = LARDER_OK;
    do {
        if (session->watches_nothing)
            forget_watched(session);
    } while (session->watches_nothing && !is_held_up && !busy_has_slow_script(session->server));
    if (session->watches_nothing)
        status = LARDER_BUSY;
    for (size_t i = 1; i < call->argc && status == LARDER_OK; i++)
        status = node_watch(&session->thread->node_thread, &session->watched, session->database,
                            call->argv[i], is_held_up);
    show(session);
    if (status == LARDER_OK)
        reply_ok(call->reply);
    else if (status == LARDER_BUSY)
        busy_refuse(session->thread, call->reply);
    else
        reply_error(call->reply, "OOM not enough memory to watch the key");
}

void session_command_unwatch(struct session *session, struct call *call) {
    /* Inside EXEC the watched keys are forgotten when it ends. */
    if (session->thread->is_busy || session->thread->node_thread.section.kind == SECTION_NONE) {
        forget_watched(session);
        show(session);
    }
    reply_ok(call->reply);
}

void session_command_client_unblock(struct session *session, struct call *call) {
    bool with_error = false;
    int64_t id;
    if (call->argc == 4) {
        with_error = slice_equal_word(call->argv[3], "ERROR");
        if (!with_error && !slice_equal_word(call->argv[3], "TIMEOUT")) {
            reply_error(call->reply, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
            return;
        }
    }
    if (call_integer(call, call->argv[2], &id))
        reply_integer(call->reply,
                      blocking_unblock(session->server, (uint64_t)id, with_error) ? 1 : 0);
}

/* ---- EXEC ---- */

/* Whether a session command may need any partition, or a lock that comes before theirs. */
static bool is_about_everything(const struct command_spec *spec) {
    static const char *const HARMLESS[] = {"connection", "pubsub", "transactions", "scripting"};
    if (command_functions[spec->id] != NULL || spec->id == COMMAND_TIME)
        return false;
    if (spec->id == COMMAND_AUTH || spec->id == COMMAND_HELLO)
        return true;
    for (size_t i = 0; i < sizeof(HARMLESS) / sizeof(*HARMLESS); i++)
        if (strcmp(spec->group, HARMLESS[i]) == 0)
            return false;
    return true;
}

static enum larder_status plan(struct session *session, struct section_plan *out) {
    const struct transaction *t = session->transaction;
    struct node *node = session->server->node;
    enum larder_status status =
        session->watches_nothing ? LARDER_OK : node_watch_plan(node, &session->watched, out);
    for (size_t i = 0; i < t->count && status == LARDER_OK; i++) {
        const struct command_input *input = &t->items[i].input;
        status = section_plan_add_command(out, node, input->spec, input->argc, input->argv);
        if ((input->spec->categories & COMMAND_CATEGORY_SCRIPTING) != 0) {
            out->is_script = true;
            if (out->kind != SECTION_ALL)
                out->kind = SECTION_OPEN;
        }
        if (is_about_everything(input->spec))
            out->kind = SECTION_ALL;
    }
    return status;
}

/* Whether the session's user may still run the command: the rules may have changed since it was
 * queued, or a command before it was AUTH. Else its error was written. */
static bool is_still_permitted(struct session *session, const struct command_input *input,
                               struct reply *reply) {
    char text[ACL_REFUSAL_MAX];
    if (!acl_session_is_current(session) && !acl_session_renew(session)) {
        session_close_after_reply(session);
        reply_error(reply, "NOPERM the user was deleted");
        return false;
    }
    enum acl_verdict verdict =
        acl_check(session, input->spec, input->argc, input->argv, ACL_CONTEXT_MULTI);
    if (verdict == ACL_ALLOWED)
        return true;
    acl_refusal(verdict, ACL_CONTEXT_MULTI, input->spec, text);
    reply_error(reply, text);
    return false;
}

/* CLIENT REPLY holds from the command on that says so, even in the middle of the array. */
static void mute(struct session *session, struct reply *reply, struct reply_mark begin) {
    if ((session->flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP)) != 0 &&
        (session->flags & SESSION_PUSHED) == 0)
        reply_cut(reply, begin);
}

static void run_queue(struct session *session, struct reply *reply) {
    struct server_thread *thread = session->thread;
    struct transaction *t = session->transaction;
    session->transaction = NULL; /* what runs now is not queued */
    struct reply_mark begin = reply_mark(reply);
    reply_array(reply, t->count);
    mute(session, reply, begin);
    for (size_t i = 0; i < t->count; i++) {
        begin = reply_mark(reply);
        session->flags &= ~(uint32_t)SESSION_PUSHED;
        if (is_still_permitted(session, &t->items[i].input, reply))
            dispatch_run(thread, session, &t->items[i].input);
        mute(session, reply, begin);
    }
    session->flags |= SESSION_PUSHED; /* muted already */
    session->transaction = t;
}

void session_command_exec(struct session *session, struct call *call) NO_THREAD_SAFETY {
    struct server_thread *thread = session->thread;
    struct server *server = session->server;
    struct transaction *t = session->transaction;
    if (t == NULL) {
        reply_error(call->reply, "ERR EXEC without MULTI");
        return;
    }
    if (t->is_spoilt) {
        reply_error(call->reply, "EXECABORT Transaction discarded because of previous errors.");
        transaction_discard(session);
        return;
    }
    struct section_plan section;
    section_plan_init(&section, server->allocator);
    enum larder_status status = plan(session, &section);
    /* CONFIG_LOCK comes before the locks of the section. */
    bool has_config = status == LARDER_OK && section.kind == SECTION_ALL;
    if (has_config)
        server_config_lock(server);
    if (status == LARDER_OK)
        status = node_section_begin(&thread->node_thread, &section);
    if (status == LARDER_OK) {
        if (!session->watches_nothing &&
            node_watch_is_broken(&thread->node_thread, &session->watched))
            reply_null_array(call->reply);
        else
            run_queue(session, call->reply);
        node_section_end(&thread->node_thread);
    } else if (status == LARDER_BUSY) {
        reply_error(call->reply, "EXECABORT Transaction discarded because of: BUSY Redis is busy "
                                 "running a script. You can only call SCRIPT KILL or SHUTDOWN "
                                 "NOSAVE.");
    } else {
        reply_error(call->reply, "OOM not enough memory for the transaction");
    }
    if (has_config)
        server_config_unlock(server);
    section_plan_finish(&section);
    transaction_discard(session);
}
