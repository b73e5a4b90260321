/* SPDX-License-Identifier: BSD-3-Clause */
/* What a thread has to tell is collected under partition locks and posted when they are released.
 * A message for one key is made once and shared by all who read it; of several changed keys, those
 * with the same prefix are one message for who asked for broadcasts. */
#include "server/tracking_internal.h"

#include "base/text_buffer.h"

#include <stdlib.h>

static struct server_thread *thread_of_node(struct node_thread *thread) {
    return (struct server_thread *)((uint8_t *)thread -
                                    offsetof(struct server_thread, node_thread));
}

void tracking_disconnect(struct server *server, uint64_t session_id) {
    server_stats_lock(server);
    for (struct session *s = server->sessions; s != NULL; s = s->registry_next)
        if (s->id == session_id)
            session_kill(s);
    server_stats_unlock(server);
}

/* ---- collecting ---- */

static struct untold *untold_of(struct server_thread *thread) {
    if (thread->untold == NULL) {
        thread->untold =
            allocator_allocate_zeroed(thread->server->allocator, sizeof(*thread->untold));
        if (thread->untold != NULL)
            thread->untold->end = &thread->untold->first;
    }
    return thread->untold;
}

/* There is no memory to tell these, or, with NULL, those of any key. */
static void disconnect_all(struct server *server, const struct tracked_key *tracked) {
    struct tracking *tracking = tracking_of(server);
    for (uint32_t i = 0; tracked != NULL && i < tracked->count; i++)
        tracking_disconnect(server, tracked->trackers[i]->session_id);
    tracking_lock(tracking);
    for (const struct tracker *t = tracking->first; t != NULL; t = t->next)
        if (tracked == NULL ||
            (atomic_load_explicit(&t->flags, memory_order_relaxed) & TRACKER_BROADCAST) != 0)
            tracking_disconnect(server, t->session_id);
    tracking_unlock(tracking);
}

void untold_add(struct server_thread *thread, struct tracked_key *tracked, struct slice key,
                uint64_t by) {
    const struct allocator *allocator = thread->server->allocator;
    struct untold *untold = untold_of(thread);
    struct untold_key *item =
        untold == NULL ? NULL : allocator_allocate(allocator, sizeof(*item) + key.size);
    if (item == NULL) {
        disconnect_all(thread->server, tracked);
        tracked_key_destroy(&tracking_of(thread->server)->table, tracked);
        return;
    }
    *item = (struct untold_key){.tracked = tracked, .by = by, .size = key.size};
    if (key.size > 0)
        memcpy(item->text, key.data, key.size);
    *untold->end = item;
    untold->end = &item->next;
    untold->count++;
}

void untold_all(struct server_thread *thread) {
    struct untold *untold = untold_of(thread);
    if (untold != NULL)
        untold->is_all = true;
    else
        disconnect_all(thread->server, NULL);
}

void tracking_changed(void *context, struct node_thread *node_thread, uint32_t database,
                      struct slice key) {
    (void)database;
    struct server *server = context;
    struct tracking *tracking = tracking_of(server);
    if (atomic_load_explicit(&tracking->client_count, memory_order_relaxed) == 0)
        return;
    struct server_thread *thread = thread_of_node(node_thread);
    struct tracked_key *tracked = tracking_table_take(&tracking->table, key);
    bool has_broadcasts =
        atomic_load_explicit(&tracking->broadcast_count, memory_order_relaxed) > 0;
    if (tracked != NULL || has_broadcasts)
        untold_add(thread, tracked, key, thread->running_session);
}

void tracking_flushed(void *context, struct node_thread *node_thread, uint32_t database) {
    (void)database;
    struct server *server = context;
    struct tracking *tracking = tracking_of(server);
    if (atomic_load_explicit(&tracking->client_count, memory_order_relaxed) == 0)
        return;
    tracking_table_clear(&tracking->table);
    untold_all(thread_of_node(node_thread));
}

/* ---- messages ---- */

static void append_bulk(struct text_buffer *out, struct slice text) {
    text_buffer_format(out, "$%zu\r\n", text.size);
    text_buffer_append(out, text);
    text_buffer_append(out, SLICE_LITERAL("\r\n"));
}

