/* SPDX-License-Identifier: BSD-3-Clause */
/* A thread takes its mailbox into a list of arrived entries and numbers them. At the end of the
 * pass, when no reply is left unsent, all of the list is delivered. A session whose next command
 * runs before that is served ahead of the others: its part of the list goes into the thread's reply
 * and it remembers up to which number it has seen the list.
 *
 * Usually all entries are for one group (one channel): their bytes are laid out once per protocol
 * and each member gets them in one send. Otherwise entries are appended to the connections one by
 * one, and each connection is sent once. */
#include "server/delivery.h"

enum {
    FIRST_BUCKETS = 64,
    COPY_MAX = 16384,      /* larger bodies are sent by reference */
    FLUSH_BYTES = 1 << 20, /* waiting on one connection that are worth a send at once */
    ARENA_KEEP_BYTES = 1 << 20,
};

struct delivery {
    struct delivery *next;
    struct blob *bodies[2];
    struct delivery_group *group; /* a reference; NULL: to one session */
    uint64_t session_id;
    uint64_t sequence; /* in the group */
    uint64_t number;   /* of arrival in the thread */
    unsigned thread;
};

struct delivery_list {
    struct delivery *first, **end;
};

struct delivery_thread {
    /* guarded by MAILBOX_LOCK */
    struct lock lock;
    struct delivery_list mailbox;
    size_t mailbox_bytes;
    _Atomic int64_t
        accounted_bytes; /* of these, what the node was told of; read without the lock */
    bool is_told;        /* the thread will look: a message is or will be under way */
    /* atomic */
    _Atomic bool has_mail;
    /* the thread's own */
    struct loop_message message;
    struct delivery_list arrived;
    uint64_t arrived_count; /* number of the last entry that arrived */
    struct recipient *unsent;
    struct recipient **buckets; /* by session id */
    size_t bucket_count, recipient_count;
    struct reply arena;
    uint64_t to_wake[SERVER_THREADS_MAX / 64]; /* threads that got something from this one */
};

static void mailbox_lock(struct delivery_thread *d) ACQUIRE(MAILBOX_LOCK) NO_THREAD_SAFETY {
    lock_acquire(&d->lock);
}

static void mailbox_unlock(struct delivery_thread *d) RELEASE(MAILBOX_LOCK) NO_THREAD_SAFETY {
    lock_release(&d->lock);
}

static void list_init(struct delivery_list *list) {
    list->first = NULL;
    list->end = &list->first;
}

static void list_append(struct delivery_list *list, struct delivery *entry) {
    entry->next = NULL;
    *list->end = entry;
    list->end = &entry->next;
}

static void entry_destroy(struct server *server, struct delivery *entry) {
    blob_release(entry->bodies[0]);
    blob_release(entry->bodies[1]);
    if (entry->group != NULL)
        delivery_group_release(server, entry->group);
    allocator_release(server->allocator, entry, sizeof(*entry));
}

static void list_destroy(struct server *server, struct delivery_list *list) {
    for (struct delivery *entry = list->first, *next; entry != NULL; entry = next) {
        next = entry->next;
        entry_destroy(server, entry);
    }
    list_init(list);
}

/* ---- life ---- */

static void run_message(struct loop *loop, struct loop_message *message) {
    (void)message; /* the end of this pass delivers */
    struct delivery_thread *d = thread_of_loop(loop)->delivery;
    mailbox_lock(d);
    d->is_told = false;
    mailbox_unlock(d);
}

enum larder_status delivery_thread_init(struct server_thread *thread) {
    const struct allocator *a = thread->server->allocator;
    struct delivery_thread *d = allocator_allocate_zeroed(a, sizeof(*d));
    if (d == NULL)
        return LARDER_NO_MEMORY;
    list_init(&d->mailbox);
    list_init(&d->arrived);
    reply_init(&d->arena, a);
    d->message.run = run_message;
    thread->delivery = d;
    return LARDER_OK;
}

void delivery_thread_finish(struct server_thread *thread) {
    struct delivery_thread *d = thread->delivery;
    if (d == NULL)
        return;
    const struct allocator *a = thread->server->allocator;
    list_destroy(thread->server, &d->mailbox);
    list_destroy(thread->server, &d->arrived);
    reply_finish(&d->arena);
    allocator_release(a, d->buckets, d->bucket_count * sizeof(*d->buckets));
    allocator_release(a, d, sizeof(*d));
    thread->delivery = NULL;
}

