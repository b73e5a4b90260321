/* SPDX-License-Identifier: BSD-3-Clause */
/* The tree is changed last when something is added, first when something is taken out, so that what
 * can fail comes before what can't. A changed score is entered at its new place before it leaves
 * the old one. */
#include "ds/sorted_set_full.h"

static struct full_sorted_set *full_of(struct object *set) {
    return (struct full_sorted_set *)set;
}

static const struct full_sorted_set *full_of_const(const struct object *set) {
    return (const struct full_sorted_set *)set;
}

struct object *full_sorted_set_create(const struct allocator *allocator,
                                      const struct hash_seed *seed) {
    struct full_sorted_set *full = allocator_allocate(allocator, sizeof(*full));
    if (full == NULL)
        return NULL;
    *full = (struct full_sorted_set){.object.type = &SORTED_SET_FULL, .seed = seed};
    if (score_table_init(&full->table, allocator) == LARDER_OK)
        return &full->object;
    allocator_release(allocator, full, sizeof(*full));
    return NULL;
}

static void release_element(struct full_sorted_set *full, const struct allocator *allocator,
                            struct scored_element *element) {
    size_t size = scored_element_size(element->size);
    full->element_bytes -= size;
    allocator_release(allocator, element, size);
}

static struct scored_element *create_element(struct full_sorted_set *full,
                                             const struct allocator *allocator,
                                             const struct scored_member *member) {
    size_t size = scored_element_size(member->member.size);
    struct scored_element *element =
        member->member.size > UINT32_MAX ? NULL : allocator_allocate(allocator, size);
    if (element == NULL)
        return NULL;
    element->score = member->score;
    element->size = (uint32_t)member->member.size;
    if (element->size > 0)
        memcpy(element->bytes, member->member.data, element->size);
    full->element_bytes += size;
    return element;
}

enum larder_status full_sorted_set_insert(struct full_sorted_set *full,
                                          const struct allocator *allocator,
                                          const struct scored_member *member,
                                          struct scored_element **out) {
    struct scored_element *element = create_element(full, allocator, member);
    if (element == NULL)
        return LARDER_NO_MEMORY;
    uint64_t hash = score_table_hash(full->seed, member->member);
    enum larder_status status =
        score_table_insert(&full->table, allocator, full->seed, hash, element);
    if (status == LARDER_OK) {
        status = score_tree_insert(&full->tree, allocator, member->score, element);
        if (status != LARDER_OK)
            score_table_remove(&full->table, allocator, full->seed, element);
    }
    if (status != LARDER_OK)
        release_element(full, allocator, element);
    *out = element;
    return status;
}

enum larder_status full_sorted_set_change(struct full_sorted_set *full,
                                          const struct allocator *allocator,
                                          struct scored_element *element, double score) {
    enum larder_status status =
        score_tree_move(&full->tree, allocator, element->score, score, element);
    if (status == LARDER_OK)
        element->score = score;
    return status;
}

void full_sorted_set_remove(struct full_sorted_set *full, const struct allocator *allocator,
                            struct scored_element *element) {
    score_tree_remove(&full->tree, allocator, element->score, element);
    score_table_remove(&full->table, allocator, full->seed, element);
    release_element(full, allocator, element);
}

void full_sorted_set_remove_range(struct full_sorted_set *full, const struct allocator *allocator,
                                  size_t rank, size_t count) {
    struct scored_element *run[SCORE_LEAF_CAPACITY];
    while (count > 0) {
        size_t removed = score_tree_remove_run(&full->tree, allocator, rank, count, run);
        if (removed == 0)
            return;
        for (size_t i = 0; i < removed; i++) {
            score_table_remove(&full->table, allocator, full->seed, run[i]);
            release_element(full, allocator, run[i]);
        }
        count -= removed;
    }
}

/* ---- as a container ---- */

static size_t full_bytes(const struct object *set) {
    const struct full_sorted_set *full = full_of_const(set);
    return sizeof(*full) + full->element_bytes + score_tree_bytes(&full->tree) +
           score_table_bytes(&full->table);
}

static size_t full_length(const struct object *set) {
    return full_of_const(set)->tree.count;
}

static bool full_free_some(struct object *set, const struct allocator *allocator, size_t budget) {
    struct full_sorted_set *full = full_of(set);
    while (full->tree.root != NULL) {
        const struct score_leaf *leaf = full->tree.last;
        if (budget == 0)
            return false;
        budget -= budget < leaf->count ? budget : leaf->count;
        for (uint32_t i = 0; i < leaf->count; i++)
            release_element(full, allocator, leaf->elements[i]);
        score_tree_drop_last(&full->tree, allocator);
    }
    if (!score_table_free_some(&full->table, allocator, budget))
        return false;
    allocator_release(allocator, full, sizeof(*full));
    return true;
}

static struct object *full_copy(const struct object *set, const struct allocator *allocator) {
    const struct full_sorted_set *full = full_of_const(set);
    struct object *copy = full_sorted_set_create(allocator, full->seed);
    struct sorted_set_cursor cursor;
    struct scored_member member;
    sorted_set_seek(set, 0, &cursor);
    while (copy != NULL && sorted_set_next(&cursor, &member)) {
        struct scored_element *element;
        if (full_sorted_set_insert(full_of(copy), allocator, &member, &element) == LARDER_OK)
            continue;
        object_destroy(copy, allocator);
        copy = NULL;
    }
    return copy;
}

static void full_visit(const struct object *set, object_visitor visitor, void *context) {
    struct sorted_set_cursor cursor;
    struct scored_member member;
    uint8_t text[DOUBLE_FORMAT_MAX];
    sorted_set_seek(set, 0, &cursor);
    while (sorted_set_next(&cursor, &member)) {
        struct slice parts[2] = {member.member, slice_of(text, double_format(member.score, text))};
        visitor(context, parts, 2);
    }
}

const struct object_type SORTED_SET_FULL = {
    .kind = OBJECT_SORTED_SET,
    .encoding = "skiplist",
    .bytes = full_bytes,
    .length = full_length,
    .free_some = full_free_some,
    .copy = full_copy,
    .visit = full_visit,
};