static struct blob *blob_of(const struct allocator *allocator, const char *head,
                            const struct text_buffer *keys) {
    size_t head_size = strlen(head);
    struct blob *blob =
        keys->is_out_of_memory ? NULL : blob_create(allocator, head_size + keys->size);
    if (blob == NULL)
        return NULL;
    memcpy(blob->data, head, head_size);
    memcpy(blob->data + head_size, keys->data, keys->size);
    blob->size = head_size + keys->size;
    return blob;
}

static void release_message(struct delivery_message *message) {
    for (size_t i = 0; i < 2; i++) {
        blob_release(message->bodies[i]);
        message->bodies[i] = NULL;
    }
}

/* Both forms of an invalidation; `keys` is the array of keys, or the null, of each protocol. False:
 * no memory. */
static bool make_message(const struct allocator *allocator, const struct text_buffer *keys2,
                         const struct text_buffer *keys3, struct delivery_message *out) {
    out->bodies[0] =
        blob_of(allocator, "3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n", keys2);
    out->bodies[1] = blob_of(allocator, "2\r\n$10\r\ninvalidate\r\n", keys3);
    if (out->bodies[0] != NULL && out->bodies[1] != NULL)
        return true;
    release_message(out);
    return false;
}

/* Where a tracker's messages go. */
struct destination {
    unsigned thread;
    uint64_t session_id;
    bool is_redirected, is_broken;
};

static struct destination destination_of(struct tracker *tracker) {
    struct tracking *tracking = tracker->tracking;
    tracking_lock(tracking);
    struct destination to = {tracker->redirect_thread, tracker->redirect_id, true,
                             atomic_load_explicit(&tracker->is_broken, memory_order_relaxed)};
    tracking_unlock(tracking);
    if (to.session_id == 0 || to.is_broken) {
        to.is_redirected = to.session_id != 0;
        to.thread = tracker->thread;
        to.session_id = tracker->session_id;
    }
    return to;
}

/* Whom it redirected to is gone: it is told so, in RESP3. */
static bool make_broken_message(struct tracker *tracker, struct delivery_message *out) {
    const struct allocator *allocator = tracker->tracking->server->allocator;
    struct text_buffer text;
    text_buffer_init(&text, allocator);
    text_buffer_format(
        &text, ":%llu\r\n",
        (unsigned long long)atomic_load_explicit(&tracker->shown_redirect, memory_order_relaxed));
    *out = (struct delivery_message){
        {NULL, blob_of(allocator, "2\r\n$21\r\ntracking-redir-broken\r\n", &text)}};
    text_buffer_finish(&text);
    return out->bodies[1] != NULL;
}

static void send_to(struct server_thread *from, struct tracker *tracker,
                    const struct delivery_message *message) {
    struct server *server = from->server;
    if (atomic_load_explicit(&tracker->is_off, memory_order_relaxed))
        return;
    struct destination to = destination_of(tracker);
    struct delivery_message own = {{NULL, message->bodies[1]}}, broken = {{NULL, NULL}};
    struct delivery_stage stage;
    delivery_stage_init(&stage);
    bool is_made = !to.is_broken || make_broken_message(tracker, &broken);
    const struct delivery_message *sent = to.is_broken       ? &broken
                                          : to.is_redirected ? message
                                                             : &own;
    if (is_made &&
        delivery_stage_session(server, &stage, to.thread, to.session_id, sent) == LARDER_OK)
        delivery_commit(from, &stage);
    else
        tracking_disconnect(server, tracker->session_id);
    release_message(&broken);
}

/* ---- keys that were read ---- */

static bool skips(const struct tracker *tracker, uint64_t by) {
    return by == tracker->session_id &&
           (atomic_load_explicit(&tracker->flags, memory_order_relaxed) & TRACKER_NO_LOOP) != 0;
}

static void tell_readers(struct server_thread *thread, const struct untold_key *item) {
    const struct allocator *allocator = thread->server->allocator;
    struct delivery_message message;
    struct text_buffer keys;
    if (item->tracked == NULL)
        return;
    text_buffer_init(&keys, allocator);
    text_buffer_append(&keys, SLICE_LITERAL("*1\r\n"));
    append_bulk(&keys, slice_of(item->text, item->size));
    bool is_made = make_message(allocator, &keys, &keys, &message);
    text_buffer_finish(&keys);
    for (uint32_t i = 0; i < item->tracked->count; i++) {
        struct tracker *tracker = item->tracked->trackers[i];
        if (!is_made)
            tracking_disconnect(thread->server, tracker->session_id);
        else if (!skips(tracker, item->by))
            send_to(thread, tracker, &message);
    }
    if (is_made)
        release_message(&message);
}

