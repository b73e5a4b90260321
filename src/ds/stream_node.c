/* SPDX-License-Identifier: BSD-3-Clause */
/* Entries are written with room for the longest encoding at hand, so that no text is looked at
 * twice. */
#include "ds/stream_node.h"

enum {
    VARINT_MAX = 10,
    FRAME_MAX = 5 + 3 * VARINT_MAX + 6, /* flags and size, ids and count, back */
    ELEMENT_FRAME_MAX = 10,             /* head and back of an element */
    SHORT_SIZE_MAX = 0xfffe,
    LONG_MARK = 0xffff,
};

/* ---- what Redis would need ----
 * There a node is a listpack: 7 bytes, and elements of head, payload and a length in 7-bit groups.
 * It begins with: entries, deleted entries, number of names, the names, 0. An entry is: flags,
 * difference of ms and of sequence, [number of names], texts, number of its elements. */

static uint32_t weight_of_size(size_t size) {
    size_t groups = 1;
    for (size_t left = size; left >= 128; left >>= 7)
        groups++;
    return (uint32_t)(size + groups);
}

static uint32_t weight_of_integer(int64_t value) {
    if (value >= 0 && value <= 127)
        return 2;
    if (value >= -4096 && value <= 4095)
        return 3;
    uint64_t magnitude = value < 0 ? ~(uint64_t)value : (uint64_t)value;
    unsigned bits = 65 - (unsigned)__builtin_clzll(magnitude);
    return bits <= 16 ? 4 : bits <= 24 ? 5 : bits <= 32 ? 6 : 10;
}

static uint32_t weight_of_element(const uint8_t *at) {
    struct packed_element element;
    (void)packed_get(at, &element);
    if (element.is_integer)
        return weight_of_integer(element.integer);
    size_t size = element.bytes.size;
    return weight_of_size(size + (size < 64 ? 1 : size < 4096 ? 2 : 5));
}

bool stream_node_accepts(const struct stream_node *node, const struct object_limits *limits,
                         size_t size) {
    int64_t bytes_max = object_limit(&limits->stream_node_bytes);
    int64_t entries_max = object_limit(&limits->stream_node_entries);
    if (bytes_max <= 0 || bytes_max > STREAM_NODE_BYTES_MAX)
        bytes_max = STREAM_NODE_BYTES_MAX;
    size_t weight =
        7u + node->weight + weight_of_integer(node->live) + weight_of_integer(node->deleted);
    if (size >= (size_t)bytes_max || weight + size >= (size_t)bytes_max)
        return false;
    return entries_max <= 0 || (int64_t)node->live + node->deleted < entries_max;
}

/* ---- bytes ---- */

static uint8_t *put_varint(uint8_t *at, uint64_t value) {
    for (; value >= 128; value >>= 7)
        *at++ = (uint8_t)(value | 128);
    *at++ = (uint8_t)value;
    return at;
}

static const uint8_t *get_varint(const uint8_t *at, uint64_t *out) {
    uint64_t value = *at & 127;
    for (unsigned shift = 7; *at >= 128; shift += 7)
        value |= (uint64_t)(*++at & 127) << shift;
    *out = value;
    return at + 1;
}

static uint32_t get_size(const uint8_t *at, size_t width) {
    uint32_t size = 0;
    memcpy(&size, at, width);
    return size;
}

size_t stream_node_bound(size_t size, size_t count) {
    return FRAME_MAX + size + count * ELEMENT_FRAME_MAX;
}

/* ---- node ---- */

struct stream_node *stream_node_create(const struct allocator *allocator, struct stream_id first,
                                       size_t capacity) {
    struct stream_node *node = allocator_allocate(allocator, sizeof(*node) + capacity);
    if (node != NULL)
        *node = (struct stream_node){.first = first, .capacity = (uint32_t)capacity};
    return node;
}

void stream_node_destroy(struct stream_node *node, const struct allocator *allocator) {
    allocator_release(allocator, node, stream_node_bytes(node));
}

struct stream_node *stream_node_resize(struct stream_node *node, const struct allocator *allocator,
                                       size_t capacity) {
    struct stream_node *moved =
        allocator_resize(allocator, node, stream_node_bytes(node), sizeof(*node) + capacity);
    if (moved != NULL)
        moved->capacity = (uint32_t)capacity;
    return moved;
}

/* The names of the first entry. */
static void share_names(struct stream_node *node, const struct slice *texts, size_t count) {
    uint8_t *at = node->data;
    for (size_t i = 0; i < count; i += 2) {
        uint8_t *next = packed_put(at, texts[i]);
        node->weight += weight_of_element(at);
        at = next;
    }
    node->field_count = (uint32_t)(count / 2);
    node->weight += weight_of_integer(node->field_count) + weight_of_integer(0);
    node->used = node->entries_at = node->begin = (uint32_t)(at - node->data);
}

