/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading single figures of a sorted set: scores, ranks, counts. */
#include "commands/functions.h"
#include "commands/sorted_set_range.h"

/* The sorted set at argv[1]; *out NULL when there is none. False: an error was replied. */
static bool read_set(struct call *call, const struct object **out) REQUIRES(PARTITION_LOCK);

static bool read_set(struct call *call, const struct object **out) {
    struct key key = call_key_at(call, 1);
    return call_read_object(call, &key, OBJECT_SORTED_SET, out);
}

enum larder_status command_zcard(struct call *call) {
    const struct object *set;
    if (read_set(call, &set))
        reply_integer(call->reply, set == NULL ? 0 : (int64_t)object_length(set));
    return LARDER_OK;
}

static void reply_score(struct call *call, const struct object *set, struct slice member) {
    double score;
    if (set != NULL && sorted_set_score(set, call_objects(call), member, &score))
        reply_double(call->reply, score);
    else
        reply_null(call->reply);
}

enum larder_status command_zscore(struct call *call) {
    const struct object *set;
    if (read_set(call, &set))
        reply_score(call, set, call->argv[2]);
    return LARDER_OK;
}

enum larder_status command_zmscore(struct call *call) {
    const struct object *set;
    if (!read_set(call, &set))
        return LARDER_OK;
    reply_array(call->reply, call->argc - 2);
    for (size_t i = 2; i < call->argc; i++)
        reply_score(call, set, call->argv[i]);
    return LARDER_OK;
}

static enum larder_status reply_rank(struct call *call, bool is_reverse) REQUIRES(PARTITION_LOCK);

static enum larder_status reply_rank(struct call *call, bool is_reverse) {
    if (call->argc > 4)
        return call_wrong_arity(call);
    bool with_score = call->argc == 4;
    if (with_score && !slice_equal_word(call->argv[3], "WITHSCORE"))
        return call_syntax_error(call);
    const struct object *set;
    if (!read_set(call, &set))
        return LARDER_OK;
    size_t rank;
    double score;
    if (set == NULL || !sorted_set_rank(set, call_objects(call), call->argv[2], &rank, &score)) {
        if (with_score)
            reply_null_array(call->reply);
        else
            reply_null(call->reply);
        return LARDER_OK;
    }
    if (is_reverse)
        rank = object_length(set) - 1 - rank;
    if (with_score)
        reply_array(call->reply, 2);
    reply_integer(call->reply, (int64_t)rank);
    if (with_score)
        reply_double(call->reply, score);
    return LARDER_OK;
}

enum larder_status command_zrank(struct call *call) {
    return reply_rank(call, false);
}

enum larder_status command_zrevrank(struct call *call) {
    return reply_rank(call, true);
}

static enum larder_status reply_count(struct call *call, const struct sorted_set_range *range)
    REQUIRES(PARTITION_LOCK);

static enum larder_status reply_count(struct call *call, const struct sorted_set_range *range) {
    const struct object *set;
    if (!read_set(call, &set))
        return LARDER_OK;
    size_t count = set == NULL ? 0 : rank_range_length(sorted_set_ranks(set, range));
    reply_integer(call->reply, (int64_t)count);
    return LARDER_OK;
}

enum larder_status command_zcount(struct call *call) {
    struct sorted_set_range range;
    if (!sorted_set_score_range(call, call->argv[2], call->argv[3], &range))
        return LARDER_OK;
    return reply_count(call, &range);
}

enum larder_status command_zlexcount(struct call *call) {
    struct sorted_set_range range;
    if (!sorted_set_member_range(call, call->argv[2], call->argv[3], &range))
        return LARDER_OK;
    return reply_count(call, &range);
}
