/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs of bulk strings, which is what large replies are made of: LRANGE, MGET, KEYS. Those elements
 * of an aggregate that are complete in the buffer become nodes of the arena in one loop, without a
 * level's bookkeeping for each. Whatever is not plain, complete and correct is left to the general
 * parser, which also reports errors. */
#include "client/reader.h"

#include <string.h>

enum { LENGTH_DIGITS_MAX = 7, ALIGNMENT = 8 };

struct bulk {
    const char *text;
    size_t size;
};

/* A complete bulk string at `at`; false: it is something else, or not all there. */
static inline bool read_bulk(const char *at, const char *end, struct bulk *out) {
    if (at >= end || *at != '$')
        return false;
    const char *digits = ++at;
    size_t size = 0;
    for (unsigned digit; at < end && (digit = (unsigned)(*at - '0')) < 10; at++)
        size = size * 10 + digit;
    if (at == digits || at - digits > LENGTH_DIGITS_MAX || end - at < 4 || at[0] != '\r' ||
        at[1] != '\n')
        return false;
    at += 2;
    if ((size_t)(end - at) < size + 2 || at[size] != '\r' || at[size + 1] != '\n')
        return false;
    *out = (struct bulk){.text = at, .size = size};
    return true;
}

/* A node with its text behind it; NULL without memory. */
static inline valkeyReply *build(struct reply_builder *builder, struct bulk bulk) {
    size_t size = (sizeof(struct reply_node) + bulk.size + ALIGNMENT) & ~(size_t)(ALIGNMENT - 1);
    struct reply_node *node = (struct reply_node *)(void *)builder->at;
    if (size <= (size_t)(builder->end - builder->at))
        builder->at += size;
    else if ((node = reply_build_bytes(builder, size)) == NULL)
        return NULL;
    char *text = (char *)(node + 1);
    *node =
        (struct reply_node){.arena = builder->arena,
                            .reply = {.type = VALKEY_REPLY_STRING, .len = bulk.size, .str = text}};
    memcpy(text, bulk.text, bulk.size);
    text[bulk.size] = '\0';
    builder->nodes++;
    return &node->reply;
}

enum run_result reader_run(struct reader *reader) {
    valkeyReader *base = &reader->base;
    valkeyReadTask *task = base->task[base->ridx];
    struct reader_level *parent = level_of(task->parent);
    valkeyReply *container = parent->task.obj;
    const char *end = base->buf + base->len;
    struct bulk bulk;
    enum run_result result = RUN_NONE;
    while (read_bulk(base->buf + base->pos, end, &bulk)) {
        if (container->elements == parent->capacity && !reader_grow_elements(reader, parent))
            return RUN_NO_MEMORY;
        valkeyReply *node = build(&reader->builder, bulk);
        if (node == NULL)
            return RUN_NO_MEMORY;
        container->element[container->elements++] = node;
        base->pos = (size_t)(bulk.text - base->buf) + bulk.size + 2;
        if (task->idx + 1 == parent->task.elements)
            return RUN_COMPLETE;
        task->idx++;
        result = RUN_SOME;
    }
    return result;
}
