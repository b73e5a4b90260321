/* SPDX-License-Identifier: BSD-3-Clause */
/* CRC-32C (Castagnoli polynomial 0x1EDC6F41, reflected, initial and final value all ones; RFC 3720
 * appendix B.4): the checksum of records on disk and of frames between members. Any thread. */
#ifndef LARDER_BASE_CRC32C_H
#define LARDER_BASE_CRC32C_H

#include "base/slice.h"

/* Continue a checksum with further bytes; the checksum of no bytes is 0, so
 * crc32c_extend(crc32c_extend(0, a), b) is the checksum of a followed by b. */
uint32_t crc32c_extend(uint32_t crc, struct slice bytes);

static inline uint32_t crc32c(struct slice bytes) {
    return crc32c_extend(0, bytes);
}

#endif
