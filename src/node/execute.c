/* SPDX-License-Identifier: BSD-3-Clause */
/* The one way by which a data command reaches partitions. A command on one key takes one lock; one
 * on several takes them in ascending order; inside a section the locks are there already. A command
 * that finds no memory at hand has changed nothing, so the locks are released, the reserve is
 * filled, and it runs again; in a section it is filled under the locks. */
#include "node/node.h"

#include "base/command_keys.h"
#include "node/node_internal.h"
#include "node/section.h"
#include "node/waiting.h"

enum {
    ATTEMPTS_MAX = 20, /* each raises the reserve's targets fourfold where they were missed */
    KEYS_ON_STACK = 64,
};

/* Each key may give two parts: the deletion of what had expired, and the change. */
static size_t effect_bound(const struct call *call) {
    size_t bytes = 0;
    for (size_t i = 0; i < call->argc; i++)
        bytes += call->argv[i].size;
    return 2 * bytes + (2 * call->argc + 2) * effects_part_bound(8, 64);
}

enum larder_status node_reserve_effects(struct node_thread *thread, const struct call *call) {
    if (thread->store.effects == NULL)
        return LARDER_OK;
    return effects_reserve(&thread->effects, effect_bound(call));
}

/* The reservations of a command end with it. */
static void end_reservations(struct call *call, const uint32_t *ids, size_t count)
    REQUIRES(PARTITION_LOCK) {
    if (!call->reserved)
        return;
    for (size_t i = 0; i < count; i++)
        partition_end_reserve(keyspace_partition(call->keyspace, ids[i]), call->thread);
    call->reserved = false;
}

enum larder_status node_run(struct node_thread *thread, struct call *call, bool may_refill) {
    struct reply_mark mark = reply_mark(call->reply);
    enum larder_status status = LARDER_NO_MEMORY;
    const uint32_t *ids =
        thread->section.kind != SECTION_NONE ? thread->section.order : thread->held;
    size_t count =
        thread->section.kind != SECTION_NONE ? thread->section.count : thread->held_count;
    for (unsigned attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        if (reply_reserve(call->reply, CALL_REPLY_RESERVED))
            status = command_functions[call->spec->id](call);
        end_reservations(call, ids, count);
        if (status != LARDER_NO_MEMORY || !may_refill || !thread->store.reserve.is_starved)
            break;
        reply_cut(call->reply, mark);
        reserve_raise(&thread->store.reserve);
        if (!node_thread_refill(thread))
            break;
    }
    if (may_refill)
        reserve_reset_targets(&thread->store.reserve);
    return status;
}

/* Run the function under the locks of its partitions, and tell what it did. */
static enum larder_status run_once(struct node_thread *thread, struct call *call,
                                   struct waiter **out_waiter) REQUIRES(PARTITION_LOCK) {
    node_listen(thread);
    if (thread->store.effects != NULL) {
        enum larder_status status = effects_begin(&thread->effects, effect_bound(call));
        if (status != LARDER_OK)
            return status;
    }
    enum larder_status status = command_functions[call->spec->id](call);
    end_reservations(call, thread->held, thread->held_count);
    if (status == LARDER_AGAIN) {
        *out_waiter = node_wait(thread, call);
        status = *out_waiter != NULL ? LARDER_OK : LARDER_NO_MEMORY;
    }
    node_tell(thread);
    if (thread->store.effects != NULL)
        effects_commit(&thread->effects);
    return status;
}

/* The key that was hashed beforehand, in the collection that the database has now: it may have been
 * flushed or swapped since, or another database selected. */
static void refresh_key(struct call *call) REQUIRES(PARTITION_LOCK) {
    if (call->key.text.data != NULL &&
        call->key.collection != keyspace_collection(call->keyspace, call->database))
        call->key = call_key(call, call->key.text);
}

static bool lock_one(struct node *node, uint32_t id) NO_THREAD_SAFETY {
    return lock_try_acquire(&node->locks[id].lock) || partition_lock_patiently(node, id);
}

