/* SPDX-License-Identifier: BSD-3-Clause */
/* Ids are read as leniently as clients are used to. */
#include "ds/stream_id.h"

enum { TEXT_MAX = 127 }; /* longer texts are no ids, whatever is in them */

bool stream_id_increment(struct stream_id *id) {
    if (id->sequence != UINT64_MAX) {
        id->sequence++;
        return true;
    }
    if (id->ms == UINT64_MAX)
        return false;
    *id = (struct stream_id){id->ms + 1, 0};
    return true;
}

bool stream_id_decrement(struct stream_id *id) {
    if (id->sequence != 0) {
        id->sequence--;
        return true;
    }
    if (id->ms == 0)
        return false;
    *id = (struct stream_id){id->ms - 1, UINT64_MAX};
    return true;
}

static bool is_blank(uint8_t byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* The canonical text of a negative number is refused; any other with a minus counts modulo 2^64. */
static bool parse_number(struct slice text, uint64_t *out) {
    size_t at = 0;
    while (at < text.size && is_blank(text.data[at]))
        at++;
    bool is_negative = at < text.size && text.data[at] == '-';
    at += is_negative || (at < text.size && text.data[at] == '+');
    size_t first = at;
    uint64_t value = 0;
    for (; at < text.size; at++) {
        unsigned digit = (unsigned)text.data[at] - '0';
        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return false;
    }
    int64_t canonical;
    if (at == first || (is_negative && slice_to_int64(text, &canonical)))
        return false;
    *out = is_negative ? 0 - value : value;
    return true;
}

static bool parse_sequence(struct slice text, unsigned forms, uint64_t *out, bool *out_given) {
    *out_given = true;
    if ((forms & STREAM_ID_ANY_SEQUENCE) == 0 || text.size != 1 || text.data[0] != '*')
        return parse_number(text, out);
    *out_given = false;
    *out = 0;
    return true;
}

bool stream_id_parse(struct slice text, unsigned forms, uint64_t missing_sequence,
                     struct stream_id *out, bool *out_has_sequence) {
    bool has_sequence = true;
    if (out_has_sequence == NULL)
        out_has_sequence = &has_sequence;
    *out_has_sequence = true;
    if (text.size == 0 || text.size > TEXT_MAX)
        return false;
    bool is_edge = text.size == 1 && (text.data[0] == '-' || text.data[0] == '+');
    if (is_edge && (forms & STREAM_ID_EDGES) != 0) {
        *out = text.data[0] == '-' ? STREAM_ID_MIN : STREAM_ID_MAX;
        return true;
    }
    struct stream_id id = {.sequence = missing_sequence};
    const uint8_t *hyphen = memchr(text.data, '-', text.size);
    size_t ms_size = hyphen == NULL ? text.size : (size_t)(hyphen - text.data);
    if (!parse_number(slice_of(text.data, ms_size), &id.ms))
        return false;
    if (hyphen != NULL && !parse_sequence(slice_of(hyphen + 1, text.size - ms_size - 1), forms,
                                          &id.sequence, out_has_sequence))
        return false;
    *out = id;
    return true;
}

size_t stream_id_format(struct stream_id id, uint8_t *out) {
    size_t size = uint64_format(id.ms, out);
    out[size++] = '-';
    return size + uint64_format(id.sequence, out + size);
}
