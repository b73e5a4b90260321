/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes one chosen allocation of the client fail and counts what is held. */
#ifndef LARDER_TESTS_CLIENT_FAILING_ALLOCATOR_H
#define LARDER_TESTS_CLIENT_FAILING_ALLOCATOR_H

#include <stdbool.h>

/* From now on allocation number `at` (from 0) fails, and only that; -1: none does. */
void failing_allocator_install(int at);
/* Whether the chosen allocation was reached. */
bool failing_allocator_has_failed(void);
/* Blocks held by the client now. */
int failing_allocator_held(void);
void failing_allocator_remove(void);

#endif
