/* SPDX-License-Identifier: BSD-3-Clause */
/* Searching compares the encoded head and payload of what is sought with each element's, so that
 * nothing is decoded on the way. */
#include "ds/packed.h"

enum {
    HEAD_MAX = 9, /* an integer of eight bytes; a string's head without its bytes is shorter */
    SMALL_INTEGER_MAX = 127,
    TINY_STRING_MAX = 63,
    SHORT_STRING_MAX = 8191,
    TAG_TINY_STRING = 0x80,
    TAG_SHORT_STRING = 0xc0,
    TAG_INTEGER = 0xe0,
    TAG_LONG_STRING = 0xf0,
};

/* Head of a text, an integer's payload included. */
struct head {
    uint8_t bytes[HEAD_MAX];
    unsigned size;
    size_t payload; /* bytes of a string that follow */
};

static unsigned integer_width(int64_t integer) {
    uint64_t magnitude = integer < 0 ? ~(uint64_t)integer : (uint64_t)integer;
    unsigned bits = magnitude == 0 ? 1 : 65 - (unsigned)__builtin_clzll(magnitude);
    return (bits + 7) / 8;
}

static bool is_integer(struct slice text, int64_t *out) {
    return text.size <= INT64_TEXT_MAX && slice_to_int64(text, out);
}

/* Write the head of a text, an integer's payload included. Returns its bytes; *out_payload: bytes
 * of a string that follow. */
static unsigned put_head(uint8_t *at, struct slice text, size_t *out_payload) {
    int64_t integer;
    *out_payload = text.size;
    if (is_integer(text, &integer)) {
        *out_payload = 0;
        if (integer >= 0 && integer <= SMALL_INTEGER_MAX) {
            at[0] = (uint8_t)integer;
            return 1;
        }
        unsigned width = integer_width(integer);
        at[0] = (uint8_t)(TAG_INTEGER | width);
        memcpy(at + 1, &integer, width);
        return 1 + width;
    }
    if (text.size <= TINY_STRING_MAX) {
        at[0] = (uint8_t)(TAG_TINY_STRING | text.size);
        return 1;
    }
    if (text.size <= SHORT_STRING_MAX) {
        at[0] = (uint8_t)(TAG_SHORT_STRING | text.size >> 8);
        at[1] = (uint8_t)text.size;
        return 2;
    }
    uint32_t size = (uint32_t)text.size;
    at[0] = TAG_LONG_STRING;
    memcpy(at + 1, &size, sizeof(size));
    return 1 + sizeof(size);
}

static inline void head_of(struct slice text, struct head *out) {
    out->size = put_head(out->bytes, text, &out->payload);
}

/* Bytes of head and payload together. */
static size_t body_of(struct slice text) {
    int64_t integer;
    if (is_integer(text, &integer))
        return integer >= 0 && integer <= SMALL_INTEGER_MAX ? 1 : 1 + integer_width(integer);
    return text.size + (text.size <= TINY_STRING_MAX    ? 1
                        : text.size <= SHORT_STRING_MAX ? 2
                                                        : 1 + sizeof(uint32_t));
}

static unsigned back_size(size_t body) {
    unsigned size = 1;
    while (body >= 128) {
        body >>= 7;
        size++;
    }
    return size;
}

size_t packed_size(struct slice text) {
    size_t body = body_of(text);
    return body + back_size(body);
}

uint8_t *packed_put(uint8_t *at, struct slice text) {
    size_t payload;
    unsigned head = put_head(at, text, &payload);
    size_t body = head + payload;
    if (payload > 0)
        memcpy(at + head, text.data, payload);
    at += body;
    unsigned size = back_size(body);
    for (unsigned i = 0; i < size; i++) {
        unsigned group = (unsigned)(body >> 7 * (size - 1 - i)) & 0x7f;
        *at++ = (uint8_t)(i == 0 ? group : group | 0x80);
    }
    return at;
}

/* Bytes of head and payload; *out_head: of the head alone, *out_string: of the string behind it. */
static size_t body_at(const uint8_t *at, unsigned *out_head, size_t *out_string) {
    uint8_t tag = at[0];
    *out_string = 0;
    *out_head = 1;
    if (tag <= SMALL_INTEGER_MAX)
        return 1;
    if (tag < TAG_SHORT_STRING) {
        *out_string = tag & TINY_STRING_MAX;
    } else if (tag < TAG_INTEGER) {
        *out_head = 2;
        *out_string = (size_t)(tag & 0x1f) << 8 | at[1];
    } else if (tag < TAG_LONG_STRING) {
        return 1 + (size_t)(tag & 0x0f);
    } else {
        uint32_t size;
        memcpy(&size, at + 1, sizeof(size));
        *out_head = 1 + sizeof(size);
        *out_string = size;
    }
    return *out_head + *out_string;
}

const uint8_t *packed_next(const uint8_t *at) {
    unsigned head;
    size_t string;
    size_t body = body_at(at, &head, &string);
    return at + body + back_size(body);
}

const uint8_t *packed_get(const uint8_t *at, struct packed_element *out) {
    unsigned head;
    size_t string;
    size_t body = body_at(at, &head, &string);
    uint8_t tag = at[0];
    out->is_integer = tag <= SMALL_INTEGER_MAX || (tag >= TAG_INTEGER && tag < TAG_LONG_STRING);
    out->integer = 0;
    out->bytes = slice_of(NULL, 0);
    if (!out->is_integer) {
        out->bytes = slice_of(at + head, string);
    } else if (tag <= SMALL_INTEGER_MAX) {
        out->integer = tag;
    } else {
        unsigned width = tag & 0x0f;
        uint64_t word = 0;
        memcpy(&word, at + 1, width);
        out->integer = (int64_t)(word << (64 - 8 * width)) >> (64 - 8 * width);
    }
    return at + body + back_size(body);
}

const uint8_t *packed_previous(const uint8_t *at) {
    size_t body = 0;
    unsigned shift = 0;
    const uint8_t *back = at - 1;
    for (;; back--, shift += 7) {
        body |= (size_t)(*back & 0x7f) << shift;
        if ((*back & 0x80) == 0)
            break;
    }
    return back - body;
}

/* The first bytes are equal, so the heads have one size, and nothing behind the element is read. */
static bool is_equal(const uint8_t *at, const struct head *head, struct slice text) {
    return memcmp(at, head->bytes, head->size) == 0 &&
           (head->payload == 0 || memcmp(at + head->size, text.data, head->payload) == 0);
}

bool packed_equal(const uint8_t *at, struct slice text) {
    struct head head;
    head_of(text, &head);
    return at[0] == head.bytes[0] && is_equal(at, &head, text);
}

const uint8_t *packed_find(const uint8_t *at, const uint8_t *end, struct slice text,
                           unsigned stride) {
    struct head head;
    head_of(text, &head);
    while (at < end) {
        if (at[0] == head.bytes[0] && is_equal(at, &head, text))
            return at;
        for (unsigned i = 0; i < stride; i++)
            at = packed_next(at);
    }
    return NULL;
}
