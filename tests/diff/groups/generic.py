# SPDX-License-Identifier: BSD-3-Clause
"""Commands on keys of any type."""
from groups import row

SHARE = 30
CONDITIONS = "{ NX | XX | GT | LT | 'FOO' }"
ROWS = (
    row(4, "DEL <key>..."),
    row(2, "UNLINK <key>..."),
    row(3, "EXISTS <key>..."),
    row(2, "TOUCH <key>..."),
    row(2, "TYPE <key>"),
    row(3, "TTL <key>", "near"),
    row(3, "PTTL <key>", "near"),
    row(3, "EXPIRETIME <key>", "near"),
    row(3, "PEXPIRETIME <key>", "near"),
    row(2, "EXPIRE <key> <seconds>"),
    row(3, "EXPIRE <key> <seconds> " + CONDITIONS),
    row(3, "PEXPIRE <key> <ms> " + CONDITIONS),
    row(3, "EXPIREAT <key> <unix> " + CONDITIONS),
    row(3, "PEXPIREAT <key> <unix_ms> " + CONDITIONS),
    row(1, "PEXPIRE <key> ( '1' | '2' ) ; @pause 6 ; TTL <key> ; DBSIZE", "near", mutable=False),
    row(1, "( PEXPIRE <key> <far_ms> | EXPIRE <key> <far_seconds> | PEXPIREAT <key> <far_ms> | "
           "EXPIREAT <key> <far_seconds> | SET <key> <value> ( PX <far_ms> | EXAT <far_seconds> ) )"),
    row(2, "PERSIST <key>"),
    row(3, "RENAME <key> <key>"),
    row(2, "RENAMENX <key> <key>"),
    row(4, "COPY <key> <key> { DB <db> | REPLACE | 'FOO' }"),
    row(2, "MOVE <key> <db>"),
    row(3, "OBJECT ENCODING <key>"),
    row(1, "OBJECT REFCOUNT <key>", "shape"),
    row(1, "OBJECT FREQ <key>", "shape"),
    row(1, "OBJECT IDLETIME <key>", "shape"),
    row(1, "OBJECT HELP", "help"),
    row(1, "OBJECT ( 'FOO' | FREQ | ENCODING ) [ <key> ] [ <key> ]", "shape"),
    row(1, "CONFIG SET maxmemory-policy ( 'allkeys-lfu' | 'volatile-lfu' ) ; SET <key> <value> ; "
           "OBJECT FREQ <key> ; OBJECT IDLETIME <key>", "shape", mutable=False),
    row(1, "RANDOMKEY", "random_key"),
    row(3, "KEYS <pattern>", "unordered"),
    row(3, "@scan { MATCH <pattern> | COUNT ( '1' | '3' | '10' | '1000' ) | TYPE <type> }", mutable=False),
    row(2, "SCAN ( '0' | '0' | <junk> ) { MATCH <pattern> | COUNT <count> | TYPE <type> | 'FOO' }", "scan"),
    row(2, "DBSIZE"),
    row(2, "WAIT '0' '0'", mutable=False),
    row(1, "WAIT ( '0' | '1' | '-1' | 'abc' ) ( '1' | '2' | '-1' | 'abc' | '9223372036854775808' )",
        mutable=False),
    row(2, "SWAPDB <db> <db>"),
    row(3, "SELECT <db>"),
    row(1, "FLUSHDB [ ( ASYNC | SYNC | 'FOO' ) ]"),
    row(1, "FLUSHALL [ ( ASYNC | SYNC | 'FOO' ) ]"),
)
