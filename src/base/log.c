/* SPDX-License-Identifier: BSD-3-Clause */
/* Entries are formatted into bounded stack buffers. Logfmt: a value stands bare unless it is empty
 * or holds a space, a quote, a backslash or '='. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static bool is_control(uint8_t byte) {
    return byte < 0x20 || byte == 0x7f;
}

static void flatten(char *text, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (is_control((uint8_t)text[i]))
            text[i] = '?';
}

void log_write(struct log *log, enum log_level level, const char *format, ...) {
    if (!log_accepts(log, level))
        return;
    char text[LOG_MESSAGE_MAX + 1];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    size_t size = (size_t)length;
    if (size > LOG_MESSAGE_MAX) {
        size = LOG_MESSAGE_MAX;
        memcpy(text + size - 3, "...", 3);
    }
    flatten(text, size);
    struct log_entry entry = {.level = level, .message = slice_of(text, size)};
    log->sink(log->context, &entry);
}

size_t logfmt_encode_value(struct slice value, char *out, size_t size) {
    bool needs_quotes = value.size == 0;
    size_t needed = value.size;
    for (size_t i = 0; i < value.size; i++) {
        uint8_t byte = value.data[i];
        if (byte == '"' || byte == '\\')
            needed++;
        if (byte == '"' || byte == '\\' || byte == ' ' || byte == '=')
            needs_quotes = true;
    }
    if (needs_quotes)
        needed += 2;
    if (needed > size)
        return 0;
    char *next = out;
    if (needs_quotes)
        *next++ = '"';
    for (size_t i = 0; i < value.size; i++) {
        uint8_t byte = value.data[i];
        if (byte == '"' || byte == '\\')
            *next++ = '\\';
        *next++ = is_control(byte) ? '?' : (char)byte;
    }
    if (needs_quotes)
        *next++ = '"';
    return needed;
}

/* Returns the length written, 0 if it doesn't fit. */
static size_t encode_field(const struct log_field *field, char *out, size_t size) {
    size_t key_size = strlen(field->key);
    if (key_size + 1 >= size)
        return 0;
    memcpy(out, field->key, key_size);
    out[key_size] = '=';
    uint8_t digits[INT64_TEXT_MAX];
    struct slice value = field->text;
    if (!field->is_text)
        value = slice_of(digits, int64_format(field->number, digits));
    size_t value_size = logfmt_encode_value(value, out + key_size + 1, size - key_size - 1);
    return value_size == 0 ? 0 : key_size + 1 + value_size;
}

void log_write_fields(struct log *log, enum log_level level, const char *message,
                      const struct log_field *fields, size_t count) {
    if (!log_accepts(log, level))
        return;
    char text[LOG_FIELDS_MAX];
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        size_t gap = used > 0 ? 1 : 0;
        size_t size = 0;
        if (used + gap < sizeof text)
            size = encode_field(&fields[i], text + used + gap, sizeof text - used - gap);
        if (size == 0)
            continue;
        if (gap > 0)
            text[used] = ' ';
        used += gap + size;
    }
    struct log_entry entry = {
        .level = level, .message = slice_of_string(message), .fields = slice_of(text, used)};
    log->sink(log->context, &entry);
}

static const char *const LEVEL_NAMES[] = {
    [LOG_LEVEL_DEBUG] = "debug",     [LOG_LEVEL_VERBOSE] = "verbose", [LOG_LEVEL_NOTICE] = "notice",
    [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_NOTHING] = "nothing",
};

const char *log_level_name(enum log_level level) {
    return (unsigned)level <= LOG_LEVEL_NOTHING ? LEVEL_NAMES[level] : "unknown";
}

bool log_level_find(struct slice name, enum log_level *out_level) {
    for (int level = LOG_LEVEL_DEBUG; level <= LOG_LEVEL_NOTHING; level++) {
        if (!slice_equal_word(name, LEVEL_NAMES[level]))
            continue;
        *out_level = (enum log_level)level;
        return true;
    }
    return false;
}
