/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside the pool: pool.c (shared connections), pool_members.c (its life, taken connections). */
#ifndef LARDER_CLIENT_POOL_H
#define LARDER_CLIENT_POOL_H

#include "client/connection.h"
#include "valkey/pool.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

/* A thread that waits for a reply; on its stack. It belongs to the lane's leader until it was
 * called.
 */
struct waiter {
    struct waiter *next; /* among arrivals the one before it, in the queue the one behind it */
    const char *bytes;   /* of its command */
    size_t size;
    sem_t call; /* it is done, or is to lead */
    bool is_done;
    void *reply;
    valkeyPoolError error;
};

struct lane {
    /* Threads push themselves, the leader takes all at once. LANE_IDLE: nobody leads; who takes
     * that away does. Released by who pushes, acquired by who takes. */
    _Atomic(struct waiter *) arrivals;
    /* The leader's; they pass to the next one with its call, or with LANE_IDLE. */
    struct waiter *first, *last; /* in the order of their commands: sent ones, then unsent ones */
    struct waiter *unsent;       /* the first such; or NULL */
    size_t sent;                 /* commands */
    valkeyContext *c;            /* NULL: not connected */
};

struct valkeyPool {
    /* immutable after create */
    valkeyPoolOptions options; /* its pointers are owned */
    struct timeval connect_timeout, command_timeout;
    struct lane *lanes;
    unsigned lane_count;
    atomic_uint turn; /* of the lanes, relaxed: any order will do */
    pthread_mutex_t lock;
    /* guarded by lock */
    valkeyContext **idle; /* given back; room for lane_count */
    unsigned idle_count;
};

/* pool.c */
void lane_init(struct lane *lane);
/* As valkeyPoolCommand, for bytes of a command that may be shared. `error` is not NULL. */
void *pool_command(valkeyPool *pool, valkeyPoolError *error, const char *bytes, size_t size);

/* pool_members.c */
/* A new connection, logged in; NULL: *error says why. Blocks. */
valkeyContext *pool_connect(const valkeyPool *pool, valkeyPoolError *error);
/* Whether a command can travel with those of others. */
bool pool_may_share(const char *command, size_t size);
void pool_error_set(valkeyPoolError *error, int err, const char *text);

#endif
