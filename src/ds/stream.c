/* SPDX-License-Identifier: BSD-3-Clause */
/* Entries: appended to the last node, found through the tree over the nodes' first ids, deleted by
 * a mark in their node. A node goes with its last live entry. */
#include "ds/stream_internal.h"

enum { NODE_CAPACITY_MIN = 128 };

static size_t count_elements(const struct object *object) {
    return stream_view(object)->length;
}

const struct object_type STREAM_TYPE = {
    .kind = OBJECT_STREAM,
    .is_ordered = true,
    .encoding = "stream",
    .bytes = stream_count_bytes,
    .length = count_elements,
    .free_some = stream_free_some,
    .copy = stream_copy,
    .visit = stream_visit,
};

struct object *stream_create(const struct object_context *context) {
    struct stream *stream = allocator_allocate(context->allocator, sizeof(*stream));
    if (stream == NULL)
        return NULL;
    *stream = (struct stream){.object = {.type = &STREAM_TYPE}};
    return &stream->object;
}

size_t stream_count_bytes(const struct object *object) {
    const struct stream *s = stream_view(object);
    return sizeof(*s) + s->node_bytes + s->nodes.bytes + s->groups.bytes + s->group_bytes;
}

uint64_t stream_length(const struct object *object) {
    return stream_view(object)->length;
}

struct stream_id stream_last_id(const struct object *object) {
    return stream_view(object)->last_id;
}

static struct stream_id first_id(const struct stream *s) {
    struct stream_entry entry;
    bool is_deleted;
    if (s->length == 0)
        return STREAM_ID_MIN;
    struct stream_place place = stream_tree_first(&s->nodes);
    const struct stream_node *node = stream_place_item(&place)->value;
    (void)stream_node_read(node, node->begin, &is_deleted, &entry);
    return entry.id;
}

static size_t count_pages(const struct stream_tree *tree) {
    size_t count = 0;
    struct stream_page *page = stream_tree_first(tree).page;
    for (; page != NULL; page = page->next)
        count++;
    return count;
}

struct stream_state stream_get_state(const struct object *object) {
    const struct stream *s = stream_view(object);
    return (struct stream_state){
        .length = s->length,
        .first_id = first_id(s),
        .last_id = s->last_id,
        .max_deleted_id = s->max_deleted_id,
        .entries_added = s->entries_added,
        .group_count = s->groups.count,
        .node_count = s->nodes.count,
        .page_count = count_pages(&s->nodes),
    };
}

void stream_set_state(struct object *object, struct stream_id last_id,
                      struct stream_id max_deleted_id, uint64_t entries_added) {
    struct stream *s = stream_of(object);
    s->last_id = last_id;
    s->max_deleted_id = max_deleted_id;
    s->entries_added = entries_added;
}

/* ---- nodes ---- */

static void remove_node(struct stream *s, const struct allocator *allocator,
                        struct stream_node *node) {
    (void)stream_tree_remove(&s->nodes, allocator, node->first);
    s->node_bytes -= stream_node_bytes(node);
    s->length -= node->live;
    if (node == s->last) {
        struct stream_place place = stream_tree_last(&s->nodes);
        s->last = place.page == NULL ? NULL : stream_place_item(&place)->value;
    }
    stream_node_destroy(node, allocator);
}

/* Give the last node another capacity. False: no memory. */
static bool resize_last(struct stream *s, const struct allocator *allocator, size_t capacity) {
    size_t before = stream_node_bytes(s->last);
    struct stream_node *node = stream_node_resize(s->last, allocator, capacity);
    if (node == NULL)
        return false;
    s->node_bytes += stream_node_bytes(node) - before;
    if (node != s->last)
        stream_tree_replace(&s->nodes, node->first, node);
    s->last = node;
    return true;
}

static bool add_node(struct stream *s, const struct allocator *allocator, struct stream_id first,
                     size_t bound) {
    size_t capacity = bound < NODE_CAPACITY_MIN ? NODE_CAPACITY_MIN : bound;
    struct stream_node *node = stream_node_create(allocator, first, capacity);
    if (node == NULL)
        return false;
    if (stream_tree_insert(&s->nodes, allocator, first, node) != LARDER_OK) {
        stream_node_destroy(node, allocator);
        return false;
    }
    /* The one before won't grow any more; that it keeps its spare room is no failure. */
    if (s->last != NULL && s->last->used < s->last->capacity)
        (void)resize_last(s, allocator, s->last->used);
    s->node_bytes += stream_node_bytes(node);
    s->last = node;
    return true;
}

