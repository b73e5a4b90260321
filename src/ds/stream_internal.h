/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of a stream, shared by the stream_*.c. */
#ifndef LARDER_DS_STREAM_INTERNAL_H
#define LARDER_DS_STREAM_INTERNAL_H

#include "ds/stream.h"
#include "ds/stream_names.h"
#include "ds/stream_node.h"

struct stream {
    struct object object;
    struct stream_tree nodes; /* first id -> struct stream_node */
    struct stream_node *last; /* the node that grows; NULL: none */
    uint64_t length;
    uint64_t entries_added;
    struct stream_id last_id, max_deleted_id;
    struct stream_names groups;
    size_t group_bytes; /* of groups and all that is in them */
    size_t node_bytes;  /* of nodes without the tree */
};

struct stream_group {
    struct stream_named named; /* its bytes lie behind the struct */
    struct stream_id last_id;
    int64_t entries_read;
    struct stream_tree pending; /* id -> struct stream_pending, owned */
    struct stream_names consumers;
};

struct stream_consumer {
    struct stream_named named;
    int64_t seen_ms, active_ms;
    struct stream_tree pending; /* the same ones, borrowed from the group */
};

static inline struct stream *stream_of(struct object *object) {
    return (struct stream *)object;
}

static inline const struct stream *stream_view(const struct object *object) {
    return (const struct stream *)object;
}

extern const struct object_type STREAM_TYPE;

/* The object_type's functions; see there. */
size_t stream_count_bytes(const struct object *object);
bool stream_free_some(struct object *object, const struct allocator *allocator, size_t budget);
struct object *stream_copy(const struct object *object, const struct allocator *allocator);
void stream_visit(const struct object *object, object_visitor visitor, void *context);

#endif
