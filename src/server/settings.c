/* SPDX-License-Identifier: BSD-3-Clause */
/* Each group of settings has one function that makes the values in the configuration true; it
 * serves the start and, as a hook, CONFIG SET. A hook that fails leaves things as they were. */
#include "server/settings.h"

#include "os/file.h"
#include "server/acl.h"
#include "server/listeners.h"
#include "server/log_file.h"
#include "server/metrics.h"
#include "server/metrics_http.h"
#include "server/notifications.h"
#include "server/tracking.h"

#define STORE(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)

static uint32_t policy_of(int policy) {
    switch ((enum config_maxmemory_policy)policy) {
    case CONFIG_NOEVICTION: return EVICTION_NONE;
    case CONFIG_ALLKEYS_LRU: return EVICTION_ALLKEYS_LRU;
    case CONFIG_ALLKEYS_LFU: return EVICTION_ALLKEYS_LFU;
    case CONFIG_ALLKEYS_RANDOM: return EVICTION_ALLKEYS_RANDOM;
    case CONFIG_ALLKEYS_S3FIFO: return EVICTION_ALLKEYS_S3FIFO;
    case CONFIG_VOLATILE_LRU: return EVICTION_VOLATILE_LRU;
    case CONFIG_VOLATILE_LFU: return EVICTION_VOLATILE_LFU;
    case CONFIG_VOLATILE_RANDOM: return EVICTION_VOLATILE_RANDOM;
    case CONFIG_VOLATILE_TTL: return EVICTION_VOLATILE_TTL;
    case CONFIG_VOLATILE_S3FIFO: return EVICTION_VOLATILE_S3FIFO;
    }
    return EVICTION_NONE;
}

static bool apply_memory(void *context, const struct server_config *config,
                         const char **out_reason) {
    (void)out_reason;
    struct server *server = context;
    struct node *node = server->node;
    STORE(node->keyspace.policy, policy_of(config->maxmemory_policy));
    STORE(node->keyspace.lfu_log_factor, (int32_t)config->lfu_log_factor);
    STORE(node->keyspace.lfu_decay_min, (int32_t)config->lfu_decay_time_min);
    STORE(node->keyspace.samples, (int32_t)config->maxmemory_samples);
    STORE(node->max_memory_bytes, config->maxmemory_bytes);
    int64_t clients = config->maxmemory_clients_bytes;
    STORE(server->clients_memory_limit,
          clients >= 0 ? clients : config->maxmemory_bytes / 100 * -clients);
    return true;
}

static void apply_output_limit(struct output_limit *limit, const int64_t *items) {
    STORE(limit->hard_bytes, (uint64_t)items[0]);
    STORE(limit->soft_bytes, (uint64_t)items[1]);
    STORE(limit->soft_s, (uint32_t)items[2]);
}

static bool apply_scripts(void *context, const struct server_config *config,
                          const char **out_reason) {
    (void)out_reason;
    struct server *server = context;
    STORE(server->node->busy_after_ms, config->busy_reply_threshold_ms);
    STORE(server->script_memory_limit, config->lua_memory_limit_bytes);
    STORE(server->flushes_lazily, config->lazyfree_lazy_user_flush);
    STORE(server->node->keyspace.compresses_dumps, config->rdbcompression);
    return true;
}

static bool apply_limits(void *context, const struct server_config *config,
                         const char **out_reason) {
    (void)out_reason;
    struct server *server = context;
    const int64_t *limits = config->client_output_buffer_limit.items;
    STORE(server->max_clients, (uint32_t)config->maxclients);
    STORE(server->query_buffer_limit, (uint64_t)config->client_query_buffer_limit_bytes);
    STORE(server->node->max_value_bytes, config->proto_max_bulk_len_bytes);
    apply_output_limit(&server->output_limits[0], limits + 3 * (size_t)CONFIG_CLIENT_NORMAL);
    apply_output_limit(&server->output_limits[1], limits + 3 * (size_t)CONFIG_CLIENT_PUBSUB);
    STORE(server->idle_timeout_s, (uint32_t)config->timeout_s);
    STORE(server->keepalive_s, (uint32_t)config->tcp_keepalive_s);
    return true;
}

