/* SPDX-License-Identifier: BSD-3-Clause */
/* A stream as a whole: copied, and shown piece by piece. */
#include "ds/stream_internal.h"

/* ---- copying ---- */

static bool copy_nodes(const struct stream *from, struct stream *to,
                       const struct allocator *allocator) {
    struct stream_place place = stream_tree_first(&from->nodes);
    for (; place.page != NULL; stream_place_next(&place)) {
        const struct stream_node *node = stream_place_item(&place)->value;
        struct stream_node *copy = stream_node_create(allocator, node->first, node->used);
        if (copy == NULL)
            return false;
        memcpy(copy, node, sizeof(*node) + node->used);
        copy->capacity = node->used;
        if (stream_tree_insert(&to->nodes, allocator, node->first, copy) != LARDER_OK) {
            stream_node_destroy(copy, allocator);
            return false;
        }
        to->node_bytes += stream_node_bytes(copy);
        to->length += copy->live;
        to->last = copy;
    }
    return true;
}

static bool copy_consumer(const struct stream_consumer *from, struct object *to,
                          const struct allocator *allocator, struct stream_group *group) {
    struct stream_consumer *consumer =
        stream_create_consumer(to, allocator, group, from->named.name, from->seen_ms);
    if (consumer == NULL)
        return false;
    stream_consumer_set(consumer, from->seen_ms, from->active_ms);
    struct stream_pending_cursor cursor;
    struct stream_pending *pending;
    struct stream_id id;
    stream_pending_seek(&cursor, NULL, from, STREAM_ID_MIN);
    while (stream_pending_next(&cursor, &id, &pending)) {
        if (stream_load_owner(to, allocator, group, consumer, id) != LARDER_OK)
            return false;
    }
    return true;
}

static bool copy_group(const struct stream_group *from, struct object *to,
                       const struct allocator *allocator) {
    struct stream_group *group =
        stream_create_group(to, allocator, from->named.name, from->last_id, from->entries_read);
    if (group == NULL)
        return false;
    struct stream_pending_cursor cursor;
    struct stream_pending *pending;
    struct stream_id id;
    stream_pending_seek(&cursor, from, NULL, STREAM_ID_MIN);
    while (stream_pending_next(&cursor, &id, &pending)) {
        if (stream_load_pending(to, allocator, group, id, pending->time_ms, pending->count) !=
            LARDER_OK)
            return false;
    }
    for (size_t i = 0; i < from->consumers.count; i++)
        if (!copy_consumer(stream_consumer_at(from, i), to, allocator, group))
            return false;
    return true;
}

struct object *stream_copy(const struct object *object, const struct allocator *allocator) {
    const struct stream *from = stream_view(object);
    struct object_context context = {.allocator = allocator};
    struct object *to = stream_create(&context);
    if (to == NULL)
        return NULL;
    bool is_whole = copy_nodes(from, stream_of(to), allocator);
    for (size_t i = 0; is_whole && i < from->groups.count; i++)
        is_whole = copy_group(stream_group_at(object, i), to, allocator);
    if (!is_whole) {
        object_destroy(to, allocator);
        return NULL;
    }
    stream_set_state(to, from->last_id, from->max_deleted_id, from->entries_added);
    return to;
}

/* ---- showing ----
 * What the time of day touched (when consumers were seen) is no part of the value: equal streams
 * show equal pieces. */

enum { PARTS_AT_ONCE = 64 };

struct viewer {
    object_visitor visitor;
    void *context;
    uint8_t texts[5][STREAM_ID_TEXT_MAX]; /* of ids and numbers */
};

static struct slice id_text(struct viewer *viewer, unsigned at, struct stream_id id) {
    return slice_of(viewer->texts[at], stream_id_format(id, viewer->texts[at]));
}

static struct slice number_text(struct viewer *viewer, unsigned at, int64_t number) {
    return slice_of(viewer->texts[at], int64_format(number, viewer->texts[at]));
}

/* An entry of many fields is shown in several pieces, each with its id. */
static void show_entry(struct viewer *viewer, struct stream_entry *entry) {
    struct slice parts[2 + PARTS_AT_ONCE] = {SLICE_LITERAL("entry"), id_text(viewer, 0, entry->id)};
    uint8_t scratch[PARTS_AT_ONCE][INT64_TEXT_MAX];
    for (uint32_t left = entry->field_count; left > 0;) {
        size_t count = 0;
        for (; left > 0 && count < PARTS_AT_ONCE; left--, count += 2) {
            struct packed_element name, value;
            stream_entry_next(entry, &name, &value);
            parts[2 + count] = packed_text(&name, scratch[count]);
            parts[3 + count] = packed_text(&value, scratch[count + 1]);
        }
        viewer->visitor(viewer->context, parts, 2 + count);
    }
}

static void show_pending(struct viewer *viewer, const struct stream_group *group) {
    struct stream_pending_cursor cursor;
    struct stream_pending *pending;
    struct stream_id id;
    stream_pending_seek(&cursor, group, NULL, STREAM_ID_MIN);
    while (stream_pending_next(&cursor, &id, &pending)) {
        struct slice parts[] = {
            SLICE_LITERAL("pending"),
            group->named.name,
            id_text(viewer, 0, id),
            pending->consumer == NULL ? slice_of(NULL, 0) : pending->consumer->named.name,
            number_text(viewer, 1, pending->time_ms),
            number_text(viewer, 2, (int64_t)pending->count),
        };
        viewer->visitor(viewer->context, parts, 6);
    }
}

static void show_group(struct viewer *viewer, const struct stream_group *group) {
    struct slice parts[] = {
        SLICE_LITERAL("group"),
        group->named.name,
        id_text(viewer, 0, group->last_id),
        number_text(viewer, 1, group->entries_read),
    };
    viewer->visitor(viewer->context, parts, 4);
    for (size_t i = 0; i < group->consumers.count; i++) {
        struct slice consumer[] = {SLICE_LITERAL("consumer"), group->named.name,
                                   stream_consumer_at(group, i)->named.name};
        viewer->visitor(viewer->context, consumer, 3);
    }
    show_pending(viewer, group);
}

void stream_visit(const struct object *object, object_visitor visitor, void *context) {
    const struct stream *s = stream_view(object);
    struct viewer viewer = {.visitor = visitor, .context = context};
    struct stream_cursor cursor;
    struct stream_entry entry;
    stream_cursor_init(&cursor, object, STREAM_ID_MIN, STREAM_ID_MAX, false);
    while (stream_cursor_next(&cursor, &entry))
        show_entry(&viewer, &entry);
    struct slice counters[] = {
        SLICE_LITERAL("counters"),
        id_text(&viewer, 0, s->last_id),
        id_text(&viewer, 1, s->max_deleted_id),
        number_text(&viewer, 2, (int64_t)s->entries_added),
    };
    visitor(context, counters, 4);
    for (size_t i = 0; i < s->groups.count; i++)
        show_group(&viewer, stream_group_at(object, i));
}
