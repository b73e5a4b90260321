/* SPDX-License-Identifier: BSD-3-Clause */
/* A line that is put together piece by piece; what does not fit is left out. Always NUL-terminated.
 */
#ifndef LARDER_TESTS_SIM_TEXT_H
#define LARDER_TESTS_SIM_TEXT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

struct sim_text {
    char *at;
    size_t left; /* at least 1 */
};

static inline struct sim_text text_of(char *out, size_t size) {
    out[0] = '\0';
    return (struct sim_text){out, size};
}

__attribute__((format(printf, 2, 3))) static inline void text_add(struct sim_text *text,
                                                                  const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text->at, text->left, format, arguments);
    va_end(arguments);
    if (size < 0 || (size_t)size >= text->left)
        size = (int)text->left - 1;
    text->at += size;
    text->left -= (size_t)size;
}

#endif
