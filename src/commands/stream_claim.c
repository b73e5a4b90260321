/* SPDX-License-Identifier: BSD-3-Clause */
/* XCLAIM and XAUTOCLAIM. A first pass over the entries prepares those that will be given to the
 * consumer and reserves reply and effects; the second can't fail. */
#include "commands/stream_arguments.h"

enum {
    SCANNED_PER_CLAIM = 10, /* XAUTOCLAIM looks at this many pending entries for each it may take */
    ID_REPLY_MAX = 64,
};

struct claim {
    struct call *call;
    struct object_edit edit;
    struct stream_group *group;
    struct stream_consumer *consumer;
    bool is_new_consumer;
    int64_t min_idle_ms, time_ms;
    int64_t retry_count; /* -1: one more than before */
    bool is_forced, is_just_id;
    struct stream_id last_id;
    size_t ids_at, ids_end; /* XCLAIM: the ids among the arguments */
    int64_t count;          /* XAUTOCLAIM */
    struct stream_id start, next;
    size_t reply_bound, effect_bound;
    size_t dropped;                /* entries that are gone from the stream */
    struct stream_id *dropped_ids; /* XAUTOCLAIM: theirs */
};

static const struct allocator *allocator_of(const struct claim *claim) {
    return claim->call->keyspace->allocator;
}

static bool parse_idle(struct claim *claim, const char *command) {
    struct call *call = claim->call;
    if (slice_to_int64(call->argv[4], &claim->min_idle_ms)) {
        if (claim->min_idle_ms < 0)
            claim->min_idle_ms = 0;
        return true;
    }
    reply_error_format(call->reply, "ERR Invalid min-idle-time argument for %s", command);
    return false;
}

/* Key, group. False: an error was replied. */
REQUIRES(PARTITION_LOCK)
static bool find_group(struct claim *claim) {
    struct call *call = claim->call;
    struct key key = call_key_at(call, 1);
    if (!call_edit_object(call, &key, OBJECT_STREAM, &claim->edit))
        return false;
    claim->group = stream_argument_group(call, claim->edit.object, key.text, call->argv[2]);
    return claim->group != NULL;
}

/* The consumer, who is created for the first entry that there is to be given. */
static enum larder_status find_consumer(struct claim *claim) {
    struct slice name = claim->call->argv[3];
    if (claim->consumer != NULL)
        return LARDER_OK;
    claim->consumer = stream_find_consumer(claim->group, name);
    if (claim->consumer != NULL)
        return LARDER_OK;
    claim->consumer = stream_create_consumer(claim->edit.object, allocator_of(claim), claim->group,
                                             name, claim->call->thread->now_ms);
    claim->is_new_consumer = claim->consumer != NULL;
    return claim->consumer == NULL ? LARDER_NO_MEMORY : LARDER_OK;
}

/* Whether a pending entry, which may be none, is for the taking. */
static bool is_claimable(const struct claim *claim, const struct stream_pending *pending) {
    if (pending == NULL || pending->consumer == NULL)
        return claim->is_forced;
    return claim->min_idle_ms == 0 ||
           stream_idle_ms(claim->call, pending->time_ms) >= claim->min_idle_ms;
}

/* ---- first pass ---- */

/* What the second pass will need for one id. */
static enum larder_status prepare(struct claim *claim, struct stream_id id) {
    const struct slice *argv = claim->call->argv;
    struct stream_entry entry;
    claim->effect_bound += stream_claim_effect_bound(argv[1], argv[2], argv[3]);
    if (!stream_find(claim->edit.object, id, &entry)) {
        claim->dropped++;
        claim->reply_bound += ID_REPLY_MAX;
        return LARDER_OK;
    }
    if (!is_claimable(claim, stream_find_pending(claim->group, id)))
        return LARDER_OK;
    claim->reply_bound += claim->is_just_id ? ID_REPLY_MAX : stream_reply_bound(entry);
    enum larder_status status = find_consumer(claim);
    if (status != LARDER_OK)
        return status;
    return stream_claim_prepare(claim->edit.object, allocator_of(claim), claim->group,
                                claim->consumer, id);
}

static enum larder_status reserve(struct claim *claim) {
    struct call *call = claim->call;
    claim->effect_bound +=
        2 * stream_claim_effect_bound(call->argv[1], call->argv[2], call->argv[3]);
    enum larder_status status = call_reserve_effect(call, claim->effect_bound);
    if (status != LARDER_OK)
        return status;
    bool is_reserved = reply_reserve(call->reply, claim->reply_bound + CALL_REPLY_RESERVED);
    return is_reserved ? LARDER_OK : LARDER_NO_MEMORY;
}

