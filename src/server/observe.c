/* SPDX-License-Identifier: BSD-3-Clause */
/* Everything observed lies in one block under STATS_LOCK; what is expensive (copying arguments,
 * formatting lines, freeing) happens outside of it. */
#include "server/observe.h"

#include <stdio.h>

static const struct slice REDACTED = {(const uint8_t *)"(redacted)", 10};

enum larder_status observe_init(struct server *server) {
    struct observations *all = allocator_allocate_zeroed(server->allocator, sizeof(*all));
    if (all == NULL)
        return LARDER_NO_MEMORY;
    slow_log_init(&all->slow_log, server->allocator, (size_t)server->config.slowlog_max_len);
    monitor_feed_init(&all->monitors, server->allocator);
    server->slow_log = &all->slow_log;
    server->latency = &all->latency;
    return LARDER_OK;
}

void observe_finish(struct server *server) {
    if (server->slow_log == NULL)
        return;
    struct observations *all = observations_of(server);
    slow_log_finish(&all->slow_log);
    monitor_feed_finish(&all->monitors);
    allocator_release(server->allocator, all->base.commands,
                      COMMAND_COUNT * sizeof(*all->base.commands));
    allocator_release(server->allocator, all, sizeof(*all));
    server->slow_log = NULL;
    server->latency = NULL;
}

/* ---- secrets ---- */

static size_t find_word(size_t argc, const struct slice *argv, size_t from, const char *word) {
    while (from < argc && !slice_equal_word(argv[from], word))
        from++;
    return from;
}

static bool is_secret(const struct command_spec *spec, size_t argc, const struct slice *argv,
                      size_t index) {
    static const char *const SECRET_OPTIONS[] = {"requirepass",
                                                 "masterauth",
                                                 "primaryauth",
                                                 "masteruser",
                                                 "primaryuser",
                                                 "tls-key-file-pass",
                                                 "tls-client-key-file-pass"};
    switch (spec->id) {
    case COMMAND_AUTH: return index >= 1;
    case COMMAND_ACL_SETUSER: return index >= 2;
    case COMMAND_HELLO: {
        size_t at = find_word(argc, argv, 2, "auth");
        return index > at && index <= at + 2;
    }
    case COMMAND_CONFIG_SET:
        for (size_t i = 0; i < sizeof(SECRET_OPTIONS) / sizeof(SECRET_OPTIONS[0]); i++)
            if (index >= 3 && index % 2 == 1 &&
                slice_equal_word(argv[index - 1], SECRET_OPTIONS[i]))
                return true;
        return false;
    case COMMAND_MIGRATE: {
        size_t at = find_word(argc, argv, 6, "auth"), at2 = find_word(argc, argv, 6, "auth2");
        return index == at + 1 || index == at2 + 1 || index == at2 + 2;
    }
    default: return false;
    }
}

struct slice observe_argument(const struct command_spec *spec, size_t argc,
                              const struct slice *argv, size_t index) {
    return is_secret(spec, argc, argv, index) ? REDACTED : argv[index];
}

/* ---- commands ---- */

/* Who sent it, as MONITOR shows it. */
static void show_source(const struct session *session, char *out, size_t size) {
    if (session->connection.is_unix)
        (void)snprintf(out, size, "unix:%s", session->server->unix_path);
    else
        session_peer_text(session, out, size);
}

static void show(struct session *session, const struct command_spec *spec, size_t argc,
                 const struct slice *argv, const char *source) {
    struct server *server = session->server;
    uint64_t now_us = clock_wall_us();
    struct text_buffer line;
    text_buffer_init(&line, server->allocator);
    text_buffer_format(&line, "+%llu.%06llu [%u %s]", (unsigned long long)(now_us / 1000000),
                       (unsigned long long)(now_us % 1000000), session->database, source);
    for (size_t i = 0; i < argc; i++) {
        text_buffer_append(&line, SLICE_LITERAL(" "));
        monitor_quote(&line, observe_argument(spec, argc, argv, i));
    }
    text_buffer_append(&line, SLICE_LITERAL("\r\n"));
    if (!line.is_out_of_memory)
        monitor_publish(server, &observations_of(server)->monitors, text_buffer_slice(&line));
    text_buffer_finish(&line);
}

void observe_command(struct session *session, const struct command_spec *spec, size_t argc,
                     const struct slice *argv, bool by_script) {
    char source[SOCKET_TEXT_MAX] = "lua";
    if ((spec->flags & (COMMAND_FLAG_SKIP_MONITOR | COMMAND_FLAG_ADMIN)) != 0)
        return;
    if (!by_script)
        show_source(session, source, sizeof(source));
    show(session, spec, argc, argv, source);
}

void observe_script(struct session *session, const struct call *call) {
    char source[SOCKET_TEXT_MAX];
    if (atomic_load_explicit(&session->server->monitor_count, memory_order_relaxed) == 0)
        return;
    show_source(session, source, sizeof(source));
    show(session, call->spec, call->argc, call->argv, source);
}

