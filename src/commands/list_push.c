/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands that put elements into a list. Each is its own effect. */
#include "commands/functions.h"
#include "commands/list_edit.h"

REQUIRES(PARTITION_LOCK)
static enum larder_status push(struct call *call, enum list_end end, bool only_if_there) {
    struct object_edit edit;
    if (!call_edit_object(call, &call->key, OBJECT_LIST, &edit))
        return LARDER_OK;
    if (!edit.is_there && only_if_there) {
        reply_integer(call->reply, 0);
        return LARDER_OK;
    }
    enum larder_status status =
        list_push(&edit.object, call_objects(call), end, call->argv + 2, call->argc - 2);
    if (status != LARDER_OK) {
        call_leave_object(call, &edit);
        return status;
    }
    size_t length = object_length(edit.object);
    if (call_commit_object(call, &edit) != LARDER_OK)
        return LARDER_NO_MEMORY;
    list_notify_push(call, end, &edit.key);
    call_effect_verbatim(call);
    reply_integer(call->reply, (int64_t)length);
    return LARDER_OK;
}

enum larder_status command_lpush(struct call *call) {
    return push(call, LIST_HEAD, false);
}

enum larder_status command_rpush(struct call *call) {
    return push(call, LIST_TAIL, false);
}

enum larder_status command_lpushx(struct call *call) {
    return push(call, LIST_HEAD, true);
}

enum larder_status command_rpushx(struct call *call) {
    return push(call, LIST_TAIL, true);
}

/* Commit a change in the middle, with its event, or leave the list as it was. */
REQUIRES(PARTITION_LOCK)
static enum larder_status finish(struct call *call, struct object_edit *edit,
                                 enum larder_status status, const char *event) {
    if (status != LARDER_OK) {
        call_leave_object(call, edit);
        return status;
    }
    call_notify(call, NOTICE_LIST, event, &edit->key);
    call_effect_verbatim(call);
    return call_commit_object(call, edit);
}

/* The index of the first element equal to `pivot`. False when there is none. */
static bool find_pivot(const struct object *list, struct slice pivot, size_t *out) {
    struct list_cursor cursor;
    *out = 0;
    for (bool is_there = list_seek(list, 0, &cursor); is_there; is_there = list_next(&cursor)) {
        if (packed_equal(cursor.at, pivot))
            return true;
        ++*out;
    }
    return false;
}

enum larder_status command_linsert(struct call *call) {
    struct object_edit edit;
    size_t index;
    bool is_after = slice_equal_word(call->argv[2], "AFTER");
    if (!is_after && !slice_equal_word(call->argv[2], "BEFORE"))
        return call_syntax_error(call);
    if (!call_edit_object(call, &call->key, OBJECT_LIST, &edit))
        return LARDER_OK;
    if (!edit.is_there || !find_pivot(edit.object, call->argv[3], &index)) {
        reply_integer(call->reply, edit.is_there ? -1 : 0);
        return LARDER_OK;
    }
    size_t length = object_length(edit.object);
    index += is_after;
    enum larder_status status =
        index < length ? list_insert(&edit.object, call_objects(call), index, call->argv[4])
                       : list_push(&edit.object, call_objects(call), LIST_TAIL, &call->argv[4], 1);
    status = finish(call, &edit, status, "linsert");
    if (status == LARDER_OK)
        reply_integer(call->reply, (int64_t)length + 1);
    return status;
}

enum larder_status command_lset(struct call *call) {
    struct object_edit edit;
    int64_t index;
    if (!call_edit_object(call, &call->key, OBJECT_LIST, &edit))
        return LARDER_OK;
    if (!edit.is_there) {
        reply_error(call->reply, "ERR no such key");
        return LARDER_OK;
    }
    if (!call_integer(call, call->argv[2], &index))
        return LARDER_OK;
    int64_t length = (int64_t)object_length(edit.object);
    if (index < 0)
        index += length;
    if (index < 0 || index >= length) {
        reply_error(call->reply, "ERR index out of range");
        return LARDER_OK;
    }
    enum larder_status status =
        list_replace(&edit.object, call_objects(call), (size_t)index, call->argv[3]);
    status = finish(call, &edit, status, "lset");
    if (status == LARDER_OK)
        reply_ok(call->reply);
    return status;
}
