/* SPDX-License-Identifier: BSD-3-Clause */
/* Adding, removing, asking for and showing members of one set, and moving one to another set. */
#include "base/glob.h"
#include "commands/functions.h"
#include "commands/scan_options.h"
#include "ds/set.h"

enum larder_status command_sadd(struct call *call) {
    struct object_edit edit;
    size_t added;
    if (!call_edit_object(call, &call->key, OBJECT_SET, &edit))
        return LARDER_OK;
    enum larder_status status =
        set_add(&edit.object, call_objects(call), call->argv + 2, call->argc - 2, &added);
    if (status != LARDER_OK || added == 0) {
        call_leave_object(call, &edit);
    } else {
        status = call_commit_object(call, &edit);
        if (status == LARDER_OK) {
            call_notify(call, NOTICE_SET, "sadd", &edit.key);
            call_effect_verbatim(call);
        }
    }
    if (status == LARDER_OK)
        reply_integer(call->reply, (int64_t)added);
    return status;
}

enum larder_status command_srem(struct call *call) {
    struct object_edit edit;
    size_t removed = 0;
    if (!call_edit_object(call, &call->key, OBJECT_SET, &edit))
        return LARDER_OK;
    if (edit.is_there) {
        removed = set_remove(&edit.object, call_objects(call), call->argv + 2, call->argc - 2);
        if (removed == 0) {
            call_leave_object(call, &edit);
        } else {
            call_notify(call, NOTICE_SET, "srem", &edit.key);
            (void)!call_commit_object(call, &edit);
            call_effect_verbatim(call);
        }
    }
    reply_integer(call->reply, (int64_t)removed);
    return LARDER_OK;
}

enum larder_status command_scard(struct call *call) {
    const struct object *set;
    if (call_read_object(call, &call->key, OBJECT_SET, &set))
        reply_integer(call->reply, set != NULL ? (int64_t)object_length(set) : 0);
    return LARDER_OK;
}

enum larder_status command_sismember(struct call *call) {
    const struct object *set;
    if (call_read_object(call, &call->key, OBJECT_SET, &set))
        reply_integer(call->reply,
                      set != NULL && set_contains(set, call_objects(call), call->argv[2]));
    return LARDER_OK;
}

enum larder_status command_smismember(struct call *call) {
    const struct object *set;
    if (!call_read_object(call, &call->key, OBJECT_SET, &set))
        return LARDER_OK;
    reply_array(call->reply, call->argc - 2);
    for (size_t i = 2; i < call->argc; i++)
        reply_integer(call->reply,
                      set != NULL && set_contains(set, call_objects(call), call->argv[i]));
    return LARDER_OK;
}

enum larder_status command_smembers(struct call *call) {
    const struct object *set;
    if (!call_read_object(call, &call->key, OBJECT_SET, &set))
        return LARDER_OK;
    reply_set(call->reply, set != NULL ? object_length(set) : 0);
    if (set == NULL)
        return LARDER_OK;
    struct set_walk walk;
    struct slice member;
    for (set_walk_begin(&walk, set); set_next(&walk, &member);)
        reply_bulk(call->reply, member);
    return LARDER_OK;
}

/* ---- SMOVE ---- */

/* Put the member into the destination: into the set that is there, or into a new one, which is left
 * to be stored. *out_added: whether it was not there before. */
REQUIRES(PARTITION_LOCK)
static enum larder_status receive(struct call *call, const struct key *to, struct object **out_new,
                                  size_t *out_added) {
    struct object_edit target;
    *out_new = NULL;
    (void)!call_edit_object(call, to, OBJECT_SET, &target); /* a set, or nothing */
    enum larder_status status = target.is_there ? LARDER_OK : call_reserve(call, to, 0);
    if (status != LARDER_OK)
        return status;
    status = set_add(&target.object, call_objects(call), &call->argv[3], 1, out_added);
    if (status != LARDER_OK || (target.is_there && *out_added == 0))
        call_leave_object(call, &target);
    else if (target.is_there)
        (void)!call_commit_object(call, &target);
    else
        *out_new = target.object;
    return status;
}

/* The member is in the source. The destination gets it first, since that can fail; a new one is
 * stored after the removal, so that its events come in the order of redis-server. */
REQUIRES(PARTITION_LOCK)
static enum larder_status move(struct call *call, const struct key *from, const struct key *to) {
    struct object_edit source;
    struct object *new_target;
    const struct slice *member = &call->argv[3];
    size_t added;
    enum larder_status status = receive(call, to, &new_target, &added);
    if (status != LARDER_OK)
        return status;
    (void)!call_edit_object(call, from, OBJECT_SET, &source);
    (void)set_remove(&source.object, call_objects(call), member, 1);
    call_notify(call, NOTICE_SET, "srem", from);
    (void)!call_commit_object(call, &source);
    if (new_target != NULL)
        (void)!call_put_object(call, to, NULL, new_target, 0); /* reserved */
    struct slice removal[] = {from->text, *member}, addition[] = {to->text, *member};
    call_effect(call, COMMAND_SREM, removal, 2);
    if (added > 0) {
        call_notify(call, NOTICE_SET, "sadd", to);
        call_effect(call, COMMAND_SADD, addition, 2);
    }
    reply_integer(call->reply, 1);
    return LARDER_OK;
}

enum larder_status command_smove(struct call *call) {
    struct key from = call_key_at(call, 1), to = call_key_at(call, 2);
    struct entry source, target;
    bool is_set = true;
    bool has_source = call_write(call, &from, &source);
    if (has_source)
        is_set = source.value.kind == VALUE_OBJECT && source.value.object->type->kind == OBJECT_SET;
    if (!has_source) {
        reply_integer(call->reply, 0);
        return LARDER_OK;
    }
    const struct object *set = is_set ? source.value.object : NULL;
    if (is_set && call_write(call, &to, &target))
        is_set = target.value.kind == VALUE_OBJECT && target.value.object->type->kind == OBJECT_SET;
    if (!is_set)
        return call_wrong_type(call);
    bool has_member = set_contains(set, call_objects(call), call->argv[3]);
    if (slice_equal(from.text, to.text) || !has_member) {
        reply_integer(call->reply, has_member);
        return LARDER_OK;
    }
    return move(call, &from, &to);
}

/* ---- SSCAN ---- */

struct scan {
    const struct scan_options *options;
    struct reply *reply;
    size_t shown;
};

static void show(void *context, struct slice member) {
    struct scan *scan = context;
    if (scan->options->has_pattern && !glob_match(scan->options->pattern, member))
        return;
    reply_bulk(scan->reply, member);
    scan->shown++;
}

enum larder_status command_sscan(struct call *call) {
    struct scan_options options;
    const struct object *set;
    if (!scan_cursor_parse(call, call->argv[2], &options.cursor) ||
        !call_read_object(call, &call->key, OBJECT_SET, &set))
        return LARDER_OK;
    if (set == NULL) {
        scan_reply_nothing(call);
        return LARDER_OK;
    }
    if (!scan_options_parse(call, 3, 0, &options))
        return LARDER_OK;
    struct reply page;
    struct scan scan = {.options = &options, .reply = &page};
    reply_init(&page, call->keyspace->allocator);
    uint64_t cursor = set_scan(set, call_objects(call), options.cursor, options.count, show, &scan);
    return scan_reply_page(call, cursor, scan.shown, &page);
}