/* ---- broadcasts ---- */

static int compare_items(const void *a, const void *b) {
    const struct untold_key *x = *(const struct untold_key *const *)a;
    const struct untold_key *y = *(const struct untold_key *const *)b;
    return slice_compare(slice_of(x->text, x->size), slice_of(y->text, y->size));
}

/* All that was changed, sorted by key. NULL: no memory. */
static const struct untold_key **sort_items(const struct allocator *allocator,
                                            const struct untold *untold) {
    const struct untold_key **items =
        allocator_allocate(allocator, untold->count * sizeof(struct untold_key *));
    size_t count = 0;
    for (const struct untold_key *item = untold->first; item != NULL && items != NULL;
         item = item->next)
        items[count++] = item;
    if (items != NULL)
        qsort(items, count, sizeof(*items), compare_items);
    return items;
}

static bool is_under(const struct untold_key *item, const struct tracker_prefix *prefix) {
    return item->size >= prefix->size &&
           (prefix->size == 0 || memcmp(item->text, prefix->text, prefix->size) == 0);
}

/* The message of those keys that begin with the prefix and are not the tracker's own doing. Returns
 * how many; -1: no memory. */
static int64_t make_broadcast(const struct allocator *allocator, const struct untold_key **items,
                              size_t count, const struct tracker *tracker,
                              const struct tracker_prefix *prefix, struct delivery_message *out) {
    struct text_buffer list, keys;
    text_buffer_init(&list, allocator);
    text_buffer_init(&keys, allocator);
    int64_t used = 0;
    const struct untold_key *last = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct untold_key *item = items[i];
        if (!is_under(item, prefix) || skips(tracker, item->by) ||
            (last != NULL && compare_items(&last, &item) == 0))
            continue;
        append_bulk(&list, slice_of(item->text, item->size));
        last = item;
        used++;
    }
    text_buffer_format(&keys, "*%lld\r\n", (long long)used);
    text_buffer_append(&keys, text_buffer_slice(&list));
    if (list.is_out_of_memory || (used > 0 && !make_message(allocator, &keys, &keys, out)))
        used = -1;
    text_buffer_finish(&list);
    text_buffer_finish(&keys);
    return used;
}

/* The trackers that want broadcasts, each with a reference, in an owned array. */
static struct tracker **broadcast_trackers(struct tracking *tracking, bool all, size_t *out_count,
                                           size_t *out_capacity) {
    size_t capacity =
        (size_t)atomic_load_explicit(&tracking->client_count, memory_order_relaxed) + 16;
    struct tracker **list =
        allocator_allocate(tracking->server->allocator, capacity * sizeof(struct tracker *));
    size_t count = 0;
    *out_capacity = capacity;
    tracking_lock(tracking);
    for (struct tracker *t = tracking->first; t != NULL && list != NULL; t = t->next) {
        bool wants =
            all || (atomic_load_explicit(&t->flags, memory_order_relaxed) & TRACKER_BROADCAST) != 0;
        if (!wants)
            continue;
        if (count < capacity) {
            atomic_fetch_add_explicit(&t->references, 1, memory_order_relaxed);
            list[count++] = t;
        } else {
            tracking_disconnect(tracking->server, t->session_id); /* came this very moment */
        }
    }
    tracking_unlock(tracking);
    *out_count = count;
    return list;
}

/* A prefix of the tracker, copied; false: there is none of this index, or no memory. */
static bool copy_prefix(struct tracker *tracker, size_t index, struct tracker_prefix *out) {
    const struct allocator *allocator = tracker->tracking->server->allocator;
    *out = (struct tracker_prefix){NULL, 0};
    bool is_there, has_memory = true;
    tracking_lock(tracker->tracking);
    is_there = index < tracker->prefix_count;
    if (is_there && tracker->prefixes[index].size > 0) {
        const struct tracker_prefix *from = &tracker->prefixes[index];
        out->text = allocator_allocate(allocator, from->size);
        has_memory = out->text != NULL;
        if (has_memory) {
            memcpy(out->text, from->text, from->size);
            out->size = from->size;
        }
    }
    tracking_unlock(tracker->tracking);
    if (!has_memory)
        tracking_disconnect(tracker->tracking->server, tracker->session_id);
    return is_there && has_memory;
}

