# SPDX-License-Identifier: BSD-3-Clause
"""Fields of hashes that expire. redis-server 7.0 does not know them, so this group is not among GROUPS; it is played
against Valkey 9: --groups hash_fields --peer PATH/valkey-server."""
from groups import row

SHARE = 30
FIELDS = "FIELDS ( '1' <hfield> | '2' <hfield> <hfield> | '3' <hfield> <hfield> <hfield> )"
PAIRS = "FIELDS ( '1' <hfield> <hvalue> | '2' <hfield> <hvalue> <hfield> <hvalue> )"
CONDITION = "[ ( NX | XX | GT | LT ) ]"
TIME = "( EX <seconds> | PX <ms> | EXAT '9999999999' | PXAT '9999999999999' )"
OVER = "( EX '0' | PX '0' | EXAT '1' | PXAT '1' | EXAT '0' )"
COUNT = "( FIELDS '2' a | FIELDS '0' a | FIELDS '-1' a | FIELDS abc a | FOO '1' a | FIELDS '1' | FIELDS | FIELDS '1' a b )"
# Fields run out while they are looked at: only of these keys, so that the allowance of H2 is for no other.
SHORT = ("HSET 'short1' a '1' b '2' c '3' ; HPEXPIRE 'short1' '1' FIELDS ( '2' a b | '3' a b c ) ; @pause 20 ; "
         "HLEN 'short1' ; HGET 'short1' a ; ")
