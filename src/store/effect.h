/* SPDX-License-Identifier: BSD-3-Clause */
/* Effects: what commands changed, in an order that gives the same state when applied to an equal
 * one. A thread appends the record of each command, EXEC or script to its staging buffer before it
 * releases the partition locks; whoever keeps or sends them (journal, backups) takes the staged
 * bytes of all threads in rounds.
 *
 *   record: size 4 (bytes after this field) | part count 4 | parts      both little-endian
 *   part:   partition id varint | collection id varint | cluster time ms varint |
 *           command id varint | argument count varint | {length varint, bytes} each
 *
 * One key per part, the key is argument 0; or, in a part of FLUSHDB or SWAPDB, no key but pairs of
 * a database's number and the collection id that it has from here on, the same in the parts of all
 * partitions. All parts of a record are applied or none. */
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
    size_t limit;        /* bytes of parts that one record may be promised; 0: 4 GiB */
    size_t record_end;   /* end of the record being written; equals `used` when none is */
    size_t promised_end; /* data up to here may be written without asking; <= capacity */
    uint32_t part_count; /* of the record being written */
};

void effects_init(struct effects *effects, const struct allocator *allocator);
void effects_finish(struct effects *effects);

/* Begin a record with room for `size` bytes of parts. None is being written. Errors:
 * LARDER_NO_MEMORY. */
enum larder_status effects_begin(struct effects *effects, size_t size) LARDER_NODISCARD;
/* More room for the record begun: reservations add up. Errors: LARDER_NO_MEMORY (also for a record
 * that would exceed the limit), the record is as it was. */
enum larder_status effects_reserve(struct effects *effects, size_t size) LARDER_NODISCARD;

/* Bytes that a part with arguments of this total size takes at most. */
static inline size_t effects_part_bound(size_t argument_count, size_t argument_bytes) {
    return 40 + argument_count * 10 + argument_bytes;
}

struct effect_part {
    uint32_t partition;
    uint32_t collection;
    int64_t time_ms;
    uint32_t command; /* enum command_id */
    size_t argument_count;
};

/* Append a part; room of effects_part_bound was reserved, so it can't fail. */
void effects_append(struct effects *effects, const struct effect_part *part,
                    const struct slice *arguments);
/* Where the record being written is now; and go back there: what was appended since is dropped, the
 * room that was promised stays. */
struct effects_mark {
    size_t record_end;
    uint32_t part_count;
};
static inline struct effects_mark effects_mark(const struct effects *effects) {
    return (struct effects_mark){effects->record_end, effects->part_count};
}
static inline void effects_cut(struct effects *effects, struct effects_mark mark) {
    effects->record_end = mark.record_end;
    effects->part_count = mark.part_count;
}
/* Close the record; drops it when it has no parts. */
void effects_commit(struct effects *effects);
/* Drop the record. */
void effects_abort(struct effects *effects);
/* Forget all records, keep the memory: they were taken. No record is being written. */
void effects_clear(struct effects *effects);

/* Walks the parts of all records in `bytes`, which it borrows. */
struct effect_reader {
    struct slice bytes;
    size_t at;
    size_t record_end; /* of the record that `at` is in */
    uint32_t parts_left;
};
void effect_reader_init(struct effect_reader *reader, struct slice bytes);
/* The next part; its arguments are written to `arguments`, borrowed from the reader's bytes.
 * Errors: LARDER_NOT_FOUND at the end of the bytes; LARDER_CORRUPT when they are damaged;
 * LARDER_TOO_LARGE when there are more than `capacity` arguments: out_part->argument_count says how
 * many, and the part stays the next one. */
enum larder_status effect_reader_next(struct effect_reader *reader, struct effect_part *out_part,
                                      struct slice *arguments, size_t capacity) LARDER_NODISCARD;

#endif
