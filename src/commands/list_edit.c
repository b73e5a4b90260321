/* SPDX-License-Identifier: BSD-3-Clause */
/* Elements are replied before they are taken out: once the reply stands, nothing can fail. */
#include "commands/list_edit.h"

bool list_end_parse(struct slice word, enum list_end *out) {
    *out = slice_equal_word(word, "LEFT") ? LIST_HEAD : LIST_TAIL;
    return *out == LIST_HEAD || slice_equal_word(word, "RIGHT");
}

bool list_integer_from(struct call *call, struct slice text, int64_t minimum, const char *message,
                       int64_t *out) {
    if (slice_to_int64(text, out) && *out >= minimum)
        return true;
    reply_error(call->reply, message);
    return false;
}

bool list_signed_integer(struct call *call, struct slice text, int64_t *out) {
    if (!call_integer(call, text, out))
        return false;
    if (*out != INT64_MIN)
        return true;
    reply_error(call->reply, "ERR value is out of range, value must between "
                             "-9223372036854775807 and 9223372036854775807");
    return false;
}

void list_notify_push(struct call *call, enum list_end end, const struct key *key) {
    call_notify(call, NOTICE_LIST, end == LIST_HEAD ? "lpush" : "rpush", key);
}

void list_notify_pop(struct call *call, enum list_end end, const struct key *key) {
    call_notify(call, NOTICE_LIST, end == LIST_HEAD ? "lpop" : "rpop", key);
}

static void reply_element(struct reply *reply, const struct packed_element *element) {
    if (element->is_integer)
        reply_bulk_integer(reply, element->integer);
    else
        reply_bulk(reply, element->bytes);
}

void list_reply(struct call *call, const struct object *list, size_t index, size_t count) {
    struct list_cursor cursor;
    struct packed_element element;
    (void)list_seek(list, index, &cursor);
    for (; count > 0 && list_take(&cursor, &element); count--)
        reply_element(call->reply, &element);
}

void list_reply_back(struct call *call, const struct object *list, size_t index, size_t count) {
    struct list_cursor cursor;
    struct packed_element element;
    (void)list_seek(list, index, &cursor);
    for (; count > 0 && list_take_back(&cursor, &element); count--)
        reply_element(call->reply, &element);
}

void list_reply_end(struct call *call, const struct object *list, enum list_end end, size_t count) {
    if (end == LIST_HEAD)
        list_reply(call, list, 0, count);
    else
        list_reply_back(call, list, object_length(list) - 1, count);
}

void list_take_out(struct call *call, struct object_edit *edit, size_t index, size_t count) {
    if (count == object_length(edit->object)) {
        call_delete(call, &edit->key, &edit->entry);
        call_notify(call, NOTICE_GENERIC, "del", &edit->key);
        return;
    }
    list_remove(&edit->object, call_objects(call), index, count);
    (void)!call_commit_object(call, edit); /* the key is there, so it can't fail */
}

static void emit_pop(struct call *call, const struct key *key, enum list_end end, size_t count,
                     bool is_array) {
    uint8_t text[INT64_TEXT_MAX];
    struct slice arguments[2] = {key->text, slice_of(text, int64_format((int64_t)count, text))};
    call_effect(call, end == LIST_HEAD ? COMMAND_LPOP : COMMAND_RPOP, arguments, is_array ? 2 : 1);
}

enum larder_status list_pop(struct call *call, struct object_edit *edit, enum list_end end,
                            size_t count, bool is_array) {
    if (is_array)
        reply_array(call->reply, count);
    list_reply_end(call, edit->object, end, count);
    if (call->reply->failed)
        return LARDER_NO_MEMORY;
    list_notify_pop(call, end, &edit->key);
    list_take_out(call, edit, end == LIST_HEAD ? 0 : object_length(edit->object) - count, count);
    emit_pop(call, &edit->key, end, count, is_array);
    return LARDER_OK;
}

void list_range(int64_t start, int64_t stop, size_t length, size_t *out_index, size_t *out_count) {
    int64_t size = (int64_t)length;
    if (start < 0)
        start = start + size < 0 ? 0 : start + size;
    if (stop < 0)
        stop += size;
    if (stop >= size)
        stop = size - 1;
    *out_index = start > stop ? 0 : (size_t)start;
    *out_count = start > stop ? 0 : (size_t)(stop - start + 1);
}