static bool apply_containers(void *context, const struct server_config *config,
                             const char **out_reason) {
    (void)out_reason;
    struct server *server = context;
    struct object_limits *limits = &server->node->keyspace.limits;
    STORE(limits->list_size, config->list_max_listpack_size);
    STORE(limits->hash_entries, config->hash_max_listpack_entries);
    STORE(limits->hash_value_bytes, config->hash_max_listpack_value_bytes);
    STORE(limits->sorted_set_entries, config->zset_max_listpack_entries);
    STORE(limits->sorted_set_value_bytes, config->zset_max_listpack_value_bytes);
    STORE(limits->set_integer_entries, config->set_max_intset_entries);
    STORE(limits->set_entries, config->set_max_listpack_entries);
    STORE(limits->set_value_bytes, config->set_max_listpack_value_bytes);
    STORE(limits->hyperloglog_sparse_bytes, config->hll_sparse_max_bytes);
    STORE(limits->stream_node_bytes, config->stream_node_max_bytes);
    STORE(limits->stream_node_entries, config->stream_node_max_entries);
    return true;
}

static bool apply_observers(void *context, const struct server_config *config,
                            const char **out_reason) {
    (void)out_reason;
    struct server *server = context;
    STORE(server->slow_log_threshold_us, config->slowlog_log_slower_than_us);
    STORE(server->slow_log_max, (uint32_t)config->slowlog_max_len);
    STORE(server->latency_threshold_ms, config->latency_monitor_threshold_ms);
    STORE(server->tracks_latency, config->latency_tracking);
    STORE(server->expire_effort, (uint32_t)config->active_expire_effort);
    return true;
}

static bool apply_events(void *context, const struct server_config *config,
                         const char **out_reason) {
    (void)out_reason;
    notifications_set(context, (uint32_t)config->notify_keyspace_events);
    return true;
}

static bool apply_access(void *context, const struct server_config *config,
                         const char **out_reason) {
    (void)out_reason;
    struct server *server = context;
    STORE(server->acl->log_max, (size_t)config->acllog_max_len);
    tracking_set_limit(server, (uint64_t)config->tracking_table_max_keys);
    STORE(server->protected_mode, config->protected_mode);
    return true;
}

static bool apply_password(void *context, const struct server_config *config,
                           const char **out_reason) NO_THREAD_SAFETY {
    if (acl_set_default_password(context, option_text_slice(&config->requirepass)) == LARDER_OK)
        return true;
    *out_reason = "not enough memory";
    return false;
}

static bool apply_log(void *context, const struct server_config *config, const char **out_reason) {
    (void)out_reason;
    struct server *server = context;
    log_set_level(server->log, (enum log_level)config->loglevel);
    log_file_set_format(server->log_file, config->log_format == CONFIG_LOG_LOGFMT
                                              ? LOG_FORMAT_LOGFMT
                                              : LOG_FORMAT_TEXT);
    return true;
}

static bool apply_loops(void *context, const struct server_config *config,
                        const char **out_reason) {
    (void)out_reason;
    struct server *server = context;
    for (unsigned i = 0; i < server->thread_count; i++) {
        struct loop *loop = &server->threads[i].loop;
        STORE(loop->tick_ms, (uint32_t)(1000 / config->hz));
        STORE(loop->accepts_per_pass, (uint32_t)config->max_new_connections_per_cycle);
        STORE(loop->tls_accepts_per_pass, (uint32_t)config->max_new_tls_connections_per_cycle);
    }
    return true;
}

static bool apply_directory(void *context, const struct server_config *config,
                            const char **out_reason) {
    struct server *server = context;
    struct error_text error = {{0}};
    if (directory_enter(option_text_or_empty(&config->dir), &error) == LARDER_OK)
        return true;
    log_write(server->log, LOG_LEVEL_WARNING, "CONFIG SET dir: %s", error.text);
    *out_reason = "can't change to that directory";
    return false;
}

