/* SPDX-License-Identifier: BSD-3-Clause */
/* CRC16 eight bytes at a time: the contribution of each byte of a block is looked up
 * independently, so the loads overlap instead of waiting for each other. */
#include "base/hash.h"

#include "crc16_table.h"

uint16_t crc16(struct slice bytes) {
    const uint8_t *at = bytes.data;
    size_t left = bytes.size;
    unsigned crc = 0;
    while (left >= 8) {
        crc = (unsigned)CRC16_TABLE[7][at[0] ^ crc >> 8] ^
              (unsigned)CRC16_TABLE[6][at[1] ^ (crc & 0xff)] ^ (unsigned)CRC16_TABLE[5][at[2]] ^
              (unsigned)CRC16_TABLE[4][at[3]] ^ (unsigned)CRC16_TABLE[3][at[4]] ^
              (unsigned)CRC16_TABLE[2][at[5]] ^ (unsigned)CRC16_TABLE[1][at[6]] ^
              (unsigned)CRC16_TABLE[0][at[7]];
        at += 8;
        left -= 8;
    }
    while (left > 0) {
        crc = ((crc << 8) ^ CRC16_TABLE[0][(crc >> 8 ^ *at) & 0xff]) & 0xffff;
        at++;
        left--;
    }
    return (uint16_t)crc;
}
