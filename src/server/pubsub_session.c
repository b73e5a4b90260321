/* SPDX-License-Identifier: BSD-3-Clause */
/* A session's subscriptions: a set per kind, by the hash of the name. They are its thread's; only
 * joining and leaving channels takes a lock. */
#include "server/pubsub_internal.h"
#include "server/session_commands.h"

enum { FIRST_BUCKETS = 8 };

struct subscription {
    struct delivery_member member; /* first */
    struct subscription *next;     /* of its bucket */
    struct channel *channel;
};

struct subscription_set {
    struct subscription **buckets;
    size_t bucket_count, count;
    size_t first; /* no bucket before this one holds anything */
};

struct subscriptions {
    struct subscription_set sets[CHANNEL_KINDS];
};

static struct subscription **bucket_of(const struct subscription_set *set, uint64_t hash) {
    return &set->buckets[hash & (set->bucket_count - 1)];
}

static struct subscription *find(const struct subscription_set *set, uint64_t hash,
                                 struct slice name) {
    if (set->count == 0)
        return NULL;
    struct subscription *s = *bucket_of(set, hash);
    while (s != NULL && (s->channel->hash != hash || !slice_equal(channel_name(s->channel), name)))
        s = s->next;
    return s;
}

/* False: no memory. */
static bool reserve(const struct allocator *a, struct subscription_set *set) {
    if (set->count < set->bucket_count)
        return true;
    size_t count = set->bucket_count == 0 ? FIRST_BUCKETS : 2 * set->bucket_count;
    struct subscription **buckets =
        allocator_allocate_zeroed(a, count * sizeof(struct subscription *));
    if (buckets == NULL)
        return set->bucket_count > 0; /* longer chains, then */
    struct subscription_set old = *set;
    set->buckets = buckets;
    set->bucket_count = count;
    set->first = 0;
    for (size_t i = 0; i < old.bucket_count; i++) {
        for (struct subscription *s = old.buckets[i], *next; s != NULL; s = next) {
            next = s->next;
            struct subscription **bucket = bucket_of(set, s->channel->hash);
            s->next = *bucket;
            *bucket = s;
        }
    }
    allocator_release(a, old.buckets, old.bucket_count * sizeof(struct subscription *));
    return true;
}

static struct subscriptions *subscriptions_of(const struct session *session) {
    return session->recipient != NULL ? session->recipient->subscriptions : NULL;
}

static bool has_any(const struct subscriptions *subscriptions) {
    for (size_t kind = 0; kind < CHANNEL_KINDS; kind++)
        if (subscriptions->sets[kind].count > 0)
            return true;
    return false;
}

/* Nothing is subscribed any more: nothing is kept. */
static void release(struct session *session) {
    const struct allocator *a = session->server->allocator;
    struct subscriptions *subscriptions = session->recipient->subscriptions;
    for (size_t i = 0; i < CHANNEL_KINDS; i++)
        allocator_release(a, subscriptions->sets[i].buckets,
                          subscriptions->sets[i].bucket_count * sizeof(struct subscription *));
    allocator_release(a, subscriptions, sizeof(*subscriptions));
    session->recipient->subscriptions = NULL;
}

/* Bring what follows from the number of subscriptions in line with it. */
static void note(struct session *session, enum channel_kind kind) {
    struct subscriptions *subscriptions = subscriptions_of(session);
    atomic_store_explicit(&session->recipient->shown_counts[kind],
                          (uint32_t)subscriptions->sets[kind].count, memory_order_relaxed);
    bool is_subscriber = has_any(subscriptions);
    if (is_subscriber == ((session->flags & SESSION_SUBSCRIBER) != 0))
        return;
    session->flags ^= SESSION_SUBSCRIBER;
    session_show_flags(session);
    if (!is_subscriber)
        release(session);
}

static bool ensure(struct session *session) {
    struct recipient *recipient = delivery_enlist(session);
    if (recipient == NULL)
        return false;
    if (recipient->subscriptions == NULL)
        recipient->subscriptions = allocator_allocate_zeroed(session->server->allocator,
                                                             sizeof(*recipient->subscriptions));
    return recipient->subscriptions != NULL;
}

