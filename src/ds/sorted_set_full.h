/* SPDX-License-Identifier: BSD-3-Clause */
/* The full sorted set: an ordered tree and a table of the same elements. Private to sorted_set*.c.
 */
#ifndef LARDER_DS_SORTED_SET_FULL_H
#define LARDER_DS_SORTED_SET_FULL_H

#include "ds/sorted_set.h"
#include "ds/table.h"

struct full_sorted_set {
    struct object object;
    const struct hash_seed *seed;
    struct score_tree tree;
    struct table table;   /* of struct scored_element, by member */
    size_t element_bytes; /* of all elements */
};

extern const struct object_type SORTED_SET_FULL;

/* Returns owned, empty. `seed` outlives it. NULL without memory. */
struct object *full_sorted_set_create(const struct allocator *allocator,
                                      const struct hash_seed *seed);

static inline struct scored_element *full_sorted_set_find(const struct full_sorted_set *full,
                                                          struct slice member) {
    return table_find(&full->table, hash_key(full->seed, member, 0), member);
}

/* Put a member that is not there. Errors: LARDER_NO_MEMORY, nothing changed. */
enum larder_status full_sorted_set_insert(struct full_sorted_set *full,
                                          const struct allocator *allocator,
                                          const struct scored_member *member,
                                          struct scored_element **out) LARDER_NODISCARD;
/* Give an element another score. The same errors. */
enum larder_status full_sorted_set_change(struct full_sorted_set *full,
                                          const struct allocator *allocator,
                                          struct scored_element *element,
                                          double score) LARDER_NODISCARD;
/* Take an element out and free it. */
void full_sorted_set_remove(struct full_sorted_set *full, const struct allocator *allocator,
                            struct scored_element *element);
void full_sorted_set_remove_range(struct full_sorted_set *full, const struct allocator *allocator,
                                  size_t rank, size_t count);

#endif
