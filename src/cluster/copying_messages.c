/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages come in, and as bytes. Integers are little-endian.
 *
 *   type u8 | partition u32 | from u32 | to u32 | unit u32 | incarnations 2 x u64 | term u64 |
 *   number u64 | as of u64 | offset u64 | total u64 | keys: size u32, bytes | size u32, bytes
 */
#include "cluster/copying_core.h"
#include "raft/bytes.h"

enum { FIXED_BYTES = 1 + 4 * 4 + 7 * 8 + 2 * 4 };

enum larder_status copying_receive(struct copying *c, int64_t now_us,
                                   const struct copying_message *m, struct copying_output *out) {
    out->message_count = 0;
    if (m->partition != c->options.partition || m->to != c->options.self ||
        m->to_incarnation != c->options.incarnation)
        return LARDER_DENIED;
    if (m->type < COPYING_UNIT)
        return copying_answer(c, now_us, m, out);
    enum larder_status status = copying_take_answer(c, m);
    if (status == LARDER_OK)
        copying_ask(c, now_us, out);
    return status;
}

void copying_tick(struct copying *c, int64_t now_us, struct copying_output *out) {
    out->message_count = 0;
    copying_age_images(c, now_us);
    copying_ask(c, now_us, out);
}

size_t copying_message_encoded_size(const struct copying_message *m) {
    return FIXED_BYTES + m->keys.size + m->bytes.size;
}

size_t copying_message_encode(const struct copying_message *m, uint8_t *out) {
    struct byte_writer w = {out};
    write_unsigned(&w, m->type, 1);
    write_unsigned(&w, m->partition, 4);
    write_unsigned(&w, m->from, 4);
    write_unsigned(&w, m->to, 4);
    write_unsigned(&w, m->unit, 4);
    const uint64_t words[] = {m->from_incarnation, m->to_incarnation, m->term, m->number, m->as_of,
                              m->offset,           m->total};
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        write_unsigned(&w, words[i], 8);
    write_unsigned(&w, m->keys.size, 4);
    write_bytes(&w, m->keys);
    write_unsigned(&w, m->bytes.size, 4);
    write_bytes(&w, m->bytes);
    return (size_t)(w.at - out);
}

enum larder_status copying_message_decode(struct slice bytes, struct copying_message *out) {
    struct byte_reader r = byte_reader_of(bytes);
    *out = (struct copying_message){0};
    uint64_t type = read_unsigned(&r, 1);
    out->type = (enum copying_message_type)type;
    out->partition = (uint32_t)read_unsigned(&r, 4);
    out->from = (uint32_t)read_unsigned(&r, 4);
    out->to = (uint32_t)read_unsigned(&r, 4);
    out->unit = (uint32_t)read_unsigned(&r, 4);
    uint64_t *const words[] = {
        &out->from_incarnation, &out->to_incarnation, &out->term, &out->number, &out->as_of,
        &out->offset,           &out->total};
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        *words[i] = read_unsigned(&r, 8);
    out->keys = read_bytes(&r, (size_t)read_unsigned(&r, 4));
    out->bytes = read_bytes(&r, (size_t)read_unsigned(&r, 4));
    bool is_sound = type > 0 && type < COPYING_MESSAGE_END && out->unit < COPYING_UNITS;
    return is_sound && !r.is_failed && r.left == 0 ? LARDER_OK : LARDER_CORRUPT;
}
