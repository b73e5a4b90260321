# SPDX-License-Identifier: BSD-3-Clause
"""Set commands. What is drawn at random is compared by shape, or drawn from a set of one."""
from groups import row

SHARE = 25
FILL = "SADD <set> <member>..."
MANY = "SADD <set>" + " <member>" * 9
ROWS = (
    row(14, FILL),
    row(4, MANY),
    row(2, "SADD <key> <member>..."),
    row(8, "SREM <set> <member>..."),
    row(4, "SCARD <set>"),
    row(4, "SISMEMBER <set> <member>"),
    row(4, "SMISMEMBER <set> <member>..."),
    row(8, "SMEMBERS <set>", "unordered"),
    row(6, "SMOVE <set> <set> <member>"),
    row(6, "( SINTER | SUNION | SDIFF ) <set>...", "unordered"),
    row(6, "( SINTERSTORE | SUNIONSTORE | SDIFFSTORE ) <set> <set>..."),
    row(1, "( SINTERSTORE | SUNIONSTORE | SDIFFSTORE ) <key> <set>..."),
    row(4, "SINTERCARD ( '1' <set> | '2' <set> <set> | '3' <set> <set> <set> | <pop_count> <set> <set> ) "
           "[ LIMIT <pop_count> ]"),
    row(1, "SINTERCARD '1' <set> ( LIMIT | FOO ) [ <int> ]"),
    row(3, "DEL 's9' ; SADD 's9' <member> ; ( SPOP 's9' | SPOP 's9' '1' | SPOP 's9' '5' | SRANDMEMBER 's9' | "
           "SRANDMEMBER 's9' '-3' | SRANDMEMBER 's9' '2' ) ; SCARD 's9'", mutable=False),
    row(2, "SPOP 's9' ( '0' | '-1' | 'abc' | '1' 'x' ) ; SRANDMEMBER 's9' ( '0' | 'abc' | '1' 'x' )", mutable=False),
    row(1, "SPOP 'noset' ( | '3' ) ; SRANDMEMBER 'noset' ( | '3' | '-3' )", mutable=False),
    row(1, "DEL 's8' ; SUNIONSTORE 's8' <set> <set> ; SPOP 's8' '2' ; SCARD 's8' ; DEL 's8'", "shape", mutable=False),
    row(3, "SSCAN <set> ( '0' | '0' | '0' | 'abc' | '-1' | '' ) COUNT ( '1000' | '100' ) [ MATCH <pattern> ]", "scan"),
    row(1, "SSCAN <set> '0' ( MATCH | COUNT | FOO ) [ <int> ]", "scan"),
    row(3, "OBJECT ENCODING <set>"),
    row(2, "RENAME <set> <set>"),
    row(2, "COPY <set> <set> [ REPLACE ]"),
    row(1, "EXPIRE <set> <seconds> ; SADD <set> <member> ; TTL <set>", "near", mutable=False),
    row(1, "SET <set> <value> ; SADD <set> a"),
    row(1, "TYPE <set>"),
    row(2, "DEL <set>..."),
    row(1, "CONFIG SET set-max-intset-entries ( '3' | '512' | '0' )", mutable=False),
)
