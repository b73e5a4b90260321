/* SPDX-License-Identifier: BSD-3-Clause */
/* The page is found by the first names of the pages, then the place in it; both by halving. A full
 * page gives its upper half to a new one. */
#include "ds/stream_names.h"

enum { FIRST_CAPACITY = 4, PAGE_MAX = 256 };

static size_t page_bytes(size_t capacity) {
    return sizeof(struct stream_name_page) + capacity * sizeof(struct stream_named *);
}

/* The last page whose first name is not above `name`, or the first page. There is one. */
static uint32_t find_page(const struct stream_names *names, struct slice name) {
    uint32_t low = 0, high = names->page_count;
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (slice_compare(names->pages[middle]->items[0]->name, name) <= 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Index of the first item whose name is not below `name`. */
static uint32_t find_item(const struct stream_name_page *page, struct slice name) {
    uint32_t low = 0, high = page->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (slice_compare(page->items[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct stream_named *stream_names_find(const struct stream_names *names, struct slice name) {
    if (names->page_count == 0)
        return NULL;
    const struct stream_name_page *page = names->pages[find_page(names, name)];
    uint32_t at = find_item(page, name);
    return at < page->count && slice_equal(page->items[at]->name, name) ? page->items[at] : NULL;
}

struct stream_named *stream_names_at(const struct stream_names *names, size_t position) {
    uint32_t page = 0;
    while (position >= names->pages[page]->count)
        position -= names->pages[page++]->count;
    return names->pages[page]->items[position];
}

/* There are no pages. */
static void release_array(struct stream_names *names, const struct allocator *allocator) {
    allocator_release(allocator, names->pages, names->page_capacity * sizeof(*names->pages));
    *names = (struct stream_names){.pages = NULL};
}

/* ---- insertion ---- */

static bool reserve_page(struct stream_names *names, const struct allocator *allocator) {
    if (names->page_count < names->page_capacity)
        return true;
    uint32_t capacity = names->page_capacity == 0 ? 1 : 2 * names->page_capacity;
    size_t before = names->page_capacity * sizeof(*names->pages);
    size_t after = capacity * sizeof(*names->pages);
    void *pages = allocator_resize(allocator, names->pages, before, after);
    if (pages == NULL)
        return false;
    names->pages = pages;
    names->page_capacity = capacity;
    names->bytes += after - before;
    return true;
}

/* A page behind the one at `at`, or the first. Room for it was reserved. NULL: no memory. */
static struct stream_name_page *add_page(struct stream_names *names,
                                         const struct allocator *allocator, uint32_t at,
                                         uint32_t capacity) {
    struct stream_name_page *page = allocator_allocate(allocator, page_bytes(capacity));
    if (page == NULL)
        return NULL;
    page->count = 0;
    page->capacity = capacity;
    memmove(&names->pages[at + 1], &names->pages[at],
            (names->page_count - at) * sizeof(*names->pages));
    names->pages[at] = page;
    names->page_count++;
    names->bytes += page_bytes(capacity);
    return page;
}

static bool grow_page(struct stream_names *names, const struct allocator *allocator, uint32_t at) {
    struct stream_name_page *page = names->pages[at];
    uint32_t before = page->capacity;
    page = allocator_resize(allocator, page, page_bytes(before), page_bytes(2 * before));
    if (page == NULL)
        return false;
    page->capacity = 2 * before;
    names->pages[at] = page;
    names->bytes += page_bytes(2 * before) - page_bytes(before);
    return true;
}

static bool split_page(struct stream_names *names, const struct allocator *allocator, uint32_t at) {
    if (!reserve_page(names, allocator))
        return false;
    struct stream_name_page *right = add_page(names, allocator, at + 1, PAGE_MAX);
    if (right == NULL)
        return false;
    struct stream_name_page *left = names->pages[at];
    right->count = left->count / 2;
    left->count -= right->count;
    memcpy(right->items, &left->items[left->count], right->count * sizeof(*right->items));
    return true;
}

static bool prepare(struct stream_names *names, const struct allocator *allocator,
                    struct slice name) {
    if (names->page_count == 0) {
        if (!reserve_page(names, allocator))
            return false;
        if (add_page(names, allocator, 0, FIRST_CAPACITY) != NULL)
            return true;
        release_array(names, allocator);
        return false;
    }
    uint32_t at = find_page(names, name);
    const struct stream_name_page *page = names->pages[at];
    if (page->count < page->capacity)
        return true;
    return page->capacity < PAGE_MAX ? grow_page(names, allocator, at)
                                     : split_page(names, allocator, at);
}

enum larder_status stream_names_insert(struct stream_names *names,
                                       const struct allocator *allocator,
                                       struct stream_named *added) {
    if (!prepare(names, allocator, added->name))
        return LARDER_NO_MEMORY;
    bool is_first = names->count == 0;
    struct stream_name_page *page = names->pages[is_first ? 0 : find_page(names, added->name)];
    uint32_t at = find_item(page, added->name);
    memmove(&page->items[at + 1], &page->items[at], (page->count - at) * sizeof(*page->items));
    page->items[at] = added;
    page->count++;
    names->count++;
    return LARDER_OK;
}

/* ---- removal ---- */

static void drop_page(struct stream_names *names, const struct allocator *allocator, uint32_t at) {
    names->bytes -= page_bytes(names->pages[at]->capacity);
    allocator_release(allocator, names->pages[at], page_bytes(names->pages[at]->capacity));
    names->page_count--;
    memmove(&names->pages[at], &names->pages[at + 1],
            (names->page_count - at) * sizeof(*names->pages));
    if (names->page_count == 0)
        release_array(names, allocator);
}

void stream_names_remove(struct stream_names *names, const struct allocator *allocator,
                         struct stream_named *removed) {
    uint32_t page_at = find_page(names, removed->name);
    struct stream_name_page *page = names->pages[page_at];
    uint32_t at = find_item(page, removed->name);
    page->count--;
    names->count--;
    memmove(&page->items[at], &page->items[at + 1], (page->count - at) * sizeof(*page->items));
    if (page->count == 0)
        drop_page(names, allocator, page_at);
}
