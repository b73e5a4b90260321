/* SPDX-License-Identifier: BSD-3-Clause */
/* ZADD and ZINCRBY. The pairs are read before anything is looked up, so that a wrong score leaves
 * everything as it was. */
#include "commands/sorted_set_add.h"
#include "commands/functions.h"

enum { PAIRS_ON_STACK = 16 };

/* Scores and members from argv[at] on. False: the known error was replied. */
static bool parse_pairs(struct call *call, size_t at, size_t count, struct scored_member *out) {
    for (size_t i = 0; i < count; i++) {
        if (!call_double(call, call->argv[at + 2 * i], &out[i].score))
            return false;
        out[i].member = call->argv[at + 2 * i + 1];
    }
    return true;
}

static void reply_outcome(struct call *call, const struct sorted_set_outcome *outcome,
                          uint32_t rules, bool counts_changes) {
    if ((rules & SORTED_SET_INCREMENT) == 0)
        reply_integer(call->reply,
                      (int64_t)(outcome->added + (counts_changes ? outcome->changed : 0)));
    else if (outcome->is_nan)
        reply_error(call->reply, "ERR resulting score is not a number (NaN)");
    else if (outcome->refused > 0)
        reply_null(call->reply);
    else
        reply_double(call->reply, outcome->score);
}

enum larder_status sorted_set_add_members(struct call *call, const struct scored_member *members,
                                          size_t count, uint32_t rules, bool counts_changes) {
    struct object_edit edit;
    struct key key = call_key_at(call, 1);
    if (!call_edit_object(call, &key, OBJECT_SORTED_SET, &edit))
        return LARDER_OK;
    struct sorted_set_outcome outcome = {.refused = count};
    if (edit.object == NULL && (rules & SORTED_SET_OLD_ONLY) != 0) {
        reply_outcome(call, &outcome, rules, counts_changes);
        return LARDER_OK;
    }
    const struct object_context *context = call_objects(call);
    if (edit.object == NULL)
        edit.object = sorted_set_create(context, 1, members[0].member.size);
    if (edit.object == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status =
        sorted_set_add(&edit.object, context, members, count, rules, &outcome);
    if (status != LARDER_OK || outcome.added + outcome.changed == 0) {
        call_leave_object(call, &edit);
    } else {
        status = call_commit_object(call, &edit);
        if (status == LARDER_OK) {
            bool is_increment = (rules & SORTED_SET_INCREMENT) != 0;
            call_notify(call, NOTICE_SORTED_SET, is_increment ? "zincr" : "zadd", &key);
        }
    }
    if (status == LARDER_OK)
        reply_outcome(call, &outcome, rules, counts_changes);
    return status;
}

/* Reads the pairs from argv[at] on and adds them. The effect is the command itself: what it does
 * depends on nothing but the sorted set. */
static enum larder_status add_pairs(struct call *call, size_t at, uint32_t rules,
                                    bool counts_changes) REQUIRES(PARTITION_LOCK);

static enum larder_status add_pairs(struct call *call, size_t at, uint32_t rules,
                                    bool counts_changes) {
    struct scored_member fixed[PAIRS_ON_STACK], *pairs = fixed;
    size_t count = (call->argc - at) / 2;
    if (count > PAIRS_ON_STACK)
        pairs = allocator_allocate(call->keyspace->allocator, count * sizeof(*pairs));
    if (pairs == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status = LARDER_OK;
    if (parse_pairs(call, at, count, pairs)) {
        status = sorted_set_add_members(call, pairs, count, rules, counts_changes);
        if (call->changed)
            call_effect_verbatim(call);
    }
    if (pairs != fixed)
        allocator_release(call->keyspace->allocator, pairs, count * sizeof(*pairs));
    return status;
}

size_t sorted_set_parse_rules(const struct call *call, uint32_t known, uint32_t *out_rules,
                              bool *out_counts_changes) {
    static const struct {
        const char *word;
        uint32_t rule; /* 0: CH */
    } WORDS[] = {{"NX", SORTED_SET_NEW_ONLY},
                 {"XX", SORTED_SET_OLD_ONLY},
                 {"GT", SORTED_SET_GREATER},
                 {"LT", SORTED_SET_LESS},
                 {"CH", 0},
                 {"INCR", SORTED_SET_INCREMENT}};
    enum { WORD_COUNT = sizeof(WORDS) / sizeof(*WORDS) };
    *out_rules = 0;
    *out_counts_changes = false;
    size_t at = 2;
    for (; at < call->argc; at++) {
        size_t i = 0;
        while (i < WORD_COUNT &&
               ((WORDS[i].rule & ~known) != 0 || !slice_equal_word(call->argv[at], WORDS[i].word)))
            i++;
        if (i == WORD_COUNT)
            break;
        *out_rules |= WORDS[i].rule;
        *out_counts_changes |= WORDS[i].rule == 0;
    }
    return at;
}

bool sorted_set_check_rules(struct call *call, uint32_t rules) {
    const uint32_t either = SORTED_SET_NEW_ONLY | SORTED_SET_OLD_ONLY;
    uint32_t one_of = rules & (SORTED_SET_GREATER | SORTED_SET_LESS | SORTED_SET_NEW_ONLY);
    if ((rules & either) == either) {
        reply_error(call->reply, "ERR XX and NX options at the same time are not compatible");
        return false;
    }
    if ((one_of & (one_of - 1)) != 0) {
        reply_error(call->reply,
                    "ERR GT, LT, and/or NX options at the same time are not compatible");
        return false;
    }
    return true;
}

enum larder_status command_zadd(struct call *call) {
    uint32_t rules;
    bool counts_changes;
    size_t at = sorted_set_parse_rules(call, ~0u, &rules, &counts_changes);
    size_t left = call->argc - at;
    if (left == 0 || left % 2 != 0)
        return call_syntax_error(call);
    if (!sorted_set_check_rules(call, rules))
        return LARDER_OK;
    if ((rules & SORTED_SET_INCREMENT) != 0 && left > 2) {
        reply_error(call->reply, "ERR INCR option supports a single increment-element pair");
        return LARDER_OK;
    }
    return add_pairs(call, at, rules, counts_changes);
}

enum larder_status command_zincrby(struct call *call) {
    uint32_t rules;
    bool counts_changes;
    /* An option in place of the increment is read as one, and then something is missing. */
    if (sorted_set_parse_rules(call, ~0u, &rules, &counts_changes) != 2)
        return call_syntax_error(call);
    return add_pairs(call, 2, SORTED_SET_INCREMENT, false);
}
