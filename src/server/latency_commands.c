/* SPDX-License-Identifier: BSD-3-Clause */
/* LATENCY: spikes of events, and how long each command takes. */
#include "server/figures.h"
#include "server/observe.h"
#include "server/session_commands.h"

#include "base/text_buffer.h"

static void refuse_event(struct call *call, struct slice name) {
    reply_error_format(call->reply, "ERR No samples available for event '%.*s'",
                       (int)(name.size < 400 ? name.size : 400), (const char *)name.data);
}

/* A copy of an event's series; false: there is none. */
static bool read_series(struct server *server, struct slice name, struct latency_series *out) {
    enum latency_event event;
    if (!latency_event_find(name, &event))
        return false;
    server_stats_lock(server);
    *out = server->latency->series[event];
    server_stats_unlock(server);
    return out->count > 0;
}

void session_command_latency_latest(struct session *session, struct call *call) {
    size_t begin = reply_deferred_begin(call->reply), count = 0;
    for (int i = 0; i < LATENCY_EVENT_COUNT; i++) {
        const char *name = latency_event_name((enum latency_event)i);
        struct latency_series series;
        if (!read_series(session->server, slice_of_string(name), &series))
            continue;
        const struct latency_sample *last = latency_sample_at(&series, series.count - 1);
        reply_array(call->reply, 4);
        reply_bulk_text(call->reply, name);
        reply_integer(call->reply, last->time_s);
        reply_integer(call->reply, last->latency_ms);
        reply_integer(call->reply, series.max_ms);
        count++;
    }
    reply_deferred_end(call->reply, begin, '*', count);
}

void session_command_latency_history(struct session *session, struct call *call) {
    struct latency_series series;
    if (!read_series(session->server, call->argv[2], &series)) {
        reply_array(call->reply, 0);
        return;
    }
    reply_array(call->reply, series.count);
    for (size_t i = 0; i < series.count; i++) {
        const struct latency_sample *sample = latency_sample_at(&series, i);
        reply_array(call->reply, 2);
        reply_integer(call->reply, sample->time_s);
        reply_integer(call->reply, sample->latency_ms);
    }
}

void session_command_latency_reset(struct session *session, struct call *call) {
    struct server *server = session->server;
    int64_t count = 0;
    server_stats_lock(server);
    for (int i = 0; i < LATENCY_EVENT_COUNT && call->argc == 2; i++)
        count += latency_reset(server->latency, (enum latency_event)i);
    for (size_t i = 2; i < call->argc; i++) {
        enum latency_event event;
        if (latency_event_find(call->argv[i], &event))
            count += latency_reset(server->latency, event);
    }
    server_stats_unlock(server);
    reply_integer(call->reply, count);
}

/* ---- people's views ---- */

static void reply_text(struct call *call, struct text_buffer *text) {
    if (text->is_out_of_memory)
        reply_error(call->reply, "OOM not enough memory for the operation");
    else
        reply_verbatim(call->reply, text_buffer_slice(text));
    text_buffer_finish(text);
}

static void append_age(struct text_buffer *out, int64_t seconds) {
    if (seconds < 60)
        text_buffer_format(out, "%llds", (long long)seconds);
    else if (seconds < 3600)
        text_buffer_format(out, "%lldm", (long long)(seconds / 60));
    else if (seconds < 86400)
        text_buffer_format(out, "%lldh", (long long)(seconds / 3600));
    else
        text_buffer_format(out, "%lldd", (long long)(seconds / 86400));
}

/* Columns for the latest samples, `HEIGHT` rows high, with their ages written downwards below. */
static void append_graph(struct text_buffer *out, const struct latency_series *series,
                         int64_t now_s) {
    enum { WIDTH = 80, HEIGHT = 5, AGE_ROWS = 5 };
    static const char LEVELS[] = " _o#";
    size_t shown = series->count < WIDTH ? series->count : WIDTH, first = series->count - shown;
    uint32_t low = UINT32_MAX, high = 0;
    for (size_t i = 0; i < shown; i++) {
        uint32_t ms = latency_sample_at(series, first + i)->latency_ms;
        low = ms < low ? ms : low;
        high = ms > high ? ms : high;
    }
    uint32_t steps = HEIGHT * 3 - 1, range = high > low ? high - low : 1;
    for (uint32_t row = HEIGHT; row-- > 0;) {
        for (size_t i = 0; i < shown; i++) {
            uint32_t ms = latency_sample_at(series, first + i)->latency_ms;
            uint32_t level = (uint32_t)((uint64_t)(ms - low) * steps / range) + 1;
            uint32_t here = level <= row * 3 ? 0 : level - row * 3;
            text_buffer_append(out, slice_of(&LEVELS[here > 3 ? 3 : here], 1));
        }
        text_buffer_format(out, "\n");
    }
    for (size_t row = 0; row < AGE_ROWS; row++) {
        text_buffer_format(out, "\n");
        for (size_t i = 0; i < shown; i++) {
            struct text_buffer age;
            text_buffer_init(&age, out->allocator);
            append_age(&age, now_s - latency_sample_at(series, first + i)->time_s);
            char c = row < age.size ? age.data[row] : ' ';
            text_buffer_append(out, slice_of(&c, 1));
            text_buffer_finish(&age);
        }
    }
    text_buffer_format(out, "\n");
}

