/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups and consumers: named things, allocated with their names behind them. */
#include "ds/stream_internal.h"

static size_t group_size(const struct stream_group *group) {
    return sizeof(*group) + group->named.name.size;
}

static size_t consumer_size(const struct stream_consumer *consumer) {
    return sizeof(*consumer) + consumer->named.name.size;
}

/* `size` zeroed bytes that begin with a struct stream_named, and the name behind them. */
static void *create_named(const struct allocator *allocator, size_t size, struct slice name) {
    struct stream_named *named = allocator_allocate_zeroed(allocator, size + name.size);
    if (named == NULL)
        return NULL;
    uint8_t *text = (uint8_t *)named + size;
    if (name.size > 0)
        memcpy(text, name.data, name.size);
    named->name = slice_of(text, name.size);
    return named;
}

/* ---- groups ---- */

struct stream_group *stream_find_group(const struct object *object, struct slice name) {
    return (struct stream_group *)stream_names_find(&stream_view(object)->groups, name);
}

struct stream_group *stream_group_at(const struct object *object, size_t position) {
    return (struct stream_group *)stream_names_at(&stream_view(object)->groups, position);
}

struct stream_group_state stream_group_get_state(const struct stream_group *group) {
    return (struct stream_group_state){
        .name = group->named.name,
        .last_id = group->last_id,
        .entries_read = group->entries_read,
        .consumer_count = group->consumers.count,
        .pending_count = group->pending.count,
    };
}

void stream_group_set(struct stream_group *group, struct stream_id last_id, int64_t entries_read) {
    group->last_id = last_id;
    group->entries_read = entries_read;
}

struct stream_group *stream_create_group(struct object *object, const struct allocator *allocator,
                                         struct slice name, struct stream_id last_id,
                                         int64_t entries_read) {
    struct stream *s = stream_of(object);
    struct stream_group *group = create_named(allocator, sizeof(*group), name);
    if (group == NULL)
        return NULL;
    if (stream_names_insert(&s->groups, allocator, &group->named) != LARDER_OK) {
        allocator_release(allocator, group, group_size(group));
        return NULL;
    }
    s->group_bytes += group_size(group);
    stream_group_set(group, last_id, entries_read);
    return group;
}

static void destroy_consumer(struct stream *s, const struct allocator *allocator,
                             struct stream_group *group, struct stream_consumer *consumer) {
    size_t pages = consumer->pending.bytes + group->consumers.bytes;
    while (consumer->pending.count > 0)
        (void)stream_tree_pop(&consumer->pending, allocator);
    stream_names_remove(&group->consumers, allocator, &consumer->named);
    s->group_bytes -= pages - group->consumers.bytes;
    s->group_bytes -= consumer_size(consumer);
    allocator_release(allocator, consumer, consumer_size(consumer));
}

static void pop_pending(struct stream *s, const struct allocator *allocator,
                        struct stream_group *group) {
    size_t pages = group->pending.bytes;
    struct stream_pending *pending = stream_tree_pop(&group->pending, allocator);
    s->group_bytes -= pages - group->pending.bytes + sizeof(*pending);
    allocator_release(allocator, pending, sizeof(*pending));
}

void stream_destroy_group(struct object *object, const struct allocator *allocator,
                          struct stream_group *group) {
    struct stream *s = stream_of(object);
    while (group->pending.count > 0)
        pop_pending(s, allocator, group);
    while (group->consumers.count > 0)
        destroy_consumer(s, allocator, group, stream_consumer_at(group, 0));
    stream_names_remove(&s->groups, allocator, &group->named);
    s->group_bytes -= group_size(group);
    allocator_release(allocator, group, group_size(group));
}

/* What a group adds to the group_bytes of its stream, but for the pages of names. */
static size_t group_bytes(const struct stream_group *group) {
    size_t bytes = group_size(group) + group->pending.bytes + group->consumers.bytes +
                   group->pending.count * sizeof(struct stream_pending);
    for (size_t i = 0; i < group->consumers.count; i++) {
        const struct stream_consumer *consumer = stream_consumer_at(group, i);
        bytes += consumer_size(consumer) + consumer->pending.bytes;
    }
    return bytes;
}

