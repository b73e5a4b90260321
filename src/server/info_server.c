/* SPDX-License-Identifier: BSD-3-Clause */
/* INFO: server, clients, memory, keyspace. */
#include "server/info_sections.h"
#include "server/script_run.h"

#include "os/process.h"
#include "server/delivery.h"
#include "server/figures.h"
#include "server/info.h"
#include "server/observe.h"
#include "server/settings.h"
#include "server/tracking.h"

#include <stdio.h>

/* What the configuration says, copied while it is locked. */
struct shown_config {
    int64_t port, tls_port, hz;
    char policy[32];
    char supervised[32];
    char path[1024];
    char zone[256];
};

static void copy_text(const struct option_text *text, char *out, size_t size) {
    (void)snprintf(out, size, "%s", option_text_or_empty(text));
}

/* An option as CONFIG GET shows it. */
static void copy_option(const struct server_config *config, const char *name,
                        const struct allocator *allocator, char *out, size_t size) {
    struct option_output text = {.allocator = allocator};
    bool is_known = config_format(config, slice_of_string(name), &text);
    (void)snprintf(out, size, "%s", is_known && text.data != NULL ? text.data : "");
    option_output_release(&text);
}

static void read_config(struct server *server, struct shown_config *out) {
    server_config_lock(server);
    const struct server_config *config = &server->config;
    out->port = config->port;
    out->tls_port = config->tls_port;
    out->hz = config->hz;
    copy_text(&config->path, out->path, sizeof(out->path));
    copy_text(&config->availability_zone, out->zone, sizeof(out->zone));
    copy_option(config, "maxmemory-policy", server->allocator, out->policy, sizeof(out->policy));
    copy_option(config, "supervised", server->allocator, out->supervised, sizeof(out->supervised));
    server_config_unlock(server);
}

static void append_listeners(const struct info_context *info, const struct shown_config *config) {
    unsigned count = 0;
    if (config->port != 0)
        text_buffer_format(info->out, "listener%u:name=tcp,port=%lld\r\n", count++,
                           (long long)config->port);
    if (info->server->unix_path[0] != '\0')
        text_buffer_format(info->out, "listener%u:name=unix,bind=%s\r\n", count++,
                           info->server->unix_path);
    if (config->tls_port != 0)
        text_buffer_format(info->out, "listener%u:name=tls,port=%lld\r\n", count,
                           (long long)config->tls_port);
}

void info_append_server(const struct info_context *info) {
    struct server *server = info->server;
    struct shown_config config;
    struct machine_description machine;
    char build_id[80];
    read_config(server, &config);
    machine_describe(&machine);
    process_build_id(build_id, sizeof(build_id));
    uint64_t now_us = clock_wall_us();
    int64_t uptime_s = (info->now_ms - server->started_ms) / 1000;
    info_heading(info, "Server");
    info_text(info, "redis_version", SERVER_REDIS_VERSION);
    info_text(info, "server_name", "larder");
    info_text(info, "larder_version", LARDER_VERSION);
    info_text(info, "redis_git_sha1", "00000000");
    info_number(info, "redis_git_dirty", 0);
    info_text(info, "redis_build_id", build_id);
    info_text(info, "redis_mode", "standalone");
    info_text(info, "server_mode", "standalone");
    text_buffer_format(info->out, "os:%s %s %s\r\n", machine.system, machine.release,
                       machine.architecture);
    info_number(info, "arch_bits", 8 * (int64_t)sizeof(void *));
    info_text(info, "monotonic_clock",
              server->cycles.is_counter ? "X86 TSC" : "POSIX clock_gettime");
    info_text(info, "multiplexing_api", "epoll");
    info_text(info, "atomicvar_api", "c11-builtin");
    info_text(info, "gcc_version", __VERSION__);
    info_number(info, "process_id", process_id());
    info_text(info, "process_supervised", config.supervised);
    info_text(info, "run_id", server->run_id);
    info_number(info, "tcp_port", config.port != 0 ? config.port : config.tls_port);
    info_number(info, "server_time_usec", (int64_t)now_us);
    info_number(info, "uptime_in_seconds", uptime_s);
    info_number(info, "uptime_in_days", uptime_s / 86400);
    info_number(info, "hz", config.hz);
    info_number(info, "configured_hz", config.hz);
    info_number(info, "clients_hz", config.hz);
    info_number(info, "lru_clock", (int64_t)(now_us / 1000000 % (1 << 24)));
    info_text(info, "executable", server->executable != NULL ? server->executable : "");
    info_text(info, "config_file", config.path);
    info_number(info, "io_threads_active", server->thread_count > 1);
    info_number(info, "threads", server->thread_count);
    info_number(info, "partitions", server->node->keyspace.partition_count);
    info_text(info, "availability_zone", config.zone);
    append_listeners(info, &config);
}

