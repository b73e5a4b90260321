/* SPDX-License-Identifier: BSD-3-Clause */
/* Things with a name, in lexicographic order of their names: the groups of a stream, the consumers
 * of a group. A sorted array cut into pages. Private to the stream; one thread at a time. */
#ifndef LARDER_DS_STREAM_NAMES_H
#define LARDER_DS_STREAM_NAMES_H

#include "base/alloc.h"
#include "base/slice.h"
#include "base/status.h"

/* What such a thing begins with; the bytes are its own and don't change. */
struct stream_named {
    struct slice name;
};

struct stream_name_page {
    uint32_t count, capacity;
    struct stream_named *items[];
};

/* All zero: empty. */
struct stream_names {
    struct stream_name_page **pages; /* none is empty */
    uint32_t page_count, page_capacity;
    size_t count;
    size_t bytes; /* of pages and their array */
};

struct stream_named *stream_names_find(const struct stream_names *names, struct slice name);
/* The one at a position of the order, below count. */
struct stream_named *stream_names_at(const struct stream_names *names, size_t position);
/* Insert one whose name is not there. Errors: LARDER_NO_MEMORY, nothing changed. */
enum larder_status stream_names_insert(struct stream_names *names,
                                       const struct allocator *allocator,
                                       struct stream_named *added) LARDER_NODISCARD;
/* Remove one that is there. */
void stream_names_remove(struct stream_names *names, const struct allocator *allocator,
                         struct stream_named *removed);

#endif
