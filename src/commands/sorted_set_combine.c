/* SPDX-License-Identifier: BSD-3-Clause */
/* ZUNION, ZINTER, ZDIFF, their storing forms and ZINTERCARD. Inputs are sorted sets, or sets whose
 * members count as score 1. The inputs are taken from the smallest to the largest, which for an
 * intersection bounds the work and for sums of floats decides the outcome. */
#include "commands/functions.h"
#include "commands/sorted_set_range.h"
#include "ds/set.h"

#include <math.h>

enum combination { COMBINE_UNION, COMBINE_INTERSECTION, COMBINE_DIFFERENCE };
enum aggregate { AGGREGATE_SUM, AGGREGATE_MIN, AGGREGATE_MAX };

struct input {
    const struct object *object; /* NULL: there is no key */
    double weight;
};

struct combine {
    enum combination combination;
    enum aggregate aggregate;
    bool is_store;    /* the target is argv[1] */
    bool counts_only; /* ZINTERCARD */
    bool with_scores;
    size_t limit; /* of ZINTERCARD; 0: none */
    struct input *inputs;
    size_t input_count;
    const struct object_context *context;
    struct object *result; /* NULL for ZINTERCARD */
    size_t counted;
    enum larder_status status; /* of the walk over an input */
};

/* ---- inputs ---- */

static size_t input_length(const struct input *input) {
    return input->object == NULL ? 0 : object_length(input->object);
}

/* Whether the member is in the input, and its score there. */
static bool input_find(const struct combine *c, const struct input *input, struct slice member,
                       double *out) {
    if (input->object == NULL)
        return false;
    if (input->object->type->kind == OBJECT_SORTED_SET)
        return sorted_set_score(input->object, c->context, member, out);
    *out = 1;
    return set_contains(input->object, c->context, member);
}

/* Stable: equal ones keep the order in which they were named. */
static void sort_inputs(struct combine *c) {
    for (size_t i = 1; i < c->input_count; i++) {
        struct input moved = c->inputs[i];
        size_t at = i;
        for (; at > 0 && input_length(&c->inputs[at - 1]) > input_length(&moved); at--)
            c->inputs[at] = c->inputs[at - 1];
        c->inputs[at] = moved;
    }
}

/* False: the walk is over, because there is enough or c->status says why. */
typedef bool (*member_function)(struct combine *c, const struct input *input,
                                const struct scored_member *member);

static void for_each_member(struct combine *c, const struct input *input,
                            member_function function) {
    if (input->object == NULL)
        return;
    struct scored_member member = {.score = 1};
    if (input->object->type->kind != OBJECT_SORTED_SET) {
        struct set_walk walk;
        set_walk_begin(&walk, input->object);
        while (set_next(&walk, &member.member) && function(c, input, &member))
            ;
        return;
    }
    struct sorted_set_cursor cursor;
    sorted_set_seek(input->object, 0, &cursor);
    while (sorted_set_next(&cursor, &member) && function(c, input, &member))
        ;
}

/* ---- combining ---- */

static double not_nan(double value) {
    return isnan(value) ? 0 : value;
}

static double aggregated(const struct combine *c, double score, double value) {
    switch (c->aggregate) {
    case AGGREGATE_MIN: return value < score ? value : score;
    case AGGREGATE_MAX: return value > score ? value : score;
    case AGGREGATE_SUM: break;
    }
    return not_nan(score + value); /* of two infinities */
}

static bool add_result(struct combine *c, struct slice member, double score) {
    struct scored_member scored = {member, score};
    struct sorted_set_outcome outcome;
    c->status = sorted_set_add(&c->result, c->context, &scored, 1, 0, &outcome);
    return c->status == LARDER_OK;
}

static bool add_to_union(struct combine *c, const struct input *input,
                         const struct scored_member *member) {
    double score = not_nan(input->weight * member->score), present;
    if (sorted_set_score(c->result, c->context, member->member, &present))
        score = aggregated(c, present, score);
    return add_result(c, member->member, score);
}