static bool make_room(struct stream *s, const struct object_context *context, struct stream_id id,
                      size_t size, size_t count) {
    size_t bound = stream_node_bound(size, count);
    struct stream_node *node = s->last;
    if (node == NULL || !stream_node_accepts(node, context->limits, size))
        return add_node(s, context->allocator, id, bound);
    if (node->capacity - node->used >= bound)
        return true;
    size_t doubled = 2 * (size_t)node->capacity, needed = node->used + bound;
    return resize_last(s, context->allocator, doubled > needed ? doubled : needed);
}

enum larder_status stream_append(struct object *object, const struct object_context *context,
                                 struct stream_id id, const struct slice *texts, size_t count) {
    struct stream *s = stream_of(object);
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += texts[i].size;
    if (size + 16 * count > STREAM_ENTRY_BYTES_MAX)
        return LARDER_TOO_LARGE;
    if (!make_room(s, context, id, size, count))
        return LARDER_NO_MEMORY;
    stream_node_append(s->last, id, texts, count);
    s->length++;
    s->entries_added++;
    s->last_id = id;
    return LARDER_OK;
}

/* ---- finding and deleting ---- */

/* The live entry with this id. NULL: there is none. */
static struct stream_node *find_entry(const struct stream *s, struct stream_id id, uint32_t *out_at,
                                      struct stream_entry *out) {
    struct stream_place place = stream_tree_floor(&s->nodes, id);
    if (place.page == NULL)
        return NULL;
    struct stream_node *node = stream_place_item(&place)->value;
    bool is_deleted;
    for (uint32_t at = node->begin; at < node->used;) {
        uint32_t next = stream_node_read(node, at, &is_deleted, out);
        int order = stream_id_compare(out->id, id);
        if (order >= 0) {
            *out_at = at;
            return order == 0 && !is_deleted ? node : NULL;
        }
        at = next;
    }
    return NULL;
}

bool stream_find(const struct object *object, struct stream_id id, struct stream_entry *out) {
    uint32_t at;
    return find_entry(stream_view(object), id, &at, out) != NULL;
}

static void delete_at(struct stream *s, const struct allocator *allocator, struct stream_node *node,
                      uint32_t at) {
    if (node->live == 1) {
        remove_node(s, allocator, node);
        return;
    }
    stream_node_delete(node, at);
    s->length--;
}

bool stream_delete(struct object *object, const struct allocator *allocator, struct stream_id id) {
    struct stream *s = stream_of(object);
    struct stream_entry entry;
    uint32_t at;
    struct stream_node *node = find_entry(s, id, &at, &entry);
    if (node == NULL)
        return false;
    delete_at(s, allocator, node, at);
    if (stream_id_is_less(s->max_deleted_id, id))
        s->max_deleted_id = id;
    return true;
}

/* ---- trimming ---- */

/* Deleted entries count here: so it is with Redis, and approximate trimming shows it. */
static struct stream_id last_id_of(const struct stream_node *node) {
    struct stream_entry entry;
    bool is_deleted;
    (void)stream_node_read(node, stream_node_previous(node, node->used), &is_deleted, &entry);
    return entry.id;
}

static bool is_whole_node_over(const struct stream *s, const struct stream_node *node,
                               const struct stream_trim *trim) {
    if (trim->is_by_length)
        return s->length - node->live >= trim->max_length;
    return stream_id_is_less(last_id_of(node), trim->min_id);
}

/* Delete from the front of a node of which something stays. */
static uint64_t trim_node(struct stream *s, const struct allocator *allocator,
                          struct stream_node *node, const struct stream_trim *trim) {
    struct stream_entry entry;
    bool is_deleted;
    uint64_t deleted = 0;
    while (true) {
        (void)stream_node_read(node, node->begin, &is_deleted, &entry);
        bool is_over = trim->is_by_length ? s->length > trim->max_length
                                          : stream_id_is_less(entry.id, trim->min_id);
        if (!is_over)
            return deleted;
        delete_at(s, allocator, node, node->begin);
        deleted++;
    }
}

uint64_t stream_trim(struct object *object, const struct allocator *allocator,
                     const struct stream_trim *trim) {
    struct stream *s = stream_of(object);
    uint64_t deleted = 0;
    while (s->length > 0) {
        if (trim->is_by_length && s->length <= trim->max_length)
            break;
        struct stream_place place = stream_tree_first(&s->nodes);
        struct stream_node *node = stream_place_item(&place)->value;
        if (!is_whole_node_over(s, node, trim))
            return trim->is_approximate ? deleted : deleted + trim_node(s, allocator, node, trim);
        if (trim->limit != 0 && deleted + node->live > trim->limit)
            break;
        deleted += node->live;
        remove_node(s, allocator, node);
    }
    return deleted;
}
