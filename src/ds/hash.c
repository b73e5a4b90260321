/* SPDX-License-Identifier: BSD-3-Clause */
/* What the two representations have in common, and the way from the flat one to the full one. */
#include "ds/hash.h"

#include "ds/hash_internal.h"

/* ---- changes ---- */

static bool is_repeated(const struct slice *pairs, size_t index) {
    for (size_t i = 0; i < index; i++)
        if (slice_equal(pairs[2 * i], pairs[2 * index]))
            return true;
    return false;
}

/* Whether no more than `limit` fields are there when the pairs are set. */
static bool has_room(const struct object *hash, const struct object_context *context,
                     const struct slice *pairs, size_t count, size_t limit) {
    enum { REPETITIONS_SOUGHT = 1024 /* among so many pairs: it is quadratic */ };
    size_t length = hash != NULL ? object_length(hash) : 0;
    if (length + count <= limit)
        return true;
    for (size_t i = 0; i < count && length <= limit; i++) {
        uint8_t scratch[INT64_TEXT_MAX];
        struct hash_pair old;
        bool is_there = hash != NULL && hash_get(hash, context, pairs[2 * i], 0, scratch, &old);
        length += !is_there && (count > REPETITIONS_SOUGHT || !is_repeated(pairs, i));
    }
    return length <= limit;
}

static bool may_be_flat(const struct object *hash, const struct object_context *context,
                        const struct slice *pairs, size_t count, int64_t expiry_ms) {
    if (expiry_ms > 0)
        return false;
    size_t longest = (size_t)object_limit(&context->limits->hash_value_bytes);
    for (size_t i = 0; i < 2 * count; i++)
        if (pairs[i].size > longest)
            return false;
    return has_room(hash, context, pairs, count,
                    (size_t)object_limit(&context->limits->hash_entries));
}

/* Put the pairs of one hash into a full one. */
static enum larder_status copy_pairs(struct full_hash *to, const struct object_context *context,
                                     const struct object *from) {
    struct hash_walk walk;
    struct hash_pair pair;
    size_t added;
    enum larder_status status = LARDER_OK;
    for (hash_walk_begin(&walk, from, 0); status == LARDER_OK && hash_next(&walk, &pair);) {
        struct slice parts[] = {pair.field, pair.value};
        status = full_hash_set(to, context, parts, 1, 0, 0, &added);
    }
    return status;
}

/* A full one with the same pairs; `hash` stays as it is. NULL without memory. */
static struct object *full_twin(const struct object *hash, const struct object_context *context) {
    struct object *full = full_hash_create(context);
    if (full == NULL || hash == NULL || copy_pairs(full_of(full), context, hash) == LARDER_OK)
        return full;
    object_destroy(full, context->allocator);
    return NULL;
}

/* The twin takes the place of the hash if all went well, else it is freed. */
static void settle(struct object **hash, const struct object_context *context, struct object *twin,
                   bool is_complete) {
    object_destroy(is_complete ? *hash : twin, context->allocator);
    if (is_complete)
        *hash = twin;
}

static enum larder_status set_flat(struct object **hash, const struct object_context *context,
                                   const struct slice *pairs, size_t count, size_t *out_added) {
    enum larder_status status = flat_hash_reserve(hash, context, pairs, count);
    for (size_t i = 0; i < count && status == LARDER_OK; i++)
        *out_added += flat_hash_put(flat_of(*hash), pairs[2 * i], pairs[2 * i + 1]);
    return status;
}

