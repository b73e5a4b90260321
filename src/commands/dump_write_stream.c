/* SPDX-License-Identifier: BSD-3-Clause */
/* A stream becomes nodes of entries, each node a listpack: a header, elements, an end mark.
 *
 *   node    = entries, deleted entries, count of names, the names, 0, then the entries
 *   entry   = flags, ms and sequence less those of the node's first entry, [count of fields, names
 *             and values | values alone where the names are the node's], count of its elements
 *   element = head | payload | length of these in 7-bit groups, high group first
 *
 * Behind the nodes: counters, then the groups with what is pending and their consumers. */
#include "commands/dump_writer.h"
#include "ds/stream.h"

enum {
    LISTPACK_HEADER_BYTES = 6,
    LISTPACK_COUNT_UNKNOWN = 0xffff,
    LISTPACK_END = 0xff,
    NODE_ENTRIES_MAX = 100, /* fits the one byte that is kept for the count */
    NODE_BYTES_MAX = 4096,
    ENTRY_SHARES_NAMES_FLAG = 2,
};

struct node_writer {
    struct dump_writer *writer;
    size_t begin;    /* of the listpack in the blob */
    size_t elements; /* so far */
};

/* ---- elements ---- */

/* Where the groups grow by one is off by one against what seven bits hold, in Redis and so here. */
static size_t put_back_length(uint8_t *at, size_t length) {
    size_t groups = length <= 127        ? 1
                    : length < 16383     ? 2
                    : length < 2097151   ? 3
                    : length < 268435455 ? 4
                                         : 5;
    for (size_t i = 0; i < groups; i++) {
        uint8_t group = (uint8_t)(length >> 7 * (groups - 1 - i) & 127);
        at[i] = i == 0 ? group : group | 128;
    }
    return groups;
}

static void write_back_length(struct node_writer *node, size_t length) {
    uint8_t bytes[5];
    dump_write_bytes(node->writer, slice_of(bytes, put_back_length(bytes, length)));
    node->elements++;
}

static void write_integer(struct node_writer *node, int64_t value) {
    struct dump_writer *writer = node->writer;
    uint64_t bits = (uint64_t)value;
    size_t size;
    if (value >= 0 && value <= 127) {
        dump_write_byte(writer, (uint8_t)value);
        size = 1;
    } else if (value >= -4096 && value <= 4095) {
        dump_write_byte(writer, (uint8_t)(0xc0 | (bits >> 8 & 0x1f)));
        dump_write_byte(writer, (uint8_t)bits);
        size = 2;
    } else {
        bool is_24_bits = value >= -(1 << 23) && value < 1 << 23;
        unsigned width = value == (int16_t)value   ? 2
                         : is_24_bits              ? 3
                         : value == (int32_t)value ? 4
                                                   : 8;
        dump_write_byte(writer, (uint8_t)(0xf0 | (width == 8 ? 4 : width - 1)));
        dump_write_number(writer, bits, width);
        size = 1 + width;
    }
    write_back_length(node, size);
}

static void write_text(struct node_writer *node, struct slice text) {
    struct dump_writer *writer = node->writer;
    size_t head = text.size < 64 ? 1 : text.size < 4096 ? 2 : 5;
    if (head == 1) {
        dump_write_byte(writer, (uint8_t)(0x80 | text.size));
    } else if (head == 2) {
        dump_write_byte(writer, (uint8_t)(0xe0 | text.size >> 8));
        dump_write_byte(writer, (uint8_t)text.size);
    } else {
        dump_write_byte(writer, 0xf0);
        dump_write_number(writer, text.size, 4);
    }
    dump_write_bytes(writer, text);
    write_back_length(node, head + text.size);
}

static void write_element(struct node_writer *node, const struct packed_element *element) {
    if (element->is_integer)
        write_integer(node, element->integer);
    else
        write_text(node, element->bytes);
}

/* ---- nodes ---- */

static bool element_equal(const struct packed_element *a, const struct packed_element *b) {
    if (a->is_integer != b->is_integer)
        return false;
    return a->is_integer ? a->integer == b->integer : slice_equal(a->bytes, b->bytes);
}

static bool has_same_names(struct stream_entry a, struct stream_entry b) {
    struct packed_element name, other, value;
    if (a.field_count != b.field_count)
        return false;
    for (uint32_t left = a.field_count; left > 0; left--) {
        stream_entry_next(&a, &name, &value);
        stream_entry_next(&b, &other, &value);
        if (!element_equal(&name, &other))
            return false;
    }
    return true;
}

static void begin_node(struct node_writer *node, struct stream_entry first) {
    struct packed_element name, value;
    dump_write_length(node->writer, 16);
    dump_write_id(node->writer, first.id);
    node->begin = dump_write_begin_string(node->writer);
    node->elements = 0;
    (void)dump_write_room(node->writer, LISTPACK_HEADER_BYTES);
    write_integer(node, 0); /* the count of entries: known at the end */
    write_integer(node, 0);
    write_integer(node, first.field_count);
    for (uint32_t left = first.field_count; left > 0; left--) {
        stream_entry_next(&first, &name, &value);
        write_element(node, &name);
    }
    write_integer(node, 0);
}

