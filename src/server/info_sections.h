/* SPDX-License-Identifier: BSD-3-Clause */
/* The sections of INFO. Each function appends its heading and its fields, lines ending in CR LF. */
#ifndef LARDER_SERVER_INFO_SECTIONS_H
#define LARDER_SERVER_INFO_SECTIONS_H

#include "base/text_buffer.h"
#include "server/server.h"

struct info_context {
    struct server *server;
    int64_t now_ms;
    struct text_buffer *out;
};

/* info_server.c */
void info_append_server(const struct info_context *info);
void info_append_clients(const struct info_context *info);
void info_append_memory(const struct info_context *info);
void info_append_keyspace(const struct info_context *info);

/* info_statistics.c */
void info_append_stats(const struct info_context *info);
void info_append_cpu(const struct info_context *info);
void info_append_command_statistics(const struct info_context *info);
void info_append_error_statistics(const struct info_context *info);
void info_append_latency_statistics(const struct info_context *info);

/* info_absent.c: what this server does not have, in the words of a server that has none */
void info_append_persistence(const struct info_context *info);
void info_append_replication(const struct info_context *info);
void info_append_modules(const struct info_context *info);
void info_append_cluster(const struct info_context *info);

/* Fields, one line each. */
static inline void info_number(const struct info_context *info, const char *name, int64_t value) {
    text_buffer_format(info->out, "%s:%lld\r\n", name, (long long)value);
}
static inline void info_text(const struct info_context *info, const char *name, const char *value) {
    text_buffer_format(info->out, "%s:%s\r\n", name, value);
}
static inline void info_decimal(const struct info_context *info, const char *name, double value) {
    text_buffer_format(info->out, "%s:%.2f\r\n", name, value);
}
static inline void info_heading(const struct info_context *info, const char *name) {
    text_buffer_format(info->out, "# %s\r\n", name);
}

#endif