static enum larder_status convert_and_set(struct object **hash,
                                          const struct object_context *context,
                                          const struct slice *pairs, size_t count,
                                          int64_t expiry_ms, int64_t now_ms, size_t *out_added) {
    struct object *full = full_twin(*hash, context);
    if (full == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status =
        full_hash_set(full_of(full), context, pairs, count, expiry_ms, now_ms, out_added);
    settle(hash, context, full, status == LARDER_OK);
    return status;
}

enum larder_status hash_set(struct object **hash, const struct object_context *context,
                            const struct slice *pairs, size_t count, int64_t expiry_ms,
                            int64_t now_ms, size_t *out_added) {
    *out_added = 0;
    if (*hash != NULL && (*hash)->type == &HASH_FULL)
        return full_hash_set(full_of(*hash), context, pairs, count, expiry_ms, now_ms, out_added);
    if (!may_be_flat(*hash, context, pairs, count, expiry_ms))
        return convert_and_set(hash, context, pairs, count, expiry_ms, now_ms, out_added);
    if (*hash != NULL)
        return set_flat(hash, context, pairs, count, out_added);
    size_t bytes = 0;
    for (size_t i = 0; i < 2 * count; i++)
        bytes += packed_size(pairs[i]);
    struct object *flat = flat_hash_create(context, bytes);
    if (flat == NULL)
        return LARDER_NO_MEMORY;
    *hash = flat;
    return set_flat(hash, context, pairs, count, out_added); /* has room */
}

bool hash_remove(struct object **hash, const struct object_context *context, struct slice field,
                 int64_t now_ms) {
    return (*hash)->type == &HASH_FLAT ? flat_hash_remove(hash, context, field)
                                       : full_hash_remove(full_of(*hash), context, field, now_ms);
}

/* ---- reading ---- */

bool hash_get(const struct object *hash, const struct object_context *context, struct slice field,
              int64_t now_ms, uint8_t *scratch, struct hash_pair *out) {
    if (hash->type == &HASH_FLAT) {
        const struct flat_hash *flat = flat_of(hash);
        const uint8_t *at = packed_find(flat->bytes, flat->bytes + flat->used, field, 2);
        if (at == NULL)
            return false;
        *out =
            (struct hash_pair){.field = field, .value = packed_get_text(packed_next(at), scratch)};
        return true;
    }
    const void *element = table_find(&full_of(hash)->table, table_hash(context, field), field);
    if (element == NULL)
        return false;
    hash_element_read(element, out);
    return !hash_is_past(out->expiry_ms, now_ms);
}

size_t hash_length(const struct object *hash, int64_t now_ms) {
    size_t length = object_length(hash);
    if (hash_due_ms(hash) >= now_ms)
        return length;
    struct hash_walk walk;
    struct hash_pair pair;
    length = 0;
    for (hash_walk_begin(&walk, hash, now_ms); hash_next(&walk, &pair);)
        length++;
    return length;
}

size_t hash_text_bytes(const struct object *hash) {
    if (hash->type == &HASH_FLAT)
        return flat_of(hash)->used + (size_t)flat_of(hash)->count * 2 * INT64_TEXT_MAX;
    return full_of(hash)->element_bytes;
}

void hash_walk_begin(struct hash_walk *walk, const struct object *hash, int64_t now_ms) {
    walk->hash = hash;
    walk->now_ms = now_ms;
    walk->at = hash->type == &HASH_FLAT ? flat_of(hash)->bytes : NULL;
    walk->places = (struct table_walk){0};
}

bool hash_next(struct hash_walk *walk, struct hash_pair *out) {
    if (walk->hash->type == &HASH_FLAT) {
        const struct flat_hash *flat = flat_of(walk->hash);
        struct packed_element element;
        if (walk->at == flat->bytes + flat->used)
            return false;
        walk->at = packed_get(walk->at, &element);
        out->field = packed_text(&element, walk->scratch[0]);
        walk->at = packed_get(walk->at, &element);
        out->value = packed_text(&element, walk->scratch[1]);
        out->expiry_ms = 0;
        return true;
    }
    const void *element;
    while ((element = table_next(&full_of(walk->hash)->table, &walk->places)) != NULL) {
        hash_element_read(element, out);
        if (!hash_is_past(out->expiry_ms, walk->now_ms))
            return true;
    }
    return false;
}

/* Pair number `index` of those that have not expired. */
static void pair_at(const struct object *hash, size_t index, int64_t now_ms, uint8_t *scratch,
                    struct hash_pair *out) {
    struct hash_walk walk;
    hash_walk_begin(&walk, hash, now_ms);
    while (hash_next(&walk, out) && index > 0)
        index--;
    if (hash->type != &HASH_FLAT)
        return;
    /* Integers were written where the walk keeps them. */
    if (out->field.data == walk.scratch[0])
        out->field.data = memcpy(scratch, walk.scratch[0], INT64_TEXT_MAX);
    if (out->value.data == walk.scratch[1])
        out->value.data = memcpy(scratch + INT64_TEXT_MAX, walk.scratch[1], INT64_TEXT_MAX);
}

void hash_random(const struct object *hash, struct random *random, int64_t now_ms, uint8_t *scratch,
                 struct hash_pair *out) {
    enum { DRAWS = 32 };
    for (unsigned i = 0; hash->type == &HASH_FULL && i < DRAWS; i++) {
        hash_element_read(table_random(&full_of(hash)->table, random, NULL), out);
        if (!hash_is_past(out->expiry_ms, now_ms))
            return;
    }
    pair_at(hash, (size_t)random_below(random, hash_length(hash, now_ms)), now_ms, scratch, out);
}

struct shown {
    hash_visitor visitor;
    void *context;
    int64_t now_ms;
    size_t count;
};

static void show_element(void *context, void *element) {
    struct shown *shown = context;
    struct hash_pair pair;
    hash_element_read(element, &pair);
    shown->count++;
    if (!hash_is_past(pair.expiry_ms, shown->now_ms))
        shown->visitor(shown->context, &pair);
}

uint64_t hash_scan(const struct object *hash, const struct object_context *context, uint64_t cursor,
                   size_t count, int64_t now_ms, hash_visitor visitor, void *visitor_context) {
    if (hash->type == &HASH_FLAT) {
        struct hash_walk walk;
        struct hash_pair pair;
        for (hash_walk_begin(&walk, hash, now_ms); hash_next(&walk, &pair);)
            visitor(visitor_context, &pair);
        return 0;
    }
    struct shown shown = {.visitor = visitor, .context = visitor_context, .now_ms = now_ms};
    size_t chains = 0;
    do {
        cursor = table_scan(&full_of(hash)->table, context, cursor, show_element, &shown);
        chains++;
    } while (cursor != 0 && shown.count < count && chains / 10 < count);
    return cursor;
}

/* ---- fields that expire ---- */

enum larder_status hash_reserve_expiry(struct object **hash, const struct object_context *context,
                                       const struct slice *fields, size_t count) {
    bool is_flat = (*hash)->type == &HASH_FLAT;
    struct object *full = is_flat ? full_twin(*hash, context) : *hash;
    if (full == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status = LARDER_OK;
    for (size_t i = 0; i < count && status == LARDER_OK; i++)
        status = full_hash_reserve_expiry(full_of(full), context, fields[i]);
    if (is_flat)
        settle(hash, context, full, status == LARDER_OK);
    return status;
}

void hash_set_expiry(struct object *hash, const struct object_context *context, struct slice field,
                     int64_t expiry_ms) {
    if (hash->type == &HASH_FULL)
        full_hash_set_expiry(full_of(hash), context, field, expiry_ms);
}

int64_t hash_due_ms(const struct object *hash) {
    return hash->type == &HASH_FLAT ? INT64_MAX : full_of(hash)->due_ms;
}

void hash_update_due(struct object *hash) {
    if (hash_due_ms(hash) == INT64_MAX)
        return;
    struct hash_walk walk;
    struct hash_pair pair;
    int64_t due_ms = INT64_MAX;
    for (hash_walk_begin(&walk, hash, 0); hash_next(&walk, &pair);)
        if (pair.expiry_ms != 0 && pair.expiry_ms < due_ms)
            due_ms = pair.expiry_ms;
    full_of(hash)->due_ms = due_ms;
}

size_t hash_expired(const struct object *hash, int64_t now_ms, struct slice *out_fields,
                    size_t count) {
    struct hash_walk walk;
    struct hash_pair pair;
    size_t found = 0;
    if (hash_due_ms(hash) >= now_ms)
        return 0;
    for (hash_walk_begin(&walk, hash, 0); found < count && hash_next(&walk, &pair);)
        if (hash_is_past(pair.expiry_ms, now_ms))
            out_fields[found++] = pair.field;
    return found;
}

static void remove_expired(struct object **hash, const struct object_context *context,
                           struct slice field) {
    (void)full_hash_remove(full_of(*hash), context, field, 0);
}

const struct object_expiry HASH_EXPIRY = {
    .event = "hexpired",
    .due_ms = hash_due_ms,
    .expired = hash_expired,
    .remove = remove_expired,
    .update_due = hash_update_due,
};
