/* SPDX-License-Identifier: BSD-3-Clause */
/* Containers as commands meet them. A container is changed in place, and only afterwards does the
 * record learn where it is now and how much memory it takes. */
#include "commands/call.h"

#include "store/expiry.h"

static bool has_kind(struct call *call, const struct entry *entry, enum object_kind kind) {
    if (entry->value.kind == VALUE_OBJECT && entry->value.object->type->kind == kind)
        return true;
    call_wrong_type(call);
    return false;
}

bool call_read_object(struct call *call, const struct key *key, enum object_kind kind,
                      const struct object **out) {
    struct entry entry;
    *out = NULL;
    if (!call_read(call, key, &entry))
        return true;
    if (!has_kind(call, &entry, kind))
        return false;
    *out = entry.value.object;
    return true;
}

/* Remove elements that have expired, of very many only the first: the rest stays hidden until the
 * sweep comes by. */
REQUIRES(PARTITION_LOCK)
static void remove_expired(struct call *call, struct object_edit *edit) {
    enum { BATCHES = 16 };
    int64_t now_ms = call->thread->now_ms;
    for (unsigned i = 0; i < BATCHES && edit->is_there; i++) {
        if ((call->flags & CALL_APPLY) != 0 || object_due_ms(edit->entry.value.object) >= now_ms)
            return;
        bool is_deleted;
        if (expiry_remove_elements(call_partition(call, &edit->key), call->keyspace, call->thread,
                                   edit->key.partition, &edit->entry, &is_deleted) == 0)
            return;
        edit->is_there = !is_deleted;
    }
}

bool call_edit_object(struct call *call, const struct key *key, enum object_kind kind,
                      struct object_edit *out) {
    out->key = *key;
    out->object = NULL;
    out->is_there = call_write(call, key, &out->entry);
    if (!out->is_there)
        return true;
    if (!has_kind(call, &out->entry, kind))
        return false;
    remove_expired(call, out);
    if (out->is_there)
        out->object = out->entry.value.object;
    return true;
}

enum larder_status call_commit_object(struct call *call, struct object_edit *edit) {
    if (!edit->is_there)
        return call_put_object(call, &edit->key, NULL, edit->object, 0);
    partition_replace_object(call_partition(call, &edit->key), call->thread, &edit->entry,
                             edit->object);
    if (object_length(edit->object) == 0 && edit->object->type->kind != OBJECT_STREAM) {
        call_delete(call, &edit->key, &edit->entry);
        call_notify(call, NOTICE_GENERIC, "del", &edit->key);
        return LARDER_OK;
    }
    call_mark_changed(call, &edit->key);
    call_use(call, &edit->key, &edit->entry);
    return LARDER_OK;
}

void call_leave_object(struct call *call, struct object_edit *edit) {
    if (edit->is_there)
        partition_replace_object(call_partition(call, &edit->key), call->thread, &edit->entry,
                                 edit->object);
    else
        object_destroy(edit->object, call->keyspace->allocator);
}

enum larder_status call_put_object(struct call *call, const struct key *key,
                                   const struct entry *old, struct object *object,
                                   int64_t expiry_ms) {
    if (object_length(object) == 0 && object->type->kind != OBJECT_STREAM) {
        object_destroy(object, call->keyspace->allocator);
        if (old == NULL)
            return LARDER_OK;
        call_delete(call, key, old);
        call_notify(call, NOTICE_GENERIC, "del", key);
        return LARDER_OK;
    }
    enum larder_status status = call_put(call, key, old, value_of_object(object), expiry_ms);
    if (status != LARDER_OK)
        object_destroy(object, call->keyspace->allocator);
    return status;
}