static enum larder_status run_on_one(struct node_thread *thread, struct call *call,
                                     struct waiter **out_waiter) NO_THREAD_SAFETY {
    uint32_t id = call->key.partition;
    if (!lock_one(thread->node, id))
        return LARDER_BUSY;
    thread->held = &id;
    thread->held_count = 1;
    refresh_key(call);
    enum larder_status status = run_once(thread, call, out_waiter);
    thread->held_count = 0;
    lock_release(&thread->node->locks[id].lock);
    return status;
}

static enum larder_status run_on_several(struct node_thread *thread, struct call *call,
                                         size_t count,
                                         struct waiter **out_waiter) NO_THREAD_SAFETY {
    if (!partition_set_lock_patiently(thread->node, thread->locked, count))
        return LARDER_BUSY;
    thread->held = thread->locked;
    thread->held_count = count;
    refresh_key(call);
    enum larder_status status = run_once(thread, call, out_waiter);
    thread->held_count = 0;
    partition_set_unlock(thread->node, thread->locked, count);
    return status;
}

enum larder_status node_place_keys(struct node_thread *thread, const struct call *call,
                                   size_t *out_count) {
    const struct allocator *a = thread->node->allocator;
    struct command_key few[KEYS_ON_STACK];
    struct command_keys keys = {.items = few, .capacity = KEYS_ON_STACK};
    enum larder_status status = command_get_keys(call->spec, call->argc, call->argv, &keys);
    *out_count = 0;
    if (status == LARDER_INVALID) /* the command says what is wrong, and touches no key */
        return LARDER_OK;
    if (status != LARDER_OK)
        return status;
    struct command_key *many = NULL;
    size_t count = keys.count;
    if (count > KEYS_ON_STACK) {
        many = allocator_allocate(a, count * sizeof(*many));
        if (many == NULL)
            return LARDER_NO_MEMORY;
        keys = (struct command_keys){.items = many, .capacity = count};
        status = command_get_keys(call->spec, call->argc, call->argv, &keys);
    }
    if (status == LARDER_OK && count > thread->locked_capacity) {
        void *grown =
            allocator_resize(a, thread->locked, thread->locked_capacity * sizeof(*thread->locked),
                             count * sizeof(*thread->locked));
        if (grown == NULL) {
            status = LARDER_NO_MEMORY;
        } else {
            thread->locked = grown;
            thread->locked_capacity = (uint32_t)count;
        }
    }
    for (size_t i = 0; i < count && status == LARDER_OK; i++)
        thread->locked[i] =
            keyspace_partition_id(&thread->node->keyspace, call->argv[keys.items[i].position]);
    allocator_release(a, many, count * sizeof(*many));
    *out_count = status == LARDER_OK ? partition_set_sort(thread->locked, count) : 0;
    return status;
}

void node_reply_status(struct reply *reply, enum larder_status status) {
    if (status == LARDER_NO_MEMORY)
        reply_error(reply, NODE_OUT_OF_MEMORY_TEXT);
    else if (status == LARDER_BUSY)
        reply_error(reply, NODE_BUSY_TEXT);
    else
        reply_error_format(reply, "%s %s", larder_status_prefix(status),
                           larder_status_text(status));
}

struct key keyspace_key_hint(const struct keyspace *keyspace, struct slice text,
                             uint32_t database) {
    return keyspace_key(keyspace, text, keyspace_collection(keyspace, database));
}

/* ---- inside a section ---- */

static bool hold_key(struct call *call, const struct key *key) {
    return node_section_hold(call->hold_context, key->partition);
}

static enum larder_status hold_keys(struct node_thread *thread, const struct call *call) {
    size_t count;
    enum larder_status status = node_place_keys(thread, call, &count);
    for (size_t i = 0; i < count && status == LARDER_OK; i++)
        if (!node_section_hold(thread, thread->locked[i]))
            status = LARDER_DENIED;
    return status;
}

