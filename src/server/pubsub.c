/* SPDX-License-Identifier: BSD-3-Clause */
/* Channels and publishing. Tables are chained hashing that doubles; they exist only while there are
 * subscribers. A body is made under the lock, when the first group asks for it: most publications
 * of most servers have no subscriber. */
#include "server/pubsub_internal.h"

#include "base/glob.h"
#include "base/hash.h"

enum { STRIPES = 64, FIRST_BUCKETS = 16 };

struct channel_table {
    struct channel **buckets;
    size_t bucket_count, count;
};

struct stripe {
    _Alignas(64) struct lock lock;
    struct channel_table tables[CHANNEL_PATTERN]; /* plain, shard; guarded by the lock */
};

struct pubsub {
    struct stripe *stripes;
    void *stripe_memory;           /* owned: where they lie, not aligned as they have to be */
    struct channel_table patterns; /* read under any stripe's lock, changed under all */
    _Atomic uint64_t counts[CHANNEL_KINDS];
};

/* Of a section: everything but the commit is done. */
struct held_publication {
    struct held_publication *next;
    enum channel_kind kind;
    uint64_t hash;
    struct delivery_stage staged;
};

enum { STRIPE_MEMORY_BYTES = (STRIPES + 1) * sizeof(struct stripe) };

/* ---- life ---- */

enum larder_status pubsub_create(struct server *server) {
    struct pubsub *p = allocator_allocate_zeroed(server->allocator, sizeof(*p));
    void *memory = allocator_allocate_zeroed(server->allocator, STRIPE_MEMORY_BYTES);
    if (p == NULL || memory == NULL) {
        allocator_release(server->allocator, p, sizeof(*p));
        allocator_release(server->allocator, memory, STRIPE_MEMORY_BYTES);
        return LARDER_NO_MEMORY;
    }
    p->stripe_memory = memory;
    p->stripes = (struct stripe *)(((uintptr_t)memory + 63) & ~(uintptr_t)63);
    server->pubsub = p;
    return LARDER_OK;
}

void pubsub_destroy(struct server *server) {
    struct pubsub *p = server->pubsub;
    if (p == NULL)
        return;
    allocator_release(server->allocator, p->stripe_memory, STRIPE_MEMORY_BYTES);
    allocator_release(server->allocator, p, sizeof(*p));
    server->pubsub = NULL;
}

/* ---- locks ---- */

uint64_t channel_hash(const struct server *server, struct slice name) {
    return hash_key(&server->node->keyspace.seed, name, 0);
}

static struct stripe *stripe_of(const struct server *server, uint64_t hash) {
    return &server->pubsub->stripes[hash % STRIPES];
}

void channel_lock(const struct server *server, enum channel_kind kind,
                  uint64_t hash) NO_THREAD_SAFETY {
    if (kind != CHANNEL_PATTERN) {
        lock_acquire(&stripe_of(server, hash)->lock);
        return;
    }
    for (size_t i = 0; i < STRIPES; i++)
        lock_acquire(&server->pubsub->stripes[i].lock);
}

void channel_unlock(const struct server *server, enum channel_kind kind,
                    uint64_t hash) NO_THREAD_SAFETY {
    if (kind != CHANNEL_PATTERN) {
        lock_release(&stripe_of(server, hash)->lock);
        return;
    }
    for (size_t i = 0; i < STRIPES; i++)
        lock_release(&server->pubsub->stripes[i].lock);
}

/* ---- tables ---- */

static struct channel_table *table_of(const struct server *server, enum channel_kind kind,
                                      uint64_t hash) {
    return kind == CHANNEL_PATTERN ? &server->pubsub->patterns
                                   : &stripe_of(server, hash)->tables[kind];
}

static struct channel **bucket_of(const struct channel_table *table, uint64_t hash) {
    return &table->buckets[hash / STRIPES & (table->bucket_count - 1)];
}

