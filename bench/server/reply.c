/* SPDX-License-Identifier: BSD-3-Clause */
/* Replies are read from the front of the buffer each time; an array is measured element by element.
 * Starting over on an incomplete reply is cheap, since a load generator's replies are small. */
#include "reply.h"

#include <stdbool.h>
#include <string.h>

enum { MAX_DEPTH = 8, MAX_LINE = 64 * 1024 };

/* Returns the length of the line without its end, REPLY_INCOMPLETE - 1 if the end isn't there. */
static ptrdiff_t line_length(const char *bytes, size_t length) {
    const char *end = memchr(bytes, '\n', length < MAX_LINE ? length : MAX_LINE);
    if (end == NULL)
        return -1;
    ptrdiff_t size = end - bytes;
    return size > 0 && end[-1] == '\r' ? size - 1 : size;
}

static bool number_read(const char *text, size_t length, int64_t *out) {
    bool is_negative = length > 0 && text[0] == '-';
    size_t i = is_negative ? 1 : 0;
    if (i == length || length - i > 18)
        return false;
    int64_t value = 0;
    for (; i < length; i++) {
        unsigned digit = (unsigned char)text[i] - (unsigned)'0';
        if (digit > 9)
            return false;
        value = value * 10 + (int64_t)digit;
    }
    *out = is_negative ? -value : value;
    return true;
}

static ptrdiff_t resp_read(const char *bytes, size_t length, struct reply *out, int depth);

/* The bytes and line end of a bulk whose header takes `head` bytes. */
static ptrdiff_t bulk_read(const char *bytes, size_t length, size_t head, struct reply *out) {
    if (out->integer < 0) {
        out->type = REPLY_NULL;
        return out->integer == -1 ? (ptrdiff_t)head : REPLY_MALFORMED;
    }
    size_t size = (size_t)out->integer;
    if (length - head < size + 2)
        return REPLY_INCOMPLETE;
    if (bytes[head + size] != '\r' || bytes[head + size + 1] != '\n')
        return REPLY_MALFORMED;
    out->type = REPLY_BULK;
    out->data = bytes + head;
    out->length = size;
    return (ptrdiff_t)(head + size + 2);
}

static ptrdiff_t array_read(const char *bytes, size_t length, size_t head, struct reply *out,
                            int depth, int64_t elements) {
    if (out->integer < 0 || depth == MAX_DEPTH) {
        out->type = REPLY_NULL;
        return out->integer == -1 ? (ptrdiff_t)head : REPLY_MALFORMED;
    }
    size_t at = head;
    for (int64_t i = 0; i < elements; i++) {
        struct reply element;
        ptrdiff_t size = resp_read(bytes + at, length - at, &element, depth + 1);
        if (size <= 0)
            return size;
        at += (size_t)size;
    }
    out->type = REPLY_ARRAY;
    out->data = bytes + head;
    out->length = at - head;
    return (ptrdiff_t)at;
}

static ptrdiff_t resp_read(const char *bytes, size_t length, struct reply *out, int depth) {
    if (length < 3)
        return REPLY_INCOMPLETE;
    ptrdiff_t line = line_length(bytes, length);
    if (line < 0)
        return length >= MAX_LINE ? REPLY_MALFORMED : REPLY_INCOMPLETE;
    if (line == 0 || bytes[line] != '\r')
        return REPLY_MALFORMED;
    size_t head = (size_t)line + 2;
    *out = (struct reply){.data = bytes + 1, .length = (size_t)line - 1};
    char type = *bytes;
    if (type == '+' || type == '-') {
        out->type = type == '+' ? REPLY_STATUS : REPLY_ERROR;
        return (ptrdiff_t)head;
    }
    if (type == '_' || type == '#' || type == ',' || type == '(') {
        out->type = type == '_' ? REPLY_NULL : REPLY_STATUS;
        return (ptrdiff_t)head;
    }
    if (!number_read(bytes + 1, (size_t)line - 1, &out->integer))
        return REPLY_MALFORMED;
    switch (type) {
    case ':': out->type = REPLY_INTEGER; return (ptrdiff_t)head;
    case '$':
    case '=': return bulk_read(bytes, length, head, out);
    case '*':
    case '~':
    case '>': return array_read(bytes, length, head, out, depth, out->integer);
    case '%': return array_read(bytes, length, head, out, depth, out->integer * 2);
    default: return REPLY_MALFORMED;
    }
}

