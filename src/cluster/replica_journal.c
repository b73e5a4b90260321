/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading repeats what was written: each body makes the log be something, the last one counts. */
#include "cluster/replica_journal.h"

#include "base/crc32c.h"
#include "cluster/mutants.h"
#include "raft/bytes.h"

enum {
    MAGIC = 0x524a4c52,
    FRAME_HEADER_BYTES = 4 + 4 + 8 + 8 + 4 + 4,
    CRC_AT = FRAME_HEADER_BYTES - 4,
    ALIGNMENT = 8,
};
enum { BODY_VOID = 1, BODY_IMAGE, BODY_WRITE };
enum { IMAGE_HEADER_BYTES = 1 + 8 + 8 + 4, WRITE_HEADER_BYTES = 1 + 1 + 8 + 8 + 8 + 4 };
enum { RECORD_HEADER_BYTES = 8 + 1 + 4 };

/* ---- bodies ---- */

size_t journal_void_encode(uint8_t out[JOURNAL_VOID_BYTES]) {
    out[0] = BODY_VOID;
    return JOURNAL_VOID_BYTES;
}

size_t journal_image_size(const struct journal_image *image) {
    return IMAGE_HEADER_BYTES + image->beside.size + image->items.size;
}

size_t journal_image_encode(const struct journal_image *image, uint8_t *out) {
    struct byte_writer w = {out};
    write_unsigned(&w, BODY_IMAGE, 1);
    write_unsigned(&w, image->position.term, 8);
    write_unsigned(&w, image->position.sequence, 8);
    write_unsigned(&w, image->beside.size, 4);
    write_bytes(&w, image->beside);
    write_bytes(&w, image->items);
    return (size_t)(w.at - out);
}

size_t journal_write_size(const struct partition_replica *r, const struct replica_write *write) {
    size_t size = WRITE_HEADER_BYTES;
    for (uint64_t s = write->after + 1; s <= write->last; s++)
        size += RECORD_HEADER_BYTES + replica_get_record(r, s).payload.size;
    return size;
}

size_t journal_write_encode(const struct partition_replica *r, const struct replica_write *write,
                            uint8_t *out) {
    struct byte_writer w = {out};
    write_unsigned(&w, BODY_WRITE, 1);
    write_unsigned(&w, write->is_reset, 1);
    write_unsigned(&w, replica_log_term(&r->log, write->after), 8);
    write_unsigned(&w, write->after, 8);
    write_unsigned(&w, write->commit, 8);
    write_unsigned(&w, write->last - write->after, 4);
    for (uint64_t s = write->after + 1; s <= write->last; s++) {
        struct replica_record record = replica_get_record(r, s);
        write_unsigned(&w, record.term, 8);
        write_unsigned(&w, record.kind, 1);
        write_unsigned(&w, record.payload.size, 4);
        write_bytes(&w, record.payload);
    }
    return (size_t)(w.at - out);
}

/* ---- frames ---- */

