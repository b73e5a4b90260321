/* SPDX-License-Identifier: BSD-3-Clause */
/* A pending entry is one object in two trees, its group's and its consumer's. To give it to a
 * consumer means to insert it into that one's tree first, which may fail, and to change the owner
 * and take it out of the other's afterwards, which can't. */
#include "ds/stream_internal.h"

struct stream_pending *stream_find_pending(const struct stream_group *group, struct stream_id id) {
    return stream_tree_find(&group->pending, id);
}

void stream_pending_seek(struct stream_pending_cursor *cursor, const struct stream_group *group,
                         const struct stream_consumer *consumer, struct stream_id start) {
    const struct stream_tree *tree = consumer != NULL ? &consumer->pending : &group->pending;
    cursor->place = stream_tree_seek(tree, start);
}

bool stream_pending_next(struct stream_pending_cursor *cursor, struct stream_id *out_id,
                         struct stream_pending **out) {
    if (cursor->place.page == NULL)
        return false;
    const struct stream_item *item = stream_place_item(&cursor->place);
    *out_id = item->id;
    *out = item->value;
    stream_place_next(&cursor->place);
    return true;
}

bool stream_pending_last(const struct stream_group *group, struct stream_id *out_id) {
    struct stream_place place = stream_tree_last(&group->pending);
    if (place.page == NULL)
        return false;
    *out_id = stream_place_item(&place)->id;
    return true;
}

/* ---- trees whose bytes the stream counts ---- */

static enum larder_status insert(struct stream *s, const struct allocator *allocator,
                                 struct stream_tree *tree, struct stream_id id,
                                 struct stream_pending *pending) {
    size_t before = tree->bytes;
    enum larder_status status = stream_tree_insert(tree, allocator, id, pending);
    s->group_bytes += tree->bytes - before;
    return status;
}

static void *take(struct stream *s, const struct allocator *allocator, struct stream_tree *tree,
                  struct stream_id id) {
    size_t before = tree->bytes;
    void *pending = stream_tree_remove(tree, allocator, id);
    s->group_bytes += tree->bytes - before;
    return pending;
}

static struct stream_pending *add_pending(struct stream *s, const struct allocator *allocator,
                                          struct stream_group *group, struct stream_id id) {
    struct stream_pending *pending = allocator_allocate(allocator, sizeof(*pending));
    if (pending == NULL)
        return NULL;
    if (insert(s, allocator, &group->pending, id, pending) != LARDER_OK) {
        allocator_release(allocator, pending, sizeof(*pending));
        return NULL;
    }
    *pending = (struct stream_pending){.consumer = NULL};
    s->group_bytes += sizeof(*pending);
    return pending;
}

static void drop_pending(struct stream *s, const struct allocator *allocator,
                         struct stream_group *group, struct stream_id id) {
    struct stream_pending *pending = take(s, allocator, &group->pending, id);
    s->group_bytes -= sizeof(*pending);
    allocator_release(allocator, pending, sizeof(*pending));
}

/* ---- claiming ---- */

