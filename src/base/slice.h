/* SPDX-License-Identifier: BSD-3-Clause */
/* A slice is a view of bytes that somebody else owns: pointer and length, passed by value. It is
 * never NUL-terminated and may hold any byte. A slice of size 0 may have any pointer.
 * Any thread. */
#ifndef LARDER_BASE_SLICE_H
#define LARDER_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data; /* borrowed; not NUL-terminated */
    size_t size;         /* bytes */
};

/* A slice over a string literal, without its NUL. */
#define SLICE_LITERAL(text) ((struct slice){(const uint8_t *)("" text ""), sizeof(text) - 1})

static inline struct slice slice_of(const void *data, size_t size) {
    return (struct slice){(const uint8_t *)data, size};
}

/* Borrows the characters of `text` up to its NUL. */
static inline struct slice slice_of_string(const char *text) {
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static inline bool slice_equal(struct slice a, struct slice b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Lexicographic order of unsigned bytes, a shorter prefix first: negative, 0 or positive. */
static inline int slice_compare(struct slice a, struct slice b) {
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0)
        return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

/* ASCII case-insensitive equality with a NUL-terminated word (an option or a command name). */
bool slice_equal_word(struct slice a, const char *word);

/* The whole slice as a signed 64-bit decimal: optional '-', no '+', no leading zeros, no spaces
 * (the form in which integers are stored and sent). False if it is anything else. */
bool slice_to_int64(struct slice text, int64_t *out_value);

/* Same for unsigned 64-bit decimals. */
bool slice_to_uint64(struct slice text, uint64_t *out_value);

/* Room that int64_format needs, without a NUL. */
enum { INT64_TEXT_MAX = 20 };

/* Write `value` in decimal at `out` (at least INT64_TEXT_MAX bytes, no NUL). Returns the length. */
size_t int64_format(int64_t value, uint8_t *out);
size_t uint64_format(uint64_t value, uint8_t *out);

#endif
