/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes of a request memory, for copying it and for comparing it. Integers are little-endian.
 *
 *   floor u64 | sessions u32 | each: client 2 x u64 | lowest u64 | active u64 | sent u64 |
 *   results u8 | each: number u64 | kind u8 | size u16 | bytes
 */
#include "cluster/request_memory.h"

#include "base/hash.h"
#include "raft/bytes.h"

enum { HEADER_BYTES = 12, SESSION_BYTES = 5 * 8 + 1, RESULT_BYTES = 11 };

size_t request_memory_encoded_size(const struct request_memory *m) {
    size_t size = HEADER_BYTES + m->count * (size_t)SESSION_BYTES;
    for (uint32_t i = 0; i < m->count; i++)
        for (uint32_t k = 0; k < m->sessions[i].count; k++)
            size += RESULT_BYTES + m->sessions[i].results[k].size;
    return size;
}

static void encode_session(struct byte_writer *w, const struct request_session *s) {
    const uint64_t words[] = {s->client[0], s->client[1], s->lowest, (uint64_t)s->active_us,
                              (uint64_t)s->sent_us};
    for (size_t i = 0; i < 5; i++)
        write_unsigned(w, words[i], 8);
    write_unsigned(w, s->count, 1);
    for (uint32_t i = 0; i < s->count; i++) {
        write_unsigned(w, s->results[i].number, 8);
        write_unsigned(w, s->results[i].kind, 1);
        write_unsigned(w, s->results[i].size, 2);
        write_bytes(w, slice_of(s->results[i].bytes, s->results[i].size));
    }
}

static void digest_bytes(struct slice bytes, uint64_t space, uint64_t *low, uint64_t *high) {
    static const struct hash_seed LOW = {{1, 2}}, HIGH = {{3, 4}};
    *low = hash_fold(*low ^ hash_key(&LOW, bytes, space), 0x9e3779b97f4a7c15u);
    *high = hash_fold(*high ^ hash_key(&HIGH, bytes, space), 0xd6e8feb86659fd93u);
}

void request_memory_digest(const struct request_memory *m, uint64_t *out_low, uint64_t *out_high) {
    *out_low = 1;
    *out_high = (uint64_t)m->floor_us;
    for (uint32_t k = 0; k < m->count; k++) {
        const struct request_session *s = &m->sessions[k];
        const uint64_t words[] = {s->client[0], s->client[1], s->lowest, (uint64_t)s->active_us,
                                  (uint64_t)s->sent_us};
        digest_bytes(slice_of(words, sizeof(words)), s->count, out_low, out_high);
        for (uint32_t i = 0; i < s->count; i++)
            digest_bytes(slice_of(s->results[i].bytes, s->results[i].size),
                         s->results[i].number * 4 + s->results[i].kind, out_low, out_high);
    }
}

size_t request_memory_encode(const struct request_memory *m, uint8_t *out) {
    struct byte_writer w = {out};
    write_unsigned(&w, (uint64_t)m->floor_us, 8);
    write_unsigned(&w, m->count, 4);
    for (uint32_t i = 0; i < m->count; i++)
        encode_session(&w, &m->sessions[i]);
    return (size_t)(w.at - out);
}

/* A session always has a result: the newest of its records stored one. */
static enum larder_status decode_session(struct byte_reader *r, struct request_memory *into) {
    struct request_id id;
    id.client[0] = read_unsigned(r, 8);
    id.client[1] = read_unsigned(r, 8);
    uint64_t lowest = read_unsigned(r, 8);
    int64_t active_us = (int64_t)read_unsigned(r, 8);
    id.first_sent_us = (int64_t)read_unsigned(r, 8);
    uint64_t count = read_unsigned(r, 1);
    uint64_t before = lowest;
    if (count > REQUEST_OPEN_MAX || count == 0)
        return LARDER_CORRUPT;
    for (uint64_t i = 0; i < count; i++) {
        id.number = read_unsigned(r, 8);
        id.lowest = lowest;
        struct request_result result = {(enum request_result_kind)read_unsigned(r, 1), {0}};
        result.bytes = read_bytes(r, (size_t)read_unsigned(r, 2));
        bool is_sorted = i == 0 ? id.number >= lowest : id.number > before;
        if (r->is_failed || !is_sorted || result.kind == 0 ||
            result.kind >= REQUEST_RESULT_KIND_END || result.bytes.size > REQUEST_RESULT_MAX)
            return LARDER_CORRUPT;
        before = id.number;
        enum larder_status status = request_memory_add(into, &id, active_us, &result);
        if (status != LARDER_OK)
            return status;
    }
    return LARDER_OK;
}

enum larder_status request_memory_restore(struct request_memory *m, struct slice bytes) {
    struct request_memory *made = NULL;
    enum larder_status status = request_memory_create(m->bytes_max, m->allocator, &made);
    if (status != LARDER_OK)
        return status;
    struct byte_reader r = byte_reader_of(bytes);
    int64_t floor_us = (int64_t)read_unsigned(&r, 8);
    uint64_t count = read_unsigned(&r, 4);
    for (uint64_t i = 0; i < count && status == LARDER_OK; i++)
        status = r.is_failed ? LARDER_CORRUPT : decode_session(&r, made);
    if (status == LARDER_OK && (r.is_failed || r.left != 0 || made->count != count))
        status = LARDER_CORRUPT;
    if (status == LARDER_OK) {
        made->floor_us = floor_us;
        struct request_memory old = *m;
        *m = *made;
        *made = old;
    }
    request_memory_destroy(made);
    return status;
}