static bool add_if_everywhere(struct combine *c, const struct input *input,
                              const struct scored_member *member) {
    double score = not_nan(input->weight * member->score);
    for (size_t i = 1; i < c->input_count; i++) {
        double other;
        if (!input_find(c, &c->inputs[i], member->member, &other))
            return true;
        score = aggregated(c, score, other * c->inputs[i].weight);
    }
    c->counted++;
    if (c->counts_only)
        return c->counted != c->limit;
    return add_result(c, member->member, score);
}

static bool add_if_nowhere_else(struct combine *c, const struct input *input,
                                const struct scored_member *member) {
    double other;
    (void)input;
    for (size_t i = 1; i < c->input_count; i++)
        if (input_find(c, &c->inputs[i], member->member, &other))
            return true;
    return add_result(c, member->member, member->score);
}

/* Errors: LARDER_NO_MEMORY; there may be a partial result then. */
static enum larder_status combine_inputs(struct combine *c) {
    if (!c->counts_only && (c->result = sorted_set_create(c->context, 0, 0)) == NULL)
        return LARDER_NO_MEMORY;
    switch (c->combination) {
    case COMBINE_UNION:
        sort_inputs(c);
        for (size_t i = 0; i < c->input_count && c->status == LARDER_OK; i++)
            for_each_member(c, &c->inputs[i], add_to_union);
        break;
    case COMBINE_INTERSECTION:
        sort_inputs(c);
        for_each_member(c, &c->inputs[0], add_if_everywhere);
        break;
    case COMBINE_DIFFERENCE: for_each_member(c, &c->inputs[0], add_if_nowhere_else); break;
    }
    return c->status;
}

/* ---- arguments ---- */

/* What the keys from argv[at] on hold. False: one holds neither a sorted set nor a set. */
static bool read_inputs(struct call *call, size_t at, struct combine *c) REQUIRES(PARTITION_LOCK);

static bool read_inputs(struct call *call, size_t at, struct combine *c) {
    for (size_t i = 0; i < c->input_count; i++) {
        struct key key = call_key_at(call, at + i);
        struct entry entry;
        c->inputs[i] = (struct input){.weight = 1};
        if (!call_read(call, &key, &entry))
            continue;
        if (entry.value.kind != VALUE_OBJECT ||
            (entry.value.object->type->kind != OBJECT_SORTED_SET &&
             entry.value.object->type->kind != OBJECT_SET)) {
            (void)call_wrong_type(call);
            return false;
        }
        c->inputs[i].object = entry.value.object;
    }
    return true;
}

static bool parse_weights(struct call *call, size_t at, struct combine *c) {
    for (size_t i = 0; i < c->input_count; i++) {
        struct reply_mark mark = reply_mark(call->reply);
        if (call_double(call, call->argv[at + i], &c->inputs[i].weight))
            continue;
        reply_cut(call->reply, mark);
        reply_error(call->reply, "ERR weight value is not a float");
        return false;
    }
    return true;
}

static bool parse_aggregate(struct slice word, struct combine *c) {
    static const char *const WORDS[] = {"SUM", "MIN", "MAX"};
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(*WORDS); i++) {
        if (slice_equal_word(word, WORDS[i])) {
            c->aggregate = (enum aggregate)i;
            return true;
        }
    }
    return false;
}

static bool parse_limit(struct call *call, struct slice text, struct combine *c) {
    int64_t limit;
    if (!slice_to_int64(text, &limit) || limit < 0) {
        reply_error(call->reply, "ERR LIMIT can't be negative");
        return false;
    }
    c->limit = (size_t)limit;
    return true;
}

/* The options from argv[at] on. False: the known error was replied. */
static bool parse_options(struct call *call, size_t at, struct combine *c) {
    bool has_weights = c->combination != COMBINE_DIFFERENCE && !c->counts_only;
    while (at < call->argc) {
        struct slice word = call->argv[at];
        size_t left = call->argc - at;
        if (has_weights && left > c->input_count && slice_equal_word(word, "WEIGHTS")) {
            if (!parse_weights(call, at + 1, c))
                return false;
            at += 1 + c->input_count;
        } else if (has_weights && left > 1 && slice_equal_word(word, "AGGREGATE") &&
                   parse_aggregate(call->argv[at + 1], c)) {
            at += 2;
        } else if (!c->is_store && !c->counts_only && slice_equal_word(word, "WITHSCORES")) {
            c->with_scores = true;
            at++;
        } else if (c->counts_only && left > 1 && slice_equal_word(word, "LIMIT")) {
            if (!parse_limit(call, call->argv[at + 1], c))
                return false;
            at += 2;
        } else {
            (void)call_syntax_error(call);
            return false;
        }
    }
    return true;
}

