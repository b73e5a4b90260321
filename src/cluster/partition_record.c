/* SPDX-License-Identifier: BSD-3-Clause */
#include "cluster/partition_record.h"

#include "raft/bytes.h"

enum { HEADER_BYTES = 2 + 8, REQUEST_BYTES = 5 * 8 + 3 };
enum { FLAG_REQUEST = 1, FLAG_MARKS = 2 };

size_t partition_record_encoded_size(const struct partition_record *r) {
    size_t request = r->has_request ? REQUEST_BYTES + r->result.bytes.size : 0;
    size_t marks = r->marks.size > 0 ? 2 + r->marks.size : 0;
    return HEADER_BYTES + request + marks + r->body.size;
}

size_t partition_record_encode(const struct partition_record *r, uint8_t *out) {
    struct byte_writer w = {out};
    write_unsigned(&w, r->kind, 1);
    write_unsigned(&w, (r->has_request ? FLAG_REQUEST : 0u) | (r->marks.size > 0 ? FLAG_MARKS : 0u),
                   1);
    write_unsigned(&w, (uint64_t)r->time_us, 8);
    if (r->has_request) {
        write_unsigned(&w, r->id.client[0], 8);
        write_unsigned(&w, r->id.client[1], 8);
        write_unsigned(&w, r->id.number, 8);
        write_unsigned(&w, r->id.lowest, 8);
        write_unsigned(&w, (uint64_t)r->id.first_sent_us, 8);
        write_unsigned(&w, r->result.kind, 1);
        write_unsigned(&w, r->result.bytes.size, 2);
        write_bytes(&w, r->result.bytes);
    }
    if (r->marks.size > 0) {
        write_unsigned(&w, r->marks.size, 2);
        write_bytes(&w, r->marks);
    }
    write_bytes(&w, r->body);
    return (size_t)(w.at - out);
}

static void decode_request(struct byte_reader *r, struct partition_record *out) {
    out->id.client[0] = read_unsigned(r, 8);
    out->id.client[1] = read_unsigned(r, 8);
    out->id.number = read_unsigned(r, 8);
    out->id.lowest = read_unsigned(r, 8);
    out->id.first_sent_us = (int64_t)read_unsigned(r, 8);
    uint64_t kind = read_unsigned(r, 1);
    out->result.kind = (enum request_result_kind)kind;
    out->result.bytes = read_bytes(r, (size_t)read_unsigned(r, 2));
    if (kind == 0 || kind >= REQUEST_RESULT_KIND_END ||
        out->result.bytes.size > REQUEST_RESULT_MAX || out->id.lowest > out->id.number)
        r->is_failed = true;
}

static bool are_sound(struct slice marks) {
    struct slice mark;
    size_t at = 0;
    while (partition_next_mark(marks, &at, &mark)) {
    }
    return at > 0 && at == marks.size;
}

enum larder_status partition_record_decode(struct slice bytes, struct partition_record *out) {
    struct byte_reader r = byte_reader_of(bytes);
    *out = (struct partition_record){0};
    uint64_t kind = read_unsigned(&r, 1);
    uint64_t flags = read_unsigned(&r, 1);
    out->kind = (enum partition_record_kind)kind;
    out->has_request = (flags & FLAG_REQUEST) != 0;
    out->time_us = (int64_t)read_unsigned(&r, 8);
    if (kind == 0 || kind >= PARTITION_RECORD_KIND_END || flags > (FLAG_REQUEST | FLAG_MARKS))
        return LARDER_CORRUPT;
    if (out->has_request)
        decode_request(&r, out);
    if ((flags & FLAG_MARKS) != 0) {
        out->marks = read_bytes(&r, (size_t)read_unsigned(&r, 2));
        r.is_failed |= !are_sound(out->marks) || kind != PARTITION_RECORD_EFFECT;
    }
    if (r.is_failed || out->time_us < 0)
        return LARDER_CORRUPT;
    out->body = read_bytes(&r, r.left);
    return LARDER_OK;
}
