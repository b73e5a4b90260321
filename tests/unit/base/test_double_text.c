/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/double_text.h"
#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void expect(double value, const char *text) {
    uint8_t out[DOUBLE_FORMAT_MAX + 1];
    out[double_format(value, out)] = '\0';
    assert_string_equal((const char *)out, text);
}

static void doubles_have_their_known_texts(void **state) {
    (void)state;
    expect(0, "0");
    expect(-0.0, "-0");
    expect(1, "1");
    expect(-17, "-17");
    expect(INFINITY, "inf");
    expect(-INFINITY, "-inf");
    expect(NAN, "nan");
    expect(0.1, "0.1");
    expect(-2.5, "-2.5");
    expect(3.14159, "3.14159");
    expect(0.001, "0.001");
    expect(0.1 + 0.2, "0.30000000000000004");
    expect(1e16, "10000000000000000");
    expect(1e17, "1e+17");
    expect(1.5e300, "1.5e+300");
    expect(1e-7, "1e-07");
    expect(123456.789, "123456.789");
    expect(1700000000.123, "1700000000.123");
    expect(5e-324, "4.94065645841247e-324");
}

/* The shortest of 15, 16 and 17 digits, unless it is an integer that needs no exponent. */
static void expect_shortest(double value) {
    char text[64], ours[DOUBLE_FORMAT_MAX + 1];
    ours[double_format(value, (uint8_t *)ours)] = '\0';
    assert_true(strtod(ours, NULL) == value);
    if (fabs(value) < 1e17 && value == floor(value))
        return;
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    assert_string_equal(ours, text);
}

static void any_double_reads_back_the_same(void **state) {
    (void)state;
    struct random random = random_seeded(3);
    for (unsigned i = 0; i < 20000; i++) {
        double value;
        uint64_t bits = random_next(&random);
        memcpy(&value, &bits, sizeof(value));
        if (isfinite(value))
            expect_shortest(value);
        double unit = pow(10, (double)random_below(&random, 9));
        expect_shortest(((double)random_below(&random, 2000000000) - 1e9) / unit);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_have_their_known_texts),
        cmocka_unit_test(any_double_reads_back_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
