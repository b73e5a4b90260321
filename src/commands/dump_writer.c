/* SPDX-License-Identifier: BSD-3-Clause */
/* Values become bytes in their plainest form: a length, then the elements, as object_type.visit
 * shows them. Streams: dump_write_stream.c. */
#include "commands/dump_writer.h"

#include "base/crc64.h"
#include "base/lzf.h"
#include "commands/string_value.h"

#include <stdlib.h>

enum {
    FIRST_CAPACITY = 256,
    INTEGER_TEXT_MAX = 11,
    COMPRESSED_MIN = 20,
    COMPRESSED_GAIN = 4,
    STRING_HEAD = 5
};

uint8_t *dump_write_room(struct dump_writer *writer, size_t size) {
    struct blob *blob = writer->blob;
    if (blob == NULL)
        return NULL;
    if (blob->capacity - blob->size < size) {
        size_t capacity = blob->capacity + (size > blob->capacity ? size : blob->capacity);
        struct blob *grown = blob_grow(blob, capacity);
        if (grown == NULL) {
            blob_release(blob);
            writer->blob = NULL;
            return NULL;
        }
        writer->blob = blob = grown;
    }
    uint8_t *at = blob->data + blob->size;
    blob->size += size;
    return at;
}

void dump_write_bytes(struct dump_writer *writer, struct slice bytes) {
    uint8_t *at = dump_write_room(writer, bytes.size);
    if (at != NULL && bytes.size > 0)
        memcpy(at, bytes.data, bytes.size);
}

void dump_write_byte(struct dump_writer *writer, uint8_t byte) {
    dump_write_bytes(writer, slice_of(&byte, 1));
}

