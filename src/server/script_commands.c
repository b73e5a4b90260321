/* SPDX-License-Identifier: BSD-3-Clause */
/* EVAL, EVALSHA, SCRIPT. */
#include "script/library.h"

#include "server/busy.h"
#include "server/observe.h"
#include "server/script_internal.h"
#include "server/session_commands.h"

#include <ctype.h>

/* ---- EVAL ---- */

bool script_read_key_count(struct call *call, struct script_task *task, const char *not_a_number) {
    int64_t count;
    if (!slice_to_int64(call->argv[2], &count)) {
        reply_error(call->reply, not_a_number);
        return false;
    }
    if (count > (int64_t)call->argc - 3) {
        reply_error(call->reply, "ERR Number of keys can't be greater than number of args");
        return false;
    }
    if (count < 0) {
        reply_error(call->reply, "ERR Number of keys can't be negative");
        return false;
    }
    task->keys = call->argv + 3;
    task->key_count = (size_t)count;
    task->arguments = task->keys + count;
    task->argument_count = call->argc - 3 - (size_t)count;
    return true;
}

/* The script of a text: the one run last, one that is known, or a new one, which is compiled
 * first. Returns a reference; NULL: the error was written. */
static struct cached_script *obtain(struct script_thread *st, struct slice text, bool is_loaded,
                                    struct reply *reply) {
    struct script_store *store = st->thread->server->scripts;
    struct cached_script *last = st->last;
    if (!is_loaded && last != NULL && slice_equal(blob_slice(last->text), text) &&
        !atomic_load_explicit(&last->is_gone, memory_order_acquire))
        return cached_script_acquire(last);
    char sha[SHA1_HEX_BYTES + 1];
    struct script_header header;
    sha1_hex(text, sha);
    struct cached_script *script = is_loaded ? NULL : script_thread_find(st, sha);
    if (script != NULL)
        return script;
    if (!script_read_header(text, &header, reply))
        return NULL;
    struct script_interpreter *interpreter = script_thread_interpreter(st, false);
    int function;
    if (interpreter == NULL) {
        reply_error(reply, "OOM not enough memory for the script");
        return NULL;
    }
    if (script_compile(interpreter, header.code, &function, reply) != LARDER_OK)
        return NULL;
    script_forget(interpreter, function); /* it is known to be Lua; running it compiles it */
    script = script_store_add(store, sha, text, &header, is_loaded);
    if (script == NULL)
        reply_error(reply, "OOM not enough memory for the script");
    return script;
}

static void run(struct session *session, struct call *call, struct cached_script *script,
                struct script_task *task) {
    struct script_thread *st = session->thread->scripts;
    struct script_store *store = session->server->scripts;
    if (st->last != script) {
        cached_script_release(store, st->last);
        st->last = cached_script_acquire(script);
    }
    cached_script_use(store, script);
    task->script = script;
    script_task_run(session, call, task);
}

void session_command_eval(struct session *session, struct call *call) {
    struct script_task task = {.is_read_only = call->spec->id == COMMAND_EVAL_RO};
    observe_script(session, call);
    if (!script_read_key_count(call, &task, "ERR value is not an integer or out of range"))
        return;
    struct cached_script *script =
        obtain(session->thread->scripts, call->argv[1], false, call->reply);
    if (script == NULL)
        return;
    run(session, call, script, &task);
    cached_script_release(session->server->scripts, script);
}

/* False: it is not the name of a script. */
static bool read_sha(struct slice text, char out[SHA1_HEX_BYTES + 1]) {
    if (text.size != SHA1_HEX_BYTES)
        return false;
    for (size_t i = 0; i < SHA1_HEX_BYTES; i++) {
        if (!isxdigit(text.data[i]))
            return false;
        out[i] = (char)tolower(text.data[i]);
    }
    out[SHA1_HEX_BYTES] = '\0';
    return true;
}

