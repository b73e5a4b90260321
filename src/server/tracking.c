/* SPDX-License-Identifier: BSD-3-Clause */
/* Who tracks, and which keys they have read. */
#include "server/tracking_internal.h"

#include "base/command_keys.h"
#include "os/process.h"

#include <stdlib.h>

enum { KEYS_INLINE = 32 };

void tracking_lock(struct tracking *tracking) NO_THREAD_SAFETY {
    lock_acquire(&tracking->lock);
}

void tracking_unlock(struct tracking *tracking) NO_THREAD_SAFETY {
    lock_release(&tracking->lock);
}

/* ---- life ---- */

enum larder_status tracking_create(struct server *server) {
    struct hash_seed seed;
    enum larder_status status = secure_random_bytes(&seed, sizeof(seed));
    if (status != LARDER_OK)
        return status;
    struct tracking *tracking = allocator_allocate_zeroed(server->allocator, sizeof(*tracking));
    if (tracking == NULL)
        return LARDER_NO_MEMORY;
    tracking->server = server;
    tracking_table_init(&tracking->table, server->allocator, seed, tracker_release);
    atomic_store_explicit(&tracking->max_keys, (uint64_t)server->config.tracking_table_max_keys,
                          memory_order_relaxed);
    server->tracking = tracking;
    return LARDER_OK;
}

void tracking_destroy(struct server *server) {
    struct tracking *tracking = server->tracking;
    if (tracking == NULL)
        return;
    tracking_table_finish(&tracking->table);
    allocator_release(server->allocator, tracking, sizeof(*tracking));
    server->tracking = NULL;
}

/* Let keys go until the limit holds; their readers are told that they changed. */
static void enforce_limit(struct server_thread *thread) {
    struct tracking *tracking = tracking_of(thread->server);
    uint64_t max = atomic_load_explicit(&tracking->max_keys, memory_order_relaxed);
    while (max > 0 &&
           atomic_load_explicit(&tracking->table.key_count, memory_order_relaxed) > max) {
        uint64_t hand = atomic_fetch_add_explicit(&tracking->hand, 1, memory_order_relaxed);
        struct tracked_key *key = tracking_table_take_any(&tracking->table, hand);
        if (key == NULL)
            return;
        untold_add(thread, key, slice_of(key->text, key->size), 0);
    }
}

void tracking_set_limit(struct server *server, uint64_t max_keys) {
    atomic_store_explicit(&tracking_of(server)->max_keys, max_keys, memory_order_relaxed);
}

struct tracking_numbers tracking_numbers(struct server *server) {
    struct tracking *tracking = tracking_of(server);
    struct tracking_numbers numbers = {
        .clients = atomic_load_explicit(&tracking->client_count, memory_order_relaxed),
        .keys = atomic_load_explicit(&tracking->table.key_count, memory_order_relaxed),
        .items = atomic_load_explicit(&tracking->table.item_count, memory_order_relaxed),
    };
    tracking_lock(tracking);
    for (const struct tracker *t = tracking->first; t != NULL; t = t->next)
        numbers.prefixes += t->prefix_count;
    tracking_unlock(tracking);
    return numbers;
}

/* ---- trackers ---- */

static void release_prefixes(const struct allocator *allocator, struct tracker_prefix *prefixes,
                             size_t count) {
    for (size_t i = 0; i < count; i++)
        allocator_release(allocator, prefixes[i].text, prefixes[i].size);
    allocator_release(allocator, prefixes, count * sizeof(*prefixes));
}

void tracker_release(struct tracker *tracker) {
    /* acq_rel: the last one to release sees what the others did before they released */
    if (atomic_fetch_sub_explicit(&tracker->references, 1, memory_order_acq_rel) > 1)
        return;
    const struct allocator *allocator = tracker->tracking->server->allocator;
    release_prefixes(allocator, tracker->prefixes, tracker->prefix_count);
    allocator_release(allocator, tracker, sizeof(*tracker));
}

