/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading and writing the bytes of a record (store/record.h draws them). Private to src/store.
 * Lengths take at most two bytes: larger keys and values are blobs, held as a pointer. */
#ifndef LARDER_STORE_RECORD_CODEC_H
#define LARDER_STORE_RECORD_CODEC_H

#include "base/status.h"
#include "store/record.h"

enum record_flag {
    RECORD_DEAD = 1 << 0,
    RECORD_HAS_EXPIRY = 1 << 1,
    RECORD_HAS_COLLECTION = 1 << 2,
    RECORD_HAS_ACCESS = 1 << 3,
    RECORD_KIND_SHIFT = 4,
    RECORD_KIND_MASK = 7 << 4,
    RECORD_EXTERNAL_KEY = 1 << 7,
    RECORD_EXPIRY_BYTES = 6,
    RECORD_ACCESS_BYTES = 3,
};

/* Expiry times are stored in 48 bits; later ones (after the year 10889) mean this one. */
#define RECORD_EXPIRY_MAX_MS (((int64_t)1 << 48) - 1)

/* The layout of one record: where its fields are. */
struct record_layout {
    uint8_t flags;
    uint16_t key_size;   /* stored bytes */
    uint16_t value_size; /* stored bytes */
    uint32_t collection;
    uint16_t expiry_at; /* offset, when the flag says it is there */
    uint16_t access_at;
    uint16_t key_at;
    uint16_t size; /* of the whole record */
};

static inline uint8_t *varint_put(uint8_t *out, uint32_t value) {
    while (value >= 0x80) {
        *out++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *out++ = (uint8_t)value;
    return out;
}

static inline const uint8_t *varint_get(const uint8_t *at, uint32_t *out_value) {
    uint32_t value = *at & 0x7f;
    for (unsigned shift = 7; (*at++ & 0x80) != 0; shift += 7)
        value |= (uint32_t)(*at & 0x7f) << shift;
    *out_value = value;
    return at;
}

static inline unsigned varint_size(uint32_t value) {
    unsigned size = 1;
    while (value >= 0x80) {
        value >>= 7;
        size++;
    }
    return size;
}

static inline struct record_layout record_parse(const uint8_t *record) {
    struct record_layout l = {.flags = record[0]};
    const uint8_t *at = record + 1;
    uint32_t key_size, value_size;
    at = varint_get(at, &key_size);
    at = varint_get(at, &value_size);
    l.key_size = (uint16_t)key_size;
    l.value_size = (uint16_t)value_size;
    if ((l.flags & (RECORD_HAS_EXPIRY | RECORD_HAS_COLLECTION | RECORD_HAS_ACCESS)) != 0) {
        if ((l.flags & RECORD_HAS_COLLECTION) != 0)
            at = varint_get(at, &l.collection);
        l.expiry_at = (uint16_t)(at - record);
        if ((l.flags & RECORD_HAS_EXPIRY) != 0)
            at += RECORD_EXPIRY_BYTES;
        l.access_at = (uint16_t)(at - record);
        if ((l.flags & RECORD_HAS_ACCESS) != 0)
            at += RECORD_ACCESS_BYTES;
    }
    l.key_at = (uint16_t)(at - record);
    l.size = (uint16_t)(l.key_at + l.key_size + l.value_size);
    return l;
}

static inline uint64_t bytes_get(const uint8_t *at, unsigned size) {
    uint64_t value = 0;
    memcpy(&value, at, size); /* little-endian machines only, as the pointers in the log are */
    return value;
}

static inline void bytes_put(uint8_t *at, uint64_t value, unsigned size) {
    memcpy(at, &value, size);
}

static inline enum value_kind record_kind(uint8_t flags) {
    return (enum value_kind)((flags & RECORD_KIND_MASK) >> RECORD_KIND_SHIFT);
}

static inline struct slice record_key(const uint8_t *record, const struct record_layout *l) {
    if ((l->flags & RECORD_EXTERNAL_KEY) == 0)
        return slice_of(record + l->key_at, l->key_size);
    struct blob *blob;
    memcpy(&blob, record + l->key_at, sizeof(blob));
    return blob_slice(blob);
}

static inline struct blob *record_key_blob(const uint8_t *record, const struct record_layout *l) {
    struct blob *blob = NULL;
    if ((l->flags & RECORD_EXTERNAL_KEY) != 0)
        memcpy(&blob, record + l->key_at, sizeof(blob));
    return blob;
}

static inline void record_value(const uint8_t *record, const struct record_layout *l,
                                struct value *out) {
    const uint8_t *at = record + l->key_at + l->key_size;
    out->kind = record_kind(l->flags);
    switch (out->kind) {
    case VALUE_INTEGER: {
        unsigned unused_bits = 64 - 8 * (unsigned)l->value_size;
        out->integer = (int64_t)(bytes_get(at, l->value_size) << unused_bits) >> unused_bits;
        break;
    }
    case VALUE_BLOB: memcpy(&out->blob, at, sizeof(out->blob)); break;
    case VALUE_OBJECT: memcpy(&out->object, at, sizeof(out->object)); break;
    case VALUE_BYTES:
    case VALUE_RAW: out->bytes = slice_of(at, l->value_size); break;
    }
}

static inline int64_t record_expiry(const uint8_t *record, const struct record_layout *l) {
    if ((l->flags & RECORD_HAS_EXPIRY) == 0)
        return 0;
    return (int64_t)bytes_get(record + l->expiry_at, RECORD_EXPIRY_BYTES);
}

/* Bytes that the value takes inside a record. */
static inline unsigned value_stored_size(const struct value *value) {
    switch (value->kind) {
    case VALUE_INTEGER:
        if (value->integer == (int8_t)value->integer)
            return 1;
        if (value->integer == (int16_t)value->integer)
            return 2;
        return value->integer == (int32_t)value->integer ? 4 : 8;
    case VALUE_BLOB: return sizeof(struct blob *);
    case VALUE_OBJECT: return sizeof(struct object *);
    case VALUE_BYTES:
    case VALUE_RAW: break;
    }
    return (unsigned)value->bytes.size;
}

static inline void value_store(uint8_t *at, const struct value *value, unsigned size) {
    switch (value->kind) {
    case VALUE_INTEGER: bytes_put(at, (uint64_t)value->integer, size); return;
    case VALUE_BLOB: memcpy(at, &value->blob, sizeof(value->blob)); return;
    case VALUE_OBJECT: memcpy(at, &value->object, sizeof(value->object)); return;
    case VALUE_BYTES:
    case VALUE_RAW: memmove(at, value->bytes.data, size); return;
    }
}

#endif
