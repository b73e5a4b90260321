/* SPDX-License-Identifier: BSD-3-Clause */
/* The flat sorted set, in one allocation:
 *
 *   header | member score member score ...      packed elements (packed.h), in order
 *
 *   score   an integer as an integer; else a string of 'f' and 4 bytes or 'd' and 8 bytes, the
 *           float or double itself (a string of digits only would become an integer)
 *
 * Private to sorted_set*.c. */
#ifndef LARDER_DS_SORTED_SET_FLAT_H
#define LARDER_DS_SORTED_SET_FLAT_H

#include "ds/sorted_set.h"

enum { SORTED_SET_FLAT_MAX = 32 * 1024 - 64 }; /* bytes of the allocation */

struct flat_sorted_set {
    struct object object;
    uint16_t capacity; /* of the allocation, in units of SORTED_SET_FLAT_UNIT bytes */
    uint16_t used;     /* of `bytes` */
    uint16_t count;
    uint8_t bytes[];
};
enum {
    SORTED_SET_FLAT_UNIT = 16,
    SORTED_SET_FLAT_HEADER = offsetof(struct flat_sorted_set, bytes)
};

extern const struct object_type SORTED_SET_FLAT;

static inline bool sorted_set_is_flat(const struct object *set) {
    return set->type == &SORTED_SET_FLAT;
}

/* Returns owned, empty, with room for so many bytes. NULL without memory. */
struct object *flat_sorted_set_create(const struct allocator *allocator, size_t size);
/* Where the member is, or NULL. */
const uint8_t *flat_sorted_set_find(const struct flat_sorted_set *flat, struct slice member,
                                    double *out_score);
/* Put a member that is not there. Moves it. Errors: LARDER_NO_MEMORY, nothing changed;
 * LARDER_NO_SPACE, nothing changed: it would be longer than SORTED_SET_FLAT_MAX. */
enum larder_status flat_sorted_set_insert(struct object **set, const struct allocator *allocator,
                                          const struct scored_member *member) LARDER_NODISCARD;
/* Another score for the member at `at`. The same errors. */
enum larder_status flat_sorted_set_change(struct object **set, const struct allocator *allocator,
                                          const uint8_t *at, double score) LARDER_NODISCARD;
/* Take out `count` members from the one at `at` on. May move it to a smaller place. */
void flat_sorted_set_cut(struct object **set, const struct allocator *allocator, const uint8_t *at,
                         size_t count);
size_t flat_sorted_set_count_before(const struct flat_sorted_set *flat,
                                    const struct score_bound *bound);
/* The pair at `at`; returns the next. */
const uint8_t *flat_sorted_set_get(const uint8_t *at, uint8_t *scratch, struct scored_member *out);
/* The pair before `at`. There is one. */
const uint8_t *flat_sorted_set_before(const uint8_t *at);
const uint8_t *flat_sorted_set_seek(const struct flat_sorted_set *flat, size_t rank);

#endif