static bool line_starts(const char *bytes, size_t length, const char *word) {
    size_t size = strlen(word);
    return length >= size && memcmp(bytes, word, size) == 0;
}

static bool line_is(const char *bytes, size_t length, const char *word) {
    return length == strlen(word) && memcmp(bytes, word, length) == 0;
}

/* "VALUE <key> <flags> <bytes>\r\n<data>\r\n" repeated, then "END\r\n". */
static ptrdiff_t memcached_values_read(const char *bytes, size_t length, struct reply *out) {
    size_t at = 0;
    int64_t count = 0;
    for (;;) {
        ptrdiff_t line = line_length(bytes + at, length - at);
        if (line < 0)
            return REPLY_INCOMPLETE;
        const char *text = bytes + at;
        if (line == 3 && memcmp(text, "END", 3) == 0) {
            at += 5;
            break;
        }
        const char *size_text = memrchr(text, ' ', (size_t)line);
        if (!line_starts(text, (size_t)line, "VALUE ") || size_text == NULL)
            return REPLY_MALFORMED;
        struct reply bulk = {0};
        if (!number_read(size_text + 1, (size_t)(text + line - size_text - 1), &bulk.integer))
            return REPLY_MALFORMED;
        ptrdiff_t size = bulk_read(text, length - at, (size_t)line + 2, &bulk);
        if (size <= 0)
            return size;
        *out = bulk;
        at += (size_t)size;
        count++;
    }
    if (count == 0)
        *out = (struct reply){.type = REPLY_NULL};
    else if (count > 1)
        *out = (struct reply){.type = REPLY_ARRAY, .data = bytes, .length = at, .integer = count};
    return (ptrdiff_t)at;
}

/* "VA <bytes> <flags>*\r\n<data>\r\n" */
static ptrdiff_t meta_value_read(const char *bytes, size_t length, size_t line, struct reply *out) {
    const char *size = bytes + 3;
    const char *size_end = memchr(size, ' ', line - 3);
    size_t digits = size_end != NULL ? (size_t)(size_end - size) : line - 3;
    if (!number_read(size, digits, &out->integer) || out->integer < 0)
        return REPLY_MALFORMED;
    return bulk_read(bytes, length, line + 2, out);
}

static ptrdiff_t memcached_read(const char *bytes, size_t length, struct reply *out) {
    if (length < 3)
        return REPLY_INCOMPLETE;
    if (line_starts(bytes, length, "VAL") || line_starts(bytes, length, "END"))
        return memcached_values_read(bytes, length, out);
    ptrdiff_t line = line_length(bytes, length);
    if (line < 0)
        return length >= MAX_LINE ? REPLY_MALFORMED : REPLY_INCOMPLETE;
    *out = (struct reply){.type = REPLY_STATUS, .data = bytes, .length = (size_t)line};
    if (line_starts(bytes, (size_t)line, "VA "))
        return meta_value_read(bytes, length, (size_t)line, out);
    if (line_is(bytes, (size_t)line, "EN") || line_is(bytes, (size_t)line, "NF"))
        out->type = REPLY_NULL;
    else if (line_starts(bytes, (size_t)line, "ERROR") ||
             line_starts(bytes, (size_t)line, "CLIENT_") ||
             line_starts(bytes, (size_t)line, "SERVER_"))
        out->type = REPLY_ERROR;
    else if (line_starts(bytes, (size_t)line, "NOT_FOUND"))
        out->type = REPLY_NULL;
    else if (number_read(bytes, (size_t)line, &out->integer))
        out->type = REPLY_INTEGER;
    return line + 2;
}

ptrdiff_t reply_read(enum protocol protocol, const char *bytes, size_t length, struct reply *out) {
    return protocol == PROTOCOL_RESP ? resp_read(bytes, length, out, 0)
                                     : memcached_read(bytes, length, out);
}
