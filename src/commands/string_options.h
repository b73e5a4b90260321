/* SPDX-License-Identifier: BSD-3-Clause */
/* The option words of SET and GETEX. Private to src/commands. */
#ifndef LARDER_COMMANDS_STRING_OPTIONS_H
#define LARDER_COMMANDS_STRING_OPTIONS_H

#include "commands/call.h"

enum string_option {
    STRING_NX = 1 << 0,
    STRING_XX = 1 << 1,
    STRING_IFEQ = 1 << 2,
    STRING_GET = 1 << 3,
    STRING_KEEPTTL = 1 << 4,
    STRING_PERSIST = 1 << 5,
    STRING_EX = 1 << 6,
    STRING_PX = 1 << 7,
    STRING_EXAT = 1 << 8,
    STRING_PXAT = 1 << 9,
    STRING_LIFETIMES = STRING_EX | STRING_PX | STRING_EXAT | STRING_PXAT,
    STRING_SET_OPTIONS =
        STRING_NX | STRING_XX | STRING_IFEQ | STRING_GET | STRING_KEEPTTL | STRING_LIFETIMES,
    STRING_GETEX_OPTIONS = STRING_PERSIST | STRING_LIFETIMES,
};

struct string_options {
    unsigned flags;          /* enum string_option */
    struct slice lifetime;   /* the word behind EX, PX, EXAT or PXAT */
    struct slice comparison; /* the word behind IFEQ */
};

/* Read the words from argv[first] on, of which those in `allowed` are known. False when they are
 * not such options or exclude each other; no reply is written. */
bool string_options_parse(const struct call *call, size_t first, unsigned allowed,
                          struct string_options *out);

/* The time at which the lifetime given ends, 0 when none was given. False when it is no time: the
 * error reply was written. */
bool string_options_expiry(struct call *call, const struct string_options *options,
                           int64_t *out_expiry_ms);

#endif