enum larder_status pubsub_subscribe(struct session *session, enum channel_kind kind,
                                    struct slice name, bool *out_is_new) {
    struct server *server = session->server;
    *out_is_new = false;
    if (!ensure(session))
        return LARDER_NO_MEMORY;
    struct subscription_set *set = &subscriptions_of(session)->sets[kind];
    uint64_t hash = channel_hash(server, name);
    if (find(set, hash, name) != NULL)
        return LARDER_OK;
    struct subscription *s = allocator_allocate_zeroed(server->allocator, sizeof(*s));
    enum larder_status status = LARDER_NO_MEMORY;
    if (s != NULL && reserve(server->allocator, set)) {
        channel_lock(server, kind, hash);
        status = channel_join(server, kind, hash, name, session->thread->loop.index, &s->member,
                              session->recipient, &s->channel);
        channel_unlock(server, kind, hash);
    }
    if (status != LARDER_OK) {
        allocator_release(server->allocator, s, sizeof(*s));
        if (!has_any(subscriptions_of(session)))
            release(session);
        return status;
    }
    struct subscription **bucket = bucket_of(set, hash);
    s->next = *bucket;
    *bucket = s;
    set->count++;
    if ((size_t)(bucket - set->buckets) < set->first)
        set->first = (size_t)(bucket - set->buckets);
    node_account(server->node, (int64_t)sizeof(*s));
    note(session, kind);
    *out_is_new = true;
    return LARDER_OK;
}

static void end(struct session *session, struct subscription *s) {
    struct server *server = session->server;
    enum channel_kind kind = s->channel->kind;
    uint64_t hash = s->channel->hash;
    struct subscription_set *set = &subscriptions_of(session)->sets[kind];
    struct subscription **at = bucket_of(set, hash);
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    set->count--;
    channel_lock(server, kind, hash);
    channel_leave(server, s->channel, &s->member);
    channel_unlock(server, kind, hash);
    allocator_release(server->allocator, s, sizeof(*s));
    node_account(server->node, -(int64_t)sizeof(*s));
    note(session, kind);
}

bool pubsub_unsubscribe(struct session *session, enum channel_kind kind, struct slice name) {
    const struct subscriptions *subscriptions = subscriptions_of(session);
    if (subscriptions == NULL)
        return false;
    struct subscription *s =
        find(&subscriptions->sets[kind], channel_hash(session->server, name), name);
    if (s != NULL)
        end(session, s);
    return s != NULL;
}

void pubsub_undo(struct session *session, size_t count) {
    for (; count > 0; count--)
        end(session, (struct subscription *)session->recipient->groups);
}

bool pubsub_any(const struct session *session, enum channel_kind kind, struct slice *out_name) {
    struct subscriptions *subscriptions = subscriptions_of(session);
    if (subscriptions == NULL || subscriptions->sets[kind].count == 0)
        return false;
    struct subscription_set *set = &subscriptions->sets[kind];
    while (set->buckets[set->first] == NULL)
        set->first++;
    *out_name = channel_name(set->buckets[set->first]->channel);
    return true;
}

bool pubsub_all_pass(const struct session *session, enum channel_kind kind,
                     bool (*test)(void *context, struct slice name), void *context) {
    const struct subscriptions *subscriptions = subscriptions_of(session);
    if (subscriptions == NULL)
        return true;
    const struct subscription_set *set = &subscriptions->sets[kind];
    for (size_t i = 0; i < set->bucket_count; i++)
        for (const struct subscription *s = set->buckets[i]; s != NULL; s = s->next)
            if (!test(context, channel_name(s->channel)))
                return false;
    return true;
}

void pubsub_leave(struct session *session) {
    struct slice name;
    for (size_t kind = 0; kind < CHANNEL_KINDS; kind++)
        while (pubsub_any(session, (enum channel_kind)kind, &name))
            (void)pubsub_unsubscribe(session, (enum channel_kind)kind, name);
}

uint32_t pubsub_count(const struct session *session, enum channel_kind kind) {
    if (session->recipient == NULL)
        return 0;
    return atomic_load_explicit(&session->recipient->shown_counts[kind], memory_order_relaxed);
}
