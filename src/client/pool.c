/* SPDX-License-Identifier: BSD-3-Clause */
/* Automatic pipelining by leading and following. A lane is a shared connection. A thread adds
 * itself with its command to the arrivals; if nobody leads the lane, it does: takes all arrivals,
 * sends their commands, reads until there are answers, hands them to the first of the queue, and
 * goes on until its own has come. Then it calls the next one, who leads. There is no lock: arrivals
 * are one atomic word, everything else is the leader's. */
#include "client/pool.h"

#include <stdint.h>
#include <string.h>

enum { BATCH = 64 };

/* Marks a lane without leader. */
#define LANE_IDLE ((struct waiter *)(uintptr_t)1)

void lane_init(struct lane *lane) {
    atomic_init(&lane->arrivals, LANE_IDLE);
}

static void finish(struct waiter *waiter, void *reply, const valkeyPoolError *error) {
    waiter->reply = reply;
    if (error != NULL)
        waiter->error = *error;
    waiter->is_done = true;
    (void)sem_post(&waiter->call); /* it may be gone from here on */
}

static struct waiter *pop(struct lane *lane) {
    struct waiter *first = lane->first;
    lane->first = first->next;
    if (lane->first == NULL)
        lane->last = NULL;
    return first;
}

/* Put all arrivals, the newest of which is `newest`, behind the queue. */
static void enqueue(struct lane *lane, struct waiter *newest) {
    struct waiter *oldest = NULL, *last = newest;
    while (newest != NULL) {
        struct waiter *before = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = before;
    }
    if (oldest == NULL)
        return;
    if (lane->last == NULL)
        lane->first = oldest;
    else
        lane->last->next = oldest;
    lane->last = last;
    if (lane->unsent == NULL)
        lane->unsent = oldest;
}

static void take_arrivals(struct lane *lane) {
    if (atomic_load_explicit(&lane->arrivals, memory_order_relaxed) != NULL)
        enqueue(lane, atomic_exchange_explicit(&lane->arrivals, NULL, memory_order_acquire));
}

/* Fail all that wait, and with them the connection. */
static void fail_all(struct lane *lane, int err, const char *text) {
    valkeyPoolError error;
    pool_error_set(&error, err, text);
    valkeyFree(lane->c);
    lane->c = NULL;
    lane->sent = 0;
    lane->unsent = NULL;
    while (lane->first != NULL)
        finish(pop(lane), NULL, &error);
}

/* Give what is unsent to the connection; false without memory. */
static bool hand_over(struct lane *lane) {
    for (; lane->unsent != NULL; lane->unsent = lane->unsent->next) {
        char *room = output_reserve(lane->c, lane->unsent->size);
        if (room == NULL)
            return false;
        memcpy(room, lane->unsent->bytes, lane->unsent->size);
        output_commit(lane->c, lane->unsent->size);
        lane->sent++;
    }
    return true;
}

/* Wait for an answer and take all others that have come with it. */
static size_t take_answers(valkeyContext *c, void **replies, size_t limit) {
    size_t count = 0;
    if (valkeyGetReply(c, &replies[0]) != VALKEY_OK)
        return 0;
    while (replies[count] != NULL && ++count < limit) {
        replies[count] = NULL;
        if (connection_next_answer(c, &replies[count]) != VALKEY_OK)
            break;
    }
    return count;
}

/* Send what there is and bring answers. */
static void work(const valkeyPool *pool, struct lane *lane) {
    valkeyPoolError error = {0};
    void *replies[BATCH];
    take_arrivals(lane);
    if (lane->c == NULL && (lane->c = pool_connect(pool, &error)) == NULL) {
        fail_all(lane, error.err, error.errstr);
        return;
    }
    if (!hand_over(lane)) {
        fail_all(lane, VALKEY_ERR_OOM, "Out of memory");
        return;
    }
    size_t count = take_answers(lane->c, replies, lane->sent < BATCH ? lane->sent : BATCH);
    lane->sent -= count;
    for (size_t i = 0; i < count; i++)
        finish(pop(lane), replies[i], NULL);
    if (lane->c->err != 0) {
        pool_error_set(&error, lane->c->err, lane->c->errstr);
        fail_all(lane, error.err, error.errstr);
    }
}

/* Let another thread lead, or nobody if there is nothing to do. */
static void resign(struct lane *lane) {
    struct waiter *none = NULL;
    if (lane->first == NULL &&
        atomic_compare_exchange_strong_explicit(&lane->arrivals, &none, LANE_IDLE,
                                                memory_order_release, memory_order_relaxed))
        return;
    if (lane->first == NULL)
        take_arrivals(lane);
    (void)sem_post(&lane->first->call);
}

/* Add oneself to the arrivals. True: nobody leads, so this thread does. */
static bool arrive(struct lane *lane, struct waiter *self) {
    struct waiter *before = atomic_load_explicit(&lane->arrivals, memory_order_relaxed);
    do
        self->next = before == LANE_IDLE ? NULL : before;
    while (!atomic_compare_exchange_weak_explicit(&lane->arrivals, &before, self,
                                                  memory_order_acq_rel, memory_order_relaxed));
    return before == LANE_IDLE;
}

static void wait_for_call(struct waiter *self) {
    while (sem_wait(&self->call) != 0) {
        /* interrupted by a signal */
    }
}

void *pool_command(valkeyPool *pool, valkeyPoolError *error, const char *bytes, size_t size) {
    unsigned turn = atomic_fetch_add_explicit(&pool->turn, 1, memory_order_relaxed);
    struct lane *lane = &pool->lanes[turn % pool->lane_count];
    struct waiter self = {.bytes = bytes, .size = size};
    (void)sem_init(&self.call, 0, 0);
    if (!arrive(lane, &self))
        wait_for_call(&self);
    /* Not answered: nobody leads, or this thread was called to. */
    if (!self.is_done) {
        while (!self.is_done)
            work(pool, lane);
        resign(lane);
    }
    (void)sem_destroy(&self.call);
    *error = self.error;
    return self.reply;
}

/* Takes `bytes`, whatever becomes of it. */
static void *command(valkeyPool *pool, valkeyPoolError *error, char *bytes, long long size) {
    valkeyPoolError unused;
    void *reply = NULL;
    if (error == NULL)
        error = &unused;
    *error = (valkeyPoolError){0};
    if (size == -1)
        pool_error_set(error, VALKEY_ERR_OOM, "Out of memory");
    else if (size < 0)
        pool_error_set(error, VALKEY_ERR_OTHER, "Invalid format string");
    else if (!pool_may_share(bytes, (size_t)size))
        pool_error_set(error, VALKEY_ERR_OTHER, "This command needs a connection of its own");
    else
        reply = pool_command(pool, error, bytes, (size_t)size);
    valkeyFreeCommand(bytes);
    return reply;
}

void *valkeyPoolvCommand(valkeyPool *pool, valkeyPoolError *error, const char *format, va_list ap) {
    char *bytes = NULL;
    int size = valkeyvFormatCommand(&bytes, format, ap);
    return command(pool, error, bytes, size);
}

void *valkeyPoolCommand(valkeyPool *pool, valkeyPoolError *error, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    void *reply = valkeyPoolvCommand(pool, error, format, ap);
    va_end(ap);
    return reply;
}

void *valkeyPoolCommandArgv(valkeyPool *pool, valkeyPoolError *error, int argc, const char **argv,
                            const size_t *argvlen) {
    char *bytes = NULL;
    long long size = valkeyFormatCommandArgv(&bytes, argc, argv, argvlen);
    return command(pool, error, bytes, size);
}
