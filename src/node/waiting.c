/* SPDX-License-Identifier: BSD-3-Clause */
/* Making commands wait, and serving them. Under the lock of a key's partition its waiters are asked
 * in the order in which they came; each runs its command with only that key to look at. */
#include "node/waiting.h"

#include "base/command_keys.h"
#include "node/node_internal.h"
#include "node/section.h"

enum { KEYS_ON_STACK = 64, SERVED_REPLY_BYTES = 1024 };

/* ---- making one ---- */

static size_t words_bytes(const struct call *call) {
    size_t bytes = call->argc * sizeof(*call->argv);
    for (size_t i = 0; i < call->argc; i++)
        bytes += call->argv[i].size;
    for (size_t i = 0; i < call->wait.argument_count; i++)
        bytes += call->wait.arguments[i].size;
    return bytes;
}

static void copy_words(struct waiter *waiter, const struct call *call) {
    uint8_t *at = (uint8_t *)(waiter->argv + call->argc);
    for (size_t i = 0; i < call->argc; i++) {
        struct slice word = call->argv[i];
        for (size_t k = 0; k < call->wait.argument_count; k++)
            if (call->wait.arguments[k].index == i)
                word = slice_of(call->wait.arguments[k].text, call->wait.arguments[k].size);
        if (word.size > 0)
            memcpy(at, word.data, word.size);
        waiter->argv[i] = slice_of(at, word.size);
        at += word.size;
    }
}

static struct waiter *create(struct node_thread *thread, const struct call *call,
                             size_t key_count) {
    const struct allocator *a = thread->node->allocator;
    struct waiter *waiter = allocator_allocate_zeroed(a, sizeof(*waiter));
    if (waiter == NULL)
        return NULL;
    waiter->node = thread->node;
    waiter->spec = call->spec;
    waiter->argc = call->argc;
    waiter->block_bytes = words_bytes(call);
    waiter->argv = allocator_allocate(a, waiter->block_bytes);
    waiter->entry_count = waiter->partition_count = key_count;
    waiter->entries = allocator_allocate_zeroed(a, key_count * sizeof(*waiter->entries));
    waiter->partitions = allocator_allocate(a, key_count * sizeof(*waiter->partitions));
    reply_init(&waiter->reply, a);
    if (waiter->argv == NULL || waiter->entries == NULL || waiter->partitions == NULL) {
        waiter->partition_count = 0;
        node_wait_destroy(waiter);
        return NULL;
    }
    copy_words(waiter, call);
    waiter->database = call->database;
    waiter->flags = call->flags;
    waiter->until_ms = call->wait.until_ms;
    waiter->is_array = call->wait.is_array;
    waiter->reply.protocol = call->reply->protocol;
    waiter->owner = thread->owner;
    return waiter;
}

static enum larder_status enter_keys(struct waiter *waiter, const struct command_key *keys,
                                     size_t count) REQUIRES(PARTITION_LOCK) {
    struct node *node = waiter->node;
    for (size_t i = 0; i < count; i++) {
        struct slice text = waiter->argv[keys[i].position];
        uint32_t id = keyspace_partition_id(&node->keyspace, text);
        waiter->entries[i].waiter = waiter;
        waiter->partitions[i] = id;
        if ((keys[i].flags & COMMAND_KEY_INSERT) != 0)
            continue; /* BLMOVE's destination is touched, not waited for */
        if (interest_add(node, id, waiter->database, text, &waiter->entries[i]) != LARDER_OK)
            return LARDER_NO_MEMORY;
    }
    waiter->partition_count = partition_set_sort(waiter->partitions, count);
    return LARDER_OK;
}

struct waiter *node_wait(struct node_thread *thread, struct call *call) {
    const struct allocator *a = thread->node->allocator;
    struct command_key few[KEYS_ON_STACK], *items = few;
    struct command_keys keys = {.items = few, .capacity = KEYS_ON_STACK};
    if (command_get_keys(call->spec, call->argc, call->argv, &keys) != LARDER_OK)
        return NULL;
    size_t count = keys.count;
    if (count > KEYS_ON_STACK) {
        items = allocator_allocate(a, count * sizeof(*items));
        if (items == NULL)
            return NULL;
        keys = (struct command_keys){.items = items, .capacity = count};
        if (command_get_keys(call->spec, call->argc, call->argv, &keys) != LARDER_OK)
            count = 0;
    }
    struct waiter *waiter = count > 0 ? create(thread, call, count) : NULL;
    if (waiter != NULL && enter_keys(waiter, items, count) != LARDER_OK) {
        for (size_t i = 0; i < count; i++)
            interest_remove(thread->node, &waiter->entries[i]);
        waiter->partition_count = 0;
        node_wait_destroy(waiter);
        waiter = NULL;
    }
    if (items != few)
        allocator_release(a, items, count * sizeof(*items));
    return waiter;
}

