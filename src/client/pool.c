/* SPDX-License-Identifier: BSD-3-Clause */
/* Automatic pipelining by leading and following. A lane is a shared connection with a lock. A
 * thread adds its command to what is unsent and itself to the queue; if nobody leads the lane, it
 * does: sends everything, reads until there are answers, hands them to the first of the queue, and
 * goes on until its own has come. Then it calls the next one, who leads. The leader uses the
 * connection without the lock, so others can queue meanwhile; what they add goes with the leader's
 * next round. */
#include "client/pool.h"

#include <string.h>

enum { BATCH = 64 };

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

/* Add the command to what is unsent. Lock held. */
static bool stage(struct lane *lane, const char *bytes, size_t size) {
    if (lane->capacity - lane->used < size) {
        size_t capacity = (lane->used + size) * 2;
        char *grown = vk_realloc(lane->unsent, capacity);
        if (grown == NULL)
            return false;
        lane->unsent = grown;
        lane->capacity = capacity;
    }
    memcpy(lane->unsent + lane->used, bytes, size);
    lane->used += size;
    return true;
}

/* Fail the first `count` of the queue. Lock held. */
static void fail_first(struct lane *lane, size_t count, const valkeyPoolError *error) {
    for (; count > 0; count--)
        finish(pop(lane), NULL, error);
}

/* Give what is unsent to the connection. Lock held; false without memory. */
static bool hand_over(struct lane *lane) {
    char *room = lane->used == 0 ? NULL : output_reserve(lane->c, lane->used);
    if (room == NULL && lane->used > 0)
        return false;
    if (room != NULL) {
        memcpy(room, lane->unsent, lane->used);
        output_commit(lane->c, lane->used);
    }
    lane->used = 0;
    lane->sent += lane->unsent_count;
    lane->unsent_count = 0;
    return true;
}

/* Wait for an answer and take all others that have come with it. Without lock. */
static int take_answers(valkeyContext *c, void **replies, size_t limit) {
    size_t count = 0;
    if (valkeyGetReply(c, &replies[0]) != VALKEY_OK)
        return VALKEY_ERR;
    while (replies[count] != NULL && ++count < limit) {
        replies[count] = NULL;
        if (connection_next_answer(c, &replies[count]) != VALKEY_OK)
            break;
    }
    return (int)count;
}

/* Send what there is and bring answers. The lock is held before and after. */
static void work(const valkeyPool *pool, struct lane *lane) {
    valkeyPoolError error = {0};
    void *replies[BATCH];
    if (lane->c == NULL) {
        (void)pthread_mutex_unlock(&lane->lock);
        valkeyContext *c = pool_connect(pool, &error);
        (void)pthread_mutex_lock(&lane->lock);
        lane->c = c;
        if (c == NULL) {
            size_t count = lane->unsent_count;
            lane->used = lane->unsent_count = 0;
            fail_first(lane, count, &error);
            return;
        }
    }
    if (!hand_over(lane)) {
        size_t count = lane->unsent_count;
        lane->used = lane->unsent_count = 0;
        /* They stand behind those that were sent: with memory gone all fail. */
        count += lane->sent;
        lane->sent = 0;
        pool_error_set(&error, VALKEY_ERR_OOM, "Out of memory");
        fail_first(lane, count, &error);
        valkeyFree(lane->c);
        lane->c = NULL;
        return;
    }
    valkeyContext *c = lane->c;
    size_t limit = lane->sent < BATCH ? lane->sent : BATCH;
    (void)pthread_mutex_unlock(&lane->lock);
    int count = take_answers(c, replies, limit);
    (void)pthread_mutex_lock(&lane->lock);
    for (int i = 0; i < count; i++, lane->sent--)
        finish(pop(lane), replies[i], NULL);
    if (c->err == 0)
        return;
    pool_error_set(&error, c->err, c->errstr);
    size_t lost = lane->sent;
    lane->sent = 0;
    fail_first(lane, lost, &error);
    valkeyFree(c);
    lane->c = NULL;
}

/* Lead until the own command is answered, then pass that on. Lock held. */
static void lead(const valkeyPool *pool, struct lane *lane, const struct waiter *self) {
    lane->is_led = true;
    while (!self->is_done)
        work(pool, lane);
    lane->is_led = lane->first != NULL;
    if (lane->first != NULL)
        (void)sem_post(&lane->first->call);
}

static void wait_for_call(struct waiter *self) {
    while (sem_wait(&self->call) != 0) {
        /* interrupted by a signal */
    }
}

void *pool_command(valkeyPool *pool, valkeyPoolError *error, const char *bytes, size_t size) {
    unsigned turn = atomic_fetch_add_explicit(&pool->turn, 1, memory_order_relaxed);
    struct lane *lane = &pool->lanes[turn % pool->lane_count];
    struct waiter self = {0};
    (void)sem_init(&self.call, 0, 0);
    (void)pthread_mutex_lock(&lane->lock);
    if (!stage(lane, bytes, size)) {
        (void)pthread_mutex_unlock(&lane->lock);
        (void)sem_destroy(&self.call);
        pool_error_set(error, VALKEY_ERR_OOM, "Out of memory");
        return NULL;
    }
    lane->unsent_count++;
    if (lane->last == NULL)
        lane->first = &self;
    else
        lane->last->next = &self;
    lane->last = &self;
    if (lane->is_led) {
        (void)pthread_mutex_unlock(&lane->lock);
        wait_for_call(&self);
        if (!self.is_done)
            (void)pthread_mutex_lock(&lane->lock);
    }
    /* Not answered: nobody leads, or this thread was called to. */
    if (!self.is_done) {
        lead(pool, lane, &self);
        (void)pthread_mutex_unlock(&lane->lock);
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
