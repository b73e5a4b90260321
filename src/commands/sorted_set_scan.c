/* SPDX-License-Identifier: BSD-3-Clause */
/* ZSCAN, and ZRANDMEMBER, which is a choice of ranks. */
#include "base/glob.h"
#include "commands/functions.h"
#include "commands/scan_options.h"
#include "commands/sorted_set_range.h"

/* ---- ZSCAN ---- */

struct scan {
    const struct scan_options *options;
    struct reply *reply;
    size_t shown; /* bulk strings */
};

static void show_member(void *context, const struct scored_member *member) {
    struct scan *scan = context;
    uint8_t text[DOUBLE_FORMAT_MAX];
    if (scan->options->has_pattern && !glob_match(scan->options->pattern, member->member))
        return;
    reply_bulk(scan->reply, member->member);
    reply_bulk(scan->reply, slice_of(text, double_format(member->score, text)));
    scan->shown += 2;
}

enum larder_status command_zscan(struct call *call) {
    struct scan_options options;
    const struct object *set;
    if (!scan_cursor_parse(call, call->argv[2], &options.cursor) ||
        !call_read_object(call, &call->key, OBJECT_SORTED_SET, &set))
        return LARDER_OK;
    if (set == NULL) {
        scan_reply_nothing(call);
        return LARDER_OK;
    }
    if (!scan_options_parse(call, 3, 0, &options))
        return LARDER_OK;
    struct reply page;
    struct scan scan = {.options = &options, .reply = &page};
    reply_init(&page, call->keyspace->allocator);
    uint64_t cursor =
        sorted_set_scan(set, call_objects(call), options.cursor, options.count, show_member, &scan);
    return scan_reply_page(call, cursor, scan.shown, &page);
}

/* ---- ZRANDMEMBER ---- */

static void reply_at_rank(struct call *call, const struct object *set, size_t rank,
                          bool with_scores) {
    struct sorted_set_cursor cursor;
    struct scored_member member;
    sorted_set_seek(set, rank, &cursor);
    if (sorted_set_next(&cursor, &member))
        reply_scored_member(call->reply, &member, with_scores);
}

/* All, the last one first as clients know it. */
static void reply_all(struct call *call, const struct object *set, bool with_scores) {
    struct sorted_set_cursor cursor;
    struct scored_member member;
    sorted_set_seek(set, object_length(set), &cursor);
    while (sorted_set_previous(&cursor, &member))
        reply_scored_member(call->reply, &member, with_scores);
}

/* Any `count` of the ranks, each walked past and taken with the chance that leaves enough. */
static void reply_walked(struct call *call, const struct object *set, size_t count,
                         bool with_scores) {
    size_t length = object_length(set), wanted = count;
    struct sorted_set_cursor cursor;
    struct scored_member member;
    sorted_set_seek(set, 0, &cursor);
    for (size_t left = length; wanted > 0 && sorted_set_next(&cursor, &member); left--) {
        if (random_below(&call->thread->random, left) >= wanted)
            continue;
        reply_scored_member(call->reply, &member, with_scores);
        wanted--;
    }
}

/* Slots of a hash table of ranks plus one. */
static bool note_rank(size_t *slots, size_t mask, size_t rank) {
    size_t at = (rank * 0x9e3779b97f4a7c15u >> 17) & mask;
    for (; slots[at] != 0; at = (at + 1) & mask)
        if (slots[at] == rank + 1)
            return false;
    slots[at] = rank + 1;
    return true;
}

/* A few of many: Floyd's choice, a rank that was drawn before stands for the newest one. */
static enum larder_status reply_drawn(struct call *call, const struct object *set, size_t count,
                                      bool with_scores) {
    const struct allocator *allocator = call->keyspace->allocator;
    size_t length = object_length(set), capacity = 16;
    while (capacity < 2 * count)
        capacity *= 2;
    size_t *slots = allocator_allocate_zeroed(allocator, capacity * sizeof(*slots));
    if (slots == NULL)
        return LARDER_NO_MEMORY;
    for (size_t newest = length - count; newest < length; newest++) {
        size_t rank = random_below(&call->thread->random, newest + 1);
        if (!note_rank(slots, capacity - 1, rank)) {
            rank = newest;
            (void)note_rank(slots, capacity - 1, rank);
        }
        reply_at_rank(call, set, rank, with_scores);
    }
    allocator_release(allocator, slots, capacity * sizeof(*slots));
    return LARDER_OK;
}

static enum larder_status reply_distinct(struct call *call, const struct object *set, size_t count,
                                         bool with_scores) {
    size_t length = object_length(set);
    if (count > length)
        count = length;
    reply_scored_array(call->reply, count, with_scores);
    if (count == length) {
        reply_all(call, set, with_scores);
        return LARDER_OK;
    }
    if (count > length / 4) {
        reply_walked(call, set, count, with_scores);
        return LARDER_OK;
    }
    return reply_drawn(call, set, count, with_scores);
}

static void reply_repeated(struct call *call, const struct object *set, uint64_t count,
                           bool with_scores) {
    reply_scored_array(call->reply, count, with_scores);
    for (uint64_t i = 0; i < count && !call->reply->failed; i++)
        reply_at_rank(call, set, random_below(&call->thread->random, object_length(set)),
                      with_scores);
}

/* False: the known error was replied. */
static bool parse_random(struct call *call, int64_t *out_count, bool *out_with_scores) {
    if (!call_integer(call, call->argv[2], out_count))
        return false;
    if (*out_count == INT64_MIN) {
        reply_error(call->reply, "ERR value is out of range, value must between "
                                 "-9223372036854775807 and 9223372036854775807");
        return false;
    }
    *out_with_scores = call->argc > 3;
    if (call->argc > 4 || (call->argc == 4 && !slice_equal_word(call->argv[3], "WITHSCORES"))) {
        (void)call_syntax_error(call);
        return false;
    }
    if (*out_with_scores && (*out_count < -INT64_MAX / 2 || *out_count > INT64_MAX / 2)) {
        reply_error(call->reply, "ERR value is out of range");
        return false;
    }
    return true;
}

enum larder_status command_zrandmember(struct call *call) {
    int64_t count = 1;
    bool with_scores = false, has_count = call->argc > 2;
    if (has_count && !parse_random(call, &count, &with_scores))
        return LARDER_OK;
    const struct object *set;
    struct key key = call_key_at(call, 1);
    if (!call_read_object(call, &key, OBJECT_SORTED_SET, &set))
        return LARDER_OK;
    if (set == NULL && !has_count)
        reply_null(call->reply);
    else if (set == NULL || count == 0)
        reply_array(call->reply, 0);
    else if (!has_count)
        reply_at_rank(call, set, random_below(&call->thread->random, object_length(set)), false);
    else if (count > 0)
        return reply_distinct(call, set, (size_t)count, with_scores);
    else
        reply_repeated(call, set, (uint64_t)-count, with_scores);
    return LARDER_OK;
}
