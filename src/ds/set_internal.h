/* SPDX-License-Identifier: BSD-3-Clause */
/* The three representations of a set; private to src/ds/set*.c. */
#ifndef LARDER_DS_SET_INTERNAL_H
#define LARDER_DS_SET_INTERNAL_H

#include "ds/packed.h"
#include "ds/set.h"

struct integer_set {
    struct object object;
    uint32_t count;
    uint32_t capacity; /* bytes of `bytes` */
    uint8_t width;     /* of an integer: 2, 4 or 8 */
    uint8_t bytes[];   /* ascending, little-endian two's complement */
};

struct flat_set {
    struct object object;
    uint32_t count;
    uint32_t used, capacity; /* bytes of `bytes` */
    uint8_t bytes[];         /* packed elements */
};

struct table_set {
    struct object object;
    struct table table;
    const struct hash_seed *seed;
    size_t member_bytes; /* of the members' allocations */
};

extern const struct object_type SET_INTEGERS, SET_FLAT, SET_TABLE;

static inline struct integer_set *integers_of(const struct object *set) {
    return (struct integer_set *)(uintptr_t)set;
}
static inline struct flat_set *flat_of(const struct object *set) {
    return (struct flat_set *)(uintptr_t)set;
}
static inline struct table_set *table_of(const struct object *set) {
    return (struct table_set *)(uintptr_t)set;
}

/* ---- set_integers.c ---- */

struct object *integers_create(const struct object_context *context);
/* Room for `count` more integers, the widest of which needs `width` bytes; widens what is there. */
enum larder_status integers_reserve(struct object **set, const struct object_context *context,
                                    size_t count, unsigned width) LARDER_NODISCARD;
unsigned integers_width_of(int64_t integer);
int64_t integers_get(const struct integer_set *set, size_t index);
/* Where it is; false: where it would be. */
bool integers_find(const struct integer_set *set, int64_t integer, size_t *out_index);
/* Room was reserved. False: it was there. */
bool integers_insert(struct integer_set *set, int64_t integer);
bool integers_remove(struct object **set, const struct object_context *context, int64_t integer);

/* ---- set_flat.c ---- */

struct object *flat_create(const struct object_context *context, size_t bytes);
enum larder_status flat_reserve(struct object **set, const struct object_context *context,
                                size_t bytes) LARDER_NODISCARD;
bool flat_insert(struct flat_set *set, struct slice member);
bool flat_remove(struct object **set, const struct object_context *context, struct slice member);

/* ---- set_table.c ---- */

struct object *table_set_create(const struct object_context *context);
/* A member, allocated; insert it or give it back. */
void *table_member_create(const struct object_context *context, struct slice member);
void table_member_destroy(const struct allocator *allocator, void *member);
struct slice table_member_text(const void *member);
/* An insert was reserved. Takes the member, unless it is there already: false. */
bool table_set_insert(struct table_set *set, const struct object_context *context, void *member);
/* Reserve, make and insert one member. Errors: LARDER_NO_MEMORY, nothing changed. */
enum larder_status table_set_add(struct table_set *set, const struct object_context *context,
                                 struct slice member, size_t *out_added) LARDER_NODISCARD;
bool table_set_remove(struct table_set *set, const struct object_context *context,
                      struct slice member);

#endif
