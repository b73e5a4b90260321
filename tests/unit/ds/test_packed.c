/* SPDX-License-Identifier: BSD-3-Clause */
/* Packed elements: what is written reads back, in both directions, and is found again. */
#include "base/random.h"
#include "ds/packed.h"
#include "support/test_seed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { LONGEST = 70000, ELEMENTS = 300 };

static void require_text(const uint8_t *at, struct slice expected) {
    uint8_t scratch[INT64_TEXT_MAX];
    struct slice text = packed_get_text(at, scratch);
    assert_int_equal(text.size, expected.size);
    assert_true(text.size == 0 || memcmp(text.data, expected.data, text.size) == 0);
}

static void require_round_trip(struct slice text) {
    uint8_t *bytes = malloc(text.size + 32);
    assert_non_null(bytes);
    size_t size = packed_size(text);
    assert_ptr_equal(packed_put(bytes, text), bytes + size);
    require_text(bytes, text);
    assert_ptr_equal(packed_next(bytes), bytes + size);
    assert_ptr_equal(packed_previous(bytes + size), bytes);
    assert_true(packed_equal(bytes, text));
    free(bytes);
}

static void integers_of_every_width_read_back(void **state) {
    (void)state;
    uint8_t text[INT64_TEXT_MAX];
    for (unsigned bit = 0; bit < 64; bit++) {
        for (int64_t delta = -1; delta <= 1; delta++) {
            int64_t value = (int64_t)(((uint64_t)1 << bit) + (uint64_t)delta);
            require_round_trip(slice_of(text, int64_format(value, text)));
            value = (int64_t)(0 - (uint64_t)value);
            require_round_trip(slice_of(text, int64_format(value, text)));
        }
    }
}

static void strings_at_every_change_of_head_read_back(void **state) {
    (void)state;
    static const size_t SIZES[] = {0,   1,    62,   63,   64,    65,    126,    127,
                                   128, 8190, 8191, 8192, 16383, 16384, LONGEST};
    uint8_t *bytes = malloc(LONGEST);
    memset(bytes, 'x', LONGEST);
    for (size_t i = 0; i < sizeof(SIZES) / sizeof(*SIZES); i++)
        require_round_trip(slice_of(bytes, SIZES[i]));
    free(bytes);
}

static void texts_that_only_look_like_integers_stay_as_they_are(void **state) {
    (void)state;
    static const char *const TEXTS[] = {"-0",
                                        "00",
                                        "+1",
                                        " 1",
                                        "1 ",
                                        "01",
                                        "-",
                                        "9223372036854775808",
                                        "-9223372036854775809",
                                        "1e3",
                                        "12345678901234567890"};
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(*TEXTS); i++) {
        uint8_t bytes[64];
        struct packed_element element;
        packed_put(bytes, slice_of_string(TEXTS[i]));
        (void)packed_get(bytes, &element);
        assert_false(element.is_integer);
        require_round_trip(slice_of_string(TEXTS[i]));
    }
}

/* A random element: often short, sometimes an integer, equal ones on purpose. */
static struct slice draw(struct random *random, uint8_t *out) {
    if (random_below(random, 3) == 0)
        return slice_of(
            out, int64_format((int64_t)random_next(random) >> random_below(random, 64), out));
    size_t size = random_below(random, random_below(random, 20) == 0 ? 9000 : 12);
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)('a' + random_below(random, 3));
    return slice_of(out, size);
}

static void a_row_of_elements_is_walked_and_searched(void **state) {
    (void)state;
    uint64_t seed = test_seed("packed elements");
    struct random random = random_seeded(seed);
    uint8_t *row = malloc(ELEMENTS * 9100), *text = malloc(9100);
    const uint8_t *starts[ELEMENTS + 1];
    for (unsigned round = 0; round < 20; round++) {
        struct slice texts[ELEMENTS];
        uint8_t *at = row;
        for (unsigned i = 0; i < ELEMENTS; i++) {
            struct slice drawn = draw(&random, text);
            uint8_t *copy = malloc(drawn.size + 1);
            if (drawn.size > 0)
                memcpy(copy, drawn.data, drawn.size);
            texts[i] = slice_of(copy, drawn.size);
            starts[i] = at;
            at = packed_put(at, drawn);
        }
        starts[ELEMENTS] = at;
        for (unsigned i = 0; i < ELEMENTS; i++) {
            require_text(starts[i], texts[i]);
            assert_ptr_equal(packed_next(starts[i]), starts[i + 1]);
            assert_ptr_equal(packed_previous(starts[i + 1]), starts[i]);
            unsigned first = 0, first_even = 0;
            while (!slice_equal(texts[first], texts[i]))
                first++;
            while (first_even < ELEMENTS && !slice_equal(texts[first_even], texts[i]))
                first_even += 2;
            assert_ptr_equal(packed_find(row, at, texts[i], 1), starts[first]);
            assert_ptr_equal(packed_find(row, at, texts[i], 2),
                             first_even < ELEMENTS ? starts[first_even] : NULL);
        }
        assert_null(packed_find(row, at, SLICE_LITERAL("not there"), 1));
        for (unsigned i = 0; i < ELEMENTS; i++)
            free((void *)(uintptr_t)texts[i].data);
    }
    free(row);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_of_every_width_read_back),
        cmocka_unit_test(strings_at_every_change_of_head_read_back),
        cmocka_unit_test(texts_that_only_look_like_integers_stay_as_they_are),
        cmocka_unit_test(a_row_of_elements_is_walked_and_searched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