/* The ids were prepared up to some point: undo that. */
REQUIRES(PARTITION_LOCK)
static void abandon(struct claim *claim) {
    if (claim->is_new_consumer)
        stream_delete_consumer(claim->edit.object, allocator_of(claim), claim->group,
                               claim->consumer);
    call_leave_object(claim->call, &claim->edit);
}

/* ---- second pass ---- */

static void give(struct claim *claim, struct stream_id id) {
    struct call *call = claim->call;
    const struct stream_pending *pending = stream_find_pending(claim->group, id);
    bool is_new = pending->consumer == NULL;
    uint64_t count = is_new ? 1 : pending->count;
    if (claim->retry_count >= 0)
        count = (uint64_t)claim->retry_count;
    else if (!claim->is_just_id)
        count++;
    stream_claim_commit(claim->edit.object, allocator_of(claim), claim->group, claim->consumer, id,
                        claim->time_ms, count);
    stream_effect_claim(call, call->argv[1], call->argv[2], call->argv[3], id, claim->time_ms,
                        count);
}

static void show(struct claim *claim, struct stream_id id, const struct stream_entry *entry) {
    if (claim->is_just_id)
        stream_reply_id(claim->call->reply, id);
    else
        stream_reply_entry(claim->call->reply, *entry);
}

/* XACK key group id: the entry is gone, so it can't be pending any more. */
static void drop(struct claim *claim, struct stream_id id) {
    uint8_t text[STREAM_ID_TEXT_MAX];
    const struct slice *argv = claim->call->argv;
    if (!stream_acknowledge(claim->edit.object, allocator_of(claim), claim->group, id))
        return;
    struct slice words[] = {argv[1], argv[2], slice_of(text, stream_id_format(id, text))};
    call_effect(claim->call, COMMAND_XACK, words, 3);
}

/* Returns whether it was given to the consumer and shown. */
static bool claim_one(struct claim *claim, struct stream_id id) {
    struct stream_entry entry;
    if (!stream_find(claim->edit.object, id, &entry)) {
        drop(claim, id);
        return false;
    }
    const struct stream_pending *pending = stream_find_pending(claim->group, id);
    if (!is_claimable(claim, pending))
        return false;
    give(claim, id);
    show(claim, id, &entry);
    return true;
}

REQUIRES(PARTITION_LOCK)
static void finish(struct claim *claim, bool has_claimed, bool is_changed) {
    struct call *call = claim->call;
    int64_t now_ms = call->thread->now_ms;
    if (has_claimed)
        stream_consumer_set(claim->consumer, now_ms, now_ms);
    if (is_changed || has_claimed)
        stream_commit_groups(call, &claim->edit);
    else
        call_leave_object(call, &claim->edit);
}

/* ---- XCLAIM ---- */

static bool bad_option(struct claim *claim, const char *name) {
    reply_error_format(claim->call->reply, "ERR Invalid %s option argument for XCLAIM", name);
    return false;
}

/* An option at *at, which is moved to its last word. */
static bool parse_option(struct claim *claim, size_t *at) {
    struct call *call = claim->call;
    struct slice word = call->argv[*at];
    bool has_more = *at + 1 < call->argc;
    if (slice_equal_word(word, "force")) {
        claim->is_forced = true;
        return true;
    }
    if (slice_equal_word(word, "justid")) {
        claim->is_just_id = true;
        return true;
    }
    if (has_more && slice_equal_word(word, "idle")) {
        int64_t idle_ms;
        if (!slice_to_int64(call->argv[++*at], &idle_ms))
            return bad_option(claim, "IDLE");
        claim->time_ms = (int64_t)((uint64_t)call->thread->now_ms - (uint64_t)idle_ms);
        return true;
    }
    if (has_more && slice_equal_word(word, "time"))
        return slice_to_int64(call->argv[++*at], &claim->time_ms) || bad_option(claim, "TIME");
    if (has_more && slice_equal_word(word, "retrycount"))
        return slice_to_int64(call->argv[++*at], &claim->retry_count) ||
               bad_option(claim, "RETRYCOUNT");
    if (has_more && slice_equal_word(word, "lastid"))
        return stream_argument_id(call, call->argv[++*at], &claim->last_id);
    reply_error_format(call->reply, "ERR Unrecognized XCLAIM option '%.*s'", (int)word.size,
                       (const char *)word.data);
    return false;
}

