/* SPDX-License-Identifier: BSD-3-Clause */
/* Strings as commands meet them: reading a value, and changing one byte range of it. Private to
 * src/commands.
 *
 * A string_edit is a writable image of a string's bytes: a copy of a small value, a new blob, or
 * the stored blob itself when nobody else holds it and it has room. Until the commit the stored
 * value reads as before, unless the image is the stored blob: what is written into that shows at
 * once, so a command that may still fail writes nothing. */
#ifndef LARDER_COMMANDS_STRING_VALUE_H
#define LARDER_COMMANDS_STRING_VALUE_H

#include "commands/call.h"

static inline bool value_is_string(const struct value *value) {
    return value->kind <= VALUE_RAW;
}

static inline bool entry_is_string(const struct entry *entry) {
    return value_is_string(&entry->value);
}

/* Bytes of the string, without writing it out. */
size_t string_size(const struct value *value);

/* The string as a bulk reply. */
static inline void reply_string(struct reply *reply, const struct value *value) {
    switch (value->kind) {
    case VALUE_BYTES:
    case VALUE_RAW: reply_bulk(reply, value->bytes); return;
    case VALUE_INTEGER: reply_bulk_integer(reply, value->integer); return;
    case VALUE_BLOB: reply_blob(reply, value->blob); return;
    case VALUE_OBJECT: return; /* checked before */
    }
}

struct string_edit {
    uint8_t *data; /* the image: `size` bytes, what the string did not have before is zero */
    size_t size;
    /* private */
    struct entry old;
    struct blob *blob; /* the image's, NULL when it is `bytes` */
    bool has_old;
    bool is_in_place; /* blob is the stored one */
    uint8_t bytes[RECORD_INLINE_VALUE_MAX];
};

/* Begin to change the string `old` (NULL: there is none) to one of `size` bytes, at least as many
 * as it has. Borrows `old` until the commit, so the partition must not change in between. Errors:
 * LARDER_NO_MEMORY. */
enum larder_status string_edit_begin(struct string_edit *edit, struct call *call,
                                     const struct entry *old, size_t size)
    REQUIRES(PARTITION_LOCK) LARDER_NODISCARD;
/* Store the image, keeping the expiry. Can't fail when string_edit_is_in_place. Errors:
 * LARDER_NO_MEMORY, nothing changed and the edit is over. */
enum larder_status string_edit_commit(struct string_edit *edit, struct call *call,
                                      const struct key *key)
    REQUIRES(PARTITION_LOCK) LARDER_NODISCARD;
/* Forget the image. Nothing was written into it, or it is not in place. */
void string_edit_abort(struct string_edit *edit);

/* Whether a string of `size` bytes is allowed; writes the error reply when it is not. */
bool string_size_is_allowed(struct call *call, uint64_t size);

/* Strings as the floats of INCRBYFLOAT and HINCRBYFLOAT; the largest has 4933 digits before the
 * point. string_format_float writes no trailing zeros and returns the length. */
enum { STRING_FLOAT_MAX = 5 * 1024 };
bool string_to_float(struct slice text, long double *out);
size_t string_format_float(long double value, char *out);

/* Units and origins of a time argument. */
enum time_argument {
    TIME_IN_SECONDS = 1 << 0,  /* else milliseconds */
    TIME_IS_RELATIVE = 1 << 1, /* to now, else absolute */
};

/* Read the positive lifetime of SET, SETEX or GETEX as an absolute time. False when it is wrong:
 * the error reply was written. */
bool string_lifetime(struct call *call, struct slice text, unsigned time_argument,
                     int64_t *out_expiry_ms);

#endif