static void log_slow(struct session *session, const struct command_spec *spec, size_t argc,
                     const struct slice *argv, uint64_t duration_us) {
    struct server *server = session->server;
    struct slice shown[SLOW_LOG_ARGUMENTS];
    char peer[SOCKET_TEXT_MAX];
    session_peer_text(session, peer, sizeof(peer));
    size_t copied = argc < SLOW_LOG_ARGUMENTS ? argc : SLOW_LOG_ARGUMENTS;
    for (size_t i = 0; i < copied; i++)
        shown[i] = observe_argument(spec, argc, argv, i);
    struct slice name = session->name != NULL ? slice_of_string(session->name) : slice_of("", 0);
    /* Of more arguments than are kept, only the number is looked at. */
    struct slow_log_entry *entry =
        slow_log_entry_create(server->allocator, argc, shown, slice_of_string(peer), name);
    if (entry == NULL)
        return;
    entry->duration_us = duration_us;
    entry->time_s = session->thread->now_ms / 1000;
    size_t limit = atomic_load_explicit(&server->slow_log_max, memory_order_relaxed);
    server_stats_lock(server);
    server->slow_log->max_length = limit;
    struct slow_log_entry *dropped = slow_log_add(server->slow_log, entry);
    server_stats_unlock(server);
    slow_log_entry_destroy(server->allocator, dropped);
}

void observe_slow(struct session *session, const struct command_spec *spec, size_t argc,
                  const struct slice *argv, uint64_t duration_us) {
    struct server *server = session->server;
    int64_t slow_us = atomic_load_explicit(&server->slow_log_threshold_us, memory_order_relaxed);
    if (slow_us >= 0 && duration_us >= (uint64_t)slow_us &&
        (spec->flags & COMMAND_FLAG_SKIP_SLOWLOG) == 0)
        log_slow(session, spec, argc, argv, duration_us);
    observe_event(server,
                  (spec->flags & COMMAND_FLAG_FAST) != 0 ? LATENCY_EVENT_FAST_COMMAND
                                                         : LATENCY_EVENT_COMMAND,
                  duration_us);
}

void observe_event(struct server *server, enum latency_event event, uint64_t duration_us) {
    int64_t threshold_ms =
        atomic_load_explicit(&server->latency_threshold_ms, memory_order_relaxed);
    if (threshold_ms <= 0 || duration_us < 1000 * (uint64_t)threshold_ms)
        return;
    uint64_t ms = duration_us / 1000;
    int64_t now_s = (int64_t)(clock_wall_us() / 1000000);
    server_stats_lock(server);
    latency_add(server->latency, event, now_s, ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX);
    server_stats_unlock(server);
}

/* ---- errors ---- */

static void count_error(struct observations *all, struct slice name) REQUIRES(STATS_LOCK) {
    for (size_t i = 0; i < all->error_kind_count; i++) {
        if (slice_equal(name, slice_of_string(all->errors[i].name))) {
            all->errors[i].count++;
            return;
        }
    }
    if (all->error_kind_count == ERROR_KINDS_MAX) {
        all->has_too_many_errors = true;
        return;
    }
    struct error_kind *kind = &all->errors[all->error_kind_count++];
    memcpy(kind->name, name.data, name.size);
    kind->name[name.size] = '\0';
    kind->count = 1;
}

static bool is_error_letter(uint8_t c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

void observe_error(struct server *server, struct slice error) {
    if (error.size > 0 && error.data[0] == '-')
        error = slice_of(error.data + 1, error.size - 1);
    struct slice name = {error.data, 0};
    while (name.size < error.size && name.size < ERROR_KIND_BYTES - 1 &&
           is_error_letter(error.data[name.size]))
        name.size++;
    if (name.size == 0)
        return;
    server_stats_lock(server);
    count_error(observations_of(server), name);
    server_stats_unlock(server);
}

/* ---- rates ---- */

static void sample(struct rate_samples *rate, uint64_t value, uint64_t now_ns)
    REQUIRES(STATS_LOCK) {
    if (rate->last_ns != 0 && now_ns > rate->last_ns) {
        uint64_t grown = value >= rate->last_value ? value - rate->last_value : 0;
        double seconds = (double)(now_ns - rate->last_ns) / 1e9;
        rate->per_second[rate->next] = (uint64_t)((double)grown / seconds + 0.5);
        rate->next = (rate->next + 1) % RATE_SAMPLES;
    }
    rate->last_value = value;
    rate->last_ns = now_ns;
}

void observe_tick(struct server *server) {
    uint64_t values[RATE_COUNT] = {0}, now_ns = clock_monotonic_ns();
    int64_t used_bytes = node_used_bytes(server->node);
    for (unsigned i = 0; i < server->thread_count; i++)
        values[RATE_COMMANDS] += atomic_load_explicit(
            &server->threads[i].statistics.commands_processed, memory_order_relaxed);
    server_stats_lock(server);
    struct observations *all = observations_of(server);
    figures_traffic(server, &values[RATE_BYTES_RECEIVED], &values[RATE_BYTES_SENT]);
    if (all->startup_bytes == 0)
        all->startup_bytes = used_bytes;
    for (int i = 0; i < RATE_COUNT; i++)
        sample(&all->rates[i], values[i], now_ns);
    server_stats_unlock(server);
}

uint64_t observe_rate(const struct server *server, enum rate rate) {
    const struct rate_samples *samples = &observations_of(server)->rates[rate];
    uint64_t sum = 0;
    for (size_t i = 0; i < RATE_SAMPLES; i++)
        sum += samples->per_second[i];
    return sum / RATE_SAMPLES;
}