/* ---- recipients ---- */

static struct recipient **bucket_of(const struct delivery_thread *d, uint64_t id) {
    return &d->buckets[id & (d->bucket_count - 1)];
}

static bool reserve_bucket(struct delivery_thread *d, const struct allocator *a) {
    if (d->recipient_count < d->bucket_count)
        return true;
    size_t old_count = d->bucket_count, count = old_count == 0 ? FIRST_BUCKETS : 2 * old_count;
    struct recipient **old = d->buckets;
    struct recipient **buckets = allocator_allocate_zeroed(a, count * sizeof(struct recipient *));
    if (buckets == NULL)
        return old_count > 0; /* longer chains, then */
    d->buckets = buckets;
    d->bucket_count = count;
    for (size_t i = 0; i < old_count; i++) {
        for (struct recipient *r = old[i], *next; r != NULL; r = next) {
            next = r->next_of_id;
            struct recipient **bucket = bucket_of(d, r->session->id);
            r->next_of_id = *bucket;
            *bucket = r;
        }
    }
    allocator_release(a, old, old_count * sizeof(struct recipient *));
    return true;
}

struct recipient *delivery_enlist(struct session *session) {
    if (session->recipient != NULL)
        return session->recipient;
    struct delivery_thread *d = session->thread->delivery;
    const struct allocator *a = session->server->allocator;
    struct recipient *r = allocator_allocate_zeroed(a, sizeof(*r));
    if (r == NULL || !reserve_bucket(d, a)) {
        allocator_release(a, r, sizeof(*r));
        return NULL;
    }
    r->session = session;
    struct recipient **bucket = bucket_of(d, session->id);
    r->next_of_id = *bucket;
    *bucket = r;
    d->recipient_count++;
    server_stats_lock(session->server);
    session->recipient = r;
    server_stats_unlock(session->server);
    node_account(session->server->node, (int64_t)sizeof(*r));
    return r;
}

void delivery_dismiss(struct session *session) {
    struct recipient *r = session->recipient;
    if (r == NULL)
        return;
    struct delivery_thread *d = session->thread->delivery;
    struct recipient **at = bucket_of(d, session->id);
    while (*at != r)
        at = &(*at)->next_of_id;
    *at = r->next_of_id;
    d->recipient_count--;
    session->recipient = NULL;
    allocator_release(session->server->allocator, r, sizeof(*r));
    node_account(session->server->node, -(int64_t)sizeof(*r));
}

static struct recipient *find_recipient(struct server_thread *thread, uint64_t id) {
    struct delivery_thread *d = thread->delivery;
    if (d->bucket_count > 0)
        for (struct recipient *r = *bucket_of(d, id); r != NULL; r = r->next_of_id)
            if (r->session->id == id)
                return r;
    for (struct connection *c = thread->loop.connections; c != NULL; c = c->next)
        if (session_of(c)->id == id)
            return delivery_enlist(session_of(c));
    return NULL;
}

/* ---- groups ---- */

struct delivery_group *delivery_group_create(struct server *server, unsigned thread) {
    struct delivery_group *group = allocator_allocate_zeroed(server->allocator, sizeof(*group));
    if (group == NULL)
        return NULL;
    group->thread = thread;
    atomic_init(&group->references, 1);
    return group;
}

void delivery_group_release(struct server *server, struct delivery_group *group) {
    /* release, then acquire: whoever frees it sees what the other holders did */
    if (atomic_fetch_sub_explicit(&group->references, 1, memory_order_acq_rel) == 1)
        allocator_release(server->allocator, group, sizeof(*group));
}

void delivery_group_join(struct delivery_group *group, struct delivery_member *member,
                         struct recipient *recipient) {
    member->group = group;
    member->recipient = recipient;
    member->since = atomic_load_explicit(&group->sent, memory_order_relaxed);
    member->previous = member->groups_previous = NULL;
    member->next = group->members;
    if (member->next != NULL)
        member->next->previous = member;
    group->members = member;
    group->count++;
    member->groups_next = recipient->groups;
    if (member->groups_next != NULL)
        member->groups_next->groups_previous = member;
    recipient->groups = member;
    recipient->group_count++;
}

