/* SPDX-License-Identifier: BSD-3-Clause */
/* What the commands on positions share. Private to src/commands. */
#ifndef LARDER_COMMANDS_GEO_H
#define LARDER_COMMANDS_GEO_H

#include "commands/sorted_set_range.h"
#include "ds/geohash.h"

/* Longitude and latitude at argv[at]. False: the known error was replied. */
bool geo_parse_point(struct call *call, size_t at, struct geo_point *out);
/* Metres in "m", "km", "ft" or "mi". False: the known error was replied. */
bool geo_parse_unit(struct call *call, struct slice word, double *out);
/* The position that a score stands for, any number at all. */
static inline uint64_t geo_bits_of(double score) {
    if (!(score >= 0))
        return 0;
    return score >= 18446744073709551616.0 ? UINT64_MAX : (uint64_t)score;
}
/* The position of a member, false when it is not there. */
bool geo_find(const struct call *call, const struct object *set, struct slice member,
              struct geo_point *out);
void geo_reply_point(struct reply *reply, struct geo_point point);
/* With four decimals. */
void geo_reply_distance(struct reply *reply, double distance);

#endif
