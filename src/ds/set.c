/* SPDX-License-Identifier: BSD-3-Clause */
/* Adding decides first what the set will be: it counts what is new, converts if a limit is passed,
 * obtains all memory, and only then puts the members in, which can't fail any more. */
#include "ds/set.h"

#include "ds/set_internal.h"

/* What is to be added to a set. */
struct addition {
    size_t count;        /* members that are not there */
    size_t longest;      /* bytes of the longest of them */
    size_t packed_bytes; /* that they take packed */
    unsigned width;      /* of the widest integer */
    bool has_text;       /* not all are integers */
};

static bool as_integer(struct slice text, int64_t *out) {
    return text.size <= INT64_TEXT_MAX && slice_to_int64(text, out);
}

enum { COMPARED_MAX = 600 };

/* Whether members[i] comes earlier too. Of very many it is not asked: those fit into no compact
 * set. */
static bool is_repeated(const struct slice *members, size_t i) {
    if (i >= COMPARED_MAX)
        return false;
    size_t earlier = 0;
    while (!slice_equal(members[earlier], members[i]))
        earlier++;
    return earlier < i;
}

static struct addition measure(const struct object *set, const struct object_context *context,
                               const struct slice *members, size_t count) {
    struct addition a = {.width = 2};
    for (size_t i = 0; i < count; i++) {
        int64_t integer;
        if ((set != NULL && set_contains(set, context, members[i])) || is_repeated(members, i))
            continue;
        a.count++;
        if (members[i].size > a.longest)
            a.longest = members[i].size;
        a.packed_bytes += packed_size(members[i]);
        if (!as_integer(members[i], &integer))
            a.has_text = true;
        else if (integers_width_of(integer) > a.width)
            a.width = integers_width_of(integer);
    }
    return a;
}

static const struct object_type *
choose(const struct object *set, const struct object_context *context, const struct addition *a) {
    const struct object_limits *limits = context->limits;
    const struct object_type *now = set != NULL ? set->type : &SET_INTEGERS;
    int64_t length = (int64_t)((set != NULL ? object_length(set) : 0) + a->count);
    if (now == &SET_TABLE)
        return now;
    bool may_be_flat = length <= object_limit(&limits->set_entries) &&
                       (int64_t)a->longest <= object_limit(&limits->set_value_bytes);
    if (now == &SET_INTEGERS && !a->has_text) {
        if (length <= object_limit(&limits->set_integer_entries))
            return now;
        return set == NULL && may_be_flat ? &SET_FLAT : &SET_TABLE;
    }
    return may_be_flat ? &SET_FLAT : &SET_TABLE;
}

static struct object *create(const struct object_type *type, const struct object_context *context,
                             size_t packed_bytes) {
    if (type == &SET_INTEGERS)
        return integers_create(context);
    return type == &SET_FLAT ? flat_create(context, packed_bytes) : table_set_create(context);
}

/* Memory for everything that is to be added. Members of a table are made here. */
static enum larder_status reserve(struct object **set, const struct object_context *context,
                                  const struct addition *a) {
    if ((*set)->type == &SET_INTEGERS)
        return integers_reserve(set, context, a->count, a->width);
    if ((*set)->type == &SET_FLAT)
        return flat_reserve(set, context, a->packed_bytes);
    return table_reserve(&table_of(*set)->table, context, a->count);
}

/* To an integer or flat set with room. */
static bool put(struct object *set, struct slice member) {
    int64_t integer;
    if (set->type == &SET_FLAT)
        return flat_insert(flat_of(set), member);
    (void)as_integer(member, &integer);
    return integers_insert(integers_of(set), integer);
}

/* To a table, all or nothing: new members are made first, linked through an array. */
static enum larder_status put_in_table(struct table_set *set, const struct object_context *context,
                                       const struct slice *members, size_t count,
                                       size_t *out_added) {
    void *few[16], **made = few;
    if (count > sizeof(few) / sizeof(*few)) {
        made = allocator_allocate(context->allocator, count * sizeof(*made));
        if (made == NULL)
            return LARDER_NO_MEMORY;
    }
    size_t made_count = 0;
    bool is_complete = true;
    for (size_t i = 0; i < count && is_complete; i++) {
        if (table_find(&set->table, table_hash(context, members[i]), members[i]) != NULL)
            continue;
        made[made_count] = table_member_create(context, members[i]);
        is_complete = made[made_count] != NULL;
        made_count += is_complete;
    }
    for (size_t i = 0; i < made_count; i++) {
        if (is_complete && table_set_insert(set, context, made[i]))
            ++*out_added;
        else
            table_member_destroy(context->allocator, made[i]);
    }
    if (made != few)
        allocator_release(context->allocator, made, count * sizeof(*made));
    return is_complete ? LARDER_OK : LARDER_NO_MEMORY;
}

static enum larder_status copy_members(struct object *to, const struct object_context *context,
                                       const struct object *from) {
    struct set_walk walk;
    struct slice member;
    size_t added = 0;
    enum larder_status status = LARDER_OK;
    set_walk_begin(&walk, from);
    while (status == LARDER_OK && set_next(&walk, &member)) {
        if (to->type == &SET_TABLE)
            status = put_in_table(table_of(to), context, &member, 1, &added);
        else
            (void)put(to, member);
    }
    return status;
}

