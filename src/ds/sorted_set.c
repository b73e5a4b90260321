/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading either representation, and what is not adding (sorted_set_add.c). */
#include "ds/sorted_set.h"

#include "ds/sorted_set_flat.h"
#include "ds/sorted_set_full.h"

static struct flat_sorted_set *flat_of(struct object *set) {
    return (struct flat_sorted_set *)set;
}

static const struct flat_sorted_set *flat_of_const(const struct object *set) {
    return (const struct flat_sorted_set *)set;
}

static struct full_sorted_set *full_of(struct object *set) {
    return (struct full_sorted_set *)set;
}

static const struct full_sorted_set *full_of_const(const struct object *set) {
    return (const struct full_sorted_set *)set;
}

struct object *sorted_set_create(const struct object_context *context, size_t count,
                                 size_t longest) {
    if ((int64_t)count > object_limit(&context->limits->sorted_set_entries) ||
        (int64_t)longest > object_limit(&context->limits->sorted_set_value_bytes))
        return full_sorted_set_create(context->allocator, context->seed);
    return flat_sorted_set_create(context->allocator, 0);
}

bool sorted_set_remove(struct object **set, const struct object_context *context,
                       struct slice member) {
    if (sorted_set_is_flat(*set)) {
        double score;
        const uint8_t *at = flat_sorted_set_find(flat_of(*set), member, &score);
        if (at != NULL)
            flat_sorted_set_cut(set, context->allocator, at, 1);
        return at != NULL;
    }
    struct full_sorted_set *full = full_of(*set);
    struct scored_element *element = full_sorted_set_find(full, member);
    if (element != NULL)
        full_sorted_set_remove(full, context->allocator, element);
    return element != NULL;
}

void sorted_set_remove_range(struct object **set, const struct object_context *context, size_t rank,
                             size_t count) {
    size_t length = object_length(*set);
    if (rank >= length)
        return;
    if (count > length - rank)
        count = length - rank;
    if (!sorted_set_is_flat(*set))
        full_sorted_set_remove_range(full_of(*set), context->allocator, rank, count);
    else if (count > 0)
        flat_sorted_set_cut(set, context->allocator, flat_sorted_set_seek(flat_of(*set), rank),
                            count);
}

/* ---- reading ---- */

bool sorted_set_score(const struct object *set, const struct object_context *context,
                      struct slice member, double *out) {
    (void)context;
    if (sorted_set_is_flat(set))
        return flat_sorted_set_find(flat_of_const(set), member, out) != NULL;
    const struct scored_element *element = full_sorted_set_find(full_of_const(set), member);
    if (element != NULL)
        *out = element->score;
    return element != NULL;
}

bool sorted_set_rank(const struct object *set, const struct object_context *context,
                     struct slice member, size_t *out_rank, double *out_score) {
    if (!sorted_set_score(set, context, member, out_score))
        return false;
    struct score_bound bound = {SCORE_BOUND_BOTH, false, *out_score, member};
    *out_rank = sorted_set_count_before(set, &bound);
    return true;
}

size_t sorted_set_count_before(const struct object *set, const struct score_bound *bound) {
    if (sorted_set_is_flat(set))
        return flat_sorted_set_count_before(flat_of_const(set), bound);
    return score_tree_count_before(&full_of_const(set)->tree, bound);
}

void sorted_set_seek(const struct object *set, size_t rank, struct sorted_set_cursor *out) {
    out->is_flat = sorted_set_is_flat(set);
    if (!out->is_flat) {
        out->position = score_tree_seek(&full_of_const(set)->tree, rank);
        return;
    }
    const struct flat_sorted_set *flat = flat_of_const(set);
    out->begin = flat->bytes;
    out->end = flat->bytes + flat->used;
    out->at = flat_sorted_set_seek(flat, rank);
}

enum { PREFETCH_AHEAD = 4 }; /* elements */

static void show(const struct score_leaf *leaf, uint32_t index, struct scored_member *out) {
    out->score = leaf->scores[index];
    out->member = scored_element_member(leaf->elements[index]);
}

bool sorted_set_next(struct sorted_set_cursor *cursor, struct scored_member *out) {
    if (cursor->is_flat) {
        if (cursor->at == cursor->end)
            return false;
        cursor->at = flat_sorted_set_get(cursor->at, cursor->scratch, out);
        return true;
    }
    struct score_position *position = &cursor->position;
    if (position->leaf == NULL)
        return false;
    if (position->index == position->leaf->count) {
        if (position->leaf->next == NULL)
            return false;
        *position = (struct score_position){position->leaf->next, 0};
    }
    if (position->index + PREFETCH_AHEAD < position->leaf->count)
        __builtin_prefetch(position->leaf->elements[position->index + PREFETCH_AHEAD]);
    show(position->leaf, position->index++, out);
    return true;
}

bool sorted_set_previous(struct sorted_set_cursor *cursor, struct scored_member *out) {
    if (cursor->is_flat) {
        if (cursor->at == cursor->begin)
            return false;
        cursor->at = flat_sorted_set_before(cursor->at);
        (void)flat_sorted_set_get(cursor->at, cursor->scratch, out);
        return true;
    }
    struct score_position *position = &cursor->position;
    if (position->leaf == NULL)
        return false;
    if (position->index == 0) {
        if (position->leaf->previous == NULL)
            return false;
        const struct score_leaf *leaf = position->leaf->previous;
        *position = (struct score_position){leaf, leaf->count};
    }
    position->index--;
    if (position->index >= PREFETCH_AHEAD)
        __builtin_prefetch(position->leaf->elements[position->index - PREFETCH_AHEAD]);
    show(position->leaf, position->index, out);
    return true;
}

/* ---- scanning ---- */

struct scan {
    void (*show)(void *context, const struct scored_member *member);
    void *context;
    size_t shown;
};

static void show_element(void *context, void *at) {
    const struct scored_element *element = at;
    struct scan *scan = context;
    struct scored_member member = {scored_element_member(element), element->score};
    scan->show(scan->context, &member);
    scan->shown++;
}

uint64_t sorted_set_scan(const struct object *set, const struct object_context *objects,
                         uint64_t cursor, size_t count,
                         void (*show_member)(void *context, const struct scored_member *member),
                         void *context) {
    if (sorted_set_is_flat(set)) {
        struct sorted_set_cursor all;
        struct scored_member member;
        sorted_set_seek(set, 0, &all);
        while (sorted_set_next(&all, &member))
            show_member(context, &member);
        return 0;
    }
    struct scan scan = {show_member, context, 0};
    do {
        cursor = table_scan(&full_of_const(set)->table, objects, cursor, show_element, &scan);
    } while (cursor != 0 && scan.shown < count);
    return cursor;
}
