/* SPDX-License-Identifier: BSD-3-Clause */
/* Walking the packed forms that Redis holds small containers in, all of which end with a byte ff:
 *
 *   ziplist  total 4 | offset of the last 4 | count 2 | entries, each: size of the one before 1 or
 *            5 | head | payload
 *   listpack total 4 | count 2 | elements, each: head | payload | size of these, 7 bits a byte
 *   zipmap   count 1 | pairs, each: size 1 or 5 | key | size 1 or 5 | unused 1 | value | unused
 *   integers width 4 | count 4 | sorted numbers, little-endian; no end mark */
#include "commands/dump_reader.h"

enum {
    ZIPLIST_HEADER_BYTES = 10,
    LISTPACK_HEADER_BYTES = 6,
    INTEGERS_HEADER_BYTES = 8,
    ZIPMAP_HEADER_BYTES = 1,
    LONG_SIZE = 254, /* four more bytes hold it */
    END_MARK = 255,
};

static uint64_t number_at(const uint8_t *at, unsigned width) {
    uint64_t value = 0;
    for (unsigned i = 0; i < width; i++)
        value |= (uint64_t)at[i] << 8 * i;
    return value;
}

static struct slice integer_text(uint64_t bits, unsigned width, uint8_t *scratch) {
    unsigned shift = 64 - 8 * width;
    int64_t value = (int64_t)(bits << shift) >> shift;
    return slice_of(scratch, int64_format(value, scratch));
}

static size_t left(const struct dump_elements *elements) {
    return (size_t)(elements->end - elements->at);
}

/* Take `size` bytes, of which the text is the last `text_size`. */
static enum larder_status take_text(struct dump_elements *elements, size_t head, uint64_t text_size,
                                    struct slice *out) {
    if (left(elements) < head || left(elements) - head < text_size)
        return LARDER_CORRUPT;
    *out = slice_of(elements->at + head, text_size);
    elements->at += head + text_size;
    return LARDER_OK;
}

static enum larder_status take_integer(struct dump_elements *elements, size_t head, unsigned width,
                                       uint8_t *scratch, struct slice *out) {
    struct slice bytes;
    enum larder_status status = take_text(elements, head, width, &bytes);
    if (status == LARDER_OK)
        *out = integer_text(number_at(bytes.data, width), width, scratch);
    return status;
}

static enum larder_status take_small(struct dump_elements *elements, size_t head, int64_t value,
                                     uint8_t *scratch, struct slice *out) {
    elements->at += head;
    *out = slice_of(scratch, int64_format(value, scratch));
    return LARDER_OK;
}

/* ---- listpack ---- */

static enum larder_status next_of_listpack(struct dump_elements *elements, uint8_t *scratch,
                                           struct slice *out) {
    const uint8_t *at = elements->at;
    uint8_t head = *at;
    size_t room = left(elements);
    if (head < 0x80)
        return take_small(elements, 1, head, scratch, out);
    if (head < 0xc0)
        return take_text(elements, 1, head & 0x3f, out);
    if (head >= 0xf1 && head <= 0xf4)
        return take_integer(elements, 1, head == 0xf4 ? 8 : head - 0xefu, scratch, out);
    if (room < (head == 0xf0 ? 5 : 2) || head > 0xf0)
        return LARDER_CORRUPT;
    if (head == 0xf0)
        return take_text(elements, 5, number_at(at + 1, 4), out);
    if (head >= 0xe0)
        return take_text(elements, 2, (head & 0xfu) << 8 | at[1], out);
    uint64_t bits = (head & 0x1fu) << 8 | at[1];
    return take_small(elements, 2, (int64_t)(bits << 51) >> 51, scratch, out);
}

/* The length behind an element of `size` bytes. */
static enum larder_status skip_back_length(struct dump_elements *elements, size_t size) {
    size_t groups = size <= 127        ? 1
                    : size < 16383     ? 2
                    : size < 2097151   ? 3
                    : size < 268435455 ? 4
                                       : 5;
    if (left(elements) < groups)
        return LARDER_CORRUPT;
    uint64_t length = elements->at[0];
    for (size_t i = 1; i < groups; i++)
        length = length << 7 | (elements->at[i] & 127);
    elements->at += groups;
    return length == size ? LARDER_OK : LARDER_CORRUPT;
}

/* ---- ziplist ---- */

static enum larder_status skip_size_before(struct dump_elements *elements) {
    size_t before = *elements->at, bytes = 1;
    if (before == LONG_SIZE) {
        if (left(elements) < 5)
            return LARDER_CORRUPT;
        before = number_at(elements->at + 1, 4);
        bytes = 5;
    }
    if (before != elements->before || left(elements) <= bytes)
        return LARDER_CORRUPT;
    elements->at += bytes;
    return LARDER_OK;
}