/* ---- giving up, freeing ---- */

static bool move_state(struct waiter *waiter, uint32_t from, uint32_t to) {
    return atomic_compare_exchange_strong_explicit(&waiter->state, &from, to, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

bool node_wait_cancel(struct waiter *waiter) {
    do {
        if (move_state(waiter, WAITER_WAITING, WAITER_CANCELLED))
            return true;
        if (move_state(waiter, WAITER_CLAIMED, WAITER_UNWANTED))
            return false;
    } while (atomic_load_explicit(&waiter->state, memory_order_relaxed) <= WAITER_CLAIMED);
    return false;
}

static void leave_tables(struct waiter *waiter) {
    for (size_t p = 0; p < waiter->partition_count; p++) {
        uint32_t id = waiter->partitions[p];
        partition_lock(waiter->node, id);
        for (size_t i = 0; i < waiter->entry_count; i++) {
            struct interest_entry *entry = &waiter->entries[i];
            if (entry->key != NULL && entry->key->partition == id)
                interest_remove(waiter->node, entry);
        }
        partition_unlock(waiter->node, id);
    }
}

void node_wait_destroy(struct waiter *waiter) {
    if (waiter == NULL)
        return;
    const struct allocator *a = waiter->node->allocator;
    leave_tables(waiter);
    reply_finish(&waiter->reply);
    allocator_release(a, waiter->argv, waiter->block_bytes);
    allocator_release(a, waiter->entries, waiter->entry_count * sizeof(*waiter->entries));
    allocator_release(a, waiter->partitions, waiter->entry_count * sizeof(*waiter->partitions));
    allocator_release(a, waiter, sizeof(*waiter));
}

/* ---- serving ---- */

/* Run the command of a claimed waiter with one key to look at. True: it has its reply. */
static bool serve(struct node_thread *thread, struct waiter *waiter, struct slice only_key)
    REQUIRES(PARTITION_LOCK) {
    struct node *node = thread->node;
    struct call call = {
        .spec = waiter->spec,
        .argc = waiter->argc,
        .argv = waiter->argv,
        .keyspace = &node->keyspace,
        .thread = &thread->store,
        .database = waiter->database,
        .flags = waiter->flags,
        .only_key = only_key,
        .max_value_bytes = atomic_load_explicit(&node->max_value_bytes, memory_order_relaxed),
        .reply = &waiter->reply,
    };
    if (waiter->spec->first_key > 0 && (size_t)waiter->spec->first_key < waiter->argc)
        call.key = call_key(&call, waiter->argv[waiter->spec->first_key]);
    enum larder_status status = LARDER_NO_MEMORY;
    if (reply_reserve(&waiter->reply, SERVED_REPLY_BYTES) &&
        node_reserve_effects(thread, &call) == LARDER_OK)
        status = node_run(thread, &call, true);
    allocator_release(node->allocator, call.wait.arguments,
                      call.wait.argument_capacity * sizeof(*call.wait.arguments));
    thread->section.has_changed |= call.changed;
    if (status == LARDER_AGAIN) {
        if (move_state(waiter, WAITER_CLAIMED, WAITER_WAITING))
            return false;
        reply_clear(&waiter->reply); /* nobody wants it any more */
        if (waiter->is_array)
            reply_null_array(&waiter->reply);
        else
            reply_null(&waiter->reply);
        return true;
    }
    if (status != LARDER_OK || waiter->reply.failed) {
        reply_clear(&waiter->reply);
        node_reply_status(&waiter->reply, status == LARDER_OK ? LARDER_NO_MEMORY : status);
    }
    return true;
}

static void post(struct node *node, struct waiter *waiter) {
    atomic_store_explicit(&waiter->state, WAITER_SERVED, memory_order_release);
    node->listener.served(node->listener.context, waiter);
}

static bool holds_all(const struct node_thread *thread, const struct waiter *waiter) {
    for (size_t i = 0; i < waiter->partition_count; i++) {
        uint32_t id = waiter->partitions[i];
        bool is_held = node_section_holds(thread, id);
        for (size_t k = 0; k < thread->held_count && !is_held; k++)
            is_held = thread->held[k] == id;
        if (!is_held)
            return false;
    }
    return true;
}

/* Whether a command touches, besides the key that it waited for, another one: BLMOVE, BRPOPLPUSH,
 * which have two keys. */
static bool moves_elsewhere(const struct waiter *waiter) {
    return waiter->spec->key_spec_count == 2 && waiter->entry_count == 2;
}

/* Those behind it on the key have to wait until it was served. is_in_turn: it comes next, before
 * what was deferred for keys that changed later. */
static void defer(struct node_thread *thread, struct interest_entry *entry, bool is_in_turn) {
    struct waiter *waiter = entry->waiter, **place = &thread->deferred;
    while (*place != NULL && !is_in_turn)
        place = &(*place)->next_deferred;
    entry->is_deferred = true;
    waiter->deferred_entry = entry;
    waiter->next_deferred = *place;
    *place = waiter;
}

/* Serve the waiters from `entry` on, which are interested in the same key. is_in_turn: what was
 * deferred comes after them; else they come after it. has_nothing_for: NULL, or a command that
 * found nothing there. */
static void serve_from(struct node_thread *thread, struct interest_entry *entry, bool is_in_turn,
                       const struct command_spec *has_nothing_for) REQUIRES(PARTITION_LOCK) {
    struct interest_entry *next;
    for (; entry != NULL && !entry->is_deferred; entry = next) {
        struct waiter *waiter = entry->waiter;
        next = entry->next;
        if (waiter == NULL || waiter->spec == has_nothing_for ||
            !move_state(waiter, WAITER_WAITING, WAITER_CLAIMED))
            continue;
        if ((thread->deferred != NULL && !is_in_turn) ||
            (moves_elsewhere(waiter) && !holds_all(thread, waiter))) {
            defer(thread, entry, is_in_turn);
            return;
        }
        if (serve(thread, waiter, slice_of(entry->key->text, entry->key->size))) {
            interest_remove(thread->node, entry); /* the last one takes its key with it */
            post(thread->node, waiter);
        } else if ((waiter->spec->categories & COMMAND_CATEGORY_STREAM) == 0) {
            has_nothing_for = waiter->spec; /* nor would there be for its like */
        }
    }
}

void node_serve_key(struct node_thread *thread, struct interest_key *key) {
    serve_from(thread, key->first, false, NULL);
}

/* It stays in the table while it is claimed, and once it is posted it may be gone. */
static void serve_deferred(struct node_thread *thread, struct waiter *waiter) NO_THREAD_SAFETY {
    struct node *node = thread->node;
    struct interest_entry *entry = waiter->deferred_entry;
    const struct command_spec *spec = waiter->spec;
    uint32_t held[2] = {entry->key->partition};
    size_t count = 1;
    if (moves_elsewhere(waiter)) {
        count = waiter->partition_count;
        memcpy(held, waiter->partitions, count * sizeof(*held));
    }
    while (!partition_set_lock_patiently(node, held, count))
        if (node->listener.stalled != NULL)
            node->listener.stalled(node->listener.context);
    thread->held = held;
    thread->held_count = count;
    node_listen(thread);
    bool is_recorded =
        thread->store.effects != NULL && effects_begin(&thread->effects, 0) == LARDER_OK;
    struct interest_entry *behind = entry->next;
    entry->is_deferred = false;
    if (serve(thread, waiter, slice_of(entry->key->text, entry->key->size))) {
        interest_remove(node, entry);
        post(node, waiter);
        spec = NULL;
    }
    if (spec != NULL && (spec->categories & COMMAND_CATEGORY_STREAM) != 0)
        spec = NULL;
    serve_from(thread, behind, true, spec);
    node_tell(thread);
    if (is_recorded)
        effects_commit(&thread->effects);
    thread->held_count = 0;
    partition_set_unlock(node, held, count);
}

void node_serve_deferred(struct node_thread *thread) {
    while (thread->deferred != NULL) {
        struct waiter *waiter = thread->deferred;
        thread->deferred = waiter->next_deferred;
        serve_deferred(thread, waiter);
    }
}
