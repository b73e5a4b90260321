/* SPDX-License-Identifier: BSD-3-Clause */
/* A member is one allocation: the length of its text as a varint, the text. */
#include "ds/set_internal.h"

static unsigned length_bytes(size_t size) {
    unsigned bytes = 1;
    while (size >= 128) {
        size >>= 7;
        bytes++;
    }
    return bytes;
}

struct slice table_member_text(const void *member) {
    const uint8_t *at = member;
    size_t size = *at & 0x7f;
    for (unsigned shift = 7; (*at++ & 0x80) != 0; shift += 7)
        size |= (size_t)(*at & 0x7f) << shift;
    return slice_of(at, size);
}

static size_t member_bytes(struct slice text) {
    return length_bytes(text.size) + text.size;
}

void *table_member_create(const struct object_context *context, struct slice text) {
    uint8_t *member = allocator_allocate(context->allocator, member_bytes(text));
    if (member == NULL)
        return NULL;
    uint8_t *at = member;
    size_t size = text.size;
    for (; size >= 128; size >>= 7)
        *at++ = (uint8_t)(size | 0x80);
    *at++ = (uint8_t)size;
    if (text.size > 0)
        memcpy(at, text.data, text.size);
    return member;
}

void table_member_destroy(const struct allocator *allocator, void *member) {
    allocator_release(allocator, member, member_bytes(table_member_text(member)));
}

static void release_member(void *member, const struct allocator *allocator) {
    table_member_destroy(allocator, member);
}

static size_t table_bytes(const struct object *object) {
    const struct table_set *set = table_of(object);
    return sizeof(*set) + set->table.bytes + set->member_bytes;
}

static size_t table_length(const struct object *object) {
    return table_of(object)->table.count;
}

static bool table_set_free_some(struct object *object, const struct allocator *allocator,
                                size_t budget) {
    struct table_set *set = table_of(object);
    if (!table_free_some(&set->table, allocator, budget, release_member))
        return false;
    allocator_release(allocator, set, sizeof(*set));
    return true;
}

static void table_visit(const struct object *object, object_visitor visitor, void *context) {
    struct table_walk walk = {0};
    const void *member;
    while ((member = table_next(&table_of(object)->table, &walk)) != NULL) {
        struct slice text = table_member_text(member);
        visitor(context, &text, 1);
    }
}

static struct object *table_copy(const struct object *object, const struct allocator *allocator);

const struct object_type SET_TABLE = {
    .kind = OBJECT_SET,
    .encoding = "hashtable",
    .bytes = table_bytes,
    .length = table_length,
    .free_some = table_set_free_some,
    .copy = table_copy,
    .visit = table_visit,
};

struct object *table_set_create(const struct object_context *context) {
    struct table_set *set = allocator_allocate(context->allocator, sizeof(*set));
    if (set == NULL)
        return NULL;
    *set = (struct table_set){.object = {.type = &SET_TABLE}, .seed = context->seed};
    table_init(&set->table, table_member_text);
    return &set->object;
}

bool table_set_insert(struct table_set *set, const struct object_context *context, void *member) {
    struct slice text = table_member_text(member);
    uint64_t hash = table_hash(context, text);
    if (table_find(&set->table, hash, text) != NULL)
        return false;
    table_insert(&set->table, context, hash, member);
    set->member_bytes += member_bytes(text);
    return true;
}

enum larder_status table_set_add(struct table_set *set, const struct object_context *context,
                                 struct slice text, size_t *out_added) {
    uint64_t hash = table_hash(context, text);
    *out_added = 0;
    if (table_find(&set->table, hash, text) != NULL)
        return LARDER_OK;
    void *member = table_member_create(context, text);
    if (member == NULL || table_reserve(&set->table, context, 1) != LARDER_OK) {
        if (member != NULL)
            table_member_destroy(context->allocator, member);
        return LARDER_NO_MEMORY;
    }
    table_insert(&set->table, context, hash, member);
    set->member_bytes += member_bytes(text);
    *out_added = 1;
    return LARDER_OK;
}

bool table_set_remove(struct table_set *set, const struct object_context *context,
                      struct slice text) {
    uint64_t hash = table_hash(context, text);
    uint64_t *word = table_find_word(&set->table, hash, text);
    if (word == NULL)
        return false;
    void *member = table_element(*word);
    table_remove(&set->table, context, hash, word);
    set->member_bytes -= member_bytes(table_member_text(member));
    table_member_destroy(context->allocator, member);
    return true;
}

static struct object *table_copy(const struct object *object, const struct allocator *allocator) {
    const struct table_set *from = table_of(object);
    struct object_context context = {.allocator = allocator, .seed = from->seed};
    struct object *copy = table_set_create(&context);
    if (copy == NULL)
        return NULL;
    struct table_walk walk = {0};
    const void *member;
    bool is_complete =
        table_reserve(&table_of(copy)->table, &context, from->table.count) == LARDER_OK;
    while (is_complete && (member = table_next(&from->table, &walk)) != NULL) {
        void *twin = table_member_create(&context, table_member_text(member));
        is_complete = twin != NULL;
        if (is_complete)
            (void)table_set_insert(table_of(copy), &context, twin);
    }
    if (is_complete)
        return copy;
    object_destroy(copy, allocator);
    return NULL;
}