static void append_pause(const struct info_context *info) {
    static const char *const ACTIONS[] = {
        [PAUSE_OFF] = "none", [PAUSE_WRITES] = "write", [PAUSE_ALL] = "all"};
    struct server *server = info->server;
    uint32_t mode = atomic_load_explicit(&server->pause_mode, memory_order_relaxed);
    int64_t left_ms =
        atomic_load_explicit(&server->pause_until_ms, memory_order_relaxed) - info->now_ms;
    if (left_ms <= 0)
        mode = PAUSE_OFF;
    info_text(info, "paused_reason", mode == PAUSE_OFF ? "none" : "client_pause");
    info_text(info, "paused_actions", ACTIONS[mode]);
    info_number(info, "paused_timeout_milliseconds", mode == PAUSE_OFF ? 0 : left_ms);
}

void info_append_clients(const struct info_context *info) {
    struct session_figures sessions;
    figures_sessions(info->server, &sessions);
    info_heading(info, "Clients");
    info_number(info, "connected_clients", sessions.count);
    info_number(info, "cluster_connections", 0);
    info_number(info, "maxclients",
                atomic_load_explicit(&info->server->max_clients, memory_order_relaxed));
    info_number(info, "client_recent_max_input_buffer", (int64_t)sessions.largest_input);
    info_number(info, "client_recent_max_output_buffer", (int64_t)sessions.largest_output);
    info_number(info, "blocked_clients", sessions.blocked);
    info_number(info, "tracking_clients", (int64_t)tracking_numbers(info->server).clients);
    info_number(info, "pubsub_clients", sessions.subscribers);
    info_number(info, "watching_clients", sessions.watching);
    info_number(info, "clients_in_timeout_table", sessions.blocked_for_some_time);
    info_number(info, "total_watched_keys", (int64_t)sessions.watched_keys);
    const struct node *node = info->server->node;
    info_number(info, "total_blocking_keys",
                atomic_load_explicit(&node->awaited_keys, memory_order_relaxed));
    info_number(info, "total_blocking_keys_on_nokey",
                atomic_load_explicit(&node->awaited_group_keys, memory_order_relaxed));
    info_number(info, "monitor_clients", sessions.monitors);
    info_number(info, "paused_clients", sessions.paused);
    append_pause(info);
}

/* ---- memory ---- */

static void size_fields(const struct info_context *info, const char *name, uint64_t bytes) {
    info_number(info, name, (int64_t)bytes);
    text_buffer_format(info->out, "%s_human:%s\r\n", name, info_size(bytes).text);
}

static double ratio(double a, double b) {
    return b > 0 ? a / b : 0;
}

static void append_used(const struct info_context *info, const struct memory_figures *m) {
    double used = (double)m->used_bytes, dataset = (double)m->dataset_bytes;
    size_fields(info, "used_memory", (uint64_t)m->used_bytes);
    size_fields(info, "used_memory_rss", m->resident_bytes);
    size_fields(info, "used_memory_peak", (uint64_t)m->peak_bytes);
    text_buffer_format(info->out, "used_memory_peak_perc:%.2f%%\r\n",
                       100 * ratio(used, (double)m->peak_bytes));
    info_number(info, "used_memory_overhead", m->used_bytes - m->dataset_bytes);
    info_number(info, "used_memory_startup", m->startup_bytes);
    info_number(info, "used_memory_dataset", m->dataset_bytes);
    text_buffer_format(info->out, "used_memory_dataset_perc:%.2f%%\r\n",
                       100 * ratio(dataset, used - (double)m->startup_bytes));
}

