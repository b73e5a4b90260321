/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients compare results across servers to the last digit, and get them in the order of the cells,
 * so the arithmetic is that of Redis, operation by operation: constants, the step for a radius,
 * when a step is too fine, which cells are left out. */
#include "ds/geohash.h"

#include <math.h>

#define EARTH_RADIUS 6372797.560856
#define MERCATOR_MAX 20037726.37
#define DEGREE       (M_PI / 180.0)

/* ---- cells ---- */

struct cell {
    uint32_t x, y; /* of 2^step columns and rows, from the west and the south */
    unsigned step;
};

struct rectangle {
    struct geo_point min, max;
};

static uint64_t spread(uint32_t value) {
    uint64_t bits = value;
    bits = (bits | bits << 16) & 0x0000ffff0000ffffu;
    bits = (bits | bits << 8) & 0x00ff00ff00ff00ffu;
    bits = (bits | bits << 4) & 0x0f0f0f0f0f0f0f0fu;
    bits = (bits | bits << 2) & 0x3333333333333333u;
    return (bits | bits << 1) & 0x5555555555555555u;
}

static uint32_t gather(uint64_t bits) {
    bits &= 0x5555555555555555u;
    bits = (bits | bits >> 1) & 0x3333333333333333u;
    bits = (bits | bits >> 2) & 0x0f0f0f0f0f0f0f0fu;
    bits = (bits | bits >> 4) & 0x00ff00ff00ff00ffu;
    bits = (bits | bits >> 8) & 0x0000ffff0000ffffu;
    return (uint32_t)(bits | bits >> 16);
}

static uint64_t cell_bits(struct cell cell) {
    return spread(cell.x) << 1 | spread(cell.y);
}

static struct cell cell_of(struct geo_point point, double latitude_max, unsigned step) {
    double scale = (double)((uint64_t)1 << step);
    double x = (point.longitude + GEO_LONGITUDE_MAX) / (2 * GEO_LONGITUDE_MAX);
    double y = (point.latitude + latitude_max) / (2 * latitude_max);
    return (struct cell){(uint32_t)(int64_t)(x * scale), (uint32_t)(int64_t)(y * scale), step};
}

static double along(double min, double size, uint64_t index, unsigned step) {
    return min + (double)index * 1.0 / (double)((uint64_t)1 << step) * size;
}

static struct rectangle cell_rectangle(struct cell cell) {
    const double west = -GEO_LONGITUDE_MAX, south = -GEO_LATITUDE_MAX;
    const double width = 2 * GEO_LONGITUDE_MAX, height = 2 * GEO_LATITUDE_MAX;
    return (struct rectangle){
        {along(west, width, cell.x, cell.step), along(south, height, cell.y, cell.step)},
        {along(west, width, (uint64_t)cell.x + 1, cell.step),
         along(south, height, (uint64_t)cell.y + 1, cell.step)}};
}

static uint32_t moved(uint32_t index, int by, unsigned step) {
    return by == 0 ? index : (index + (uint32_t)by) & (uint32_t)(((uint64_t)1 << step) - 1);
}

/* Around the globe. */
static struct cell cell_moved(struct cell cell, int columns, int rows) {
    return (struct cell){moved(cell.x, columns, cell.step), moved(cell.y, rows, cell.step),
                         cell.step};
}

/* ---- positions ---- */

bool geo_is_valid(struct geo_point point) {
    return fabs(point.longitude) <= GEO_LONGITUDE_MAX && fabs(point.latitude) <= GEO_LATITUDE_MAX;
}

uint64_t geo_encode(struct geo_point point) {
    return cell_bits(cell_of(point, GEO_LATITUDE_MAX, GEO_STEP_MAX));
}

static double clipped(double value, double max) {
    return value > max ? max : value < -max ? -max : value;
}

struct geo_point geo_decode(uint64_t bits) {
    struct cell cell = {gather(bits >> 1), gather(bits), GEO_STEP_MAX};
    struct rectangle r = cell_rectangle(cell);
    return (struct geo_point){clipped((r.min.longitude + r.max.longitude) / 2, GEO_LONGITUDE_MAX),
                              clipped((r.min.latitude + r.max.latitude) / 2, GEO_LATITUDE_MAX)};
}

void geo_format(uint64_t bits, uint8_t out[GEO_TEXT_BYTES]) {
    static const char DIGITS[] = "0123456789bcdefghjkmnpqrstuvwxyz";
    uint64_t whole = cell_bits(cell_of(geo_decode(bits), 90.0, GEO_STEP_MAX));
    for (unsigned i = 0; i < GEO_TEXT_BYTES; i++) {
        unsigned shift = 2 * GEO_STEP_MAX - 5 * (i + 1);
        /* 52 bits are ten digits and two bits, which are left out. */
        out[i] = (uint8_t)(i + 1 == GEO_TEXT_BYTES ? DIGITS[0] : DIGITS[whole >> shift & 31]);
    }
}

static double latitude_distance(double a, double b) {
    return EARTH_RADIUS * fabs(b * DEGREE - a * DEGREE);
}

