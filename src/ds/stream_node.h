/* SPDX-License-Identifier: BSD-3-Clause */
/* A node of a stream: a run of entries in one allocation. The field names of the first entry are
 * held once, and shared by all entries that have the same ones in the same order.
 *
 *   data  = shared names (packed, field_count of them) | entries from entries_at to used
 *   entry = flags 1 | size 2 or 4 | ms | sequence | [field count] | packed elements | back 2 or 6
 *
 *   flags     ENTRY_ constants
 *   size      of the whole entry, little-endian; 4 bytes with ENTRY_IS_LONG
 *   ms        varint: ms - first.ms
 *   sequence  varint: that of the id, less first.sequence where the ms is that of `first`
 *   elements  values alone with ENTRY_SHARES_NAMES, else the count and names and values in turn
 *   back      the size again: 2 bytes; or 4 and then ff ff
 *
 * A deleted entry stays as a marked gap until the whole node goes; `begin` is where the first live
 * one is. `weight` is what the same node occupies in Redis, where the limits on nodes come from:
 * counting as Redis does makes approximate trimming cut at the same entries.
 *
 * Private to the stream; one thread at a time. */
#ifndef LARDER_DS_STREAM_NODE_H
#define LARDER_DS_STREAM_NODE_H

#include "base/alloc.h"
#include "ds/packed.h"
#include "ds/stream.h"

enum {
    STREAM_NODE_BYTES_MAX = 32 * 1024, /* whatever the limit says; a longer entry stands alone */
    ENTRY_IS_DELETED = 1 << 0,
    ENTRY_SHARES_NAMES = 1 << 1,
    ENTRY_IS_LONG = 1 << 2,
};

struct stream_node {
    struct stream_id first;  /* of the first entry that it ever held; its place among the nodes */
    uint32_t capacity, used; /* bytes of data */
    uint32_t weight;         /* see above; without the two counts */
    uint32_t live, deleted;  /* entries; live > 0 */
    uint32_t begin;          /* where the first live entry is */
    uint32_t field_count;    /* shared names */
    uint32_t entries_at;     /* behind the shared names */
    uint8_t data[];
};

static inline size_t stream_node_bytes(const struct stream_node *node) {
    return sizeof(*node) + node->capacity;
}

/* Whether one more entry with texts of `size` bytes in all belongs into the node. */
bool stream_node_accepts(const struct stream_node *node, const struct object_limits *limits,
                         size_t size);
/* Bytes of data that an entry with `count` texts of `size` bytes takes at most, be its names shared
 * or not. */
size_t stream_node_bound(size_t size, size_t count);
/* A node of this capacity without entries. NULL: no memory. */
struct stream_node *stream_node_create(const struct allocator *allocator, struct stream_id first,
                                       size_t capacity);
void stream_node_destroy(struct stream_node *node, const struct allocator *allocator);
/* Another capacity, at least what is used. NULL: no memory, `node` is as it was. */
struct stream_node *stream_node_resize(struct stream_node *node, const struct allocator *allocator,
                                       size_t capacity);
/* Append an entry of texts name, value, name ...; there is room. */
void stream_node_append(struct stream_node *node, struct stream_id id, const struct slice *texts,
                        size_t count);
/* Read the entry at an offset. Returns where the next one is. */
uint32_t stream_node_read(const struct stream_node *node, uint32_t at, bool *out_is_deleted,
                          struct stream_entry *out);
/* Where the entry that ends at `at` begins. */
uint32_t stream_node_previous(const struct stream_node *node, uint32_t at);
/* Mark the live entry at an offset as deleted. It is not the last live one. */
void stream_node_delete(struct stream_node *node, uint32_t at);

#endif
