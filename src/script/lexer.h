/* SPDX-License-Identifier: BSD-3-Clause */
/* Lua 5.1 as a stream of tokens, for key_scan. Pure; a lexer may be copied to look ahead. */
#ifndef LARDER_SCRIPT_LEXER_H
#define LARDER_SCRIPT_LEXER_H

#include "base/slice.h"

enum token_type {
    TOKEN_END,
    TOKEN_NAME,   /* keywords too */
    TOKEN_STRING, /* without escapes: text is what it says */
    TOKEN_OTHER_STRING,
    TOKEN_NUMBER,
    TOKEN_SYMBOL,
    TOKEN_BROKEN, /* not Lua */
};

struct token {
    enum token_type type;
    struct slice text; /* a symbol of several characters is one token */
};

struct lexer {
    const uint8_t *at, *end;
};

struct token lexer_next(struct lexer *lexer);

static inline bool token_is(struct token token, const char *text) {
    return (token.type == TOKEN_NAME || token.type == TOKEN_SYMBOL) &&
           token.text.size == strlen(text) && memcmp(token.text.data, text, token.text.size) == 0;
}

#endif
