/* SPDX-License-Identifier: BSD-3-Clause */
/* The server's log: entries as lines of text in a file or on standard output, and to syslog beside
 * it if asked. Two formats:
 *
 *   1234:M 21 Nov 2026 03:18:15.123 * Ready to accept connections      text, local time
 *   pid=1234 role=primary timestamp="2026-11-21T03:18:15.123Z" level=notice message="..."  logfmt
 *
 * Each entry is one write to a file opened for appending, so entries of several threads and
 * processes don't mix, and no lock is needed: reopening swaps the file under the descriptor. */
#ifndef LARDER_SERVER_LOG_FILE_H
#define LARDER_SERVER_LOG_FILE_H

#include "base/log.h"
#include "os/file.h"

#include <stdatomic.h>

enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_LOGFMT };

enum { LOG_PATH_MAX = 4096, LOG_SYSLOG_IDENT_MAX = 64 };

/* Caller's memory; must not move between open and close. */
struct log_file {
    struct file file;        /* immutable after open: the descriptor's number stays */
    char path[LOG_PATH_MAX]; /* empty: standard output; absolute, as it was at open */
    _Atomic int format;      /* relaxed */
    _Atomic char role;       /* relaxed; 'M' primary, 'S' replica */
    _Atomic bool is_syslog_open;
    char syslog_ident[LOG_SYSLOG_IDENT_MAX];
};

/* `path` NULL or empty: standard output. A relative one is made absolute, so that a later change of
 * directory doesn't move the log. Errors: those of file_open, LARDER_INVALID (path too long). */
LARDER_NODISCARD
enum larder_status log_file_open(struct log_file *log_file, const char *path,
                                 enum log_format format, struct error_text *error);

/* After all writers have ended. */
void log_file_close(struct log_file *log_file);

/* The sink for log_init; `context` is the struct log_file. Any thread. A line that can't be written
 * is lost. */
void log_file_sink(void *context, const struct log_entry *entry);

/* Open the path again, for log rotation. One thread at a time; writers may go on. On failure the
 * old file stays in use. */
LARDER_NODISCARD
enum larder_status log_file_reopen(struct log_file *log_file, struct error_text *error);

/* Any thread. */
void log_file_set_format(struct log_file *log_file, enum log_format format);
void log_file_set_role(struct log_file *log_file, char role);

/* Send entries to syslog too. `facility`: "user", "daemon" or "local0" to "local7", in any case of
 * letters. One per process. Errors: LARDER_INVALID (facility). */
LARDER_NODISCARD
enum larder_status log_file_use_syslog(struct log_file *log_file, const char *ident,
                                       const char *facility, struct error_text *error);

/* For the crash report, which may write when nothing else works any more. */
static inline int log_file_descriptor(const struct log_file *log_file) {
    return log_file->file.fd;
}

#endif