void delivery_group_leave(struct delivery_member *member) {
    struct delivery_group *group = member->group;
    struct recipient *recipient = member->recipient;
    if (member->previous != NULL)
        member->previous->next = member->next;
    else
        group->members = member->next;
    if (member->next != NULL)
        member->next->previous = member->previous;
    group->count--;
    if (member->groups_previous != NULL)
        member->groups_previous->groups_next = member->groups_next;
    else
        recipient->groups = member->groups_next;
    if (member->groups_next != NULL)
        member->groups_next->groups_previous = member->groups_previous;
    recipient->group_count--;
}

/* ---- posting ---- */

void delivery_stage_init(struct delivery_stage *stage) {
    stage->first = NULL;
    stage->end = &stage->first;
}

static struct delivery *stage_entry(struct server *server, struct delivery_stage *stage,
                                    unsigned thread, const struct delivery_message *message) {
    struct delivery *entry = allocator_allocate_zeroed(server->allocator, sizeof(*entry));
    if (entry == NULL)
        return NULL;
    entry->thread = thread;
    for (size_t i = 0; i < 2; i++)
        if (message->bodies[i] != NULL)
            entry->bodies[i] = blob_acquire(message->bodies[i]);
    *stage->end = entry;
    stage->end = &entry->next;
    return entry;
}

enum larder_status delivery_stage_group(struct server *server, struct delivery_stage *stage,
                                        struct delivery_group *group,
                                        const struct delivery_message *message) {
    struct delivery *entry = stage_entry(server, stage, group->thread, message);
    if (entry == NULL)
        return LARDER_NO_MEMORY;
    entry->group = group;
    atomic_fetch_add_explicit(&group->references, 1, memory_order_relaxed);
    return LARDER_OK;
}

enum larder_status delivery_stage_session(struct server *server, struct delivery_stage *stage,
                                          unsigned thread, uint64_t session_id,
                                          const struct delivery_message *message) {
    struct delivery *entry = stage_entry(server, stage, thread, message);
    if (entry == NULL)
        return LARDER_NO_MEMORY;
    entry->session_id = session_id;
    return LARDER_OK;
}

static size_t entry_bytes(const struct delivery *entry) {
    size_t bytes = sizeof(*entry);
    for (size_t i = 0; i < 2; i++)
        if (entry->bodies[i] != NULL && (i == 0 || entry->bodies[1] != entry->bodies[0]))
            bytes += entry->bodies[i]->size;
    return bytes;
}

/* Tell the node what the mailbox holds, in steps: messages are many, and its counter is everyone's.
 */
static void account(struct server *server, struct delivery_thread *d) REQUIRES(MAILBOX_LOCK) {
    enum { STEP_BYTES = 64 * 1024 };
    int64_t told = atomic_load_explicit(&d->accounted_bytes, memory_order_relaxed);
    int64_t grown = (int64_t)d->mailbox_bytes - told;
    if (grown < STEP_BYTES && (d->mailbox_bytes > 0 || told == 0))
        return;
    node_account(server->node, grown);
    atomic_store_explicit(&d->accounted_bytes, told + grown, memory_order_relaxed);
}

int64_t delivery_bytes(const struct server *server) {
    int64_t bytes = 0;
    for (unsigned i = 0; i < server->thread_count; i++)
        bytes += atomic_load_explicit(&server->threads[i].delivery->accounted_bytes,
                                      memory_order_relaxed);
    return bytes;
}

static void post(struct server_thread *from, struct delivery *entry) {
    unsigned thread = entry->thread;
    struct delivery_thread *to = from->server->threads[thread].delivery;
    bool is_own = &from->server->threads[thread] == from;
    if (entry->group != NULL)
        entry->sequence = atomic_fetch_add_explicit(&entry->group->sent, 1, memory_order_relaxed);
    mailbox_lock(to);
    list_append(&to->mailbox, entry);
    to->mailbox_bytes += entry_bytes(entry);
    account(from->server, to);
    bool is_crowded = to->mailbox_bytes > DELIVERY_CROWDED_BYTES;
    bool wants_wake = !is_own && !to->is_told;
    if (wants_wake)
        to->is_told = true;
    atomic_store_explicit(&to->has_mail, true, memory_order_relaxed);
    mailbox_unlock(to);
    if (is_crowded)
        from->has_crowded_mailbox = true;
    if (wants_wake)
        from->delivery->to_wake[thread / 64] |= UINT64_C(1) << thread % 64;
}

