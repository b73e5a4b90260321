/* SPDX-License-Identifier: BSD-3-Clause */
/* Creating a server in order, running it, and taking it down in the reverse order:
 *
 *   settings -> node -> observers -> threads {node thread, batch buffers, loop} -> listeners -> run
 *
 * The first thread's loop accepts for all; a new connection goes to the loop with the fewest. */
#include "server/server.h"

#include "os/file.h"
#include "os/process.h"
#include "server/acl.h"
#include "server/blocking.h"
#include "server/busy.h"
#include "server/listeners.h"
#include "server/notifications.h"
#include "server/observe.h"
#include "server/pubsub.h"
#include "server/renamed_commands.h"
#include "server/script_run.h"
#include "server/session.h"
#include "server/settings.h"
#include "server/tracking.h"

#include <stdio.h>
#include <stdlib.h>

enum { SWEEP_SHARE_PERCENT = 2 };

void server_config_lock(struct server *server) NO_THREAD_SAFETY {
    uint64_t self = os_thread_self();
    if (atomic_load_explicit(&server->config_owner, memory_order_relaxed) != self) {
        lock_acquire(&server->config_lock);
        atomic_store_explicit(&server->config_owner, self, memory_order_relaxed);
    }
    server->config_depth++;
}

bool server_config_try_lock(struct server *server) NO_THREAD_SAFETY {
    uint64_t self = os_thread_self();
    if (atomic_load_explicit(&server->config_owner, memory_order_relaxed) != self) {
        if (!lock_try_acquire(&server->config_lock))
            return false;
        atomic_store_explicit(&server->config_owner, self, memory_order_relaxed);
    }
    server->config_depth++;
    return true;
}

void server_config_unlock(struct server *server) NO_THREAD_SAFETY {
    if (--server->config_depth > 0)
        return;
    atomic_store_explicit(&server->config_owner, 0, memory_order_relaxed);
    lock_release(&server->config_lock);
}

void server_stats_lock(struct server *server) NO_THREAD_SAFETY {
    lock_acquire(&server->registry_lock);
}

void server_stats_unlock(struct server *server) NO_THREAD_SAFETY {
    lock_release(&server->registry_lock);
}

/* ---- a thread's part ---- */

static void read_clock(struct server_thread *thread) {
    thread->now_ms = (int64_t)(clock_wall_us() / 1000);
}

void server_thread_begin_pass(struct server_thread *thread) {
    read_clock(thread);
    node_thread_tick(&thread->node_thread, thread->now_ms);
}

/* Tell the latency monitor what took since `began`. */
static void note_event(struct server_thread *thread, enum latency_event event, uint64_t began) {
    uint64_t ns = cycle_clock_to_ns(&thread->cycles, cycle_clock_now(&thread->cycles) - began);
    observe_event(thread->server, event, ns / 1000);
}

void server_thread_check_memory(struct server_thread *thread, int64_t coming_bytes) {
    struct node *node = thread->server->node;
    thread->is_out_of_memory = false;
    thread->checked_limit_bytes =
        atomic_load_explicit(&node->max_memory_bytes, memory_order_relaxed);
    if (thread->checked_limit_bytes == 0)
        return;
    uint64_t began = cycle_clock_now(&thread->cycles);
    thread->is_out_of_memory = !node_make_room(&thread->node_thread, coming_bytes);
    note_event(thread, LATENCY_EVENT_EVICTION_CYCLE, began);
}

/* Expiry may take SWEEP_SHARE of a core, twice that at active-expire-effort 10; the threads share
 * it. */
static uint64_t sweep_budget_us(const struct server *server) {
    uint64_t effort = atomic_load_explicit(&server->expire_effort, memory_order_relaxed);
    uint64_t tick_us = 1000 * (uint64_t)atomic_load_explicit(&server->threads[0].loop.tick_ms,
                                                             memory_order_relaxed);
    uint64_t us = tick_us * SWEEP_SHARE_PERCENT / 100 * (8 + effort) / 9;
    return us / server->thread_count;
}

