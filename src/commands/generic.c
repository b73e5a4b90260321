/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on keys of any type that count, name or drop them. */
#include "commands/functions.h"
#include "commands/string_value.h"

enum larder_status command_del(struct call *call) {
    int64_t count = 0;
    for (size_t i = 1; i < call->argc; i++) {
        struct entry entry;
        struct key key = call_key_at(call, i);
        if (!call_write(call, &key, &entry))
            continue;
        call_delete(call, &key, &entry);
        call_effect_delete(call, &key);
        call_notify(call, NOTICE_GENERIC, "del", &key);
        count++;
    }
    reply_integer(call->reply, count);
    return LARDER_OK;
}

enum larder_status command_exists(struct call *call) {
    int64_t count = 0;
    for (size_t i = 1; i < call->argc; i++) {
        struct entry entry;
        struct key key = call_key_at(call, i);
        count += call_inspect(call, &key, &entry);
    }
    reply_integer(call->reply, count);
    return LARDER_OK;
}

/* Counts as a use even for a client that asked that its reads don't. */
enum larder_status command_touch(struct call *call) {
    int64_t count = 0;
    for (size_t i = 1; i < call->argc; i++) {
        struct entry entry;
        struct key key = call_key_at(call, i);
        if (!call_inspect(call, &key, &entry))
            continue;
        call_use(call, &key, &entry);
        count++;
    }
    reply_integer(call->reply, count);
    return LARDER_OK;
}

static const char *type_name(const struct value *value) {
    switch (value->kind) {
    case VALUE_BYTES:
    case VALUE_RAW:
    case VALUE_INTEGER:
    case VALUE_BLOB: break;
    case VALUE_OBJECT: return object_kind_name(value->object->type->kind);
    }
    return "string";
}

enum larder_status command_type(struct call *call) {
    struct entry entry;
    bool is_there = call_inspect(call, &call->key, &entry);
    reply_simple(call->reply, is_there ? type_name(&entry.value) : "none");
    return LARDER_OK;
}