void delivery_commit(struct server_thread *from, struct delivery_stage *stage) {
    for (struct delivery *entry = stage->first, *next; entry != NULL; entry = next) {
        next = entry->next;
        post(from, entry);
    }
    delivery_stage_init(stage);
}

void delivery_abort(struct server *server, struct delivery_stage *stage) {
    struct delivery_list list = {stage->first, stage->end};
    list_destroy(server, &list);
    delivery_stage_init(stage);
}

static void wake_others(struct server_thread *thread) {
    struct delivery_thread *d = thread->delivery;
    for (unsigned word = 0; word < SERVER_THREADS_MAX / 64; word++) {
        for (; d->to_wake[word] != 0; d->to_wake[word] &= d->to_wake[word] - 1) {
            unsigned index = word * 64 + (unsigned)__builtin_ctzll(d->to_wake[word]);
            struct server_thread *other = &thread->server->threads[index];
            loop_post(&other->loop, &other->delivery->message);
        }
    }
}

/* ---- arrival ---- */

/* Whether anything has arrived that waits for the end of the pass. */
static bool take_mail(struct server *server, struct delivery_thread *d) {
    if (atomic_load_explicit(&d->has_mail, memory_order_relaxed)) {
        struct delivery_list mail;
        list_init(&mail);
        mailbox_lock(d);
        if (d->mailbox.first != NULL)
            mail = d->mailbox;
        list_init(&d->mailbox);
        d->mailbox_bytes = 0;
        account(server, d);
        atomic_store_explicit(&d->has_mail, false, memory_order_relaxed);
        mailbox_unlock(d);
        for (struct delivery *entry = mail.first; entry != NULL; entry = entry->next)
            entry->number = ++d->arrived_count;
        if (mail.first != NULL) {
            *d->arrived.end = mail.first;
            d->arrived.end = mail.end;
        }
    }
    return d->arrived.first != NULL;
}

static struct blob *body_for(const struct session *session, const struct delivery *entry) {
    bool is_mute = session->protocol != 3 && (session->flags & SESSION_SUBSCRIBER) == 0;
    bool is_over = (session->flags & SESSION_CLOSING) != 0 ||
                   (session->connection.flags & CONNECTION_BROKEN) != 0;
    return is_mute || is_over ? NULL : entry->bodies[session->protocol == 3];
}

static void put(struct reply *reply, uint8_t protocol, struct blob *body) {
    uint8_t lead = protocol == 3 ? '>' : '*';
    reply_raw(reply, slice_of(&lead, 1));
    if (body->size <= COPY_MAX)
        reply_raw(reply, blob_slice(body));
    else
        reply_reference(reply, body);
}

/* ---- ahead of a command ---- */

static const struct delivery_member *find_member(const struct delivery_group *group,
                                                 const struct recipient *recipient) {
    const struct delivery_member *m;
    if (group->count < recipient->group_count) {
        for (m = group->members; m != NULL; m = m->next)
            if (m->recipient == recipient)
                return m;
        return NULL;
    }
    for (m = recipient->groups; m != NULL; m = m->groups_next)
        if (m->group == group)
            return m;
    return NULL;
}

static bool is_for(const struct delivery *entry, const struct recipient *recipient) {
    if (entry->group == NULL)
        return entry->session_id == recipient->session->id;
    const struct delivery_member *member = find_member(entry->group, recipient);
    return member != NULL && entry->sequence >= member->since;
}

void delivery_settle(struct session *session) {
    struct delivery_thread *d = session->thread->delivery;
    struct recipient *r = session->recipient;
    if (!take_mail(session->server, d) || r->seen_number == d->arrived_count)
        return;
    struct reply *reply = &session->thread->reply;
    struct reply_mark begin = reply_mark(reply);
    const struct delivery *entry = d->arrived.first;
    if (r->seen_number >= entry->number)
        entry = r->seen->next;
    for (; entry != NULL; entry = entry->next) {
        struct blob *body = body_for(session, entry);
        if (body != NULL && is_for(entry, r))
            put(reply, session->protocol, body);
        r->seen = entry;
        r->seen_number = entry->number;
    }
    if (!reply->failed)
        return;
    reply_cut(reply, begin); /* it would miss messages */
    session->flags |= SESSION_CLOSING;
    loop_break(session->connection.loop, &session->connection);
}

/* ---- at the end of a pass ---- */