static struct tracker *acquire(struct tracker *tracker) {
    atomic_fetch_add_explicit(&tracker->references, 1, memory_order_relaxed);
    return tracker;
}

static struct tracker *create(struct session *session) {
    struct server *server = session->server;
    struct tracker *tracker = allocator_allocate_zeroed(server->allocator, sizeof(*tracker));
    if (tracker == NULL)
        return NULL;
    tracker->tracking = tracking_of(server);
    tracker->session_id = session->id;
    tracker->thread = session->thread->loop.index;
    atomic_store_explicit(&tracker->references, 1, memory_order_relaxed);
    return tracker;
}

static void link_tracker(struct session *session, struct tracker *tracker) {
    struct tracking *tracking = tracker->tracking;
    tracking_lock(tracking);
    tracker->next = tracking->first;
    if (tracker->next != NULL)
        tracker->next->previous = tracker;
    tracking->first = tracker;
    tracking_unlock(tracking);
    atomic_fetch_add_explicit(&tracking->client_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&session->server->node->changes_wanted, 1, memory_order_relaxed);
    server_stats_lock(session->server);
    session->tracker = tracker;
    server_stats_unlock(session->server);
}

void tracking_end(struct session *session) {
    struct tracker *tracker = session->tracker;
    if (tracker == NULL)
        return;
    struct tracking *tracking = tracker->tracking;
    server_stats_lock(session->server);
    session->tracker = NULL;
    server_stats_unlock(session->server);
    atomic_store_explicit(&tracker->is_off, true, memory_order_relaxed);
    tracking_lock(tracking);
    *(tracker->previous != NULL ? &tracker->previous->next : &tracking->first) = tracker->next;
    if (tracker->next != NULL)
        tracker->next->previous = tracker->previous;
    tracking_unlock(tracking);
    if ((atomic_load_explicit(&tracker->flags, memory_order_relaxed) & TRACKER_BROADCAST) != 0)
        atomic_fetch_sub_explicit(&tracking->broadcast_count, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&tracking->client_count, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&session->server->node->changes_wanted, 1, memory_order_relaxed);
    tracker_release(tracker);
}

static int compare_prefixes(const void *a, const void *b) {
    const struct tracker_prefix *x = a, *y = b;
    return slice_compare(slice_of(x->text, x->size), slice_of(y->text, y->size));
}

/* The tracker's prefixes and those of the request, in one sorted list. False: no memory. */
static bool join_prefixes(const struct tracker *tracker, const struct tracking_request *request,
                          struct tracker_prefix **out, size_t *out_count) {
    static const struct slice EVERYTHING = {NULL, 0};
    const struct allocator *allocator = tracker->tracking->server->allocator;
    size_t old = tracker->prefix_count, added = request->prefix_count;
    bool has_everything = old > 0 && tracker->prefixes[0].size == 0; /* they are sorted */
    if ((request->flags & TRACKER_BROADCAST) != 0 && added == 0 && !has_everything)
        added = 1;
    size_t count = old + added;
    *out = NULL;
    *out_count = count;
    if (count == 0)
        return true;
    struct tracker_prefix *list = allocator_allocate_zeroed(allocator, count * sizeof(*list));
    bool is_complete = list != NULL;
    for (size_t i = 0; i < count && is_complete; i++) {
        struct slice text = i < old ? slice_of(tracker->prefixes[i].text, tracker->prefixes[i].size)
                            : request->prefix_count > 0 ? request->prefixes[i - old]
                                                        : EVERYTHING;
        if (text.size == 0)
            continue;
        list[i].text = allocator_allocate(allocator, text.size);
        is_complete = list[i].text != NULL;
        if (is_complete) {
            memcpy(list[i].text, text.data, text.size);
            list[i].size = text.size;
        }
    }
    if (!is_complete && list != NULL)
        release_prefixes(allocator, list, count);
    if (is_complete)
        qsort(list, count, sizeof(*list), compare_prefixes);
    *out = list;
    return is_complete;
}

