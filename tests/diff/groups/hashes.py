# SPDX-License-Identifier: BSD-3-Clause
"""Hash commands. The order of fields is redis-server's own business in a large hash, so whole hashes are compared
without order; what is drawn at random is compared by shape, or drawn from a hash of one field."""
from groups import row

SHARE = 30
MANY = " <hfield> <hvalue>" * 8
ROWS = (
    row(14, "HSET <hkey> ( <hfield> <hvalue> )..."),
    row(3, "HSET <hkey>" + MANY),
    row(1, "HSET <key> ( <hfield> <hvalue> )..."),
    row(3, "HMSET <hkey> ( <hfield> <hvalue> )..."),
    row(1, "( HSET | HMSET ) <hkey> <hfield> <hvalue> <hfield>", mutable=False),
    row(4, "HSETNX <hkey> <hfield> <hvalue>"),
    row(8, "HGET <hkey> <hfield>"),
    row(5, "HMGET <hkey> <hfield>..."),
    row(6, "HGETALL <hkey>", "pairs"),
    row(3, "( HKEYS | HVALS ) <hkey>", "unordered"),
    row(4, "HLEN <hkey>"),
    row(7, "HDEL <hkey> <hfield>..."),
    row(4, "HEXISTS <hkey> <hfield>"),
    row(3, "HSTRLEN <hkey> <hfield>"),
    row(6, "HINCRBY <hkey> <hfield> <int>"),
    row(6, "HINCRBYFLOAT <hkey> <hfield> <real>"),
    row(3, "DEL 'h9' ; HSET 'h9' <hfield> <hvalue> ; ( HRANDFIELD 'h9' | HRANDFIELD 'h9' '1' | HRANDFIELD 'h9' '-3' | "
           "HRANDFIELD 'h9' '2' WITHVALUES | HRANDFIELD 'h9' '-2' WITHVALUES )", mutable=False),
    row(2, "HRANDFIELD <hkey> [ <pop_count> [ ( WITHVALUES | FOO ) ] ]", "shape", mutable=False),
    row(1, "HRANDFIELD <hkey> ( '-9223372036854775808' | '-9223372036854775807' | '9223372036854775807' ) WITHVALUES",
        mutable=False),
    row(1, "HRANDFIELD 'nohash' ( | '3' | '-3' | '0' )", mutable=False),
    row(3, "HSCAN <hkey> ( '0' | '0' | '0' | 'abc' | '' ) COUNT ( '1000' | '100' ) [ MATCH <pattern> ]",
        "scan_fields", mutable=False),
    row(1, "HSCAN <hkey> '0' ( MATCH | COUNT | FOO 'x' | COUNT '0' | COUNT 'abc' | FOO )", mutable=False),
    row(3, "OBJECT ENCODING <hkey>"),
    row(1, "EXPIRE <hkey> <seconds> ; HSET <hkey> <hfield> <hvalue> ; TTL <hkey>", "near", mutable=False),
    row(1, "SET <hkey> <value> ; HSET <hkey> a b"),
    row(1, "TYPE <hkey>"),
    row(3, "DEL <hkey>..."),
    row(1, "CONFIG SET hash-max-listpack-entries ( '3' | '512' | '0' )", mutable=False),
    row(1, "CONFIG SET hash-max-listpack-value ( '3' | '64' )", mutable=False),
)
