/* SPDX-License-Identifier: BSD-3-Clause */
/* SPOP and SRANDMEMBER. What SPOP draws leaves as SREM, so that a copy loses the same members. */
#include "commands/functions.h"
#include "ds/set.h"

enum { BULK_BYTES = 32 /* around the text of a bulk string */ };

/* One member into the reply and out of the set. Room for reply and effect was reserved. */
REQUIRES(PARTITION_LOCK)
static void pop_one(struct call *call, struct object_edit *edit) {
    uint8_t scratch[INT64_TEXT_MAX];
    struct slice member = set_random(edit->object, &call->thread->random, scratch);
    struct slice arguments[] = {edit->key.text, member};
    reply_bulk(call->reply, member);
    call_effect(call, COMMAND_SREM, arguments, 2);
    /* The member may lie in the set that it leaves; its last use is the search for itself. */
    (void)set_remove(&edit->object, call_objects(call), &member, 1);
}

REQUIRES(PARTITION_LOCK)
static bool reserve(struct call *call, size_t count, size_t text_bytes) {
    return reply_reserve(call->reply, text_bytes + (count + 1) * BULK_BYTES) &&
           call_reserve_effect(
               call, text_bytes + count * effects_part_bound(2, call->key.text.size)) == LARDER_OK;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status pop_single(struct call *call) {
    struct object_edit edit;
    if (!call_edit_object(call, &call->key, OBJECT_SET, &edit))
        return LARDER_OK;
    if (!edit.is_there) {
        reply_null(call->reply);
        return LARDER_OK;
    }
    /* A member that is longer than what is always there is met rarely: then room for any. */
    struct random random = call->thread->random;
    uint8_t scratch[INT64_TEXT_MAX];
    size_t size = set_random(edit.object, &random, scratch).size;
    if (!reserve(call, 1, size))
        return LARDER_NO_MEMORY;
    pop_one(call, &edit);
    call_notify(call, NOTICE_SET, "spop", &edit.key);
    return call_commit_object(call, &edit);
}

REQUIRES(PARTITION_LOCK)
static enum larder_status pop_all(struct call *call, struct object_edit *edit) {
    struct set_walk walk;
    struct slice member;
    size_t count = object_length(edit->object);
    if (!reply_reserve(call->reply, set_text_bytes(edit->object) + (count + 1) * BULK_BYTES))
        return LARDER_NO_MEMORY;
    reply_set(call->reply, count);
    for (set_walk_begin(&walk, edit->object); set_next(&walk, &member);)
        reply_bulk(call->reply, member);
    call_notify(call, NOTICE_SET, "spop", &edit->key);
    call_delete(call, &edit->key, &edit->entry);
    call_notify(call, NOTICE_GENERIC, "del", &edit->key);
    call_effect_delete(call, &edit->key);
    return LARDER_OK;
}

enum larder_status command_spop(struct call *call) {
    struct object_edit edit;
    int64_t count;
    if (call->argc == 2)
        return pop_single(call);
    if (call->argc > 3)
        return call_syntax_error(call);
    if (!slice_to_int64(call->argv[2], &count) || count < 0) {
        reply_error(call->reply, "ERR value is out of range, must be positive");
        return LARDER_OK;
    }
    if (!call_edit_object(call, &call->key, OBJECT_SET, &edit))
        return LARDER_OK;
    if (!edit.is_there || count == 0) {
        reply_set(call->reply, 0);
        return LARDER_OK;
    }
    if ((uint64_t)count >= object_length(edit.object))
        return pop_all(call, &edit);
    if (!reserve(call, (size_t)count, set_text_bytes(edit.object)))
        return LARDER_NO_MEMORY;
    reply_set(call->reply, (size_t)count);
    for (int64_t i = 0; i < count; i++)
        pop_one(call, &edit);
    call_notify(call, NOTICE_SET, "spop", &edit.key);
    return call_commit_object(call, &edit);
}

/* ---- SRANDMEMBER ---- */

static void reply_random(struct call *call, const struct object *set) {
    uint8_t scratch[INT64_TEXT_MAX];
    reply_bulk(call->reply, set_random(set, &call->thread->random, scratch));
}

/* Different members: more than a third of the set is chosen by passing over the rest (selection
 * sampling, Knuth's algorithm S), fewer are drawn into a set of their own. */
static enum larder_status reply_different(struct call *call, const struct object *set,
                                          size_t count) {
    size_t left = object_length(set);
    reply_array(call->reply, count);
    if (count * 3 > left) {
        struct set_walk walk;
        struct slice member;
        for (set_walk_begin(&walk, set); count > 0 && set_next(&walk, &member); left--) {
            if (random_below(&call->thread->random, left) >= count)
                continue;
            reply_bulk(call->reply, member);
            count--;
        }
        return LARDER_OK;
    }
    struct object *chosen = NULL;
    enum larder_status status = LARDER_OK;
    while (count > 0 && status == LARDER_OK) {
        uint8_t scratch[INT64_TEXT_MAX];
        size_t added;
        struct slice member = set_random(set, &call->thread->random, scratch);
        status = set_add(&chosen, call_objects(call), &member, 1, &added);
        if (status != LARDER_OK || added == 0)
            continue;
        reply_bulk(call->reply, member);
        count--;
    }
    object_destroy(chosen, call->keyspace->allocator);
    return status;
}

enum larder_status command_srandmember(struct call *call) {
    const struct object *set;
    int64_t count = 1;
    if (call->argc > 3)
        return call_syntax_error(call);
    if (call->argc == 3 && !call_integer(call, call->argv[2], &count))
        return LARDER_OK;
    if (call->argc == 3 && count < -INT64_MAX / 2) {
        reply_error(call->reply, "ERR value is out of range");
        return LARDER_OK;
    }
    if (!call_read_object(call, &call->key, OBJECT_SET, &set))
        return LARDER_OK;
    if (call->argc == 2) {
        if (set != NULL)
            reply_random(call, set);
        else
            reply_null(call->reply);
        return LARDER_OK;
    }
    if (set == NULL || count == 0) {
        reply_array(call->reply, 0);
        return LARDER_OK;
    }
    if (count > 0) {
        size_t length = object_length(set);
        return reply_different(call, set, (uint64_t)count < length ? (size_t)count : length);
    }
    reply_array(call->reply, (size_t)-count);
    for (int64_t i = 0; i < -count && !call->reply->failed; i++)
        reply_random(call, set);
    return LARDER_OK;
}
