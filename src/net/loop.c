/* SPDX-License-Identifier: BSD-3-Clause */
/* The loop closes connections in one place, at the end of a pass: whoever finds one to be over only
 * marks it, so a pointer in the ready list is always good. */
#include "net/loop.h"

#include "os/clock.h"

#include <string.h>

enum {
    ROOM_FOR_NEW = 64,
    EVENTS_PER_WAIT = 512,
    HANDSHAKES_PER_PASS = 4,
    TICK_MS = 100,
    ACCEPTS_PER_PASS = 10
};

static const uint64_t NS_PER_MS = 1000000;

enum larder_status loop_init(struct loop *loop, const struct allocator *allocator, unsigned index,
                             const struct loop_handler *handler) {
    memset(loop, 0, sizeof(*loop));
    loop->allocator = allocator;
    loop->index = index;
    loop->handler = *handler;
    atomic_init(&loop->tick_ms, TICK_MS);
    atomic_init(&loop->accepts_per_pass, ACCEPTS_PER_PASS);
    atomic_init(&loop->tls_accepts_per_pass, 1);
    loop->queue_end = &loop->queue;
    loop->messages_end = &loop->messages;
    enum larder_status status = poller_init(&loop->poller);
    if (status != LARDER_OK)
        return status;
    status = wakeup_init(&loop->wakeup);
    if (status == LARDER_OK) {
        status = poller_add(&loop->poller, wakeup_fd(&loop->wakeup), POLLER_READ, &loop->wakeup);
        if (status != LARDER_OK)
            wakeup_finish(&loop->wakeup);
    }
    if (status != LARDER_OK)
        poller_finish(&loop->poller);
    return status;
}

/* ---- messages ---- */

static void mailbox_lock(struct loop *loop) ACQUIRE(MAILBOX_LOCK) NO_THREAD_SAFETY {
    lock_acquire(&loop->mailbox_lock);
}

static void mailbox_unlock(struct loop *loop) RELEASE(MAILBOX_LOCK) NO_THREAD_SAFETY {
    lock_release(&loop->mailbox_lock);
}

void loop_post(struct loop *loop, struct loop_message *message) {
    message->next = NULL;
    mailbox_lock(loop);
    *loop->messages_end = message;
    loop->messages_end = &message->next;
    mailbox_unlock(loop);
    wakeup_signal(&loop->wakeup);
}

static void run_messages(struct loop *loop) {
    mailbox_lock(loop);
    struct loop_message *message = loop->messages;
    loop->messages = NULL;
    loop->messages_end = &loop->messages;
    mailbox_unlock(loop);
    while (message != NULL) {
        struct loop_message *next = message->next;
        message->run(loop, message);
        message = next;
    }
}

void loop_stop(struct loop *loop) {
    atomic_store(&loop->is_stopping, true);
    wakeup_signal(&loop->wakeup);
}

/* ---- connections ---- */

void loop_watch(struct loop *loop, struct connection *c) {
    bool wants_write = c->output != NULL || (c->tls != NULL && tls_session_wants_write(c->tls));
    bool wants_read = (c->flags & (CONNECTION_PAUSED | CONNECTION_CLOSE_AFTER_SEND)) == 0;
    uint32_t events = (wants_read ? POLLER_READ : 0u) | (wants_write ? POLLER_WRITE : 0u);
    if (events == c->watched || (c->flags & CONNECTION_BROKEN) != 0)
        return;
    if (poller_modify(&loop->poller, c->fd, events, c) != LARDER_OK)
        loop_break(loop, c);
    else
        c->watched = (uint8_t)events;
}

void loop_queue(struct loop *loop, struct connection *c) {
    if ((c->flags & CONNECTION_IS_QUEUED) != 0)
        return;
    c->flags |= CONNECTION_IS_QUEUED;
    c->queue_next = NULL;
    *loop->queue_end = c;
    loop->queue_end = &c->queue_next;
}

void loop_break(struct loop *loop, struct connection *c) {
    c->flags |= CONNECTION_BROKEN;
    loop_queue(loop, c);
}

static bool reserve_ready(struct loop *loop, size_t count) {
    if (count <= loop->ready_capacity)
        return true;
    size_t capacity = loop->ready_capacity == 0 ? 64 : loop->ready_capacity;
    while (capacity < count)
        capacity *= 2;
    void *grown =
        allocator_resize(loop->allocator, loop->ready, loop->ready_capacity * sizeof(*loop->ready),
                         capacity * sizeof(*loop->ready));
    if (grown == NULL)
        return false;
    loop->ready = grown;
    loop->ready_capacity = capacity;
    return true;
}

