/* SPDX-License-Identifier: BSD-3-Clause */
/* Searching, and changes that need no other node. A way down is remembered as a path, since nodes
 * don't know their parents; counts and first entries are corrected along it. */
#include "ds/score_tree_path.h"

/* The searches halve without a branch on what they find: a mispredicted one costs more than a
 * step. Entries before a bound are a prefix, whose length they return. */

static inline uint32_t prefix_below(const double *scores, uint32_t count, double score) {
    const double *at = scores;
    if (count == 0)
        return 0;
    for (; count > 1; count -= count / 2)
        at += at[count / 2 - 1] < score ? count / 2 : 0;
    return (uint32_t)(at - scores) + (*at < score);
}

static inline uint32_t prefix_not_above(const double *scores, uint32_t count, double score) {
    const double *at = scores;
    if (count == 0)
        return 0;
    for (; count > 1; count -= count / 2)
        at += at[count / 2 - 1] <= score ? count / 2 : 0;
    return (uint32_t)(at - scores) + (*at <= score);
}

static uint32_t prefix_by_member(struct scored_element *const *elements, uint32_t count,
                                 const struct score_bound *bound) {
    uint32_t low = 0;
    while (count > 0) {
        uint32_t half = count / 2;
        int order = slice_compare(scored_element_member(elements[low + half]), bound->member);
        bool is_before = order < 0 || (order == 0 && bound->is_behind_equal);
        low = is_before ? low + half + 1 : low;
        count = is_before ? count - half - 1 : half;
    }
    return low;
}

/* By score, then by member among those of the same score: most often there are none, and no element
 * is read. */
static inline uint32_t prefix_both(const double *scores, struct scored_element *const *elements,
                                   uint32_t count, const struct score_bound *bound) {
    uint32_t low = prefix_below(scores, count, bound->score);
    if (low == count || scores[low] != bound->score)
        return low;
    uint32_t equal = prefix_not_above(scores + low, count - low, bound->score);
    return low + prefix_by_member(elements + low, equal, bound);
}

static uint32_t prefix_of(const double *scores, struct scored_element *const *elements,
                          uint32_t count, const struct score_bound *bound) {
    switch (bound->kind) {
    case SCORE_BOUND_BOTH: return prefix_both(scores, elements, count, bound);
    case SCORE_BOUND_SCORE:
        return bound->is_behind_equal ? prefix_not_above(scores, count, bound->score)
                                      : prefix_below(scores, count, bound->score);
    case SCORE_BOUND_MEMBER: break;
    }
    return prefix_by_member(elements, count, bound);
}

static size_t sum(const uint32_t *counts, uint32_t count) {
    size_t total = 0;
    for (uint32_t i = 0; i < count; i++)
        total += counts[i];
    return total;
}

size_t score_tree_count_before(const struct score_tree *tree, const struct score_bound *bound) {
    size_t before = 0;
    const void *node = tree->root;
    if (node == NULL)
        return 0;
    for (uint32_t level = tree->height; level > 0; level--) {
        const struct score_inner *inner = node;
        uint32_t index = prefix_of(inner->scores, inner->elements, inner->count, bound);
        if (index == 0)
            return before;
        before += sum(inner->counts, index - 1);
        node = inner->children[index - 1];
    }
    const struct score_leaf *leaf = node;
    return before + prefix_of(leaf->scores, leaf->elements, leaf->count, bound);
}

/* ---- paths ---- */

enum { CACHE_LINE = 64, SEARCHED_LINES = 8 }; /* count and scores of a node, about */

static inline void prefetch_node(const void *node) {
    for (unsigned i = 0; i < SEARCHED_LINES; i++)
        __builtin_prefetch((const uint8_t *)node + (size_t)i * CACHE_LINE);
}

void score_tree_descend(const struct score_tree *tree, const struct score_bound *bound,
                        struct score_path *path) {
    void *node = tree->root;
    for (uint32_t level = tree->height; level-- > 0;) {
        struct score_inner *inner = node;
        uint32_t index = prefix_both(inner->scores, inner->elements, inner->count, bound);
        path->nodes[level] = inner;
        path->indexes[level] = index == 0 ? 0 : index - 1;
        node = inner->children[path->indexes[level]];
        prefetch_node(node);
    }
    path->leaf = node;
    path->index = prefix_both(path->leaf->scores, path->leaf->elements, path->leaf->count, bound);
}

