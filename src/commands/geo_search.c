/* SPDX-License-Identifier: BSD-3-Clause */
/* GEOSEARCH, GEORADIUS, GEORADIUSBYMEMBER and their storing forms: one search, of which the older
 * commands fix centre and shape by position. What is found is noted by rank, and read again when it
 * is shown or stored. */
#include "commands/functions.h"
#include "commands/geo.h"

enum search_form { FORM_SEARCH, FORM_RADIUS, FORM_RADIUS_BY_MEMBER };
enum search_order { ORDER_NONE, ORDER_NEAREST, ORDER_FARTHEST };

struct search {
    enum search_form form;
    bool may_store;
    bool is_search_store; /* GEOSEARCHSTORE: the target is argv[1] */
    const struct object *set;
    struct geo_area area;
    double unit; /* metres in the unit of the area */
    bool has_member_centre, has_point_centre, has_radius, has_box;
    bool with_distance, with_hash, with_point;
    bool is_any;
    bool stores_distance;
    size_t store_at; /* argument of the target, 0: none */
    int64_t count;   /* 0: all */
    enum search_order order;
};

struct found {
    size_t rank;
    double score, distance; /* metres */
    struct geo_point point;
};

struct found_list {
    const struct allocator *allocator;
    struct found *items;
    size_t count, capacity;
};

/* ---- options ---- */

static bool refuse(struct call *call, const char *error) {
    reply_error(call->reply, error);
    return false;
}

/* A float, with an error of its own. */
static bool parse_number(struct call *call, struct slice text, const char *error, double *out) {
    struct reply_mark mark = reply_mark(call->reply);
    if (call_double(call, text, out))
        return true;
    reply_cut(call->reply, mark);
    return refuse(call, error);
}

static bool parse_radius(struct call *call, size_t at, struct search *s) {
    double radius;
    if (!parse_number(call, call->argv[at], "ERR need numeric radius", &radius))
        return false;
    if (radius < 0)
        return refuse(call, "ERR radius cannot be negative");
    if (!geo_parse_unit(call, call->argv[at + 1], &s->unit))
        return false;
    s->area.is_box = false;
    s->area.radius = radius * s->unit;
    return true;
}

static bool parse_box(struct call *call, size_t at, struct search *s) {
    double width, height;
    if (!parse_number(call, call->argv[at], "ERR need numeric width", &width) ||
        !parse_number(call, call->argv[at + 1], "ERR need numeric height", &height))
        return false;
    if (width < 0 || height < 0)
        return refuse(call, "ERR height or width cannot be negative");
    if (!geo_parse_unit(call, call->argv[at + 2], &s->unit))
        return false;
    s->area.is_box = true;
    s->area.width = width * s->unit;
    s->area.height = height * s->unit;
    return true;
}

static bool parse_member(struct call *call, size_t at, struct search *s) {
    if (s->set == NULL || geo_find(call, s->set, call->argv[at], &s->area.centre))
        return true;
    return refuse(call, "ERR could not decode requested zset member");
}

static bool parse_count(struct call *call, size_t at, struct search *s) {
    if (!call_integer(call, call->argv[at], &s->count))
        return false;
    return s->count > 0 || refuse(call, "ERR COUNT must be > 0");
}

/* The options that are a word alone. */
static bool parse_word(struct slice word, struct search *s) {
    if (slice_equal_word(word, "WITHDIST"))
        s->with_distance = true;
    else if (slice_equal_word(word, "WITHHASH"))
        s->with_hash = true;
    else if (slice_equal_word(word, "WITHCOORD"))
        s->with_point = true;
    else if (slice_equal_word(word, "ANY"))
        s->is_any = true;
    else if (slice_equal_word(word, "ASC"))
        s->order = ORDER_NEAREST;
    else if (slice_equal_word(word, "DESC"))
        s->order = ORDER_FARTHEST;
    else if (s->is_search_store && slice_equal_word(word, "STOREDIST"))
        s->stores_distance = true;
    else
        return false;
    return true;
}

