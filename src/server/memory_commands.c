/* SPDX-License-Identifier: BSD-3-Clause */
/* MEMORY: what memory is used for. */
#include "node/scan.h"
#include "server/figures.h"
#include "server/info.h"
#include "server/script_run.h"
#include "server/session_commands.h"

#include "base/text_buffer.h"

/* ---- USAGE ---- */

enum {
    RECORD_HEADER_BYTES = 3, /* flags and two lengths */
    RECORD_EXPIRY_BYTES = 6,
    INDEX_BYTES = 10, /* a word at the usual load of the index */
    EXTERNAL_POINTER_BYTES = 8,
};

/* What the entry takes in the log, the index and the heap. */
static void measure(void *context, const struct entry *entry) {
    size_t bytes = RECORD_HEADER_BYTES + INDEX_BYTES + entry->key.size;
    if (entry->expiry_ms != 0)
        bytes += RECORD_EXPIRY_BYTES;
    switch (entry->value.kind) {
    case VALUE_INTEGER: bytes += sizeof(entry->value.integer); break;
    case VALUE_BYTES:
    case VALUE_RAW: bytes += entry->value.bytes.size; break;
    case VALUE_OBJECT: bytes += EXTERNAL_POINTER_BYTES + object_bytes(entry->value.object); break;
    case VALUE_BLOB: bytes += EXTERNAL_POINTER_BYTES + blob_footprint(entry->value.blob); break;
    }
    *(size_t *)context = bytes;
}

/* Values have no parts that could be sampled, so SAMPLES is read and makes no difference. */
void session_command_memory_usage(struct session *session, struct call *call) {
    size_t bytes = 0;
    for (size_t i = 3; i < call->argc; i += 2) {
        int64_t samples;
        if (!slice_equal_word(call->argv[i], "samples") || i + 1 == call->argc) {
            (void)!call_syntax_error(call);
            return;
        }
        if (!call_integer(call, call->argv[i + 1], &samples))
            return;
        if (samples < 0) {
            (void)!call_syntax_error(call);
            return;
        }
    }
    if (node_visit_key(&session->thread->node_thread, session->database, call->argv[2], measure,
                       &bytes))
        reply_integer(call->reply, (int64_t)bytes);
    else
        reply_null(call->reply);
}

/* ---- STATS ---- */

static void reply_number(struct reply *reply, const char *name, int64_t value) {
    reply_bulk_text(reply, name);
    reply_integer(reply, value);
}

static void reply_decimal(struct reply *reply, const char *name, double value) {
    reply_bulk_text(reply, name);
    reply_double(reply, value);
}

static double percent(double part, double whole) {
    return whole > 0 ? 100 * part / whole : 0;
}

static void reply_totals(struct reply *reply, const struct memory_figures *m,
                         const struct session_figures *sessions,
                         const struct script_figures *scripts) {
    reply_number(reply, "peak.allocated", m->peak_bytes);
    reply_number(reply, "total.allocated", m->used_bytes);
    reply_number(reply, "startup.allocated", m->startup_bytes);
    reply_number(reply, "replication.backlog", 0);
    reply_number(reply, "clients.slaves", 0);
    reply_number(reply, "clients.normal", (int64_t)sessions->memory_bytes);
    reply_number(reply, "cluster.links", 0);
    reply_number(reply, "aof.buffer", 0);
    reply_number(reply, "lua.caches", (int64_t)scripts->script_bytes);
    reply_number(reply, "functions.caches", (int64_t)scripts->library_bytes);
}

static void reply_process(struct reply *reply, const struct memory_figures *m) {
    double used = (double)m->used_bytes, resident = (double)m->resident_bytes;
    int64_t beyond = (int64_t)m->resident_bytes - m->used_bytes;
    reply_number(reply, "allocator.allocated", m->used_bytes);
    reply_number(reply, "allocator.active", m->used_bytes);
    reply_number(reply, "allocator.resident", (int64_t)m->resident_bytes);
    reply_decimal(reply, "allocator-fragmentation.ratio", 1);
    reply_number(reply, "allocator-fragmentation.bytes", 0);
    reply_decimal(reply, "allocator-rss.ratio", used > 0 ? resident / used : 0);
    reply_number(reply, "allocator-rss.bytes", beyond);
    reply_decimal(reply, "rss-overhead.ratio", 1);
    reply_number(reply, "rss-overhead.bytes", 0);
    reply_decimal(reply, "fragmentation", used > 0 ? resident / used : 0);
    reply_number(reply, "fragmentation.bytes", beyond);
}

