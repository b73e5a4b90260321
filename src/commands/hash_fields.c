/* SPDX-License-Identifier: BSD-3-Clause */
/* Effects name one field each and an absolute time: HPEXPIREAT, HPERSIST or HDEL. */
#include "commands/hash_fields.h"

enum {
    WORDS_BYTES = 96, /* of an effect beside key, field and value */
    BULK_BYTES = 32,  /* around the text of a bulk string */
};

static bool refuse(struct call *call, bool is_syntax) {
    if (is_syntax)
        (void)call_syntax_error(call);
    else
        reply_error(call->reply, "ERR numfields should be greater than 0 and match the provided "
                                 "number of fields");
    return false;
}

size_t hash_fields_word(const struct call *call, size_t from) {
    for (size_t at = from; at + 1 < call->argc; at++)
        if (slice_equal_word(call->argv[at], "FIELDS"))
            return at;
    return call->argc;
}

bool hash_fields_parse(struct call *call, size_t at, size_t width, enum hash_fields_style style,
                       struct hash_fields *out) {
    int64_t count;
    if (at + 1 >= call->argc || !slice_equal_word(call->argv[at], "FIELDS"))
        return refuse(call, style != HASH_FIELDS_NUMBER);
    if (!call_integer(call, call->argv[at + 1], &count))
        return false;
    size_t words = call->argc - at - 2;
    if (count <= 0 || words % width != 0 || (uint64_t)count != words / width)
        return refuse(call, style == HASH_FIELDS_SYNTAX);
    *out = (struct hash_fields){.items = call->argv + at + 2, .count = (size_t)count};
    return true;
}

bool hash_fields_time(struct call *call, struct slice text, unsigned time, int64_t *out_ms) {
    int64_t number;
    if (!call_integer(call, text, &number))
        return false;
    int64_t unit = (time & TIME_IN_SECONDS) != 0 ? 1000 : 1;
    int64_t origin_ms = (time & TIME_IS_RELATIVE) != 0 ? call->thread->now_ms : 0;
    if (number < 0 || number > INT64_MAX / unit || number * unit > INT64_MAX - origin_ms) {
        reply_error_format(call->reply, "ERR invalid expire time in '%s' command",
                           call->spec->name);
        return false;
    }
    int64_t time_ms = origin_ms + number * unit;
    *out_ms = time_ms > 0 ? time_ms : 1;
    return true;
}

bool hash_change_begin(struct call *call, struct hash_change *out) {
    out->set = out->removed = out->persisted = 0;
    return call_edit_object(call, &call->key, OBJECT_HASH, &out->edit);
}

enum larder_status hash_change_reserve(struct call *call, struct hash_change *change,
                                       const struct hash_fields *fields, bool gives_times) {
    uint8_t scratch[INT64_TEXT_MAX];
    struct hash_pair pair;
    size_t effects = 0, replies = CALL_REPLY_RESERVED;
    for (size_t i = 0; i < fields->count; i++) {
        struct slice field = fields->items[i];
        effects += effects_part_bound(6, call->key.text.size + field.size + WORDS_BYTES);
        replies += BULK_BYTES;
        if (hash_find(call, change->edit.object, field, scratch, &pair))
            replies += pair.value.size;
    }
    enum larder_status status = LARDER_NO_MEMORY;
    if (reply_reserve(call->reply, replies))
        status = call_reserve_effect(call, effects);
    if (status == LARDER_OK && gives_times && change->edit.object != NULL)
        status = hash_reserve_expiry(&change->edit.object, call_objects(call), fields->items,
                                     fields->count);
    if (status != LARDER_OK)
        call_leave_object(call, &change->edit);
    return status;
}

void hash_change_remove(struct call *call, struct hash_change *change, struct slice field) {
    (void)hash_remove(&change->edit.object, call_objects(call), field, 0);
    struct slice arguments[] = {call->key.text, field};
    call_effect(call, COMMAND_HDEL, arguments, 2);
    change->removed++;
}

bool hash_change_time(struct call *call, struct hash_change *change, struct slice field,
                      int64_t expiry_ms) {
    uint8_t text[INT64_TEXT_MAX];
    if (expiry_ms != 0 && call_is_past(call, expiry_ms)) {
        hash_change_remove(call, change, field);
        return true;
    }
    hash_set_expiry(change->edit.object, call_objects(call), field, expiry_ms);
    struct slice one = SLICE_LITERAL("1"), word = SLICE_LITERAL("FIELDS");
    if (expiry_ms == 0) {
        struct slice arguments[] = {call->key.text, word, one, field};
        call_effect(call, COMMAND_HPERSIST, arguments, 4);
        change->persisted++;
        return false;
    }
    struct slice arguments[] = {call->key.text, slice_of(text, int64_format(expiry_ms, text)), word,
                                one, field};
    call_effect(call, COMMAND_HPEXPIREAT, arguments, 5);
    change->set++;
    return false;
}

void hash_change_end(struct call *call, struct hash_change *change, const char *removal_event) {
    const struct key *key = &change->edit.key;
    if (change->set + change->removed + change->persisted == 0) {
        call_leave_object(call, &change->edit);
        return;
    }
    if (change->set > 0)
        call_notify(call, NOTICE_HASH, "hexpire", key);
    if (change->persisted > 0)
        call_notify(call, NOTICE_HASH, "hpersist", key);
    if (change->removed > 0)
        call_notify(call, NOTICE_HASH, removal_event, key);
    (void)!call_commit_object(call, &change->edit);
}