/* The thread of a session that is there and stays marked as one that others redirect to. */
static bool find_target(struct server *server, uint64_t id, unsigned *out_thread) {
    bool is_there = false;
    server_stats_lock(server);
    for (struct session *s = server->sessions; s != NULL && !is_there; s = s->registry_next) {
        if (s->id != id)
            continue;
        is_there = s->is_redirect_target = true;
        *out_thread = s->thread->loop.index;
    }
    server_stats_unlock(server);
    return is_there;
}

static void redirect(struct tracker *tracker, uint64_t id, unsigned thread) {
    tracking_lock(tracker->tracking);
    tracker->redirect_id = id;
    tracker->redirect_thread = thread;
    tracking_unlock(tracker->tracking);
    atomic_store_explicit(&tracker->shown_redirect, id, memory_order_relaxed);
}

enum larder_status tracking_begin(struct session *session, const struct tracking_request *request) {
    struct server *server = session->server;
    struct tracker_prefix *prefixes;
    size_t count;
    unsigned thread = 0;
    if (request->redirect_id != 0 && !find_target(server, request->redirect_id, &thread))
        return LARDER_NOT_FOUND;
    if (delivery_enlist(session) == NULL)
        return LARDER_NO_MEMORY;
    bool is_new = session->tracker == NULL;
    struct tracker *tracker = is_new ? create(session) : session->tracker;
    if (tracker == NULL)
        return LARDER_NO_MEMORY;
    if (!join_prefixes(tracker, request, &prefixes, &count)) {
        if (is_new)
            tracker_release(tracker);
        return LARDER_NO_MEMORY;
    }
    tracking_lock(tracker->tracking);
    struct tracker_prefix *old = tracker->prefixes;
    size_t old_count = tracker->prefix_count;
    tracker->prefixes = prefixes;
    tracker->prefix_count = count;
    tracking_unlock(tracker->tracking);
    release_prefixes(server->allocator, old, old_count);
    if (is_new && (request->flags & TRACKER_BROADCAST) != 0)
        atomic_fetch_add_explicit(&tracker->tracking->broadcast_count, 1, memory_order_relaxed);
    atomic_store_explicit(&tracker->flags, request->flags, memory_order_relaxed);
    atomic_store_explicit(&tracker->is_broken, false, memory_order_relaxed);
    redirect(tracker, request->redirect_id, thread);
    if (is_new)
        link_tracker(session, tracker);
    /* The target may have gone before the tracker could be found by tracking_target_gone. */
    if (request->redirect_id != 0 && !find_target(server, request->redirect_id, &thread))
        atomic_store_explicit(&tracker->is_broken, true, memory_order_relaxed);
    return LARDER_OK;
}

void tracking_target_gone(struct session *session) {
    if (!session->is_redirect_target)
        return;
    struct tracking *tracking = tracking_of(session->server);
    tracking_lock(tracking);
    for (struct tracker *t = tracking->first; t != NULL; t = t->next)
        if (t->redirect_id == session->id)
            atomic_store_explicit(&t->is_broken, true, memory_order_relaxed);
    tracking_unlock(tracking);
}

static bool begins_with(struct slice text, struct slice prefix) {
    return text.size >= prefix.size &&
           (prefix.size == 0 || memcmp(text.data, prefix.data, prefix.size) == 0);
}

struct slice tracking_overlap(struct session *session, struct slice prefix) {
    struct slice other;
    for (size_t i = 0; tracking_prefix(session, i, &other); i++)
        if (begins_with(other, prefix) || begins_with(prefix, other))
            return other;
    return slice_of(NULL, 0);
}

