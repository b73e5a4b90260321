/* SPDX-License-Identifier: BSD-3-Clause */
/* INFO: stats, cpu, commandstats, errorstats, latencystats. */
#include "server/acl.h"
#include "server/info_sections.h"
#include "server/pubsub.h"
#include "server/script_run.h"

#include "os/process.h"
#include "server/figures.h"
#include "server/observe.h"
#include "server/tracking.h"

static void zeros(const struct info_context *info, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        info_number(info, names[i], 0);
}

#define ZEROS(info, ...)                                                                           \
    do {                                                                                           \
        static const char *const names[] = {__VA_ARGS__};                                          \
        zeros(info, names, sizeof(names) / sizeof(names[0]));                                      \
    } while (0)

static void append_traffic(const struct info_context *info, const uint64_t *value) {
    uint64_t rates[RATE_COUNT];
    server_stats_lock(info->server);
    for (int i = 0; i < RATE_COUNT; i++)
        rates[i] = observe_rate(info->server, (enum rate)i);
    server_stats_unlock(info->server);
    info_number(info, "total_connections_received", (int64_t)value[COUNTER_CONNECTIONS]);
    info_number(info, "total_commands_processed", (int64_t)value[COUNTER_COMMANDS]);
    info_number(info, "instantaneous_ops_per_sec", (int64_t)rates[RATE_COMMANDS]);
    info_number(info, "total_net_input_bytes", (int64_t)value[COUNTER_BYTES_RECEIVED]);
    info_number(info, "total_net_output_bytes", (int64_t)value[COUNTER_BYTES_SENT]);
    ZEROS(info, "total_net_repl_input_bytes", "total_net_repl_output_bytes");
    info_decimal(info, "instantaneous_input_kbps", (double)rates[RATE_BYTES_RECEIVED] / 1024);
    info_decimal(info, "instantaneous_output_kbps", (double)rates[RATE_BYTES_SENT] / 1024);
    info_decimal(info, "instantaneous_input_repl_kbps", 0);
    info_decimal(info, "instantaneous_output_repl_kbps", 0);
    info_number(info, "rejected_connections", (int64_t)value[COUNTER_CONNECTIONS_REJECTED]);
}

static void append_channels(const struct info_context *info) {
    info_number(info, "pubsub_channels",
                (int64_t)pubsub_channel_count(info->server, CHANNEL_PLAIN));
    info_number(info, "pubsub_patterns",
                (int64_t)pubsub_channel_count(info->server, CHANNEL_PATTERN));
    info_number(info, "pubsubshard_channels",
                (int64_t)pubsub_channel_count(info->server, CHANNEL_SHARD));
}

static void append_keys(const struct info_context *info, const uint64_t *value) {
    ZEROS(info, "sync_full", "sync_partial_ok", "sync_partial_err");
    info_number(info, "expired_keys", (int64_t)value[COUNTER_EXPIRED]);
    info_decimal(info, "expired_stale_perc", 0);
    ZEROS(info, "expired_time_cap_reached_count", "expire_cycle_cpu_milliseconds");
    info_number(info, "evicted_keys", (int64_t)value[COUNTER_EVICTED]);
    info_number(
        info, "lost_keyspace_events",
        (int64_t)atomic_load_explicit(&info->server->node->lost_events, memory_order_relaxed));
    info_number(info, "evicted_clients", (int64_t)value[COUNTER_CLIENTS_EVICTED]);
    struct script_figures scripts;
    script_figures(info->server, &scripts);
    info_number(info, "evicted_scripts", (int64_t)scripts.evictions);
    ZEROS(info, "total_eviction_exceeded_time", "current_eviction_exceeded_time");
    info_number(info, "keyspace_hits", (int64_t)value[COUNTER_HITS]);
    info_number(info, "keyspace_misses", (int64_t)value[COUNTER_MISSES]);
    append_channels(info);
    ZEROS(info, "latest_fork_usec", "total_forks", "migrate_cached_sockets",
          "slave_expires_tracked_keys", "active_defrag_hits", "active_defrag_misses",
          "active_defrag_key_hits", "active_defrag_key_misses", "total_active_defrag_time",
          "current_active_defrag_time");
    struct tracking_numbers tracking = tracking_numbers(info->server);
    info_number(info, "tracking_total_keys", (int64_t)tracking.keys);
    info_number(info, "tracking_total_items", (int64_t)tracking.items);
    info_number(info, "tracking_total_prefixes", (int64_t)tracking.prefixes);
}

