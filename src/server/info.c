/* SPDX-License-Identifier: BSD-3-Clause */
/* One function per section, in a table; fields of things that don't exist here (replicas, disk,
 * scripts, modules) are present and say so with the values of a server that has none of them. */
#include "server/info.h"

#include "server/info_sections.h"
#include "server/session_commands.h"

#include <stdio.h>

static const struct info_section {
    const char *name;
    bool is_default;
    bool needs_everything; /* "all" leaves it out */
    void (*append)(const struct info_context *info);
} SECTIONS[] = {
    {"server", true, false, info_append_server},
    {"clients", true, false, info_append_clients},
    {"memory", true, false, info_append_memory},
    {"persistence", true, false, info_append_persistence},
    {"stats", true, false, info_append_stats},
    {"replication", true, false, info_append_replication},
    {"cpu", true, false, info_append_cpu},
    {"modules", true, true, info_append_modules},
    {"commandstats", false, false, info_append_command_statistics},
    {"errorstats", true, false, info_append_error_statistics},
    {"latencystats", false, false, info_append_latency_statistics},
    {"cluster", true, false, info_append_cluster},
    {"keyspace", true, false, info_append_keyspace},
};

static bool is_wanted(const struct info_section *section, const struct slice *words, size_t count) {
    if (count == 0)
        return section->is_default;
    for (size_t i = 0; i < count; i++) {
        if (slice_equal_word(words[i], section->name) || slice_equal_word(words[i], "everything") ||
            (slice_equal_word(words[i], "default") && section->is_default) ||
            (slice_equal_word(words[i], "all") && !section->needs_everything))
            return true;
    }
    return false;
}

void info_append(struct server *server, const struct slice *words, size_t count, int64_t now_ms,
                 struct text_buffer *out) {
    struct info_context info = {server, now_ms, out};
    for (size_t i = 0; i < sizeof(SECTIONS) / sizeof(SECTIONS[0]); i++) {
        if (!is_wanted(&SECTIONS[i], words, count))
            continue;
        if (out->size > 0)
            text_buffer_format(out, "\r\n");
        SECTIONS[i].append(&info);
    }
}

struct info_size_text info_size(uint64_t bytes) {
    static const char UNITS[] = "BKMGTP";
    struct info_size_text out;
    size_t unit = 0;
    double value = (double)bytes;
    for (; value >= 1024 && unit + 2 < sizeof(UNITS); unit++)
        value /= 1024;
    if (unit == 0)
        (void)snprintf(out.text, sizeof(out.text), "%lluB", (unsigned long long)bytes);
    else
        (void)snprintf(out.text, sizeof(out.text), "%.2f%c", value, UNITS[unit]);
    return out;
}

void session_command_info(struct session *session, struct call *call) {
    struct text_buffer text;
    text_buffer_init(&text, session->server->allocator);
    info_append(session->server, call->argv + 1, call->argc - 1, session->thread->now_ms, &text);
    if (text.is_out_of_memory)
        reply_error(call->reply, "OOM not enough memory for the operation");
    else
        reply_verbatim(call->reply, text_buffer_slice(&text));
    text_buffer_finish(&text);
}
