/* SPDX-License-Identifier: BSD-3-Clause */
/* Section 2.1 of the Lua 5.1 manual. */
#include "script/lexer.h"

static bool is_letter(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static bool is_digit(uint8_t c) {
    return c >= '0' && c <= '9';
}

/* At '[' with any number of '=' and another '[': pass the long bracket. False: it is none, or has
 * no end (then *at is the end). */
static bool pass_long(struct lexer *l) {
    const uint8_t *p = l->at + 1;
    size_t level = 0;
    while (p < l->end && *p == '=') {
        p++;
        level++;
    }
    if (p == l->end || *p != '[')
        return false;
    for (p++; p < l->end; p++) {
        if (*p != ']')
            continue;
        size_t i = 0;
        while (p + 1 + i < l->end && i < level && p[1 + i] == '=')
            i++;
        if (i == level && p + 1 + i < l->end && p[1 + i] == ']') {
            l->at = p + i + 2;
            return true;
        }
    }
    l->at = l->end;
    return false;
}

static void pass_comment(struct lexer *l) {
    l->at += 2;
    if (l->at < l->end && *l->at == '[' && pass_long(l))
        return;
    while (l->at < l->end && *l->at != '\n')
        l->at++;
}

static void pass_space(struct lexer *l) {
    for (;;) {
        while (l->at < l->end && (*l->at <= ' '))
            l->at++;
        if (l->end - l->at < 2 || l->at[0] != '-' || l->at[1] != '-')
            return;
        pass_comment(l);
    }
}

static struct token quoted(struct lexer *l) {
    uint8_t quote = *l->at++;
    const uint8_t *begin = l->at;
    enum token_type type = TOKEN_STRING;
    while (l->at < l->end && *l->at != quote) {
        if (*l->at == '\\') {
            type = TOKEN_OTHER_STRING;
            l->at++;
            if (l->at == l->end)
                break;
        }
        l->at++;
    }
    if (l->at == l->end)
        return (struct token){TOKEN_BROKEN, slice_of(begin, 0)};
    return (struct token){type, slice_of(begin, (size_t)(l->at++ - begin))};
}

static struct token symbol(struct lexer *l) {
    const uint8_t *begin = l->at++;
    size_t size = 1, left = (size_t)(l->end - begin);
    if (left >= 2 && begin[1] == '=' && strchr("=~<>", *begin) != NULL && *begin != '\0')
        size = 2;
    else if (left >= 2 && *begin == '.' && begin[1] == '.')
        size = left >= 3 && begin[2] == '.' ? 3 : 2;
    l->at = begin + size;
    return (struct token){TOKEN_SYMBOL, slice_of(begin, size)};
}

struct token lexer_next(struct lexer *l) {
    pass_space(l);
    const uint8_t *begin = l->at;
    if (begin == l->end)
        return (struct token){TOKEN_END, slice_of(begin, 0)};
    if (is_letter(*begin)) {
        while (l->at < l->end && (is_letter(*l->at) || is_digit(*l->at)))
            l->at++;
        return (struct token){TOKEN_NAME, slice_of(begin, (size_t)(l->at - begin))};
    }
    if (is_digit(*begin) || (*begin == '.' && l->end - begin > 1 && is_digit(begin[1]))) {
        while (l->at < l->end && (is_letter(*l->at) || is_digit(*l->at) || *l->at == '.'))
            l->at++;
        return (struct token){TOKEN_NUMBER, slice_of(begin, (size_t)(l->at - begin))};
    }
    if (*begin == '"' || *begin == '\'')
        return quoted(l);
    if (*begin == '[' && l->end - begin > 1 && (begin[1] == '[' || begin[1] == '=')) {
        bool is_whole = pass_long(l);
        return (struct token){is_whole ? TOKEN_OTHER_STRING : TOKEN_BROKEN, slice_of(begin, 0)};
    }
    return symbol(l);
}
