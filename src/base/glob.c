/* SPDX-License-Identifier: BSD-3-Clause */
/* Every part of a pattern but '*' matches exactly one byte, so after a mismatch it suffices to let
 * the last '*' take one byte more; earlier ones need no second look. */
#include "base/glob.h"

/* How bytes are compared: as they are, or capital letters as small ones. */
static inline uint8_t folded(uint8_t byte, bool any_case) {
    return any_case && byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 'a' - 'A') : byte;
}

/* Whether `byte` is in the class that begins behind '[' at *at; *at becomes the end of the class.
 */
static bool match_class(struct slice pattern, size_t *at, uint8_t byte, bool any_case) {
    const uint8_t *p = pattern.data;
    byte = folded(byte, any_case);
    size_t i = *at, size = pattern.size;
    bool is_negated = i < size && p[i] == '^', is_in = false;
    i += is_negated;
    while (i < size && p[i] != ']') {
        if (p[i] == '\\' && i + 1 < size) {
            is_in |= folded(p[i + 1], any_case) == byte;
            i += 2;
        } else if (i + 2 < size && p[i + 1] == '-') {
            uint8_t first = folded(p[i], any_case), last = folded(p[i + 2], any_case);
            is_in |= first < last ? byte >= first && byte <= last : byte >= last && byte <= first;
            i += 3;
        } else {
            is_in |= folded(p[i], any_case) == byte;
            i++;
        }
    }
    *at = i < size ? i + 1 : size;
    return is_in != is_negated;
}

/* Match one byte with the part of the pattern at *at, which is advanced behind it. */
static bool match_one(struct slice pattern, size_t *at, uint8_t byte, bool any_case) {
    uint8_t c = pattern.data[(*at)++];
    if (c == '?')
        return true;
    if (c == '[')
        return match_class(pattern, at, byte, any_case);
    if (c == '\\' && *at < pattern.size)
        c = pattern.data[(*at)++];
    return folded(c, any_case) == folded(byte, any_case);
}

static bool match(struct slice pattern, struct slice text, bool any_case) {
    size_t at = 0, i = 0, star = SIZE_MAX, star_text = 0;
    if (text.size == 0)
        return pattern.size == 0;
    while (i < text.size) {
        if (at < pattern.size && pattern.data[at] == '*') {
            star = ++at;
            star_text = i;
            if (at == pattern.size)
                return true;
        } else if (at < pattern.size && match_one(pattern, &at, text.data[i], any_case)) {
            i++;
        } else if (star != SIZE_MAX) {
            at = star;
            i = ++star_text;
        } else {
            return false;
        }
    }
    while (at < pattern.size && pattern.data[at] == '*')
        at++;
    return at == pattern.size;
}

bool glob_match(struct slice pattern, struct slice text) {
    return match(pattern, text, false);
}

bool glob_match_any_case(struct slice pattern, struct slice text) {
    return match(pattern, text, true);
}
