/* SPDX-License-Identifier: BSD-3-Clause */
/* INFO: persistence, replication, modules, cluster. Nothing is written to disk, there are no
 * replicas, modules or other members, and tools that read these fields are told so. */
#include "server/info_sections.h"

struct row {
    const char *name, *value;
};

static void append_rows(const struct info_context *info, const struct row *rows, size_t count) {
    for (size_t i = 0; i < count; i++)
        info_text(info, rows[i].name, rows[i].value);
}

void info_append_persistence(const struct info_context *info) {
    static const struct row BEFORE[] = {
        {"loading", "0"},
        {"async_loading", "0"},
        {"current_cow_peak", "0"},
        {"current_cow_size", "0"},
        {"current_cow_size_age", "0"},
        {"current_fork_perc", "0.00"},
        {"current_save_keys_processed", "0"},
        {"current_save_keys_total", "0"},
        {"rdb_changes_since_last_save", "0"},
        {"rdb_bgsave_in_progress", "0"},
    };
    static const struct row AFTER[] = {
        {"rdb_last_bgsave_status", "ok"},
        {"rdb_last_bgsave_time_sec", "-1"},
        {"rdb_current_bgsave_time_sec", "-1"},
        {"rdb_saves", "0"},
        {"rdb_last_cow_size", "0"},
        {"rdb_last_load_keys_expired", "0"},
        {"rdb_last_load_keys_loaded", "0"},
        {"aof_enabled", "0"},
        {"aof_rewrite_in_progress", "0"},
        {"aof_rewrite_scheduled", "0"},
        {"aof_last_rewrite_time_sec", "-1"},
        {"aof_current_rewrite_time_sec", "-1"},
        {"aof_last_bgrewrite_status", "ok"},
        {"aof_rewrites", "0"},
        {"aof_rewrites_consecutive_failures", "0"},
        {"aof_last_write_status", "ok"},
        {"aof_last_cow_size", "0"},
        {"module_fork_in_progress", "0"},
        {"module_fork_last_cow_size", "0"},
    };
    info_heading(info, "Persistence");
    append_rows(info, BEFORE, sizeof(BEFORE) / sizeof(BEFORE[0]));
    info_number(info, "rdb_last_save_time", info->server->started_ms / 1000);
    append_rows(info, AFTER, sizeof(AFTER) / sizeof(AFTER[0]));
}

void info_append_replication(const struct info_context *info) {
    static const struct row ROWS[] = {
        {"master_replid2", "0000000000000000000000000000000000000000"},
        {"master_repl_offset", "0"},
        {"second_repl_offset", "-1"},
        {"repl_backlog_active", "0"},
        {"repl_backlog_size", "1048576"},
        {"repl_backlog_first_byte_offset", "0"},
        {"repl_backlog_histlen", "0"},
    };
    info_heading(info, "Replication");
    info_text(info, "role", "master");
    info_number(info, "connected_slaves", 0);
    info_number(info, "replicas_waiting_psync", 0);
    info_text(info, "master_failover_state", "no-failover");
    info_text(info, "master_replid", info->server->run_id);
    append_rows(info, ROWS, sizeof(ROWS) / sizeof(ROWS[0]));
}

void info_append_modules(const struct info_context *info) {
    info_heading(info, "Modules");
}

void info_append_cluster(const struct info_context *info) {
    info_heading(info, "Cluster");
    info_number(info, "cluster_enabled", 0);
}
