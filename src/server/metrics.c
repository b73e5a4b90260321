/* SPDX-License-Identifier: BSD-3-Clause */
/* One function per group of metrics. Names are those of the usual exporter for Redis servers. */
#include "server/metrics.h"

#include "os/process.h"
#include "server/figures.h"
#include "server/observe.h"

static void gauge(struct text_buffer *out, const char *name, const char *help, double value) {
    metrics_describe(out, name, "gauge", help);
    text_buffer_format(out, "%s %.17g\n", name, value);
}

static void counter(struct text_buffer *out, const char *name, const char *help, uint64_t value) {
    metrics_describe(out, name, "counter", help);
    text_buffer_format(out, "%s %llu\n", name, (unsigned long long)value);
}

static void render_server(struct server *server, struct text_buffer *out) {
    double now_s = (double)clock_wall_us() / 1e6, started_s = (double)server->started_ms / 1e3;
    gauge(out, "redis_up", "Whether the server answers.", 1);
    metrics_describe(out, "redis_instance_info", "gauge", "What the server is.");
    text_buffer_format(out,
                       "redis_instance_info{redis_version=\"%s\",server_name=\"larder\","
                       "larder_version=\"%s\",redis_mode=\"standalone\",role=\"master\"} 1\n",
                       SERVER_REDIS_VERSION, LARDER_VERSION);
    gauge(out, "redis_start_time_seconds", "When the server was started.", started_s);
    gauge(out, "redis_uptime_in_seconds", "How long the server has been running.",
          now_s - started_s);
    gauge(out, "redis_threads", "Loop threads.", server->thread_count);
    struct process_cpu_times cpu;
    process_cpu_times(&cpu);
    metrics_describe(out, "redis_cpu_user_seconds_total", "counter", "User CPU time.");
    text_buffer_format(out, "redis_cpu_user_seconds_total %.6f\n", (double)cpu.user_us / 1e6);
    metrics_describe(out, "redis_cpu_sys_seconds_total", "counter", "System CPU time.");
    text_buffer_format(out, "redis_cpu_sys_seconds_total %.6f\n", (double)cpu.system_us / 1e6);
}

static void render_clients(struct server *server, struct text_buffer *out) {
    struct session_figures sessions;
    figures_sessions(server, &sessions);
    gauge(out, "redis_connected_clients", "Client connections.", sessions.count);
    gauge(out, "redis_blocked_clients", "Clients that wait for something.",
          sessions.paused + sessions.blocked);
    gauge(out, "redis_max_clients", "Limit on client connections.",
          atomic_load_explicit(&server->max_clients, memory_order_relaxed));
    gauge(out, "redis_client_recent_max_input_buffer_bytes", "Largest input buffer.",
          (double)sessions.largest_input);
    gauge(out, "redis_client_recent_max_output_buffer_bytes", "Largest output buffer.",
          (double)sessions.largest_output);
    gauge(out, "redis_mem_clients_normal", "Memory held by clients.",
          (double)sessions.memory_bytes);
    gauge(out, "redis_connected_slaves", "Replicas.", 0);
}

static void render_memory(struct server *server, struct text_buffer *out) {
    struct memory_figures m;
    figures_memory(server, &m);
    gauge(out, "redis_memory_used_bytes", "Memory that counts against maxmemory.",
          (double)m.used_bytes);
    gauge(out, "redis_memory_used_peak_bytes", "The most that was used.", (double)m.peak_bytes);
    gauge(out, "redis_memory_used_rss_bytes", "Resident memory of the process.",
          (double)m.resident_bytes);
    gauge(out, "redis_memory_used_dataset_bytes", "Live records and values.",
          (double)(m.live_bytes + m.blob_bytes));
    gauge(out, "redis_memory_used_overhead_bytes", "Used memory that is not data.",
          (double)m.used_bytes - (double)(m.live_bytes + m.blob_bytes));
    gauge(out, "redis_memory_max_bytes", "maxmemory; 0 is no limit.", (double)m.limit_bytes);
    gauge(out, "redis_mem_fragmentation_ratio", "Resident memory per used byte.",
          m.used_bytes > 0 ? (double)m.resident_bytes / (double)m.used_bytes : 0);
    gauge(out, "larder_log_bytes", "Segments of the logs.", (double)m.log_bytes);
    gauge(out, "larder_index_bytes", "Pages of the indexes.", (double)m.index_bytes);
}

