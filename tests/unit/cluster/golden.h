/* SPDX-License-Identifier: BSD-3-Clause */
/* Golden traces: a test writes lines of what happened and compares them with the text it holds. */
#ifndef LARDER_TESTS_UNIT_CLUSTER_GOLDEN_H
#define LARDER_TESTS_UNIT_CLUSTER_GOLDEN_H

// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include <stdio.h>
#include <string.h>

struct golden {
    char text[16384];
    size_t size;
};

__attribute__((format(printf, 2, 3), unused)) static void golden_say(struct golden *g,
                                                                     const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(g->text + g->size, sizeof(g->text) - g->size, format, arguments);
    va_end(arguments);
    assert_true(written >= 0 && (size_t)written < sizeof(g->text) - g->size);
    g->size += (size_t)written;
}

/* Compares and begins anew. */
__attribute__((unused)) static void golden_expect(struct golden *g, const char *expected) {
    if (strcmp(g->text, expected) != 0)
        print_error("expected:\n%s\ngot:\n%s\n", expected, g->text);
    assert_string_equal(g->text, expected);
    g->size = 0;
    g->text[0] = 0;
}

#endif
