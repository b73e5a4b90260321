/* SPDX-License-Identifier: BSD-3-Clause */
/* Hashes: values by field.
 *
 *   flat ("listpack")   packed {field, value} pairs in one allocation, while there are at most
 *                       limits->hash_entries pairs, no part longer than limits->hash_value_bytes,
 *                       and no field expires
 *   full ("hashtable")  one allocation per pair, found through a hash table (ds/table.h)
 *
 * A flat one becomes full when it passes a limit, never back. Fields of a full one may have an
 * expiry time in milliseconds. What has expired as of `now_ms` (that time is before it) is as good
 * as absent to every function that is given it; with 0 nothing has expired. object_length and
 * object_type.visit include what has expired. Functions that change a hash take `struct object **`,
 * for it may move; *hash NULL is the empty hash, which hash_set creates. Given texts must not lie
 * in the hash itself. All or nothing: ds/object.h. */
#ifndef LARDER_DS_HASH_H
#define LARDER_DS_HASH_H

#include "ds/table.h"

struct hash_pair {
    struct slice field, value;
    int64_t expiry_ms; /* 0: never */
};

/* Instead of an expiry time for hash_set: fields that are there keep theirs. */
enum { HASH_KEEP_EXPIRY = -1 };

/* Set `count` pairs, given as field, value, field, value ... with this expiry time, 0 for none. Of
 * a field that comes twice the last value counts. *out_added: fields that were not there.
 * Errors: LARDER_NO_MEMORY. */
enum larder_status hash_set(struct object **hash, const struct object_context *context,
                            const struct slice *pairs, size_t count, int64_t expiry_ms,
                            int64_t now_ms, size_t *out_added) LARDER_NODISCARD;
/* Whether it was there. Can't fail. An expired field is removed too, and false. */
bool hash_remove(struct object **hash, const struct object_context *context, struct slice field,
                 int64_t now_ms);
/* Whether there is such a field. The parts are borrowed until the next change, or written at
 * `scratch` (INT64_TEXT_MAX bytes); the field is the one given. */
bool hash_get(const struct object *hash, const struct object_context *context, struct slice field,
              int64_t now_ms, uint8_t *scratch, struct hash_pair *out);

/* Fields that have not expired. O(1) unless one has expired. */
size_t hash_length(const struct object *hash, int64_t now_ms);
/* Bytes of all fields and values together, at least. */
size_t hash_text_bytes(const struct object *hash);

/* Walk: struct hash_walk w; for (hash_walk_begin(&w, hash, now_ms); hash_next(&w, &pair);). The
 * pair is borrowed until the next step; the hash must not change in between. */
struct hash_walk {
    const struct object *hash;
    int64_t now_ms;
    const uint8_t *at;        /* of packed pairs */
    struct table_walk places; /* of a table */
    uint8_t scratch[2][INT64_TEXT_MAX];
};
void hash_walk_begin(struct hash_walk *walk, const struct object *hash, int64_t now_ms);
bool hash_next(struct hash_walk *walk, struct hash_pair *out);

/* A pair at random, each with the same probability; there is one. Borrowed, or written at `scratch`
 * (twice INT64_TEXT_MAX bytes). */
void hash_random(const struct object *hash, struct random *random, int64_t now_ms, uint8_t *scratch,
                 struct hash_pair *out);

/* Show some pairs: each that is there all the time is shown at least once on the way from cursor 0
 * to the cursor 0 that ends it. Returns the next cursor. */
typedef void (*hash_visitor)(void *context, const struct hash_pair *pair);
uint64_t hash_scan(const struct object *hash, const struct object_context *context, uint64_t cursor,
                   size_t count, int64_t now_ms, hash_visitor visitor, void *visitor_context);

/* ---- fields that expire ---- */

/* Make a hash ready for hash_set_expiry of `count` fields. Errors: LARDER_NO_MEMORY. */
enum larder_status hash_reserve_expiry(struct object **hash, const struct object_context *context,
                                       const struct slice *fields, size_t count) LARDER_NODISCARD;
/* Give a field that is there another expiry time, 0 for none. Can't fail after hash_reserve_expiry
 * for this field, nor with 0. */
void hash_set_expiry(struct object *hash, const struct object_context *context, struct slice field,
                     int64_t expiry_ms);
/* No field expires before this; INT64_MAX when none expires at all. O(1). */
int64_t hash_due_ms(const struct object *hash);
/* Look again for the field that expires first, after some are gone. O(n) when any expires. */
void hash_update_due(struct object *hash);
/* Up to `count` fields that have expired; returns how many. Borrowed until the next change. */
size_t hash_expired(const struct object *hash, int64_t now_ms, struct slice *out_fields,
                    size_t count);

#endif
