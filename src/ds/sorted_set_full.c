/* SPDX-License-Identifier: BSD-3-Clause */
/* What can fail comes before what can't: the element, room in the table, the tree. A changed score
 * is entered at its new place before it leaves the old one. */
#include "ds/sorted_set_full.h"

static struct full_sorted_set *full_of(struct object *set) {
    return (struct full_sorted_set *)set;
}

static const struct full_sorted_set *full_of_const(const struct object *set) {
    return (const struct full_sorted_set *)set;
}

static struct slice member_of(const void *element) {
    return scored_element_member(element);
}

struct object *full_sorted_set_create(const struct allocator *allocator,
                                      const struct hash_seed *seed) {
    struct full_sorted_set *full = allocator_allocate(allocator, sizeof(*full));
    if (full == NULL)
        return NULL;
    *full = (struct full_sorted_set){.object.type = &SORTED_SET_FULL, .seed = seed};
    table_init(&full->table, member_of);
    return &full->object;
}

/* What the table is given. */
static struct object_context context_of(const struct full_sorted_set *full,
                                        const struct allocator *allocator) {
    return (struct object_context){.allocator = allocator, .seed = full->seed};
}

static void take_out(struct full_sorted_set *full, const struct allocator *allocator,
                     const struct scored_element *element) {
    struct object_context context = context_of(full, allocator);
    struct slice member = scored_element_member(element);
    uint64_t hash = table_hash(&context, member);
    table_remove(&full->table, &context, hash, table_find_word(&full->table, hash, member));
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
    struct object_context context = context_of(full, allocator);
    enum larder_status status = table_reserve(&full->table, &context, 1);
    if (status == LARDER_OK)
        status = score_tree_insert(&full->tree, allocator, member->score, element);
    if (status == LARDER_OK)
        table_insert(&full->table, &context, table_hash(&context, member->member), element);
    else
        release_element(full, allocator, element);
    table_end_reserve(&full->table, &context);
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
    take_out(full, allocator, element);
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
            take_out(full, allocator, run[i]);
            release_element(full, allocator, run[i]);
        }
        count -= removed;
    }
}

/* ---- as a container ---- */

static size_t full_bytes(const struct object *set) {
    const struct full_sorted_set *full = full_of_const(set);
    return sizeof(*full) + full->element_bytes + score_tree_bytes(&full->tree) + full->table.bytes;
}

static size_t full_length(const struct object *set) {
    return full_of_const(set)->tree.count;
}

static void free_element(void *element, const struct allocator *allocator) {
    const struct scored_element *scored = element;
    allocator_release(allocator, element, scored_element_size(scored->size));
}

/* The table frees the elements; of the tree only nodes are left then. */
static bool full_free_some(struct object *set, const struct allocator *allocator, size_t budget) {
    struct full_sorted_set *full = full_of(set);
    if (!table_free_some(&full->table, allocator, budget, free_element))
        return false;
    for (; full->tree.root != NULL; score_tree_drop_last(&full->tree, allocator))
        if (budget-- == 0)
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
