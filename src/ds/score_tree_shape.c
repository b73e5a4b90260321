/* SPDX-License-Identifier: BSD-3-Clause */
/* Splitting and joining nodes. A split goes from the topmost full node of a path down to the leaf,
 * so that every parent has room for the new child; all nodes it needs are at hand before it begins.
 * A node splits in the middle, except at both ends of the tree: there the new node gets as little
 * as possible, so that entries that come in order leave full nodes behind. */
#include "ds/score_tree_path.h"

enum {
    LEAF_MERGE_MAX = SCORE_LEAF_CAPACITY * 3 / 4, /* two that hold this little become one */
    INNER_MERGE_MAX = SCORE_INNER_CAPACITY * 3 / 4,
};

/* ---- children of an inner node ---- */

static uint32_t entries_of(const struct score_inner *inner) {
    uint32_t total = 0;
    for (uint32_t i = 0; i < inner->count; i++)
        total += inner->counts[i];
    return total;
}

static void set_child(struct score_inner *parent, uint32_t at, void *child, bool is_leaf) {
    parent->children[at] = child;
    if (is_leaf) {
        const struct score_leaf *leaf = child;
        parent->counts[at] = leaf->count;
        parent->scores[at] = leaf->scores[0];
        parent->elements[at] = leaf->elements[0];
    } else {
        const struct score_inner *inner = child;
        parent->counts[at] = entries_of(inner);
        parent->scores[at] = inner->scores[0];
        parent->elements[at] = inner->elements[0];
    }
}

/* Children from `from` on of one node go to place `to` of another, or of the same. */
static void move_children(struct score_inner *target, uint32_t to, const struct score_inner *source,
                          uint32_t from, uint32_t count) {
    memmove(target->counts + to, source->counts + from, count * sizeof(*source->counts));
    memmove(target->scores + to, source->scores + from, count * sizeof(*source->scores));
    memmove(target->elements + to, source->elements + from, count * sizeof(*source->elements));
    memmove(target->children + to, source->children + from, count * sizeof(*source->children));
}

static void add_child(struct score_inner *parent, uint32_t at, void *child, bool is_leaf) {
    move_children(parent, at + 1, parent, at, parent->count - at);
    parent->count++;
    set_child(parent, at, child, is_leaf);
}

static void drop_child(struct score_inner *parent, uint32_t at) {
    parent->count--;
    move_children(parent, at, parent, at + 1, parent->count - at);
}

/* ---- splitting ---- */

struct spare_nodes {
    struct score_leaf *leaf;
    struct score_inner *inner[SCORE_HEIGHT_MAX];
    uint32_t inner_count;
};

static bool reserve(struct spare_nodes *spare, uint32_t inner_count,
                    const struct allocator *allocator) {
    spare->inner_count = 0;
    spare->leaf = allocator_allocate(allocator, sizeof(*spare->leaf));
    if (spare->leaf == NULL)
        return false;
    while (spare->inner_count < inner_count) {
        struct score_inner *inner = allocator_allocate(allocator, sizeof(*inner));
        if (inner == NULL) {
            while (spare->inner_count > 0)
                allocator_release(allocator, spare->inner[--spare->inner_count],
                                  sizeof(struct score_inner));
            allocator_release(allocator, spare->leaf, sizeof(*spare->leaf));
            return false;
        }
        spare->inner[spare->inner_count++] = inner;
    }
    return true;
}

static void add_root(struct score_tree *tree, struct score_path *path, struct score_inner *root) {
    root->count = 0;
    add_child(root, 0, tree->root, tree->height == 0);
    path->nodes[tree->height] = root;
    path->indexes[tree->height] = 0;
    tree->root = root;
    tree->height++;
}

static void split_inner(struct score_path *path, uint32_t level, bool is_last,
                        struct score_inner *right) {
    struct score_inner *left = path->nodes[level], *parent = path->nodes[level + 1];
    uint32_t *at = &path->indexes[level], *parent_at = &path->indexes[level + 1];
    uint32_t kept = is_last ? left->count - 1 : left->count / 2;
    right->count = left->count - kept;
    move_children(right, 0, left, kept, right->count);
    left->count = kept;
    set_child(parent, *parent_at, left, false);
    add_child(parent, *parent_at + 1, right, false);
    if (*at >= kept) {
        *at -= kept;
        path->nodes[level] = right;
        ++*parent_at;
    }
}

static void split_leaf(struct score_tree *tree, const struct score_path *path,
                       struct score_leaf *right) {
    struct score_leaf *left = path->leaf;
    uint32_t kept = left->count / 2;
    if (path->index == left->count && left->next == NULL)
        kept = left->count - 1;
    else if (path->index == 0 && left->previous == NULL)
        kept = 1;
    right->count = left->count - kept;
    memcpy(right->scores, left->scores + kept, right->count * sizeof(*left->scores));
    memcpy(right->elements, left->elements + kept, right->count * sizeof(*left->elements));
    left->count = kept;
    right->previous = left;
    right->next = left->next;
    if (right->next != NULL)
        right->next->previous = right;
    else
        tree->last = right;
    left->next = right;
    set_child(path->nodes[0], path->indexes[0], left, true);
    add_child(path->nodes[0], path->indexes[0] + 1, right, true);
}

