/* SPDX-License-Identifier: BSD-3-Clause */
/* Doubles as text: the shortest decimal that reads back as the same double, as %g would lay it out,
 * except that integers below 10^17 have no exponent. "inf", "-inf", "nan", "-0". Any thread. */
#ifndef LARDER_BASE_DOUBLE_TEXT_H
#define LARDER_BASE_DOUBLE_TEXT_H

#include <stddef.h>
#include <stdint.h>

enum { DOUBLE_FORMAT_MAX = 40 };

/* Write `value` at `out` (DOUBLE_FORMAT_MAX bytes, no NUL). Returns the length. */
size_t double_format(double value, uint8_t *out);

#endif
