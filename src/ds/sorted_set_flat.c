/* SPDX-License-Identifier: BSD-3-Clause */
/* Everything is a walk over the pairs. A change of a score is made as cutting the pair out and
 * putting it where it belongs, after there is room for the new one. */
#include "ds/sorted_set_flat.h"

#include "ds/packed.h"
#include "ds/size_class.h"

enum {
    SCORE_TEXT_MAX = INT64_TEXT_MAX,
    TAG_FLOAT = 'f',
    TAG_DOUBLE = 'd',
    SHRINK_SLACK =
        4, /* a set whose unused share is above this part of it moves to a smaller place */
};

static struct flat_sorted_set *flat_of(struct object *set) {
    return (struct flat_sorted_set *)set;
}

static size_t capacity_of(const struct flat_sorted_set *flat) {
    return (size_t)flat->capacity * SORTED_SET_FLAT_UNIT;
}

static const struct flat_sorted_set *flat_of_const(const struct object *set) {
    return (const struct flat_sorted_set *)set;
}

/* ---- scores ---- */

/* The text that packs to this score, written at `out`. */
static struct slice score_text(double score, uint8_t *out) {
    if (score >= -9223372036854775808.0 && score < 9223372036854775808.0 &&
        (double)(int64_t)score == score)
        return slice_of(out, int64_format((int64_t)score, out));
    float single = (float)score;
    if ((double)single == score) {
        out[0] = TAG_FLOAT;
        memcpy(out + 1, &single, sizeof(single));
        return slice_of(out, 1 + sizeof(single));
    }
    out[0] = TAG_DOUBLE;
    memcpy(out + 1, &score, sizeof(score));
    return slice_of(out, 1 + sizeof(score));
}

static const uint8_t *get_score(const uint8_t *at, double *out) {
    struct packed_element element;
    const uint8_t *next = packed_get(at, &element);
    if (element.is_integer) {
        *out = (double)element.integer;
    } else if (element.bytes.data[0] == TAG_FLOAT) {
        float single;
        memcpy(&single, element.bytes.data + 1, sizeof(single));
        *out = (double)single;
    } else {
        memcpy(out, element.bytes.data + 1, sizeof(*out));
    }
    return next;
}

const uint8_t *flat_sorted_set_get(const uint8_t *at, uint8_t *scratch, struct scored_member *out) {
    struct packed_element element;
    at = packed_get(at, &element);
    out->member = packed_text(&element, scratch);
    return get_score(at, &out->score);
}

/* ---- memory ---- */

struct object *flat_sorted_set_create(const struct allocator *allocator, size_t size) {
    size = size_class(SORTED_SET_FLAT_HEADER + size);
    struct flat_sorted_set *flat = allocator_allocate(allocator, size);
    if (flat == NULL)
        return NULL;
    *flat = (struct flat_sorted_set){.object.type = &SORTED_SET_FLAT,
                                     .capacity = (uint16_t)(size / SORTED_SET_FLAT_UNIT)};
    return &flat->object;
}

static enum larder_status resize(struct object **set, const struct allocator *allocator,
                                 size_t used) {
    struct flat_sorted_set *flat = flat_of(*set);
    size_t size = size_class(SORTED_SET_FLAT_HEADER + used);
    struct flat_sorted_set *moved = allocator_resize(allocator, flat, capacity_of(flat), size);
    if (moved == NULL)
        return LARDER_NO_MEMORY;
    moved->capacity = (uint16_t)(size / SORTED_SET_FLAT_UNIT);
    *set = &moved->object;
    return LARDER_OK;
}

static enum larder_status make_room(struct object **set, const struct allocator *allocator,
                                    size_t size) {
    struct flat_sorted_set *flat = flat_of(*set);
    size_t used = flat->used + size;
    if (SORTED_SET_FLAT_HEADER + used > SORTED_SET_FLAT_MAX)
        return LARDER_NO_SPACE;
    if (SORTED_SET_FLAT_HEADER + used <= capacity_of(flat))
        return LARDER_OK;
    return resize(set, allocator, used);
}

static void give_back(struct object **set, const struct allocator *allocator) {
    struct flat_sorted_set *flat = flat_of(*set);
    size_t needed = size_class(SORTED_SET_FLAT_HEADER + flat->used);
    if (needed + capacity_of(flat) / SHRINK_SLACK >= capacity_of(flat))
        return;
    if (resize(set, allocator, flat->used) != LARDER_OK)
        return; /* it stays as large as it is */
}

/* ---- changes ---- */

const uint8_t *flat_sorted_set_find(const struct flat_sorted_set *flat, struct slice member,
                                    double *out_score) {
    const uint8_t *at = packed_find(flat->bytes, flat->bytes + flat->used, member, 2);
    if (at != NULL)
        (void)get_score(packed_next(at), out_score);
    return at;
}

/* Where a pair of this score and member goes. */
static const uint8_t *place_of(const struct flat_sorted_set *flat, double score,
                               struct slice member) {
    const uint8_t *at = flat->bytes, *end = at + flat->used;
    while (at < end) {
        double other;
        const uint8_t *next = get_score(packed_next(at), &other);
        if (other > score)
            break;
        if (other == score) {
            uint8_t scratch[INT64_TEXT_MAX];
            if (slice_compare(packed_get_text(at, scratch), member) > 0)
                break;
        }
        at = next;
    }
    return at;
}