static void render_counters(struct server *server, struct text_buffer *out) {
    static const struct {
        enum counter counter;
        const char *name, *help;
    } ROWS[] = {
        {COUNTER_COMMANDS, "redis_commands_processed_total", "Commands."},
        {COUNTER_CONNECTIONS, "redis_connections_received_total", "Connections accepted."},
        {COUNTER_CONNECTIONS_REJECTED, "redis_rejected_connections_total",
         "Connections refused: maxclients or protected mode."},
        {COUNTER_BYTES_RECEIVED, "redis_net_input_bytes_total", "Bytes received."},
        {COUNTER_BYTES_SENT, "redis_net_output_bytes_total", "Bytes sent."},
        {COUNTER_READS, "redis_total_reads_processed", "System calls that received bytes."},
        {COUNTER_WRITES, "redis_total_writes_processed", "System calls that sent bytes."},
        {COUNTER_HITS, "redis_keyspace_hits_total", "Reads that found their key."},
        {COUNTER_MISSES, "redis_keyspace_misses_total", "Reads that did not find their key."},
        {COUNTER_EXPIRED, "redis_expired_keys_total", "Keys deleted because their time was over."},
        {COUNTER_EVICTED, "redis_evicted_keys_total", "Keys deleted to stay within maxmemory."},
        {COUNTER_CLIENTS_EVICTED, "redis_evicted_clients_total",
         "Clients closed to stay within maxmemory-clients."},
        {COUNTER_ERROR_REPLIES, "redis_total_error_replies", "Error replies."},
        {COUNTER_PROTOCOL_ERRORS, "larder_protocol_errors_total", "Broken requests."},
        {COUNTER_RECORDS_MOVED, "larder_records_moved_total", "Records that the cleaner copied."},
    };
    struct counters counters;
    figures_counters(server, &counters);
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++)
        counter(out, ROWS[i].name, ROWS[i].help, counters.value[ROWS[i].counter]);
}

/* Error kinds are copied, so that nothing is formatted under the lock. */
static void render_observations(struct server *server, struct text_buffer *out) {
    struct error_kind errors[ERROR_KINDS_MAX];
    server_stats_lock(server);
    const struct observations *all = observations_of(server);
    size_t count = all->error_kind_count, slow = all->slow_log.length;
    uint64_t next_id = all->slow_log.next_id;
    memcpy(errors, all->errors, count * sizeof(errors[0]));
    server_stats_unlock(server);
    gauge(out, "redis_slowlog_length", "Entries of the slow log.", (double)slow);
    gauge(out, "redis_slowlog_last_id", "Number of its newest entry.",
          next_id > 0 ? (double)(next_id - 1) : 0);
    metrics_describe(out, "redis_errors_total", "counter", "Error replies by first word.");
    for (size_t i = 0; i < count; i++)
        text_buffer_format(out, "redis_errors_total{err=\"%s\"} %llu\n", errors[i].name,
                           (unsigned long long)errors[i].count);
}

static void render_databases(struct server *server, struct text_buffer *out) {
    static const struct {
        const char *name, *help;
    } ROWS[] = {{"redis_db_keys", "Keys."},
                {"redis_db_keys_expiring", "Keys that expire."},
                {"redis_db_avg_ttl_seconds", "Average time to live of keys that expire."}};
    int64_t now_ms = (int64_t)(clock_wall_us() / 1000);
    for (size_t row = 0; row < sizeof(ROWS) / sizeof(ROWS[0]); row++) {
        metrics_describe(out, ROWS[row].name, "gauge", ROWS[row].help);
        for (uint32_t i = 0; i < server->node->keyspace.database_count; i++) {
            struct database_figures d;
            figures_database(server, i, now_ms, &d);
            if (d.keys == 0 && i > 0)
                continue;
            double values[] = {(double)d.keys, (double)d.expiring, (double)d.average_ttl_ms / 1000};
            text_buffer_format(out, "%s{db=\"db%u\"} %.17g\n", ROWS[row].name, i, values[row]);
        }
    }
}

static void render_command_rows(struct server *server, struct text_buffer *out, const char *name,
                                int row) {
    for (int id = 0; id < COMMAND_COUNT; id++) {
        struct command_figures f;
        figures_command(server, (enum command_id)id, &f);
        if (f.calls + f.rejected == 0)
            continue;
        double values[] = {(double)f.calls, (double)f.ns / 1e9, (double)f.failed,
                           (double)f.rejected};
        text_buffer_format(out, "%s{cmd=\"%s\"} %.17g\n", name, command_table[id].name,
                           values[row]);
    }
}

static void render_commands(struct server *server, struct text_buffer *out) {
    static const struct {
        const char *name, *help;
    } ROWS[] = {
        {"redis_commands_total", "Calls of each command."},
        {"redis_commands_duration_seconds_total", "Time in calls of each command."},
        {"redis_commands_failed_calls_total", "Calls that were answered an error."},
        {"redis_commands_rejected_calls_total", "Calls refused before execution."},
    };
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        metrics_describe(out, ROWS[i].name, "counter", ROWS[i].help);
        render_command_rows(server, out, ROWS[i].name, (int)i);
    }
}

void metrics_render(void *context, struct text_buffer *out) {
    struct server *server = context;
    render_server(server, out);
    render_clients(server, out);
    render_memory(server, out);
    render_counters(server, out);
    render_observations(server, out);
    render_databases(server, out);
    render_commands(server, out);
}