static void write_entry(struct node_writer *node, const struct stream_entry *first,
                        struct stream_entry entry) {
    struct packed_element name, value;
    bool is_sharing = has_same_names(*first, entry);
    uint32_t count = entry.field_count;
    write_integer(node, is_sharing ? ENTRY_SHARES_NAMES_FLAG : 0);
    write_integer(node, (int64_t)(entry.id.ms - first->id.ms));
    write_integer(node, (int64_t)(entry.id.sequence - first->id.sequence));
    if (!is_sharing)
        write_integer(node, count);
    for (uint32_t left = count; left > 0; left--) {
        stream_entry_next(&entry, &name, &value);
        if (!is_sharing)
            write_element(node, &name);
        write_element(node, &value);
    }
    write_integer(node, is_sharing ? 3 + (int64_t)count : 4 + 2 * (int64_t)count);
}

static void end_node(struct node_writer *node, unsigned entries) {
    dump_write_byte(node->writer, LISTPACK_END);
    struct blob *blob = node->writer->blob;
    if (blob == NULL)
        return;
    uint8_t *header = blob->data + node->begin;
    size_t size = blob->size - node->begin;
    size_t count =
        node->elements < LISTPACK_COUNT_UNKNOWN ? node->elements : LISTPACK_COUNT_UNKNOWN;
    for (unsigned i = 0; i < 4; i++)
        header[i] = (uint8_t)(size >> 8 * i);
    header[4] = (uint8_t)count;
    header[5] = (uint8_t)(count >> 8);
    header[LISTPACK_HEADER_BYTES] = (uint8_t)entries;
    dump_write_end_string(node->writer, node->begin);
}

static bool is_full(const struct node_writer *node, unsigned entries) {
    const struct blob *blob = node->writer->blob;
    return entries >= NODE_ENTRIES_MAX ||
           (blob != NULL && blob->size - node->begin >= NODE_BYTES_MAX);
}

/* A node is full as in a stream with the usual limits. */
static void write_nodes(struct dump_writer *writer, const struct object *stream,
                        uint64_t *out_count) {
    struct node_writer node = {.writer = writer};
    struct stream_cursor cursor;
    struct stream_entry entry, first = {0};
    unsigned entries = 0;
    *out_count = 0;
    stream_cursor_init(&cursor, stream, STREAM_ID_MIN, STREAM_ID_MAX, false);
    while (stream_cursor_next(&cursor, &entry)) {
        if (entries > 0 && is_full(&node, entries)) {
            end_node(&node, entries);
            entries = 0;
        }
        if (entries++ == 0) {
            first = entry;
            begin_node(&node, first);
            ++*out_count;
        }
        write_entry(&node, &first, entry);
    }
    if (entries > 0)
        end_node(&node, entries);
}

/* ---- groups ---- */

static void write_id_lengths(struct dump_writer *writer, struct stream_id id) {
    dump_write_length(writer, id.ms);
    dump_write_length(writer, id.sequence);
}

static void write_consumer(struct dump_writer *writer, const struct stream_consumer *consumer,
                           bool is_exact) {
    struct stream_consumer_state state = stream_consumer_get_state(consumer);
    struct stream_pending_cursor cursor;
    struct stream_pending *pending;
    struct stream_id id;
    dump_write_string(writer, state.name);
    dump_write_number(writer, (uint64_t)state.seen_ms, 8);
    if (is_exact)
        dump_write_number(writer, (uint64_t)state.active_ms, 8);
    dump_write_length(writer, state.pending_count);
    stream_pending_seek(&cursor, NULL, consumer, STREAM_ID_MIN);
    while (stream_pending_next(&cursor, &id, &pending))
        dump_write_id(writer, id);
}

static void write_group(struct dump_writer *writer, const struct stream_group *group,
                        bool is_exact) {
    struct stream_group_state state = stream_group_get_state(group);
    struct stream_pending_cursor cursor;
    struct stream_pending *pending;
    struct stream_id id;
    dump_write_string(writer, state.name);
    write_id_lengths(writer, state.last_id);
    dump_write_length(writer, (uint64_t)state.entries_read);
    dump_write_length(writer, state.pending_count);
    stream_pending_seek(&cursor, group, NULL, STREAM_ID_MIN);
    while (stream_pending_next(&cursor, &id, &pending)) {
        dump_write_id(writer, id);
        dump_write_number(writer, (uint64_t)pending->time_ms, 8);
        dump_write_length(writer, pending->count);
    }
    dump_write_length(writer, state.consumer_count);
    for (size_t i = 0; i < state.consumer_count; i++)
        write_consumer(writer, stream_consumer_at(group, i), is_exact);
}

void dump_write_stream(struct dump_writer *writer, const struct object *stream, bool is_exact) {
    struct stream_state state = stream_get_state(stream);
    uint64_t node_count;
    dump_write_byte(writer, 0x81); /* the count of nodes comes later */
    uint8_t *room = dump_write_room(writer, 8);
    if (room == NULL)
        return;
    size_t at = writer->blob->size;
    write_nodes(writer, stream, &node_count);
    if (writer->blob == NULL)
        return;
    for (unsigned i = 0; i < 8; i++)
        writer->blob->data[at - 1 - i] = (uint8_t)(node_count >> 8 * i);
    dump_write_length(writer, state.length);
    write_id_lengths(writer, state.last_id);
    write_id_lengths(writer, state.first_id);
    write_id_lengths(writer, state.max_deleted_id);
    dump_write_length(writer, state.entries_added);
    dump_write_length(writer, state.group_count);
    for (size_t i = 0; i < state.group_count; i++)
        write_group(writer, stream_group_at(stream, i), is_exact);
}
