/* SPDX-License-Identifier: BSD-3-Clause */
/* What every client test includes: cmocka with what it needs, and a clock. */
#ifndef LARDER_TESTS_CLIENT_TESTING_H
#define LARDER_TESTS_CLIENT_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static inline long long now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif
