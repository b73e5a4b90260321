/* SPDX-License-Identifier: BSD-3-Clause */
/* Adding up. Counters of threads are read relaxed: each figure is right, two of them may be of
 * slightly different moments. */
#include "server/figures.h"

#include "os/process.h"
#include "server/observe.h"
#include "store/partition.h"

static uint64_t load(const _Atomic uint64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* ---- counters ---- */

static void add_thread(const struct thread_statistics *s, uint64_t *value) {
    value[COUNTER_COMMANDS] += load(&s->commands_processed);
    value[COUNTER_READS] += load(&s->reads_processed);
    value[COUNTER_WRITES] += load(&s->writes_processed);
    value[COUNTER_ERROR_REPLIES] += load(&s->error_replies);
    value[COUNTER_PROTOCOL_ERRORS] += load(&s->protocol_errors);
}

void figures_traffic(const struct server *server, uint64_t *out_received, uint64_t *out_sent) {
    *out_received = server->totals.bytes_received;
    *out_sent = server->totals.bytes_sent;
    for (const struct session *s = server->sessions; s != NULL; s = s->registry_next) {
        *out_received += load(&s->net_received);
        *out_sent += load(&s->net_sent);
    }
}

/* Since the start. */
static void read_counters(struct server *server, struct counters *out) {
    *out = (struct counters){{0}};
    for (unsigned i = 0; i < server->thread_count; i++)
        add_thread(&server->threads[i].statistics, out->value);
    struct node_totals node = node_totals(server->node);
    out->value[COUNTER_HITS] = node.hits;
    out->value[COUNTER_MISSES] = node.misses;
    out->value[COUNTER_EXPIRED] = node.expired_keys;
    out->value[COUNTER_EVICTED] = node.evicted_keys;
    out->value[COUNTER_RECORDS_MOVED] = node.records_moved;
    server_stats_lock(server);
    struct server_totals totals = server->totals;
    figures_traffic(server, &out->value[COUNTER_BYTES_RECEIVED], &out->value[COUNTER_BYTES_SENT]);
    server_stats_unlock(server);
    out->value[COUNTER_CONNECTIONS] = totals.connections_received;
    out->value[COUNTER_CONNECTIONS_REJECTED] = totals.connections_rejected;
    out->value[COUNTER_OUTPUT_LIMIT] = totals.output_limit_disconnections;
    out->value[COUNTER_QUERY_LIMIT] = totals.query_limit_disconnections;
    out->value[COUNTER_TIMEOUTS] = totals.timeouts;
    out->value[COUNTER_CLIENTS_EVICTED] = totals.clients_evicted;
}

void figures_counters(struct server *server, struct counters *out) {
    read_counters(server, out);
    server_stats_lock(server);
    const struct counters *base = &observations_of(server)->base.counters;
    for (int i = 0; i < COUNTER_COUNT; i++)
        out->value[i] -= base->value[i];
    server_stats_unlock(server);
}

static void read_command(struct server *server, enum command_id id, struct command_figures *out) {
    *out = (struct command_figures){.calls = 0};
    for (unsigned t = 0; t < server->thread_count; t++) {
        const struct command_statistics *s = &server->threads[t].statistics.commands[id];
        out->calls += load(&s->calls);
        out->ns += load(&s->ns);
        out->rejected += load(&s->rejected);
        out->failed += load(&s->failed);
        for (int i = 0; i < LATENCY_BUCKETS; i++)
            out->latency[i] += load(&s->latency[i]);
    }
}

void figures_command(struct server *server, enum command_id id, struct command_figures *out) {
    read_command(server, id, out);
    server_stats_lock(server);
    const struct command_figures *base = observations_of(server)->base.commands;
    if (base != NULL) {
        out->calls -= base[id].calls;
        out->ns -= base[id].ns;
        out->rejected -= base[id].rejected;
        out->failed -= base[id].failed;
        for (int i = 0; i < LATENCY_BUCKETS; i++)
            out->latency[i] -= base[id].latency[i];
    }
    server_stats_unlock(server);
}

enum larder_status figures_reset(struct server *server) {
    size_t bytes = COMMAND_COUNT * sizeof(struct command_figures);
    struct command_figures *commands = allocator_allocate(server->allocator, bytes);
    if (commands == NULL)
        return LARDER_NO_MEMORY;
    struct counters counters;
    read_counters(server, &counters);
    for (int id = 0; id < COMMAND_COUNT; id++)
        read_command(server, (enum command_id)id, &commands[id]);
    server_stats_lock(server);
    struct observations *all = observations_of(server);
    struct command_figures *old = all->base.commands;
    all->base = (struct figures_base){counters, commands};
    all->error_kind_count = 0;
    all->has_too_many_errors = false;
    server_stats_unlock(server);
    allocator_release(server->allocator, old, bytes);
    return LARDER_OK;
}

/* ---- sessions ---- */

static void add_session(const struct session *s, struct session_figures *out) REQUIRES(STATS_LOCK) {
    uint32_t flags = atomic_load_explicit(&s->shown_flags, memory_order_relaxed);
    uint64_t input = load(&s->input_bytes), output = load(&s->output_bytes);
    out->count++;
    out->monitors += (flags & SESSION_MONITOR) != 0;
    out->subscribers += (flags & SESSION_SUBSCRIBER) != 0;
    out->paused += (flags & SESSION_PAUSED) != 0;
    out->blocked += (flags & SESSION_BLOCKED) != 0;
    out->blocked_for_some_time +=
        atomic_load_explicit(&s->waits_until_ms, memory_order_relaxed) != 0;
    uint32_t watched = atomic_load_explicit(&s->shown_watched, memory_order_relaxed);
    out->watching += watched > 0;
    out->watched_keys += watched;
    out->memory_bytes += sizeof(*s) + load(&s->memory_bytes);
    out->largest_input = input > out->largest_input ? input : out->largest_input;
    out->largest_output = output > out->largest_output ? output : out->largest_output;
}

void figures_sessions(struct server *server, struct session_figures *out) {
    *out = (struct session_figures){.count = 0};
    server_stats_lock(server);
    for (const struct session *s = server->sessions; s != NULL; s = s->registry_next)
        add_session(s, out);
    server_stats_unlock(server);
}

/* ---- memory and keys ---- */

void figures_memory(struct server *server, struct memory_figures *out) {
    struct node *node = server->node;
    *out = (struct memory_figures){
        .used_bytes = node_used_bytes(node),
        .peak_bytes = atomic_load_explicit(&node->peak_bytes, memory_order_relaxed),
        .limit_bytes = atomic_load_explicit(&node->max_memory_bytes, memory_order_relaxed),
        .resident_bytes = process_resident_bytes(),
        .peak_resident_bytes = process_peak_resident_bytes(),
    };
    if (out->peak_bytes < out->used_bytes)
        out->peak_bytes = out->used_bytes;
    for (uint32_t i = 0; i < node->keyspace.partition_count; i++) {
        partition_lock(node, i);
        struct partition_usage usage = partition_usage(keyspace_partition(&node->keyspace, i));
        partition_unlock(node, i);
        out->log_bytes += usage.log_bytes;
        out->live_bytes += usage.live_bytes;
        out->blob_bytes += usage.blob_bytes;
        out->index_bytes += usage.index_bytes;
        out->record_count += usage.record_count;
    }
    out->dataset_bytes = (int64_t)(out->live_bytes + out->blob_bytes);
    server_stats_lock(server);
    out->startup_bytes = observations_of(server)->startup_bytes;
    server_stats_unlock(server);
}

void figures_database(struct server *server, uint32_t database, int64_t now_ms,
                      struct database_figures *out) {
    struct node *node = server->node;
    uint64_t expiry_sum_s = 0;
    *out = (struct database_figures){.keys = 0};
    for (uint32_t i = 0; i < node->keyspace.partition_count; i++) {
        partition_lock(node, i);
        struct collection_count count = partition_count(
            keyspace_partition(&node->keyspace, i), keyspace_collection(&node->keyspace, database));
        partition_unlock(node, i);
        out->keys += count.keys;
        out->expiring += count.expiring;
        expiry_sum_s += count.expiry_sum_s;
    }
    if (out->expiring == 0)
        return;
    int64_t average_ms = (int64_t)(expiry_sum_s * 1000 / out->expiring) - now_ms;
    out->average_ttl_ms = average_ms > 0 ? (uint64_t)average_ms : 0;
}