static bool parse_claim(struct claim *claim) {
    struct call *call = claim->call;
    struct stream_id id;
    claim->time_ms = -1;
    claim->ids_at = claim->ids_end = 5;
    while (claim->ids_end < call->argc &&
           stream_id_parse(call->argv[claim->ids_end], STREAM_ID_EXACT, 0, &id, NULL))
        claim->ids_end++;
    for (size_t at = claim->ids_end; at < call->argc; at++)
        if (!parse_option(claim, &at))
            return false;
    /* A time to come is none, unless an effect says what the clock of another node said. */
    int64_t now_ms = call->thread->now_ms;
    bool is_ahead = claim->time_ms > now_ms && (call->flags & CALL_APPLY) == 0;
    if (claim->time_ms < 0 || is_ahead)
        claim->time_ms = now_ms;
    return true;
}

static struct stream_id id_at(const struct claim *claim, size_t index) {
    struct stream_id id = {0, 0};
    (void)stream_id_parse(claim->call->argv[index], STREAM_ID_EXACT, 0, &id, NULL);
    return id;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status prepare_claim(struct claim *claim) {
    enum larder_status status = LARDER_OK;
    size_t at = claim->ids_at;
    for (; at < claim->ids_end && status == LARDER_OK; at++)
        status = prepare(claim, id_at(claim, at));
    if (status == LARDER_OK)
        status = reserve(claim);
    if (status == LARDER_OK)
        return status;
    for (size_t i = claim->ids_at; i < at && claim->consumer != NULL; i++)
        stream_claim_abort(claim->edit.object, allocator_of(claim), claim->group, claim->consumer,
                           id_at(claim, i));
    abandon(claim);
    return status;
}

enum larder_status command_xclaim(struct call *call) {
    struct claim claim = {.call = call, .retry_count = -1};
    if (!find_group(&claim) || !parse_idle(&claim, "XCLAIM") || !parse_claim(&claim))
        return LARDER_OK;
    enum larder_status status = prepare_claim(&claim);
    if (status != LARDER_OK)
        return status;
    struct stream_group_state state = stream_group_get_state(claim.group);
    bool is_advanced = stream_id_is_less(state.last_id, claim.last_id);
    if (is_advanced) {
        stream_group_set(claim.group, claim.last_id, state.entries_read);
        stream_effect_group_state(call, call->argv[1], claim.group);
    }
    if (claim.is_new_consumer) {
        stream_effect_consumer(call, call->argv[1], call->argv[2], call->argv[3]);
        call_notify(call, NOTICE_STREAM, "xgroup-createconsumer", &claim.edit.key);
    }
    size_t claimed = 0, begin = reply_deferred_begin(call->reply);
    for (size_t i = claim.ids_at; i < claim.ids_end; i++)
        claimed += claim_one(&claim, id_at(&claim, i));
    reply_deferred_end(call->reply, begin, '*', claimed);
    bool is_changed = is_advanced || claim.is_new_consumer ||
                      stream_group_get_state(claim.group).pending_count != state.pending_count;
    finish(&claim, claimed > 0, is_changed);
    return LARDER_OK;
}

/* ---- XAUTOCLAIM ---- */

static bool parse_autoclaim(struct claim *claim) {
    struct call *call = claim->call;
    claim->count = 100;
    if (!parse_idle(claim, "XAUTOCLAIM") ||
        !stream_argument_start(call, call->argv[5], &claim->start))
        return false;
    for (size_t at = 6; at < call->argc; at++) {
        if (slice_equal_word(call->argv[at], "justid")) {
            claim->is_just_id = true;
        } else if (at + 1 < call->argc && slice_equal_word(call->argv[at], "count")) {
            int64_t count_max = INT64_MAX / 16;
            bool is_integer = slice_to_int64(call->argv[++at], &claim->count);
            if (!is_integer || claim->count < 1 || claim->count > count_max) {
                reply_error(call->reply, "ERR COUNT must be > 0");
                return false;
            }
        } else {
            call_syntax_error(call);
            return false;
        }
    }
    return true;
}

/* Walks the pending entries that one call looks at. */
struct scan {
    struct stream_id at;    /* where to go on; at its end the next call's cursor */
    int64_t attempts, left; /* entries to look at; to claim or to drop */
    bool is_over;
};

static struct scan scan_begin(const struct claim *claim) {
    return (struct scan){claim->start, claim->count * SCANNED_PER_CLAIM, claim->count, false};
}

static bool scan_end(struct scan *scan, struct stream_id next) {
    scan->at = next;
    scan->is_over = true;
    return false;
}

/* The next one that is to be claimed or, *out_is_gone, to be dropped. False: the scan is over. */
static bool scan_next(struct scan *scan, const struct claim *claim, struct stream_id *out,
                      bool *out_is_gone) {
    struct stream_pending_cursor cursor;
    struct stream_pending *pending;
    struct stream_entry entry;
    if (scan->is_over)
        return false;
    stream_pending_seek(&cursor, claim->group, NULL, scan->at);
    while (stream_pending_next(&cursor, out, &pending)) {
        if (scan->attempts <= 0 || scan->left <= 0)
            return scan_end(scan, *out);
        scan->attempts--;
        *out_is_gone = !stream_find(claim->edit.object, *out, &entry);
        if (!*out_is_gone && !is_claimable(claim, pending))
            continue;
        scan->left--;
        scan->at = *out;
        if (!stream_id_increment(&scan->at))
            (void)scan_end(scan, STREAM_ID_MIN);
        return true;
    }
    return scan_end(scan, STREAM_ID_MIN);
}

static enum larder_status scan_all(struct claim *claim) {
    struct scan scan = scan_begin(claim);
    struct stream_id id;
    bool is_gone;
    enum larder_status status = LARDER_OK;
    while (status == LARDER_OK && scan_next(&scan, claim, &id, &is_gone))
        status = prepare(claim, id);
    claim->next = scan.at;
    if (status != LARDER_OK || claim->dropped == 0)
        return status;
    claim->dropped_ids =
        allocator_allocate(allocator_of(claim), claim->dropped * sizeof(*claim->dropped_ids));
    return claim->dropped_ids == NULL ? LARDER_NO_MEMORY : LARDER_OK;
}

static void release_dropped(struct claim *claim) {
    allocator_release(allocator_of(claim), claim->dropped_ids,
                      claim->dropped * sizeof(*claim->dropped_ids));
}

REQUIRES(PARTITION_LOCK)
static enum larder_status prepare_autoclaim(struct claim *claim) {
    enum larder_status status = scan_all(claim);
    if (status == LARDER_OK)
        status = reserve(claim);
    if (status == LARDER_OK)
        return status;
    struct scan scan = scan_begin(claim);
    struct stream_id id;
    bool is_gone;
    while (claim->consumer != NULL && scan_next(&scan, claim, &id, &is_gone))
        stream_claim_abort(claim->edit.object, allocator_of(claim), claim->group, claim->consumer,
                           id);
    release_dropped(claim);
    abandon(claim);
    return status;
}

/* Writes the claimed entries and the ids of those dropped. Returns how many were claimed. */
static size_t claim_scanned(struct claim *claim) {
    struct reply *reply = claim->call->reply;
    struct scan scan = scan_begin(claim);
    struct stream_id id;
    struct stream_entry entry;
    bool is_gone;
    size_t claimed = 0, dropped = 0, begin = reply_deferred_begin(reply);
    while (scan_next(&scan, claim, &id, &is_gone)) {
        if (is_gone) {
            drop(claim, id);
            claim->dropped_ids[dropped++] = id;
        } else if (stream_find(claim->edit.object, id, &entry)) {
            give(claim, id);
            show(claim, id, &entry);
            claimed++;
        }
    }
    reply_deferred_end(reply, begin, '*', claimed);
    reply_array(reply, dropped);
    for (size_t i = 0; i < dropped; i++)
        stream_reply_id(reply, claim->dropped_ids[i]);
    return claimed;
}

enum larder_status command_xautoclaim(struct call *call) {
    struct claim claim = {.call = call, .retry_count = -1, .time_ms = call->thread->now_ms};
    if (!parse_autoclaim(&claim) || !find_group(&claim))
        return LARDER_OK;
    enum larder_status status = prepare_autoclaim(&claim);
    if (status != LARDER_OK)
        return status;
    if (claim.is_new_consumer) {
        stream_effect_consumer(call, call->argv[1], call->argv[2], call->argv[3]);
        call_notify(call, NOTICE_STREAM, "xgroup-createconsumer", &claim.edit.key);
    }
    reply_array(call->reply, 3);
    stream_reply_id(call->reply, claim.next);
    size_t claimed = claim_scanned(&claim);
    finish(&claim, claimed > 0, claim.is_new_consumer || claim.dropped > 0);
    release_dropped(&claim);
    return LARDER_OK;
}
