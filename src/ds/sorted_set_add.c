/* SPDX-License-Identifier: BSD-3-Clause */
/* Adding members, one or many, as a whole.
 *
 * One is atomic by itself. Many are added to a copy of a flat set, which then takes its place. To a
 * full set they are added one by one with notes of what was done: scores that change are entered at
 * their new places first, and leave their old ones only when all members are in. So going back is
 * only removing, which takes no memory. */
#include "ds/sorted_set_flat.h"
#include "ds/sorted_set_full.h"

#include <math.h>

static struct flat_sorted_set *flat_of(struct object *set) {
    return (struct flat_sorted_set *)set;
}

static struct full_sorted_set *full_of(struct object *set) {
    return (struct full_sorted_set *)set;
}

/* ---- what the rules say ---- */

enum verdict { VERDICT_PUT, VERDICT_SAME, VERDICT_REFUSED, VERDICT_NAN };

/* `score` becomes what the member's is to be. */
static enum verdict judge(uint32_t rules, bool is_there, double present, double *score) {
    if (!is_there)
        return (rules & SORTED_SET_OLD_ONLY) != 0 ? VERDICT_REFUSED : VERDICT_PUT;
    if ((rules & SORTED_SET_NEW_ONLY) != 0)
        return VERDICT_REFUSED;
    if ((rules & SORTED_SET_INCREMENT) != 0) {
        *score += present;
        if (isnan(*score))
            return VERDICT_NAN;
    }
    if (((rules & SORTED_SET_LESS) != 0 && *score >= present) ||
        ((rules & SORTED_SET_GREATER) != 0 && *score <= present))
        return VERDICT_REFUSED;
    return *score == present ? VERDICT_SAME : VERDICT_PUT;
}

static void count(struct sorted_set_outcome *outcome, enum verdict verdict, bool is_there,
                  double score) {
    outcome->is_nan = verdict == VERDICT_NAN;
    outcome->refused += verdict == VERDICT_REFUSED;
    if (verdict == VERDICT_PUT || verdict == VERDICT_SAME)
        outcome->score = score;
    if (verdict == VERDICT_PUT) {
        outcome->added += !is_there;
        outcome->changed += is_there;
    }
}

/* ---- one ---- */

/* Returns owned: a full one of the same members. NULL without memory. */
static struct object *copy_as_full(const struct object *set, const struct object_context *context) {
    struct object *full = full_sorted_set_create(context->allocator, context->seed);
    struct sorted_set_cursor cursor;
    struct scored_member member;
    sorted_set_seek(set, 0, &cursor);
    while (full != NULL && sorted_set_next(&cursor, &member)) {
        struct scored_element *element;
        if (full_sorted_set_insert(full_of(full), context->allocator, &member, &element) ==
            LARDER_OK)
            continue;
        object_destroy(full, context->allocator);
        full = NULL;
    }
    return full;
}

static enum larder_status add_to_full(struct full_sorted_set *full,
                                      const struct object_context *context,
                                      const struct scored_member *member, uint32_t rules,
                                      struct sorted_set_outcome *out) {
    struct scored_element *element = full_sorted_set_find(full, member->member);
    double score = member->score;
    enum verdict verdict =
        judge(rules, element != NULL, element != NULL ? element->score : 0, &score);
    bool is_there = element != NULL;
    if (verdict == VERDICT_PUT) {
        struct scored_member put = {member->member, score};
        enum larder_status status =
            is_there ? full_sorted_set_change(full, context->allocator, element, score)
                     : full_sorted_set_insert(full, context->allocator, &put, &element);
        if (status != LARDER_OK)
            return status;
    }
    count(out, verdict, is_there, score);
    return LARDER_OK;
}

/* A flat one becomes full with this member. */
static enum larder_status add_to_copy(struct object **set, const struct object_context *context,
                                      const struct scored_member *member, uint32_t rules,
                                      struct sorted_set_outcome *out) {
    struct object *full = copy_as_full(*set, context);
    if (full == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status = add_to_full(full_of(full), context, member, rules, out);
    object_destroy(status == LARDER_OK ? *set : full, context->allocator);
    if (status == LARDER_OK)
        *set = full;
    return status;
}

static bool fits_flat(const struct object *set, const struct object_context *context,
                      struct slice member) {
    return (int64_t)object_length(set) < object_limit(&context->limits->sorted_set_entries) &&
           (int64_t)member.size <= object_limit(&context->limits->sorted_set_value_bytes);
}

static enum larder_status add_to_flat(struct object **set, const struct object_context *context,
                                      const struct scored_member *member, uint32_t rules,
                                      struct sorted_set_outcome *out) {
    double present = 0, score = member->score;
    const uint8_t *at = flat_sorted_set_find(flat_of(*set), member->member, &present);
    enum verdict verdict = judge(rules, at != NULL, present, &score);
    enum larder_status status = LARDER_OK;
    struct scored_member put = {member->member, score};
    if (verdict == VERDICT_PUT && at != NULL)
        status = flat_sorted_set_change(set, context->allocator, at, score);
    else if (verdict == VERDICT_PUT)
        status = fits_flat(*set, context, member->member)
                     ? flat_sorted_set_insert(set, context->allocator, &put)
                     : LARDER_NO_SPACE;
    if (status == LARDER_NO_SPACE)
        return add_to_copy(set, context, member, rules, out);
    if (status == LARDER_OK)
        count(out, verdict, at != NULL, score);
    return status;
}

static enum larder_status add_one(struct object **set, const struct object_context *context,
                                  const struct scored_member *member, uint32_t rules,
                                  struct sorted_set_outcome *out) {
    return sorted_set_is_flat(*set) ? add_to_flat(set, context, member, rules, out)
                                    : add_to_full(full_of(*set), context, member, rules, out);
}

/* ---- many ---- */

struct note {
    struct scored_element *element;
    double old_score;
    bool is_new;
};

static enum larder_status add_noted(struct full_sorted_set *full,
                                    const struct object_context *context,
                                    const struct scored_member *member, uint32_t rules,
                                    struct sorted_set_outcome *out, struct note *notes,
                                    size_t *note_count) {
    struct scored_element *element = full_sorted_set_find(full, member->member);
    bool is_there = element != NULL;
    double score = member->score, present = is_there ? element->score : 0;
    enum verdict verdict = judge(rules, is_there, present, &score);
    if (verdict == VERDICT_PUT) {
        enum larder_status status =
            is_there ? score_tree_insert(&full->tree, context->allocator, score, element)
                     : full_sorted_set_insert(full, context->allocator, member, &element);
        if (status != LARDER_OK)
            return status;
        element->score = score;
        notes[(*note_count)++] = (struct note){element, present, !is_there};
    }
    count(out, verdict, is_there, score);
    return LARDER_OK;
}

static void undo(struct full_sorted_set *full, const struct allocator *allocator,
                 const struct note *notes, size_t note_count) {
    while (note_count > 0) {
        const struct note *note = &notes[--note_count];
        if (note->is_new) {
            full_sorted_set_remove(full, allocator, note->element);
        } else {
            score_tree_remove(&full->tree, allocator, note->element->score, note->element);
            note->element->score = note->old_score;
        }
    }
}

static enum larder_status add_many_to_full(struct full_sorted_set *full,
                                           const struct object_context *context,
                                           const struct scored_member *members, size_t count,
                                           uint32_t rules, struct sorted_set_outcome *out) {
    size_t note_bytes = count * sizeof(struct note), note_count = 0;
    struct note *notes = allocator_allocate(context->allocator, note_bytes);
    if (notes == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status = LARDER_OK;
    for (size_t i = 0; i < count && status == LARDER_OK; i++)
        status = add_noted(full, context, &members[i], rules, out, notes, &note_count);
    if (status != LARDER_OK)
        undo(full, context->allocator, notes, note_count);
    for (size_t i = 0; status == LARDER_OK && i < note_count; i++)
        if (!notes[i].is_new)
            score_tree_remove(&full->tree, context->allocator, notes[i].old_score,
                              notes[i].element);
    allocator_release(context->allocator, notes, note_bytes);
    return status;
}

static enum larder_status add_many_to_flat(struct object **set,
                                           const struct object_context *context,
                                           const struct scored_member *members, size_t count,
                                           uint32_t rules, struct sorted_set_outcome *out) {
    struct object *copy = (*set)->type->copy(*set, context->allocator);
    if (copy == NULL)
        return LARDER_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (add_one(&copy, context, &members[i], rules, out) != LARDER_OK) {
            object_destroy(copy, context->allocator);
            return LARDER_NO_MEMORY;
        }
    }
    object_destroy(*set, context->allocator);
    *set = copy;
    return LARDER_OK;
}

enum larder_status sorted_set_add(struct object **set, const struct object_context *context,
                                  const struct scored_member *members, size_t count, uint32_t rules,
                                  struct sorted_set_outcome *out) {
    *out = (struct sorted_set_outcome){.added = 0};
    if (count == 1)
        return add_one(set, context, members, rules, out);
    if (sorted_set_is_flat(*set))
        return add_many_to_flat(set, context, members, count, rules, out);
    return add_many_to_full(full_of(*set), context, members, count, rules, out);
}
