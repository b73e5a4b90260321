/* SPDX-License-Identifier: BSD-3-Clause */
/* Editing strings, and the commands that are nothing else. A blob that grows gets twice the room,
 * but at most 1 MiB more than it needs, so that a run of appends copies each byte a few times. */
#include "commands/functions.h"
#include "commands/string_value.h"

enum { GROWTH_MAX = 1 << 20 };

size_t string_size(const struct value *value) {
    uint8_t scratch[INT64_TEXT_MAX];
    return value_text(value, scratch).size;
}

bool string_size_is_allowed(struct call *call, uint64_t size) {
    if (size <= (uint64_t)call->max_value_bytes)
        return true;
    reply_error(call->reply, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    return false;
}

static struct blob *create_image(const struct call *call, size_t old_size, size_t size) {
    size_t capacity = size;
    if (old_size > 0 && size > old_size)
        capacity += size < GROWTH_MAX ? size : GROWTH_MAX;
    struct blob *blob = blob_create(call->keyspace->allocator, capacity);
    if (blob != NULL)
        blob->size = size;
    return blob;
}

enum larder_status string_edit_begin(struct string_edit *edit, struct call *call,
                                     const struct entry *old, size_t size) {
    uint8_t scratch[INT64_TEXT_MAX];
    struct slice text = old != NULL ? value_text(&old->value, scratch) : slice_of(NULL, 0);
    edit->size = size;
    edit->blob = NULL;
    edit->has_old = old != NULL;
    edit->is_in_place = false;
    if (old != NULL)
        edit->old = *old;

    if (old != NULL && old->value.kind == VALUE_BLOB && old->value.blob->capacity >= size &&
        blob_is_exclusive(old->value.blob)) {
        edit->is_in_place = true;
        edit->blob = old->value.blob;
        edit->data = edit->blob->data;
        memset(edit->data + text.size, 0, size - text.size);
        return LARDER_OK;
    }
    if (size > RECORD_INLINE_VALUE_MAX) {
        edit->blob = create_image(call, text.size, size);
        if (edit->blob == NULL)
            return LARDER_NO_MEMORY;
        edit->data = edit->blob->data;
    } else {
        edit->data = edit->bytes;
    }
    if (text.size > 0)
        memcpy(edit->data, text.data, text.size);
    memset(edit->data + text.size, 0, size - text.size);
    return LARDER_OK;
}

enum larder_status string_edit_commit(struct string_edit *edit, struct call *call,
                                      const struct key *key) {
    if (edit->is_in_place) {
        edit->blob->size = edit->size;
        call_mark_changed(call, key);
        call_use(call, key, &edit->old);
        return LARDER_OK;
    }
    struct value value = {.kind = VALUE_RAW, .bytes = slice_of(edit->bytes, edit->size)};
    if (edit->blob != NULL)
        value = value_of_blob(edit->blob);
    enum larder_status status = call_put(call, key, edit->has_old ? &edit->old : NULL, value,
                                         edit->has_old ? edit->old.expiry_ms : 0);
    if (status != LARDER_OK)
        string_edit_abort(edit);
    return status;
}

void string_edit_abort(struct string_edit *edit) {
    if (!edit->is_in_place)
        blob_release(edit->blob);
}

/* ---- APPEND and SETRANGE ---- */

REQUIRES(PARTITION_LOCK)
static enum larder_status write_range(struct call *call, const struct entry *old, size_t old_size,
                                      size_t offset, struct slice bytes, const char *event) {
    struct string_edit edit;
    size_t end = offset + bytes.size;
    size_t size = end > old_size ? end : old_size;
    if (string_edit_begin(&edit, call, old, size) != LARDER_OK)
        return LARDER_NO_MEMORY;
    if (bytes.size > 0)
        memcpy(edit.data + offset, bytes.data, bytes.size);
    if (string_edit_commit(&edit, call, &call->key) != LARDER_OK)
        return LARDER_NO_MEMORY;
    call_effect_verbatim(call);
    call_notify(call, NOTICE_STRING, event, &call->key);
    reply_integer(call->reply, (int64_t)size);
    return LARDER_OK;
}

enum larder_status command_append(struct call *call) {
    struct slice bytes = call->argv[2];
    struct entry old;
    if (!call_write(call, &call->key, &old)) {
        if (call_put_string(call, &call->key, NULL, bytes, call_blob_at(call, 2), 0) != LARDER_OK)
            return LARDER_NO_MEMORY;
        call_effect_verbatim(call);
        call_notify(call, NOTICE_STRING, "append", &call->key);
        reply_integer(call->reply, (int64_t)bytes.size);
        return LARDER_OK;
    }
    if (!entry_is_string(&old))
        return call_wrong_type(call);
    size_t old_size = string_size(&old.value);
    if (!string_size_is_allowed(call, (uint64_t)old_size + bytes.size))
        return LARDER_OK;
    return write_range(call, &old, old_size, old_size, bytes, "append");
}

enum larder_status command_setrange(struct call *call) {
    int64_t offset;
    struct slice bytes = call->argv[3];
    if (!call_integer(call, call->argv[2], &offset))
        return LARDER_OK;
    if (offset < 0) {
        reply_error(call->reply, "ERR offset is out of range");
        return LARDER_OK;
    }
    struct entry old;
    bool is_there = call_write(call, &call->key, &old);
    if (is_there && !entry_is_string(&old))
        return call_wrong_type(call);
    size_t old_size = is_there ? string_size(&old.value) : 0;
    if (bytes.size == 0) {
        reply_integer(call->reply, (int64_t)old_size);
        return LARDER_OK;
    }
    if (!string_size_is_allowed(call, (uint64_t)offset + bytes.size))
        return LARDER_OK;
    return write_range(call, is_there ? &old : NULL, old_size, (size_t)offset, bytes, "setrange");
}
