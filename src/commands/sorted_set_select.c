/* SPDX-License-Identifier: BSD-3-Clause */
/* ZRANGE, its older forms and ZRANGESTORE: one function, of which each form fixes how the range is
 * meant and in which direction it goes. Whatever it is given by becomes ranks, and these are
 * walked. */
#include "commands/functions.h"
#include "commands/sorted_set_range.h"

enum range_unit { UNIT_ANY, UNIT_RANK, UNIT_SCORE, UNIT_MEMBER };
enum range_direction { DIRECTION_ANY, DIRECTION_FORWARD, DIRECTION_REVERSE };

struct selection {
    enum range_unit unit;
    enum range_direction direction;
    bool is_store, with_scores;
    int64_t offset, limit; /* LIMIT; a negative limit is none, a negative offset selects nothing */
    int64_t start, stop;   /* UNIT_RANK */
    struct sorted_set_range range; /* else */
};

/* What it selects: `count` members from rank `first` on, or backwards from before it. */
struct selected {
    size_t first, count;
    bool is_reverse;
};

static bool parse_option(struct call *call, size_t *at, struct selection *s, bool *out_is_known) {
    struct slice word = call->argv[*at];
    size_t left = call->argc - *at - 1;
    *out_is_known = true;
    if (!s->is_store && slice_equal_word(word, "WITHSCORES")) {
        s->with_scores = true;
    } else if (left >= 2 && slice_equal_word(word, "LIMIT")) {
        *at += 2;
        return call_integer(call, call->argv[*at - 1], &s->offset) &&
               call_integer(call, call->argv[*at], &s->limit);
    } else if (s->direction == DIRECTION_ANY && slice_equal_word(word, "REV")) {
        s->direction = DIRECTION_REVERSE;
    } else if (s->unit == UNIT_ANY && slice_equal_word(word, "BYLEX")) {
        s->unit = UNIT_MEMBER;
    } else if (s->unit == UNIT_ANY && slice_equal_word(word, "BYSCORE")) {
        s->unit = UNIT_SCORE;
    } else {
        *out_is_known = false;
    }
    return true;
}

/* False: the known error was replied. */
static bool parse_options(struct call *call, size_t at, struct selection *s) {
    for (; at < call->argc; at++) {
        bool is_known;
        if (!parse_option(call, &at, s, &is_known))
            return false;
        if (!is_known) {
            (void)call_syntax_error(call);
            return false;
        }
    }
    if (s->unit == UNIT_ANY)
        s->unit = UNIT_RANK;
    if (s->limit != -1 && s->unit == UNIT_RANK) {
        reply_error(call->reply, "ERR syntax error, LIMIT is only supported in combination with "
                                 "either BYSCORE or BYLEX");
        return false;
    }
    if (s->with_scores && s->unit == UNIT_MEMBER) {
        reply_error(call->reply,
                    "ERR syntax error, WITHSCORES not supported in combination with BYLEX");
        return false;
    }
    return true;
}

/* The two words that give the range. Backwards by score or member the greater end comes first. */
static bool parse_range(struct call *call, size_t at, struct selection *s) {
    struct slice first = call->argv[at], second = call->argv[at + 1];
    if (s->unit == UNIT_RANK)
        return call_integer(call, first, &s->start) && call_integer(call, second, &s->stop);
    bool is_reverse = s->direction == DIRECTION_REVERSE;
    struct slice min = is_reverse ? second : first, max = is_reverse ? first : second;
    return s->unit == UNIT_SCORE ? sorted_set_score_range(call, min, max, &s->range)
                                 : sorted_set_member_range(call, min, max, &s->range);
}

static struct selected select_members(const struct object *set, const struct selection *s) {
    struct selected out = {.is_reverse = s->direction == DIRECTION_REVERSE};
    size_t length = object_length(set);
    struct rank_range ranks = s->unit == UNIT_RANK
                                  ? sorted_set_index_ranks(length, s->start, s->stop)
                                  : sorted_set_ranks(set, &s->range);
    out.count = rank_range_length(ranks);
    if (out.is_reverse && s->unit == UNIT_RANK)
        ranks = (struct rank_range){length - ranks.last, length - ranks.first};
    size_t skipped =
        s->offset < 0 || (uint64_t)s->offset > out.count ? out.count : (size_t)s->offset;
    if (s->unit == UNIT_RANK)
        skipped = 0;
    out.count -= skipped;
    if (s->limit >= 0 && (uint64_t)s->limit < out.count)
        out.count = (size_t)s->limit;
    out.first = out.is_reverse ? ranks.last - skipped : ranks.first + skipped;
    return out;
}

