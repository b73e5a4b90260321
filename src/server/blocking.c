/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread of a session is the only one that ends its wait: the node posts a served waiter to it,
 * its loop wakes it at the earliest deadline, CLIENT UNBLOCK of another thread sends it a message.
 */
#include "server/blocking.h"

#include "os/clock.h"
#include "server/session_commands.h"

bool blocking_prepare(struct server_thread *thread, struct session *session) {
    if (thread->spare_wait == NULL)
        thread->spare_wait =
            allocator_allocate(thread->server->allocator, sizeof(*thread->spare_wait));
    if (thread->spare_wait == NULL)
        return false;
    *thread->spare_wait = (struct session_wait){.session = session, .loop = &thread->loop};
    thread->node_thread.owner = thread->spare_wait;
    return true;
}

/* ---- deadlines ---- */

static void wake_for_first(struct server_thread *thread) {
    if (thread->first_wait == NULL)
        return;
    int64_t left_ms = thread->first_wait->waiter->until_ms - thread->now_ms;
    uint64_t left_ns = left_ms > 0 ? (uint64_t)left_ms * 1000000 : 0;
    loop_wake_at(&thread->loop, clock_monotonic_ns() + left_ns);
}

/* Usually behind the last: those with equal timeouts come in the order of their deadlines. */
static void link_wait(struct server_thread *thread, struct session_wait *wait) {
    struct session_wait *after = thread->last_wait;
    while (after != NULL && after->waiter->until_ms > wait->waiter->until_ms)
        after = after->previous;
    wait->previous = after;
    wait->next = after != NULL ? after->next : thread->first_wait;
    if (wait->next != NULL)
        wait->next->previous = wait;
    else
        thread->last_wait = wait;
    if (after != NULL)
        after->next = wait;
    else
        thread->first_wait = wait;
    if (thread->first_wait == wait)
        wake_for_first(thread);
}

static void unlink_wait(struct server_thread *thread, struct session_wait *wait) {
    if (wait->waiter->until_ms == 0)
        return;
    if (wait->previous != NULL)
        wait->previous->next = wait->next;
    else
        thread->first_wait = wait->next;
    if (wait->next != NULL)
        wait->next->previous = wait->previous;
    else
        thread->last_wait = wait->previous;
}

/* ---- begin and end ---- */

void blocking_begin(struct server_thread *thread, struct session *session, struct waiter *waiter) {
    struct session_wait *wait = thread->spare_wait;
    thread->spare_wait = NULL;
    wait->waiter = waiter;
    wait->began = cycle_clock_now(&thread->cycles);
    wait->is_muted = (session->flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP)) != 0;
    session->wait = wait;
    session->flags |= SESSION_BLOCKED;
    atomic_store_explicit(&session->waits_until_ms, waiter->until_ms, memory_order_relaxed);
    session_show_flags(session);
    if (waiter->until_ms != 0)
        link_wait(thread, wait);
}

static void destroy(struct server *server, struct session_wait *wait) {
    node_wait_destroy(wait->waiter);
    allocator_release(server->allocator, wait, sizeof(*wait));
}

static void count(struct server_thread *thread, const struct session_wait *wait) {
    struct command_statistics *statistics = &thread->statistics.commands[wait->waiter->spec->id];
    const struct reply *reply = &wait->waiter->reply;
    counter_add(&statistics->ns,
                cycle_clock_to_ns(&thread->cycles, cycle_clock_now(&thread->cycles) - wait->began));
    if (reply->used > 0 && reply->data[0] == '-') {
        counter_add(&statistics->failed, 1);
        counter_add(&thread->statistics.error_replies, 1);
    }
}

/* The waiter has its reply, or none for want of memory: send it, go on with what the client sent
 * meanwhile. */