enum larder_status stream_claim_prepare(struct object *object, const struct allocator *allocator,
                                        struct stream_group *group,
                                        struct stream_consumer *consumer, struct stream_id id) {
    struct stream *s = stream_of(object);
    struct stream_pending *pending = stream_tree_find(&group->pending, id);
    bool is_new = pending == NULL;
    if (!is_new && (pending->consumer == consumer || stream_tree_find(&consumer->pending, id)))
        return LARDER_OK;
    if (is_new)
        pending = add_pending(s, allocator, group, id);
    if (pending == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status = insert(s, allocator, &consumer->pending, id, pending);
    if (status != LARDER_OK && is_new)
        drop_pending(s, allocator, group, id);
    return status;
}

void stream_claim_abort(struct object *object, const struct allocator *allocator,
                        struct stream_group *group, struct stream_consumer *consumer,
                        struct stream_id id) {
    struct stream *s = stream_of(object);
    const struct stream_pending *pending = stream_tree_find(&group->pending, id);
    if (pending == NULL || pending->consumer == consumer)
        return;
    (void)take(s, allocator, &consumer->pending, id);
    if (pending->consumer == NULL)
        drop_pending(s, allocator, group, id);
}

void stream_claim_commit(struct object *object, const struct allocator *allocator,
                         struct stream_group *group, struct stream_consumer *consumer,
                         struct stream_id id, int64_t time_ms, uint64_t count) {
    struct stream_pending *pending = stream_tree_find(&group->pending, id);
    struct stream_consumer *before = pending->consumer;
    if (before != NULL && before != consumer)
        (void)take(stream_of(object), allocator, &before->pending, id);
    *pending = (struct stream_pending){time_ms, count, consumer};
}

bool stream_acknowledge(struct object *object, const struct allocator *allocator,
                        struct stream_group *group, struct stream_id id) {
    struct stream *s = stream_of(object);
    struct stream_pending *pending = stream_tree_find(&group->pending, id);
    if (pending == NULL)
        return false;
    if (pending->consumer != NULL)
        (void)take(s, allocator, &pending->consumer->pending, id);
    drop_pending(s, allocator, group, id);
    return true;
}

/* ---- building from a serialised form ---- */

enum larder_status stream_load_pending(struct object *object, const struct allocator *allocator,
                                       struct stream_group *group, struct stream_id id,
                                       int64_t time_ms, uint64_t count) {
    if (stream_tree_find(&group->pending, id) != NULL)
        return LARDER_CORRUPT;
    struct stream_pending *pending = add_pending(stream_of(object), allocator, group, id);
    if (pending == NULL)
        return LARDER_NO_MEMORY;
    *pending = (struct stream_pending){time_ms, count, NULL};
    return LARDER_OK;
}

enum larder_status stream_load_owner(struct object *object, const struct allocator *allocator,
                                     struct stream_group *group, struct stream_consumer *consumer,
                                     struct stream_id id) {
    struct stream_pending *pending = stream_tree_find(&group->pending, id);
    if (pending == NULL || pending->consumer != NULL)
        return LARDER_CORRUPT;
    enum larder_status status =
        insert(stream_of(object), allocator, &consumer->pending, id, pending);
    if (status == LARDER_OK)
        pending->consumer = consumer;
    return status;
}

bool stream_is_complete(const struct object *object) {
    const struct stream *s = stream_view(object);
    for (size_t i = 0; i < s->groups.count; i++) {
        struct stream_pending_cursor cursor;
        struct stream_pending *pending;
        struct stream_id id;
        stream_pending_seek(&cursor, stream_group_at(object, i), NULL, STREAM_ID_MIN);
        while (stream_pending_next(&cursor, &id, &pending))
            if (pending->consumer == NULL)
                return false;
    }
    return true;
}

/* ---- how far a group is ----
 * Ids are not positions: what was deleted one by one before an id is only known to lie at or below
 * the largest such id. So a position can be told at the last entry, before the first one, and at
 * the first one when nothing was deleted from it on. */

int64_t stream_estimate_entries_read(const struct object *object, struct stream_id id) {
    struct stream_state state = stream_get_state(object);
    int64_t added = (int64_t)state.entries_added;
    if (added == 0)
        return 0;
    int to_last = stream_id_compare(id, state.last_id);
    if ((state.length == 0 && to_last <= 0) || to_last == 0)
        return added;
    if (to_last > 0)
        return STREAM_ENTRIES_READ_UNKNOWN;
    if (!stream_id_is_zero(state.max_deleted_id) &&
        !stream_id_is_less(state.max_deleted_id, state.first_id))
        return STREAM_ENTRIES_READ_UNKNOWN;
    int to_first = stream_id_compare(id, state.first_id);
    if (to_first < 0)
        return added - (int64_t)state.length;
    return to_first == 0 ? added - (int64_t)state.length + 1 : STREAM_ENTRIES_READ_UNKNOWN;
}

bool stream_has_gaps(const struct object *object, struct stream_id start) {
    const struct stream *s = stream_view(object);
    if (s->length == 0 || stream_id_is_less(s->max_deleted_id, start))
        return false;
    return !stream_id_is_less(s->max_deleted_id, stream_get_state(object).first_id);
}

bool stream_group_lag(const struct object *object, const struct stream_group *group,
                      int64_t *out_lag) {
    const struct stream *s = stream_view(object);
    int64_t added = (int64_t)s->entries_added, read = 0;
    if (added > 0) {
        read = group->entries_read;
        if (read == STREAM_ENTRIES_READ_UNKNOWN || stream_has_gaps(object, group->last_id))
            read = stream_estimate_entries_read(object, group->last_id);
        if (read == STREAM_ENTRIES_READ_UNKNOWN)
            return false;
    }
    *out_lag = added - read;
    return true;
}

void stream_group_advance(const struct object *object, struct stream_group *group,
                          struct stream_id id) {
    if (group->entries_read != STREAM_ENTRIES_READ_UNKNOWN && !stream_has_gaps(object, id))
        group->entries_read++;
    else if (stream_view(object)->entries_added > 0)
        group->entries_read = stream_estimate_entries_read(object, id);
    group->last_id = id;
}
