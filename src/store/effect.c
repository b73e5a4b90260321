/* SPDX-License-Identifier: BSD-3-Clause */
/* One growing buffer per thread. A record is written behind the complete ones and becomes one of
 * them when its header is filled in, so that an aborted record costs nothing. Room is promised
 * beforehand and adds up; appends only spend what was promised. */
#include "store/effect.h"

#include <assert.h>

enum { RECORD_HEADER_BYTES = 8, SIZE_FIELD_BYTES = 4, VARINT64_BYTES_MAX = 10 };

void effects_init(struct effects *effects, const struct allocator *allocator) {
    *effects = (struct effects){.allocator = allocator};
}

void effects_finish(struct effects *effects) {
    allocator_release(effects->allocator, effects->data, effects->capacity);
    effects_init(effects, effects->allocator);
}

static enum larder_status promise(struct effects *effects, size_t size) {
    size_t limit = effects->limit == 0 ? UINT32_MAX : effects->limit + RECORD_HEADER_BYTES;
    if (size > limit || effects->promised_end - effects->used > limit - size)
        return LARDER_NO_MEMORY;
    size_t end = effects->promised_end + size;
    if (end > effects->capacity) {
        size_t capacity = effects->capacity + effects->capacity / 2;
        if (capacity < end)
            capacity = end;
        uint8_t *grown =
            allocator_resize(effects->allocator, effects->data, effects->capacity, capacity);
        if (grown == NULL)
            return LARDER_NO_MEMORY;
        effects->data = grown;
        effects->capacity = capacity;
    }
    effects->promised_end = end;
    return LARDER_OK;
}

enum larder_status effects_begin(struct effects *effects, size_t size) {
    effects->promised_end = effects->used;
    if (size > UINT32_MAX || promise(effects, size + RECORD_HEADER_BYTES) != LARDER_OK)
        return LARDER_NO_MEMORY;
    effects->record_end = effects->used + RECORD_HEADER_BYTES;
    effects->part_count = 0;
    return LARDER_OK;
}

enum larder_status effects_reserve(struct effects *effects, size_t size) {
    return promise(effects, size);
}

static uint8_t *put_varint(uint8_t *out, uint64_t value) {
    while (value >= 0x80) {
        *out++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *out++ = (uint8_t)value;
    return out;
}

static void put_u32(uint8_t *out, uint32_t value) {
    for (unsigned i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t get_u32(const uint8_t *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

void effects_append(struct effects *effects, const struct effect_part *part,
                    const struct slice *arguments) {
    size_t bytes = 0;
    for (size_t i = 0; i < part->argument_count; i++)
        bytes += arguments[i].size;
    assert(effects->record_end > effects->used);
    assert(effects_part_bound(part->argument_count, bytes) <=
           effects->promised_end - effects->record_end);
    (void)bytes;

    uint8_t *at = effects->data + effects->record_end;
    at = put_varint(at, part->partition);
    at = put_varint(at, part->collection);
    at = put_varint(at, (uint64_t)part->time_ms);
    at = put_varint(at, part->command);
    at = put_varint(at, part->argument_count);
    for (size_t i = 0; i < part->argument_count; i++) {
        at = put_varint(at, arguments[i].size);
        if (arguments[i].size > 0)
            memcpy(at, arguments[i].data, arguments[i].size);
        at += arguments[i].size;
    }
    effects->record_end = (size_t)(at - effects->data);
    effects->part_count++;
}

void effects_commit(struct effects *effects) {
    if (effects->part_count > 0) {
        uint8_t *header = effects->data + effects->used;
        size_t size = effects->record_end - effects->used - SIZE_FIELD_BYTES;
        put_u32(header, (uint32_t)size);
        put_u32(header + SIZE_FIELD_BYTES, effects->part_count);
        effects->used = effects->record_end;
    }
    effects_abort(effects);
}

void effects_abort(struct effects *effects) {
    effects->record_end = effects->used;
    effects->promised_end = effects->used;
    effects->part_count = 0;
}

void effects_clear(struct effects *effects) {
    effects->used = 0;
    effects_abort(effects);
}

void effect_reader_init(struct effect_reader *reader, struct slice bytes) {
    *reader = (struct effect_reader){.bytes = bytes};
}

/* Reads one varint before `end` and moves *at behind it. False when it is cut off or too long. */
static bool get_varint(const uint8_t *bytes, size_t *at, size_t end, uint64_t *out_value) {
    uint64_t value = 0;
    for (unsigned i = 0; i < VARINT64_BYTES_MAX && *at < end; i++) {
        uint8_t byte = bytes[(*at)++];
        if (i == VARINT64_BYTES_MAX - 1 && byte > 1)
            return false;
        value |= (uint64_t)(byte & 0x7f) << 7 * i;
        if ((byte & 0x80) == 0) {
            *out_value = value;
            return true;
        }
    }
    return false;
}

static bool begin_record(struct effect_reader *reader) {
    size_t left = reader->bytes.size - reader->at;
    if (left < RECORD_HEADER_BYTES)
        return false;
    const uint8_t *header = reader->bytes.data + reader->at;
    uint32_t size = get_u32(header);
    if (size < RECORD_HEADER_BYTES - SIZE_FIELD_BYTES || size > left - SIZE_FIELD_BYTES)
        return false;
    reader->parts_left = get_u32(header + SIZE_FIELD_BYTES);
    reader->record_end = reader->at + SIZE_FIELD_BYTES + size;
    reader->at += RECORD_HEADER_BYTES;
    return reader->parts_left > 0;
}

static bool read_part_header(const struct effect_reader *reader, size_t *at,
                             struct effect_part *out) {
    uint64_t fields[5];
    for (size_t i = 0; i < 5; i++)
        if (!get_varint(reader->bytes.data, at, reader->record_end, &fields[i]))
            return false;
    /* An argument takes a byte at least, which bounds what a damaged count can ask for. */
    if (fields[0] > UINT32_MAX || fields[1] > UINT32_MAX || fields[3] > UINT32_MAX ||
        fields[4] > reader->record_end - *at)
        return false;
    *out = (struct effect_part){.partition = (uint32_t)fields[0],
                                .collection = (uint32_t)fields[1],
                                .time_ms = (int64_t)fields[2],
                                .command = (uint32_t)fields[3],
                                .argument_count = (size_t)fields[4]};
    return true;
}

enum larder_status effect_reader_next(struct effect_reader *reader, struct effect_part *out_part,
                                      struct slice *arguments, size_t capacity) {
    if (reader->parts_left == 0) {
        if (reader->at != reader->record_end)
            return LARDER_CORRUPT;
        if (reader->at == reader->bytes.size)
            return LARDER_NOT_FOUND;
        if (!begin_record(reader))
            return LARDER_CORRUPT;
    }
    size_t at = reader->at;
    if (!read_part_header(reader, &at, out_part))
        return LARDER_CORRUPT;
    if (out_part->argument_count > capacity)
        return LARDER_TOO_LARGE;
    for (size_t i = 0; i < out_part->argument_count; i++) {
        uint64_t size;
        if (!get_varint(reader->bytes.data, &at, reader->record_end, &size) ||
            size > reader->record_end - at)
            return LARDER_CORRUPT;
        arguments[i] = slice_of(reader->bytes.data + at, (size_t)size);
        at += (size_t)size;
    }
    reader->at = at;
    reader->parts_left--;
    return LARDER_OK;
}
