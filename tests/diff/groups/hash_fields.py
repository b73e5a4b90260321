# SPDX-License-Identifier: BSD-3-Clause
"""Fields of hashes that expire. redis-server 7.0 does not know them, so this group is not among GROUPS; it is played
against Valkey 9: --groups hash_fields --peer PATH/valkey-server."""
from groups import row

SHARE = 30
FIELDS = "FIELDS ( '1' <hfield> | '2' <hfield> <hfield> )"
PAIRS = "FIELDS ( '1' <hfield> <hvalue> | '2' <hfield> <hvalue> <hfield> <hvalue> )"
CONDITION = "[ ( NX | XX | GT | LT ) ]"
ROWS = (
    row(8, "HSET <hkey> ( <hfield> <hvalue> )..."),
    row(6, "HEXPIRE <hkey> <seconds> " + CONDITION + " " + FIELDS),
    row(4, "HPEXPIRE <hkey> <ms> " + CONDITION + " " + FIELDS),
    row(3, "HEXPIREAT <hkey> ( '9999999999' | '8888888888' | '1' | '-1' | 'abc' ) " + CONDITION + " " + FIELDS),
    row(3, "HPEXPIREAT <hkey> ( '9999999999999' | '8888888888888' | '1' | '-1' | 'abc' ) " + CONDITION + " " + FIELDS),
    row(1, "HEXPIRE <hkey> '1000' ( NX XX | GT LT | XX GT | FOO ) " + FIELDS),
    row(2, "( HEXPIRETIME | HPEXPIRETIME ) <hkey> " + FIELDS, "shape"),
    row(4, "HPERSIST <hkey> " + FIELDS),
    row(6, "HSETEX <hkey> [ ( FNX | FXX ) ] [ ( EX <seconds> | PX <ms> | EXAT '9999999999' | "
           "PXAT '9999999999999' | EXAT '1' | KEEPTTL ) ] " + PAIRS),
    row(1, "HSETEX <hkey> ( FNX FXX | EX '10' KEEPTTL | EX | PERSIST | FOO ) " + PAIRS),
    row(5, "HGETEX <hkey> [ ( EX <seconds> | PX <ms> | EXAT '9999999999' | PXAT '1' | PERSIST ) ] " + FIELDS),
    row(1, "HGETEX <hkey> ( EX '10' PERSIST | EX | KEEPTTL | FOO ) " + FIELDS),
    row(4, "HGETDEL <hkey> " + FIELDS),
    row(1, "( HTTL | HPTTL | HPERSIST | HGETDEL | HGETEX ) <hkey> ( FIELDS '2' a | FIELDS '0' a | FIELDS abc a | FOO '1' a "
           "| FIELDS '1' )"),
    row(1, "( HTTL | HPTTL | HGETDEL ) 'nohash' FIELDS '2' a b"),
    row(4, "HGET <hkey> <hfield>"),
    row(4, "HGETALL <hkey>", "pairs"),
    row(3, "HLEN <hkey>"),
    row(2, "HDEL <hkey> <hfield>..."),
    row(3, "HINCRBY <hkey> <hfield> <int>"),
    row(2, "HPEXPIRE <hkey> '1' FIELDS '2' a b ; @pause 20 ; HLEN <hkey> ; HGETALL <hkey>", "pairs", mutable=False),
    row(2, "OBJECT ENCODING <hkey>"),
    row(1, "TYPE <hkey>"),
    row(2, "DEL <hkey>..."),
)
