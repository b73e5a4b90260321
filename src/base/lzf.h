/* SPDX-License-Identifier: BSD-3-Clause */
/* The LZF format (liblzf), in which strings of DUMP payloads may be compressed. Any thread.
 *
 *   000LLLLL                     L + 1 literal bytes follow
 *   LLLooooo oooooooo            copy L + 2 bytes (L: 1 to 6) from o + 1 bytes back
 *   111ooooo LLLLLLLL oooooooo   copy L + 9 bytes from o + 1 bytes back */
#ifndef LARDER_BASE_LZF_H
#define LARDER_BASE_LZF_H

#include "base/slice.h"

/* Decompress into exactly `size` bytes. False: the input is not what gives them. */
bool lzf_decompress(struct slice input, uint8_t *out, size_t size);

/* Compress into at most `capacity` bytes. Returns how many were written; 0: they don't suffice. */
size_t lzf_compress(struct slice input, uint8_t *out, size_t capacity);

#endif
