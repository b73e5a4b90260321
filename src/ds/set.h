/* SPDX-License-Identifier: BSD-3-Clause */
/* Sets of byte strings.
 *
 *   integers ("intset")  sorted integers of 2, 4 or 8 bytes in one allocation, while there are at
 *                        most limits->set_integer_entries and nothing else
 *   flat ("listpack")    packed elements in one allocation, at most limits->set_entries of at most
 *                        limits->set_value_bytes
 *   full ("hashtable")   one allocation per member, found through a hash table (ds/table.h)
 *
 * A set changes from a smaller to a larger representation when it passes a limit, never back.
 * Functions that change one take `struct object **`, for it may move; *set NULL is the empty set,
 * which set_add creates. Given texts must not lie in the set itself. All or nothing: ds/object.h.
 */
#ifndef LARDER_DS_SET_H
#define LARDER_DS_SET_H

#include "base/random.h"
#include "ds/table.h"

/* Add members; those that are there already, or come twice, count once. Errors: LARDER_NO_MEMORY.
 */
enum larder_status set_add(struct object **set, const struct object_context *context,
                           const struct slice *members, size_t count,
                           size_t *out_added) LARDER_NODISCARD;
/* Returns how many were there. Can't fail. */
size_t set_remove(struct object **set, const struct object_context *context,
                  const struct slice *members, size_t count);
bool set_contains(const struct object *set, const struct object_context *context,
                  struct slice member);

/* Walk: struct set_walk w; for (set_walk_begin(&w, set); set_next(&w, &member);). The member is
 * borrowed until the next step; the set must not change in between. */
struct set_walk {
    const struct object *set;
    size_t index;             /* of integers */
    const uint8_t *at;        /* of packed elements */
    struct table_walk places; /* of a table */
    uint8_t scratch[INT64_TEXT_MAX];
};
void set_walk_begin(struct set_walk *walk, const struct object *set);
bool set_next(struct set_walk *walk, struct slice *out);

/* A member at random, each with the same probability; the set is not empty. Borrowed, or written at
 * `scratch` (INT64_TEXT_MAX bytes). */
struct slice set_random(const struct object *set, struct random *random, uint8_t *scratch);
/* Bytes of all members together, at least. */
size_t set_text_bytes(const struct object *set);

/* Show some members: each that is there all the time is shown at least once on the way from cursor
 * 0 to the cursor 0 that ends it. Returns the next cursor. */
typedef void (*set_visitor)(void *context, struct slice member);
uint64_t set_scan(const struct object *set, const struct object_context *context, uint64_t cursor,
                  size_t count, set_visitor visitor, void *visitor_context);

#endif