/* GEOSEARCH's centre and shape at argv[at]; *out_used: words, 0 if it is none of these. */
static bool parse_shape(struct call *call, size_t at, struct search *s, size_t *out_used) {
    struct slice word = call->argv[at];
    size_t left = call->argc - at - 1;
    *out_used = 0;
    if (left >= 1 && !s->has_point_centre && slice_equal_word(word, "FROMMEMBER")) {
        *out_used = 2;
        s->has_member_centre = true;
        return parse_member(call, at + 1, s);
    }
    if (left >= 2 && !s->has_member_centre && slice_equal_word(word, "FROMLONLAT")) {
        *out_used = 3;
        s->has_point_centre = true;
        return geo_parse_point(call, at + 1, &s->area.centre);
    }
    if (left >= 2 && !s->has_box && slice_equal_word(word, "BYRADIUS")) {
        *out_used = 3;
        s->has_radius = true;
        return parse_radius(call, at + 1, s);
    }
    if (left >= 3 && !s->has_radius && slice_equal_word(word, "BYBOX")) {
        *out_used = 4;
        s->has_box = true;
        return parse_box(call, at + 1, s);
    }
    return true;
}

/* One option at argv[*at], which is moved behind it. False: an error was replied. */
static bool parse_option(struct call *call, size_t *at, struct search *s) {
    struct slice word = call->argv[*at];
    bool has_value = *at + 1 < call->argc;
    if (parse_word(word, s)) {
        ++*at;
        return true;
    }
    if (has_value && slice_equal_word(word, "COUNT")) {
        *at += 2;
        return parse_count(call, *at - 1, s);
    }
    bool is_store = s->may_store && slice_equal_word(word, "STORE");
    bool is_store_distance = s->may_store && slice_equal_word(word, "STOREDIST");
    if (has_value && (is_store || is_store_distance)) {
        s->store_at = *at + 1;
        s->stores_distance = is_store_distance;
        *at += 2;
        return true;
    }
    size_t used = 0;
    if (s->form == FORM_SEARCH && !parse_shape(call, *at, s, &used))
        return false;
    *at += used;
    if (used == 0)
        (void)call_syntax_error(call);
    return used > 0;
}

/* What must and what can't go together. */
static bool check_options(struct call *call, const struct search *s) {
    if (s->store_at != 0 && (s->with_distance || s->with_hash || s->with_point)) {
        reply_error_format(call->reply,
                           "ERR %s is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
                           s->is_search_store ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS");
        return false;
    }
    const char *missing = NULL;
    if (s->form == FORM_SEARCH && !s->has_member_centre && !s->has_point_centre)
        missing = "FROMMEMBER or FROMLONLAT";
    else if (s->form == FORM_SEARCH && !s->has_radius && !s->has_box)
        missing = "BYRADIUS and BYBOX";
    if (missing != NULL) {
        reply_error_format(call->reply, "ERR exactly one of %s can be specified for %.*s", missing,
                           (int)call->argv[0].size, (const char *)call->argv[0].data);
        return false;
    }
    if (s->is_any && s->count == 0)
        return refuse(call, "ERR the ANY argument requires COUNT argument");
    return true;
}

/* All words behind the source key. False: the known error was replied. */
static bool parse_search(struct call *call, struct search *s) {
    size_t at = s->is_search_store ? 3 : 2;
    if (s->form == FORM_RADIUS) {
        if (!geo_parse_point(call, 2, &s->area.centre) || !parse_radius(call, 4, s))
            return false;
        at = 6;
    } else if (s->form == FORM_RADIUS_BY_MEMBER) {
        if (s->set != NULL && (!parse_member(call, 2, s) || !parse_radius(call, 3, s)))
            return false;
        at = 5;
    }
    while (at < call->argc)
        if (!parse_option(call, &at, s))
            return false;
    if (s->count != 0 && s->order == ORDER_NONE && !s->is_any)
        s->order = ORDER_NEAREST;
    return check_options(call, s);
}

/* ---- searching ---- */

static bool note(struct found_list *list, const struct found *found) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 16 : 2 * list->capacity;
        struct found *grown =
            allocator_resize(list->allocator, list->items, list->capacity * sizeof(*grown),
                             capacity * sizeof(*grown));
        if (grown == NULL)
            return false;
        list->items = grown;
        list->capacity = capacity;
    }
    list->items[list->count++] = *found;
    return true;
}