static void mark_unsent(struct delivery_thread *d, struct recipient *r) {
    if (r->is_unsent)
        return;
    r->is_unsent = true;
    r->unsent_next = d->unsent;
    d->unsent = r;
}

static void give_up(struct session *session) {
    loop_break(session->connection.loop, &session->connection);
}

/* The connection has got something: what others see of it, and its limits. */
static void send_waiting(struct session *session) {
    enum larder_status status = connection_flush(&session->connection);
    if (status != LARDER_OK && status != LARDER_AGAIN)
        give_up(session);
    session_note(session);
}

/* Append an entry to a session's connection. */
static void append(struct delivery_thread *d, struct recipient *r, const struct delivery *entry) {
    struct session *session = r->session;
    struct blob *body = body_for(session, entry);
    if (body == NULL || entry->number <= r->seen_number)
        return;
    reply_clear(&d->arena);
    put(&d->arena, session->protocol, body);
    if (d->arena.failed || connection_queue(&session->connection, &d->arena, (struct reply_mark){0},
                                            reply_mark(&d->arena)) != LARDER_OK) {
        give_up(session);
        return;
    }
    if (connection_pending(&session->connection) > FLUSH_BYTES)
        send_waiting(session);
    else
        mark_unsent(d, r);
}

static void deliver_each(struct server_thread *thread) {
    struct delivery_thread *d = thread->delivery;
    for (const struct delivery *entry = d->arrived.first; entry != NULL; entry = entry->next) {
        struct recipient *r;
        if (entry->group == NULL) {
            r = find_recipient(thread, entry->session_id);
            if (r != NULL)
                append(d, r, entry);
            continue;
        }
        for (struct delivery_member *m = entry->group->members; m != NULL; m = m->next)
            if (entry->sequence >= m->since)
                append(d, m->recipient, entry);
    }
    for (struct recipient *r = d->unsent; r != NULL; r = r->unsent_next) {
        r->is_unsent = false;
        if ((r->session->connection.flags & CONNECTION_BROKEN) == 0)
            send_waiting(r->session);
    }
    d->unsent = NULL;
}

/* The bytes of all that has arrived, as one protocol has them. */
struct rendering {
    bool is_made;
    struct reply_mark from, to;
};

static void render(struct delivery_thread *d, uint8_t protocol, struct rendering *out) {
    out->is_made = true;
    out->from = reply_mark(&d->arena);
    for (const struct delivery *entry = d->arrived.first; entry != NULL; entry = entry->next)
        if (entry->bodies[protocol == 3] != NULL)
            put(&d->arena, protocol, entry->bodies[protocol == 3]);
    out->to = reply_mark(&d->arena);
}

static bool is_one_group(const struct delivery_thread *d) {
    const struct delivery_group *group = d->arrived.first->group;
    if (group == NULL)
        return false;
    uint64_t first = d->arrived.first->sequence, number = d->arrived.first->number;
    for (const struct delivery *entry = d->arrived.first; entry != NULL; entry = entry->next)
        if (entry->group != group)
            return false;
    for (const struct delivery_member *m = group->members; m != NULL; m = m->next)
        if (m->since > first || m->recipient->seen_number >= number)
            return false;
    return true;
}

static void deliver_together(struct delivery_thread *d) {
    struct rendering renderings[2] = {{0}};
    reply_clear(&d->arena);
    for (struct delivery_member *m = d->arrived.first->group->members; m != NULL; m = m->next) {
        struct session *session = m->recipient->session;
        struct rendering *bytes = &renderings[session->protocol == 3];
        if (body_for(session, d->arrived.first) == NULL)
            continue;
        if (!bytes->is_made)
            render(d, session->protocol, bytes);
        if (d->arena.failed ||
            connection_send(&session->connection, &d->arena, bytes->from, bytes->to) != LARDER_OK)
            give_up(session);
        else
            session_note(session);
    }
}

void delivery_end_pass(struct server_thread *thread) {
    struct delivery_thread *d = thread->delivery;
    wake_others(thread);
    if (!take_mail(thread->server, d))
        return;
    if (is_one_group(d))
        deliver_together(d);
    else
        deliver_each(thread);
    list_destroy(thread->server, &d->arrived);
    reply_clear(&d->arena);
    if (d->arena.capacity > ARENA_KEEP_BYTES)
        reply_finish(&d->arena);
}