static void reply_members(struct call *call, const struct object *set, const struct selection *s) {
    struct selected selected = {.count = 0};
    if (set != NULL)
        selected = select_members(set, s);
    reply_scored_array(call->reply, selected.count, s->with_scores);
    if (selected.count == 0)
        return;
    struct sorted_set_cursor cursor;
    struct scored_member member;
    sorted_set_seek(set, selected.first, &cursor);
    for (size_t i = 0; i < selected.count; i++) {
        (void)(selected.is_reverse ? sorted_set_previous(&cursor, &member)
                                   : sorted_set_next(&cursor, &member));
        reply_scored_member(call->reply, &member, s->with_scores);
    }
}

/* Returns owned: the selected members as a set of their own. NULL without memory. */
static struct object *copy_members(const struct call *call, const struct object *set,
                                   const struct selection *s) {
    const struct object_context *context = call_objects(call);
    struct object *result = sorted_set_create(context, 0, 0);
    if (result == NULL || set == NULL)
        return result;
    struct selected selected = select_members(set, s);
    struct sorted_set_cursor cursor;
    sorted_set_seek(set, selected.is_reverse ? selected.first - selected.count : selected.first,
                    &cursor);
    for (size_t i = 0; i < selected.count; i++) {
        struct scored_member member;
        struct sorted_set_outcome outcome;
        (void)sorted_set_next(&cursor, &member);
        if (sorted_set_add(&result, context, &member, 1, 0, &outcome) != LARDER_OK) {
            object_destroy(result, context->allocator);
            return NULL;
        }
    }
    return result;
}

static enum larder_status run(struct call *call, struct selection *s) REQUIRES(PARTITION_LOCK);

static enum larder_status run(struct call *call, struct selection *s) {
    size_t source = s->is_store ? 2 : 1;
    s->limit = -1;
    if (!parse_options(call, source + 3, s) || !parse_range(call, source + 1, s))
        return LARDER_OK;
    struct key key = call_key_at(call, source);
    const struct object *set;
    if (!call_read_object(call, &key, OBJECT_SORTED_SET, &set))
        return LARDER_OK;
    if (!s->is_store) {
        reply_members(call, set, s);
        return LARDER_OK;
    }
    struct object *result = copy_members(call, set, s);
    if (result == NULL)
        return LARDER_NO_MEMORY;
    return sorted_set_store(call, 1, result, "zrangestore");
}

enum larder_status command_zrange(struct call *call) {
    struct selection s = {.unit = UNIT_ANY, .direction = DIRECTION_ANY};
    return run(call, &s);
}

enum larder_status command_zrangestore(struct call *call) {
    struct selection s = {.unit = UNIT_ANY, .direction = DIRECTION_ANY, .is_store = true};
    return run(call, &s);
}

enum larder_status command_zrevrange(struct call *call) {
    struct selection s = {.unit = UNIT_RANK, .direction = DIRECTION_REVERSE};
    return run(call, &s);
}

enum larder_status command_zrangebyscore(struct call *call) {
    struct selection s = {.unit = UNIT_SCORE, .direction = DIRECTION_FORWARD};
    return run(call, &s);
}

enum larder_status command_zrevrangebyscore(struct call *call) {
    struct selection s = {.unit = UNIT_SCORE, .direction = DIRECTION_REVERSE};
    return run(call, &s);
}

enum larder_status command_zrangebylex(struct call *call) {
    struct selection s = {.unit = UNIT_MEMBER, .direction = DIRECTION_FORWARD};
    return run(call, &s);
}

enum larder_status command_zrevrangebylex(struct call *call) {
    struct selection s = {.unit = UNIT_MEMBER, .direction = DIRECTION_REVERSE};
    return run(call, &s);
}