/* The haversine formula. */
double geo_distance(struct geo_point a, struct geo_point b) {
    double v = sin((b.longitude * DEGREE - a.longitude * DEGREE) / 2);
    if (v == 0)
        return latitude_distance(a.latitude, b.latitude);
    double first = a.latitude * DEGREE, second = b.latitude * DEGREE;
    double u = sin((second - first) / 2);
    return 2.0 * EARTH_RADIUS * asin(sqrt(u * u + cos(first) * cos(second) * v * v));
}

/* ---- areas ---- */

static struct rectangle area_bounds(const struct geo_area *area) {
    double height = area->is_box ? area->height / 2 : area->radius;
    double width = area->is_box ? area->width / 2 : area->radius;
    double rows = height / EARTH_RADIUS / DEGREE;
    /* The side nearer to the pole spans more degrees. */
    double latitude = area->centre.latitude;
    double wide = latitude < 0 ? latitude - rows : latitude + rows;
    double columns = width / EARTH_RADIUS / cos(wide * DEGREE) / DEGREE;
    return (struct rectangle){{area->centre.longitude - columns, latitude - rows},
                              {area->centre.longitude + columns, latitude + rows}};
}

/* The finest step at which nine cells cover a circle, by a rule of thumb. */
static unsigned step_for(double radius, double latitude) {
    if (radius == 0)
        return GEO_STEP_MAX;
    int step = 1;
    for (; radius < MERCATOR_MAX; radius *= 2)
        step++;
    step -= 2;
    if (fabs(latitude) > 66)
        step -= fabs(latitude) > 80 ? 2 : 1;
    return (unsigned)(step < 1 ? 1 : step > GEO_STEP_MAX ? GEO_STEP_MAX : step);
}

/* Whether the nine cells end inside of the bounds. */
static bool is_too_fine(struct cell centre, const struct rectangle *bounds) {
    return cell_rectangle(cell_moved(centre, 0, 1)).max.latitude < bounds->max.latitude ||
           cell_rectangle(cell_moved(centre, 0, -1)).min.latitude > bounds->min.latitude ||
           cell_rectangle(cell_moved(centre, 1, 0)).max.longitude < bounds->max.longitude ||
           cell_rectangle(cell_moved(centre, -1, 0)).min.longitude > bounds->min.longitude;
}

/* Whether the cell that lies so from the centre's is beyond the bounds. */
static bool is_out_of_reach(const struct rectangle *centre, const struct rectangle *bounds,
                            int columns, int rows) {
    return (rows < 0 && centre->min.latitude < bounds->min.latitude) ||
           (rows > 0 && centre->max.latitude > bounds->max.latitude) ||
           (columns < 0 && centre->min.longitude < bounds->min.longitude) ||
           (columns > 0 && centre->max.longitude > bounds->max.longitude);
}

size_t geo_area_cells(const struct geo_area *area, struct geo_cell out[GEO_CELLS_MAX]) {
    static const struct {
        int columns, rows;
    } MOVES[GEO_CELLS_MAX] = {{0, 0}, {0, 1},  {0, -1}, {1, 0},  {-1, 0},
                              {1, 1}, {-1, 1}, {1, -1}, {-1, -1}};
    struct rectangle bounds = area_bounds(area);
    double reach = area->radius;
    if (area->is_box)
        reach = sqrt(area->width / 2 * (area->width / 2) + area->height / 2 * (area->height / 2));
    unsigned step = step_for(reach, area->centre.latitude);
    struct cell centre = cell_of(area->centre, GEO_LATITUDE_MAX, step);
    if (step > 1 && is_too_fine(centre, &bounds))
        centre = cell_of(area->centre, GEO_LATITUDE_MAX, --step);
    struct rectangle rectangle = cell_rectangle(centre);
    unsigned shift = 2 * (GEO_STEP_MAX - step);
    size_t count = 0, last = 0;
    uint64_t last_bits = 0;
    for (size_t i = 0; i < GEO_CELLS_MAX; i++) {
        if (step >= 2 && is_out_of_reach(&rectangle, &bounds, MOVES[i].columns, MOVES[i].rows))
            continue;
        uint64_t bits = cell_bits(cell_moved(centre, MOVES[i].columns, MOVES[i].rows));
        /* Of few large cells neighbours may be the same. */
        if (last > 0 && bits == last_bits)
            continue;
        out[count++] = (struct geo_cell){bits << shift, (bits + 1) << shift};
        last = i;
        last_bits = bits;
    }
    return count;
}

bool geo_area_contains(const struct geo_area *area, struct geo_point point, double *out_distance) {
    if (!area->is_box) {
        *out_distance = geo_distance(area->centre, point);
        return !(*out_distance > area->radius);
    }
    struct geo_point beside = {area->centre.longitude, point.latitude};
    if (latitude_distance(point.latitude, area->centre.latitude) > area->height / 2 ||
        geo_distance(point, beside) > area->width / 2)
        return false;
    *out_distance = geo_distance(area->centre, point);
    return true;
}