static bool is_enough(const struct search *s, const struct found_list *list) {
    return s->is_any && list->count >= (size_t)s->count;
}

/* False without memory. */
static bool search_cell(const struct search *s, struct geo_cell cell, struct found_list *list) {
    struct score_bound bound = {.kind = SCORE_BOUND_SCORE, .score = (double)cell.begin};
    struct found found = {.rank = sorted_set_count_before(s->set, &bound)};
    struct sorted_set_cursor cursor;
    struct scored_member member;
    sorted_set_seek(s->set, found.rank, &cursor);
    for (; sorted_set_next(&cursor, &member) && member.score < (double)cell.end; found.rank++) {
        found.score = member.score;
        found.point = geo_decode(geo_bits_of(member.score));
        if (!geo_area_contains(&s->area, found.point, &found.distance))
            continue;
        if (!note(list, &found))
            return false;
        if (is_enough(s, list))
            break;
    }
    return true;
}

static bool goes_before(const struct search *s, const struct found *a, const struct found *b) {
    return s->order == ORDER_NEAREST ? a->distance <= b->distance : a->distance >= b->distance;
}

/* Merges sorted stretches of `size` pairwise. Equal distances keep their order. */
static void merge(const struct search *s, const struct found *from, struct found *to, size_t count,
                  size_t size) {
    for (size_t begin = 0; begin < count; begin += 2 * size) {
        size_t middle = begin + size < count ? begin + size : count;
        size_t end = middle + size < count ? middle + size : count;
        size_t left = begin, right = middle;
        for (size_t at = begin; at < end; at++) {
            bool takes_left =
                right == end || (left < middle && goes_before(s, &from[left], &from[right]));
            to[at] = takes_left ? from[left++] : from[right++];
        }
    }
}

/* False without memory. */
static bool sort(const struct search *s, struct found_list *list) {
    if (s->order == ORDER_NONE || list->count < 2)
        return true;
    size_t bytes = list->capacity * sizeof(*list->items);
    struct found *other = allocator_allocate(list->allocator, bytes);
    if (other == NULL)
        return false;
    for (size_t size = 1; size < list->count; size *= 2) {
        merge(s, list->items, other, list->count, size);
        struct found *sorted = other;
        other = list->items;
        list->items = sorted;
    }
    allocator_release(list->allocator, other, bytes);
    return true;
}

/* False without memory. */
static bool search(const struct search *s, struct found_list *list) {
    struct geo_cell cells[GEO_CELLS_MAX];
    size_t count = geo_area_cells(&s->area, cells);
    for (size_t i = 0; i < count && !is_enough(s, list); i++)
        if (!search_cell(s, cells[i], list))
            return false;
    return sort(s, list);
}

/* ---- results ---- */

static struct scored_member member_at(const struct search *s, size_t rank,
                                      struct sorted_set_cursor *cursor) {
    struct scored_member member = {.score = 0};
    sorted_set_seek(s->set, rank, cursor);
    (void)sorted_set_next(cursor, &member);
    return member;
}