/* There is room. */
static void put(struct flat_sorted_set *flat, struct slice member, double score, size_t size) {
    uint8_t text[SCORE_TEXT_MAX];
    uint8_t *at = flat->bytes + (place_of(flat, score, member) - flat->bytes);
    memmove(at + size, at, (size_t)(flat->bytes + flat->used - at));
    at = packed_put(at, member);
    (void)packed_put(at, score_text(score, text));
    flat->used = (uint16_t)(flat->used + size);
    flat->count++;
}

static size_t pair_size(struct slice member, double score) {
    uint8_t text[SCORE_TEXT_MAX];
    return packed_size(member) + packed_size(score_text(score, text));
}

enum larder_status flat_sorted_set_insert(struct object **set, const struct allocator *allocator,
                                          const struct scored_member *member) {
    if (member->member.size > SORTED_SET_FLAT_MAX)
        return LARDER_NO_SPACE;
    size_t size = pair_size(member->member, member->score);
    enum larder_status status = make_room(set, allocator, size);
    if (status == LARDER_OK)
        put(flat_of(*set), member->member, member->score, size);
    return status;
}

static void cut(struct flat_sorted_set *flat, const uint8_t *begin, const uint8_t *end,
                size_t count) {
    uint8_t *at = flat->bytes + (begin - flat->bytes);
    memmove(at, end, (size_t)(flat->bytes + flat->used - end));
    flat->used = (uint16_t)(flat->used - (end - begin));
    flat->count = (uint16_t)(flat->count - count);
}

enum larder_status flat_sorted_set_change(struct object **set, const struct allocator *allocator,
                                          const uint8_t *at, double score) {
    uint8_t copy[SORTED_SET_FLAT_MAX], scratch[INT64_TEXT_MAX];
    size_t offset = (size_t)(at - flat_of(*set)->bytes);
    struct slice member = packed_get_text(at, scratch);
    size_t old_size = (size_t)(packed_next(packed_next(at)) - at);
    size_t size = pair_size(member, score);
    enum larder_status status = make_room(set, allocator, size > old_size ? size - old_size : 0);
    if (status != LARDER_OK)
        return status;
    struct flat_sorted_set *flat = flat_of(*set);
    at = flat->bytes + offset;
    member = packed_get_text(at, scratch);
    memcpy(copy, member.data, member.size);
    cut(flat, at, at + old_size, 1);
    put(flat, slice_of(copy, member.size), score, size);
    return LARDER_OK;
}

void flat_sorted_set_cut(struct object **set, const struct allocator *allocator, const uint8_t *at,
                         size_t count) {
    const uint8_t *end = at;
    for (size_t i = 0; i < count; i++)
        end = packed_next(packed_next(end));
    cut(flat_of(*set), at, end, count);
    give_back(set, allocator);
}

/* ---- reading ---- */

size_t flat_sorted_set_count_before(const struct flat_sorted_set *flat,
                                    const struct score_bound *bound) {
    const uint8_t *at = flat->bytes, *end = at + flat->used;
    uint8_t scratch[INT64_TEXT_MAX];
    struct scored_member member;
    size_t before = 0;
    for (; at < end; before++) {
        at = flat_sorted_set_get(at, scratch, &member);
        if (!score_bound_is_behind(bound, member.score, member.member))
            break;
    }
    return before;
}

const uint8_t *flat_sorted_set_before(const uint8_t *at) {
    return packed_previous(packed_previous(at));
}

const uint8_t *flat_sorted_set_seek(const struct flat_sorted_set *flat, size_t rank) {
    if (rank >= flat->count)
        return flat->bytes + flat->used;
    const uint8_t *at = flat->bytes;
    if (rank <= flat->count / 2) {
        for (size_t i = 0; i < 2 * rank; i++)
            at = packed_next(at);
        return at;
    }
    at += flat->used;
    for (size_t i = 0; i < 2 * (flat->count - rank); i++)
        at = packed_previous(at);
    return at;
}

/* ---- as a container ---- */

static size_t flat_bytes(const struct object *set) {
    return capacity_of(flat_of_const(set));
}

static size_t flat_length(const struct object *set) {
    return flat_of_const(set)->count;
}

static bool flat_free_some(struct object *set, const struct allocator *allocator, size_t budget) {
    (void)budget;
    allocator_release(allocator, set, capacity_of(flat_of(set)));
    return true;
}

static struct object *flat_copy(const struct object *set, const struct allocator *allocator) {
    const struct flat_sorted_set *flat = flat_of_const(set);
    struct object *copy = flat_sorted_set_create(allocator, flat->used);
    if (copy == NULL)
        return NULL;
    struct flat_sorted_set *to = flat_of(copy);
    to->used = flat->used;
    to->count = flat->count;
    memcpy(to->bytes, flat->bytes, flat->used);
    return copy;
}

static void flat_visit(const struct object *set, object_visitor visitor, void *context) {
    const struct flat_sorted_set *flat = flat_of_const(set);
    const uint8_t *at = flat->bytes, *end = at + flat->used;
    uint8_t scratch[INT64_TEXT_MAX], text[DOUBLE_FORMAT_MAX];
    while (at < end) {
        struct scored_member member;
        at = flat_sorted_set_get(at, scratch, &member);
        struct slice parts[2] = {member.member, slice_of(text, double_format(member.score, text))};
        visitor(context, parts, 2);
    }
}

const struct object_type SORTED_SET_FLAT = {
    .kind = OBJECT_SORTED_SET,
    .encoding = "listpack",
    .bytes = flat_bytes,
    .length = flat_length,
    .free_some = flat_free_some,
    .copy = flat_copy,
    .visit = flat_visit,
};