static struct cached_script *find(struct session *session, struct slice name) {
    char sha[SHA1_HEX_BYTES + 1];
    return read_sha(name, sha) ? script_thread_find(session->thread->scripts, sha) : NULL;
}

void session_command_evalsha(struct session *session, struct call *call) {
    struct script_task task = {.is_read_only = call->spec->id == COMMAND_EVALSHA_RO};
    observe_script(session, call);
    if (call->argv[1].size != SHA1_HEX_BYTES) {
        reply_error(call->reply, "NOSCRIPT No matching script. Please use EVAL.");
        return;
    }
    if (!script_read_key_count(call, &task, "ERR value is not an integer or out of range"))
        return;
    struct cached_script *script = find(session, call->argv[1]);
    if (script == NULL) {
        reply_error(call->reply, "NOSCRIPT No matching script. Please use EVAL.");
        return;
    }
    run(session, call, script, &task);
    cached_script_release(session->server->scripts, script);
}

/* ---- SCRIPT ---- */

void session_command_script_load(struct session *session, struct call *call) {
    struct script_thread *st = session->thread->scripts;
    struct cached_script *script = obtain(st, call->argv[2], true, call->reply);
    if (script == NULL)
        return;
    reply_bulk_text(call->reply, script->sha);
    cached_script_release(session->server->scripts, script);
    script_thread_account(st);
}

void session_command_script_exists(struct session *session, struct call *call) {
    reply_array(call->reply, call->argc - 2);
    for (size_t i = 2; i < call->argc; i++) {
        struct cached_script *script = find(session, call->argv[i]);
        reply_integer(call->reply, script != NULL);
        cached_script_release(session->server->scripts, script);
    }
}

void session_command_script_flush(struct session *session, struct call *call) {
    bool is_fine =
        call->argc == 2 || (call->argc == 3 && (slice_equal_word(call->argv[2], "SYNC") ||
                                                slice_equal_word(call->argv[2], "ASYNC")));
    if (!is_fine) {
        reply_error(call->reply, "ERR SCRIPT FLUSH only support SYNC|ASYNC option");
        return;
    }
    script_store_flush(session->server->scripts);
    reply_ok(call->reply);
}

void session_command_script_show(struct session *session, struct call *call) {
    struct cached_script *script = find(session, call->argv[2]);
    if (script == NULL) {
        reply_error(call->reply, "NOSCRIPT No matching script. Please use EVAL.");
        return;
    }
    reply_bulk(call->reply, blob_slice(script->text));
    cached_script_release(session->server->scripts, script);
}

void script_reply_kill(struct reply *reply, enum script_kill result, bool functions) {
    switch (result) {
    case SCRIPT_KILL_DONE: reply_ok(reply); return;
    case SCRIPT_KILL_NONE_RUNS:
        reply_error(reply, "NOTBUSY No scripts in execution right now.");
        return;
    case SCRIPT_KILL_OTHER_KIND: busy_reply(reply, !functions); return;
    case SCRIPT_KILL_HAS_WRITTEN:
        reply_error(reply, "UNKILLABLE Sorry the script already executed write commands against "
                           "the dataset. You can either wait the script termination or kill the "
                           "server in a hard way using the SHUTDOWN NOSAVE command.");
        return;
    }
}

void session_command_script_kill(struct session *session, struct call *call) {
    script_reply_kill(call->reply, script_kill(session->server, false), false);
}

/* There is no debugger. */
void session_command_script_debug(struct session *session, struct call *call) {
    (void)session;
    if (slice_equal_word(call->argv[2], "NO"))
        reply_ok(call->reply);
    else if (slice_equal_word(call->argv[2], "YES") || slice_equal_word(call->argv[2], "SYNC"))
        reply_error(call->reply, "ERR SCRIPT DEBUG is not supported: there is no script debugger");
    else
        reply_error(call->reply, "ERR Use SCRIPT DEBUG YES/SYNC/NO");
}
