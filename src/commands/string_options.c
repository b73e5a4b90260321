/* SPDX-License-Identifier: BSD-3-Clause */
/* Each word says which words before it exclude it. A lifetime may be given twice in the same unit;
 * the last one counts. */
#include "commands/string_options.h"

#include "commands/string_value.h"

struct option_word {
    const char *word;
    unsigned flag;
    unsigned excluded_by;
    bool takes_value;
};

#define OTHER_LIFETIMES(own) ((STRING_LIFETIMES & ~(own)) | STRING_KEEPTTL | STRING_PERSIST)

static const struct option_word WORDS[] = {
    {"EX", STRING_EX, OTHER_LIFETIMES(STRING_EX), true},
    {"PX", STRING_PX, OTHER_LIFETIMES(STRING_PX), true},
    {"NX", STRING_NX, STRING_XX | STRING_IFEQ, false},
    {"XX", STRING_XX, STRING_NX | STRING_IFEQ, false},
    {"GET", STRING_GET, 0, false},
    {"PXAT", STRING_PXAT, OTHER_LIFETIMES(STRING_PXAT), true},
    {"EXAT", STRING_EXAT, OTHER_LIFETIMES(STRING_EXAT), true},
    {"KEEPTTL", STRING_KEEPTTL, STRING_LIFETIMES | STRING_PERSIST, false},
    {"PERSIST", STRING_PERSIST, STRING_LIFETIMES | STRING_KEEPTTL, false},
    {"IFEQ", STRING_IFEQ, STRING_NX | STRING_XX | STRING_IFEQ, true},
};

static const struct option_word *find_word(struct slice text) {
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(*WORDS); i++)
        if (slice_equal_word(text, WORDS[i].word))
            return &WORDS[i];
    return NULL;
}

bool string_options_parse(const struct call *call, size_t first, unsigned allowed,
                          struct string_options *out) {
    *out = (struct string_options){0};
    for (size_t i = first; i < call->argc; i++) {
        const struct option_word *word = find_word(call->argv[i]);
        if (word == NULL || (word->flag & allowed) == 0 || (out->flags & word->excluded_by) != 0)
            return false;
        out->flags |= word->flag;
        if (!word->takes_value)
            continue;
        if (++i == call->argc)
            return false;
        if (word->flag == STRING_IFEQ)
            out->comparison = call->argv[i];
        else
            out->lifetime = call->argv[i];
    }
    return true;
}

bool string_options_expiry(struct call *call, const struct string_options *options,
                           int64_t *out_expiry_ms) {
    *out_expiry_ms = 0;
    if ((options->flags & STRING_LIFETIMES) == 0)
        return true;
    unsigned time = 0;
    if ((options->flags & (STRING_EX | STRING_EXAT)) != 0)
        time |= TIME_IN_SECONDS;
    if ((options->flags & (STRING_EX | STRING_PX)) != 0)
        time |= TIME_IS_RELATIVE;
    return string_lifetime(call, options->lifetime, time, out_expiry_ms);
}

bool string_lifetime(struct call *call, struct slice text, unsigned time_argument,
                     int64_t *out_expiry_ms) {
    int64_t time;
    if (!call_integer(call, text, &time))
        return false;
    int64_t unit = (time_argument & TIME_IN_SECONDS) != 0 ? 1000 : 1;
    int64_t origin_ms = (time_argument & TIME_IS_RELATIVE) != 0 ? call->thread->now_ms : 0;
    if (time <= 0 || time > INT64_MAX / unit || time * unit > INT64_MAX - origin_ms) {
        reply_error_format(call->reply, "ERR invalid expire time in '%s' command",
                           call->spec->name);
        return false;
    }
    *out_expiry_ms = origin_ms + time * unit;
    return true;
}
