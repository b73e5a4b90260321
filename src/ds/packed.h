/* SPDX-License-Identifier: BSD-3-Clause */
/* Packed elements: short byte strings one behind the other, walked in both directions. The content
 * of flat containers, of the blocks of long lists and of stream nodes. Only the encoding: whoever
 * owns the bytes knows where they begin and end and how many elements they hold.
 *
 *   element = head | payload | back
 *
 *   head  0xxxxxxx               the integer 0..127, no payload
 *         10xxxxxx               a string of 0..63 bytes
 *         110xxxxx x             a string of up to 8191 bytes, high bits first
 *         1110ssss               an integer of ssss (1..8) bytes, little-endian two's complement
 *         11110000 xxxx          a string of up to 4 GiB, length little-endian
 *   back  bytes of head and payload, in 7-bit groups, high group first as stored, so that read
 *         backwards the low group comes first; every group but the first as stored has bit 7 set
 *
 * A string that is the canonical decimal text of an int64 is always held as an integer, so equal
 * elements have equal bytes: packed_find compares encodings. */
#ifndef LARDER_DS_PACKED_H
#define LARDER_DS_PACKED_H

#include "base/slice.h"

struct packed_element {
    bool is_integer;
    int64_t integer;
    struct slice bytes; /* when it is no integer; borrowed */
};

/* Bytes that an element of this text takes. */
size_t packed_size(struct slice text);
/* Write one; returns where the next goes. */
uint8_t *packed_put(uint8_t *at, struct slice text);
/* Read one; returns where the next begins. */
const uint8_t *packed_get(const uint8_t *at, struct packed_element *out);
/* Where the next element begins. */
const uint8_t *packed_next(const uint8_t *at);
/* Where the element that ends before `at` begins. There is one. */
const uint8_t *packed_previous(const uint8_t *at);

/* The element's text: in place, or written at `scratch` (INT64_TEXT_MAX bytes). */
static inline struct slice packed_text(const struct packed_element *element, uint8_t *scratch) {
    if (!element->is_integer)
        return element->bytes;
    return slice_of(scratch, int64_format(element->integer, scratch));
}

static inline struct slice packed_get_text(const uint8_t *at, uint8_t *scratch) {
    struct packed_element element;
    (void)packed_get(at, &element);
    return packed_text(&element, scratch);
}

/* Whether the element at `at` is this text. */
bool packed_equal(const uint8_t *at, struct slice text);

/* The first element equal to `text` between `at` and `end`, looking at every `stride`-th (2: the
 * fields of {field, value} pairs). NULL when there is none. */
const uint8_t *packed_find(const uint8_t *at, const uint8_t *end, struct slice text,
                           unsigned stride);

#endif
