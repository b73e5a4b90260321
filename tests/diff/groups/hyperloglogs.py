# SPDX-License-Identifier: BSD-3-Clause
"""Hyperloglogs: what GET shows must be equal too, since the bytes travel between servers."""
from groups import row

SHARE = 12
ROWS = (
    row(10, "PFADD <key> <value>..."),
    row(3, "PFADD <key> ( 'a' | 'b' | 'c' )..."),
    row(1, "PFADD <key>"),
    row(5, "PFADD <key> <many> <many> <many> <many> <many> <many> <many> <many> <many> <many> <many> <many>"),
    row(5, "PFCOUNT <key>"),
    row(4, "PFCOUNT <key>..."),
    row(4, "PFMERGE <key> <key>..."),
    row(1, "PFMERGE <key>"),
    row(4, "GET <key>"),
    row(3, "PFADD <key> <value> ; PFCOUNT <key> ; GET <key>"),
    row(1, "PFDEBUG ( ENCODING | TODENSE | DECODE | GETREG | 'FOO' ) <key>"),
    row(2, "SET <key> <hyperloglog> ; PFADD <key> <value>... ; PFCOUNT <key> ; PFDEBUG DECODE <key> ; GET <key>"),
    row(1, "SET <key> <hyperloglog> ; PFMERGE <key> <key> <key> ; GET <key>"),
    row(1, "SET <key> <hyperloglog> ; PFDEBUG TODENSE <key> ; GET <key>"),
    row(1, "STRLEN <key>"),
    row(1, "PFSELFTEST 'x'", mutable=False),
    row(1, "CONFIG SET hll-sparse-max-bytes ( '20' | '100' | '3000' | '15000' | '0' )", mutable=False),
    row(1, "DEL <key>"),
)
