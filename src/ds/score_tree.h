/* SPDX-License-Identifier: BSD-3-Clause */
/* An ordered tree of (score, member): a B+ tree that also counts, so that the entry of a rank and
 * the rank of an entry are found in O(log n).
 *
 *   inner   per child: the child, how many entries it holds, and the first of them
 *   leaf    scores | elements, in order; leaves are linked in both directions
 *
 * The order is by score, then by the member's bytes. Scores stand in the nodes, so that a search
 * reads elements only where scores are equal. An element is one allocation that the tree points at
 * but does not own, and whose own score it never reads.
 *
 * Invariants: no node is empty but the root of an empty tree, which is NULL; first entry and count
 * of a child are exact; two neighbours under one parent hold more than MERGE_MAX together after a
 * removal from either. Nodes are about 1 KiB. No scores are NaN.
 *
 * Several entries may be equal while a change is under way. One thread at a time. */
#ifndef LARDER_DS_SCORE_TREE_H
#define LARDER_DS_SCORE_TREE_H

#include "base/alloc.h"
#include "base/slice.h"
#include "base/status.h"

/* One member. Allocated with scored_element_size(size) bytes. */
struct scored_element {
    double score;
    uint32_t size; /* bytes */
    uint8_t bytes[];
};

static inline size_t scored_element_size(size_t member_size) {
    size_t size = offsetof(struct scored_element, bytes) + member_size;
    return size < sizeof(struct scored_element) ? sizeof(struct scored_element) : size;
}

static inline struct slice scored_element_member(const struct scored_element *element) {
    return slice_of(element->bytes, element->size);
}

enum { SCORE_LEAF_CAPACITY = 62, SCORE_INNER_CAPACITY = 36 };

struct score_leaf {
    struct score_leaf *previous, *next;
    uint32_t count;
    double scores[SCORE_LEAF_CAPACITY];
    struct scored_element *elements[SCORE_LEAF_CAPACITY];
};

struct score_inner {
    uint32_t count; /* children */
    uint32_t counts[SCORE_INNER_CAPACITY];
    double scores[SCORE_INNER_CAPACITY];
    struct scored_element *elements[SCORE_INNER_CAPACITY];
    void *children[SCORE_INNER_CAPACITY];
};

struct score_tree {
    void *root;      /* a leaf when height is 0 */
    uint32_t height; /* inner nodes on the way to a leaf */
    uint32_t leaf_count, inner_count;
    size_t count;
    struct score_leaf *last;
};

/* A place in the order: of a score, of a member (when all scores are equal), or of both. */
enum score_bound_kind { SCORE_BOUND_SCORE, SCORE_BOUND_MEMBER, SCORE_BOUND_BOTH };
struct score_bound {
    enum score_bound_kind kind;
    bool is_behind_equal; /* behind what is equal, else before it */
    double score;
    struct slice member; /* borrowed */
};

/* Whether an entry lies before the bound. */
static inline bool score_bound_is_behind(const struct score_bound *bound, double score,
                                         struct slice member) {
    if (bound->kind != SCORE_BOUND_MEMBER && score != bound->score)
        return score < bound->score;
    int order = bound->kind == SCORE_BOUND_SCORE ? 0 : slice_compare(member, bound->member);
    return order < 0 || (order == 0 && bound->is_behind_equal);
}

/* Between two entries of the tree. Valid until the next change. */
struct score_position {
    const struct score_leaf *leaf; /* NULL: the tree is empty */
    uint32_t index;                /* 0 to leaf->count */
};

static inline size_t score_tree_bytes(const struct score_tree *tree) {
    return tree->leaf_count * sizeof(struct score_leaf) +
           tree->inner_count * sizeof(struct score_inner);
}

/* Add an entry, behind equal ones. Errors: LARDER_NO_MEMORY, nothing changed. */
enum larder_status score_tree_insert(struct score_tree *tree, const struct allocator *allocator,
                                     double score, struct scored_element *element) LARDER_NODISCARD;
/* Remove one entry of this score and element. It is there. */
void score_tree_remove(struct score_tree *tree, const struct allocator *allocator, double score,
                       const struct scored_element *element);
/* Give an entry another score. It is there. Errors: LARDER_NO_MEMORY, nothing changed. */
enum larder_status score_tree_move(struct score_tree *tree, const struct allocator *allocator,
                                   double old_score, double score,
                                   struct scored_element *element) LARDER_NODISCARD;
/* Remove up to `limit` entries from `rank` on, as many as lie in one leaf. Returns how many (at
 * least one, unless rank is beyond the end), with their elements in `out`, in order. */
size_t score_tree_remove_run(struct score_tree *tree, const struct allocator *allocator,
                             size_t rank, size_t limit,
                             struct scored_element *out[SCORE_LEAF_CAPACITY]);

/* The place before the entry of this rank, at most the end. */
struct score_position score_tree_seek(const struct score_tree *tree, size_t rank);
/* How many entries lie before the bound. */
size_t score_tree_count_before(const struct score_tree *tree, const struct score_bound *bound);

/* Free the last leaf, whose elements are the caller's to free first. */
void score_tree_drop_last(struct score_tree *tree, const struct allocator *allocator);

#endif
