# SPDX-License-Identifier: BSD-3-Clause
"""Bitmap commands."""
from groups import row

SHARE = 15
FIELD_WRITES = ("GET <field_type> <field_offset> | SET <field_type> <field_offset> <field_int> | "
                "INCRBY <field_type> <field_offset> <int> | OVERFLOW ( WRAP | SAT | FAIL | 'BAD' )")
ROWS = (
    row(6, "SETBIT <key> <bit_offset> <bit>"),
    row(4, "GETBIT <key> <bit_offset>"),
    row(4, "BITCOUNT <key> [ <index> <index> [ ( BYTE | BIT | 'FOO' ) ] ]"),
    row(1, "BITCOUNT <key> <index> <index> <junk>"),
    row(4, "BITPOS <key> <bit> [ <index> [ <index> [ ( BYTE | BIT | 'FOO' ) ] ] ]"),
    row(3, "BITOP ( AND | OR | XOR ) <key> <key>..."),
    row(2, "BITOP NOT <key> <key>..."),
    row(1, "BITOP <junk> <key> <key>..."),
    row(6, "BITFIELD <key> ( " + FIELD_WRITES + " )..."),
    row(2, "BITFIELD <key>"),
    row(2, "BITFIELD <key> OVERFLOW ( SAT | FAIL | WRAP ) ( INCRBY ( 'i8' | 'u8' | 'i64' | 'u63' ) "
           "<field_offset> <int> )... GET u8 '0'"),
    row(3, "BITFIELD_RO <key> ( GET <field_type> <field_offset> )..."),
    row(1, "BITFIELD_RO <key> ( " + FIELD_WRITES + " )..."),
    row(1, "SET <key> '\xff\xf0\x00' ; BITPOS <key> '0' ; BITPOS <key> '1' <index> ; BITCOUNT <key>"),
    row(2, "SETBIT <key> '7' '1' ; STRLEN <key> ; GET <key> ; BITCOUNT <key> '0' '-1' BIT"),
)