bool tracking_prefix(const struct session *session, size_t index, struct slice *out) {
    const struct tracker *tracker = session->tracker;
    if (tracker == NULL || index >= tracker->prefix_count)
        return false;
    /* never NULL, so that an overlap with the empty one shows */
    const uint8_t *text = tracker->prefixes[index].text;
    *out = slice_of(text != NULL ? text : (const uint8_t *)"", tracker->prefixes[index].size);
    return true;
}

/* ---- reads ---- */

static bool is_tracked(const struct session *session, const struct command_spec *spec) {
    if ((spec->flags & COMMAND_FLAG_READONLY) == 0 || !command_has_keys(spec))
        return false;
    uint32_t flags = atomic_load_explicit(&session->tracker->flags, memory_order_relaxed);
    bool has_caching = (flags & TRACKER_CACHING) != 0;
    return (flags & TRACKER_BROADCAST) == 0 && ((flags & TRACKER_OPT_IN) == 0 || has_caching) &&
           ((flags & TRACKER_OPT_OUT) == 0 || !has_caching);
}

/* Do something with each key of the command. False: no memory. */
typedef bool (*key_visitor)(struct session *session, struct slice key);
static bool visit_keys(struct session *session, const struct command_spec *spec, size_t argc,
                       const struct slice *argv, key_visitor visit) {
    const struct allocator *allocator = session->server->allocator;
    struct command_key few[KEYS_INLINE], *many = NULL;
    struct command_keys keys = {few, KEYS_INLINE, 0};
    if (command_get_keys(spec, argc, argv, &keys) != LARDER_OK)
        return true; /* the command will refuse its words */
    size_t capacity = keys.count;
    if (capacity > KEYS_INLINE) {
        many = allocator_allocate(allocator, capacity * sizeof(*many));
        keys = (struct command_keys){many, capacity, 0};
        if (many == NULL || command_get_keys(spec, argc, argv, &keys) != LARDER_OK)
            keys.count = 0;
    }
    bool is_done = capacity == keys.count;
    for (size_t i = 0; i < keys.count && is_done; i++)
        is_done = visit(session, argv[keys.items[i].position]);
    allocator_release(allocator, many, many == NULL ? 0 : capacity * sizeof(*many));
    return is_done;
}

static bool remember(struct session *session, struct slice key) {
    struct tracker *tracker = session->tracker;
    bool is_new;
    enum larder_status status =
        tracking_table_add(&tracker->tracking->table, key, acquire(tracker), &is_new);
    if (!is_new)
        tracker_release(tracker);
    return status == LARDER_OK;
}

/* The key was changed while the command ran: tell of it once more, now that it was read. */
static bool look_again(struct session *session, struct slice key) {
    struct tracker *tracker = session->tracker;
    if (tracking_table_has(&tracker->tracking->table, key, tracker))
        return true;
    if (!remember(session, key))
        return false;
    struct tracked_key *tracked = tracking_table_take(&tracker->tracking->table, key);
    if (tracked != NULL)
        untold_add(session->thread, tracked, key, 0);
    return true;
}

void tracking_before_read(struct session *session, const struct command_spec *spec, size_t argc,
                          const struct slice *argv) {
    if (is_tracked(session, spec) && !visit_keys(session, spec, argc, argv, remember))
        tracking_disconnect(session->server, session->id);
}

void tracking_after_read(struct session *session, const struct command_spec *spec, size_t argc,
                         const struct slice *argv) {
    if (!is_tracked(session, spec))
        return;
    if (!visit_keys(session, spec, argc, argv, look_again))
        tracking_disconnect(session->server, session->id);
    enforce_limit(session->thread);
}

void tracking_after_command(struct session *session, const struct command_spec *spec) {
    uint32_t flags = atomic_load_explicit(&session->tracker->flags, memory_order_relaxed);
    if ((flags & TRACKER_CACHING) != 0 && spec->parent != COMMAND_CLIENT &&
        session->transaction == NULL)
        atomic_store_explicit(&session->tracker->flags, flags & ~(uint32_t)TRACKER_CACHING,
                              memory_order_relaxed);
}
