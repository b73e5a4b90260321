/* SPDX-License-Identifier: BSD-3-Clause */
/* Walking the entries of a range. Upwards a cursor stands before the entry that comes next,
 * downwards behind it. */
#include "ds/stream_internal.h"

static const struct stream_node *node_of(const struct stream_place *place) {
    return stream_place_item(place)->value;
}

static void begin_forward(struct stream_cursor *cursor, const struct stream *s) {
    cursor->place = stream_tree_floor(&s->nodes, cursor->start);
    if (cursor->place.page == NULL)
        cursor->place = stream_tree_first(&s->nodes);
    if (cursor->place.page != NULL)
        cursor->at = node_of(&cursor->place)->begin;
}

static void begin_reverse(struct stream_cursor *cursor, const struct stream *s) {
    cursor->place = stream_tree_floor(&s->nodes, cursor->end);
    if (cursor->place.page != NULL)
        cursor->at = node_of(&cursor->place)->used;
}

void stream_cursor_init(struct stream_cursor *cursor, const struct object *object,
                        struct stream_id start, struct stream_id end, bool is_reverse) {
    *cursor = (struct stream_cursor){.start = start, .end = end, .is_reverse = is_reverse};
    if (is_reverse)
        begin_reverse(cursor, stream_view(object));
    else
        begin_forward(cursor, stream_view(object));
}

static bool next_forward(struct stream_cursor *cursor, struct stream_entry *out) {
    while (cursor->place.page != NULL) {
        const struct stream_node *node = node_of(&cursor->place);
        while (cursor->at < node->used) {
            bool is_deleted;
            cursor->at = stream_node_read(node, cursor->at, &is_deleted, out);
            if (stream_id_is_less(cursor->end, out->id)) {
                cursor->place.page = NULL;
                return false;
            }
            if (!is_deleted && !stream_id_is_less(out->id, cursor->start))
                return true;
        }
        stream_place_next(&cursor->place);
        if (cursor->place.page != NULL)
            cursor->at = node_of(&cursor->place)->begin;
    }
    return false;
}

static bool next_reverse(struct stream_cursor *cursor, struct stream_entry *out) {
    while (cursor->place.page != NULL) {
        const struct stream_node *node = node_of(&cursor->place);
        while (cursor->at > node->begin) {
            bool is_deleted;
            cursor->at = stream_node_previous(node, cursor->at);
            (void)stream_node_read(node, cursor->at, &is_deleted, out);
            if (stream_id_is_less(out->id, cursor->start)) {
                cursor->place.page = NULL;
                return false;
            }
            if (!is_deleted && !stream_id_is_less(cursor->end, out->id))
                return true;
        }
        stream_place_previous(&cursor->place);
        if (cursor->place.page != NULL)
            cursor->at = node_of(&cursor->place)->used;
    }
    return false;
}

bool stream_cursor_next(struct stream_cursor *cursor, struct stream_entry *out) {
    return cursor->is_reverse ? next_reverse(cursor, out) : next_forward(cursor, out);
}
