/* SPDX-License-Identifier: BSD-3-Clause */
/* Positions on the globe as numbers whose neighbours are near: longitude and latitude are each
 * halved again and again, and the bits of both halvings are interleaved, longitude's above
 * latitude's.
 *
 *   cell       `bits` of 2 * step bits: a rectangle, 2^step of them around the globe
 *   position   a cell of 26 steps, 52 bits, which a double holds exactly: the score in a sorted set
 *
 * A search picks the step whose cells are about as large as the area, takes the cell of its centre
 * and the eight around it, and looks at every position in these; see geo_area_cells. Latitudes end
 * where the Mercator projection does. Distances are those on a sphere. Pure functions. */
#ifndef LARDER_DS_GEOHASH_H
#define LARDER_DS_GEOHASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GEO_LONGITUDE_MAX 180.0
#define GEO_LATITUDE_MAX  85.05112878

enum { GEO_STEP_MAX = 26, GEO_TEXT_BYTES = 11, GEO_CELLS_MAX = 9 };

struct geo_point {
    double longitude, latitude; /* degrees */
};

bool geo_is_valid(struct geo_point point);
/* The position's 52 bits. The point is valid. */
uint64_t geo_encode(struct geo_point point);
/* The middle of the position's cell. */
struct geo_point geo_decode(uint64_t bits);
/* The text that is called geohash elsewhere, of 11 characters, without a NUL. */
void geo_format(uint64_t bits, uint8_t out[GEO_TEXT_BYTES]);
/* Metres. */
double geo_distance(struct geo_point a, struct geo_point b);

/* ---- areas ---- */

struct geo_area {
    struct geo_point centre;
    bool is_box;
    double radius;        /* metres */
    double width, height; /* of a box, metres */
};

/* Positions from `begin` to before `end`. */
struct geo_cell {
    uint64_t begin, end;
};

/* The cells that cover the area: that of the centre, then north, south, east, west, north-east,
 * north-west, south-east, south-west, without those that it can't reach. Returns how many. */
size_t geo_area_cells(const struct geo_area *area, struct geo_cell out[GEO_CELLS_MAX]);
/* Whether the point lies in the area, and its distance from the centre in metres. */
bool geo_area_contains(const struct geo_area *area, struct geo_point point, double *out_distance);

#endif