static void close_connection(struct loop *loop, struct connection *c) {
    loop->handler.closing(loop, c);
    if (c->previous != NULL)
        c->previous->next = c->next;
    else
        loop->connections = c->next;
    if (c->next != NULL)
        c->next->previous = c->previous;
    poller_remove(&loop->poller, c->fd);
    connection_finish(c);
    allocator_release(loop->allocator, c, loop->handler.connection_bytes);
    atomic_fetch_sub_explicit(&loop->connection_count, 1, memory_order_relaxed);
}

enum larder_status loop_adopt(struct loop *loop, const struct socket_peer *peer,
                              struct tls_session *tls) {
    struct connection *c =
        allocator_allocate_zeroed(loop->allocator, loop->handler.connection_bytes);
    /* Room to have every connection in one batch, so that serving never has to allocate. */
    size_t count = atomic_load_explicit(&loop->connection_count, memory_order_relaxed) + 1;
    bool has_room = reserve_ready(loop, count);
    if (c == NULL || !has_room ||
        poller_add(&loop->poller, peer->fd, POLLER_READ, c) != LARDER_OK) {
        allocator_release(loop->allocator, c, loop->handler.connection_bytes);
        if (tls != NULL)
            tls_session_destroy(tls);
        socket_close(peer->fd);
        return LARDER_NO_MEMORY;
    }
    c->loop = loop;
    c->fd = peer->fd;
    c->tls = tls;
    c->watched = POLLER_READ;
    c->flags = tls != NULL ? CONNECTION_HANDSHAKE : 0;
    c->peer_port = peer->port;
    c->is_unix = peer->is_unix;
    c->is_loopback = peer->is_loopback;
    if (!peer->is_unix) {
        size_t length = strnlen(peer->address, sizeof(c->peer_address) - 1);
        memcpy(c->peer_address, peer->address, length);
    }
    c->next = loop->connections;
    if (c->next != NULL)
        c->next->previous = c;
    loop->connections = c;
    atomic_fetch_add_explicit(&loop->connection_count, 1, memory_order_relaxed);
    if (!loop->handler.opened(loop, c)) {
        c->flags |= CONNECTION_CLOSE_AFTER_SEND;
        loop_queue(loop, c);
    }
    return LARDER_OK;
}

/* ---- accepting ---- */

struct adopt_message {
    struct loop_message message;
    const struct allocator *allocator;
    struct socket_peer peer;
    struct tls_session *tls;
};

static void run_adopt(struct loop *loop, struct loop_message *message) {
    struct adopt_message *adopt = (struct adopt_message *)message;
    if (atomic_load(&loop->is_stopping)) {
        if (adopt->tls != NULL)
            tls_session_destroy(adopt->tls);
        socket_close(adopt->peer.fd);
    } else {
        (void)!loop_adopt(loop, &adopt->peer, adopt->tls);
    }
    allocator_release(adopt->allocator, adopt, sizeof(*adopt));
}

/* Without descriptors or memory a listener stays readable: it is not looked at until the next tick,
 * or the loop would do nothing else. */
static void watch_listeners(struct loop *loop, bool is_watched) {
    for (size_t i = 0; i < loop->listener_count; i++)
        (void)!poller_modify(&loop->poller, loop->listeners[i].fd, is_watched ? POLLER_READ : 0,
                             &loop->listeners[i]);
    loop->is_accepting_late = !is_watched;
}

static void accept_some(struct loop *loop, const struct loop_listener *listener) {
    uint32_t limit = atomic_load_explicit(listener->is_tls ? &loop->tls_accepts_per_pass
                                                           : &loop->accepts_per_pass,
                                          memory_order_relaxed);
    for (uint32_t i = 0; i < limit; i++) {
        struct socket_peer peer;
        enum larder_status status = socket_accept(listener->fd, &peer);
        if (status == LARDER_BUSY || status == LARDER_NO_MEMORY)
            watch_listeners(loop, false);
        if (status != LARDER_OK)
            return;
        struct tls_session *tls = NULL;
        struct loop *target = loop->handler.place(loop, listener, &peer, &tls);
        if (target == NULL)
            continue;
        if (target == loop) {
            (void)!loop_adopt(loop, &peer, tls);
            continue;
        }
        struct adopt_message *adopt = allocator_allocate(loop->allocator, sizeof(*adopt));
        if (adopt == NULL) {
            if (tls != NULL)
                tls_session_destroy(tls);
            socket_close(peer.fd);
            return;
        }
        *adopt = (struct adopt_message){{NULL, run_adopt}, loop->allocator, peer, tls};
        loop_post(target, &adopt->message);
    }
}

static const struct loop_listener *find_listener(const struct loop *loop, const void *data) {
    for (size_t i = 0; i < loop->listener_count; i++)
        if (data == &loop->listeners[i])
            return &loop->listeners[i];
    return NULL;
}