/* What each database takes of indexes and logs besides data can't be told apart, so no "db.N". */
static size_t reply_parts(struct reply *reply, const struct memory_figures *m) {
    double used = (double)m->used_bytes;
    int64_t keys = (int64_t)m->record_count;
    reply_number(reply, "overhead.total", m->used_bytes - m->dataset_bytes);
    reply_number(reply, "keys.count", keys);
    reply_number(reply, "keys.bytes-per-key",
                 keys > 0 ? (m->used_bytes - m->startup_bytes) / keys : 0);
    reply_number(reply, "dataset.bytes", m->dataset_bytes);
    reply_decimal(reply, "dataset.percentage",
                  percent((double)m->dataset_bytes, used - (double)m->startup_bytes));
    reply_decimal(reply, "peak.percentage", percent(used, (double)m->peak_bytes));
    reply_number(reply, "log.segments", (int64_t)m->log_bytes);
    reply_number(reply, "log.live", (int64_t)m->live_bytes);
    reply_number(reply, "large.values", (int64_t)m->blob_bytes);
    reply_number(reply, "index", (int64_t)m->index_bytes);
    return 10;
}

void session_command_memory_stats(struct session *session, struct call *call) {
    enum { TOTALS = 10, PROCESS = 11 };
    struct memory_figures memory;
    struct session_figures sessions;
    figures_memory(session->server, &memory);
    figures_sessions(session->server, &sessions);
    size_t begin = reply_deferred_begin(call->reply);
    struct script_figures scripts;
    script_figures(session->server, &scripts);
    reply_totals(call->reply, &memory, &sessions, &scripts);
    size_t parts = reply_parts(call->reply, &memory);
    reply_process(call->reply, &memory);
    reply_deferred_end(call->reply, begin, '%', TOTALS + PROCESS + parts);
}

/* ---- for people ---- */

static void reply_text(struct call *call, struct text_buffer *text) {
    if (text->is_out_of_memory)
        reply_error(call->reply, "OOM not enough memory for the operation");
    else
        reply_verbatim(call->reply, text_buffer_slice(text));
    text_buffer_finish(text);
}

static void diagnose(const struct memory_figures *m, const struct session_figures *sessions,
                     struct text_buffer *out) {
    double used = (double)m->used_bytes;
    if ((double)m->peak_bytes > 1.5 * used)
        text_buffer_format(out,
                           " * Peak memory: %s were used at some time, now it is %s. The system "
                           "may not have all of the difference back.\n",
                           info_size((uint64_t)m->peak_bytes).text,
                           info_size((uint64_t)m->used_bytes).text);
    if ((double)m->resident_bytes > 1.4 * used)
        text_buffer_format(out,
                           " * Resident memory is %.2f times what is used. MEMORY PURGE gives "
                           "free memory back.\n",
                           (double)m->resident_bytes / used);
    if (m->log_bytes > 0 && (double)m->live_bytes < 0.7 * (double)m->log_bytes)
        text_buffer_format(out,
                           " * The logs are %.0f%% live: many entries were deleted or replaced, "
                           "and the space is reused as new ones come.\n",
                           percent((double)m->live_bytes, (double)m->log_bytes));
    if (sessions->count > 0 && sessions->memory_bytes / sessions->count > 200 * 1024)
        text_buffer_format(out,
                           " * Clients hold %s each on average: some read slower than they are "
                           "sent to. See CLIENT LIST.\n",
                           info_size(sessions->memory_bytes / sessions->count).text);
}

void session_command_memory_doctor(struct session *session, struct call *call) {
    enum { TOO_LITTLE_BYTES = 5 << 20 };
    struct memory_figures memory;
    struct session_figures sessions;
    struct text_buffer text;
    text_buffer_init(&text, session->server->allocator);
    figures_memory(session->server, &memory);
    figures_sessions(session->server, &sessions);
    if (memory.used_bytes < TOO_LITTLE_BYTES)
        text_buffer_format(&text, "Too little memory is used for a diagnosis.\n");
    else
        diagnose(&memory, &sessions, &text);
    if (text.size == 0)
        text_buffer_format(&text, "No problem with memory was found.\n");
    reply_text(call, &text);
}

void session_command_memory_purge(struct session *session, struct call *call) {
    node_trim(session->server->node);
    reply_ok(call->reply);
}

void session_command_memory_malloc_stats(struct session *session, struct call *call) {
    struct memory_figures m;
    struct text_buffer text;
    text_buffer_init(&text, session->server->allocator);
    figures_memory(session->server, &m);
    text_buffer_format(&text,
                       "log segments: %llu bytes, of which live: %llu\nlarge values: %llu bytes\n"
                       "index pages: %llu bytes\nused: %lld bytes\nresident: %llu bytes\n",
                       (unsigned long long)m.log_bytes, (unsigned long long)m.live_bytes,
                       (unsigned long long)m.blob_bytes, (unsigned long long)m.index_bytes,
                       (long long)m.used_bytes, (unsigned long long)m.resident_bytes);
    reply_text(call, &text);
}
