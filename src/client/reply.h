/* SPDX-License-Identifier: BSD-3-Clause */
/* Replies as valkeyReply objects. A reply that the reader builds lies in one arena:
 *
 *     [arena: live, chunks, ...][node][text][element array][node][text]...  -> further chunks by
 * `next` node = [which arena][valkeyReply]
 *
 * `live` counts the nodes that are not freed yet. Freeing a reply takes off as many as it can reach
 * from there; who took an element out frees it later, perhaps in another thread, and the last one
 * releases the memory. While a reply is being built it is reachable from its reader only, which
 * drops it as a whole. */
#ifndef LARDER_CLIENT_REPLY_H
#define LARDER_CLIENT_REPLY_H

#include "valkey/valkey.h"

#include <stdatomic.h>
#include <stdbool.h>

struct reply_chunk {
    struct reply_chunk *next;
};

struct reply_arena {
    atomic_size_t live;
    struct reply_chunk *chunks; /* all but the first, which the arena itself begins */
    /* If the reply has one level of elements and one chunk: the bytes of that, with the arena, so
     * that elements can be recognised without a look at each; else 0. */
    size_t flat_bytes;
};

struct reply_node {
    struct reply_arena *arena;
    valkeyReply reply;
};

/* An arena being filled. Zero value: none. */
struct reply_builder {
    struct reply_arena *arena;
    char *at, *end;     /* free room in the newest chunk */
    size_t nodes;       /* made in this arena */
    size_t chunk_bytes; /* of the next chunk */
};

/* Begin a reply whose first chunk has room for `room` bytes of text, elements and further nodes.
 * Returns its root with every field but `type` zero; NULL without memory. */
valkeyReply *reply_build_root(struct reply_builder *builder, int type, size_t room);
/* A further node; NULL without memory. */
valkeyReply *reply_build_node(struct reply_builder *builder, int type);
/* Uninitialised memory of the arena, aligned for pointers; NULL when there is none. */
void *reply_build_bytes(struct reply_builder *builder, size_t size);
/* See to it that the newest chunk has `size` bytes left, giving up its rest if need be; false
 * without memory. */
bool reply_build_reserve(struct reply_builder *builder, size_t size);
/* Copy text into the reply. False without memory. For VERB the text begins with "fmt:". */
bool reply_build_text(struct reply_builder *builder, valkeyReply *reply, const char *text,
                      size_t size);
/* The reply is complete: it now is its holder's. Forgets the arena. */
void reply_build_finish(struct reply_builder *builder);
/* Free what was built so far. */
void reply_build_abort(struct reply_builder *builder);

/* The same work as build functions, an arena per object, for tables that mix these with their own.
 * Its address marks readers that build in one arena per reply. */
extern const valkeyReplyObjectFunctions REPLY_FUNCTIONS;

#endif