static void sweep(struct server_thread *thread) {
    uint64_t began = cycle_clock_now(&thread->cycles);
    node_sweep(&thread->node_thread, sweep_budget_us(thread->server));
    note_event(thread, LATENCY_EVENT_EXPIRE_CYCLE, began);
}

static void tick(struct loop *loop) {
    struct server_thread *thread = thread_of_loop(loop);
    read_clock(thread);
    node_thread_tick(&thread->node_thread, thread->now_ms);
    session_check_all(thread);
    sweep(thread);
    if (thread == &thread->server->threads[0]) {
        node_trim(thread->server->node);
        observe_tick(thread->server);
        notifications_tick(thread->server);
    }
}

static void end_pass(struct loop *loop) {
    struct server_thread *thread = thread_of_loop(loop);
    if (tracking_has_to_tell(thread))
        tracking_tell(thread);
    delivery_end_pass(thread);
}

static void wake(struct loop *loop) {
    struct server_thread *thread = thread_of_loop(loop);
    read_clock(thread);
    blocking_check(thread);
}

static void finish_thread(struct server_thread *thread) {
    loop_finish(&thread->loop);
    tracking_thread_finish(thread);
    delivery_thread_finish(thread);
    blocking_finish(thread);
    node_thread_finish(&thread->node_thread);
    server_thread_finish_batch(thread);
    allocator_release(thread->server->allocator, thread->statistics.commands,
                      COMMAND_COUNT * sizeof(*thread->statistics.commands));
}

