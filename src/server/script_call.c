/* SPDX-License-Identifier: BSD-3-Clause */
/* What a running script asks for: commands, whether to go on, log lines. */
#include "server/script_internal.h"

#include "base/command_keys.h"
#include "commands/functions.h"
#include "node/section.h"
#include "server/acl.h"
#include "server/busy.h"
#include "server/observe.h"
#include "server/tracking.h"

static const char OUT_OF_MEMORY_TEXT[] = "OOM command not allowed when used memory > 'maxmemory'.";

/* ---- refusals ---- */

static const struct command_spec *find_command(const struct script_thread *st, size_t argc,
                                               const struct slice *argv) {
    const struct command_spec *spec = server_find_command(st->thread->server, argv, argc);
    if (spec == NULL || !command_is_built(spec))
        return NULL;
    bool is_bare_container =
        command_functions[spec->id] == NULL && session_commands[spec->id] == NULL;
    return is_bare_container && argc >= 2 ? NULL : spec;
}

/* NULL, or why the command may not run in this script. */
static const char *refusal(const struct script_thread *st, const struct command_spec *spec,
                           size_t argc) {
    if (spec == NULL)
        return "ERR Unknown Redis command called from script";
    bool is_bare_container =
        command_functions[spec->id] == NULL && session_commands[spec->id] == NULL;
    if (is_bare_container || !command_arity_fits(spec, argc))
        return "ERR Wrong number of args calling Redis command from script";
    if ((spec->flags & COMMAND_FLAG_NOSCRIPT) != 0)
        return "ERR This Redis command is not allowed from script";
    bool is_write = (spec->flags & (COMMAND_FLAG_WRITE | COMMAND_FLAG_MAY_REPLICATE)) != 0;
    if (st->is_read_only && is_write)
        return "ERR Write commands are not allowed from read-only scripts.";
    bool has_written = atomic_load_explicit(&st->state, memory_order_relaxed) == SCRIPT_WRITING;
    if (st->is_out_of_memory && (spec->flags & COMMAND_FLAG_DENYOOM) != 0 && !has_written &&
        (st->flags & SCRIPT_ALLOW_OOM) == 0)
        return OUT_OF_MEMORY_TEXT;
    return NULL;
}

/* From its first write on a script can't be killed. False: it was killed before. */
static bool begin_writing(struct script_thread *st) {
    uint32_t state = SCRIPT_RUNNING;
    return atomic_compare_exchange_strong_explicit(&st->state, &state, SCRIPT_WRITING,
                                                   memory_order_acq_rel, memory_order_acquire) ||
           state == SCRIPT_WRITING;
}

/* ---- running ---- */

/* A session command that may look at any key. */
static bool is_about_keyspace(const struct command_spec *spec) {
    static const char *const HARMLESS[] = {"connection", "pubsub", "scripting"};
    for (size_t i = 0; i < sizeof(HARMLESS) / sizeof(*HARMLESS); i++)
        if (strcmp(spec->group, HARMLESS[i]) == 0)
            return false;
    return spec->id != COMMAND_TIME;
}

/* Whether it may take CONFIG_LOCK, which comes before the locks that the script holds. */
static bool reads_configuration(const struct command_spec *spec) {
    return strcmp(spec->group, "server") == 0 && spec->id != COMMAND_FLUSHALL &&
           spec->id != COMMAND_FLUSHDB && spec->id != COMMAND_SWAPDB && spec->id != COMMAND_DBSIZE;
}

static void run_session_command(struct script_thread *st, struct call *call) NO_THREAD_SAFETY {
    struct server *server = st->thread->server;
    bool takes_lock = is_about_keyspace(call->spec) && reads_configuration(call->spec);
    if (is_about_keyspace(call->spec) && !node_section_hold_all(&st->thread->node_thread))
        return;
    if (takes_lock && !server_config_try_lock(server)) {
        reply_error(call->reply, "BUSY the configuration is being changed");
        return;
    }
    session_commands[call->spec->id](st->session, call);
    if (takes_lock)
        server_config_unlock(server);
}

static void run_command(struct script_thread *st, const struct command_spec *spec, size_t argc,
                        const struct slice *argv, struct reply *reply) {
    struct session *session = st->session;
    struct call call = {
        .spec = spec,
        .argc = argc,
        .argv = argv,
        .database = session->database,
        .flags = CALL_SCRIPT | ((session->flags & SESSION_NO_TOUCH) != 0 ? CALL_NO_TOUCH : 0u),
        .reply = reply,
    };
    if (command_functions[spec->id] == NULL) {
        run_session_command(st, &call);
        return;
    }
    call.flags |= acl_call_flags(session, spec, argc, argv);
    (void)!node_execute(&st->thread->node_thread, &call); /* in a section nothing waits */
    allocator_release(st->thread->server->allocator, call.wait.arguments,
                      call.wait.argument_capacity * sizeof(*call.wait.arguments));
}

static void note_error(struct script_thread *st, const struct reply *reply) {
    counter_add(&st->thread->statistics.error_replies, 1);
    observe_error(st->thread->server, slice_of(reply->data, reply->used));
}