void session_command_latency_graph(struct session *session, struct call *call) {
    struct latency_series series;
    if (!read_series(session->server, call->argv[2], &series)) {
        refuse_event(call, call->argv[2]);
        return;
    }
    enum latency_event event;
    (void)latency_event_find(call->argv[2], &event);
    int64_t now_s = session->thread->now_ms / 1000;
    struct latency_summary summary = latency_summarize(&series, now_s);
    struct text_buffer text;
    text_buffer_init(&text, session->server->allocator);
    text_buffer_format(&text, "%s - high %u ms, low %u ms (all time high %u ms)\n",
                       latency_event_name(event), summary.max_ms, summary.min_ms, series.max_ms);
    text_buffer_format(&text, "--------------------------------------------------------------------"
                              "------------\n");
    append_graph(&text, &series, now_s);
    reply_text(call, &text);
}

static const char *advice(enum latency_event event) {
    switch (event) {
    case LATENCY_EVENT_COMMAND:
        return "Look at SLOWLOG GET for commands that touch many keys (KEYS, large MGET, FLUSHALL "
               "of a full server) and replace them by smaller ones such as SCAN.";
    case LATENCY_EVENT_FAST_COMMAND:
        return "Commands that need constant time were slow: another process takes the processor, "
               "memory is swapped, or the machine is a busy virtual one. Compare with redis-cli "
               "--intrinsic-latency on the server.";
    case LATENCY_EVENT_EXPIRE_CYCLE:
        return "Many keys expire at the same time: spread their times to live.";
    case LATENCY_EVENT_EVICTION_CYCLE:
        return "Eviction can't keep up with writes: raise maxmemory or maxmemory-samples' policy.";
    case LATENCY_EVENT_COUNT: break;
    }
    return "";
}

void session_command_latency_doctor(struct session *session, struct call *call) {
    struct server *server = session->server;
    int64_t now_s = session->thread->now_ms / 1000;
    struct text_buffer text;
    text_buffer_init(&text, server->allocator);
    for (int i = 0; i < LATENCY_EVENT_COUNT; i++) {
        struct latency_series series;
        const char *name = latency_event_name((enum latency_event)i);
        if (!read_series(server, slice_of_string(name), &series))
            continue;
        struct latency_summary s = latency_summarize(&series, now_s);
        text_buffer_format(&text,
                           "%s: %zu latency spikes, average %u ms, mean deviation %u ms, one in "
                           "%.2f s, worst %u ms.\n    %s\n",
                           name, series.count, s.average_ms, s.mean_deviation_ms, s.period_s,
                           series.max_ms, advice((enum latency_event)i));
    }
    if (atomic_load_explicit(&server->latency_threshold_ms, memory_order_relaxed) == 0)
        text_buffer_format(&text, "The latency monitor is off. CONFIG SET "
                                  "latency-monitor-threshold <milliseconds> turns it on.\n");
    else if (text.size == 0)
        text_buffer_format(&text, "No latency spike was observed so far.\n");
    reply_text(call, &text);
}

/* ---- histograms ---- */

/* Calls that took at most 2^n us, for the n where that number grows. */
static void reply_histogram(struct reply *reply, const struct command_figures *f) {
    enum { NS_PER_US_BITS = 10 };
    reply_map(reply, 2);
    reply_bulk_text(reply, "calls");
    reply_integer(reply, (int64_t)f->calls);
    reply_bulk_text(reply, "histogram_usec");
    size_t begin = reply_deferred_begin(reply), count = 0;
    uint64_t below = 0;
    for (int i = 0; i < LATENCY_BUCKETS; i++) {
        below += f->latency[i];
        bool is_first_us = i == NS_PER_US_BITS - 1;
        if (i < NS_PER_US_BITS - 1 || (f->latency[i] == 0 && !is_first_us) || below == 0)
            continue;
        reply_integer(reply, (int64_t)1 << (i + 1 - NS_PER_US_BITS));
        reply_integer(reply, (int64_t)below);
        count++;
    }
    reply_deferred_end(reply, begin, '%', count);
}

/* The command and, for a container, its subcommands. Returns how many were written. */
static size_t reply_command_histogram(struct server *server, const struct command_spec *spec,
                                      struct reply *reply) {
    struct command_figures f;
    size_t count = 0;
    figures_command(server, (enum command_id)spec->id, &f);
    if (f.calls > 0) {
        reply_bulk_text(reply, spec->name);
        reply_histogram(reply, &f);
        count++;
    }
    for (size_t i = 0; i < spec->subcommand_count; i++)
        count += reply_command_histogram(server, &spec->subcommands[i], reply);
    return count;
}

void session_command_latency_histogram(struct session *session, struct call *call) {
    struct server *server = session->server;
    size_t begin = reply_deferred_begin(call->reply), count = 0;
    for (size_t i = 0; i < COMMAND_COUNT && call->argc == 2; i++)
        if (command_table[i].parent < 0)
            count += reply_command_histogram(server, &command_table[i], call->reply);
    for (size_t i = 2; i < call->argc; i++) {
        const struct command_spec *spec = command_find_full(call->argv[i]);
        if (spec != NULL)
            count += reply_command_histogram(server, spec, call->reply);
    }
    reply_deferred_end(call->reply, begin, '%', count);
}