enum larder_status loop_set_listeners(struct loop *loop, const struct loop_listener *listeners,
                                      size_t count) {
    struct loop_listener *copy = NULL;
    if (count > 0) {
        copy = allocator_allocate(loop->allocator, count * sizeof(*copy));
        if (copy == NULL)
            return LARDER_NO_MEMORY;
        memcpy(copy, listeners, count * sizeof(*copy));
    }
    for (size_t i = 0; i < loop->listener_count; i++) {
        bool is_kept = false;
        for (size_t j = 0; j < count; j++)
            is_kept = is_kept || copy[j].fd == loop->listeners[i].fd;
        poller_remove(&loop->poller, loop->listeners[i].fd);
        if (!is_kept)
            socket_close(loop->listeners[i].fd);
    }
    allocator_release(loop->allocator, loop->listeners,
                      loop->listener_count * sizeof(*loop->listeners));
    loop->listeners = copy;
    loop->listener_count = count;
    enum larder_status status = LARDER_OK;
    for (size_t i = 0; i < count && status == LARDER_OK; i++)
        status = poller_add(&loop->poller, copy[i].fd, POLLER_READ, &copy[i]);
    return status;
}

/* ---- one pass ---- */

/* In the batch of a pass around this one (loop_serve_meanwhile). */
static bool is_served(const struct connection *c) {
    return (c->flags & CONNECTION_IS_SERVED) != 0;
}

static void add_ready(struct loop *loop, struct connection *c, size_t *count) {
    if ((c->flags & CONNECTION_IS_READY) != 0)
        return;
    if (*count == loop->ready_capacity) {
        loop_queue(loop, c); /* no memory for all at once */
        return;
    }
    c->flags |= CONNECTION_IS_READY;
    loop->ready[(*count)++] = c;
}

/* Whether the connection may be served: false while it shakes hands or is over. */
static bool prepare(struct loop *loop, struct connection *c, uint32_t events,
                    unsigned *handshakes) {
    if ((c->flags & CONNECTION_BROKEN) != 0)
        return false;
    if ((c->flags & CONNECTION_PAUSED) != 0 && (events & POLLER_CLOSED) != 0) {
        loop_break(loop, c); /* nobody will read the end of it, and it would be reported for ever */
        return false;
    }
    if ((c->flags & CONNECTION_HANDSHAKE) != 0) {
        if (++*handshakes > HANDSHAKES_PER_PASS) {
            loop_queue(loop, c);
            return false;
        }
        enum larder_status status = tls_session_handshake(c->tls, NULL);
        if (status != LARDER_OK && status != LARDER_AGAIN) {
            loop_break(loop, c);
            return false;
        }
        if (status == LARDER_OK)
            c->flags &= ~(uint32_t)CONNECTION_HANDSHAKE;
        loop_watch(loop, c);
        return status == LARDER_OK;
    }
    if ((events & POLLER_WRITE) != 0 || (c->flags & CONNECTION_CLOSE_AFTER_SEND) != 0) {
        enum larder_status status = connection_flush(c);
        if (status != LARDER_OK && status != LARDER_AGAIN) {
            loop_break(loop, c);
            return false;
        }
    }
    if ((c->flags & CONNECTION_CLOSE_AFTER_SEND) != 0) {
        if (c->output == NULL || (events & POLLER_CLOSED) != 0)
            loop_break(loop, c);
        return false;
    }
    return true;
}

static void take_queue(struct loop *loop, size_t *count, unsigned *handshakes) {
    struct connection *c = loop->queue;
    loop->queue = NULL;
    loop->queue_end = &loop->queue;
    while (c != NULL) {
        struct connection *next = c->queue_next;
        c->flags &= ~(uint32_t)CONNECTION_IS_QUEUED;
        if ((c->flags & CONNECTION_BROKEN) != 0 || is_served(c))
            loop_queue(loop, c); /* closed at the end of the pass, or served in the next */
        else if (prepare(loop, c, 0, handshakes))
            add_ready(loop, c, count);
        c = next;
    }
}

static void close_broken(struct loop *loop) {
    struct connection *c = loop->queue;
    loop->queue = NULL;
    loop->queue_end = &loop->queue;
    while (c != NULL) {
        struct connection *next = c->queue_next;
        c->flags &= ~(uint32_t)CONNECTION_IS_QUEUED;
        if ((c->flags & CONNECTION_BROKEN) != 0)
            close_connection(loop, c);
        else
            loop_queue(loop, c);
        c = next;
    }
}

static int wait_ms(const struct loop *loop) {
    if (loop->queue != NULL)
        return 0;
    uint64_t next_ns = loop->next_tick_ns;
    if (loop->wake_at_ns != 0 && loop->wake_at_ns < next_ns)
        next_ns = loop->wake_at_ns;
    if (loop->now_ns >= next_ns)
        return 0;
    return (int)((next_ns - loop->now_ns + NS_PER_MS - 1) / NS_PER_MS);
}

