# SPDX-License-Identifier: BSD-3-Clause
"""String commands."""
from groups import row

SHARE = 40
ROWS = (
    row(10, "SET <key> <value>"),
    row(12, "SET <key> <value> { NX | XX | GET | KEEPTTL | EX <seconds> | PX <ms> | EXAT <unix> | "
            "PXAT <unix_ms> }"),
    row(2, "SET <key> <value> ( EX | PX | EXAT | PXAT | 'FOO' | NX XX | GET GET | EX <seconds> PX <ms> | "
           "KEEPTTL EX <seconds> )"),
    row(1, "SET <key> <value> PX ( '1' | '2' | '3' ) ; @pause 6 ; GET <key> ; TTL <key> ; EXISTS <key>",
        mutable=False),
    row(8, "GET <key>"),
    row(4, "GETEX <key> { EX <seconds> | PX <ms> | EXAT <unix> | PXAT <unix_ms> | PERSIST }"),
    row(2, "GETDEL <key>"),
    row(2, "GETSET <key> <value>"),
    row(2, "SETNX <key> <value>"),
    row(2, "SETEX <key> <seconds> <value>"),
    row(2, "PSETEX <key> <ms> <value>"),
    row(3, "MSET ( <key> <value> )..."),
    row(2, "MSETNX ( <key> <value> )..."),
    row(3, "MGET <key>..."),
    row(4, "APPEND <key> <value>"),
    row(3, "STRLEN <key>"),
    row(4, "SETRANGE <key> <offset> <text>"),
    row(4, "GETRANGE <key> <index> <index>"),
    row(2, "SUBSTR <key> <index> <index>"),
    row(4, "INCR <key>"),
    row(3, "DECR <key>"),
    row(4, "INCRBY <key> <int>"),
    row(3, "DECRBY <key> <int>"),
    row(4, "INCRBYFLOAT <key> <real>"),
    row(2, "SET <key> <real> ; INCRBYFLOAT <key> <real>"),
    row(1, "SET <key> <int> ; INCRBY <key> <int> ; DECRBY <key> <int>"),
    row(5, "MSET k1 <ab> k2 <ab> ; LCS k1 k2 { LEN | IDX | MINMATCHLEN <index> | WITHMATCHLEN }"),
    row(1, "MSET k1 <ab> k2 <ab> ; LCS k1 k2 IDX [ MINMATCHLEN ( '0' | '2' | '3' ) ] [ WITHMATCHLEN ]"),
    row(2, "LCS <key> <key> { LEN | IDX | MINMATCHLEN <index> | WITHMATCHLEN | FOO }"),
)