/* ---- TLS ---- */

static enum larder_status create_tls(const struct server *server,
                                     const struct server_config *config,
                                     struct tls_context **out_context, struct error_text *error) {
    *out_context = NULL;
    if (config->tls_port == 0)
        return LARDER_OK;
    static const enum tls_client_auth AUTH[] = {
        [CONFIG_TLS_AUTH_NO] = TLS_CLIENT_AUTH_NONE,
        [CONFIG_TLS_AUTH_YES] = TLS_CLIENT_AUTH_REQUIRED,
        [CONFIG_TLS_AUTH_OPTIONAL] = TLS_CLIENT_AUTH_OPTIONAL,
    };
    struct tls_options options = {
        .role = TLS_SERVER,
        .certificate_file = option_text_or_empty(&config->tls_cert_file),
        .key_file = option_text_or_empty(&config->tls_key_file),
        .key_password = option_text_or_empty(&config->tls_key_file_pass),
        .ca_file = option_text_or_empty(&config->tls_ca_cert_file),
        .ca_directory = option_text_or_empty(&config->tls_ca_cert_dir),
        .dh_params_file = option_text_or_empty(&config->tls_dh_params_file),
        .client_auth = AUTH[config->tls_auth_clients],
        .protocols = option_text_or_empty(&config->tls_protocols),
        .ciphers = option_text_or_empty(&config->tls_ciphers),
        .ciphersuites = option_text_or_empty(&config->tls_ciphersuites),
        .prefer_server_ciphers = config->tls_prefer_server_ciphers,
        .disable_session_caching = !config->tls_session_caching,
        .session_cache_size = (uint32_t)config->tls_session_cache_size,
        .session_cache_timeout = (uint32_t)config->tls_session_cache_timeout_s,
    };
    return tls_context_create(&options, server->allocator, out_context, error);
}

static enum larder_status use_tls(struct server *server, const struct server_config *config,
                                  struct error_text *error) {
    struct tls_context *fresh;
    enum larder_status status = create_tls(server, config, &fresh, error);
    if (status != LARDER_OK)
        return status;
    server_stats_lock(server);
    struct tls_context *old = server->tls;
    server->tls = fresh;
    server_stats_unlock(server);
    tls_context_release(old);
    return LARDER_OK;
}

static bool apply_tls(void *context, const struct server_config *config, const char **out_reason) {
    struct server *server = context;
    struct error_text error = {{0}};
    if (use_tls(server, config, &error) == LARDER_OK)
        return true;
    log_write(server->log, LOG_LEVEL_WARNING, "TLS settings are unusable: %s", error.text);
    *out_reason = "Unable to update TLS configuration. Check server logs.";
    return false;
}

enum larder_status settings_reload_tls(struct server *server, struct error_text *error) {
    return use_tls(server, &server->config, error);
}

/* ---- listeners ---- */

static bool apply_listeners(void *context, const struct server_config *config,
                            const char **out_reason) {
    (void)config;
    struct server *server = context;
    struct error_text error = {{0}};
    if (!server->is_listening || listeners_reopen(server, &error) == LARDER_OK)
        return true;
    log_write(server->log, LOG_LEVEL_WARNING, "Can't listen: %s", error.text);
    *out_reason = "Unable to listen on this port. Check server logs.";
    return false;
}

/* ---- metrics ---- */

static enum larder_status start_metrics(struct server *server, const struct server_config *config,
                                        struct error_text *error) {
    if (config->metrics_port == 0)
        return LARDER_OK;
    struct metrics_http_options options = {
        .address = option_text_or_empty(&config->metrics_bind),
        .port = (uint16_t)config->metrics_port,
        .render = metrics_render,
        .context = server,
    };
    return metrics_http_start(&options, server->allocator, &server->metrics, error);
}

/* ---- all ---- */