/* Wait for events, accept, run messages. Returns how many events there were; the connections to be
 * served are in loop->ready. */
static size_t gather(struct loop *loop, int timeout_ms, size_t *ready_count) {
    struct poller_event events[EVENTS_PER_WAIT];
    size_t event_count = 0;
    unsigned handshakes = 0;
    if (poller_wait(&loop->poller, events, EVENTS_PER_WAIT, timeout_ms, &event_count) != LARDER_OK)
        event_count = 0;
    loop->now_ns = clock_monotonic_ns();
    bool has_mail = false;
    take_queue(loop, ready_count, &handshakes);
    for (size_t i = 0; i < event_count; i++) {
        void *data = events[i].data;
        const struct loop_listener *listener = find_listener(loop, data);
        if (data == &loop->wakeup) {
            wakeup_drain(&loop->wakeup);
            has_mail = true;
        } else if (listener != NULL) {
            accept_some(loop, listener);
        } else if (!is_served(data) && prepare(loop, data, events[i].events, &handshakes)) {
            if ((events[i].events & (POLLER_READ | POLLER_CLOSED)) != 0)
                add_ready(loop, data, ready_count);
        }
    }
    if (has_mail)
        run_messages(loop);
    return event_count;
}

/* Serve what is ready. */
static void serve(struct loop *loop, size_t count) {
    struct connection **ready = loop->ready;
    for (size_t i = 0; i < count; i++)
        ready[i]->flags = (ready[i]->flags & ~(uint32_t)CONNECTION_IS_READY) | CONNECTION_IS_SERVED;
    if (count > 0)
        loop->handler.batch(loop, ready, count);
    for (size_t i = 0; i < count; i++)
        ready[i]->flags &= ~(uint32_t)CONNECTION_IS_SERVED;
}

void loop_serve_meanwhile(struct loop *loop) {
    struct connection **outer = loop->ready;
    size_t outer_capacity = loop->ready_capacity, count = 0;
    loop->ready = NULL;
    loop->ready_capacity = 0;
    if (reserve_ready(loop, atomic_load_explicit(&loop->connection_count, memory_order_relaxed) +
                                ROOM_FOR_NEW)) {
        (void)gather(loop, 0, &count);
        serve(loop, count);
        allocator_release(loop->allocator, loop->ready,
                          loop->ready_capacity * sizeof(struct connection *));
    }
    loop->ready = outer;
    loop->ready_capacity = outer_capacity;
}

static void pass(struct loop *loop) {
    size_t ready_count = 0;
    /* Some may have come while a batch was held up. */
    (void)!reserve_ready(loop, atomic_load_explicit(&loop->connection_count, memory_order_relaxed));
    loop->passes++;
    size_t event_count = gather(loop, wait_ms(loop), &ready_count);
    uint64_t began_ns = loop->now_ns;
    serve(loop, ready_count);
    if (loop->wake_at_ns != 0 && loop->now_ns >= loop->wake_at_ns) {
        loop->wake_at_ns = 0;
        loop->handler.wake(loop);
    }
    if (loop->now_ns >= loop->next_tick_ns) {
        loop->next_tick_ns =
            loop->now_ns + atomic_load_explicit(&loop->tick_ms, memory_order_relaxed) * NS_PER_MS;
        if (loop->is_accepting_late)
            watch_listeners(loop, true);
        loop->handler.tick(loop);
    }
    if (loop->handler.end_pass != NULL)
        loop->handler.end_pass(loop);
    if (loop->queue != NULL)
        close_broken(loop);
    if (event_count > 0)
        atomic_store_explicit(&loop->busy_ns,
                              atomic_load_explicit(&loop->busy_ns, memory_order_relaxed) +
                                  (clock_monotonic_ns() - began_ns),
                              memory_order_relaxed);
}

void loop_run(struct loop *loop) {
    atomic_store_explicit(&loop->thread, os_thread_self(), memory_order_relaxed);
    loop->now_ns = clock_monotonic_ns();
    while (!atomic_load_explicit(&loop->is_stopping, memory_order_relaxed))
        pass(loop);
}

void loop_finish(struct loop *loop) {
    atomic_store(&loop->is_stopping, true);
    run_messages(loop);
    while (loop->connections != NULL)
        close_connection(loop, loop->connections);
    (void)!loop_set_listeners(loop, NULL, 0);
    poller_remove(&loop->poller, wakeup_fd(&loop->wakeup));
    wakeup_finish(&loop->wakeup);
    poller_finish(&loop->poller);
    allocator_release(loop->allocator, loop->ready, loop->ready_capacity * sizeof(*loop->ready));
}
