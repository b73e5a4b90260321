/* SPDX-License-Identifier: BSD-3-Clause */
/* Per lock the newest token that something in this partition was written with. Marks are in the
 * order in which they were last raised, so those to be folded into the floor are the first. */
#include "cluster/locks_core.h"
#include "cluster/mutants.h"

static const uint64_t MARK_KEPT_US = (uint64_t)24 * 3600 * 1000 * 1000;

void mark_destroy(void *element, const struct allocator *allocator) {
    struct mark *mark = element;
    allocator_release(allocator, mark, sizeof(*mark) + mark->name_size);
}

struct mark *locks_find_mark(const struct locks *l, struct slice name) {
    return table_find(&l->marks, table_hash(&l->objects, name), name);
}

uint64_t locks_fence_of(const struct locks *l, struct slice name) {
    const struct mark *mark = locks_find_mark(l, name);
    return mark == NULL ? l->floor : mark->token;
}

static void remove_mark(struct locks *l, struct mark *mark) {
    struct slice name = slice_of(mark->name, mark->name_size);
    uint64_t hash = table_hash(&l->objects, name);
    table_remove(&l->marks, &l->objects, hash, table_find_word(&l->marks, hash, name));
    link_remove(&mark->order);
    mark_destroy(mark, l->allocator);
}

static void fold_oldest(struct locks *l) {
    struct mark *oldest = LINK_OWNER(l->mark_order.next, struct mark, order);
    if (oldest->token > l->floor && !CLUSTER_MUTATED(MUTANT_FENCE_FLOOR_IGNORED))
        l->floor = oldest->token;
    remove_mark(l, oldest);
}

void locks_clear_marks(struct locks *l) {
    while (!link_is_alone(&l->mark_order))
        remove_mark(l, LINK_OWNER(l->mark_order.next, struct mark, order));
}

struct mark *locks_insert_mark(struct locks *l, struct slice name) {
    if (table_reserve(&l->marks, &l->objects, 1) != LARDER_OK)
        return NULL;
    struct mark *mark = allocator_allocate_zeroed(l->allocator, sizeof(*mark) + name.size);
    if (mark != NULL) {
        mark->name_size = (uint32_t)name.size;
        memcpy(mark->name, name.data, name.size);
        link_init(&mark->order);
        table_insert(&l->marks, &l->objects, table_hash(&l->objects, name), mark);
    }
    table_end_reserve(&l->marks, &l->objects);
    return mark;
}

/* Cluster time never runs back, but a record may carry an older one than the last. */
static uint64_t newest_us(const struct locks *l, uint64_t cluster_us) {
    if (link_is_alone(&l->mark_order))
        return cluster_us;
    const struct mark *newest = LINK_OWNER(l->mark_order.previous, struct mark, order);
    return newest->raised_us > cluster_us ? newest->raised_us : cluster_us;
}

static bool must_fold(const struct locks *l, uint64_t cluster_us) {
    if (link_is_alone(&l->mark_order))
        return false;
    const struct mark *oldest = LINK_OWNER(l->mark_order.next, struct mark, order);
    return l->marks.count > l->options.marks_max ||
           oldest->raised_us + MARK_KEPT_US <= newest_us(l, cluster_us);
}

enum larder_status locks_raise_mark(struct locks *l, struct slice name, uint64_t token,
                                    uint64_t cluster_us) {
    struct mark *mark = locks_find_mark(l, name);
    if (mark == NULL)
        mark = locks_insert_mark(l, name);
    if (mark == NULL)
        return LARDER_NO_MEMORY;
    if (token > mark->token) {
        mark->token = token;
        mark->raised_us = newest_us(l, cluster_us);
        link_append(&l->mark_order, &mark->order);
    }
    while (must_fold(l, cluster_us))
        fold_oldest(l);
    return LARDER_OK;
}

/* A lock of this partition: there is no newer token of it, whatever the floor is. */
static bool is_held_here(const struct locks *l, struct slice name, uint64_t token) {
    const struct lock *lock = locks_find_lock(l, name);
    return lock != NULL && lock->depth > 0 && lock->token == token;
}

enum larder_status locks_fence(struct locks *l, struct slice name, uint64_t token,
                               uint64_t cluster_us, struct slice *out_record) {
    if (name.size == 0 || name.size > LOCK_NAME_MAX || token == 0)
        return LARDER_INVALID;
    const struct mark *mark = locks_find_mark(l, name);
    uint64_t oldest = mark == NULL ? l->floor : mark->token;
    *out_record = slice_of(NULL, 0);
    if (token < oldest && !is_held_here(l, name, token))
        return LARDER_DENIED;
    if (mark != NULL && mark->token >= token)
        return LARDER_OK;
    struct lock_record record = {
        .type = LOCK_RECORD_FENCE, .name = name, .token = token, .cluster_us = cluster_us};
    *out_record = slice_of(l->record, lock_record_encode(&record, l->record));
    return LARDER_OK;
}