static const struct {
    const char *name;
    config_apply_fn *apply;
} HOOKS[] = {
    {"maxmemory", apply_memory},
    {"busy-reply-threshold", apply_scripts},
    {"lua-memory-limit", apply_scripts},
    {"lazyfree-lazy-user-flush", apply_scripts},
    {"rdbcompression", apply_scripts},
    {"maxmemory-policy", apply_memory},
    {"maxmemory-samples", apply_memory},
    {"maxmemory-clients", apply_memory},
    {"lfu-log-factor", apply_memory},
    {"lfu-decay-time", apply_memory},
    {"maxclients", apply_limits},
    {"timeout", apply_limits},
    {"tcp-keepalive", apply_limits},
    {"client-query-buffer-limit", apply_limits},
    {"client-output-buffer-limit", apply_limits},
    {"proto-max-bulk-len", apply_limits},
    {"slowlog-log-slower-than", apply_observers},
    {"slowlog-max-len", apply_observers},
    {"latency-monitor-threshold", apply_observers},
    {"latency-tracking", apply_observers},
    {"active-expire-effort", apply_observers},
    {"list-max-listpack-size", apply_containers},
    {"hash-max-listpack-entries", apply_containers},
    {"hash-max-listpack-value", apply_containers},
    {"zset-max-listpack-entries", apply_containers},
    {"zset-max-listpack-value", apply_containers},
    {"set-max-intset-entries", apply_containers},
    {"set-max-listpack-entries", apply_containers},
    {"set-max-listpack-value", apply_containers},
    {"hll-sparse-max-bytes", apply_containers},
    {"stream-node-max-bytes", apply_containers},
    {"stream-node-max-entries", apply_containers},
    {"notify-keyspace-events", apply_events},
    {"acllog-max-len", apply_access},
    {"tracking-table-max-keys", apply_access},
    {"protected-mode", apply_access},
    {"loglevel", apply_log},
    {"log-format", apply_log},
    {"tls-port", apply_tls},
    {"tls-cert-file", apply_tls},
    {"tls-key-file", apply_tls},
    {"tls-key-file-pass", apply_tls},
    {"tls-ca-cert-file", apply_tls},
    {"tls-ca-cert-dir", apply_tls},
    {"tls-dh-params-file", apply_tls},
    {"tls-auth-clients", apply_tls},
    {"tls-protocols", apply_tls},
    {"tls-ciphers", apply_tls},
    {"tls-ciphersuites", apply_tls},
    {"tls-prefer-server-ciphers", apply_tls},
    {"tls-session-caching", apply_tls},
    {"tls-session-cache-size", apply_tls},
    {"tls-session-cache-timeout", apply_tls},
    {"bind", apply_listeners},
    {"port", apply_listeners},
    {"tls-port", apply_listeners},
    {"hz", apply_loops},
    {"max-new-connections-per-cycle", apply_loops},
    {"max-new-tls-connections-per-cycle", apply_loops},
    {"dir", apply_directory},
    /* The last: a change that another hook refuses must not touch the users. */
    {"requirepass", apply_password},
};

enum larder_status settings_apply_all(struct server *server, struct error_text *error) {
    const char *reason = NULL;
    (void)apply_memory(server, &server->config, &reason);
    (void)apply_scripts(server, &server->config, &reason);
    (void)apply_limits(server, &server->config, &reason);
    (void)apply_observers(server, &server->config, &reason);
    (void)apply_containers(server, &server->config, &reason);
    (void)apply_events(server, &server->config, &reason);
    (void)apply_access(server, &server->config, &reason);
    (void)apply_log(server, &server->config, &reason);
    (void)apply_loops(server, &server->config, &reason);
    enum larder_status status = use_tls(server, &server->config, error);
    if (status == LARDER_OK)
        status = start_metrics(server, &server->config, error);
    for (size_t i = 0; i < sizeof(HOOKS) / sizeof(HOOKS[0]) && status == LARDER_OK; i++)
        status = config_on_apply(&server->config, HOOKS[i].name, HOOKS[i].apply, server);
    return status;
}

void settings_finish(struct server *server) {
    metrics_http_stop(server->metrics);
    server->metrics = NULL;
}
