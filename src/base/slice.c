/* SPDX-License-Identifier: BSD-3-Clause */
/* Decimal conversion works on two digits at a time through a table of the pairs 00 to 99, which
 * halves the divisions. Parsing accepts exactly one spelling per number, so that a stored integer
 * and its text are the same value. */
#include "base/slice.h"

#include <strings.h>

bool slice_equal_word(struct slice a, const char *word) {
    size_t length = strlen(word);
    return a.size == length && strncasecmp((const char *)a.data, word, length) == 0;
}

bool slice_to_uint64(struct slice text, uint64_t *out_value) {
    if (text.size == 0 || text.size > INT64_TEXT_MAX)
        return false;
    if (text.data[0] == '0') {
        *out_value = 0;
        return text.size == 1;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint64_t digit = (uint64_t)text.data[i] - '0';
        if (digit > 9)
            return false;
        if (i == INT64_TEXT_MAX - 1 && value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out_value = value;
    return true;
}

bool slice_to_int64(struct slice text, int64_t *out_value) {
    uint64_t magnitude;
    if (text.size == 0)
        return false;
    if (text.data[0] != '-') {
        if (!slice_to_uint64(text, &magnitude) || magnitude > INT64_MAX)
            return false;
        *out_value = (int64_t)magnitude;
        return true;
    }
    struct slice digits = slice_of(text.data + 1, text.size - 1);
    if (!slice_to_uint64(digits, &magnitude) || magnitude == 0 ||
        magnitude > (uint64_t)INT64_MAX + 1)
        return false;
    *out_value = (int64_t)(0 - magnitude);
    return true;
}

static const char DIGIT_PAIRS[201] = "00010203040506070809"
                                     "10111213141516171819"
                                     "20212223242526272829"
                                     "30313233343536373839"
                                     "40414243444546474849"
                                     "50515253545556575859"
                                     "60616263646566676869"
                                     "70717273747576777879"
                                     "80818283848586878889"
                                     "90919293949596979899";

/* log10 from log2: 1233 / 4096 is a little more than log10(2), by which a number of `bits` bits has
 * that many digits or one more. */
static unsigned decimal_digits(uint64_t value) {
    static const uint64_t POWERS[] = {0,
                                      10,
                                      100,
                                      1000,
                                      10000,
                                      100000,
                                      1000000,
                                      10000000,
                                      100000000,
                                      1000000000,
                                      10000000000,
                                      100000000000,
                                      1000000000000,
                                      10000000000000,
                                      100000000000000,
                                      1000000000000000,
                                      10000000000000000,
                                      100000000000000000,
                                      1000000000000000000,
                                      10000000000000000000u};
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1), digits = bits * 1233 >> 12;
    return digits + (value >= POWERS[digits]);
}

size_t uint64_format(uint64_t value, uint8_t *out) {
    unsigned length = decimal_digits(value), at = length;
    while (value >= 100) {
        at -= 2;
        memcpy(out + at, DIGIT_PAIRS + 2 * (value % 100), 2);
        value /= 100;
    }
    if (value >= 10)
        memcpy(out, DIGIT_PAIRS + 2 * value, 2);
    else
        out[0] = (uint8_t)('0' + value);
    return length;
}

size_t int64_format(int64_t value, uint8_t *out) {
    if (value >= 0)
        return uint64_format((uint64_t)value, out);
    out[0] = '-';
    return 1 + uint64_format(0 - (uint64_t)value, out + 1);
}
