/* SPDX-License-Identifier: BSD-3-Clause */
/* A line is put together on the stack and written at once. */
#include "server/log_file.h"

#include "os/clock.h"
#include "os/process.h"

#include <stdio.h>
#include <syslog.h>
#include <time.h>

enum { LINE_MAX_BYTES = 2 * LOG_MESSAGE_MAX + LOG_FIELDS_MAX + 256, LOG_PERMISSIONS = 0644 };

enum larder_status log_file_open(struct log_file *log_file, const char *path,
                                 enum log_format format, struct error_text *error) {
    *log_file = (struct log_file){.file.fd = -1};
    atomic_init(&log_file->format, format);
    atomic_init(&log_file->role, 'M');
    if (path == NULL || path[0] == '\0')
        return file_open_standard_output(&log_file->file, error);
    char directory[LOG_PATH_MAX] = "";
    bool is_absolute = path[0] == '/' || !process_working_directory(directory, sizeof directory);
    int length = snprintf(log_file->path, sizeof log_file->path, is_absolute ? "%s%s" : "%s/%s",
                          directory, path);
    if (length < 0 || (size_t)length >= sizeof log_file->path) {
        error_text_format(error, "the path of the log file is too long");
        return LARDER_INVALID;
    }
    return file_open(&log_file->file, log_file->path, FILE_APPEND, LOG_PERMISSIONS, error);
}

void log_file_close(struct log_file *log_file) {
    file_close(&log_file->file);
    if (atomic_exchange(&log_file->is_syslog_open, false))
        closelog();
}

enum larder_status log_file_reopen(struct log_file *log_file, struct error_text *error) {
    if (log_file->path[0] == '\0')
        return LARDER_OK;
    struct file next;
    enum larder_status status =
        file_open(&next, log_file->path, FILE_APPEND, LOG_PERMISSIONS, error);
    return status == LARDER_OK ? file_swap(&log_file->file, &next, error) : status;
}

void log_file_set_format(struct log_file *log_file, enum log_format format) {
    atomic_store_explicit(&log_file->format, format, memory_order_relaxed);
}

void log_file_set_role(struct log_file *log_file, char role) {
    atomic_store_explicit(&log_file->role, role, memory_order_relaxed);
}

static size_t append(char *line, size_t used, struct slice text) {
    size_t room = LINE_MAX_BYTES - used;
    size_t size = text.size < room ? text.size : room;
    if (size > 0)
        memcpy(line + used, text.data, size);
    return used + size;
}

static size_t append_fields(char *line, size_t used, struct slice fields) {
    if (fields.size == 0)
        return used;
    return append(line, append(line, used, SLICE_LITERAL(" ")), fields);
}

static size_t format_text(const struct log_file *log_file, const struct log_entry *entry,
                          char *line) {
    static const char MARKS[] = {'.', '-', '*', '#'};
    uint64_t now_us = clock_wall_us();
    time_t seconds = (time_t)(now_us / 1000000);
    struct tm parts = {0};
    (void)localtime_r(&seconds, &parts);
    char date[64];
    size_t date_size = strftime(date, sizeof date, "%d %b %Y %H:%M:%S", &parts);
    char role = atomic_load_explicit(&log_file->role, memory_order_relaxed);
    char mark = (unsigned)entry->level < sizeof MARKS ? MARKS[entry->level] : '#';
    int length = snprintf(line, LINE_MAX_BYTES, "%lld:%c %.*s.%03u %c ", (long long)process_id(),
                          role, (int)date_size, date, (unsigned)(now_us / 1000 % 1000), mark);
    size_t used = append(line, (size_t)length, entry->message);
    return append_fields(line, used, entry->fields);
}

static size_t format_logfmt(const struct log_file *log_file, const struct log_entry *entry,
                            char *line) {
    uint64_t now_us = clock_wall_us();
    time_t seconds = (time_t)(now_us / 1000000);
    struct tm parts = {0};
    (void)gmtime_r(&seconds, &parts);
    char date[64];
    size_t date_size = strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
    char role = atomic_load_explicit(&log_file->role, memory_order_relaxed);
    int length = snprintf(
        line, LINE_MAX_BYTES,
        "pid=%lld role=%s timestamp=\"%.*s.%03uZ\" level=%s message=", (long long)process_id(),
        role == 'S' ? "replica" : "primary", (int)date_size, date, (unsigned)(now_us / 1000 % 1000),
        log_level_name(entry->level));
    size_t used = (size_t)length;
    used += logfmt_encode_value(entry->message, line + used, LINE_MAX_BYTES - used);
    return append_fields(line, used, entry->fields);
}

static void write_syslog(const struct log_entry *entry) {
    static const int PRIORITIES[] = {LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING};
    int priority = (unsigned)entry->level < 4 ? PRIORITIES[entry->level] : LOG_WARNING;
    syslog(priority, "%.*s%s%.*s", (int)entry->message.size, (const char *)entry->message.data,
           entry->fields.size > 0 ? " " : "", (int)entry->fields.size,
           (const char *)entry->fields.data);
}

void log_file_sink(void *context, const struct log_entry *entry) {
    struct log_file *log_file = context;
    char line[LINE_MAX_BYTES + 1];
    int format = atomic_load_explicit(&log_file->format, memory_order_relaxed);
    size_t size = format == LOG_FORMAT_LOGFMT ? format_logfmt(log_file, entry, line)
                                              : format_text(log_file, entry, line);
    line[size++] = '\n';
    file_write_quietly(log_file->file.fd, slice_of(line, size));
    if (atomic_load_explicit(&log_file->is_syslog_open, memory_order_acquire))
        write_syslog(entry);
}

enum larder_status log_file_use_syslog(struct log_file *log_file, const char *ident,
                                       const char *facility, struct error_text *error) {
    static const struct {
        const char *name;
        int value;
    } FACILITIES[] = {{"user", LOG_USER},     {"daemon", LOG_DAEMON}, {"local0", LOG_LOCAL0},
                      {"local1", LOG_LOCAL1}, {"local2", LOG_LOCAL2}, {"local3", LOG_LOCAL3},
                      {"local4", LOG_LOCAL4}, {"local5", LOG_LOCAL5}, {"local6", LOG_LOCAL6},
                      {"local7", LOG_LOCAL7}};
    for (size_t i = 0; i < sizeof FACILITIES / sizeof FACILITIES[0]; i++) {
        if (!slice_equal_word(slice_of_string(facility), FACILITIES[i].name))
            continue;
        (void)snprintf(log_file->syslog_ident, sizeof log_file->syslog_ident, "%s", ident);
        openlog(log_file->syslog_ident, LOG_PID | LOG_NDELAY | LOG_NOWAIT, FACILITIES[i].value);
        /* Release: who sees the flag sees the open log. */
        atomic_store_explicit(&log_file->is_syslog_open, true, memory_order_release);
        return LARDER_OK;
    }
    error_text_format(error, "unknown syslog facility '%s'", facility);
    return LARDER_INVALID;
}
