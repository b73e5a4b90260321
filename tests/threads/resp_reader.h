/* SPDX-License-Identifier: BSD-3-Clause */
/* How long the reply at the start of some bytes is. For tests: it judges the form and nothing else,
 * and is written from the protocol's description, not from the writer it checks. */
#ifndef LARDER_TESTS_RESP_READER_H
#define LARDER_TESTS_RESP_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { RESP_INCOMPLETE = 0, RESP_MALFORMED = -1, RESP_DEPTH_MAX = 16 };

/* The number that fills the line from `at` on; false when it is none. */
static inline bool resp_number(const uint8_t *data, size_t begin, size_t end, long long *out) {
    char text[32];
    if (end - begin == 0 || end - begin >= sizeof(text))
        return false;
    memcpy(text, data + begin, end - begin);
    text[end - begin] = '\0';
    char *stop;
    *out = strtoll(text, &stop, 10);
    return *stop == '\0' && (text[0] == '-' || (text[0] >= '0' && text[0] <= '9'));
}

static inline bool resp_is_double(const uint8_t *data, size_t begin, size_t end) {
    char text[64];
    if (end - begin == 0 || end - begin >= sizeof(text))
        return false;
    memcpy(text, data + begin, end - begin);
    text[end - begin] = '\0';
    char *stop;
    (void)strtod(text, &stop);
    return *stop == '\0';
}

static inline long resp_scan_at(const uint8_t *data, size_t size, int depth);

static inline long resp_scan_elements(const uint8_t *data, size_t size, size_t at, long long count,
                                      int depth) {
    for (long long i = 0; i < count; i++) {
        long element = resp_scan_at(data + at, size - at, depth + 1);
        if (element <= 0)
            return element;
        at += (size_t)element;
    }
    return (long)at;
}

static inline long resp_scan_at(const uint8_t *data, size_t size, int depth) {
    if (size == 0)
        return RESP_INCOMPLETE;
    if (depth > RESP_DEPTH_MAX)
        return RESP_MALFORMED;
    const uint8_t *cr = memchr(data, '\r', size);
    if (cr == NULL || (size_t)(cr - data) + 1 >= size)
        return memchr(data, '\n', size) != NULL ? RESP_MALFORMED : RESP_INCOMPLETE;
    size_t line = (size_t)(cr - data), next = line + 2;
    if (cr[1] != '\n' || memchr(data, '\n', line) != NULL)
        return RESP_MALFORMED;
    long long number = 0;
    bool is_number = resp_number(data, 1, line, &number);
    switch (data[0]) {
    case '+':
    case '-': return (long)next;
    case ':': return is_number ? (long)next : RESP_MALFORMED;
    case '_': return line == 1 ? (long)next : RESP_MALFORMED;
    case '#': return line == 2 && (data[1] == 't' || data[1] == 'f') ? (long)next : RESP_MALFORMED;
    case ',': return resp_is_double(data, 1, line) ? (long)next : RESP_MALFORMED;
    case '$':
    case '=':
        if (is_number && number == -1 && data[0] == '$')
            return (long)next;
        if (!is_number || number < 0 || (data[0] == '=' && number < 4))
            return RESP_MALFORMED;
        if (size - next < (size_t)number + 2)
            return RESP_INCOMPLETE;
        if (memcmp(data + next + (size_t)number, "\r\n", 2) != 0)
            return RESP_MALFORMED;
        return (long)(next + (size_t)number + 2);
    case '*':
    case '~':
    case '>':
    case '%':
        if (is_number && number == -1 && data[0] == '*')
            return (long)next;
        if (!is_number || number < 0)
            return RESP_MALFORMED;
        return resp_scan_elements(data, size, next, data[0] == '%' ? 2 * number : number, depth);
    default: return RESP_MALFORMED;
    }
}

/* Bytes of the first reply in `data`; RESP_INCOMPLETE when its end has not come; RESP_MALFORMED. */
static inline long resp_scan(const uint8_t *data, size_t size) {
    return resp_scan_at(data, size, 0);
}

#endif