void dump_write_number(struct dump_writer *writer, uint64_t value, unsigned width) {
    uint8_t bytes[8];
    for (unsigned i = 0; i < width; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
    dump_write_bytes(writer, slice_of(bytes, width));
}

static void write_number_high_first(struct dump_writer *writer, uint64_t value, unsigned width) {
    uint8_t bytes[8];
    for (unsigned i = 0; i < width; i++)
        bytes[i] = (uint8_t)(value >> 8 * (width - 1 - i));
    dump_write_bytes(writer, slice_of(bytes, width));
}

void dump_write_length(struct dump_writer *writer, uint64_t length) {
    if (length < 1 << 6) {
        dump_write_byte(writer, (uint8_t)length);
    } else if (length < 1 << 14) {
        write_number_high_first(writer, length | 1 << 14, 2);
    } else if (length <= UINT32_MAX) {
        dump_write_byte(writer, 0x80);
        write_number_high_first(writer, length, 4);
    } else {
        dump_write_byte(writer, 0x81);
        write_number_high_first(writer, length, 8);
    }
}

static void write_integer(struct dump_writer *writer, int64_t value) {
    unsigned kind = value == (int8_t)value ? 0 : value == (int16_t)value ? 1 : 2;
    dump_write_byte(writer, (uint8_t)(0xc0 | kind));
    dump_write_number(writer, (uint64_t)value, 1u << kind);
}

/* 0xc3, the length of the compressed form, the length of the text, LZF. False: it would save fewer
 * than four bytes, or there is no memory; nothing is written. */
static bool write_compressed(struct dump_writer *writer, struct slice text) {
    enum { HEAD_MAX = 1 + 5 + 9 };
    uint8_t *at = dump_write_room(writer, HEAD_MAX + text.size);
    if (at == NULL)
        return true;
    size_t packed = lzf_compress(text, at + HEAD_MAX, text.size - COMPRESSED_GAIN);
    writer->blob->size -= HEAD_MAX + text.size;
    if (packed == 0)
        return false;
    dump_write_byte(writer, 0xc3);
    dump_write_length(writer, packed);
    dump_write_length(writer, text.size);
    memmove(writer->blob->data + writer->blob->size, at + HEAD_MAX, packed);
    writer->blob->size += packed;
    return true;
}

void dump_write_string(struct dump_writer *writer, struct slice text) {
    int64_t value;
    if (text.size <= INTEGER_TEXT_MAX && slice_to_int64(text, &value) && value == (int32_t)value) {
        write_integer(writer, value);
        return;
    }
    if (writer->compresses && text.size > COMPRESSED_MIN && write_compressed(writer, text))
        return;
    dump_write_length(writer, text.size);
    dump_write_bytes(writer, text);
}

void dump_write_id(struct dump_writer *writer, struct stream_id id) {
    write_number_high_first(writer, id.ms, 8);
    write_number_high_first(writer, id.sequence, 8);
}

size_t dump_write_begin_string(struct dump_writer *writer) {
    dump_write_byte(writer, 0x80);
    (void)dump_write_room(writer, 4);
    return writer->blob == NULL ? 0 : writer->blob->size;
}

/* Put the compressed form in the place of the string at the end. False: as write_compressed. */
static bool compress_end(struct dump_writer *writer, size_t begin) {
    struct blob *plain = writer->blob;
    struct dump_writer packed = {.blob = blob_create(plain->allocator, FIRST_CAPACITY)};
    bool is_shorter = write_compressed(&packed, slice_of(plain->data + begin, plain->size - begin));
    if (is_shorter && packed.blob != NULL) {
        plain->size = begin - STRING_HEAD;
        dump_write_bytes(writer, blob_slice(packed.blob));
    }
    is_shorter = is_shorter && packed.blob != NULL;
    blob_release(packed.blob);
    return is_shorter;
}

void dump_write_end_string(struct dump_writer *writer, size_t begin) {
    if (writer->blob == NULL)
        return;
    size_t size = writer->blob->size - begin;
    if (writer->compresses && size > COMPRESSED_MIN && compress_end(writer, begin))
        return;
    for (unsigned i = 0; i < 4; i++)
        writer->blob->data[begin - 1 - i] = (uint8_t)(size >> 8 * i);
}

/* ---- containers ---- */

static void write_texts(void *context, const struct slice *parts, size_t count) {
    for (size_t i = 0; i < count; i++)
        dump_write_string(context, parts[i]);
}

static void write_score(struct dump_writer *writer, struct slice text) {
    char digits[64];
    uint64_t bits;
    size_t size = text.size < sizeof(digits) ? text.size : sizeof(digits) - 1;
    memcpy(digits, text.data, size);
    digits[size] = '\0';
    double score = strtod(digits, NULL);
    memcpy(&bits, &score, sizeof(bits));
    dump_write_number(writer, bits, 8);
}

static void write_scored_member(void *context, const struct slice *parts, size_t count) {
    (void)count;
    dump_write_string(context, parts[0]);
    write_score(context, parts[1]);
}

/* Fields without a time of their own have the time -1. */
static void write_expiring_field(void *context, const struct slice *parts, size_t count) {
    int64_t expiry_ms = -1;
    dump_write_string(context, parts[0]);
    dump_write_string(context, parts[1]);
    if (count > 2)
        (void)slice_to_int64(parts[2], &expiry_ms);
    dump_write_number(context, (uint64_t)expiry_ms, 8);
}

static void note_expiry(void *context, const struct slice *parts, size_t count) {
    (void)parts;
    if (count > 2)
        *(bool *)context = true;
}

/* Returns the version of the format that was used. */
static unsigned write_container(struct dump_writer *writer, const struct object *object,
                                bool is_exact) {
    static const struct {
        enum dump_type type;
        object_visitor write;
    } PLAIN[] = {
        [OBJECT_LIST] = {DUMP_LIST, write_texts},
        [OBJECT_SET] = {DUMP_SET, write_texts},
        [OBJECT_SORTED_SET] = {DUMP_SORTED_SET, write_scored_member},
        [OBJECT_HASH] = {DUMP_HASH, write_texts},
    };
    enum object_kind kind = object->type->kind;
    if (kind == OBJECT_STREAM) {
        dump_write_byte(writer, is_exact ? DUMP_STREAM_3 : DUMP_STREAM_2);
        dump_write_stream(writer, object, is_exact);
        return is_exact ? DUMP_VERSION_VALKEY : DUMP_VERSION;
    }
    bool is_expiring = false;
    if (kind == OBJECT_HASH)
        object->type->visit(object, note_expiry, &is_expiring);
    dump_write_byte(writer, is_expiring ? DUMP_HASH_EXPIRING : (uint8_t)PLAIN[kind].type);
    dump_write_length(writer, object_length(object));
    object->type->visit(object, is_expiring ? write_expiring_field : PLAIN[kind].write, writer);
    return is_expiring ? DUMP_VERSION_NEWEST : DUMP_VERSION;
}

struct blob *dump_create(const struct value *value, const struct allocator *allocator,
                         uint32_t flags) {
    uint8_t scratch[INT64_TEXT_MAX];
    struct slice text = {0};
    unsigned version = DUMP_VERSION;
    if (value_is_string(value))
        text = value_text(value, scratch);
    struct dump_writer writer = {.blob = blob_create(allocator, FIRST_CAPACITY + text.size),
                                 .compresses = (flags & DUMP_COMPRESSED) != 0};
    if (value_is_string(value)) {
        dump_write_byte(&writer, DUMP_STRING);
        dump_write_string(&writer, text);
    } else {
        version = write_container(&writer, value->object, (flags & DUMP_EXACT) != 0);
    }
    dump_write_number(&writer, version, 2);
    if (writer.blob != NULL)
        dump_write_number(&writer, crc64(0, blob_slice(writer.blob)), 8);
    return writer.blob;
}