static void append_scripts(const struct info_context *info) {
    struct script_figures f;
    script_figures(info->server, &f);
    uint64_t machines = f.eval_bytes + f.function_bytes;
    size_fields(info, "used_memory_lua", f.eval_bytes);
    info_number(info, "used_memory_vm_eval", (int64_t)f.eval_bytes);
    info_number(info, "used_memory_scripts_eval", (int64_t)f.script_bytes);
    info_number(info, "number_of_cached_scripts", (int64_t)f.script_count);
    info_number(info, "number_of_functions", (int64_t)f.function_count);
    info_number(info, "number_of_libraries", (int64_t)f.library_count);
    info_number(info, "used_memory_vm_functions", (int64_t)f.function_bytes);
    size_fields(info, "used_memory_vm_total", machines);
    info_number(info, "used_memory_functions", (int64_t)f.library_bytes);
    size_fields(info, "used_memory_scripts", f.script_bytes + f.library_bytes);
}

static void append_allocator(const struct info_context *info, const struct memory_figures *m) {
    double used = (double)m->used_bytes, resident = (double)m->resident_bytes;
    info_decimal(info, "allocator_frag_ratio", 1);
    info_number(info, "allocator_frag_bytes", 0);
    info_decimal(info, "allocator_rss_ratio", ratio(resident, used));
    info_number(info, "allocator_rss_bytes", (int64_t)m->resident_bytes - m->used_bytes);
    info_decimal(info, "rss_overhead_ratio", 1);
    info_number(info, "rss_overhead_bytes", 0);
    info_decimal(info, "mem_fragmentation_ratio", ratio(resident, used));
    info_number(info, "mem_fragmentation_bytes", (int64_t)m->resident_bytes - m->used_bytes);
}

static void append_parts(const struct info_context *info, const struct memory_figures *m) {
    info_number(info, "mem_log_segments", (int64_t)m->log_bytes);
    info_number(info, "mem_log_live", (int64_t)m->live_bytes);
    info_number(info, "mem_large_values", (int64_t)m->blob_bytes);
    info_number(info, "mem_index", (int64_t)m->index_bytes);
}

void info_append_memory(const struct info_context *info) {
    struct memory_figures m;
    struct session_figures sessions;
    struct shown_config config;
    struct machine_description machine;
    figures_memory(info->server, &m);
    figures_sessions(info->server, &sessions);
    read_config(info->server, &config);
    machine_describe(&machine);
    info_heading(info, "Memory");
    append_used(info, &m);
    info_number(info, "allocator_allocated", m.used_bytes);
    info_number(info, "allocator_active", m.used_bytes);
    info_number(info, "allocator_resident", (int64_t)m.resident_bytes);
    info_number(info, "allocator_muzzy", 0);
    size_fields(info, "total_system_memory", machine.memory_bytes);
    append_scripts(info);
    size_fields(info, "maxmemory", (uint64_t)m.limit_bytes);
    info_text(info, "maxmemory_policy", config.policy);
    append_allocator(info, &m);
    info_number(info, "mem_not_counted_for_evict", 0);
    info_number(info, "mem_replication_backlog", 0);
    info_number(info, "mem_total_replication_buffers", 0);
    info_number(info, "mem_clients_slaves", 0);
    info_number(info, "mem_clients_normal",
                (int64_t)sessions.memory_bytes + delivery_bytes(info->server));
    info_number(info, "mem_cluster_links", 0);
    info_number(info, "mem_aof_buffer", 0);
    info_text(info, "mem_allocator", "log-structured");
    append_parts(info, &m);
    info_number(info, "active_defrag_running", 0);
    info_number(info, "lazyfree_pending_objects", 0);
    info_number(info, "lazyfreed_objects", 0);
}

void info_append_keyspace(const struct info_context *info) {
    info_heading(info, "Keyspace");
    for (uint32_t i = 0; i < info->server->node->keyspace.database_count; i++) {
        struct database_figures d;
        figures_database(info->server, i, info->now_ms, &d);
        if (d.keys > 0)
            text_buffer_format(info->out, "db%u:keys=%llu,expires=%llu,avg_ttl=%llu\r\n", i,
                               (unsigned long long)d.keys, (unsigned long long)d.expiring,
                               (unsigned long long)d.average_ttl_ms);
    }
}
