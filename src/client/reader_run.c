/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs of bulk strings, which is what large replies are made of: LRANGE, MGET, KEYS. Those elements
 * of an aggregate that are complete in the buffer become nodes of the arena in one loop, without a
 * level's bookkeeping for each. Whatever is not plain, complete and correct is left to the general
 * parser, which also reports errors. */
#include "client/reader.h"

#include <string.h>

enum { LENGTH_DIGITS_MAX = 4, TEXT_MAX = 4096, ALIGNMENT = 8 };

/* Short strings have one or two digits of length and are copied by moves of fixed size, where both
 * sides have room for that. */
enum {
    SHORT_BYTES = 32,
    SHORT_WIRE_MAX = sizeof "$31\r\n" - 1 + SHORT_BYTES + 2,
    SHORT_NODE_MAX = sizeof(struct reply_node) + SHORT_BYTES,
};

struct bulk {
    const char *text;
    size_t size;
};

static inline bool ends_line(const char *at) {
    return memcmp(at, "\r\n", 2) == 0;
}

/* A complete bulk string at `at`; false: it is something else, too long, or not all there. */
static inline bool read_bulk(const char *at, const char *end, struct bulk *out) {
    if (end - at <= LENGTH_DIGITS_MAX + 1 || *at != '$')
        return false;
    const char *digits = ++at;
    size_t size = 0;
    for (unsigned digit; at - digits < LENGTH_DIGITS_MAX && (digit = (unsigned)(*at - '0')) < 10;
         at++)
        size = size * 10 + digit;
    if (at == digits || size > TEXT_MAX || (size_t)(end - at) < size + 4 || !ends_line(at))
        return false;
    *out = (struct bulk){.text = at + 2, .size = size};
    return ends_line(at + 2 + size);
}

/* The same for a short one, if SHORT_WIRE_MAX bytes can be read. */
static inline bool read_short(const char *at, struct bulk *out) {
    unsigned first = (unsigned)(at[1] - '0'), second = (unsigned)(at[2] - '0');
    if (*at != '$' || first > 9)
        return false;
    bool has_second = second <= 9;
    size_t size = has_second ? first * 10 + second : first;
    at += has_second ? 3 : 2;
    *out = (struct bulk){.text = at + 2, .size = size};
    return size < SHORT_BYTES && ends_line(at) && ends_line(at + 2 + size);
}

/* A node at `room`, its text to be copied behind it; returns where. */
static inline char *place(struct reply_arena *arena, char *room, size_t size) {
    struct reply_node *node = (struct reply_node *)(void *)room;
    char *text = (char *)(node + 1);
    *node = (struct reply_node){.arena = arena,
                                .reply = {.type = VALKEY_REPLY_STRING, .len = size, .str = text}};
    return text;
}

static inline size_t round_up(size_t size) {
    return (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

static inline size_t node_bytes(size_t text_size) {
    return sizeof(struct reply_node) + round_up(text_size + 1);
}

/* Build up to `most` nodes from the strings at *position, as far as there is room in the newest
 * chunk. Returns how many. */
static size_t fill(struct reply_builder *builder, valkeyReply **elements, size_t most,
                   const char **position, const char *end) {
    const char *at = *position;
    char *room = builder->at, *room_end = builder->end, *text;
    struct reply_arena *arena = builder->arena;
    struct bulk bulk;
    size_t made = 0;
    for (; made < most; made++) {
        elements[made] = &((struct reply_node *)(void *)room)->reply;
        if (end - at >= SHORT_WIRE_MAX && room_end - room >= SHORT_NODE_MAX &&
            read_short(at, &bulk)) {
            text = place(arena, room, bulk.size);
            memcpy(text, bulk.text, SHORT_BYTES);
        } else if (read_bulk(at, end, &bulk) &&
                   node_bytes(bulk.size) <= (size_t)(room_end - room)) {
            text = place(arena, room, bulk.size);
            memcpy(text, bulk.text, bulk.size);
        } else {
            break;
        }
        text[bulk.size] = '\0';
        room = text + round_up(bulk.size + 1);
        at = bulk.text + bulk.size + 2;
    }
    *position = at;
    builder->at = room;
    builder->nodes += made;
    return made;
}

enum run_result reader_run(struct reader *reader) {
    valkeyReader *base = &reader->base;
    valkeyReadTask *task = base->task[base->ridx];
    struct reader_level *parent = level_of(task->parent);
    valkeyReply *container = parent->task.obj;
    const char *at = base->buf + base->pos, *end = base->buf + base->len;
    size_t left = (size_t)(parent->task.elements - task->idx);
    struct bulk bulk;
    enum run_result result = RUN_NONE;
    while (read_bulk(at, end, &bulk)) {
        if ((container->elements == parent->capacity && !reader_grow_elements(reader, parent)) ||
            !reply_build_reserve(&reader->builder, node_bytes(bulk.size)))
            return RUN_NO_MEMORY;
        size_t most = parent->capacity - container->elements;
        size_t made = fill(&reader->builder, container->element + container->elements,
                           most < left ? most : left, &at, end);
        container->elements += made;
        base->pos = (size_t)(at - base->buf);
        left -= made;
        task->idx += (int)(left == 0 ? made - 1 : made);
        if (left == 0)
            return RUN_COMPLETE;
        result = RUN_SOME;
    }
    return result;
}
