/* SPDX-License-Identifier: BSD-3-Clause */
/* SHA-1 (FIPS 180-4): the name of a script, which clients compute too. Not for secrets. Any thread.
 */
#ifndef LARDER_BASE_SHA1_H
#define LARDER_BASE_SHA1_H

#include "base/slice.h"

enum { SHA1_BYTES = 20, SHA1_HEX_BYTES = 40 };

void sha1(struct slice text, uint8_t out[SHA1_BYTES]);
/* The same in lower-case hexadecimal, with a NUL. */
void sha1_hex(struct slice text, char out[SHA1_HEX_BYTES + 1]);

#endif
