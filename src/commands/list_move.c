/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands that move an element from one list to another. The push comes first: it is the only step
 * that can fail. The effect is a push on the one key and a pop on the other, so that each can be
 * applied by whoever holds its partition. */
#include "commands/functions.h"
#include "commands/list_edit.h"

struct move {
    struct key source, destination;
    enum list_end from, to;
};

/* The outermost element at an end; `scratch`: INT64_TEXT_MAX bytes. Borrows. */
static struct slice end_text(const struct object *list, enum list_end end, uint8_t *scratch) {
    struct list_cursor cursor;
    (void)list_seek(list, list_end_index(list, end), &cursor);
    return packed_get_text(cursor.at, scratch);
}

/* Source and destination are one list. */
REQUIRES(PARTITION_LOCK)
static enum larder_status rotate(struct call *call, const struct move *move) {
    static const struct slice WORDS[] = {SLICE_LITERAL("LEFT"), SLICE_LITERAL("RIGHT")};
    uint8_t scratch[INT64_TEXT_MAX];
    struct object_edit edit;
    if (!call_edit_object(call, &move->source, OBJECT_LIST, &edit))
        return LARDER_OK;
    reply_bulk(call->reply, end_text(edit.object, move->from, scratch));
    if (call->reply->failed)
        return LARDER_NO_MEMORY;
    if (move->from != move->to &&
        list_rotate(&edit.object, call_objects(call), move->from) != LARDER_OK) {
        call_leave_object(call, &edit);
        return LARDER_NO_MEMORY;
    }
    list_notify_push(call, move->to, &edit.key);
    list_notify_pop(call, move->from, &edit.key);
    struct slice arguments[] = {edit.key.text, edit.key.text, WORDS[move->from], WORDS[move->to]};
    call_effect(call, COMMAND_LMOVE, arguments, 4);
    return call_commit_object(call, &edit);
}

/* Push `text` on the destination. Errors: LARDER_NO_MEMORY, nothing changed. */
REQUIRES(PARTITION_LOCK)
static enum larder_status push(struct call *call, const struct move *move,
                               struct object_edit *destination, struct slice text) {
    size_t size = effects_part_bound(2, move->destination.text.size + text.size);
    if (call_reserve_effect(call, size) != LARDER_OK ||
        (!destination->is_there && call_reserve(call, &move->destination, 0) != LARDER_OK))
        return LARDER_NO_MEMORY;
    enum larder_status status =
        list_push(&destination->object, call_objects(call), move->to, &text, 1);
    if (status != LARDER_OK) {
        call_leave_object(call, destination);
        return status;
    }
    status = call_commit_object(call, destination);
    if (status != LARDER_OK)
        return status;
    list_notify_push(call, move->to, &move->destination);
    struct slice arguments[] = {move->destination.text, text};
    call_effect(call, move->to == LIST_HEAD ? COMMAND_LPUSH : COMMAND_RPUSH, arguments, 2);
    return LARDER_OK;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status move_element(struct call *call, const struct move *move,
                                       const struct object *list, struct object_edit *destination) {
    uint8_t scratch[INT64_TEXT_MAX];
    struct slice text = end_text(list, move->from, scratch);
    reply_bulk(call->reply, text);
    if (call->reply->failed)
        return LARDER_NO_MEMORY;
    enum larder_status status = push(call, move, destination, text);
    if (status != LARDER_OK)
        return status;
    struct object_edit source; /* its record may have moved meanwhile */
    if (!call_edit_object(call, &move->source, OBJECT_LIST, &source))
        return LARDER_OK;
    list_notify_pop(call, move->from, &move->source);
    list_take_out(call, &source, list_end_index(source.object, move->from), 1);
    call_effect(call, move->from == LIST_HEAD ? COMMAND_LPOP : COMMAND_RPOP, &move->source.text, 1);
    return LARDER_OK;
}

/* No list at the source: null, or wait for one. */
static enum larder_status nothing_there(struct call *call, bool is_blocking) {
    call->wait.is_array = true; /* though at once it is a null */
    if (is_blocking && (call->flags & CALL_MAY_BLOCK) != 0)
        return LARDER_AGAIN;
    reply_null(call->reply);
    return LARDER_OK;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status move_between(struct call *call, enum list_end from, enum list_end to,
                                       bool is_blocking) {
    struct move move = {call_key_at(call, 1), call_key_at(call, 2), from, to};
    bool is_served = call->only_key.data != NULL;
    struct entry entry;
    if (is_served && !slice_equal(call->only_key, move.source.text))
        return LARDER_AGAIN;
    if (!call_write(call, &move.source, &entry))
        return nothing_there(call, is_blocking);
    if (entry.value.kind != VALUE_OBJECT || entry.value.object->type->kind != OBJECT_LIST)
        return is_served ? LARDER_AGAIN : call_wrong_type(call);
    if (slice_equal(move.source.text, move.destination.text))
        return rotate(call, &move);
    const struct object *list = entry.value.object; /* stays where it is until it is changed */
    struct object_edit destination;
    if (!call_edit_object(call, &move.destination, OBJECT_LIST, &destination))
        return LARDER_OK;
    return move_element(call, &move, list, &destination);
}

enum larder_status command_lmove(struct call *call) {
    enum list_end from, to;
    if (!list_end_parse(call->argv[3], &from) || !list_end_parse(call->argv[4], &to))
        return call_syntax_error(call);
    return move_between(call, from, to, false);
}

enum larder_status command_blmove(struct call *call) {
    enum list_end from, to;
    if (!list_end_parse(call->argv[3], &from) || !list_end_parse(call->argv[4], &to))
        return call_syntax_error(call);
    if (!call_timeout(call, call->argv[5], false))
        return LARDER_OK;
    return move_between(call, from, to, true);
}

enum larder_status command_rpoplpush(struct call *call) {
    return move_between(call, LIST_TAIL, LIST_HEAD, false);
}

enum larder_status command_brpoplpush(struct call *call) {
    if (!call_timeout(call, call->argv[3], false))
        return LARDER_OK;
    return move_between(call, LIST_TAIL, LIST_HEAD, true);
}