void info_append_stats(const struct info_context *info) {
    struct counters counters;
    const uint64_t *value = counters.value;
    figures_counters(info->server, &counters);
    info_heading(info, "Stats");
    append_traffic(info, value);
    append_keys(info, value);
    info_number(info, "unexpected_error_replies", 0);
    info_number(info, "total_error_replies", (int64_t)value[COUNTER_ERROR_REPLIES]);
    info_number(info, "dump_payload_sanitizations", 0);
    info_number(info, "total_reads_processed", (int64_t)value[COUNTER_READS]);
    info_number(info, "total_writes_processed", (int64_t)value[COUNTER_WRITES]);
    ZEROS(info, "io_threaded_reads_processed", "io_threaded_writes_processed");
    info_number(info, "client_query_buffer_limit_disconnections",
                (int64_t)value[COUNTER_QUERY_LIMIT]);
    info_number(info, "client_output_buffer_limit_disconnections",
                (int64_t)value[COUNTER_OUTPUT_LIMIT]);
    info_number(info, "client_timeout_disconnections", (int64_t)value[COUNTER_TIMEOUTS]);
    ZEROS(info, "reply_buffer_shrinks", "reply_buffer_expands");
    info_number(info, "protocol_errors", (int64_t)value[COUNTER_PROTOCOL_ERRORS]);
    info_number(info, "records_moved", (int64_t)value[COUNTER_RECORDS_MOVED]);
    static const struct {
        const char *name;
        enum acl_reason reason;
    } DENIED[] = {
        {"acl_access_denied_auth", ACL_REASON_AUTH},
        {"acl_access_denied_cmd", ACL_REASON_COMMAND},
        {"acl_access_denied_key", ACL_REASON_KEY},
        {"acl_access_denied_channel", ACL_REASON_CHANNEL},
    };
    for (size_t i = 0; i < sizeof(DENIED) / sizeof(DENIED[0]); i++)
        info_number(info, DENIED[i].name,
                    (int64_t)atomic_load_explicit(&info->server->acl->denied[DENIED[i].reason],
                                                  memory_order_relaxed));
}

static void append_seconds(const struct info_context *info, const char *name, uint64_t us) {
    text_buffer_format(info->out, "%s:%llu.%06llu\r\n", name, (unsigned long long)(us / 1000000),
                       (unsigned long long)(us % 1000000));
}

void info_append_cpu(const struct info_context *info) {
    struct process_cpu_times process, thread;
    process_cpu_times(&process);
    process_thread_cpu_times(&thread);
    info_heading(info, "CPU");
    append_seconds(info, "used_cpu_sys", process.system_us);
    append_seconds(info, "used_cpu_user", process.user_us);
    append_seconds(info, "used_cpu_sys_children", process.children_system_us);
    append_seconds(info, "used_cpu_user_children", process.children_user_us);
    append_seconds(info, "used_cpu_sys_main_thread", thread.system_us);
    append_seconds(info, "used_cpu_user_main_thread", thread.user_us);
}

void info_append_command_statistics(const struct info_context *info) {
    info_heading(info, "Commandstats");
    for (int id = 0; id < COMMAND_COUNT; id++) {
        struct command_figures f;
        figures_command(info->server, (enum command_id)id, &f);
        if (f.calls + f.rejected == 0)
            continue;
        text_buffer_format(info->out,
                           "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,"
                           "rejected_calls=%llu,failed_calls=%llu\r\n",
                           command_table[id].name, (unsigned long long)f.calls,
                           (unsigned long long)(f.ns / 1000),
                           f.calls > 0 ? (double)f.ns / 1000 / (double)f.calls : 0,
                           (unsigned long long)f.rejected, (unsigned long long)f.failed);
    }
}

void info_append_error_statistics(const struct info_context *info) {
    struct server *server = info->server;
    info_heading(info, "Errorstats");
    server_stats_lock(server);
    const struct observations *all = observations_of(server);
    for (size_t i = 0; i < all->error_kind_count; i++)
        text_buffer_format(info->out, "errorstat_%s:count=%llu\r\n", all->errors[i].name,
                           (unsigned long long)all->errors[i].count);
    server_stats_unlock(server);
}

enum { PERCENTILES_MAX = 32 };

static size_t read_percentiles(struct server *server, double *out) {
    server_config_lock(server);
    const struct option_decimals *wanted = &server->config.latency_tracking_info_percentiles;
    size_t count = wanted->count < PERCENTILES_MAX ? wanted->count : PERCENTILES_MAX;
    for (size_t i = 0; i < count; i++)
        out[i] = wanted->items[i];
    server_config_unlock(server);
    return count;
}

void info_append_latency_statistics(const struct info_context *info) {
    double percentiles[PERCENTILES_MAX];
    size_t count = read_percentiles(info->server, percentiles);
    info_heading(info, "Latencystats");
    if (!atomic_load_explicit(&info->server->tracks_latency, memory_order_relaxed))
        return;
    for (int id = 0; id < COMMAND_COUNT; id++) {
        struct command_figures f;
        figures_command(info->server, (enum command_id)id, &f);
        if (f.calls == 0)
            continue;
        text_buffer_format(info->out, "latency_percentiles_usec_%s:", command_table[id].name);
        for (size_t i = 0; i < count; i++) {
            uint64_t ns = latency_percentile_ns(f.latency, LATENCY_BUCKETS, percentiles[i]);
            text_buffer_format(info->out, "%sp%.12g=%.3f", i == 0 ? "" : ",", percentiles[i],
                               (double)ns / 1000);
        }
        text_buffer_format(info->out, "\r\n");
    }
}