static void descend_to_rank(const struct score_tree *tree, size_t rank, struct score_path *path) {
    void *node = tree->root;
    for (uint32_t level = tree->height; level-- > 0;) {
        struct score_inner *inner = node;
        uint32_t index = 0;
        while (index + 1 < inner->count && rank >= inner->counts[index])
            rank -= inner->counts[index++];
        path->nodes[level] = inner;
        path->indexes[level] = index;
        node = inner->children[index];
    }
    path->leaf = node;
    path->index = (uint32_t)(rank < path->leaf->count ? rank : path->leaf->count);
}

struct score_position score_tree_seek(const struct score_tree *tree, size_t rank) {
    struct score_path path;
    if (tree->root == NULL)
        return (struct score_position){.leaf = NULL};
    descend_to_rank(tree, rank, &path);
    return (struct score_position){path.leaf, path.index};
}

/* To the entry itself. Behind the bound lies the first of its equals; should another member stand
 * there twice while a change is under way, any of the two will do. */
static void descend_to_entry(const struct score_tree *tree, double score,
                             const struct scored_element *element, struct score_path *path) {
    struct score_bound bound = {SCORE_BOUND_BOTH, true, score, scored_element_member(element)};
    score_tree_descend(tree, &bound, path);
    path->index--; /* the last of its equals */
}

void score_tree_first_changed(const struct score_tree *tree, const struct score_path *path) {
    const struct score_leaf *leaf = path->leaf;
    for (uint32_t level = 0; level < tree->height; level++) {
        struct score_inner *inner = path->nodes[level];
        uint32_t at = path->indexes[level];
        inner->scores[at] = leaf->scores[0];
        inner->elements[at] = leaf->elements[0];
        if (at != 0)
            break;
    }
}

/* ---- changes ---- */

static void insert_into_leaf(struct score_tree *tree, struct score_path *path, double score,
                             struct scored_element *element) {
    struct score_leaf *leaf = path->leaf;
    uint32_t at = path->index, behind = leaf->count - at;
    memmove(leaf->scores + at + 1, leaf->scores + at, behind * sizeof(*leaf->scores));
    memmove(leaf->elements + at + 1, leaf->elements + at, behind * sizeof(*leaf->elements));
    leaf->scores[at] = score;
    leaf->elements[at] = element;
    leaf->count++;
    for (uint32_t level = 0; level < tree->height; level++)
        path->nodes[level]->counts[path->indexes[level]]++;
    if (at == 0)
        score_tree_first_changed(tree, path);
}

static enum larder_status insert_first(struct score_tree *tree, const struct allocator *allocator,
                                       double score, struct scored_element *element) {
    struct score_leaf *leaf = allocator_allocate(allocator, sizeof(*leaf));
    if (leaf == NULL)
        return LARDER_NO_MEMORY;
    leaf->previous = NULL;
    leaf->next = NULL;
    leaf->count = 1;
    leaf->scores[0] = score;
    leaf->elements[0] = element;
    *tree = (struct score_tree){.root = leaf, .last = leaf, .leaf_count = 1, .count = 1};
    return LARDER_OK;
}

enum larder_status score_tree_insert(struct score_tree *tree, const struct allocator *allocator,
                                     double score, struct scored_element *element) {
    if (tree->root == NULL)
        return insert_first(tree, allocator, score, element);
    struct score_path path;
    struct score_bound bound = {SCORE_BOUND_BOTH, true, score, scored_element_member(element)};
    score_tree_descend(tree, &bound, &path);
    if (path.leaf->count == SCORE_LEAF_CAPACITY) {
        enum larder_status status = score_tree_split(tree, allocator, &path);
        if (status != LARDER_OK)
            return status;
        score_tree_descend(tree, &bound, &path);
    }
    insert_into_leaf(tree, &path, score, element);
    tree->count++;
    return LARDER_OK;
}

