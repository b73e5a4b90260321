/* SPDX-License-Identifier: BSD-3-Clause */
/* From parsed items to objects. Three kinds of readers: without build functions, with a program's
 * own, and the usual one, which builds a whole reply in one arena. In an arena the element array of
 * an aggregate starts as large as the bytes at hand can fill and grows with what arrives, so that
 * an announced count alone never takes memory. */
#include "client/reader.h"

#include <string.h>

enum { ELEMENTS_MIN = 16, ELEMENT_BYTES_MIN = 3, TEXT_GUESS = 32, ROUNDING = 8, TAIL = 64 };

static void *const PLACEHOLDER = (void *)(uintptr_t)1;

static valkeyReadTask *current(struct reader *reader) {
    return reader->base.task[reader->base.ridx];
}

static bool builds_nothing(const struct reader *reader) {
    return reader->base.fn == NULL || reader->skip_level > 0;
}

/* The object exists: remember it, and the root as the reply. */
static bool built(struct reader *reader, void *object) {
    if (object == NULL)
        return false;
    current(reader)->obj = object;
    if (reader->base.ridx == 0)
        reader->base.reply = object;
    return true;
}

/* Elements that the bytes at hand could hold at most. */
static size_t plausible_elements(const struct reader *reader, size_t elements) {
    size_t most = (reader->base.len - reader->base.pos) / ELEMENT_BYTES_MIN;
    if (most < ELEMENTS_MIN)
        most = ELEMENTS_MIN;
    return elements < most ? elements : most;
}

/* Bytes of an arena that so many elements may well take: their texts are not longer than the bytes
 * at hand. */
static size_t room_guess(const struct reader *reader, size_t elements) {
    size_t texts = elements * TEXT_GUESS, at_hand = reader->base.len - reader->base.pos;
    size_t per_element = sizeof(valkeyReply *) + sizeof(struct reply_node) + ROUNDING;
    return elements * per_element + (texts < at_hand ? texts : at_hand) + TAIL;
}

bool reader_grow_elements(struct reader *reader, struct reader_level *parent) {
    valkeyReply *reply = parent->task.obj;
    size_t wanted = parent->capacity * 2;
    if (wanted > (size_t)parent->task.elements)
        wanted = (size_t)parent->task.elements;
    valkeyReply **grown = reply_build_bytes(&reader->builder, wanted * sizeof(valkeyReply *));
    if (grown == NULL)
        return false;
    memcpy(grown, reply->element, reply->elements * sizeof(valkeyReply *));
    reply->element = grown;
    parent->capacity = wanted;
    return true;
}

/* A node of the current level's type, in its parent's element array. */
static valkeyReply *arena_node(struct reader *reader, size_t room) {
    valkeyReadTask *task = current(reader);
    if (task->parent == NULL)
        return reply_build_root(&reader->builder, task->type, room);
    valkeyReply *node = reply_build_node(&reader->builder, task->type);
    struct reader_level *parent = level_of(task->parent);
    valkeyReply *container = parent->task.obj;
    if (node == NULL ||
        (container->elements == parent->capacity && !reader_grow_elements(reader, parent)))
        return NULL;
    container->element[container->elements++] = node;
    return node;
}

bool reader_build_text(struct reader *reader, const char *text, size_t size) {
    if (builds_nothing(reader))
        return built(reader, PLACEHOLDER);
    if (!reader->uses_arena)
        return built(reader,
                     reader->base.fn->createString(current(reader), (char *)(uintptr_t)text, size));
    valkeyReply *node = arena_node(reader, size + 1);
    return built(reader, node) && reply_build_text(&reader->builder, node, text, size);
}

bool reader_build_integer(struct reader *reader, long long value) {
    if (builds_nothing(reader))
        return built(reader, PLACEHOLDER);
    if (!reader->uses_arena)
        return built(reader, reader->base.fn->createInteger(current(reader), value));
    valkeyReply *node = arena_node(reader, 0);
    if (node != NULL)
        node->integer = value;
    return built(reader, node);
}

bool reader_build_double(struct reader *reader, double value, const char *text, size_t size) {
    if (builds_nothing(reader))
        return built(reader, PLACEHOLDER);
    if (!reader->uses_arena)
        return built(reader, reader->base.fn->createDouble(current(reader), value,
                                                           (char *)(uintptr_t)text, size));
    if (!reader_build_text(reader, text, size))
        return false;
    ((valkeyReply *)current(reader)->obj)->dval = value;
    return true;
}

bool reader_build_nil(struct reader *reader) {
    current(reader)->type = VALKEY_REPLY_NIL;
    if (builds_nothing(reader))
        return built(reader, PLACEHOLDER);
    if (!reader->uses_arena)
        return built(reader, reader->base.fn->createNil(current(reader)));
    return built(reader, arena_node(reader, 0));
}

bool reader_build_boolean(struct reader *reader, bool value) {
    if (builds_nothing(reader))
        return built(reader, PLACEHOLDER);
    if (!reader->uses_arena)
        return built(reader, reader->base.fn->createBool(current(reader), value));
    valkeyReply *node = arena_node(reader, 0);
    if (node != NULL)
        node->integer = value;
    return built(reader, node);
}

bool reader_build_aggregate(struct reader *reader, size_t elements) {
    if (builds_nothing(reader))
        return built(reader, PLACEHOLDER);
    if (!reader->uses_arena)
        return built(reader, reader->base.fn->createArray(current(reader), elements));
    size_t capacity = plausible_elements(reader, elements);
    valkeyReply *node = arena_node(reader, elements == 0 ? 0 : room_guess(reader, capacity));
    if (!built(reader, node) || elements == 0)
        return node != NULL;
    node->element = reply_build_bytes(&reader->builder, capacity * sizeof(valkeyReply *));
    level_of(current(reader))->capacity = capacity;
    return node->element != NULL;
}