static enum larder_status init_thread(struct server *server, unsigned index) {
    struct server_thread *thread = &server->threads[index];
    struct loop_handler handler = {
        .context = server,
        .connection_bytes = sizeof(struct session),
        .opened = session_opened,
        .batch = server_batch,
        .closing = session_closing,
        .tick = tick,
        .end_pass = end_pass,
        .wake = wake,
        .place = listeners_place,
    };
    thread->server = server;
    thread->cycles = server->cycles;
    thread->statistics.commands = allocator_allocate_zeroed(
        server->allocator, COMMAND_COUNT * sizeof(*thread->statistics.commands));
    if (thread->statistics.commands == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status = server_thread_init_batch(thread);
    if (status == LARDER_OK)
        status = delivery_thread_init(thread);
    if (status == LARDER_OK)
        status = node_thread_init(&thread->node_thread, server->node);
    if (status == LARDER_OK) {
        status = loop_init(&thread->loop, server->allocator, index, &handler);
        if (status != LARDER_OK)
            node_thread_finish(&thread->node_thread);
    }
    if (status != LARDER_OK) {
        delivery_thread_finish(thread);
        server_thread_finish_batch(thread);
        allocator_release(server->allocator, thread->statistics.commands,
                          COMMAND_COUNT * sizeof(*thread->statistics.commands));
        return status;
    }
    read_clock(thread);
    node_thread_tick(&thread->node_thread, thread->now_ms);
    return LARDER_OK;
}

/* ---- the server ---- */

static enum larder_status make_run_id(struct server *server) {
    uint8_t bytes[sizeof(server->run_id) / 2];
    enum larder_status status = secure_random_bytes(bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        (void)snprintf(server->run_id + 2 * i, 3, "%02x", bytes[i]);
    return status;
}

static void tell_stalled(void *context) {
    busy_stalled(context);
}

static enum larder_status create_node(struct server *server) {
    struct node_options options = {
        .allocator = server->allocator,
        .partition_count = (uint32_t)server->config.partitions,
        .database_count = (uint32_t)server->config.databases,
    };
    enum larder_status status = node_create(&options, &server->node);
    if (status == LARDER_OK) {
        server->node->listener.context = server;
        server->node->listener.served = blocking_served;
        server->node->listener.event = notifications_publish;
        server->node->listener.changed = tracking_changed;
        server->node->listener.flushed = tracking_flushed;
        server->node->listener.stalled = tell_stalled;
    }
    return status;
}

static enum larder_status create_threads(struct server *server) {
    unsigned count = (unsigned)server->config.threads;
    /* Threads are written to from different cores: each begins on a cache line of its own. */
    server->threads = aligned_alloc(64, ((count * sizeof(*server->threads)) + 63) / 64 * 64);
    if (server->threads == NULL)
        return LARDER_NO_MEMORY;
    memset(server->threads, 0, count * sizeof(*server->threads));
    for (; server->thread_count < count; server->thread_count++) {
        enum larder_status status = init_thread(server, server->thread_count);
        if (status != LARDER_OK)
            return status;
    }
    return LARDER_OK;
}

enum larder_status server_create(const struct server_options *options, struct server **out_server,
                                 struct error_text *error) {
    const struct allocator *a = options->allocator != NULL ? options->allocator : &ALLOCATOR_SYSTEM;
    struct server *server = allocator_allocate_zeroed(a, sizeof(*server));
    if (server == NULL)
        return LARDER_NO_MEMORY;
    server->allocator = a;
    server->log = options->log;
    server->log_file = options->log_file;
    server->executable = options->executable;
    server->config = *options->config;
    server->started_ms = (int64_t)(clock_wall_us() / 1000);
    cycle_clock_init(&server->cycles);
    (void)snprintf(server->unix_path, sizeof(server->unix_path), "%s",
                   option_text_or_empty(&server->config.unixsocket));
    enum larder_status status = make_run_id(server);
    if (status == LARDER_OK)
        status = create_node(server);
    if (status == LARDER_OK)
        status = observe_init(server);
    if (status == LARDER_OK)
        status = pubsub_create(server);
    if (status == LARDER_OK)
        status = create_threads(server);
    if (status == LARDER_OK)
        status = script_threads_init(server);
    if (status == LARDER_OK)
        status = renamed_commands_init(server, error);
    if (status == LARDER_OK)
        status = acl_create(server, error);
    if (status == LARDER_OK)
        status = tracking_create(server);
    if (status == LARDER_OK)
        status = settings_apply_all(server, error);
    if (status == LARDER_OK)
        status = listeners_open(server, error);
    if (status != LARDER_OK) {
        *options->config = server->config;
        server_destroy_parts(server);
        return status;
    }
    *out_server = server;
    return LARDER_OK;
}

static void run_loop(void *context) {
    struct server_thread *thread = context;
    loop_run(&thread->loop);
}

enum larder_status server_start(struct server *server) {
    for (unsigned i = 0; i < server->thread_count; i++) {
        char name[OS_THREAD_NAME_MAX + 8];
        (void)snprintf(name, sizeof(name), "larder-%u", i);
        struct os_thread_options options = {
            .run = run_loop,
            .context = &server->threads[i],
            .name = name,
            .core = OS_THREAD_ANY_CORE,
        };
        enum larder_status status = os_thread_start(&server->threads[i].os_thread, &options);
        if (status != LARDER_OK)
            return status;
        server->started_count++;
    }
    return LARDER_OK;
}

void server_stop(struct server *server) {
    for (unsigned i = 0; i < server->thread_count; i++)
        loop_stop(&server->threads[i].loop);
}

void server_request_shutdown(struct server *server) {
    if (server->shutdown_wakeup != NULL)
        wakeup_signal(server->shutdown_wakeup);
}

void server_join(struct server *server) {
    for (; server->started_count > 0; server->started_count--)
        os_thread_join(&server->threads[server->started_count - 1].os_thread);
}

void server_destroy_parts(struct server *server) {
    settings_finish(server);
    if (server->is_listening && server->unix_path[0] != '\0')
        (void)!file_unlink(server->unix_path, NULL);
    script_threads_finish(server);
    for (; server->thread_count > 0; server->thread_count--)
        finish_thread(&server->threads[server->thread_count - 1]);
    free(server->threads);
    tracking_destroy(server);
    acl_destroy(server);
    renamed_commands_finish(server);
    pubsub_destroy(server);
    observe_finish(server);
    node_destroy(server->node);
    tls_context_release(server->tls);
    allocator_release(server->allocator, server, sizeof(*server));
}

void server_destroy(struct server *server) {
    if (server == NULL)
        return;
    struct server_config config = server->config;
    server_destroy_parts(server);
    config_finish(&config);
}
