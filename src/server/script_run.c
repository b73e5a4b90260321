/* SPDX-License-Identifier: BSD-3-Clause */
/* One run from its checks to its reply: which section it gets, beginning again in an open one. */
#include "script/interpreter.h"

#include "node/section.h"
#include "server/observe.h"
#include "server/pubsub.h"
#include "server/script_internal.h"
#include "server/session_commands.h"

#include <stdio.h>

static const char BUSY_TEXT[] =
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";

/* What is run, once found. */
struct prepared_run {
    struct script_interpreter *interpreter;
    int function;
    char name[256];
    bool may_be_declared;
};

/* Find and compile it. False: the error was written. */
static bool prepare(struct script_thread *st, const struct script_task *task,
                    struct prepared_run *run, struct reply *reply) {
    bool cant_write;
    if (task->is_function) {
        if (script_thread_load_libraries(st, reply) != LARDER_OK)
            return false;
        const struct script_function *f = script_thread_function(st, task->function_name);
        if (f == NULL) {
            reply_error(reply, "ERR Function not found");
            return false;
        }
        run->function = f->function;
        run->interpreter = script_thread_interpreter(st, true);
        st->flags = f->flags | SCRIPT_HAS_FLAGS;
        (void)snprintf(run->name, sizeof(run->name), "%s", f->name);
        cant_write = task->is_read_only || (f->flags & SCRIPT_NO_WRITES) != 0;
        run->may_be_declared = cant_write;
    } else {
        struct cached_script *script = task->script;
        if (script_thread_compile(st, script, &run->function, reply) != LARDER_OK)
            return false;
        run->interpreter = st->interpreter;
        st->flags = script->header.flags;
        (void)snprintf(run->name, sizeof(run->name), "%s", script->sha);
        cant_write = task->is_read_only || (st->flags & SCRIPT_NO_WRITES) != 0;
        run->may_be_declared = (cant_write || script->is_declared) &&
                               !atomic_load_explicit(&script->needs_open, memory_order_relaxed);
    }
    st->is_read_only = cant_write;
    return true;
}

/* Whether it may run as things are. Else the error was written. */
static bool is_admitted(struct script_thread *st, const struct script_task *task,
                        struct reply *reply) {
    struct server_thread *thread = st->thread;
    bool has_flags = (st->flags & SCRIPT_HAS_FLAGS) != 0;
    if (has_flags && task->is_read_only && (st->flags & SCRIPT_NO_WRITES) == 0) {
        reply_error(reply, "ERR Can not execute a script with write flag using *_ro command.");
        return false;
    }
    if (thread->node_thread.section.kind == SECTION_NONE)
        server_thread_check_memory(thread, 0);
    st->is_out_of_memory = thread->is_out_of_memory;
    uint32_t needs_none = SCRIPT_ALLOW_OOM | SCRIPT_NO_WRITES;
    if (has_flags && st->is_out_of_memory && (st->flags & needs_none) == 0) {
        reply_error(reply, "OOM allow-oom flag is not set on the script, can not run it when used "
                           "memory > 'maxmemory'");
        return false;
    }
    return true;
}

/* ---- what others see of the run ---- */

/* A copy of the command for FUNCTION STATS. Without memory it shows nothing. */
static void show(struct script_thread *st, const struct call *call,
                 const struct prepared_run *run) {
    struct script_store *store = st->thread->server->scripts;
    size_t size = 0;
    for (size_t i = 0; i < call->argc; i++)
        size += call->argv[i].size + sizeof(uint32_t);
    struct blob *command = st->is_function ? blob_create(store->allocator, size) : NULL;
    for (size_t i = 0; i < call->argc && command != NULL; i++) {
        uint32_t length = (uint32_t)call->argv[i].size;
        memcpy(command->data + command->size, &length, sizeof(length));
        memcpy(command->data + command->size + sizeof(length), call->argv[i].data, length);
        command->size += sizeof(length) + length;
    }
    script_store_lock(store);
    (void)snprintf(st->shown_name, sizeof(st->shown_name), "%.127s", run->name);
    st->shown_command = command;
    script_store_unlock(store);
}

