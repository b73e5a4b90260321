/* SPDX-License-Identifier: BSD-3-Clause */
/* What the bit commands share. Private to src/commands. */
#ifndef LARDER_COMMANDS_BITMAP_H
#define LARDER_COMMANDS_BITMAP_H

#include "commands/call.h"

/* Read a bit offset; with `width` not 0 it may be "#n", the n-th field of that width. False when it
 * is none or lies behind the largest string allowed: the error reply was written. */
bool bitmap_offset(struct call *call, struct slice text, unsigned width, uint64_t *out_bit);

#endif
