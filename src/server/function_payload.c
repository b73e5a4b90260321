/* SPDX-License-Identifier: BSD-3-Clause */
/* Texts are written uncompressed. */
#include "server/function_payload.h"

#include "base/crc64.h"
#include "base/lzf.h"

enum {
    OPCODE_FUNCTION = 0xf5,
    VERSION = 10, /* what servers of version 7.0 read */
    VERSION_MAX = 80,
    FOOTER_BYTES = 10,
    COMPRESSED = 0xc3,
};

/* ---- writing ---- */

static void add_bytes(struct reply *out, const uint8_t *bytes, size_t size) {
    reply_raw(out, slice_of(bytes, size));
}

static void add_length(struct reply *out, uint64_t length) {
    uint8_t head[9];
    if (length < 64) {
        head[0] = (uint8_t)length;
        add_bytes(out, head, 1);
    } else if (length < 1 << 14) {
        head[0] = (uint8_t)(0x40 | length >> 8);
        head[1] = (uint8_t)length;
        add_bytes(out, head, 2);
    } else {
        unsigned bytes = length <= UINT32_MAX ? 4 : 8;
        head[0] = bytes == 4 ? 0x80 : 0x81;
        for (unsigned i = 0; i < bytes; i++)
            head[1 + i] = (uint8_t)(length >> 8 * (bytes - 1 - i));
        add_bytes(out, head, bytes + 1);
    }
}

void function_payload_add(struct reply *out, struct slice text) {
    uint8_t opcode = OPCODE_FUNCTION;
    add_bytes(out, &opcode, 1);
    add_length(out, text.size);
    reply_raw(out, text);
}

void function_payload_end(struct reply *out) {
    uint8_t footer[FOOTER_BYTES] = {VERSION, 0};
    add_bytes(out, footer, 2);
    if (out->failed)
        return;
    uint64_t crc = crc64(0, slice_of(out->data, out->used));
    for (unsigned i = 0; i < 8; i++)
        footer[i] = (uint8_t)(crc >> 8 * i);
    add_bytes(out, footer, 8);
}

/* ---- reading ---- */

bool function_payload_check(struct slice *payload) {
    if (payload->size < FOOTER_BYTES)
        return false;
    const uint8_t *footer = payload->data + payload->size - FOOTER_BYTES;
    unsigned version = footer[0] | (unsigned)footer[1] << 8;
    uint64_t crc = 0;
    for (unsigned i = 0; i < 8; i++)
        crc |= (uint64_t)footer[2 + i] << 8 * i;
    if (version > VERSION_MAX || crc != crc64(0, slice_of(payload->data, payload->size - 8)))
        return false;
    payload->size -= FOOTER_BYTES;
    return true;
}

static bool take(struct slice *from, size_t size, struct slice *out) {
    if (from->size < size)
        return false;
    *out = slice_of(from->data, size);
    *from = slice_of(from->data + size, from->size - size);
    return true;
}

static bool take_length(struct slice *from, uint64_t *out) {
    struct slice head, rest = {NULL, 0};
    if (!take(from, 1, &head))
        return false;
    uint8_t first = head.data[0];
    size_t more = first < 0x40 ? 0 : first < 0x80 ? 1 : first == 0x80 ? 4 : first == 0x81 ? 8 : 9;
    if (more == 9 || !take(from, more, &rest))
        return false;
    uint64_t value = first < 0x80 ? first & 0x3f : 0;
    for (size_t i = 0; i < more; i++)
        value = value << 8 | rest.data[i];
    *out = value;
    return true;
}

static enum function_payload_result
read_compressed(struct slice *payload, const struct allocator *allocator, struct blob **out_text) {
    uint64_t packed_size, size;
    struct slice packed;
    if (!take_length(payload, &packed_size) || !take_length(payload, &size) ||
        packed_size > payload->size || size > FUNCTION_TEXT_MAX ||
        !take(payload, (size_t)packed_size, &packed))
        return FUNCTION_PAYLOAD_BROKEN;
    struct blob *text = blob_create(allocator, (size_t)size);
    if (text == NULL)
        return FUNCTION_PAYLOAD_NO_MEMORY;
    text->size = (size_t)size;
    if (!lzf_decompress(packed, text->data, text->size)) {
        blob_release(text);
        return FUNCTION_PAYLOAD_BROKEN;
    }
    *out_text = text;
    return FUNCTION_PAYLOAD_TEXT;
}

enum function_payload_result function_payload_next(struct slice *payload,
                                                   const struct allocator *allocator,
                                                   struct blob **out_text) {
    struct slice head, bytes;
    uint64_t size;
    if (!take(payload, 1, &head))
        return FUNCTION_PAYLOAD_END;
    if (head.data[0] != OPCODE_FUNCTION)
        return FUNCTION_PAYLOAD_OTHER;
    if (payload->size > 0 && payload->data[0] == COMPRESSED) {
        (void)take(payload, 1, &head);
        return read_compressed(payload, allocator, out_text);
    }
    if (!take_length(payload, &size) || size > payload->size ||
        !take(payload, (size_t)size, &bytes))
        return FUNCTION_PAYLOAD_BROKEN;
    struct blob *text = blob_create(allocator, bytes.size);
    if (text == NULL)
        return FUNCTION_PAYLOAD_NO_MEMORY;
    if (bytes.size > 0)
        memcpy(text->data, bytes.data, bytes.size);
    text->size = bytes.size;
    *out_text = text;
    return FUNCTION_PAYLOAD_TEXT;
}
