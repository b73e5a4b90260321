/* SPDX-License-Identifier: BSD-3-Clause */
/* The pass of the loop that is under way stays where it is: what it works with (buffers, requests)
 * is put aside, and a pass within it serves the connections that it does not serve itself. */
#include "server/busy.h"

#include "server/script_run.h"

struct busy_batch {
    struct reply reply;
    struct request_arguments arguments;
    struct request *requests;
    size_t request_count, request_capacity;
    uint8_t *scratch;
};

static void put_aside(const struct server_thread *thread, struct busy_batch *out) {
    *out = (struct busy_batch){
        .reply = thread->reply,
        .arguments = thread->arguments,
        .requests = thread->requests,
        .request_count = thread->request_count,
        .request_capacity = thread->request_capacity,
        .scratch = thread->scratch,
    };
}

static void take_back(struct server_thread *thread, const struct busy_batch *batch) {
    thread->reply = batch->reply;
    thread->arguments = batch->arguments;
    thread->requests = batch->requests;
    thread->request_count = batch->request_count;
    thread->request_capacity = batch->request_capacity;
    thread->scratch = batch->scratch;
}

void busy_poll(struct server_thread *thread) {
    struct busy_batch outer;
    if (thread->is_busy)
        return;
    uint64_t command_began = thread->command_began;
    thread->is_busy = true;
    server_batch_let_go(thread);
    put_aside(thread, &outer);
    thread->requests = NULL;
    thread->request_count = thread->request_capacity = 0;
    if (server_thread_init_batch(thread) == LARDER_OK)
        loop_serve_meanwhile(&thread->loop);
    server_thread_finish_batch(thread);
    take_back(thread, &outer);
    thread->command_began = command_began;
    thread->is_busy = false;
}

void busy_stalled(struct server *server) {
    uint64_t self = os_thread_self();
    for (unsigned i = 0; i < server->thread_count; i++)
        if (atomic_load_explicit(&server->threads[i].loop.thread, memory_order_relaxed) == self)
            busy_poll(&server->threads[i]);
}

bool busy_allows(const struct command_spec *spec) {
    /* EXEC would begin a section within the one that is under way. */
    return spec->id != COMMAND_EXEC && (spec->flags & COMMAND_FLAG_ALLOW_BUSY) != 0;
}

/* Whether a session command looks at keys, so that it waits for scripts as a data command does. */
static bool looks_at_keys(const struct command_spec *spec) {
    return strcmp(spec->group, "generic") == 0 || spec->id == COMMAND_DBSIZE ||
           spec->id == COMMAND_FLUSHALL || spec->id == COMMAND_FLUSHDB ||
           spec->id == COMMAND_SWAPDB;
}

bool busy_has_slow_script(const struct server *server) {
    if (atomic_load_explicit(&server->node->busy_after_ms, memory_order_relaxed) <= 0)
        return false;
    for (unsigned i = 0; i < server->thread_count; i++)
        if (script_is_slow(server->threads[i].scripts))
            return true;
    return false;
}

static bool has_running_script(const struct server *server) {
    for (unsigned i = 0; i < server->thread_count; i++)
        if (script_is_running(server->threads[i].scripts))
            return true;
    return false;
}

bool busy_holds_up(const struct server *server, const struct command_spec *spec, bool may_wait) {
    if (session_commands[spec->id] == NULL || spec->id == COMMAND_TIME ||
        (spec->flags & COMMAND_FLAG_ALLOW_BUSY) != 0 ||
        (strcmp(spec->group, "generic") != 0 && strcmp(spec->group, "server") != 0))
        return false;
    if (!has_running_script(server))
        return false;
    return busy_has_slow_script(server) ||
           (may_wait && looks_at_keys(spec) && !node_await_scripts(server->node));
}

void busy_reply(struct reply *reply, bool is_function) {
    reply_error_format(reply,
                       "BUSY Redis is busy running a script. You can only call %s KILL or "
                       "SHUTDOWN NOSAVE.",
                       is_function ? "FUNCTION" : "SCRIPT");
}

void busy_refuse(const struct server_thread *thread, struct reply *reply) {
    const struct script_thread *scripts = thread->scripts;
    busy_reply(reply, script_is_running(scripts) &&
                          atomic_load_explicit(&scripts->state_is_function, memory_order_relaxed));
}