ROWS = (
    row(8, "HSET <hkey> ( <hfield> <hvalue> )..."),
    row(6, "HEXPIRE <hkey> <seconds> " + CONDITION + " " + FIELDS),
    row(4, "HPEXPIRE <hkey> <ms> " + CONDITION + " " + FIELDS),
    row(4, "HEXPIREAT <hkey> ( '9999999999' | '8888888888' | '1' | '0' | '-1' | 'abc' | <unix> ) " + CONDITION + " " + FIELDS),
    row(4, "HPEXPIREAT <hkey> ( '9999999999999' | '8888888888888' | '1' | '0' | '-1' | 'abc' | <unix_ms> ) " + CONDITION + " "
           + FIELDS),
    row(1, "( HEXPIRE | HPEXPIRE ) <hkey> '0' " + CONDITION + " " + FIELDS),
    row(2, "( HEXPIRE | HPEXPIREAT ) <hkey> ( '1000' | abc ) ( NX XX | GT LT | XX GT | XX LT | NX NX | FOO | NX FOO | XX NX GT ) "
           + FIELDS),
    row(4, "( HTTL | HPTTL | HEXPIRETIME | HPEXPIRETIME ) <hkey> " + FIELDS, "times"),
    row(4, "HPERSIST <hkey> " + FIELDS),
    row(6, "HSETEX <hkey> [ ( FNX | FXX | NX | XX ) ] [ ( " + TIME + " | KEEPTTL ) ] " + PAIRS),
    row(2, "HSETEX <hkey> [ ( " + TIME + " | " + OVER + " | KEEPTTL ) ] [ ( FNX | FXX ) ] [ ( NX | XX ) ] " + PAIRS),
    row(2, "HSETEX <hkey> ( FNX FXX | NX XX | FNX NX | FXX XX | EX '10' KEEPTTL | EX | EX 'abc' | EX '1000' PX '1000' | PERSIST | "
           "FOO | KEEPTTL KEEPTTL | FNX FNX | EX '1000' EX '2000' | EXAT '-1' ) " + PAIRS),
    row(6, "HGETEX <hkey> [ ( " + TIME + " | " + OVER + " | PERSIST ) ] " + FIELDS),
    row(2, "HGETEX <hkey> ( EX '10' PERSIST | PERSIST PERSIST | EX | EX 'abc' | PX '-1' | EX '1000' EX '2000' | EXAT '99' PXAT '1' | "
           "KEEPTTL | FNX | FOO ) " + FIELDS),
    row(4, "HGETDEL <hkey> " + FIELDS),
    row(2, "( HTTL | HPTTL | HEXPIRETIME | HPEXPIRETIME | HPERSIST | HGETDEL | HGETEX ) <hkey> " + COUNT),
    row(2, "( HEXPIRE | HPEXPIRE | HEXPIREAT | HPEXPIREAT ) <hkey> ( '9999999999' | abc | '-1' ) " + CONDITION + " " + COUNT),
    row(1, "HGETEX <hkey> ( EX '1000' | EX abc | PERSIST | FOO ) " + COUNT),
    row(2, "HSETEX <hkey> [ ( EX '1000' | EX abc | FNX | FOO ) ] ( FIELDS '2' a '1' | FIELDS '0' a '1' | FIELDS '1' a | "
           "FIELDS '1' a '1' b | FIELDS abc a '1' | FOO '1' a '1' | a '1' )"),
    row(1, "( HTTL | HPTTL | HPERSIST | HGETDEL | HGETEX ) ( 'nohash' | 'k1' ) FIELDS '2' a b"),
    row(1, "( HEXPIRE | HPEXPIREAT ) ( 'nohash' | 'k1' ) ( '9999999999' | abc ) FIELDS '2' a b"),
    row(1, "HSETEX ( 'nohash' | 'k1' ) ( FXX | XX | EXAT '1' ) FIELDS '1' a '1' ; EXISTS 'nohash'"),
    row(1, "HSETEX 'nohash' ( NX | FNX | KEEPTTL ) FIELDS '1' a '1' ; DEL 'nohash'"),
    row(1, "SET 'k1' x ; ( HTTL | HGETDEL | HGETEX | HPERSIST ) 'k1' FIELDS ( '1' a | '2' a ) ; DEL 'k1'"),
    row(1, "SET 'k1' x ; ( HGETEX 'k1' EX ( '1000' | abc | '-1' ) FIELDS '1' a | HEXPIRE 'k1' ( '1000' | abc | '-1' ) FIELDS '1' a | "
           "HSETEX 'k1' [ ( NX | XX | FNX | FXX ) ] EX ( '1000' | abc | '-1' | '0' ) FIELDS '1' a '1' ) ; DEL 'k1'"),
    row(1, "HSETEX <hkey> [ ( NX | XX | FNX | FXX ) ] EX ( '1000' | abc | '-1' | '0' ) FIELDS '1' a '1'"),
    row(1, "DEL 'h4' ; HSET 'h4' a '1' b '2' ; ( HGETDEL 'h4' | HEXPIREAT 'h4' '1' | HGETEX 'h4' EXAT '1' ) FIELDS '2' a b ; "
           "EXISTS 'h4' ; TYPE 'h4'"),
    row(2, "MULTI ; HSETEX <hkey> EX <seconds> " + PAIRS + " ; HGETEX <hkey> PERSIST " + FIELDS + " ; HEXPIRE <hkey> <seconds> "
           + FIELDS + " ; EXEC", mutable=False),
    row(4, "HGET <hkey> <hfield>"),
    row(4, "HGETALL <hkey>", "pairs"),
    row(2, "HMGET <hkey> <hfield>..."),
    row(1, "( HKEYS | HVALS ) <hkey>", "unordered"),
    row(1, "( HEXISTS | HSTRLEN ) <hkey> <hfield>"),
    row(3, "HLEN <hkey>"),
    row(2, "HDEL <hkey> <hfield>..."),
    row(2, "HSETNX <hkey> <hfield> <hvalue>"),
    row(3, "HINCRBY <hkey> <hfield> <int>"),
    row(1, "HINCRBYFLOAT <hkey> <hfield> '2.5'"),
    row(2, SHORT + "HGETALL 'short1' ; DEL 'short1'", "pairs", mutable=False),
    row(2, SHORT + "HMGET 'short1' a b c ; HEXISTS 'short1' b ; HSTRLEN 'short1' a ; DEL 'short1'", mutable=False),
    row(2, SHORT + "( HTTL | HPEXPIRETIME | HPERSIST | HGETDEL | HGETEX ) 'short1' FIELDS '3' a b c ; DEL 'short1'", mutable=False),
    row(2, SHORT + "( HEXPIRE 'short1' '1000' | HEXPIREAT 'short1' '9999999999' NX | HEXPIREAT 'short1' '1' ) "
                   "FIELDS '3' a b c ; DEL 'short1'", mutable=False),
    row(2, SHORT + "HSETEX 'short1' ( FNX | FXX | KEEPTTL | EX '1000' ) FIELDS '2' a '7' b '8' ; HGET 'short1' a ; "
                   "HTTL 'short1' FIELDS '2' a b ; DEL 'short1'", "times", mutable=False),
    row(2, SHORT + "( HSET 'short1' a '9' | HSETNX 'short1' a '9' | HINCRBY 'short1' a '5' | HINCRBYFLOAT 'short1' a '0.5' | "
                   "HDEL 'short1' a b ) ; HGET 'short1' a ; HTTL 'short1' FIELDS '1' a ; DEL 'short1'", mutable=False),
    row(1, SHORT + "HLEN 'short1' ; TYPE 'short1' ; EXISTS 'short1' ; OBJECT ENCODING 'short1' ; DEL 'short1'", mutable=False),
    row(2, "OBJECT ENCODING <hkey>"),
    row(1, "TYPE <hkey>"),
    row(2, "DEL <hkey>..."),
)
