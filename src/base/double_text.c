/* SPDX-License-Identifier: BSD-3-Clause */
/* Most doubles that people send have few decimals. When value * 10^k rounds to an integer of at
 * most 15 digits whose quotient by 10^k is the value again, that quotient is the text: both
 * operands are exact, so the division gives what reading the text gives. All others are printed
 * with 15, 16 and 17 digits until one reads back the same. */
#include "base/double_text.h"

#include "base/slice.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DECIMALS_MAX = 6 };

static const double POWERS[DECIMALS_MAX + 1] = {1, 10, 100, 1e3, 1e4, 1e5, 1e6};

static size_t put_word(const char *word, uint8_t *out) {
    size_t size = strlen(word);
    memcpy(out, word, size);
    return size;
}

/* The integer `scaled` with its last `decimals` digits behind the point. */
static size_t put_fraction(bool is_negative, int64_t scaled, unsigned decimals, uint8_t *out) {
    int64_t unit = (int64_t)POWERS[decimals];
    size_t size = 0;
    if (is_negative)
        out[size++] = '-';
    size += int64_format(scaled / unit, out + size);
    out[size++] = '.';
    int64_t rest = scaled % unit;
    for (unsigned i = decimals; i-- > 0; rest /= 10)
        out[size + i] = (uint8_t)('0' + rest % 10);
    return size + decimals;
}

/* 0 when the value has too many decimals or digits. */
static size_t format_short(double value, uint8_t *out) {
    double magnitude = fabs(value);
    if (magnitude < 1e-4 || magnitude >= 1e8)
        return 0;
    for (unsigned decimals = 1; decimals <= DECIMALS_MAX; decimals++) {
        int64_t scaled = (int64_t)(magnitude * POWERS[decimals] + 0.5);
        if ((double)scaled / POWERS[decimals] == magnitude)
            return put_fraction(value < 0, scaled, decimals, out);
    }
    return 0;
}

size_t double_format(double value, uint8_t *out) {
    if (isnan(value))
        return put_word("nan", out);
    if (isinf(value))
        return put_word(value > 0 ? "inf" : "-inf", out);
    if (fabs(value) < 1e17 && (double)(int64_t)value == value)
        return value == 0 && signbit(value) ? put_word("-0", out)
                                            : int64_format((int64_t)value, out);
    size_t size = format_short(value, out);
    for (int digits = 15; size == 0 && digits <= 17; digits++) {
        char text[DOUBLE_FORMAT_MAX];
        int length = snprintf(text, sizeof(text), "%.*g", digits, value);
        if (digits < 17 && strtod(text, NULL) != value)
            continue;
        size = (size_t)length;
        memcpy(out, text, size);
    }
    return size;
}