static enum larder_status next_of_ziplist(struct dump_elements *elements, uint8_t *scratch,
                                          struct slice *out) {
    enum larder_status status = skip_size_before(elements);
    if (status != LARDER_OK)
        return status;
    const uint8_t *at = elements->at;
    uint8_t head = *at;
    size_t room = left(elements);
    if (head < 0x40)
        return take_text(elements, 1, head, out);
    if (head < 0x80)
        return room < 2 ? LARDER_CORRUPT : take_text(elements, 2, (head & 0x3fu) << 8 | at[1], out);
    if (head == 0x80) {
        if (room < 5)
            return LARDER_CORRUPT;
        uint32_t size =
            (uint32_t)at[1] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 8 | at[4];
        return take_text(elements, 5, size, out);
    }
    switch (head) {
    case 0xc0: return take_integer(elements, 1, 2, scratch, out);
    case 0xd0: return take_integer(elements, 1, 4, scratch, out);
    case 0xe0: return take_integer(elements, 1, 8, scratch, out);
    case 0xf0: return take_integer(elements, 1, 3, scratch, out);
    case 0xfe: return take_integer(elements, 1, 1, scratch, out);
    default: break;
    }
    if (head > 0xf0 && head < 0xfe)
        return take_small(elements, 1, (head & 0xf) - 1, scratch, out);
    return LARDER_CORRUPT;
}

/* ---- zipmap ---- */

static enum larder_status next_of_zipmap(struct dump_elements *elements, struct slice *out) {
    uint64_t size = *elements->at;
    size_t head = 1;
    if (size == LONG_SIZE) {
        if (left(elements) < 5)
            return LARDER_CORRUPT;
        size = number_at(elements->at + 1, 4);
        head = 5;
    }
    size_t unused = 0;
    if (elements->is_value) {
        if (left(elements) <= head)
            return LARDER_CORRUPT;
        unused = elements->at[head++];
    }
    enum larder_status status = take_text(elements, head, size, out);
    if (status != LARDER_OK || left(elements) < unused)
        return LARDER_CORRUPT;
    elements->at += unused;
    elements->is_value = !elements->is_value;
    return LARDER_OK;
}

/* ---- any ---- */

static enum larder_status begin_integers(struct dump_elements *elements, struct slice bytes) {
    if (bytes.size < INTEGERS_HEADER_BYTES)
        return LARDER_CORRUPT;
    uint64_t width = number_at(bytes.data, 4), count = number_at(bytes.data + 4, 4);
    if ((width != 2 && width != 4 && width != 8) ||
        bytes.size - INTEGERS_HEADER_BYTES != width * count)
        return LARDER_CORRUPT;
    elements->width = (unsigned)width;
    elements->at += INTEGERS_HEADER_BYTES;
    return LARDER_OK;
}

enum larder_status dump_elements_begin(struct dump_elements *elements, enum dump_form form,
                                       struct slice bytes) {
    static const uint8_t HEADER_BYTES[] = {
        [DUMP_ZIPLIST] = ZIPLIST_HEADER_BYTES,
        [DUMP_LISTPACK] = LISTPACK_HEADER_BYTES,
        [DUMP_ZIPMAP] = ZIPMAP_HEADER_BYTES,
    };
    *elements = (struct dump_elements){.form = form, .at = bytes.data};
    elements->end = bytes.data + bytes.size;
    if (form == DUMP_INTEGERS)
        return begin_integers(elements, bytes);
    if (bytes.size <= HEADER_BYTES[form] || bytes.data[bytes.size - 1] != END_MARK)
        return LARDER_CORRUPT;
    if (form != DUMP_ZIPMAP && number_at(bytes.data, 4) != bytes.size)
        return LARDER_CORRUPT;
    elements->at += HEADER_BYTES[form];
    return LARDER_OK;
}

/* Whether the end is reached; *out_status tells whether it is where it should be. */
static bool is_at_end(const struct dump_elements *elements, enum larder_status *out_status) {
    *out_status = LARDER_NOT_FOUND;
    if (elements->form == DUMP_INTEGERS)
        return left(elements) == 0;
    *out_status = LARDER_CORRUPT;
    if (left(elements) == 0)
        return true;
    if (*elements->at != END_MARK)
        return false;
    if (left(elements) == 1 && !elements->is_value)
        *out_status = LARDER_NOT_FOUND;
    return true;
}

enum larder_status dump_elements_next(struct dump_elements *elements, uint8_t *scratch,
                                      struct slice *out) {
    enum larder_status status = LARDER_CORRUPT;
    const uint8_t *begin = elements->at;
    if (is_at_end(elements, &status))
        return status;
    switch (elements->form) {
    case DUMP_INTEGERS: return take_integer(elements, 0, elements->width, scratch, out);
    case DUMP_ZIPMAP: return next_of_zipmap(elements, out);
    case DUMP_ZIPLIST:
        status = next_of_ziplist(elements, scratch, out);
        elements->before = (size_t)(elements->at - begin);
        return status;
    case DUMP_LISTPACK:
        status = next_of_listpack(elements, scratch, out);
        if (status != LARDER_OK)
            return status;
        return skip_back_length(elements, (size_t)(elements->at - begin));
    }
    return status;
}
