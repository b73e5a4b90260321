/* SPDX-License-Identifier: BSD-3-Clause */
/* Records of a partition's log, byte-packed. Pure encoding, any thread on its own bytes.
 *
 *   flags 1 | key length varint | value length varint | [collection id varint] | [expiry 6] |
 *   [access 3] | key bytes | value bytes
 *
 *   flags: bit 0 dead, 1 expiry present, 2 collection present (else 0), 3 access word present,
 *          4-6 enum value_kind, 7 key is external (the key bytes are a blob pointer)
 *   expiry: milliseconds of wall clock, little-endian 48 bit, 0 = never
 *   access: 24 bits, LRU seconds or LFU {minutes 16, counter 8}
 *   integers take 1, 2, 4 or 8 bytes, little-endian two's complement
 *   external values (VALUE_BLOB, VALUE_OBJECT) are a pointer of 8 bytes; their footprint counts for
 *   the segment that holds the record
 *
 * A record of 16 B key and 32 B value takes 51 bytes. */
#ifndef LARDER_STORE_RECORD_H
#define LARDER_STORE_RECORD_H

#include "base/blob.h"
#include "base/slice.h"
#include "ds/object.h"

enum value_kind {
    VALUE_BYTES,   /* inline */
    VALUE_INTEGER, /* an int64 whose canonical decimal text is the value */
    VALUE_BLOB,    /* external bytes */
    VALUE_RAW,     /* inline, and grown by APPEND or SETRANGE: OBJECT ENCODING says raw */
    VALUE_OBJECT,  /* a container; the record owns it */
};

struct value {
    enum value_kind kind;
    union {
        struct slice bytes;
        int64_t integer;
        struct blob *blob;
        struct object *object;
    };
};

enum {
    RECORD_INLINE_VALUE_MAX = 2048, /* larger values are blobs */
    RECORD_INLINE_KEY_MAX = 1024,   /* larger keys are blobs */
    RECORD_HEADER_MAX = 1 + 10 + 10 + 5 + 6 + 3,
};

static inline struct value value_of_bytes(struct slice bytes) {
    return (struct value){.kind = VALUE_BYTES, .bytes = bytes};
}

static inline struct value value_of_integer(int64_t integer) {
    return (struct value){.kind = VALUE_INTEGER, .integer = integer};
}

static inline struct value value_of_blob(struct blob *blob) {
    return (struct value){.kind = VALUE_BLOB, .blob = blob};
}

static inline struct value value_of_object(struct object *object) {
    return (struct value){.kind = VALUE_OBJECT, .object = object};
}

/* The bytes of a string: in place, or the integer's text written at `scratch` (INT64_TEXT_MAX). */
static inline struct slice value_text(const struct value *value, uint8_t *scratch) {
    switch (value->kind) {
    case VALUE_INTEGER: return slice_of(scratch, int64_format(value->integer, scratch));
    case VALUE_BLOB: return blob_slice(value->blob);
    case VALUE_OBJECT: return slice_of(NULL, 0);
    case VALUE_BYTES:
    case VALUE_RAW: break;
    }
    return value->bytes;
}

#endif