static struct channel *find(const struct channel_table *table, uint64_t hash, struct slice name) {
    if (table->count == 0)
        return NULL;
    struct channel *c = *bucket_of(table, hash);
    while (c != NULL && (c->hash != hash || !slice_equal(channel_name(c), name)))
        c = c->next;
    return c;
}

static void resize(const struct allocator *a, struct channel_table *table, size_t bucket_count) {
    struct channel **buckets =
        allocator_allocate_zeroed(a, bucket_count * sizeof(struct channel *));
    if (buckets == NULL)
        return; /* longer chains, then */
    struct channel_table old = *table;
    table->buckets = buckets;
    table->bucket_count = bucket_count;
    for (size_t i = 0; i < old.bucket_count; i++) {
        for (struct channel *c = old.buckets[i], *next; c != NULL; c = next) {
            next = c->next;
            struct channel **bucket = bucket_of(table, c->hash);
            c->next = *bucket;
            *bucket = c;
        }
    }
    allocator_release(a, old.buckets, old.bucket_count * sizeof(struct channel *));
}

/* A table without channels keeps nothing. */
static void release_empty(const struct allocator *a, struct channel_table *table) {
    if (table->count > 0)
        return;
    allocator_release(a, table->buckets, table->bucket_count * sizeof(struct channel *));
    *table = (struct channel_table){NULL, 0, 0};
}

static struct channel *add(struct server *server, enum channel_kind kind, uint64_t hash,
                           struct slice name) {
    struct channel_table *table = table_of(server, kind, hash);
    if (table->count >= table->bucket_count)
        resize(server->allocator, table,
               table->bucket_count == 0 ? FIRST_BUCKETS : 2 * table->bucket_count);
    if (table->bucket_count == 0)
        return NULL;
    struct channel *c = allocator_allocate_zeroed(server->allocator, sizeof(*c) + name.size);
    if (c == NULL) {
        release_empty(server->allocator, table);
        return NULL;
    }
    c->hash = hash;
    c->kind = kind;
    c->name_size = name.size;
    if (name.size > 0)
        memcpy(c->name, name.data, name.size);
    struct channel **bucket = bucket_of(table, hash);
    c->next = *bucket;
    *bucket = c;
    table->count++;
    atomic_fetch_add_explicit(&server->pubsub->counts[kind], 1, memory_order_relaxed);
    node_account(server->node, (int64_t)(sizeof(*c) + name.size));
    return c;
}

static void drop(struct server *server, struct channel *channel) {
    struct channel_table *table = table_of(server, channel->kind, channel->hash);
    struct channel **at = bucket_of(table, channel->hash);
    while (*at != channel)
        at = &(*at)->next;
    *at = channel->next;
    atomic_fetch_sub_explicit(&server->pubsub->counts[channel->kind], 1, memory_order_relaxed);
    node_account(server->node, -(int64_t)(sizeof(*channel) + channel->name_size));
    allocator_release(server->allocator, channel, sizeof(*channel) + channel->name_size);
    table->count--;
    release_empty(server->allocator, table);
}

/* ---- members ---- */

static struct delivery_group *group_of(struct server *server, struct channel *channel,
                                       unsigned thread) {
    struct delivery_group *group = channel->groups;
    while (group != NULL && group->thread != thread)
        group = group->next_of_owner;
    if (group != NULL)
        return group;
    group = delivery_group_create(server, thread);
    if (group == NULL)
        return NULL;
    group->next_of_owner = channel->groups;
    channel->groups = group;
    return group;
}

enum larder_status channel_join(struct server *server, enum channel_kind kind, uint64_t hash,
                                struct slice name, unsigned thread, struct delivery_member *member,
                                struct recipient *recipient, struct channel **out_channel) {
    struct channel *channel = find(table_of(server, kind, hash), hash, name);
    if (channel == NULL)
        channel = add(server, kind, hash, name);
    if (channel == NULL)
        return LARDER_NO_MEMORY;
    struct delivery_group *group = group_of(server, channel, thread);
    if (group == NULL) {
        if (channel->groups == NULL)
            drop(server, channel);
        return LARDER_NO_MEMORY;
    }
    delivery_group_join(group, member, recipient);
    *out_channel = channel;
    return LARDER_OK;
}

