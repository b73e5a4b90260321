/* SPDX-License-Identifier: BSD-3-Clause */
/* The two representations of a hash; private to src/ds/hash*.c.
 *
 * An element of the full one, byte-packed:
 *   field size * 2 + has expiry (varint) | value size (varint) | [expiry 8, 0: never] | field |
 *   value */
#ifndef LARDER_DS_HASH_INTERNAL_H
#define LARDER_DS_HASH_INTERNAL_H

#include "ds/hash.h"
#include "ds/packed.h"

struct flat_hash {
    struct object object;
    uint32_t count;
    uint32_t used, capacity; /* bytes of `bytes` */
    uint8_t bytes[];         /* packed field, value, field, value ... */
};

struct full_hash {
    struct object object;
    struct table table;
    const struct hash_seed *seed;
    size_t element_bytes; /* of the elements' allocations */
    size_t expiring;      /* fields that have an expiry time */
    int64_t due_ms;       /* no field expires before */
};

extern const struct object_type HASH_FLAT, HASH_FULL;
extern const struct object_expiry HASH_EXPIRY; /* of HASH_FULL */

static inline struct flat_hash *flat_of(const struct object *hash) {
    return (struct flat_hash *)(uintptr_t)hash;
}
static inline struct full_hash *full_of(const struct object *hash) {
    return (struct full_hash *)(uintptr_t)hash;
}

static inline bool hash_is_past(int64_t expiry_ms, int64_t now_ms) {
    return expiry_ms != 0 && expiry_ms < now_ms;
}

/* ---- hash_flat.c ---- */

struct object *flat_hash_create(const struct object_context *context, size_t bytes);
/* Room for what setting these pairs may add. */
enum larder_status flat_hash_reserve(struct object **hash, const struct object_context *context,
                                     const struct slice *pairs, size_t count) LARDER_NODISCARD;
/* Room was reserved. True: the field is new. */
bool flat_hash_put(struct flat_hash *hash, struct slice field, struct slice value);
bool flat_hash_remove(struct object **hash, const struct object_context *context,
                      struct slice field);

/* ---- hash_table.c ---- */

struct object *full_hash_create(const struct object_context *context);
/* All or nothing. */
enum larder_status full_hash_set(struct full_hash *hash, const struct object_context *context,
                                 const struct slice *pairs, size_t count, int64_t expiry_ms,
                                 int64_t now_ms, size_t *out_added) LARDER_NODISCARD;
/* As hash_remove, hash_reserve_expiry and hash_set_expiry for one field. */
bool full_hash_remove(struct full_hash *hash, const struct object_context *context,
                      struct slice field, int64_t now_ms);
enum larder_status full_hash_reserve_expiry(struct full_hash *hash,
                                            const struct object_context *context,
                                            struct slice field) LARDER_NODISCARD;
void full_hash_set_expiry(struct full_hash *hash, const struct object_context *context,
                          struct slice field, int64_t expiry_ms);
void hash_element_read(const void *element, struct hash_pair *out);

#endif
