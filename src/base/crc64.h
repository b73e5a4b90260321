/* SPDX-License-Identifier: BSD-3-Clause */
/* CRC-64 with the Jones polynomial (0xad93d23594c935a9, reflected, initial value 0): the checksum
 * of DUMP payloads. Any thread. */
#ifndef LARDER_BASE_CRC64_H
#define LARDER_BASE_CRC64_H

#include "base/slice.h"

/* `crc`: 0, or the result for the bytes before these. */
uint64_t crc64(uint64_t crc, struct slice bytes);

#endif