void channel_leave(struct server *server, struct channel *channel, struct delivery_member *member) {
    struct delivery_group *group = member->group;
    delivery_group_leave(member);
    if (group->count > 0)
        return;
    struct delivery_group **at = &channel->groups;
    while (*at != group)
        at = &(*at)->next_of_owner;
    *at = group->next_of_owner;
    delivery_group_release(server, group);
    if (channel->groups == NULL)
        drop(server, channel);
}

/* ---- publishing ---- */

static size_t put_bulk(uint8_t *at, struct slice text) {
    size_t used = 0;
    at[used++] = '$';
    used += uint64_format(text.size, at + used);
    at[used++] = '\r';
    at[used++] = '\n';
    if (text.size > 0)
        memcpy(at + used, text.data, text.size);
    used += text.size;
    at[used++] = '\r';
    at[used++] = '\n';
    return used;
}

/* The push of these words. Returns owned; NULL: no memory. */
static struct blob *body_create(struct server *server, const struct slice *words, size_t count) {
    enum { BULK_OVERHEAD = 32 };
    size_t size = BULK_OVERHEAD;
    for (size_t i = 0; i < count; i++)
        size += words[i].size + BULK_OVERHEAD;
    struct blob *body = blob_create(server->allocator, size);
    if (body == NULL)
        return NULL;
    body->size = uint64_format(count, body->data);
    body->data[body->size++] = '\r';
    body->data[body->size++] = '\n';
    for (size_t i = 0; i < count; i++)
        body->size += put_bulk(body->data + body->size, words[i]);
    return body;
}

static enum larder_status stage(struct server *server, struct delivery_stage *out,
                                const struct channel *channel, const struct slice *words,
                                size_t count, uint64_t *receivers) REQUIRES(CHANNEL_LOCK) {
    struct blob *body = body_create(server, words, count);
    if (body == NULL)
        return LARDER_NO_MEMORY;
    struct delivery_message message = {{body, body}};
    enum larder_status status = LARDER_OK;
    for (struct delivery_group *group = channel->groups; group != NULL && status == LARDER_OK;
         group = group->next_of_owner) {
        *receivers += group->count;
        status = delivery_stage_group(server, out, group, &message);
    }
    blob_release(body);
    return status;
}

static enum larder_status stage_patterns(struct server *server, struct delivery_stage *out,
                                         struct slice channel, struct slice message,
                                         uint64_t *receivers) REQUIRES(CHANNEL_LOCK) {
    const struct channel_table *table = &server->pubsub->patterns;
    for (size_t i = 0; i < table->bucket_count; i++) {
        for (struct channel *c = table->buckets[i]; c != NULL; c = c->next) {
            struct slice words[] = {SLICE_LITERAL("pmessage"), channel_name(c), channel, message};
            if (!glob_match(channel_name(c), channel))
                continue;
            enum larder_status status = stage(server, out, c, words, 4, receivers);
            if (status != LARDER_OK)
                return status;
        }
    }
    return LARDER_OK;
}

static enum larder_status stage_all(struct server *server, struct delivery_stage *out,
                                    enum channel_kind kind, uint64_t hash, struct slice name,
                                    struct slice message, uint64_t *receivers)
    REQUIRES(CHANNEL_LOCK) {
    const struct channel *channel = find(table_of(server, kind, hash), hash, name);
    enum larder_status status = LARDER_OK;
    if (channel != NULL) {
        struct slice words[] = {kind == CHANNEL_SHARD ? SLICE_LITERAL("smessage")
                                                      : SLICE_LITERAL("message"),
                                name, message};
        status = stage(server, out, channel, words, 3, receivers);
    }
    if (status == LARDER_OK && kind == CHANNEL_PLAIN)
        status = stage_patterns(server, out, name, message, receivers);
    return status;
}

