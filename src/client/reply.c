/* SPDX-License-Identifier: BSD-3-Clause */
/* Reply arenas: bump allocation in chunks that double up to CHUNK_MAX. */
#include "client/reply.h"

#include <stdint.h>
#include <string.h>

enum { CHUNK_MIN = 512, CHUNK_MAX = 64 * 1024, ALIGNMENT = 8 };

static size_t round_up(size_t size) {
    return (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

static valkeyReply *node_begin(struct reply_builder *builder, void *memory, int type) {
    struct reply_node *node = memory;
    *node = (struct reply_node){.arena = builder->arena, .reply = {.type = type}};
    builder->nodes++;
    return &node->reply;
}

valkeyReply *reply_build_root(struct reply_builder *builder, int type, size_t room) {
    size_t fixed = sizeof(struct reply_arena) + sizeof(struct reply_node);
    if (room > SIZE_MAX / 2)
        return NULL;
    room = round_up(room);
    struct reply_arena *arena = vk_malloc(fixed + room);
    if (arena == NULL)
        return NULL;
    *arena = (struct reply_arena){.flat_bytes = fixed + room};
    char *memory = (char *)(arena + 1);
    *builder = (struct reply_builder){.arena = arena,
                                      .at = memory + sizeof(struct reply_node),
                                      .end = memory + sizeof(struct reply_node) + room,
                                      .chunk_bytes = CHUNK_MIN};
    return node_begin(builder, memory, type);
}

/* A further chunk, of at least `size` bytes; *out_room: how many it has. */
static char *chunk_add(struct reply_builder *builder, size_t size, size_t *out_room) {
    size_t room = size > builder->chunk_bytes ? size : builder->chunk_bytes;
    struct reply_chunk *chunk = vk_malloc(sizeof *chunk + room);
    if (chunk == NULL)
        return NULL;
    chunk->next = builder->arena->chunks;
    builder->arena->chunks = chunk;
    if (builder->chunk_bytes < CHUNK_MAX)
        builder->chunk_bytes *= 2;
    *out_room = room;
    return (char *)(chunk + 1);
}

static void *bytes_from_new_chunk(struct reply_builder *builder, size_t size) {
    size_t room;
    char *memory = chunk_add(builder, size, &room);
    if (memory == NULL)
        return NULL;
    if (room - size > (size_t)(builder->end - builder->at)) {
        builder->at = memory + size;
        builder->end = memory + room;
    }
    return memory;
}

bool reply_build_reserve(struct reply_builder *builder, size_t size) {
    if (size <= (size_t)(builder->end - builder->at))
        return true;
    size_t room;
    char *memory = chunk_add(builder, round_up(size), &room);
    if (memory == NULL)
        return false;
    builder->at = memory;
    builder->end = memory + room;
    return true;
}

void *reply_build_bytes(struct reply_builder *builder, size_t size) {
    if (size > SIZE_MAX / 2)
        return NULL;
    size = round_up(size);
    if (size > (size_t)(builder->end - builder->at))
        return bytes_from_new_chunk(builder, size);
    void *memory = builder->at;
    builder->at += size;
    return memory;
}

valkeyReply *reply_build_node(struct reply_builder *builder, int type) {
    void *memory = reply_build_bytes(builder, sizeof(struct reply_node));
    return memory == NULL ? NULL : node_begin(builder, memory, type);
}

bool reply_build_text(struct reply_builder *builder, valkeyReply *reply, const char *text,
                      size_t size) {
    if (reply->type == VALKEY_REPLY_VERB) {
        memcpy(reply->vtype, text, 3);
        reply->vtype[3] = '\0';
        text += 4;
        size -= 4;
    }
    char *copy = size == SIZE_MAX ? NULL : reply_build_bytes(builder, size + 1);
    if (copy == NULL)
        return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    reply->str = copy;
    reply->len = size;
    return true;
}

static const struct reply_node *root_of(const struct reply_arena *arena) {
    return (const struct reply_node *)(const void *)(arena + 1);
}

void reply_build_finish(struct reply_builder *builder) {
    struct reply_arena *arena = builder->arena;
    if (arena->chunks != NULL || builder->nodes != root_of(arena)->reply.elements + 1)
        arena->flat_bytes = 0;
    /* Whoever hands the reply to another thread orders this store before that thread's release. */
    atomic_store_explicit(&arena->live, builder->nodes, memory_order_relaxed);
    *builder = (struct reply_builder){0};
}

static void arena_destroy(struct reply_arena *arena) {
    for (struct reply_chunk *chunk = arena->chunks; chunk != NULL;) {
        struct reply_chunk *next = chunk->next;
        vk_free(chunk);
        chunk = next;
    }
    vk_free(arena);
}

void reply_build_abort(struct reply_builder *builder) {
    if (builder->arena != NULL)
        arena_destroy(builder->arena);
    *builder = (struct reply_builder){0};
}

/* Count the nodes of `arena` reachable from `reply`; what hangs below it from other arenas is
 * freed. Recursion is bounded by the nesting that readers allow. */
static size_t release_below(const valkeyReply *reply, const struct reply_arena *arena) {
    size_t count = 1;
    for (size_t i = 0; i < reply->elements; i++) {
        valkeyReply *element = reply->element[i];
        if (element == NULL)
            continue;
        const char *at = (const char *)element - offsetof(struct reply_node, reply);
        if (((const struct reply_node *)(const void *)at)->arena != arena)
            freeReplyObject(element);
        else if (element->elements == 0)
            count++;
        else
            count += release_below(element, arena);
    }
    return count;
}

/* The same for the root of a flat reply. */
static size_t release_flat(const valkeyReply *root, const struct reply_arena *arena) {
    size_t count = 0;
    for (size_t i = 0; i < root->elements; i++)
        count += (uintptr_t)root->element[i] - (uintptr_t)arena < arena->flat_bytes;
    if (count == root->elements)
        return count + 1;
    return release_below(root, arena);
}

void freeReplyObject(void *reply) {
    if (reply == NULL)
        return;
    void *at = (char *)reply - offsetof(struct reply_node, reply);
    struct reply_arena *arena = ((struct reply_node *)at)->arena;
    size_t count = arena->flat_bytes > 0 && at == root_of(arena) ? release_flat(reply, arena)
                                                                 : release_below(reply, arena);
    /* Pairs with itself: the last release sees what every other holder did to the memory. */
    if (atomic_fetch_sub_explicit(&arena->live, count, memory_order_acq_rel) == count)
        arena_destroy(arena);
}

/* Object `reply`, alone in its arena, is complete: put it into its parent. */
static void *attach(struct reply_builder *builder, const valkeyReadTask *task, valkeyReply *reply) {
    reply_build_finish(builder);
    if (task->parent != NULL) {
        valkeyReply *parent = task->parent->obj;
        parent->element[task->idx] = reply;
    }
    return reply;
}

static void *create_string(const valkeyReadTask *task, char *text, size_t size) {
    struct reply_builder builder;
    valkeyReply *reply = size == SIZE_MAX ? NULL : reply_build_root(&builder, task->type, size + 1);
    if (reply == NULL)
        return NULL;
    if (!reply_build_text(&builder, reply, text, size)) {
        reply_build_abort(&builder);
        return NULL;
    }
    return attach(&builder, task, reply);
}

static void *create_array(const valkeyReadTask *task, size_t elements) {
    struct reply_builder builder;
    if (elements > SIZE_MAX / 2 / sizeof(valkeyReply *))
        return NULL;
    size_t size = elements * sizeof(valkeyReply *);
    valkeyReply *reply = reply_build_root(&builder, task->type, size);
    if (reply == NULL)
        return NULL;
    if (elements > 0) {
        reply->element = reply_build_bytes(&builder, size);
        memset(reply->element, 0, size);
        reply->elements = elements;
    }
    return attach(&builder, task, reply);
}

static void *create_integer(const valkeyReadTask *task, long long value) {
    struct reply_builder builder;
    valkeyReply *reply = reply_build_root(&builder, VALKEY_REPLY_INTEGER, 0);
    if (reply == NULL)
        return NULL;
    reply->integer = value;
    return attach(&builder, task, reply);
}

static void *create_double(const valkeyReadTask *task, double value, char *text, size_t size) {
    valkeyReply *reply = create_string(task, text, size);
    if (reply != NULL) {
        reply->type = VALKEY_REPLY_DOUBLE;
        reply->dval = value;
    }
    return reply;
}

static void *create_nil(const valkeyReadTask *task) {
    struct reply_builder builder;
    valkeyReply *reply = reply_build_root(&builder, VALKEY_REPLY_NIL, 0);
    return reply == NULL ? NULL : attach(&builder, task, reply);
}

static void *create_bool(const valkeyReadTask *task, int value) {
    struct reply_builder builder;
    valkeyReply *reply = reply_build_root(&builder, VALKEY_REPLY_BOOL, 0);
    if (reply == NULL)
        return NULL;
    reply->integer = value != 0;
    return attach(&builder, task, reply);
}

const valkeyReplyObjectFunctions REPLY_FUNCTIONS = {
    .createString = create_string,
    .createArray = create_array,
    .createInteger = create_integer,
    .createDouble = create_double,
    .createNil = create_nil,
    .createBool = create_bool,
    .freeObject = freeReplyObject,
};
