/* SPDX-License-Identifier: BSD-3-Clause */
/* The elements that SORT orders: copies of their texts, each followed by a zero byte, in one
 * growing arena, and what they are ordered by. Private to SORT. */
#ifndef LARDER_COMMANDS_SORT_VECTOR_H
#define LARDER_COMMANDS_SORT_VECTOR_H

#include "ds/object.h"

struct sort_text {
    size_t at, size; /* in the arena */
};

struct sort_element {
    struct sort_text text;
    struct sort_text weight; /* what BY names, when it is to be compared as text */
    double score;
    bool has_weight;
};

struct sort_vector {
    const struct allocator *allocator;
    struct sort_element *items;
    size_t count, capacity;
    uint8_t *arena;
    size_t arena_used, arena_capacity;
};

/* No allocation. */
void sort_vector_init(struct sort_vector *vector, const struct allocator *allocator);
void sort_vector_finish(struct sort_vector *vector);

/* Copy the elements of a list, set or sorted set (sorted by score) from position `first` on;
 * is_reverse: positions count from the end. Errors: LARDER_NO_MEMORY. */
enum larder_status sort_vector_gather(struct sort_vector *vector, const struct object *object,
                                      size_t first, size_t count, bool is_reverse) LARDER_NODISCARD;

/* The text, borrowed until the next is copied into the vector. */
static inline struct slice sort_vector_text(const struct sort_vector *vector,
                                            const struct sort_text *text) {
    return slice_of(vector->arena + text->at, text->size);
}

/* Order element i by this text. Errors: LARDER_NO_MEMORY. */
enum larder_status sort_vector_set_weight(struct sort_vector *vector, size_t i,
                                          struct slice weight) LARDER_NODISCARD;
/* Order element i by its own text as a number, or by its weight, if it has one; one that is to have
 * a weight and has none counts 0. False: it is no number. */
bool sort_vector_set_score(struct sort_vector *vector, size_t i, bool by_weight);

enum sort_order {
    SORT_BY_SCORE,  /* then by text */
    SORT_BY_TEXT,   /* bytes */
    SORT_BY_WEIGHT, /* bytes; those without one come first */
};
/* Put the first `wanted` of the order in their places; what the others are is not defined, unless
 * all are wanted. Stable. Errors: LARDER_NO_MEMORY. */
enum larder_status sort_vector_sort(struct sort_vector *vector, enum sort_order order,
                                    bool is_descending, size_t wanted) LARDER_NODISCARD;

#endif