static bool has_shared_names(const struct stream_node *node, const struct slice *texts,
                             size_t count) {
    if (count / 2 != node->field_count)
        return false;
    const uint8_t *at = node->data;
    for (size_t i = 0; i < count; i += 2) {
        if (!packed_equal(at, texts[i]))
            return false;
        at = packed_next(at);
    }
    return true;
}

/* Flags, size, id. Returns where the rest goes. */
static uint8_t *put_head(struct stream_node *node, struct stream_id id, uint8_t flags,
                         size_t width) {
    uint8_t *at = node->data + node->used;
    *at++ = flags;
    at += width;
    uint64_t base = id.ms == node->first.ms ? node->first.sequence : 0;
    at = put_varint(at, id.ms - node->first.ms);
    node->weight += weight_of_integer(0) + weight_of_integer((int64_t)(id.ms - node->first.ms)) +
                    weight_of_integer((int64_t)(id.sequence - node->first.sequence));
    return put_varint(at, id.sequence - base);
}

static uint8_t *put_back(uint8_t *at, uint32_t size, size_t width) {
    memcpy(at, &size, width);
    if (width == 2)
        return at + 2;
    memset(at + 4, 0xff, 2);
    return at + 6;
}

static size_t total_size(const struct slice *texts, size_t count) {
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += texts[i].size;
    return size;
}

void stream_node_append(struct stream_node *node, struct stream_id id, const struct slice *texts,
                        size_t count) {
    bool is_first = node->live + node->deleted == 0;
    if (is_first)
        share_names(node, texts, count);
    bool shares = is_first || has_shared_names(node, texts, count);
    bool is_long = stream_node_bound(total_size(texts, count), count) > SHORT_SIZE_MAX;
    size_t width = is_long ? 4 : 2, pairs = count / 2;
    uint8_t *begin = node->data + node->used;
    uint8_t flags = (uint8_t)((shares ? ENTRY_SHARES_NAMES : 0) | (is_long ? ENTRY_IS_LONG : 0));
    uint8_t *at = put_head(node, id, flags, width);
    if (!shares) {
        at = put_varint(at, pairs);
        node->weight += weight_of_integer((int64_t)pairs);
    }
    for (size_t i = shares ? 1 : 0; i < count; i += shares ? 2 : 1) {
        uint8_t *next = packed_put(at, texts[i]);
        node->weight += weight_of_element(at);
        at = next;
    }
    node->weight += weight_of_integer((int64_t)(shares ? pairs + 3 : count + 4));
    uint32_t size = (uint32_t)(at - begin) + (is_long ? 6 : 2);
    memcpy(begin + 1, &size, width);
    at = put_back(at, size, width);
    node->used = (uint32_t)(at - node->data);
    node->live++;
}

uint32_t stream_node_read(const struct stream_node *node, uint32_t offset, bool *out_is_deleted,
                          struct stream_entry *out) {
    const uint8_t *at = node->data + offset;
    uint8_t flags = *at++;
    size_t width = (flags & ENTRY_IS_LONG) != 0 ? 4 : 2;
    uint32_t size = get_size(at, width);
    uint64_t ms, sequence, count = node->field_count;
    at = get_varint(at + width, &ms);
    at = get_varint(at, &sequence);
    out->id.ms = node->first.ms + ms;
    out->id.sequence = sequence + (ms == 0 ? node->first.sequence : 0);
    out->names = node->data;
    if ((flags & ENTRY_SHARES_NAMES) == 0) {
        at = get_varint(at, &count);
        out->names = NULL;
    }
    out->elements = at;
    out->field_count = (uint32_t)count;
    *out_is_deleted = (flags & ENTRY_IS_DELETED) != 0;
    return offset + size;
}

uint32_t stream_node_previous(const struct stream_node *node, uint32_t at) {
    uint32_t size = get_size(node->data + at - 2, 2);
    return at - (size == LONG_MARK ? get_size(node->data + at - 6, 4) : size);
}

void stream_node_delete(struct stream_node *node, uint32_t at) {
    struct stream_entry entry;
    bool is_deleted = true;
    node->data[at] |= ENTRY_IS_DELETED;
    node->live--;
    node->deleted++;
    if (at != node->begin)
        return;
    do {
        node->begin = at;
        at = stream_node_read(node, at, &is_deleted, &entry);
    } while (is_deleted);
}
