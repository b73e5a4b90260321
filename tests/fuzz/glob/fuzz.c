/* SPDX-License-Identifier: BSD-3-Clause */
/* Patterns and texts of any bytes: the matcher, which never goes back further than the last star,
 * says the same as one that tries every way. Input: length of the pattern, pattern, text. */
#include "base/glob.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIDE_MAX = 64 };

/* known[i][j]: whether pattern[i..] matches text[j..]; 0 not known yet, 1 no, 2 yes. */
struct trial {
    const uint8_t *pattern, *text;
    size_t pattern_size, text_size;
    uint8_t known[SIDE_MAX + 1][SIDE_MAX + 1];
};

/* One element of a pattern other than a star: its end, and whether it takes the byte. */
static size_t element(const struct trial *t, size_t i, uint8_t byte, bool *out_takes) {
    uint8_t c = t->pattern[i];
    if (c == '\\' && i + 1 < t->pattern_size) {
        *out_takes = t->pattern[i + 1] == byte;
        return i + 2;
    }
    if (c != '[') {
        *out_takes = c == '?' || c == byte;
        return i + 1;
    }
    bool members[256] = {false};
    bool is_negated = ++i < t->pattern_size && t->pattern[i] == '^';
    for (i += is_negated; i < t->pattern_size && t->pattern[i] != ']';) {
        size_t left = t->pattern_size - i;
        if (t->pattern[i] == '\\' && left >= 2) {
            members[t->pattern[i + 1]] = true;
            i += 2;
        } else if (left >= 3 && t->pattern[i + 1] == '-') {
            for (unsigned b = 0; b < 256; b++) {
                bool is_above = b >= t->pattern[i], is_below = b <= t->pattern[i + 2];
                bool is_low = b <= t->pattern[i], is_high = b >= t->pattern[i + 2];
                members[b] |= (is_above && is_below) || (is_low && is_high);
            }
            i += 3;
        } else {
            members[t->pattern[i++]] = true;
        }
    }
    *out_takes = members[byte] != is_negated;
    return i < t->pattern_size ? i + 1 : i;
}

static bool matches(struct trial *t, size_t i, size_t j) {
    if (t->known[i][j] != 0)
        return t->known[i][j] == 2;
    bool result;
    if (i == t->pattern_size) {
        result = j == t->text_size;
    } else if (t->pattern[i] == '*') {
        result = matches(t, i + 1, j) || (j < t->text_size && matches(t, i, j + 1));
    } else if (j == t->text_size) {
        result = false;
    } else {
        bool takes;
        size_t next = element(t, i, t->text[j], &takes);
        result = takes && matches(t, next, j + 1);
    }
    t->known[i][j] = result ? 2 : 1;
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    size_t pattern_size = data[0] < size ? data[0] : size - 1;
    size_t text_size = size - 1 - pattern_size;
    if (pattern_size > SIDE_MAX || text_size > SIDE_MAX)
        return 0;
    struct trial trial = {.pattern = data + 1,
                          .text = data + 1 + pattern_size,
                          .pattern_size = pattern_size,
                          .text_size = text_size};
    /* The empty text matches the empty pattern only: so clients know it. */
    bool expected = text_size == 0 ? pattern_size == 0 : matches(&trial, 0, 0);
    if (glob_match(slice_of(trial.pattern, pattern_size), slice_of(trial.text, text_size)) !=
        expected)
        abort();
    if (glob_is_all(slice_of(trial.pattern, pattern_size)) && text_size > 0 && !expected)
        abort();
    return 0;
}