/* Takes `run` entries out of the path's leaf. */
static void remove_from_leaf(struct score_tree *tree, const struct allocator *allocator,
                             struct score_path *path, uint32_t run) {
    struct score_leaf *leaf = path->leaf;
    uint32_t at = path->index, behind = leaf->count - at - run;
    memmove(leaf->scores + at, leaf->scores + at + run, behind * sizeof(*leaf->scores));
    memmove(leaf->elements + at, leaf->elements + at + run, behind * sizeof(*leaf->elements));
    leaf->count -= run;
    tree->count -= run;
    for (uint32_t level = 0; level < tree->height; level++)
        path->nodes[level]->counts[path->indexes[level]] -= run;
    if (at == 0 && leaf->count > 0)
        score_tree_first_changed(tree, path);
    score_tree_merge(tree, allocator, path);
}

void score_tree_remove(struct score_tree *tree, const struct allocator *allocator, double score,
                       const struct scored_element *element) {
    struct score_path path;
    descend_to_entry(tree, score, element, &path);
    remove_from_leaf(tree, allocator, &path, 1);
}

size_t score_tree_remove_run(struct score_tree *tree, const struct allocator *allocator,
                             size_t rank, size_t limit,
                             struct scored_element *out[SCORE_LEAF_CAPACITY]) {
    if (rank >= tree->count)
        return 0;
    struct score_path path;
    descend_to_rank(tree, rank, &path);
    uint32_t run = path.leaf->count - path.index;
    if (run > limit)
        run = (uint32_t)limit;
    memcpy(out, path.leaf->elements + path.index, run * sizeof(*out));
    remove_from_leaf(tree, allocator, &path, run);
    return run;
}

/* Moves what lies between two places of a leaf by one, and sets the entry behind it. */
static void rotate(struct score_leaf *leaf, uint32_t from, uint32_t to, double score,
                   struct scored_element *element) {
    uint32_t low = from < to ? from : to, distance = from < to ? to - from : from - to;
    bool is_up = to > from;
    memmove(leaf->scores + low + !is_up, leaf->scores + low + is_up,
            distance * sizeof(*leaf->scores));
    memmove(leaf->elements + low + !is_up, leaf->elements + low + is_up,
            distance * sizeof(*leaf->elements));
    leaf->scores[to] = score;
    leaf->elements[to] = element;
}

/* Whether the new place is within the path's leaf; then the entry goes there. */
static bool move_within_leaf(struct score_tree *tree, const struct score_path *path, double score,
                             struct scored_element *element) {
    struct score_leaf *leaf = path->leaf;
    struct score_bound bound = {SCORE_BOUND_BOTH, false, score, scored_element_member(element)};
    uint32_t from = path->index;
    uint32_t to = prefix_both(leaf->scores, leaf->elements, leaf->count, &bound);
    const struct score_leaf *previous = leaf->previous, *next = leaf->next;
    if (to == 0 && previous != NULL && !(previous->scores[previous->count - 1] < score))
        return false;
    if (to == leaf->count && next != NULL && !(score < next->scores[0]))
        return false;
    if (to > from)
        to--;
    rotate(leaf, from, to, score, element);
    if (from == 0 || to == 0)
        score_tree_first_changed(tree, path);
    return true;
}

enum larder_status score_tree_move(struct score_tree *tree, const struct allocator *allocator,
                                   double old_score, double score, struct scored_element *element) {
    struct score_path from, to;
    struct score_bound bound = {SCORE_BOUND_BOTH, true, score, scored_element_member(element)};
    descend_to_entry(tree, old_score, element, &from);
    if (move_within_leaf(tree, &from, score, element))
        return LARDER_OK;
    score_tree_descend(tree, &bound, &to);
    if (to.leaf != from.leaf && to.leaf->count < SCORE_LEAF_CAPACITY) {
        /* No node splits, so the way to the old place stays as it is. */
        insert_into_leaf(tree, &to, score, element);
        tree->count++;
        remove_from_leaf(tree, allocator, &from, 1);
        return LARDER_OK;
    }
    enum larder_status status = score_tree_insert(tree, allocator, score, element);
    if (status == LARDER_OK)
        score_tree_remove(tree, allocator, old_score, element);
    return status;
}