/* The number of keys at argv[at]. False: the known error was replied. */
static bool parse_key_count(struct call *call, size_t at, struct combine *c) {
    int64_t count;
    if (!call_integer(call, call->argv[at], &count))
        return false;
    if (count < 1) {
        reply_error_format(call->reply, "ERR at least 1 input key is needed for '%s' command",
                           call->spec->name);
        return false;
    }
    if ((uint64_t)count > call->argc - at - 1) {
        (void)call_syntax_error(call);
        return false;
    }
    c->input_count = (size_t)count;
    return true;
}

/* ---- commands ---- */

static void reply_result(struct call *call, const struct combine *c) {
    if (c->counts_only) {
        reply_integer(call->reply, (int64_t)c->counted);
        return;
    }
    struct sorted_set_cursor cursor;
    struct scored_member member;
    reply_scored_array(call->reply, object_length(c->result), c->with_scores);
    sorted_set_seek(c->result, 0, &cursor);
    while (sorted_set_next(&cursor, &member))
        reply_scored_member(call->reply, &member, c->with_scores);
}

static enum larder_status run_inputs(struct call *call, size_t at, struct combine *c)
    REQUIRES(PARTITION_LOCK);

static enum larder_status run_inputs(struct call *call, size_t at, struct combine *c) {
    static const char *const STORE_EVENTS[] = {"zunionstore", "zinterstore", "zdiffstore"};
    if (!read_inputs(call, at + 1, c) || !parse_options(call, at + 1 + c->input_count, c))
        return LARDER_OK;
    enum larder_status status = combine_inputs(c);
    if (status == LARDER_OK && c->is_store)
        return sorted_set_store(call, 1, c->result, STORE_EVENTS[c->combination]);
    if (status == LARDER_OK)
        reply_result(call, c);
    object_destroy(c->result, c->context->allocator);
    return status;
}

static enum larder_status run(struct call *call, struct combine *c) REQUIRES(PARTITION_LOCK);

static enum larder_status run(struct call *call, struct combine *c) {
    size_t at = c->is_store ? 2 : 1;
    const struct allocator *allocator = call->keyspace->allocator;
    c->context = call_objects(call);
    if (!parse_key_count(call, at, c))
        return LARDER_OK;
    size_t size = c->input_count * sizeof(*c->inputs);
    c->inputs = allocator_allocate(allocator, size);
    if (c->inputs == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status = run_inputs(call, at, c);
    allocator_release(allocator, c->inputs, size);
    return status;
}

enum larder_status command_zunion(struct call *call) {
    struct combine c = {.combination = COMBINE_UNION};
    return run(call, &c);
}

enum larder_status command_zinter(struct call *call) {
    struct combine c = {.combination = COMBINE_INTERSECTION};
    return run(call, &c);
}

enum larder_status command_zdiff(struct call *call) {
    struct combine c = {.combination = COMBINE_DIFFERENCE};
    return run(call, &c);
}

enum larder_status command_zunionstore(struct call *call) {
    struct combine c = {.combination = COMBINE_UNION, .is_store = true};
    return run(call, &c);
}

enum larder_status command_zinterstore(struct call *call) {
    struct combine c = {.combination = COMBINE_INTERSECTION, .is_store = true};
    return run(call, &c);
}

enum larder_status command_zdiffstore(struct call *call) {
    struct combine c = {.combination = COMBINE_DIFFERENCE, .is_store = true};
    return run(call, &c);
}

enum larder_status command_zintercard(struct call *call) {
    struct combine c = {.combination = COMBINE_INTERSECTION, .counts_only = true};
    return run(call, &c);
}
