/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading the parts that serialised values consist of. Every function checks that what it reads is
 * there; the errors of all are LARDER_CORRUPT (the bytes are no such thing) and LARDER_NO_MEMORY.
 * Private to src/commands/dump_*.c. */
#ifndef LARDER_COMMANDS_DUMP_READER_H
#define LARDER_COMMANDS_DUMP_READER_H

#include "commands/dump.h"
#include "ds/stream_id.h"

struct dump_reader {
    const uint8_t *at, *end;
    const struct allocator *allocator;
};

static inline size_t dump_left(const struct dump_reader *reader) {
    return (size_t)(reader->end - reader->at);
}

/* `size` bytes, borrowed from the payload. */
enum larder_status dump_read_bytes(struct dump_reader *reader, size_t size,
                                   struct slice *out) LARDER_NODISCARD;
/* `width` bytes, little-endian. */
enum larder_status dump_read_number(struct dump_reader *reader, unsigned width,
                                    uint64_t *out) LARDER_NODISCARD;
/* 16 bytes, high ones first. */
enum larder_status dump_read_id(struct dump_reader *reader, struct stream_id *out) LARDER_NODISCARD;
enum larder_status dump_read_length(struct dump_reader *reader, uint64_t *out) LARDER_NODISCARD;
/* A score as text, or as a binary double. NaN is corrupt. */
enum larder_status dump_read_score(struct dump_reader *reader, bool is_text,
                                   double *out) LARDER_NODISCARD;

/* A string: part of the payload, decompressed into memory of its own, or the text of a number. */
struct dump_string {
    struct slice text;
    uint8_t *owned; /* NULL: none */
    size_t owned_size;
    uint8_t scratch[INT64_TEXT_MAX];
};
/* On success to be finished; on failure there is nothing to finish. */
enum larder_status dump_read_string(struct dump_reader *reader,
                                    struct dump_string *out) LARDER_NODISCARD;
void dump_string_finish(struct dump_string *string, const struct allocator *allocator);

/* ---- packed forms: elements one behind the other in one string ---- */

enum dump_form { DUMP_ZIPLIST, DUMP_LISTPACK, DUMP_ZIPMAP, DUMP_INTEGERS };

struct dump_elements {
    enum dump_form form;
    const uint8_t *at, *end;
    unsigned width; /* of integers */
    size_t before;  /* bytes of the previous element of a ziplist */
    bool is_value;  /* the next one of a zipmap */
};
/* Look at the head. Borrows the bytes. */
enum larder_status dump_elements_begin(struct dump_elements *elements, enum dump_form form,
                                       struct slice bytes) LARDER_NODISCARD;
/* The next element, in the bytes or written at `scratch` (INT64_TEXT_MAX bytes).
 * LARDER_NOT_FOUND: there are no more, and the bytes end as they should. */
enum larder_status dump_elements_next(struct dump_elements *elements, uint8_t *scratch,
                                      struct slice *out) LARDER_NODISCARD;

/* A whole stream of this type; *out is owned even on failure (NULL: nothing). */
enum larder_status dump_read_stream(struct dump_reader *reader, enum dump_type type,
                                    const struct object_context *objects,
                                    struct object **out) LARDER_NODISCARD;

#endif
