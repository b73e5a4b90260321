/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading strings without RESP: what an embedding program's reads come down to. */
#ifndef LARDER_NODE_LOOKUP_H
#define LARDER_NODE_LOOKUP_H

#include "node/node.h"

/* One string to read. */
struct node_get {
    struct slice key;   /* in: borrowed for the call */
    uint8_t *out;       /* in: `capacity` bytes of the caller's */
    size_t capacity;    /* in */
    size_t size;        /* out: bytes of the value; more than `capacity` means that it was cut */
    bool is_found;      /* out */
    bool is_wrong_type; /* out: the key holds something else than a string */
};

/* Read `count` strings of a database; each is read atomically, together they are not. Memory of
 * up to 16 keys is prefetched together, so many at once cost a fraction of one at a time. Counts
 * hits, misses and uses as GET does. Blocks only for partition locks. The thread's clock is that of
 * its last node_thread_tick. */
void node_get_strings(struct node_thread *thread, uint32_t database, struct node_get *gets,
                      size_t count);

#endif
