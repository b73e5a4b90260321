/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the score tree share: the way from the root to an entry, and the changes of the
 * tree's shape. Private to score_tree*.c. */
#ifndef LARDER_DS_SCORE_TREE_PATH_H
#define LARDER_DS_SCORE_TREE_PATH_H

#include "ds/score_tree.h"

/* A split leaves at least half of a node, and 18^12 entries fit no memory. */
enum { SCORE_HEIGHT_MAX = 12 };

struct score_path {
    struct score_inner *nodes[SCORE_HEIGHT_MAX]; /* [0] is the leaf's parent */
    uint32_t indexes[SCORE_HEIGHT_MAX];          /* of the child that the way goes through */
    struct score_leaf *leaf;
    uint32_t index;
};

/* The way to the first entry behind a bound of both, in the last leaf that begins before it (or the
 * first leaf). The tree is not empty. */
void score_tree_descend(const struct score_tree *tree, const struct score_bound *bound,
                        struct score_path *path);
/* The first entry of the path's leaf is another one now: tell its ancestors. */
void score_tree_first_changed(const struct score_tree *tree, const struct score_path *path);

/* Split the path's full leaf, and the full inner nodes above it. The path is not valid afterwards.
 * Errors: LARDER_NO_MEMORY, nothing changed. */
enum larder_status score_tree_split(struct score_tree *tree, const struct allocator *allocator,
                                    const struct score_path *path) LARDER_NODISCARD;
/* The path's leaf lost entries, and counts and firsts are exact unless it is empty: take it out if
 * it is, or join it with a neighbour when both hold little, and so on upwards. */
void score_tree_merge(struct score_tree *tree, const struct allocator *allocator,
                      const struct score_path *path);

#endif