struct object *stream_detach_group(struct object *object, const struct allocator *allocator,
                                   struct stream_group *group) {
    struct stream *from = stream_of(object);
    const struct object_context context = {.allocator = allocator};
    struct object *detached = stream_create(&context);
    if (detached == NULL)
        return NULL;
    struct stream *to = stream_of(detached);
    if (stream_names_insert(&to->groups, allocator, &group->named) != LARDER_OK) {
        object_destroy(detached, allocator);
        return NULL;
    }
    stream_names_remove(&from->groups, allocator, &group->named);
    from->group_bytes -= group_bytes(group);
    to->group_bytes += group_bytes(group);
    return detached;
}

/* ---- consumers ---- */

struct stream_consumer *stream_find_consumer(const struct stream_group *group, struct slice name) {
    return (struct stream_consumer *)stream_names_find(&group->consumers, name);
}

struct stream_consumer *stream_consumer_at(const struct stream_group *group, size_t position) {
    return (struct stream_consumer *)stream_names_at(&group->consumers, position);
}

struct stream_consumer_state stream_consumer_get_state(const struct stream_consumer *consumer) {
    return (struct stream_consumer_state){
        .name = consumer->named.name,
        .seen_ms = consumer->seen_ms,
        .active_ms = consumer->active_ms,
        .pending_count = consumer->pending.count,
    };
}

void stream_consumer_set(struct stream_consumer *consumer, int64_t seen_ms, int64_t active_ms) {
    consumer->seen_ms = seen_ms;
    consumer->active_ms = active_ms;
}

struct stream_consumer *stream_create_consumer(struct object *object,
                                               const struct allocator *allocator,
                                               struct stream_group *group, struct slice name,
                                               int64_t seen_ms) {
    struct stream *s = stream_of(object);
    struct stream_consumer *consumer = create_named(allocator, sizeof(*consumer), name);
    if (consumer == NULL)
        return NULL;
    size_t pages = group->consumers.bytes;
    if (stream_names_insert(&group->consumers, allocator, &consumer->named) != LARDER_OK) {
        s->group_bytes += group->consumers.bytes - pages;
        allocator_release(allocator, consumer, consumer_size(consumer));
        return NULL;
    }
    s->group_bytes += group->consumers.bytes - pages + consumer_size(consumer);
    stream_consumer_set(consumer, seen_ms, -1);
    return consumer;
}

void stream_delete_consumer(struct object *object, const struct allocator *allocator,
                            struct stream_group *group, struct stream_consumer *consumer) {
    while (consumer->pending.count > 0) {
        struct stream_place place = stream_tree_last(&consumer->pending);
        (void)stream_acknowledge(object, allocator, group, stream_place_item(&place)->id);
    }
    destroy_consumer(stream_of(object), allocator, group, consumer);
}

/* ---- freeing ---- */

static bool free_nodes(struct stream *s, const struct allocator *allocator, size_t *budget) {
    while (s->nodes.count > 0 && *budget > 0) {
        struct stream_node *node = stream_tree_pop(&s->nodes, allocator);
        *budget -= node->live < *budget ? node->live : *budget;
        stream_node_destroy(node, allocator);
    }
    return s->nodes.count == 0;
}

/* False: the budget is used up. */
static bool free_group(struct stream *s, const struct allocator *allocator,
                       struct stream_group *group, size_t *budget) {
    for (; group->pending.count > 0 && *budget > 0; --*budget)
        pop_pending(s, allocator, group);
    while (group->consumers.count > 0 && *budget > 0) {
        struct stream_consumer *consumer = stream_consumer_at(group, group->consumers.count - 1);
        for (; consumer->pending.count > 0 && *budget > 0; --*budget)
            (void)stream_tree_pop(&consumer->pending, allocator);
        if (*budget == 0)
            return false;
        destroy_consumer(s, allocator, group, consumer);
        --*budget;
    }
    if (*budget == 0)
        return false;
    stream_destroy_group(&s->object, allocator, group);
    --*budget;
    return true;
}

bool stream_free_some(struct object *object, const struct allocator *allocator, size_t budget) {
    struct stream *s = stream_of(object);
    if (!free_nodes(s, allocator, &budget))
        return false;
    while (s->groups.count > 0) {
        struct stream_group *group = stream_group_at(object, s->groups.count - 1);
        if (budget == 0 || !free_group(s, allocator, group, &budget))
            return false;
    }
    allocator_release(allocator, s, sizeof(*s));
    return true;
}