static void broadcast(struct server_thread *thread, const struct untold_key **items, size_t count,
                      struct tracker *tracker) {
    const struct allocator *allocator = thread->server->allocator;
    struct tracker_prefix prefix;
    for (size_t i = 0; copy_prefix(tracker, i, &prefix); i++) {
        struct delivery_message message = {{NULL, NULL}};
        int64_t used = make_broadcast(allocator, items, count, tracker, &prefix, &message);
        if (used < 0)
            tracking_disconnect(thread->server, tracker->session_id);
        else if (used > 0)
            send_to(thread, tracker, &message);
        release_message(&message);
        allocator_release(allocator, prefix.text, prefix.size);
    }
}

static void tell_broadcasts(struct server_thread *thread, const struct untold *untold) {
    struct tracking *tracking = tracking_of(thread->server);
    const struct allocator *allocator = thread->server->allocator;
    if (untold->count == 0 ||
        atomic_load_explicit(&tracking->broadcast_count, memory_order_relaxed) == 0)
        return;
    size_t count, capacity;
    const struct untold_key **items = sort_items(allocator, untold);
    struct tracker **trackers = broadcast_trackers(tracking, false, &count, &capacity);
    if (items == NULL || trackers == NULL)
        disconnect_all(thread->server, untold->first->tracked);
    for (size_t i = 0; i < count; i++) {
        if (items != NULL)
            broadcast(thread, items, untold->count, trackers[i]);
        tracker_release(trackers[i]);
    }
    if (trackers != NULL)
        allocator_release(allocator, trackers, capacity * sizeof(struct tracker *));
    if (items != NULL)
        allocator_release(allocator, items, untold->count * sizeof(struct untold_key *));
}

/* ---- everything ---- */

static void tell_all(struct server_thread *thread) {
    struct tracking *tracking = tracking_of(thread->server);
    const struct allocator *allocator = thread->server->allocator;
    struct text_buffer null2, null3;
    struct delivery_message message;
    size_t count, capacity;
    text_buffer_init(&null2, allocator);
    text_buffer_init(&null3, allocator);
    text_buffer_append(&null2, SLICE_LITERAL("$-1\r\n"));
    text_buffer_append(&null3, SLICE_LITERAL("_\r\n"));
    bool is_made = make_message(allocator, &null2, &null3, &message);
    struct tracker **trackers = broadcast_trackers(tracking, true, &count, &capacity);
    if (!is_made || trackers == NULL)
        disconnect_all(thread->server, NULL);
    for (size_t i = 0; i < count; i++) {
        if (is_made)
            send_to(thread, trackers[i], &message);
        tracker_release(trackers[i]);
    }
    if (trackers != NULL)
        allocator_release(allocator, trackers, capacity * sizeof(struct tracker *));
    if (is_made)
        release_message(&message);
    text_buffer_finish(&null2);
    text_buffer_finish(&null3);
}

static void release_untold(struct server_thread *thread, struct untold *untold) {
    const struct allocator *allocator = thread->server->allocator;
    for (struct untold_key *item = untold->first, *next; item != NULL; item = next) {
        next = item->next;
        tracked_key_destroy(&tracking_of(thread->server)->table, item->tracked);
        allocator_release(allocator, item, sizeof(*item) + item->size);
    }
    allocator_release(allocator, untold, sizeof(*untold));
}

void tracking_tell(struct server_thread *thread) {
    struct untold *untold = thread->untold;
    thread->untold = NULL;
    if (untold == NULL)
        return;
    if (untold->is_all)
        tell_all(thread);
    for (const struct untold_key *item = untold->first; item != NULL; item = item->next)
        tell_readers(thread, item);
    tell_broadcasts(thread, untold);
    release_untold(thread, untold);
}

void tracking_thread_finish(struct server_thread *thread) {
    if (thread->untold != NULL)
        release_untold(thread, thread->untold);
    thread->untold = NULL;
}
