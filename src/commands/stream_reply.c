/* SPDX-License-Identifier: BSD-3-Clause */
/* Entries in replies; effects of stream commands that are made up of many words. */
#include "commands/stream_arguments.h"

enum {
    BULK_FRAME_MAX = 26,      /* "$", length, CR LF twice */
    CLAIM_WORDS = 11,         /* of the effect of a claim */
    CLAIM_NUMBER_BYTES = 128, /* its id, numbers and option words */
};

void stream_reply_id(struct reply *reply, struct stream_id id) {
    uint8_t text[STREAM_ID_TEXT_MAX];
    reply_bulk(reply, slice_of(text, stream_id_format(id, text)));
}

void stream_reply_entry(struct reply *reply, struct stream_entry entry) {
    uint8_t scratch[INT64_TEXT_MAX];
    reply_array(reply, 2);
    stream_reply_id(reply, entry.id);
    reply_array(reply, 2 * (size_t)entry.field_count);
    for (uint32_t i = 0; i < entry.field_count; i++) {
        struct packed_element name, value;
        stream_entry_next(&entry, &name, &value);
        reply_bulk(reply, packed_text(&name, scratch));
        reply_bulk(reply, packed_text(&value, scratch));
    }
}

size_t stream_reply_bound(struct stream_entry entry) {
    size_t bound = 2 * (size_t)BULK_FRAME_MAX + BULK_FRAME_MAX + STREAM_ID_TEXT_MAX;
    for (uint32_t i = 0; i < entry.field_count; i++) {
        struct packed_element name, value;
        stream_entry_next(&entry, &name, &value);
        bound += 2 * (size_t)(BULK_FRAME_MAX + INT64_TEXT_MAX) + name.bytes.size + value.bytes.size;
    }
    return bound;
}

/* ---- effects ---- */

bool stream_is_emitting(const struct call *call) {
    return call->thread->effects != NULL && (call->flags & CALL_APPLY) == 0;
}

enum larder_status stream_words_init(struct call *call, struct stream_words *words,
                                     size_t capacity) {
    words->count = words->capacity = 0;
    words->items = words->fixed;
    if (!stream_is_emitting(call))
        return LARDER_OK;
    if (capacity > STREAM_WORDS_FIXED)
        words->items =
            allocator_allocate(call->keyspace->allocator, capacity * sizeof(*words->items));
    if (words->items == NULL)
        return LARDER_NO_MEMORY;
    words->capacity = capacity;
    return LARDER_OK;
}

void stream_words_finish(struct call *call, struct stream_words *words) {
    if (words->items != words->fixed)
        allocator_release(call->keyspace->allocator, words->items,
                          words->capacity * sizeof(*words->items));
}

size_t stream_claim_effect_bound(struct slice key, struct slice group, struct slice consumer) {
    return effects_part_bound(CLAIM_WORDS,
                              key.size + group.size + consumer.size + CLAIM_NUMBER_BYTES);
}

void stream_effect_claims(struct call *call, const struct slice names[3],
                          const struct stream_id *ids, size_t id_count, int64_t time_ms,
                          uint64_t count) {
    uint8_t id_texts[STREAM_CLAIMS_MAX][STREAM_ID_TEXT_MAX];
    uint8_t time_text[INT64_TEXT_MAX], count_text[INT64_TEXT_MAX];
    struct slice words[CLAIM_WORDS + STREAM_CLAIMS_MAX];
    if (!stream_is_emitting(call) || id_count == 0)
        return;
    size_t at = 0;
    for (; at < 3; at++)
        words[at] = names[at];
    words[at++] = SLICE_LITERAL("0");
    for (size_t i = 0; i < id_count; i++)
        words[at++] = slice_of(id_texts[i], stream_id_format(ids[i], id_texts[i]));
    words[at++] = SLICE_LITERAL("TIME");
    words[at++] = slice_of(time_text, int64_format(time_ms, time_text));
    words[at++] = SLICE_LITERAL("RETRYCOUNT");
    words[at++] = slice_of(count_text, uint64_format(count, count_text));
    words[at++] = SLICE_LITERAL("FORCE");
    words[at++] = SLICE_LITERAL("JUSTID");
    call_effect(call, COMMAND_XCLAIM, words, at);
}

void stream_effect_claim(struct call *call, struct slice key, struct slice group,
                         struct slice consumer, struct stream_id id, int64_t time_ms,
                         uint64_t count) {
    const struct slice names[3] = {key, group, consumer};
    stream_effect_claims(call, names, &id, 1, time_ms, count);
}

void stream_effect_consumer(struct call *call, struct slice key, struct slice group,
                            struct slice consumer) {
    struct slice words[] = {key, group, consumer};
    call_effect(call, COMMAND_XGROUP_CREATECONSUMER, words, 3);
}

void stream_effect_group_state(struct call *call, struct slice key,
                               const struct stream_group *group) {
    uint8_t id_text[STREAM_ID_TEXT_MAX], read_text[INT64_TEXT_MAX];
    struct stream_group_state state = stream_group_get_state(group);
    struct slice words[] = {
        key,
        state.name,
        slice_of(id_text, stream_id_format(state.last_id, id_text)),
        SLICE_LITERAL("ENTRIESREAD"),
        slice_of(read_text, int64_format(state.entries_read, read_text)),
    };
    call_effect(call, COMMAND_XGROUP_SETID, words, 5);
}
