/* SPDX-License-Identifier: BSD-3-Clause */
/* Appending the parts that serialised values consist of. Without memory `blob` becomes NULL and
 * nothing more is written. Private to src/commands/dump_*.c. */
#ifndef LARDER_COMMANDS_DUMP_WRITER_H
#define LARDER_COMMANDS_DUMP_WRITER_H

#include "commands/dump.h"
#include "ds/stream_id.h"

struct dump_writer {
    struct blob *blob;
    bool compresses; /* strings that are long enough */
};

/* Room for `size` more bytes, which count as written; NULL without memory. */
uint8_t *dump_write_room(struct dump_writer *writer, size_t size);
void dump_write_bytes(struct dump_writer *writer, struct slice bytes);
void dump_write_byte(struct dump_writer *writer, uint8_t byte);
/* `width` bytes, little-endian. */
void dump_write_number(struct dump_writer *writer, uint64_t value, unsigned width);
/* A length: in 6, 14, 32 or 64 bits. */
void dump_write_length(struct dump_writer *writer, uint64_t length);
/* A string: as a number where it is a small one, compressed where that is shorter. */
void dump_write_string(struct dump_writer *writer, struct slice text);
/* 16 bytes, high ones first. */
void dump_write_id(struct dump_writer *writer, struct stream_id id);

/* A string that is written in pieces: begin, the pieces, end. At most 4 GiB. */
size_t dump_write_begin_string(struct dump_writer *writer);
void dump_write_end_string(struct dump_writer *writer, size_t begin);

/* A whole stream; is_exact as in dump_create. */
void dump_write_stream(struct dump_writer *writer, const struct object *stream, bool is_exact);

#endif