static bool has_listeners(const struct server *server, enum channel_kind kind) {
    return pubsub_channel_count(server, kind) > 0 ||
           (kind == CHANNEL_PLAIN && pubsub_channel_count(server, CHANNEL_PATTERN) > 0);
}

enum larder_status pubsub_publish(struct server_thread *from, enum channel_kind kind,
                                  struct slice channel, struct slice message,
                                  uint64_t *out_receivers) {
    struct server *server = from->server;
    struct delivery_stage staged;
    *out_receivers = 0;
    if (!has_listeners(server, kind))
        return LARDER_OK;
    uint64_t hash = channel_hash(server, channel);
    delivery_stage_init(&staged);
    channel_lock(server, kind, hash);
    enum larder_status status =
        stage_all(server, &staged, kind, hash, channel, message, out_receivers);
    if (status == LARDER_OK)
        delivery_commit(from, &staged);
    channel_unlock(server, kind, hash);
    if (status != LARDER_OK)
        delivery_abort(server, &staged);
    return status;
}

enum larder_status pubsub_hold(struct server_thread *from, enum channel_kind kind,
                               struct slice channel, struct slice message,
                               uint64_t *out_receivers) {
    struct server *server = from->server;
    *out_receivers = 0;
    if (!has_listeners(server, kind))
        return LARDER_OK;
    struct held_publication *held = allocator_allocate_zeroed(server->allocator, sizeof(*held));
    if (held == NULL)
        return LARDER_NO_MEMORY;
    held->kind = kind;
    held->hash = channel_hash(server, channel);
    delivery_stage_init(&held->staged);
    channel_lock(server, kind, held->hash);
    enum larder_status status =
        stage_all(server, &held->staged, kind, held->hash, channel, message, out_receivers);
    channel_unlock(server, kind, held->hash);
    if (status != LARDER_OK || held->staged.first == NULL) {
        delivery_abort(server, &held->staged);
        allocator_release(server->allocator, held, sizeof(*held));
        return status;
    }
    if (from->held_publications == NULL)
        from->held_publications = held;
    else
        from->last_held_publication->next = held;
    from->last_held_publication = held;
    return LARDER_OK;
}

void pubsub_let_go(struct server_thread *thread) {
    struct server *server = thread->server;
    struct held_publication *held = thread->held_publications;
    thread->held_publications = NULL;
    for (struct held_publication *next; held != NULL; held = next) {
        next = held->next;
        channel_lock(server, held->kind, held->hash);
        delivery_commit(thread, &held->staged);
        channel_unlock(server, held->kind, held->hash);
        allocator_release(server->allocator, held, sizeof(*held));
    }
}

/* ---- what there is ---- */

uint64_t pubsub_channel_count(const struct server *server, enum channel_kind kind) {
    return atomic_load_explicit(&server->pubsub->counts[kind], memory_order_relaxed);
}

uint64_t pubsub_subscriber_count(const struct server *server, enum channel_kind kind,
                                 struct slice name) {
    uint64_t hash = channel_hash(server, name), count = 0;
    channel_lock(server, kind, hash);
    const struct channel *channel = find(table_of(server, kind, hash), hash, name);
    if (channel != NULL)
        for (const struct delivery_group *g = channel->groups; g != NULL; g = g->next_of_owner)
            count += g->count;
    channel_unlock(server, kind, hash);
    return count;
}

void pubsub_visit(const struct server *server, enum channel_kind kind, pubsub_visitor visitor,
                  void *context) {
    for (uint64_t i = 0; i < STRIPES; i++) {
        channel_lock(server, kind, i);
        const struct channel_table *table = table_of(server, kind, i);
        for (size_t bucket = 0; bucket < table->bucket_count; bucket++)
            for (const struct channel *c = table->buckets[bucket]; c != NULL; c = c->next)
                visitor(context, channel_name(c));
        channel_unlock(server, kind, i);
    }
}
