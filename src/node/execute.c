/* SPDX-License-Identifier: BSD-3-Clause */
/* The one way by which a data command reaches partitions. A command on one key takes one lock; one
 * on several takes them in ascending order. A command that finds no memory at hand has changed
 * nothing, so the locks are released, the reserve is filled, and it runs again. */
#include "node/node.h"

#include "base/command_keys.h"
#include "node/node_internal.h"

enum {
    ATTEMPTS_MAX = 20, /* each raises the reserve's targets fourfold where they were missed */
    KEYS_ON_STACK = 64,
};

/* Room for the effect of a command, from its arguments. */
static enum larder_status begin_effects(struct node_thread *thread, const struct call *call) {
    size_t bytes = 0;
    for (size_t i = 0; i < call->argc; i++)
        bytes += call->argv[i].size;
    /* Each key may give two parts: the deletion of what had expired, and the change. */
    return effects_begin(&thread->effects,
                         2 * bytes + (2 * call->argc + 2) * effects_part_bound(8, 64));
}

/* Run the function once, under the locks of its partitions. */
static enum larder_status run_once(struct node_thread *thread, struct call *call)
    REQUIRES(PARTITION_LOCK) {
    if (thread->store.effects == NULL)
        return command_functions[call->spec->id](call);
    enum larder_status status = begin_effects(thread, call);
    if (status != LARDER_OK)
        return status;
    status = command_functions[call->spec->id](call);
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

static enum larder_status run_on_one(struct node_thread *thread, struct call *call) {
    uint32_t id = call->key.partition;
    partition_lock(thread->node, id);
    refresh_key(call);
    enum larder_status status = run_once(thread, call);
    if (call->reserved)
        partition_end_reserve(keyspace_partition(call->keyspace, id), &thread->store);
    partition_unlock(thread->node, id);
    return status;
}

static enum larder_status run_on_several(struct node_thread *thread, struct call *call,
                                         size_t count) {
    partition_set_lock(thread->node, thread->locked, &count);
    refresh_key(call);
    enum larder_status status = run_once(thread, call);
    if (call->reserved)
        for (size_t i = 0; i < count; i++)
            partition_end_reserve(keyspace_partition(call->keyspace, thread->locked[i]),
                                  &thread->store);
    partition_set_unlock(thread->node, thread->locked, count);
    return status;
}

/* The partitions of all keys, into thread->locked. */
static enum larder_status place_keys(struct node_thread *thread, const struct call *call,
                                     size_t *out_count) {
    const struct allocator *a = thread->node->allocator;
    struct command_key few[KEYS_ON_STACK];
    struct command_keys keys = {.items = few, .capacity = KEYS_ON_STACK};
    enum larder_status status = command_get_keys(call->spec, call->argc, call->argv, &keys);
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
    *out_count = count;
    return status;
}

static void reply_status(struct call *call, enum larder_status status) {
    const char *prefix = larder_status_prefix(status);
    if (status == LARDER_NO_MEMORY)
        reply_error(call->reply, NODE_OUT_OF_MEMORY_TEXT);
    else
        reply_error_format(call->reply, "%s %s", prefix, larder_status_text(status));
}

struct key keyspace_key_hint(const struct keyspace *keyspace, struct slice text,
                             uint32_t database) {
    return keyspace_key(keyspace, text, keyspace_collection(keyspace, database));
}

void node_execute(struct node_thread *thread, struct call *call) {
    struct node *node = thread->node;
    const struct command_spec *spec = call->spec;
    bool is_single = spec->first_key > 0 && spec->first_key == spec->last_key;
    call->keyspace = &node->keyspace;
    call->thread = &thread->store;
    call->max_value_bytes = atomic_load_explicit(&node->max_value_bytes, memory_order_relaxed);
    if (is_single && call->key.text.data == NULL)
        call->key = keyspace_key_hint(&node->keyspace, call->argv[spec->first_key], call->database);
    struct reply_mark mark = reply_mark(call->reply);
    enum larder_status status = LARDER_NO_MEMORY;
    for (unsigned attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        call->changed = false;
        call->reserved = false;
        size_t count = 1;
        if (!reply_reserve(call->reply, CALL_REPLY_RESERVED)) {
            status = LARDER_NO_MEMORY;
        } else if (is_single) {
            status = run_on_one(thread, call);
        } else {
            status = place_keys(thread, call, &count);
            if (status == LARDER_OK)
                status = run_on_several(thread, call, count);
        }
        if (status == LARDER_OK && !call->reply->failed) {
            if (attempt > 0)
                reserve_reset_targets(&thread->store.reserve);
            return;
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
    reply_status(call, status == LARDER_OK ? LARDER_NO_MEMORY : status);
}