static void run_in_section(struct node_thread *thread, struct call *call,
                           bool is_single) NO_THREAD_SAFETY {
    struct reply_mark mark = reply_mark(call->reply);
    enum larder_status status = LARDER_OK;
    call->flags &= ~(uint32_t)CALL_MAY_BLOCK;
    call->hold = hold_key;
    call->hold_context = thread;
    if (is_single)
        status = node_section_hold(thread, call->key.partition) ? LARDER_OK : LARDER_DENIED;
    else
        status = hold_keys(thread, call);
    if (status == LARDER_OK && thread->section.kind == SECTION_DECLARED &&
        node_has_unknown_keys(call->spec, call->argc, call->argv)) {
        thread->section.is_outside = true;
        status = LARDER_DENIED;
    }
    if (status == LARDER_OK)
        status = node_reserve_effects(thread, call);
    if (status == LARDER_OK) {
        refresh_key(call);
        status = node_run(thread, call, true);
        thread->section.has_changed |= call->changed;
    }
    if (status == LARDER_OK && !call->reply->failed)
        return;
    reply_cut(call->reply, mark);
    node_reply_status(call->reply, status == LARDER_OK ? LARDER_NO_MEMORY : status);
}

/* SORT with patterns: a section of its own that may lock further partitions. */
static void run_with_unknown_keys(struct node_thread *thread, struct call *call, bool is_single) {
    struct section_plan plan;
    section_plan_init(&plan, thread->node->allocator);
    enum larder_status status =
        section_plan_add_command(&plan, thread->node, call->spec, call->argc, call->argv);
    if (status == LARDER_OK)
        status = node_section_begin(thread, &plan);
    if (status == LARDER_OK) {
        run_in_section(thread, call, is_single);
        node_section_end(thread);
    } else {
        node_reply_status(call->reply, status);
    }
    section_plan_finish(&plan);
}

/* ---- outside ---- */

static enum larder_status run_locked(struct node_thread *thread, struct call *call, bool is_single,
                                     struct waiter **out_waiter) {
    size_t count = 1;
    call->changed = call->reserved = false;
    if (!reply_reserve(call->reply, CALL_REPLY_RESERVED))
        return LARDER_NO_MEMORY;
    if (is_single)
        return run_on_one(thread, call, out_waiter);
    enum larder_status status = node_place_keys(thread, call, &count);
    return status == LARDER_OK ? run_on_several(thread, call, count, out_waiter) : status;
}

struct waiter *node_execute(struct node_thread *thread, struct call *call) {
    struct node *node = thread->node;
    const struct command_spec *spec = call->spec;
    bool has_place = spec->first_key > 0 && spec->first_key == spec->last_key;
    bool is_single = has_place && (spec->flags & COMMAND_FLAG_MOVABLEKEYS) == 0;
    call->keyspace = &node->keyspace;
    call->thread = &thread->store;
    call->max_value_bytes = atomic_load_explicit(&node->max_value_bytes, memory_order_relaxed);
    if (has_place && call->key.text.data == NULL)
        call->key = keyspace_key_hint(&node->keyspace, call->argv[spec->first_key], call->database);
    if (thread->section.kind != SECTION_NONE) {
        run_in_section(thread, call, is_single);
        return NULL;
    }
    if (node_has_unknown_keys(spec, call->argc, call->argv)) {
        run_with_unknown_keys(thread, call, is_single);
        return NULL;
    }
    struct reply_mark mark = reply_mark(call->reply);
    struct waiter *waiter = NULL;
    enum larder_status status = LARDER_NO_MEMORY;
    for (unsigned attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        status = run_locked(thread, call, is_single, &waiter);
        if (thread->deferred != NULL)
            node_serve_deferred(thread);
        if (status == LARDER_OK && !call->reply->failed) {
            if (attempt > 0)
                reserve_reset_targets(&thread->store.reserve);
            return waiter;
        }
        bool was_starved = thread->store.reserve.is_starved;
        reply_cut(call->reply, mark);
        if (status != LARDER_NO_MEMORY || !was_starved)
            break;
        reserve_raise(&thread->store.reserve);
        if (!node_thread_refill(thread))
            break;
    }
    reserve_reset_targets(&thread->store.reserve);
    node_reply_status(call->reply, status == LARDER_OK ? LARDER_NO_MEMORY : status);
    return NULL;
}