static size_t aligned(size_t size) {
    return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

size_t journal_frame_size(size_t body_bytes) {
    return aligned(FRAME_HEADER_BYTES + body_bytes);
}

static uint32_t frame_crc(const uint8_t *frame, size_t body_bytes) {
    return crc32c_extend(crc32c(slice_of(frame, CRC_AT)),
                         slice_of(frame + FRAME_HEADER_BYTES, body_bytes));
}

void journal_frame(struct journal_cursor *cursor, struct slice body, size_t durable, uint8_t *out) {
    struct byte_writer w = {out};
    size_t size = journal_frame_size(body.size);
    memset(out, 0, size);
    write_unsigned(&w, MAGIC, 4);
    write_unsigned(&w, body.size, 4);
    write_unsigned(&w, cursor->generation, 8);
    write_unsigned(&w, durable, 8);
    write_unsigned(&w, cursor->crc, 4);
    memcpy(out + FRAME_HEADER_BYTES, body.data, body.size);
    cursor->crc = frame_crc(out, body.size);
    write_unsigned(&w, cursor->crc, 4);
    cursor->end += size;
}

struct frame {
    uint64_t generation, durable;
    uint32_t previous, crc;
    struct slice body;
};

/* Whether a whole frame begins at `at`. */
static bool read_frame(struct slice file, size_t at, struct frame *out) {
    if (at > file.size || file.size - at < FRAME_HEADER_BYTES)
        return false;
    struct byte_reader r = byte_reader_of(slice_of(file.data + at, file.size - at));
    if (read_unsigned(&r, 4) != MAGIC)
        return false;
    size_t size = (size_t)read_unsigned(&r, 4);
    out->generation = read_unsigned(&r, 8);
    out->durable = read_unsigned(&r, 8);
    out->previous = (uint32_t)read_unsigned(&r, 4);
    out->crc = (uint32_t)read_unsigned(&r, 4);
    out->body = read_bytes(&r, size);
    if (r.is_failed || file.size - at < journal_frame_size(size))
        return false;
    return frame_crc(file.data + at, size) == out->crc || CLUSTER_MUTATED(MUTANT_JOURNAL_UNCHECKED);
}

/* ---- what the bodies say ---- */

static enum larder_status add_record(struct journal_found *f, const struct allocator *allocator,
                                     const struct replica_record *record) {
    if (f->record_count == f->record_capacity) {
        size_t capacity = f->record_capacity == 0 ? 256 : 2 * f->record_capacity;
        struct replica_record *grown =
            allocator_resize(allocator, f->records, f->record_capacity * sizeof(*f->records),
                             capacity * sizeof(*f->records));
        if (grown == NULL)
            return LARDER_NO_MEMORY;
        f->records = grown;
        f->record_capacity = capacity;
    }
    f->records[f->record_count++] = *record;
    return LARDER_OK;
}

static void begin_anew(struct journal_found *f, struct log_position base, bool has_data) {
    f->has_data = has_data;
    f->base = base;
    f->commit = base.sequence;
    f->beside = f->items = slice_of(NULL, 0);
    f->record_count = 0;
}

static enum larder_status take_image(struct journal_found *f, struct byte_reader *r) {
    struct log_position position;
    position.term = read_unsigned(r, 8);
    position.sequence = read_unsigned(r, 8);
    begin_anew(f, position, true);
    f->beside = read_bytes(r, (size_t)read_unsigned(r, 4));
    f->items = read_bytes(r, r->left);
    return r->is_failed ? LARDER_CORRUPT : LARDER_OK;
}

/* A log that begins behind the first record says nothing of what was before: only the first one
 * begins with nothing. */
static enum larder_status take_write(struct journal_found *f, const struct allocator *allocator,
                                     struct byte_reader *r) {
    bool is_reset = read_flag(r);
    struct log_position after;
    after.term = read_unsigned(r, 8);
    after.sequence = read_unsigned(r, 8);
    uint64_t commit = read_unsigned(r, 8);
    uint32_t count = (uint32_t)read_unsigned(r, 4);
    if (is_reset || (!f->has_data && f->record_count == 0 && after.sequence == 0))
        begin_anew(f, after, after.sequence == 0 || CLUSTER_MUTATED(MUTANT_JOURNAL_PART_TRUSTED));
    if (after.sequence < f->base.sequence || after.sequence - f->base.sequence > f->record_count)
        return LARDER_CORRUPT;
    if (!CLUSTER_MUTATED(MUTANT_JOURNAL_KEEPS_TAIL))
        f->record_count = (size_t)(after.sequence - f->base.sequence);
    f->commit = commit > f->commit ? commit : f->commit;
    for (uint32_t i = 0; i < count && !r->is_failed; i++) {
        struct replica_record record = {.term = read_unsigned(r, 8)};
        record.kind = (enum replica_record_kind)read_unsigned(r, 1);
        record.payload = read_bytes(r, (size_t)read_unsigned(r, 4));
        enum larder_status status = add_record(f, allocator, &record);
        if (status != LARDER_OK)
            return status;
    }
    return r->is_failed || r->left > 0 ? LARDER_CORRUPT : LARDER_OK;
}

static enum larder_status take_body(struct journal_found *f, const struct allocator *allocator,
                                    struct slice body) {
    struct byte_reader r = byte_reader_of(body);
    switch (read_unsigned(&r, 1)) {
    case BODY_VOID: begin_anew(f, (struct log_position){0, 0}, false); return LARDER_OK;
    case BODY_IMAGE: return take_image(f, &r);
    case BODY_WRITE: return take_write(f, allocator, &r);
    default: return LARDER_CORRUPT;
    }
}

/* Behind the end of the chain: does anything say that it had been longer? */
static void look_for_damage(struct slice file, struct journal_found *f) {
    bool is_empty = f->cursor.end == 0;
    struct frame frame;
    for (size_t at = f->cursor.end; at < file.size; at += ALIGNMENT) {
        if (!read_frame(file, at, &frame) || frame.durable <= f->cursor.end)
            continue;
        if (!is_empty && frame.generation != f->cursor.generation)
            continue; /* of an older use of the file */
        if (is_empty && frame.generation > f->cursor.generation)
            f->cursor.generation = frame.generation;
        f->is_there = f->is_damaged = true;
    }
}

enum larder_status journal_read(struct slice file, const struct allocator *allocator,
                                struct journal_found *out) {
    struct frame frame;
    enum larder_status status = LARDER_OK;
    *out = (struct journal_found){0};
    while (status == LARDER_OK && read_frame(file, out->cursor.end, &frame)) {
        if (out->is_there &&
            (frame.generation != out->cursor.generation || frame.previous != out->cursor.crc))
            break;
        if (!out->is_there && frame.previous != 0)
            break;
        status = take_body(out, allocator, frame.body);
        out->is_there = true;
        out->cursor = (struct journal_cursor){
            frame.generation, out->cursor.end + journal_frame_size(frame.body.size), frame.crc};
    }
    if (status == LARDER_NO_MEMORY) {
        journal_finish(out, allocator);
        return status;
    }
    out->is_damaged = status != LARDER_OK;
    look_for_damage(file, out);
    size_t kept = out->record_count;
    if (out->commit > out->base.sequence + kept)
        out->is_damaged = true;
    if (out->is_damaged && !CLUSTER_MUTATED(MUTANT_JOURNAL_DAMAGE_TRUSTED))
        out->has_data = false;
    if (out->commit > out->base.sequence + kept)
        out->commit = out->base.sequence + kept;
    return LARDER_OK;
}

void journal_finish(struct journal_found *f, const struct allocator *allocator) {
    allocator_release(allocator, f->records, f->record_capacity * sizeof(*f->records));
    *f = (struct journal_found){0};
}
