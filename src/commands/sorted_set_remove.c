/* SPDX-License-Identifier: BSD-3-Clause */
/* ZREM and ZREMRANGEBY*. Removing takes no memory, so these do what they can as they go. */
#include "commands/functions.h"
#include "commands/sorted_set_range.h"

/* Members were removed, or none: store what is left, tell, reply. */
static enum larder_status finish(struct call *call, struct object_edit *edit, size_t removed,
                                 const char *event) REQUIRES(PARTITION_LOCK);

static enum larder_status finish(struct call *call, struct object_edit *edit, size_t removed,
                                 const char *event) {
    if (removed == 0) {
        call_leave_object(call, edit);
    } else {
        call_notify(call, NOTICE_SORTED_SET, event, &edit->key);
        enum larder_status status = call_commit_object(call, edit);
        if (status != LARDER_OK)
            return status;
        call_effect_verbatim(call);
    }
    reply_integer(call->reply, (int64_t)removed);
    return LARDER_OK;
}

/* The sorted set at argv[1]. False: there is none, which was replied as 0, or an error was. */
static bool edit_set(struct call *call, struct object_edit *edit) REQUIRES(PARTITION_LOCK);

static bool edit_set(struct call *call, struct object_edit *edit) {
    struct key key = call_key_at(call, 1);
    if (!call_edit_object(call, &key, OBJECT_SORTED_SET, edit))
        return false;
    if (edit->object == NULL)
        reply_integer(call->reply, 0);
    return edit->object != NULL;
}

enum larder_status command_zrem(struct call *call) {
    struct object_edit edit;
    if (!edit_set(call, &edit))
        return LARDER_OK;
    size_t removed = 0;
    for (size_t i = 2; i < call->argc && object_length(edit.object) > 0; i++)
        removed += sorted_set_remove(&edit.object, call_objects(call), call->argv[i]);
    return finish(call, &edit, removed, "zrem");
}

static enum larder_status remove_ranks(struct call *call, struct object_edit *edit,
                                       struct rank_range ranks, const char *event)
    REQUIRES(PARTITION_LOCK);

static enum larder_status remove_ranks(struct call *call, struct object_edit *edit,
                                       struct rank_range ranks, const char *event) {
    size_t count = rank_range_length(ranks);
    sorted_set_remove_range(&edit->object, call_objects(call), ranks.first, count);
    return finish(call, edit, count, event);
}

enum larder_status command_zremrangebyrank(struct call *call) {
    int64_t start, stop;
    struct object_edit edit;
    if (!call_integer(call, call->argv[2], &start) || !call_integer(call, call->argv[3], &stop) ||
        !edit_set(call, &edit))
        return LARDER_OK;
    struct rank_range ranks = sorted_set_index_ranks(object_length(edit.object), start, stop);
    return remove_ranks(call, &edit, ranks, "zremrangebyrank");
}

enum larder_status command_zremrangebyscore(struct call *call) {
    struct sorted_set_range range;
    struct object_edit edit;
    if (!sorted_set_score_range(call, call->argv[2], call->argv[3], &range) ||
        !edit_set(call, &edit))
        return LARDER_OK;
    return remove_ranks(call, &edit, sorted_set_ranks(edit.object, &range), "zremrangebyscore");
}

enum larder_status command_zremrangebylex(struct call *call) {
    struct sorted_set_range range;
    struct object_edit edit;
    if (!sorted_set_member_range(call, call->argv[2], call->argv[3], &range) ||
        !edit_set(call, &edit))
        return LARDER_OK;
    return remove_ranks(call, &edit, sorted_set_ranks(edit.object, &range), "zremrangebylex");
}
