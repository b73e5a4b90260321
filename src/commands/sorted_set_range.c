/* SPDX-License-Identifier: BSD-3-Clause */
/* Ends of ranges are read as C strings by the servers that clients know: up to the first zero byte,
 * blanks in front allowed, the empty text is 0. */
#include "commands/sorted_set_range.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>

enum { NUMBER_TEXT_MAX = 512 };

/* ---- ranges ---- */

static bool parse_score(struct slice text, double *out) {
    int64_t integer;
    if (slice_to_int64(text, &integer)) {
        *out = (double)integer;
        return true;
    }
    char copy[NUMBER_TEXT_MAX + 1];
    if (text.size > NUMBER_TEXT_MAX)
        return false;
    if (text.size > 0)
        memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    locale_t locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (locale == (locale_t)0)
        return false;
    char *end;
    *out = strtod_l(copy, &end, locale);
    freelocale(locale);
    return *end == '\0' && !isnan(*out);
}

static bool parse_score_end(struct slice text, bool is_max, struct sorted_set_end *out) {
    bool is_exclusive = text.size > 0 && text.data[0] == '(';
    if (is_exclusive)
        text = slice_of(text.data + 1, text.size - 1);
    *out = (struct sorted_set_end){.place = END_AT_BOUND};
    out->bound.kind = SCORE_BOUND_SCORE;
    out->bound.is_behind_equal = is_max != is_exclusive;
    return parse_score(text, &out->bound.score);
}

bool sorted_set_score_range(struct call *call, struct slice min, struct slice max,
                            struct sorted_set_range *out) {
    if (parse_score_end(min, false, &out->min) && parse_score_end(max, true, &out->max))
        return true;
    reply_error(call->reply, "ERR min or max is not a float");
    return false;
}

static bool parse_member_end(struct slice text, bool is_max, struct sorted_set_end *out) {
    *out = (struct sorted_set_end){.place = END_AT_BOUND};
    if (text.size == 0)
        return false;
    bool is_single = text.size == 1 || text.data[1] == '\0';
    switch (text.data[0]) {
    case '-': out->place = END_AT_BEGIN; return is_single;
    case '+': out->place = END_AT_END; return is_single;
    case '[':
    case '(': break;
    default: return false;
    }
    out->bound.kind = SCORE_BOUND_MEMBER;
    out->bound.is_behind_equal = is_max != (text.data[0] == '(');
    out->bound.member = slice_of(text.data + 1, text.size - 1);
    return true;
}

bool sorted_set_member_range(struct call *call, struct slice min, struct slice max,
                             struct sorted_set_range *out) {
    if (parse_member_end(min, false, &out->min) && parse_member_end(max, true, &out->max))
        return true;
    reply_error(call->reply, "ERR min or max not valid string range item");
    return false;
}

static size_t rank_of_end(const struct object *set, const struct sorted_set_end *end) {
    switch (end->place) {
    case END_AT_BEGIN: return 0;
    case END_AT_END: return object_length(set);
    case END_AT_BOUND: break;
    }
    return sorted_set_count_before(set, &end->bound);
}

struct rank_range sorted_set_ranks(const struct object *set, const struct sorted_set_range *range) {
    return (struct rank_range){rank_of_end(set, &range->min), rank_of_end(set, &range->max)};
}

struct rank_range sorted_set_index_ranks(size_t length, int64_t start, int64_t stop) {
    int64_t count = (int64_t)length;
    if (start < 0)
        start = start < -count ? 0 : start + count;
    if (stop < 0)
        stop += count;
    if (start > stop || start >= count)
        return (struct rank_range){0, 0};
    return (struct rank_range){(size_t)start, (size_t)(stop >= count ? count : stop + 1)};
}

/* ---- results ---- */

void reply_scored_array(struct reply *reply, size_t count, bool with_scores) {
    reply_array(reply, with_scores && reply->protocol != 3 ? 2 * count : count);
}

void reply_scored_member(struct reply *reply, const struct scored_member *member,
                         bool with_scores) {
    if (with_scores && reply->protocol == 3)
        reply_array(reply, 2);
    reply_bulk(reply, member->member);
    if (with_scores)
        reply_double(reply, member->score);
}

enum larder_status sorted_set_store(struct call *call, size_t index, struct object *set,
                                    const char *event) {
    struct key key = call_key_at(call, index);
    struct value value = value_of_object(set);
    struct call_image image = {.bytes = NULL};
    size_t length = object_length(set);
    if (length > 0) {
        enum larder_status status = call_image_create(call, &key, &value, &image);
        if (status != LARDER_OK) {
            object_destroy(set, call->keyspace->allocator);
            return status;
        }
    }
    struct entry old;
    bool is_there = call_write(call, &key, &old);
    enum larder_status status = call_put_object(call, &key, is_there ? &old : NULL, set, 0);
    if (status != LARDER_OK) {
        call_image_destroy(&image);
        return status;
    }
    if (length > 0) {
        call_notify(call, NOTICE_SORTED_SET, event, &key);
        call_effect_image(call, &image, &key, &value, 0);
    } else if (is_there) {
        call_effect_delete(call, &key);
    }
    reply_integer(call->reply, (int64_t)length);
    return LARDER_OK;
}