static void begin_showing(struct script_thread *st, const struct call *call,
                          const struct prepared_run *run) {
    st->name = run->name;
    st->wants_open = false;
    if (st->is_function)
        show(st, call, run);
    atomic_store_explicit(&st->began_ns, clock_monotonic_ns(), memory_order_relaxed);
    atomic_store_explicit(&st->state_is_function, st->is_function, memory_order_relaxed);
    atomic_store_explicit(&st->state, SCRIPT_RUNNING, memory_order_release);
}

static void end_showing(struct script_thread *st) {
    struct script_store *store = st->thread->server->scripts;
    atomic_store_explicit(&st->state, SCRIPT_IDLE, memory_order_release);
    if (!st->is_function)
        return;
    script_store_lock(store);
    struct blob *command = st->shown_command;
    st->shown_command = NULL;
    script_store_unlock(store);
    blob_release(command);
}

/* ---- running ---- */

/* Inside a section. */
static void run_inside(struct script_thread *st, struct call *call, const struct script_task *task,
                       const struct prepared_run *run) {
    struct session *session = st->session;
    struct reply_mark mark = reply_mark(call->reply);
    uint32_t database = session->database;
    struct script_call script = {
        .name = run->name,
        .is_function = task->is_function,
        .keys = task->keys,
        .arguments = task->arguments,
        .key_count = task->key_count,
        .argument_count = task->argument_count,
    };
    begin_showing(st, call, run);
    bool has_ended = script_run(run->interpreter, run->function, &script, call->reply);
    bool was_killed = atomic_load_explicit(&st->state, memory_order_acquire) == SCRIPT_KILLED;
    end_showing(st);
    if (session->database != database) {
        session->database = database;
        session_show_flags(session);
    }
    if (!has_ended && was_killed && call->reply->used == mark.used)
        reply_error(call->reply, st->is_function ? "ERR Script killed by user with FUNCTION KILL."
                                                 : "ERR Script killed by user with SCRIPT KILL.");
    if (!has_ended && st->wants_open)
        reply_cut(call->reply, mark);
}

static enum larder_status plan(struct section_plan *out, const struct node *node,
                               const struct script_task *task, bool is_declared) {
    enum larder_status status = LARDER_OK;
    out->kind = is_declared ? SECTION_DECLARED : SECTION_OPEN;
    out->is_script = true;
    for (size_t i = 0; i < task->key_count && status == LARDER_OK; i++)
        status = section_plan_add_key(out, node, task->keys[i]);
    return status;
}

/* In a section of its own. True: it is to begin again in an open one. */
static bool run_in_section(struct script_thread *st, struct call *call,
                           const struct script_task *task, const struct prepared_run *run,
                           bool is_declared) {
    struct server_thread *thread = st->thread;
    struct section_plan section;
    section_plan_init(&section, thread->server->allocator);
    st->wants_open = false;
    enum larder_status status = plan(&section, thread->server->node, task, is_declared);
    if (status == LARDER_OK)
        status = node_section_begin(&thread->node_thread, &section);
    if (status == LARDER_OK) {
        run_inside(st, call, task, run);
        node_section_end(&thread->node_thread);
        pubsub_let_go(thread);
    } else if (status == LARDER_BUSY) {
        reply_error(call->reply, BUSY_TEXT);
    } else {
        reply_error(call->reply, "OOM not enough memory for the script");
    }
    section_plan_finish(&section);
    return st->wants_open;
}

void script_task_run(struct session *session, struct call *call, const struct script_task *task) {
    struct script_thread *st = session->thread->scripts;
    struct prepared_run run = {.interpreter = NULL};
    st->session = session;
    st->is_function = task->is_function;
    if (prepare(st, task, &run, call->reply) && is_admitted(st, task, call->reply)) {
        if (session->thread->node_thread.section.kind != SECTION_NONE) {
            run_inside(st, call, task, &run);
        } else if (run_in_section(st, call, task, &run, run.may_be_declared)) {
            if (task->script != NULL)
                atomic_store_explicit(&task->script->needs_open, true, memory_order_relaxed);
            (void)run_in_section(st, call, task, &run, false);
        }
    }
    script_thread_account(st);
}
