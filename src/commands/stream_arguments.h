/* SPDX-License-Identifier: BSD-3-Clause */
/* What stream commands read and write alike: ids and ranges among the arguments, trimming options,
 * entries in replies, effects of many words. */
#ifndef LARDER_COMMANDS_STREAM_ARGUMENTS_H
#define LARDER_COMMANDS_STREAM_ARGUMENTS_H

#include "commands/functions.h"
#include "ds/stream.h"

/* ---- ids; each replies the known error and returns false when the text is none ---- */

bool stream_argument_id(struct call *call, struct slice text, struct stream_id *out);
/* A bound of a range: an id, "-", "+", or "(" and an id, which excludes it. The sequence left out
 * is the smallest at the start, the largest at the end. */
bool stream_argument_start(struct call *call, struct slice text, struct stream_id *out);
bool stream_argument_end(struct call *call, struct slice text, struct stream_id *out);

/* ---- options of XADD and XTRIM ---- */

struct stream_add_options {
    struct stream_trim trim;
    bool has_trim;
    bool is_no_create;   /* NOMKSTREAM */
    bool is_auto_id;     /* "*" */
    bool is_auto_number; /* "ms-*" */
    struct stream_id id;
    size_t id_index; /* XADD: of the id */
};
/* False: an error was replied. */
bool stream_parse_options(struct call *call, bool is_add, struct stream_add_options *out);

/* ---- groups ---- */

/* The group of this name of the stream at edit->object (may be NULL). When there is none, replies
 * NOGROUP and returns NULL. */
struct stream_group *stream_argument_group(struct call *call, const struct object *object,
                                           struct slice key, struct slice name);
/* Groups or counters changed, entries did not: stores the container's size and counts a use, but
 * wakes nobody who waits for entries, and for WATCH the key is as it was. */
void stream_commit_groups(struct call *call, struct object_edit *edit) REQUIRES(PARTITION_LOCK);

/* How long ago a time was; 0 for one that is still to come. */
static inline int64_t stream_idle_ms(const struct call *call, int64_t time_ms) {
    int64_t idle_ms;
    if (__builtin_sub_overflow(call->thread->now_ms, time_ms, &idle_ms))
        return INT64_MAX;
    return idle_ms < 0 ? 0 : idle_ms;
}

/* ---- replies ---- */

void stream_reply_id(struct reply *reply, struct stream_id id);
/* [id, [name, value ...]] */
void stream_reply_entry(struct reply *reply, struct stream_entry entry);
/* Bytes that this takes at most. */
size_t stream_reply_bound(struct stream_entry entry);

/* ---- effects ---- */

bool stream_is_emitting(const struct call *call);

enum { STREAM_WORDS_FIXED = 24 };

/* The arguments of an effect. */
struct stream_words {
    struct slice *items;
    size_t count, capacity;
    struct slice fixed[STREAM_WORDS_FIXED];
};
/* Room for `capacity` words; none when nobody listens. Errors: LARDER_NO_MEMORY. */
enum larder_status stream_words_init(struct call *call, struct stream_words *words,
                                     size_t capacity) LARDER_NODISCARD;
void stream_words_finish(struct call *call, struct stream_words *words);
static inline void stream_words_add(struct stream_words *words, struct slice word) {
    if (words->capacity > 0)
        words->items[words->count++] = word;
}

/* Bytes of effect that one claimed entry takes at most. */
size_t stream_claim_effect_bound(struct slice key, struct slice group, struct slice consumer);
enum { STREAM_CLAIMS_MAX = 64 }; /* entries of one effect */
/* XCLAIM key group consumer 0 id ... TIME RETRYCOUNT FORCE JUSTID, of at most STREAM_CLAIMS_MAX
 * entries; no more than as many effects of one entry take. */
void stream_effect_claims(struct call *call, const struct slice names[3],
                          const struct stream_id *ids, size_t id_count, int64_t time_ms,
                          uint64_t count);
/* The same of one entry. */
void stream_effect_claim(struct call *call, struct slice key, struct slice group,
                         struct slice consumer, struct stream_id id, int64_t time_ms,
                         uint64_t count);
/* XGROUP CREATECONSUMER key group consumer */
void stream_effect_consumer(struct call *call, struct slice key, struct slice group,
                            struct slice consumer);
/* XGROUP SETID key group last-id ENTRIESREAD n */
void stream_effect_group_state(struct call *call, struct slice key,
                               const struct stream_group *group);

#endif
