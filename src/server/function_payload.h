/* SPDX-License-Identifier: BSD-3-Clause */
/* The payload of FUNCTION DUMP and RESTORE: the texts of libraries as an RDB file holds them, then
 * two bytes of version and a checksum. Pure.
 *
 *   { 0xf5, length, text } ...   version (2, little-endian)   CRC-64 of all before (8,
 * little-endian)
 *
 * A length is 00LLLLLL, 01LLLLLL LLLLLLLL, 0x80 and 4 bytes, or 0x81 and 8 bytes, high byte first;
 * a text may be compressed: 0xc3, length of the compressed form, length of the text, LZF. */
#ifndef LARDER_SERVER_FUNCTION_PAYLOAD_H
#define LARDER_SERVER_FUNCTION_PAYLOAD_H

#include "base/blob.h"
#include "base/status.h"
#include "wire/reply.h"

/* Append one text, or the end, to what becomes the payload. */
void function_payload_add(struct reply *payload, struct slice text);
void function_payload_end(struct reply *payload);

/* Whether version and checksum are right. On success *payload is without them. */
bool function_payload_check(struct slice *payload);

enum function_payload_result {
    FUNCTION_PAYLOAD_TEXT, /* one was read */
    FUNCTION_PAYLOAD_END,
    FUNCTION_PAYLOAD_OTHER, /* something else than a library */
    FUNCTION_PAYLOAD_BROKEN,
    FUNCTION_PAYLOAD_NO_MEMORY,
};

enum { FUNCTION_TEXT_MAX = 64 << 20 };

/* Read the next text and move on. Returns owned in *out_text. */
enum function_payload_result function_payload_next(struct slice *payload,
                                                   const struct allocator *allocator,
                                                   struct blob **out_text);

#endif