static void finish(struct session *session) {
    struct server_thread *thread = session->thread;
    struct session_wait *wait = session->wait;
    struct connection *c = &session->connection;
    struct reply *reply = &wait->waiter->reply;
    count(thread, wait);
    unlink_wait(thread, wait);
    session->wait = NULL;
    session->flags &= ~(uint32_t)SESSION_BLOCKED;
    atomic_store_explicit(&session->waits_until_ms, 0, memory_order_relaxed);
    session_show_flags(session);
    c->flags &= ~(uint32_t)CONNECTION_PAUSED;
    atomic_store_explicit(&session->active_ms, thread->now_ms, memory_order_relaxed);
    struct reply_mark begin = {0};
    if (reply->failed || (!wait->is_muted && (c->flags & CONNECTION_BROKEN) == 0 &&
                          connection_send(c, reply, begin, reply_mark(reply)) != LARDER_OK))
        loop_break(c->loop, c);
    destroy(session->server, wait);
    loop_watch(c->loop, c);
    session->has_more = true;
    loop_queue(c->loop, c);
    session_note(session);
}

static void run_served(struct loop *loop, struct loop_message *message) {
    struct waiter *waiter =
        (struct waiter *)((uint8_t *)message - offsetof(struct waiter, message));
    struct session_wait *wait = waiter->owner;
    wait->waiter = waiter;
    if (wait->session != NULL)
        finish(wait->session);
    else
        destroy(thread_of_loop(loop)->server, wait);
}

void blocking_served(void *context, struct waiter *waiter) {
    (void)context;
    struct session_wait *wait = waiter->owner;
    waiter->message.run = run_served;
    loop_post(wait->loop, &waiter->message);
}

/* Give up waiting and reply so. A waiter that is being served right now comes back by itself. */
static bool give_up(struct session *session, const char *error) {
    struct waiter *waiter = session->wait->waiter;
    if (!node_wait_cancel(waiter))
        return false;
    reply_clear(&waiter->reply);
    if (error != NULL)
        reply_error(&waiter->reply, error);
    else if (waiter->is_array)
        reply_null_array(&waiter->reply);
    else
        reply_null(&waiter->reply);
    finish(session);
    return true;
}

void blocking_check(struct server_thread *thread) {
    struct session_wait *wait = thread->first_wait;
    while (wait != NULL && wait->waiter->until_ms <= thread->now_ms) {
        struct session_wait *next = wait->next;
        (void)give_up(wait->session, NULL);
        wait = next;
    }
    wake_for_first(thread);
}

void blocking_abandon(struct session *session) {
    struct session_wait *wait = session->wait;
    if (wait == NULL)
        return;
    unlink_wait(session->thread, wait);
    session->wait = NULL;
    if (node_wait_cancel(wait->waiter))
        destroy(session->server, wait);
    else
        wait->session = NULL;
}

void blocking_finish(struct server_thread *thread) {
    allocator_release(thread->server->allocator, thread->spare_wait, sizeof(*thread->spare_wait));
    thread->spare_wait = NULL;
}

/* ---- CLIENT UNBLOCK ---- */

struct unblock_message {
    struct loop_message message;
    const struct allocator *allocator;
    uint64_t id;
    bool with_error;
};

static void run_unblock(struct loop *loop, struct loop_message *message) {
    struct unblock_message *unblock = (struct unblock_message *)message;
    for (struct connection *c = loop->connections; c != NULL; c = c->next) {
        struct session *session = session_of(c);
        if (session->id == unblock->id && session->wait != NULL)
            (void)give_up(session, unblock->with_error
                                       ? "UNBLOCKED client unblocked via CLIENT UNBLOCK"
                                       : NULL);
    }
    allocator_release(unblock->allocator, unblock, sizeof(*unblock));
}

bool blocking_unblock(struct server *server, uint64_t id, bool with_error) {
    struct unblock_message *unblock = allocator_allocate(server->allocator, sizeof(*unblock));
    if (unblock == NULL)
        return false;
    *unblock = (struct unblock_message){{NULL, run_unblock}, server->allocator, id, with_error};
    struct loop *loop = NULL;
    server_stats_lock(server);
    for (struct session *s = server->sessions; s != NULL && loop == NULL; s = s->registry_next)
        if (s->id == id &&
            (atomic_load_explicit(&s->shown_flags, memory_order_relaxed) & SESSION_BLOCKED) != 0)
            loop = s->connection.loop;
    server_stats_unlock(server);
    if (loop != NULL)
        loop_post(loop, &unblock->message);
    else
        allocator_release(server->allocator, unblock, sizeof(*unblock));
    return loop != NULL;
}
