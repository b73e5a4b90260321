/* SPDX-License-Identifier: BSD-3-Clause */
/* An ordered map from stream ids to pointers: a B+ tree (Bayer, McCreight 1972; leaves linked). It
 * finds the nodes of a stream by their first ids and pending entries by their ids.
 *
 *   page: count, capacity, level | previous, next | items {id, pointer}
 *
 * Level 0 holds the values; above it an item is a page and a lower bound of the ids in it. Pages
 * have at most STREAM_PAGE_MAX items and grow up to there; ids that arrive in order fill pages
 * whole. Removing can't fail.
 *
 * Private to the stream; one thread at a time. */
#ifndef LARDER_DS_STREAM_TREE_H
#define LARDER_DS_STREAM_TREE_H

#include "base/alloc.h"
#include "base/status.h"
#include "ds/stream_id.h"

enum { STREAM_PAGE_MAX = 63, STREAM_TREE_HEIGHT_MAX = 16 };

struct stream_item {
    struct stream_id id;
    void *value; /* level 0: the caller's; else a page */
};

struct stream_page {
    uint16_t count, capacity, level;
    struct stream_page *previous, *next; /* of level 0 */
    struct stream_item items[];
};

/* All zero: empty. */
struct stream_tree {
    struct stream_page *root;
    size_t count; /* items of level 0 */
    size_t bytes; /* of all pages */
};

/* Where an item is; valid until the tree is changed. */
struct stream_place {
    struct stream_page *page; /* NULL: nowhere */
    unsigned at;
};

static inline const struct stream_item *stream_place_item(const struct stream_place *place) {
    return &place->page->items[place->at];
}

/* NULL: not there. */
void *stream_tree_find(const struct stream_tree *tree, struct stream_id id);
/* The first item at or after `id`, the last one at or before it, the first and the last of all.
 * The page is NULL when there is none. */
struct stream_place stream_tree_seek(const struct stream_tree *tree, struct stream_id id);
struct stream_place stream_tree_floor(const struct stream_tree *tree, struct stream_id id);
struct stream_place stream_tree_first(const struct stream_tree *tree);
struct stream_place stream_tree_last(const struct stream_tree *tree);

static inline void stream_place_next(struct stream_place *place) {
    if (++place->at < place->page->count)
        return;
    *place = (struct stream_place){place->page->next, 0};
}

static inline void stream_place_previous(struct stream_place *place) {
    if (place->at-- > 0)
        return;
    struct stream_page *page = place->page->previous;
    *place = (struct stream_place){page, page == NULL ? 0 : page->count - 1u};
}

/* Insert an id that is not there. Errors: LARDER_NO_MEMORY, nothing changed. */
enum larder_status stream_tree_insert(struct stream_tree *tree, const struct allocator *allocator,
                                      struct stream_id id, void *value) LARDER_NODISCARD;
/* Replace the value of an id that is there (a stream's node that moved). */
void stream_tree_replace(struct stream_tree *tree, struct stream_id id, void *value);
/* Returns the value, NULL when it was not there. */
void *stream_tree_remove(struct stream_tree *tree, const struct allocator *allocator,
                         struct stream_id id);
/* Remove the last item. The tree is not empty. */
void *stream_tree_pop(struct stream_tree *tree, const struct allocator *allocator);

#endif