static void reply_found(struct call *call, const struct search *s, const struct found_list *list,
                        size_t count) {
    size_t parts = (size_t)s->with_distance + s->with_hash + s->with_point;
    struct sorted_set_cursor cursor;
    reply_array(call->reply, count);
    for (size_t i = 0; i < count; i++) {
        const struct found *found = &list->items[i];
        if (parts > 0)
            reply_array(call->reply, parts + 1);
        reply_bulk(call->reply, member_at(s, found->rank, &cursor).member);
        if (s->with_distance)
            geo_reply_distance(call->reply, found->distance / s->unit);
        if (s->with_hash)
            reply_integer(call->reply, (int64_t)found->score);
        if (s->with_point)
            geo_reply_point(call->reply, found->point);
    }
}

static enum larder_status store_found(struct call *call, const struct search *s,
                                      const struct found_list *list, size_t count)
    REQUIRES(PARTITION_LOCK);

static enum larder_status store_found(struct call *call, const struct search *s,
                                      const struct found_list *list, size_t count) {
    const struct object_context *context = call_objects(call);
    struct object *result = sorted_set_create(context, 0, 0);
    struct sorted_set_cursor cursor;
    for (size_t i = 0; result != NULL && i < count; i++) {
        struct scored_member member = member_at(s, list->items[i].rank, &cursor);
        struct sorted_set_outcome outcome;
        if (s->stores_distance)
            member.score = list->items[i].distance / s->unit;
        if (sorted_set_add(&result, context, &member, 1, 0, &outcome) == LARDER_OK)
            continue;
        object_destroy(result, context->allocator);
        result = NULL;
    }
    if (result == NULL)
        return LARDER_NO_MEMORY;
    return sorted_set_store(call, s->store_at, result,
                            s->is_search_store ? "geosearchstore" : "georadiusstore");
}

static enum larder_status show_or_store(struct call *call, const struct search *s)
    REQUIRES(PARTITION_LOCK);

static enum larder_status show_or_store(struct call *call, const struct search *s) {
    struct found_list list = {.allocator = call->keyspace->allocator};
    enum larder_status status = LARDER_OK;
    if (s->set != NULL && !search(s, &list))
        status = LARDER_NO_MEMORY;
    size_t count = list.count;
    if (s->count != 0 && (uint64_t)s->count < count)
        count = (size_t)s->count;
    if (status == LARDER_OK && s->store_at != 0)
        status = store_found(call, s, &list, count);
    else if (status == LARDER_OK)
        reply_found(call, s, &list, count);
    allocator_release(list.allocator, list.items, list.capacity * sizeof(*list.items));
    return status;
}

/* ---- commands ---- */

static enum larder_status run(struct call *call, struct search *s) REQUIRES(PARTITION_LOCK);

static enum larder_status run(struct call *call, struct search *s) {
    struct key key = call_key_at(call, s->is_search_store ? 2 : 1);
    s->store_at = s->is_search_store;
    s->unit = 1;
    if (!call_read_object(call, &key, OBJECT_SORTED_SET, &s->set) || !parse_search(call, s))
        return LARDER_OK;
    return show_or_store(call, s);
}

enum larder_status command_geosearch(struct call *call) {
    struct search s = {.form = FORM_SEARCH};
    return run(call, &s);
}

enum larder_status command_geosearchstore(struct call *call) {
    struct search s = {.form = FORM_SEARCH, .is_search_store = true};
    return run(call, &s);
}

enum larder_status command_georadius(struct call *call) {
    struct search s = {.form = FORM_RADIUS, .may_store = true};
    return run(call, &s);
}

enum larder_status command_georadius_ro(struct call *call) {
    struct search s = {.form = FORM_RADIUS};
    return run(call, &s);
}

enum larder_status command_georadiusbymember(struct call *call) {
    struct search s = {.form = FORM_RADIUS_BY_MEMBER, .may_store = true};
    return run(call, &s);
}

enum larder_status command_georadiusbymember_ro(struct call *call) {
    struct search s = {.form = FORM_RADIUS_BY_MEMBER};
    return run(call, &s);
}
