/* SPDX-License-Identifier: BSD-3-Clause */
/* Positions are scores of a sorted set; these are GEOADD and what reads single ones. */
#include "commands/geo.h"

#include "commands/functions.h"
#include "commands/sorted_set_add.h"

#include <stdio.h>

enum { COORDINATE_TEXT_MAX = 64, DISTANCE_TEXT_MAX = 352 };

bool geo_parse_point(struct call *call, size_t at, struct geo_point *out) {
    if (!call_double(call, call->argv[at], &out->longitude) ||
        !call_double(call, call->argv[at + 1], &out->latitude))
        return false;
    if (geo_is_valid(*out))
        return true;
    reply_error_format(call->reply, "ERR invalid longitude,latitude pair %f,%f", out->longitude,
                       out->latitude);
    return false;
}

bool geo_parse_unit(struct call *call, struct slice word, double *out) {
    static const struct {
        const char *word;
        double metres;
    } UNITS[] = {{"m", 1}, {"km", 1000}, {"ft", 0.3048}, {"mi", 1609.34}};
    for (size_t i = 0; i < sizeof(UNITS) / sizeof(*UNITS); i++) {
        if (slice_equal_word(word, UNITS[i].word)) {
            *out = UNITS[i].metres;
            return true;
        }
    }
    reply_error(call->reply, "ERR unsupported unit provided. please use M, KM, FT, MI");
    return false;
}

bool geo_find(const struct call *call, const struct object *set, struct slice member,
              struct geo_point *out) {
    double score;
    if (set == NULL || !sorted_set_score(set, call_objects(call), member, &score))
        return false;
    *out = geo_decode(geo_bits_of(score));
    return true;
}

/* With 17 decimals, of which the zeros at the end are left out. */
static void reply_coordinate(struct reply *reply, double value) {
    char text[COORDINATE_TEXT_MAX];
    size_t size = (size_t)snprintf(text, sizeof(text), "%.17Lf", (long double)value);
    while (text[size - 1] == '0')
        size--;
    if (text[size - 1] == '.')
        size--;
    if (size == 2 && memcmp(text, "-0", 2) == 0)
        size = (size_t)snprintf(text, sizeof(text), "0");
    if (reply->protocol != 3) {
        reply_bulk(reply, slice_of(text, size));
        return;
    }
    reply_raw(reply, SLICE_LITERAL(","));
    reply_raw(reply, slice_of(text, size));
    reply_raw(reply, SLICE_LITERAL("\r\n"));
}

void geo_reply_point(struct reply *reply, struct geo_point point) {
    reply_array(reply, 2);
    reply_coordinate(reply, point.longitude);
    reply_coordinate(reply, point.latitude);
}

void geo_reply_distance(struct reply *reply, double distance) {
    char text[DISTANCE_TEXT_MAX];
    reply_bulk(reply, slice_of(text, (size_t)snprintf(text, sizeof(text), "%.4f", distance)));
}

/* ---- GEOADD ---- */

static bool parse_positions(struct call *call, size_t at, size_t count, struct scored_member *out) {
    for (size_t i = 0; i < count; i++, at += 3) {
        struct geo_point point;
        if (!geo_parse_point(call, at, &point))
            return false;
        out[i] = (struct scored_member){call->argv[at + 2], (double)geo_encode(point)};
    }
    return true;
}

enum larder_status command_geoadd(struct call *call) {
    uint32_t rules;
    bool counts_changes;
    size_t at = sorted_set_parse_rules(call, SORTED_SET_NEW_ONLY | SORTED_SET_OLD_ONLY, &rules,
                                       &counts_changes);
    size_t count = (call->argc - at) / 3;
    const uint32_t either = SORTED_SET_NEW_ONLY | SORTED_SET_OLD_ONLY;
    if ((call->argc - at) % 3 != 0 || count == 0 || (rules & either) == either)
        return call_syntax_error(call);
    const struct allocator *allocator = call->keyspace->allocator;
    struct scored_member *members = allocator_allocate(allocator, count * sizeof(*members));
    if (members == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status = LARDER_OK;
    if (parse_positions(call, at, count, members)) {
        status = sorted_set_add_members(call, members, count, rules, counts_changes);
        if (call->changed)
            call_effect_verbatim(call);
    }
    allocator_release(allocator, members, count * sizeof(*members));
    return status;
}

/* ---- reading ---- */

static bool read_set(struct call *call, const struct object **out) REQUIRES(PARTITION_LOCK);

static bool read_set(struct call *call, const struct object **out) {
    struct key key = call_key_at(call, 1);
    return call_read_object(call, &key, OBJECT_SORTED_SET, out);
}

enum larder_status command_geopos(struct call *call) {
    const struct object *set;
    if (!read_set(call, &set))
        return LARDER_OK;
    reply_array(call->reply, call->argc - 2);
    for (size_t i = 2; i < call->argc; i++) {
        struct geo_point point;
        if (geo_find(call, set, call->argv[i], &point))
            geo_reply_point(call->reply, point);
        else
            reply_null_array(call->reply);
    }
    return LARDER_OK;
}

enum larder_status command_geohash(struct call *call) {
    const struct object *set;
    if (!read_set(call, &set))
        return LARDER_OK;
    reply_array(call->reply, call->argc - 2);
    for (size_t i = 2; i < call->argc; i++) {
        double score;
        uint8_t text[GEO_TEXT_BYTES];
        if (set == NULL || !sorted_set_score(set, call_objects(call), call->argv[i], &score)) {
            reply_null(call->reply);
            continue;
        }
        geo_format(geo_bits_of(score), text);
        reply_bulk(call->reply, slice_of(text, sizeof(text)));
    }
    return LARDER_OK;
}

enum larder_status command_geodist(struct call *call) {
    double unit = 1;
    if (call->argc > 5)
        return call_syntax_error(call);
    if (call->argc == 5 && !geo_parse_unit(call, call->argv[4], &unit))
        return LARDER_OK;
    const struct object *set;
    struct geo_point first, second;
    if (!read_set(call, &set))
        return LARDER_OK;
    if (geo_find(call, set, call->argv[2], &first) && geo_find(call, set, call->argv[3], &second))
        geo_reply_distance(call->reply, geo_distance(first, second) / unit);
    else
        reply_null(call->reply);
    return LARDER_OK;
}
