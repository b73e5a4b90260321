/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers, lengths and strings of a payload. A compressed string is in the format of LZF: runs of
 * literal bytes, and references to bytes that were already put out. */
#include "commands/dump_reader.h"

#include <math.h>
#include <stdlib.h>

enum {
    LZF_EXPANSION_MAX =
        132, /* bytes that one of input becomes: 264 of a reference of 3, and more */
    SCORE_NAN = 253,
    SCORE_INFINITE = 254,
    SCORE_NEGATIVE_INFINITE = 255,
};

enum length_form { FORM_LENGTH, FORM_NUMBER, FORM_COMPRESSED };

enum larder_status dump_read_bytes(struct dump_reader *reader, size_t size, struct slice *out) {
    if (dump_left(reader) < size)
        return LARDER_CORRUPT;
    *out = slice_of(reader->at, size);
    reader->at += size;
    return LARDER_OK;
}

enum larder_status dump_read_number(struct dump_reader *reader, unsigned width, uint64_t *out) {
    struct slice bytes;
    enum larder_status status = dump_read_bytes(reader, width, &bytes);
    if (status != LARDER_OK)
        return status;
    *out = 0;
    for (unsigned i = 0; i < width; i++)
        *out |= (uint64_t)bytes.data[i] << 8 * i;
    return LARDER_OK;
}

static enum larder_status read_high_first(struct dump_reader *reader, unsigned width,
                                          uint64_t *out) {
    struct slice bytes;
    enum larder_status status = dump_read_bytes(reader, width, &bytes);
    if (status != LARDER_OK)
        return status;
    *out = 0;
    for (unsigned i = 0; i < width; i++)
        *out = *out << 8 | bytes.data[i];
    return LARDER_OK;
}

enum larder_status dump_read_id(struct dump_reader *reader, struct stream_id *out) {
    enum larder_status status = read_high_first(reader, 8, &out->ms);
    return status == LARDER_OK ? read_high_first(reader, 8, &out->sequence) : status;
}

/* A length, or with *out_form another one how a string is held. */
static enum larder_status read_form(struct dump_reader *reader, enum length_form *out_form,
                                    uint64_t *out) {
    uint64_t head, low;
    enum larder_status status = dump_read_number(reader, 1, &head);
    if (status != LARDER_OK)
        return status;
    *out_form = FORM_LENGTH;
    switch (head >> 6) {
    case 0: *out = head; return LARDER_OK;
    case 1:
        status = dump_read_number(reader, 1, &low);
        if (status == LARDER_OK)
            *out = (head & 63) << 8 | low;
        return status;
    case 2:
        if (head != 0x80 && head != 0x81)
            return LARDER_CORRUPT;
        return read_high_first(reader, head == 0x80 ? 4 : 8, out);
    default: break;
    }
    *out = head & 63;
    *out_form = *out == 3 ? FORM_COMPRESSED : FORM_NUMBER;
    return *out <= 3 ? LARDER_OK : LARDER_CORRUPT;
}

enum larder_status dump_read_length(struct dump_reader *reader, uint64_t *out) {
    enum length_form form;
    enum larder_status status = read_form(reader, &form, out);
    return status == LARDER_OK && form != FORM_LENGTH ? LARDER_CORRUPT : status;
}

/* ---- strings ---- */

/* Whether the input is well-formed and gives exactly `size` bytes. */
static bool decompress(struct slice input, uint8_t *out, size_t size) {
    const uint8_t *at = input.data, *end = at + input.size;
    size_t used = 0;
    while (at < end) {
        size_t control = *at++;
        if (control < 32) {
            size_t count = control + 1;
            if ((size_t)(end - at) < count || size - used < count)
                return false;
            memcpy(out + used, at, count);
            at += count;
            used += count;
            continue;
        }
        size_t count = control >> 5;
        if (count == 7) {
            if (at == end)
                return false;
            count += *at++;
        }
        if (at == end)
            return false;
        size_t distance = ((control & 31) << 8 | *at++) + 1;
        count += 2;
        if (distance > used || size - used < count)
            return false;
        for (; count > 0; count--, used++)
            out[used] = out[used - distance];
    }
    return used == size;
}

static enum larder_status read_compressed(struct dump_reader *reader, struct dump_string *out) {
    uint64_t packed, size;
    struct slice input;
    enum larder_status status = dump_read_length(reader, &packed);
    if (status == LARDER_OK)
        status = dump_read_length(reader, &size);
    if (status == LARDER_OK)
        status = packed > SIZE_MAX ? LARDER_CORRUPT : dump_read_bytes(reader, packed, &input);
    if (status != LARDER_OK)
        return status;
    if (size == 0 || size / LZF_EXPANSION_MAX > packed)
        return LARDER_CORRUPT;
    uint8_t *data = allocator_allocate(reader->allocator, size);
    if (data == NULL)
        return LARDER_NO_MEMORY;
    if (!decompress(input, data, size)) {
        allocator_release(reader->allocator, data, size);
        return LARDER_CORRUPT;
    }
    out->owned = data;
    out->owned_size = size;
    out->text = slice_of(data, size);
    return LARDER_OK;
}

static int64_t sign_extend(uint64_t bits, unsigned width) {
    unsigned shift = 64 - 8 * width;
    return (int64_t)(bits << shift) >> shift;
}

enum larder_status dump_read_string(struct dump_reader *reader, struct dump_string *out) {
    enum length_form form;
    uint64_t length, bits;
    enum larder_status status = read_form(reader, &form, &length);
    out->owned = NULL;
    if (status != LARDER_OK)
        return status;
    if (form == FORM_COMPRESSED)
        return read_compressed(reader, out);
    if (form == FORM_LENGTH)
        return dump_read_bytes(reader, length, &out->text);
    unsigned width = 1u << length;
    status = dump_read_number(reader, width, &bits);
    if (status == LARDER_OK)
        out->text = slice_of(out->scratch, int64_format(sign_extend(bits, width), out->scratch));
    return status;
}

void dump_string_finish(struct dump_string *string, const struct allocator *allocator) {
    if (string->owned != NULL)
        allocator_release(allocator, string->owned, string->owned_size);
    string->owned = NULL;
}

/* ---- scores ---- */

static enum larder_status read_score_text(struct dump_reader *reader, double *out) {
    uint64_t size;
    struct slice text;
    char digits[256], *end;
    enum larder_status status = dump_read_number(reader, 1, &size);
    if (status != LARDER_OK)
        return status;
    if (size >= SCORE_NAN) {
        *out = size == SCORE_NAN ? NAN : size == SCORE_INFINITE ? INFINITY : -INFINITY;
        return LARDER_OK;
    }
    status = dump_read_bytes(reader, size, &text);
    if (status != LARDER_OK || size == 0)
        return LARDER_CORRUPT;
    memcpy(digits, text.data, size);
    digits[size] = '\0';
    *out = strtod(digits, &end);
    return end == digits + size ? LARDER_OK : LARDER_CORRUPT;
}

enum larder_status dump_read_score(struct dump_reader *reader, bool is_text, double *out) {
    uint64_t bits;
    enum larder_status status =
        is_text ? read_score_text(reader, out) : dump_read_number(reader, 8, &bits);
    if (status != LARDER_OK)
        return status;
    if (!is_text)
        memcpy(out, &bits, sizeof(*out));
    return isnan(*out) ? LARDER_CORRUPT : LARDER_OK;
}