enum larder_status score_tree_split(struct score_tree *tree, const struct allocator *allocator,
                                    const struct score_path *path) {
    struct score_path way = *path;
    struct spare_nodes spare;
    uint32_t full = 0;
    while (full < tree->height && way.nodes[full]->count == SCORE_INNER_CAPACITY)
        full++;
    bool needs_root = full == tree->height;
    if (full + needs_root > SCORE_HEIGHT_MAX || tree->count >= UINT32_MAX ||
        !reserve(&spare, full + needs_root, allocator))
        return LARDER_NO_MEMORY;
    tree->leaf_count++;
    tree->inner_count += spare.inner_count;
    if (needs_root)
        add_root(tree, &way, spare.inner[--spare.inner_count]);
    bool is_last = way.leaf->next == NULL && way.index == way.leaf->count;
    for (uint32_t level = full; level-- > 0;)
        split_inner(&way, level, is_last, spare.inner[--spare.inner_count]);
    split_leaf(tree, &way, spare.leaf);
    return LARDER_OK;
}

/* ---- joining ---- */

static void release_leaf(struct score_tree *tree, const struct allocator *allocator,
                         struct score_leaf *leaf) {
    if (leaf->previous != NULL)
        leaf->previous->next = leaf->next;
    if (leaf->next != NULL)
        leaf->next->previous = leaf->previous;
    else
        tree->last = leaf->previous;
    tree->leaf_count--;
    allocator_release(allocator, leaf, sizeof(*leaf));
}

static void release_inner(struct score_tree *tree, const struct allocator *allocator,
                          struct score_inner *inner) {
    tree->inner_count--;
    allocator_release(allocator, inner, sizeof(*inner));
}

/* The leaf at `at` + 1 becomes part of the one before it. */
static void join_leaves(struct score_tree *tree, const struct allocator *allocator,
                        struct score_inner *parent, uint32_t at) {
    struct score_leaf *left = parent->children[at], *right = parent->children[at + 1];
    memcpy(left->scores + left->count, right->scores, right->count * sizeof(*left->scores));
    memcpy(left->elements + left->count, right->elements, right->count * sizeof(*left->elements));
    left->count += right->count;
    parent->counts[at] = left->count;
    drop_child(parent, at + 1);
    release_leaf(tree, allocator, right);
}

static void join_inners(struct score_tree *tree, const struct allocator *allocator,
                        struct score_inner *parent, uint32_t at) {
    struct score_inner *left = parent->children[at], *right = parent->children[at + 1];
    move_children(left, left->count, right, 0, right->count);
    left->count += right->count;
    parent->counts[at] += parent->counts[at + 1];
    drop_child(parent, at + 1);
    release_inner(tree, allocator, right);
}

/* Whether the parent lost a child. */
static bool merge_leaf(struct score_tree *tree, const struct allocator *allocator,
                       const struct score_path *path) {
    struct score_inner *parent = path->nodes[0];
    uint32_t at = path->indexes[0], count = path->leaf->count;
    if (count == 0) {
        drop_child(parent, at);
        release_leaf(tree, allocator, path->leaf);
        return true;
    }
    if (at + 1 < parent->count && count + parent->counts[at + 1] <= LEAF_MERGE_MAX) {
        join_leaves(tree, allocator, parent, at);
        return true;
    }
    if (at > 0 && count + parent->counts[at - 1] <= LEAF_MERGE_MAX) {
        join_leaves(tree, allocator, parent, at - 1);
        return true;
    }
    return false;
}

static uint32_t children_at(const struct score_inner *parent, uint32_t at) {
    const struct score_inner *child = parent->children[at];
    return child->count;
}

/* A child of the path's node at `level` lost children. */
static void merge_inner(struct score_tree *tree, const struct allocator *allocator,
                        const struct score_path *path, uint32_t level) {
    struct score_inner *parent = path->nodes[level], *node = path->nodes[level - 1];
    uint32_t at = path->indexes[level];
    if (node->count == 0) {
        drop_child(parent, at);
        release_inner(tree, allocator, node);
        return;
    }
    set_child(parent, at, node, false);
    if (at + 1 < parent->count && node->count + children_at(parent, at + 1) <= INNER_MERGE_MAX)
        join_inners(tree, allocator, parent, at);
    else if (at > 0 && node->count + children_at(parent, at - 1) <= INNER_MERGE_MAX)
        join_inners(tree, allocator, parent, at - 1);
}

void score_tree_merge(struct score_tree *tree, const struct allocator *allocator,
                      const struct score_path *path) {
    if (tree->height == 0) {
        if (path->leaf->count > 0)
            return;
        release_leaf(tree, allocator, path->leaf);
        tree->root = NULL;
        return;
    }
    if (!merge_leaf(tree, allocator, path))
        return;
    for (uint32_t level = 1; level < tree->height; level++)
        merge_inner(tree, allocator, path, level);
    while (tree->height > 0) {
        struct score_inner *root = tree->root;
        if (root->count > 1)
            break;
        /* Empty leaves are taken out one at a time, so that a root always keeps a child. */
        tree->root = root->children[0];
        tree->height--;
        release_inner(tree, allocator, root);
    }
}

void score_tree_drop_last(struct score_tree *tree, const struct allocator *allocator) {
    struct score_inner *nodes[SCORE_HEIGHT_MAX];
    void *node = tree->root;
    for (uint32_t level = tree->height; level-- > 0;) {
        nodes[level] = node;
        node = nodes[level]->children[nodes[level]->count - 1];
    }
    release_leaf(tree, allocator, node);
    for (uint32_t level = 0; level < tree->height; level++) {
        if (--nodes[level]->count > 0)
            return;
        release_inner(tree, allocator, nodes[level]);
    }
    tree->root = NULL;
}
