/* SPDX-License-Identifier: BSD-3-Clause */
/* Values as bytes, in the format of RDB files, as DUMP shows and RESTORE takes them:
 *
 *   payload = type 1 | value | version 2, little-endian | CRC-64 of all before it 8, little-endian
 *
 * Written are the plainest types that Redis 7.0 reads; read are all that Redis up to 7.0 and Valkey
 * 8 write. What is read may come from anybody: nothing beyond it is looked at, and memory is only
 * taken for what really is there. Private to src/commands. Pure; any thread. */
#ifndef LARDER_COMMANDS_DUMP_H
#define LARDER_COMMANDS_DUMP_H

#include "base/blob.h"
#include "ds/object.h"
#include "store/record.h"

enum {
    DUMP_VERSION = 10,         /* of Redis 7.0 */
    DUMP_VERSION_VALKEY = 11,  /* the last one that Redis and Valkey share */
    DUMP_VERSION_NEWEST = 80,  /* of Valkey 9, which skipped those of later Redis */
    DUMP_FOOTER_BYTES = 2 + 8, /* version and checksum */
};

/* The types of values. */
enum dump_type {
    DUMP_STRING = 0,
    DUMP_LIST = 1,
    DUMP_SET = 2,
    DUMP_SORTED_SET_TEXT = 3, /* scores as text */
    DUMP_HASH = 4,
    DUMP_SORTED_SET = 5, /* scores as binary doubles */
    DUMP_HASH_ZIPMAP = 9,
    DUMP_LIST_ZIPLIST = 10,
    DUMP_SET_INTEGERS = 11,
    DUMP_SORTED_SET_ZIPLIST = 12,
    DUMP_HASH_ZIPLIST = 13,
    DUMP_LIST_ZIPLISTS = 14,
    DUMP_STREAM = 15,
    DUMP_HASH_LISTPACK = 16,
    DUMP_SORTED_SET_LISTPACK = 17,
    DUMP_LIST_LISTPACKS = 18,
    DUMP_STREAM_2 = 19, /* counts what was added and read */
    DUMP_SET_LISTPACK = 20,
    DUMP_STREAM_3 = 21,      /* tells when a consumer was active */
    DUMP_HASH_EXPIRING = 22, /* fields with times */
};

enum dump_flags {
    DUMP_EXACT = 1 << 0,      /* keep what Redis 7.0 knows no place for, for a reader of our own */
    DUMP_COMPRESSED = 1 << 1, /* compress strings of more than 20 bytes where that saves some */
};

/* Serialise a value. `flags`: enum dump_flags. Returns owned; NULL without memory. */
struct blob *dump_create(const struct value *value, const struct allocator *allocator,
                         uint32_t flags);

/* Whether the payload ends with a version that can be read and the right checksum. */
bool dump_is_sound(struct slice payload);

/* What a payload holds: a container (owned), or a string. */
struct dump_content {
    struct object *object; /* NULL: a string */
    struct slice string;   /* in the payload, in `owned` or in `scratch` */
    uint8_t *owned;
    size_t owned_size;
    uint8_t scratch[INT64_TEXT_MAX];
};
/* Read a sound payload. Errors: LARDER_NO_MEMORY; LARDER_CORRUPT: it is no value. */
enum larder_status dump_read(struct slice payload, const struct object_context *objects,
                             struct dump_content *out) LARDER_NODISCARD;
/* Free the string; the container is the caller's. */
void dump_content_finish(struct dump_content *content, const struct allocator *allocator);

#endif