/* Another representation of the same set, with room for what will be added. */
static enum larder_status convert(struct object **set, const struct object_context *context,
                                  const struct object_type *type, const struct addition *a) {
    size_t length = *set != NULL ? object_length(*set) : 0;
    size_t bytes = a->packed_bytes + length * (INT64_TEXT_MAX / 2 + 1);
    struct object *converted = create(type, context, bytes);
    struct addition all = {.count = a->count + length, .packed_bytes = bytes, .width = a->width};
    if (converted == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status = reserve(&converted, context, &all);
    if (status == LARDER_OK && *set != NULL)
        status = copy_members(converted, context, *set);
    if (status != LARDER_OK) {
        if (converted->type == &SET_TABLE)
            table_end_reserve(&table_of(converted)->table, context);
        object_destroy(converted, context->allocator);
        return status;
    }
    object_destroy(*set, context->allocator);
    *set = converted;
    return LARDER_OK;
}

enum larder_status set_add(struct object **set, const struct object_context *context,
                           const struct slice *members, size_t count, size_t *out_added) {
    *out_added = 0;
    if (*set != NULL && (*set)->type == &SET_TABLE && count == 1)
        return table_set_add(table_of(*set), context, members[0], out_added);
    struct addition a = measure(*set, context, members, count);
    if (a.count == 0)
        return LARDER_OK;
    const struct object_type *type = choose(*set, context, &a);
    enum larder_status status = LARDER_OK;
    bool is_new = *set == NULL;
    if (is_new || (*set)->type != type)
        status = convert(set, context, type, &a);
    else
        status = reserve(set, context, &a);
    if (status != LARDER_OK)
        return status;
    if (type == &SET_TABLE) {
        status = put_in_table(table_of(*set), context, members, count, out_added);
        table_end_reserve(&table_of(*set)->table, context);
    } else {
        for (size_t i = 0; i < count; i++)
            *out_added += put(*set, members[i]);
    }
    if (status != LARDER_OK && is_new) {
        object_destroy(*set, context->allocator);
        *set = NULL;
    }
    return status;
}

size_t set_remove(struct object **set, const struct object_context *context,
                  const struct slice *members, size_t count) {
    size_t removed = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t integer;
        if ((*set)->type == &SET_TABLE)
            removed += table_set_remove(table_of(*set), context, members[i]);
        else if ((*set)->type == &SET_FLAT)
            removed += flat_remove(set, context, members[i]);
        else if (as_integer(members[i], &integer))
            removed += integers_remove(set, context, integer);
    }
    return removed;
}

bool set_contains(const struct object *set, const struct object_context *context,
                  struct slice member) {
    size_t index;
    int64_t integer;
    if (set->type == &SET_TABLE)
        return table_find(&table_of(set)->table, table_hash(context, member), member) != NULL;
    if (set->type == &SET_FLAT) {
        const struct flat_set *flat = flat_of(set);
        return packed_find(flat->bytes, flat->bytes + flat->used, member, 1) != NULL;
    }
    return as_integer(member, &integer) && integers_find(integers_of(set), integer, &index);
}

/* ---- walking ---- */

void set_walk_begin(struct set_walk *walk, const struct object *set) {
    *walk = (struct set_walk){.set = set};
    if (set->type == &SET_FLAT)
        walk->at = flat_of(set)->bytes;
}

bool set_next(struct set_walk *walk, struct slice *out) {
    const struct object *set = walk->set;
    if (set->type == &SET_TABLE) {
        const void *member = table_next(&table_of(set)->table, &walk->places);
        if (member != NULL)
            *out = table_member_text(member);
        return member != NULL;
    }
    if (set->type == &SET_FLAT) {
        const struct flat_set *flat = flat_of(set);
        if (walk->at == flat->bytes + flat->used)
            return false;
        *out = packed_get_text(walk->at, walk->scratch);
        walk->at = packed_next(walk->at);
        return true;
    }
    const struct integer_set *integers = integers_of(set);
    if (walk->index == integers->count)
        return false;
    size_t size = int64_format(integers_get(integers, walk->index++), walk->scratch);
    *out = slice_of(walk->scratch, size);
    return true;
}

struct slice set_random(const struct object *set, struct random *random, uint8_t *scratch) {
    if (set->type == &SET_TABLE)
        return table_member_text(table_random(&table_of(set)->table, random, NULL));
    uint64_t index = random_below(random, object_length(set));
    if (set->type == &SET_FLAT) {
        const uint8_t *at = flat_of(set)->bytes;
        while (index-- > 0)
            at = packed_next(at);
        return packed_get_text(at, scratch);
    }
    return slice_of(scratch, int64_format(integers_get(integers_of(set), index), scratch));
}

size_t set_text_bytes(const struct object *set) {
    if (set->type == &SET_TABLE)
        return table_of(set)->member_bytes;
    size_t count = object_length(set);
    return (set->type == &SET_FLAT ? flat_of(set)->used : 0) + count * INT64_TEXT_MAX;
}

struct scan {
    set_visitor visitor;
    void *context;
    size_t shown;
};

static void scan_member(void *context, void *member) {
    struct scan *scan = context;
    scan->shown++;
    scan->visitor(scan->context, table_member_text(member));
}

uint64_t set_scan(const struct object *set, const struct object_context *context, uint64_t cursor,
                  size_t count, set_visitor visitor, void *visitor_context) {
    struct scan scan = {visitor, visitor_context, 0};
    if (set->type == &SET_TABLE) {
        size_t steps = 0, limit = count < SIZE_MAX / 10 ? 10 * count : SIZE_MAX;
        do {
            cursor = table_scan(&table_of(set)->table, context, cursor, scan_member, &scan);
        } while (cursor != 0 && scan.shown < count && ++steps < limit);
        return cursor;
    }
    struct set_walk walk;
    struct slice member;
    set_walk_begin(&walk, set);
    while (set_next(&walk, &member))
        visitor(visitor_context, member);
    return 0;
}
