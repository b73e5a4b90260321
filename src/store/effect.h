/* SPDX-License-Identifier: BSD-3-Clause */
/* Effects: what commands changed, in an order that gives the same state when applied to an equal
 * one. A thread appends the record of each command, EXEC or script to its staging buffer before it
 * releases the partition locks; whoever keeps or sends them (journal, backups) takes the staged
 * bytes of all threads in rounds.
 *
 *   record: size 4 (bytes after this field) | part count varint | parts
 *   part:   partition id varint | collection id varint | cluster time ms varint |
 *           command id varint | argument count varint | {length varint, bytes} each
 *
 * One key per part, the key is argument 0. All parts of a record are applied or none. */
#ifndef LARDER_STORE_EFFECT_H
#define LARDER_STORE_EFFECT_H

#include "base/alloc.h"
#include "base/slice.h"
#include "base/status.h"

struct effects {
    const struct allocator *allocator;
    uint8_t *data;
    size_t used; /* complete records */
    size_t capacity;
    size_t record_end;   /* end of the record being written; equals `used` when none is */
    uint32_t part_count; /* of the record being written */
};

void effects_init(struct effects *effects, const struct allocator *allocator);
void effects_finish(struct effects *effects);

/* Begin a record with room for `size` bytes of parts. Errors: LARDER_NO_MEMORY. */
enum larder_status effects_begin(struct effects *effects, size_t size) LARDER_NODISCARD;
/* More room for the record begun. Errors: LARDER_NO_MEMORY. */
enum larder_status effects_reserve(struct effects *effects, size_t size) LARDER_NODISCARD;

/* Bytes that a part with arguments of this total size takes at most. */
static inline size_t effects_part_bound(size_t argument_count, size_t argument_bytes)
{
    return 40 + argument_count * 10 + argument_bytes;
}

struct effect_part {
    uint32_t partition;
    uint32_t collection;
    int64_t time_ms;
    uint32_t command; /* enum command_id */
    size_t argument_count;
};

/* Append a part; room was reserved, so it can't fail. */
void effects_append(struct effects *effects, const struct effect_part *part,
                    const struct slice *arguments);
/* Close the record; drops it when it has no parts. */
void effects_commit(struct effects *effects);
void effects_abort(struct effects *effects);

/* Walk staged records. `at` starts at 0. False at the end. Errors of damaged bytes: the walk ends
 * and *out_status is LARDER_CORRUPT. */
struct effect_reader {
    struct slice bytes;
    size_t at;
    size_t record_end;
    uint64_t parts_left;
};
void effect_reader_init(struct effect_reader *reader, struct slice bytes);
/* Next part: its arguments are written to `arguments` (at most `capacity`; more is LARDER_CORRUPT).
 * LARDER_NOT_FOUND at the end of the bytes. */
enum larder_status effect_reader_next(struct effect_reader *reader, struct effect_part *out_part,
                                      struct slice *arguments, size_t capacity) LARDER_NODISCARD;

#endif
