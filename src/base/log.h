/* SPDX-License-Identifier: BSD-3-Clause */
/* Log entries on their way to whoever wants them. The library never prints: an entry is formatted
 * on the stack and given to the sink of its `struct log`, and without a sink it is dropped. An
 * entry is one line: control characters in it become '?', so text from the network can't forge
 * entries. Keys and values of users, passwords and scripts are never logged.
 *
 * Any thread, also several at once; the sink must bear that. Nothing here allocates or fails. */
#ifndef LARDER_BASE_LOG_H
#define LARDER_BASE_LOG_H

#include "base/slice.h"

#include <stdatomic.h>

enum log_level {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_VERBOSE,
    LOG_LEVEL_NOTICE,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_NOTHING, /* a threshold only */
};

enum { LOG_MESSAGE_MAX = 1024, LOG_FIELDS_MAX = 1024 };

/* Borrowed by the sink for the call. */
struct log_entry {
    enum log_level level;
    struct slice message; /* one line without its end */
    struct slice fields;  /* "key=value key2="quoted value"", may be empty */
};

struct log {
    void (*sink)(void *context, const struct log_entry *entry); /* immutable; NULL: no log */
    void *context;                                              /* immutable; borrowed */
    _Atomic int level; /* entries below it are dropped; relaxed, a late change harms nobody */
};

/* Caller's memory, which outlives all writers. */
static inline void log_init(struct log *log, enum log_level level,
                            void (*sink)(void *context, const struct log_entry *entry),
                            void *context) {
    log->sink = sink;
    log->context = context;
    atomic_init(&log->level, level);
}

static inline void log_set_level(struct log *log, enum log_level level) {
    atomic_store_explicit(&log->level, level, memory_order_relaxed);
}

/* Whether an entry of this level would reach the sink. `log` may be NULL, here and below. */
static inline bool log_accepts(struct log *log, enum log_level level) {
    return log != NULL && log->sink != NULL &&
           (int)level >= atomic_load_explicit(&log->level, memory_order_relaxed);
}

/* printf-style. What is longer than LOG_MESSAGE_MAX is cut and ends in "...". */
void log_write(struct log *log, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* One value that goes with a message, for logs that machines read. */
struct log_field {
    const char *key;   /* borrowed; letters, digits, '_' and '-' */
    struct slice text; /* the value if is_text */
    int64_t number;    /* else this */
    bool is_text;
};

#define LOG_TEXT(name, value)   ((struct log_field){.key = (name), .text = (value), .is_text = true})
#define LOG_NUMBER(name, value) ((struct log_field){.key = (name), .number = (value)})

/* As log_write with a fixed message and `count` fields: values are quoted and escaped where logfmt
 * needs it. Fields that don't fit into LOG_FIELDS_MAX are left out. */
void log_write_fields(struct log *log, enum log_level level, const char *message,
                      const struct log_field *fields, size_t count);

/* "debug", "verbose", "notice", "warning", "nothing"; static. */
const char *log_level_name(enum log_level level);

/* The level of such a name, in any case of letters; false if there is none. */
bool log_level_find(struct slice name, enum log_level *out_level);

/* Append `value` to `out` as a logfmt value: bare if it can be, else in double quotes with '"' and
 * '\' escaped. Control characters become '?'. Returns the length, 0 if `size` doesn't suffice. */
size_t logfmt_encode_value(struct slice value, char *out, size_t size);

#endif
