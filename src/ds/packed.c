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

static struct head head_of(struct slice text) {
    struct head head = {.payload = text.size};
    int64_t integer;
    if (text.size <= INT64_TEXT_MAX && slice_to_int64(text, &integer)) {
        head.payload = 0;
        if (integer >= 0 && integer <= SMALL_INTEGER_MAX) {
            head.bytes[0] = (uint8_t)integer;
            head.size = 1;
            return head;
        }
        unsigned width = integer_width(integer);
        head.bytes[0] = (uint8_t)(TAG_INTEGER | width);
        memcpy(head.bytes + 1, &integer, width);
        head.size = 1 + width;
    } else if (text.size <= TINY_STRING_MAX) {
        head.bytes[0] = (uint8_t)(TAG_TINY_STRING | text.size);
        head.size = 1;
    } else if (text.size <= SHORT_STRING_MAX) {
        head.bytes[0] = (uint8_t)(TAG_SHORT_STRING | text.size >> 8);
        head.bytes[1] = (uint8_t)text.size;
        head.size = 2;
    } else {
        uint32_t size = (uint32_t)text.size;
        head.bytes[0] = TAG_LONG_STRING;
        memcpy(head.bytes + 1, &size, sizeof(size));
        head.size = 1 + sizeof(size);
    }
    return head;
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
    struct head head = head_of(text);
    size_t body = head.size + head.payload;
    return body + back_size(body);
}

uint8_t *packed_put(uint8_t *at, struct slice text) {
    struct head head = head_of(text);
    size_t body = head.size + head.payload;
    memcpy(at, head.bytes, head.size);
    if (head.payload > 0)
        memcpy(at + head.size, text.data, head.payload);
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
    struct head head = head_of(text);
    return at[0] == head.bytes[0] && is_equal(at, &head, text);
}

const uint8_t *packed_find(const uint8_t *at, const uint8_t *end, struct slice text,
                           unsigned stride) {
    struct head head = head_of(text);
    while (at < end) {
        if (at[0] == head.bytes[0] && is_equal(at, &head, text))
            return at;
        for (unsigned i = 0; i < stride; i++)
            at = packed_next(at);
    }
    return NULL;
}
