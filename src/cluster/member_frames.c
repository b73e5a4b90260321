/* SPDX-License-Identifier: BSD-3-Clause */
#include "cluster/member_frames.h"

#include "base/crc32c.h"
#include "raft/bytes.h"

enum { FRAME_VERSION = 1 };

size_t member_frame_seal(const struct member_frame *frame, uint8_t *out) {
    struct byte_writer w = {out};
    write_unsigned(&w, FRAME_VERSION, 1);
    write_unsigned(&w, frame->type, 1);
    write_unsigned(&w, frame->generation, 2);
    write_id(&w, frame->cluster);
    write_id(&w, frame->from);
    write_id(&w, frame->to);
    write_unsigned(&w, frame->incarnation, 8);
    write_unsigned(&w, frame->index, 8);
    w.at += frame->body.size;
    size_t size = (size_t)(w.at - out);
    write_unsigned(&w, crc32c(slice_of(out, size)), 4);
    return size + 4;
}

enum larder_status member_frame_decode(struct slice bytes, struct member_frame *out) {
    if (bytes.size < MEMBER_FRAME_OVERHEAD)
        return LARDER_CORRUPT;
    size_t size = bytes.size - 4;
    struct byte_reader tail = byte_reader_of(slice_of(bytes.data + size, 4));
    if (read_unsigned(&tail, 4) != crc32c(slice_of(bytes.data, size)))
        return LARDER_CORRUPT;
    struct byte_reader r = byte_reader_of(slice_of(bytes.data, size));
    uint64_t version = read_unsigned(&r, 1);
    uint64_t type = read_unsigned(&r, 1);
    if (version != FRAME_VERSION || type == 0 || type >= FRAME_TYPE_END)
        return LARDER_CORRUPT;
    *out = (struct member_frame){.type = (enum member_frame_type)type};
    out->generation = (uint16_t)read_unsigned(&r, 2);
    out->cluster = read_id(&r);
    out->from = read_id(&r);
    out->to = read_id(&r);
    out->incarnation = read_unsigned(&r, 8);
    out->index = read_unsigned(&r, 8);
    out->body = read_bytes(&r, r.left);
    return LARDER_OK;
}

const char *member_frame_name(enum member_frame_type type) {
    static const char *const NAMES[] = {
        [FRAME_CONSENSUS] = "consensus", [FRAME_HEARTBEAT] = "heartbeat",
        [FRAME_PROMISE] = "promise",     [FRAME_CONFIRM] = "confirm",
        [FRAME_PROPOSE] = "propose",     [FRAME_FETCH] = "fetch",
        [FRAME_ENTRIES] = "entries",     [FRAME_SNAPSHOT] = "snapshot",
        [FRAME_HAND_OFF] = "hand-off",   [FRAME_OFFER] = "offer",
        [FRAME_PARTITION] = "partition"};
    return type > 0 && type < FRAME_TYPE_END ? NAMES[type] : "?";
}
