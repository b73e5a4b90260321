/* SPDX-License-Identifier: BSD-3-Clause */
/* Insertion first obtains the pages that splits will need, from the leaf upwards, and then splits.
 * A leaf at the right end that is full is not halved: the new item begins a page of its own, so
 * that ids in ascending order leave full pages behind. Removal joins neighbours that are both
 * sparse where memory allows. */
#include "ds/stream_tree.h"

enum {
    FIRST_CAPACITY = 4,
    JOINED_MAX = STREAM_PAGE_MAX * 3 / 4, /* neighbours with fewer items together become one */
};

/* The way from the root to a leaf: pages, and in each the index of the item taken. */
struct path {
    unsigned height; /* pages */
    struct stream_page *pages[STREAM_TREE_HEIGHT_MAX];
    unsigned at[STREAM_TREE_HEIGHT_MAX];
};

static size_t page_bytes(unsigned capacity) {
    return sizeof(struct stream_page) + capacity * sizeof(struct stream_item);
}

/* Index of the first item whose id is not below `id`. */
static unsigned lower_bound(const struct stream_page *page, struct stream_id id) {
    unsigned low = 0, high = page->count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (stream_id_is_less(page->items[middle].id, id))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Index of the child in which `id` belongs. */
static unsigned child_index(const struct stream_page *page, struct stream_id id) {
    unsigned at = lower_bound(page, id);
    bool is_exact = at < page->count && stream_id_equal(page->items[at].id, id);
    return is_exact || at == 0 ? at : at - 1;
}

static struct stream_page *leaf_of(const struct stream_tree *tree, struct stream_id id) {
    struct stream_page *page = tree->root;
    while (page != NULL && page->level > 0)
        page = page->items[child_index(page, id)].value;
    return page;
}

void *stream_tree_find(const struct stream_tree *tree, struct stream_id id) {
    const struct stream_page *leaf = leaf_of(tree, id);
    if (leaf == NULL)
        return NULL;
    unsigned at = lower_bound(leaf, id);
    bool is_there = at < leaf->count && stream_id_equal(leaf->items[at].id, id);
    return is_there ? leaf->items[at].value : NULL;
}

struct stream_place stream_tree_seek(const struct stream_tree *tree, struct stream_id id) {
    struct stream_place place = {leaf_of(tree, id), 0};
    if (place.page == NULL)
        return place;
    place.at = lower_bound(place.page, id);
    if (place.at == place.page->count)
        place = (struct stream_place){place.page->next, 0};
    return place;
}

struct stream_place stream_tree_floor(const struct stream_tree *tree, struct stream_id id) {
    struct stream_place place = {leaf_of(tree, id), 0};
    if (place.page == NULL)
        return place;
    place.at = lower_bound(place.page, id);
    bool is_exact =
        place.at < place.page->count && stream_id_equal(place.page->items[place.at].id, id);
    if (!is_exact)
        stream_place_previous(&place);
    return place;
}

struct stream_place stream_tree_first(const struct stream_tree *tree) {
    struct stream_page *page = tree->root;
    while (page != NULL && page->level > 0)
        page = page->items[0].value;
    return (struct stream_place){page, 0};
}

struct stream_place stream_tree_last(const struct stream_tree *tree) {
    struct stream_page *page = tree->root;
    while (page != NULL && page->level > 0)
        page = page->items[page->count - 1].value;
    return (struct stream_place){page, page == NULL ? 0 : page->count - 1u};
}

/* ---- pages ---- */

static struct stream_page *page_create(struct stream_tree *tree, const struct allocator *allocator,
                                       unsigned capacity, unsigned level) {
    struct stream_page *page = allocator_allocate(allocator, page_bytes(capacity));
    if (page == NULL)
        return NULL;
    *page = (struct stream_page){.capacity = (uint16_t)capacity, .level = (uint16_t)level};
    tree->bytes += page_bytes(capacity);
    return page;
}

/* Its neighbours forget it. */
static void page_destroy(struct stream_tree *tree, const struct allocator *allocator,
                         struct stream_page *page) {
    if (page->previous != NULL)
        page->previous->next = page->next;
    if (page->next != NULL)
        page->next->previous = page->previous;
    tree->bytes -= page_bytes(page->capacity);
    allocator_release(allocator, page, page_bytes(page->capacity));
}

static void link_after(struct stream_page *page, struct stream_page *added) {
    added->previous = page;
    added->next = page->next;
    if (added->next != NULL)
        added->next->previous = added;
    page->next = added;
}

/* Give the page at a depth of the path another capacity; it may move. False: no memory. */
static bool page_resize(struct stream_tree *tree, const struct allocator *allocator,
                        struct path *path, unsigned depth, unsigned capacity) {
    struct stream_page *page = path->pages[depth];
    unsigned before = page->capacity;
    page = allocator_resize(allocator, page, page_bytes(before), page_bytes(capacity));
    if (page == NULL)
        return false;
    tree->bytes += page_bytes(capacity) - page_bytes(before);
    page->capacity = (uint16_t)capacity;
    path->pages[depth] = page;
    if (depth == 0)
        tree->root = page;
    else
        path->pages[depth - 1]->items[path->at[depth - 1]].value = page;
    if (page->previous != NULL)
        page->previous->next = page;
    if (page->next != NULL)
        page->next->previous = page;
    return true;
}

static void put_item(struct stream_page *page, unsigned at, struct stream_item item) {
    memmove(&page->items[at + 1], &page->items[at], (page->count - at) * sizeof(item));
    page->items[at] = item;
    page->count++;
}

static void drop_item(struct stream_page *page, unsigned at) {
    page->count--;
    memmove(&page->items[at], &page->items[at + 1],
            (page->count - at) * sizeof(struct stream_item));
}

static void find_path(const struct stream_tree *tree, struct stream_id id, struct path *path) {
    struct stream_page *page = tree->root;
    path->height = 0;
    for (;;) {
        unsigned depth = path->height++;
        path->pages[depth] = page;
        path->at[depth] = page->level > 0 ? child_index(page, id) : lower_bound(page, id);
        if (page->level == 0)
            return;
        page = page->items[path->at[depth]].value;
    }
}

/* ---- insertion ---- */

static bool is_at_end(const struct path *path) {
    unsigned leaf = path->height - 1;
    for (unsigned i = 0; i < leaf; i++)
        if (path->at[i] + 1u != path->pages[i]->count)
            return false;
    return path->at[leaf] == path->pages[leaf]->count;
}

/* Pages for the splits, lowest first, and for a new root as the last. */
struct spare {
    struct stream_page *pages[STREAM_TREE_HEIGHT_MAX + 1];
    unsigned count, used;
};

static void release_spare(struct stream_tree *tree, const struct allocator *allocator,
                          struct spare *spare) {
    while (spare->count > spare->used)
        page_destroy(tree, allocator, spare->pages[--spare->count]);
}

/* Make room on the path: the lowest page that is not full grows if it must, those below it get a
 * page to split into. */
static bool prepare(struct stream_tree *tree, const struct allocator *allocator, struct path *path,
                    struct spare *spare) {
    unsigned depth = path->height - 1;
    unsigned capacity = is_at_end(path) ? FIRST_CAPACITY : STREAM_PAGE_MAX;
    for (;; depth--) {
        struct stream_page *page = path->pages[depth];
        if (page->count < page->capacity)
            return true;
        if (page->capacity < STREAM_PAGE_MAX) {
            unsigned doubled = 2u * page->capacity;
            bool is_resized =
                page_resize(tree, allocator, path, depth,
                            doubled + 1 < STREAM_PAGE_MAX ? doubled : STREAM_PAGE_MAX);
            if (!is_resized)
                release_spare(tree, allocator, spare);
            return is_resized;
        }
        for (unsigned i = 0; i < (depth == 0 ? 2 : 1); i++) {
            struct stream_page *added =
                page_create(tree, allocator, i == 0 ? capacity : FIRST_CAPACITY, page->level + i);
            if (added == NULL) {
                release_spare(tree, allocator, spare);
                return false;
            }
            spare->pages[spare->count++] = added;
        }
        if (depth == 0)
            return true;
    }
}

/* Put an item into a full page by giving its upper part to `right`. */
static void split(struct stream_page *page, struct stream_page *right, unsigned at,
                  struct stream_item item) {
    unsigned kept = right->capacity < STREAM_PAGE_MAX ? page->count : page->count / 2u;
    right->count = (uint16_t)(page->count - kept);
    memcpy(right->items, &page->items[kept], right->count * sizeof(item));
    page->count = (uint16_t)kept;
    if (page->level == 0)
        link_after(page, right);
    if (at > kept || right->count == 0)
        put_item(right, at - kept, item);
    else
        put_item(page, at, item);
}

/* First items keep to their bound, too: what splits off them goes behind them. */
static void lower_bounds(const struct path *path, struct stream_id id) {
    for (unsigned depth = 0; depth + 1 < path->height; depth++)
        if (stream_id_is_less(id, path->pages[depth]->items[0].id))
            path->pages[depth]->items[0].id = id;
}

static void insert_along(struct stream_tree *tree, const struct path *path, struct spare *spare,
                         struct stream_item item) {
    lower_bounds(path, item.id);
    for (unsigned depth = path->height; depth-- > 0;) {
        struct stream_page *page = path->pages[depth];
        unsigned at = path->at[depth] + (page->level > 0 ? 1 : 0);
        if (page->count < page->capacity) {
            put_item(page, at, item);
            return;
        }
        struct stream_page *right = spare->pages[spare->used++];
        split(page, right, at, item);
        item = (struct stream_item){right->items[0].id, right};
    }
    struct stream_page *root = spare->pages[spare->used++];
    put_item(root, 0, (struct stream_item){tree->root->items[0].id, tree->root});
    put_item(root, 1, item);
    tree->root = root;
}

enum larder_status stream_tree_insert(struct stream_tree *tree, const struct allocator *allocator,
                                      struct stream_id id, void *value) {
    if (tree->root == NULL) {
        tree->root = page_create(tree, allocator, FIRST_CAPACITY, 0);
        if (tree->root == NULL)
            return LARDER_NO_MEMORY;
    }
    struct path path;
    struct spare spare = {.count = 0};
    find_path(tree, id, &path);
    if (!prepare(tree, allocator, &path, &spare))
        return LARDER_NO_MEMORY;
    insert_along(tree, &path, &spare, (struct stream_item){id, value});
    tree->count++;
    return LARDER_OK;
}

void stream_tree_replace(struct stream_tree *tree, struct stream_id id, void *value) {
    struct stream_page *leaf = leaf_of(tree, id);
    leaf->items[lower_bound(leaf, id)].value = value;
}

/* ---- removal ---- */

/* Join the child at `at` with the one behind it if both are sparse. */
static bool join(struct stream_tree *tree, const struct allocator *allocator, struct path *path,
                 unsigned depth, unsigned at) {
    struct stream_page *parent = path->pages[depth - 1];
    if (at + 1u >= parent->count)
        return false;
    struct stream_page *left = parent->items[at].value, *right = parent->items[at + 1].value;
    unsigned count = (unsigned)left->count + right->count;
    if (count > JOINED_MAX)
        return false;
    path->at[depth - 1] = at;
    path->pages[depth] = left;
    if (count > left->capacity && !page_resize(tree, allocator, path, depth, STREAM_PAGE_MAX))
        return false;
    left = path->pages[depth];
    memcpy(&left->items[left->count], right->items, right->count * sizeof(struct stream_item));
    left->items[left->count].id = parent->items[at + 1].id;
    if (left->level == 0)
        left->items[left->count].id = right->items[0].id;
    left->count = (uint16_t)count;
    page_destroy(tree, allocator, right);
    drop_item(parent, at + 1);
    return true;
}

/* The page at a depth of the path lost an item. Returns whether its parent lost one, too. */
static bool settle(struct stream_tree *tree, const struct allocator *allocator, struct path *path,
                   unsigned depth) {
    struct stream_page *page = path->pages[depth], *parent = path->pages[depth - 1];
    unsigned at = path->at[depth - 1];
    if (page->count == 0) {
        page_destroy(tree, allocator, page);
        drop_item(parent, at);
        return true;
    }
    if (page->count > JOINED_MAX / 2)
        return false;
    return join(tree, allocator, path, depth, at) ||
           (at > 0 && join(tree, allocator, path, depth, at - 1));
}

static void settle_root(struct stream_tree *tree, const struct allocator *allocator) {
    while (tree->root != NULL && tree->root->level > 0 && tree->root->count <= 1) {
        struct stream_page *root = tree->root;
        tree->root = root->count == 0 ? NULL : root->items[0].value;
        page_destroy(tree, allocator, root);
    }
    if (tree->root != NULL && tree->root->count == 0) {
        page_destroy(tree, allocator, tree->root);
        tree->root = NULL;
    }
}

static void *remove_at(struct stream_tree *tree, const struct allocator *allocator,
                       struct path *path) {
    unsigned depth = path->height - 1;
    struct stream_page *leaf = path->pages[depth];
    void *value = leaf->items[path->at[depth]].value;
    drop_item(leaf, path->at[depth]);
    tree->count--;
    while (depth > 0 && settle(tree, allocator, path, depth))
        depth--;
    settle_root(tree, allocator);
    return value;
}

void *stream_tree_remove(struct stream_tree *tree, const struct allocator *allocator,
                         struct stream_id id) {
    struct path path;
    if (tree->root == NULL)
        return NULL;
    find_path(tree, id, &path);
    unsigned depth = path.height - 1;
    const struct stream_page *leaf = path.pages[depth];
    unsigned at = path.at[depth];
    if (at < leaf->count && stream_id_equal(leaf->items[at].id, id))
        return remove_at(tree, allocator, &path);
    return NULL;
}

void *stream_tree_pop(struct stream_tree *tree, const struct allocator *allocator) {
    struct path path = {.height = 0};
    struct stream_page *page = tree->root;
    for (;;) {
        unsigned depth = path.height++;
        path.pages[depth] = page;
        path.at[depth] = page->count - 1u;
        if (page->level == 0)
            return remove_at(tree, allocator, &path);
        page = page->items[page->count - 1].value;
    }
}
