/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "ds/geohash.h"

#include <math.h>
#include <string.h>

static const struct geo_point PALERMO = {13.361389, 38.115556}, CATANIA = {15.087269, 37.502669};

static struct geo_point random_point(struct random *random, double latitude_max) {
    double x = (double)random_below(random, 1 << 30) / (1 << 30);
    double y = (double)random_below(random, 1 << 30) / (1 << 30);
    return (struct geo_point){(2 * x - 1) * GEO_LONGITUDE_MAX, (2 * y - 1) * latitude_max};
}

static void known_places_have_known_numbers(void **state) {
    (void)state;
    uint8_t text[GEO_TEXT_BYTES];
    assert_true(geo_encode(PALERMO) == 3479099956230698);
    geo_format(geo_encode(PALERMO), text);
    assert_memory_equal(text, "sqc8b49rny0", GEO_TEXT_BYTES);
    geo_format(geo_encode(CATANIA), text);
    assert_memory_equal(text, "sqdtr74hyu0", GEO_TEXT_BYTES);
    struct geo_point a = geo_decode(geo_encode(PALERMO)), b = geo_decode(geo_encode(CATANIA));
    assert_true(fabs(geo_distance(a, b) - 166274.1516) < 1e-3);
}

static void a_decoded_position_is_within_a_metre(void **state) {
    (void)state;
    struct random random = random_seeded(1);
    for (unsigned i = 0; i < 20000; i++) {
        struct geo_point point = random_point(&random, GEO_LATITUDE_MAX);
        uint64_t bits = geo_encode(point);
        assert_true(bits < (uint64_t)1 << 52);
        assert_true(geo_distance(point, geo_decode(bits)) < 1);
        assert_true(geo_encode(geo_decode(bits)) == bits);
    }
}

static void points_beyond_the_limits_are_not_valid(void **state) {
    (void)state;
    assert_true(geo_is_valid((struct geo_point){180, 85.05112878}));
    assert_true(geo_is_valid((struct geo_point){-180, -85.05112878}));
    assert_false(geo_is_valid((struct geo_point){180.1, 0}));
    assert_false(geo_is_valid((struct geo_point){0, 85.06}));
    assert_false(geo_is_valid((struct geo_point){0, INFINITY}));
}

static bool is_in_cells(const struct geo_cell *cells, size_t count, uint64_t bits) {
    for (size_t i = 0; i < count; i++)
        if (bits >= cells[i].begin && bits < cells[i].end)
            return true;
    return false;
}

/* Away from the poles and the line where days begin, the cells hold all that lies in the area. */
static void the_cells_cover_the_area(void **state) {
    (void)state;
    struct random random = random_seeded(2);
    unsigned inside = 0;
    for (unsigned i = 0; i < 3000; i++) {
        struct geo_area area = {.centre = random_point(&random, 60)};
        area.centre.longitude *= 0.8;
        area.is_box = random_below(&random, 2) == 0;
        area.radius = area.width = pow(10, 1 + (double)random_below(&random, 48) / 10);
        area.height = area.width / (1 + (double)random_below(&random, 3));
        struct geo_cell cells[GEO_CELLS_MAX];
        size_t count = geo_area_cells(&area, cells);
        assert_true(count >= 1 && count <= GEO_CELLS_MAX);
        for (unsigned k = 0; k < 20; k++) {
            double degrees = area.radius / 60000, distance;
            struct geo_point point = random_point(&random, degrees);
            point.longitude = area.centre.longitude + point.longitude / 180 * degrees;
            point.latitude += area.centre.latitude;
            if (!geo_is_valid(point))
                continue;
            uint64_t bits = geo_encode(point);
            if (!geo_area_contains(&area, geo_decode(bits), &distance))
                continue;
            inside++;
            assert_true(is_in_cells(cells, count, bits));
        }
    }
    assert_true(inside > 5000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_places_have_known_numbers),
        cmocka_unit_test(a_decoded_position_is_within_a_metre),
        cmocka_unit_test(points_beyond_the_limits_are_not_valid),
        cmocka_unit_test(the_cells_cover_the_area),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