static bool execute(void *context, size_t argc, const struct slice *argv, struct reply *reply) {
    struct script_thread *st = context;
    struct server_thread *thread = st->thread;
    struct server *server = thread->server;
    struct node_section *section = &thread->node_thread.section;
    const struct command_spec *spec = find_command(st, argc, argv);
    const char *why_not = refusal(st, spec, argc);
    if (why_not != NULL) {
        reply_error(reply, why_not);
        note_error(st, reply);
        return true;
    }
    enum acl_verdict verdict = acl_check(st->session, spec, argc, argv, ACL_CONTEXT_SCRIPT);
    if (verdict != ACL_ALLOWED) {
        char text[ACL_REFUSAL_MAX];
        acl_refusal(verdict, ACL_CONTEXT_SCRIPT, spec, text);
        reply_error(reply, text);
        note_error(st, reply);
        return true;
    }
    if ((spec->flags & COMMAND_FLAG_WRITE) != 0 && !begin_writing(st))
        return false;
    uint64_t began = cycle_clock_now(&thread->cycles);
    if (st->session->tracker != NULL)
        tracking_before_read(st->session, spec, argc, argv);
    run_command(st, spec, argc, argv, reply);
    if (st->session->tracker != NULL)
        tracking_after_read(st->session, spec, argc, argv);
    if (section->is_outside) {
        section->is_outside = false;
        if (!section->has_changed) {
            st->wants_open = true;
            return false;
        }
        reply_clear(reply);
        reply_error(reply, "ERR Script attempted to access a non declared key");
    }
    if (atomic_load_explicit(&server->monitor_count, memory_order_relaxed) > 0)
        observe_command(st->session, spec, argc, argv, true);
    uint64_t ns = cycle_clock_to_ns(&thread->cycles, cycle_clock_now(&thread->cycles) - began);
    bool has_failed = reply->used > 0 && reply->data[0] == '-';
    dispatch_count(thread, spec, ns, has_failed);
    counter_add(&thread->statistics.commands_processed, 1);
    if (has_failed)
        note_error(st, reply);
    return true;
}

static int may_run(void *context, size_t argc, const struct slice *argv) {
    const struct script_thread *st = context;
    const struct session *session = st->session;
    const struct command_spec *spec = find_command(st, argc, argv);
    if (spec == NULL)
        return -1;
    size_t position;
    return acl_user_verdict(session->user, session->server->allocator, spec, argc, argv,
                            &position) == ACL_ALLOWED;
}

/* ---- going on ---- */

static const char *tick(void *context) {
    enum { LOAD_MS = 500 };
    struct script_thread *st = context;
    struct server_thread *thread = st->thread;
    uint64_t began = atomic_load_explicit(&st->began_ns, memory_order_relaxed);
    uint64_t ms = (clock_monotonic_ns() - began) / 1000000;
    if (atomic_load_explicit(&thread->loop.is_stopping, memory_order_relaxed))
        return "The server is shutting down.";
    if (st->is_loading)
        return ms > LOAD_MS ? "FUNCTION LOAD timeout" : NULL;
    if (atomic_load_explicit(&st->state, memory_order_acquire) == SCRIPT_KILLED)
        return st->is_function ? "Script killed by user with FUNCTION KILL."
                               : "Script killed by user with SCRIPT KILL.";
    int64_t busy_after =
        atomic_load_explicit(&thread->server->node->busy_after_ms, memory_order_relaxed);
    if (busy_after > 0 && ms >= (uint64_t)busy_after)
        busy_poll(thread);
    return NULL;
}

static void write_log(void *context, enum script_log_level level, struct slice text) {
    static const enum log_level LEVELS[] = {
        [SCRIPT_LOG_DEBUG] = LOG_LEVEL_DEBUG,
        [SCRIPT_LOG_VERBOSE] = LOG_LEVEL_VERBOSE,
        [SCRIPT_LOG_NOTICE] = LOG_LEVEL_NOTICE,
        [SCRIPT_LOG_WARNING] = LOG_LEVEL_WARNING,
    };
    struct script_thread *st = context;
    int size = text.size < 1024 ? (int)text.size : 1024;
    log_write(st->thread->server->log, LEVELS[level], "%.*s", size, (const char *)text.data);
}

struct script_host script_host_of(struct script_thread *st) {
    return (struct script_host){
        .context = st, .execute = execute, .tick = tick, .log = write_log, .may_run = may_run};
}

enum larder_status script_thread_load(struct script_thread *st, struct slice code,
                                      struct script_functions *out, struct reply *error) {
    struct script_interpreter *interpreter = script_thread_interpreter(st, true);
    out->allocator = st->thread->server->allocator;
    if (interpreter == NULL) {
        reply_error(error, "OOM not enough memory for the library");
        return LARDER_NO_MEMORY;
    }
    uint64_t began = atomic_load_explicit(&st->began_ns, memory_order_relaxed);
    atomic_store_explicit(&st->began_ns, clock_monotonic_ns(), memory_order_relaxed);
    st->is_loading = true;
    enum larder_status status = script_library_load(interpreter, code, out, error);
    st->is_loading = false;
    atomic_store_explicit(&st->began_ns, began, memory_order_relaxed);
    return status;
}
