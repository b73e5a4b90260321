# SPDX-License-Identifier: BSD-3-Clause
"""List commands. Those that may wait are sent inside of MULTI or find something."""
from groups import row

SHARE = 30
END = "( LEFT | RIGHT | LEFT | RIGHT | LEFT | RIGHT | LEFT | RIGHT | 'FOO' )"
FILL = "( RPUSH | LPUSH ) <list> <element>..."
ROWS = (
    row(14, FILL),
    row(3, "RPUSH <list> <element> <element> <element> <element> <element> <element> <element> <element> <element>"),
    row(2, "( LPUSH | RPUSH ) <key> <element>..."),
    row(4, "( LPUSHX | RPUSHX ) <list> <element>..."),
    row(6, "( LPOP | RPOP ) <list>"),
    row(4, "( LPOP | RPOP ) <list> <pop_count>"),
    row(4, "LLEN <list>"),
    row(8, "LRANGE <list> <place> <place>"),
    row(4, "LRANGE <list> '0' '-1'"),
    row(4, "LINDEX <list> <place>"),
    row(5, "LSET <list> <place> <element>"),
    row(5, "LINSERT <list> ( BEFORE | AFTER | BEFORE | AFTER | BEFORE | AFTER | 'FOO' ) <element> <element>"),
    row(5, "LREM <list> <removed> <element>", mutable=False),
    row(1, "LREM <list> ( 'abc' | '1.5' | '' ) <element> ; LREM <list> '1'", mutable=False),
    row(4, "LTRIM <list> <place> <place>"),
    row(6, "LPOS <list> <element> { RANK <place> | COUNT <pop_count> | MAXLEN <pop_count> | 'FOO' '1' }"),
    row(1, "LPOS <list> <element> ( RANK | COUNT | MAXLEN )"),
    row(5, "LMOVE <list> <list> " + END + " " + END),
    row(4, "RPOPLPUSH <list> <list>"),
    row(5, "LMPOP ( '1' <list> | '2' <list> <list> | <pop_count> <list> <list> | '3' <list> <list> <list> ) " + END
           + " [ COUNT <pop_count> ]"),
    row(1, "LMPOP '1' <list> LEFT COUNT <pop_count> ( COUNT '1' | 'FOO' )"),
    row(3, "RPUSH 'k3' <element>... ; ( BLPOP | BRPOP ) ( <list> | ) ( <list> | ) 'k3' <timeout> ; LLEN 'k3'", mutable=False),
    row(3, "LPUSH 'k3' <element>... ; BLMOVE 'k3' <list> ( LEFT | RIGHT ) ( LEFT | RIGHT ) <timeout>", mutable=False),
    row(1, "LPUSH 'k3' <element>... ; BLMOVE 'k3' <list> " + END + " " + END + " <timeout>", mutable=False),
    row(2, "LPUSH 'k3' <element>... ; BRPOPLPUSH 'k3' <list> <timeout>", mutable=False),
    row(3, "LPUSH 'k3' <element>... ; BLMPOP <timeout> '2' <list> 'k3' " + END + " [ COUNT <pop_count> ] ; LRANGE 'k3' '0' '-1'",
        mutable=False),
    row(1, "BLMPOP <timeout> ( '0' | 'a' | '9' | '-1' ) <list> ( LEFT | RIGHT )", mutable=False),
    row(2, "OBJECT ENCODING <list>"),
    row(1, "LPUSH <list> <block> <block> <block> ; OBJECT ENCODING <list> ; LPOP <list> '2' ; OBJECT ENCODING <list>"),
    row(1, "RPUSH <list> <block>... ; LINSERT <list> BEFORE <element> <block> ; LSET <list> <place> <block> ; "
           "LRANGE <list> '0' '-1'"),
    row(2, "RENAME <list> <list>"),
    row(2, "COPY <list> <list> [ REPLACE ]"),
    row(1, "EXPIRE <list> <seconds> ; LPUSH <list> <element> ; TTL <list>", "near", mutable=False),
    row(1, "SET <list> <value> ; LPUSH <list> a"),
    row(1, "TYPE <list>"),
    row(2, "DEL <list>..."),
    row(1, "CONFIG SET list-max-listpack-size ( '-1' | '-2' | '-5' | '1' | '3' | '128' | '0' )", mutable=False),
)
