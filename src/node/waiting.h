/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands that wait for keys: BLPOP, XREAD BLOCK and their kin. A waiter holds a copy of the
 * command. Whoever changes one of its keys claims it (compare and swap), runs the command under the
 * locks that it holds anyway, first come first served, writes the reply into the waiter and posts
 * it back. A command that needs partitions which are not held (BLMOVE) is run right after these
 * locks are released, with ordered locks, before its claimer goes on; so is whoever comes after it.
 *
 * A waiter belongs to one thread, which creates it (node_execute), gives it up (node_wait_cancel)
 * or gets it back (listener.served), and frees it. */
#ifndef LARDER_NODE_WAITING_H
#define LARDER_NODE_WAITING_H

#include "net/loop.h"
#include "node/interest.h"

enum waiter_state {
    WAITER_WAITING,
    WAITER_CLAIMED,  /* somebody serves it, or finds that there is nothing for it */
    WAITER_UNWANTED, /* the same; in the second case it gets its null */
    WAITER_SERVED,   /* the reply is complete and on its way to the owner */
    WAITER_CANCELLED,
};

struct waiter {
    _Atomic uint32_t state; /* enum waiter_state; whoever moves it from WAITING has it */
    struct node *node;
    const struct command_spec *spec;
    struct slice *argv; /* owned, with their bytes, in one block */
    size_t argc, block_bytes;
    uint32_t database, flags;
    int64_t until_ms;               /* wall clock; 0: for ever */
    bool is_array;                  /* what it replies when the time is over is a null array */
    struct interest_entry *entries; /* one per key; that of BLMOVE's destination is in no table */
    size_t entry_count;
    uint32_t *partitions; /* of the keys, sorted, each once */
    size_t partition_count;
    struct waiter *next_deferred;          /* in node_thread.deferred, of whoever claimed it */
    struct interest_entry *deferred_entry; /* of the key that it is to be served with */
    struct reply reply;                    /* written by whoever serves it */
    struct loop_message message; /* for listener.served, to post it to the owner's thread */
    void *owner;                 /* node_thread.owner of when it was made */
};

/* Give up waiting: timeout, CLIENT UNBLOCK, a closed connection. False: it was claimed, and
 * listener.served will be or was called. Owner thread. */
bool node_wait_cancel(struct waiter *waiter);
/* Free a waiter that was cancelled or served. Owner thread, no lock held. NULL is allowed. */
void node_wait_destroy(struct waiter *waiter);

#endif
