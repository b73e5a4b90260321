# SPDX-License-Identifier: BSD-3-Clause
"""Clients that wait for keys. Connections 2, 3 and 4 wait, the main one and 5 do something; each step that follows finds
the same ones waiting on both servers. A time to wait is none, far away, or so short that nothing else happens in it."""
import groups
import values


def row(weight, text, compare="scores"):
    """None is mutable: what waits for ever must be known to be a companion."""
    return groups.row(weight, text, compare, mutable=False)


values.PLACEHOLDERS.update(
    waiter=values.choice(b"2", b"3", b"4"),
    bl=values.choice(*(b"l1", b"l2", b"l3") * 5, b"w1", b"t1"),
    bz=values.choice(*(b"w1", b"w2") * 5, b"l1"),
    bx=values.choice(*(b"t1", b"t2") * 5, b"l1"),
    read_id=values.choice(b"$", b"0", b"1-1", b"4-2", b"5", b"7-0", b"8-3", b"abc", b"100-3"),
    long=values.choice(b"0", b"0", b"100", b"1000.5", b"50", b"0.0"),
    short=values.choice(b"0.01", b"0.001", b"0.005", b"1e-3"),
    wrong_time=values.choice(b"-1", b"abc", b"", b"nan", b"inf", b"-0.1", b"1e400", b"9223372036854775807",
                             b"99999999999999999999", b"-0", b"9223372036854776"))

SHARE = 4
ENDS = "( LEFT | RIGHT ) ( LEFT | RIGHT )"
LISTS = ("( BLPOP <bl>... {0} | BRPOP <bl>... {0} | BLMOVE <bl> <bl> " + ENDS + " {0} | BRPOPLPUSH <bl> <bl> {0} | "
         "BLMPOP {0} '1' <bl> ( LEFT | RIGHT ) [ COUNT '2' ] | BLMPOP {0} '2' <bl> <bl> ( LEFT | RIGHT ) [ COUNT '3' ] )")
ZSETS = ("( BZPOPMIN <bz>... {0} | BZPOPMAX <bz>... {0} | BZMPOP {0} '1' <bz> ( MIN | MAX ) [ COUNT '2' ] | "
         "BZMPOP {0} '2' <bz> <bz> ( MIN | MAX ) [ COUNT '3' ] )")
READS = ("( XREAD [ COUNT '2' ] BLOCK {0} STREAMS <bx> <read_id> | XREAD BLOCK {0} STREAMS t1 t2 '$' <read_id> | "
         "XREADGROUP GROUP ( g | h ) ( c | d ) [ COUNT '1' ] BLOCK {0} [ NOACK ] STREAMS <bx> '>' | "
         "XREADGROUP GROUP g c BLOCK {0} STREAMS ( t1 t2 | t2 t1 | l1 t1 ) '>' '>' | XREADGROUP GROUP g c BLOCK {0} STREAMS <bx> '0' )")
LONG_MS = "( '0' | '100000' )"
WAIT = "@wait <waiter> "
PUSH = ("( RPUSH <bl> <element>... | LPUSH <bl> <element>... | RPUSHX <bl> a | LMOVE <bl> <bl> " + ENDS + " | "
        "RPOPLPUSH <bl> <bl> | LINSERT <bl> BEFORE a b | COPY <bl> <bl> REPLACE | "
        "RENAME <bl> <bl> | RENAMENX <bl> <bl> | MOVE <bl> '1' | SWAPDB '0' '1' | DEL <bl> | LPOP <bl> | SET <bl> a | "
        "EXPIRE <bl> '-1' | FLUSHDB | EVAL <push_script> '1' <bl> | RPUSH <bl> a b c )")
ADD = ("( ZADD <bz> <score> <zmember> | ZADD <bz> '1' a '2' b '3' c | ZINCRBY <bz> '1' a | ZADD <bz> XX '1' a | "
       "GEOADD <bz> '1' '1' a | ZREM <bz> a | ZPOPMIN <bz> | "
       "RENAME <bz> <bz> | COPY <bz> <bz> REPLACE | DEL <bz> | SET <bz> a | MOVE <bz> '1' | SWAPDB '0' '1' )")
APPEND = ("( XADD <bx> <sid_next> f v | XADD <bx> <sid_next> f v | XADD <bx> MAXLEN '1' <sid_next> f v | XDEL <bx> <sid> | "
          "XGROUP CREATE <bx> ( g | h ) ( '$' | '0' ) MKSTREAM | XGROUP SETID <bx> g ( '$' | '0' ) | XGROUP DESTROY <bx> g | "
          "XTRIM <bx> MAXLEN '0' | DEL <bx> | RENAME <bx> <bx> | SET <bx> a | COPY <bx> <bx> REPLACE | SWAPDB '0' '1' | "
          "XSETID <bx> '9-9' | XACK <bx> g <sid> | XGROUP DELCONSUMER <bx> g c )")
DO = f"( {PUSH} | {ADD} | {APPEND} )"
END = "@finish <waiter> ( TIMEOUT | TIMEOUT | ERROR | KILL | HANGUP )"
values.PLACEHOLDERS["push_script"] = values.choice(
    b"return redis.call('rpush', KEYS[1], 'a', 'b')", b"redis.call('rpush', KEYS[1], 'a') return redis.call('del', KEYS[1])",
    b"return redis.call('lpop', KEYS[1])")
ROWS = (
    row(10, WAIT + LISTS.format("<long>")),
    row(6, WAIT + ZSETS.format("<long>")),
    row(6, WAIT + READS.format(LONG_MS)),
    row(20, PUSH),
    row(10, ADD),
    row(10, APPEND),
    row(3, f"@on 5 {DO}"),
    row(6, "@data"),
    row(8, END),
    row(4, f"MULTI ; {DO} ; {DO} ; {DO} ; EXEC"),
    row(2, f"MULTI ; {PUSH} ; LPOP <bl> ; DEL <bl> ; EXEC"),
    row(2, f"MULTI ; {ADD} ; DEL <bz> ; {PUSH} ; EXEC"),
    row(2, f"@on 5 MULTI ; @on 5 {DO} ; @on 5 {DO} ; {DO} ; @on 5 EXEC"),
    row(4, "@finish 2 TIMEOUT ; @wait 2 " + LISTS.format("<short>") + " ; @finish 2 OWN"),
    row(2, "@finish 2 TIMEOUT ; @wait 2 " + ZSETS.format("<short>") + " ; @finish 2 OWN"),
    row(2, "@finish 2 TIMEOUT ; @wait 2 " + READS.format("( '1' | '5' )") + " ; @finish 2 OWN"),
    row(2, WAIT + LISTS.format("<wrong_time>")),
    row(1, WAIT + ZSETS.format("<wrong_time>")),
    row(1, WAIT + READS.format("( <wrong> | '-1' )")),
    # A key of another type that is overwritten wakes nobody in Redis 7.0 (X1): none is there.
    row(1, "DEL <bz> w3 ; ( ZUNIONSTORE w3 '1' <bz> | ZRANGESTORE w3 <bz> '0' '-1' ) ; RENAME w3 <bz>"),
    row(1, "DEL w2 ; ( ZUNIONSTORE w2 '2' w1 w1 | ZRANGESTORE w2 w1 '0' '-1' | ZDIFFSTORE w2 '1' w1 )"),
    row(1, "DEL l2 ; SORT l1 ALPHA STORE l2"),
    # Some wait for one key; one push serves several.
    row(3, "DEL l1 l2 ; @wait 2 BLPOP l1 l2 '0' ; @wait 3 BRPOP l2 l1 '0' ; @wait 4 BLMPOP '0' '2' l1 l2 LEFT COUNT '2' ; "
           "RPUSH ( l1 | l2 ) a b c d e ; LRANGE l1 '0' '-1' ; LRANGE l2 '0' '-1'"),
    row(2, "DEL l1 l2 l3 ; @wait 2 BLMOVE l1 l2 LEFT RIGHT '0' ; @wait 3 BLMOVE l2 l3 LEFT RIGHT '0' ; @wait 4 BLPOP l3 '0' ; "
           "( RPUSH l1 a | RPUSH l1 a b | LPUSH l2 a ) ; LLEN l1 ; LLEN l3"),
    row(2, "DEL l1 l2 ; @wait 2 BLPOP l1 l2 '0' ; MULTI ; RPUSH l2 x ; RPUSH l1 y ; EXEC ; MGET l1 l2 ; LLEN l1 ; LLEN l2"),
    row(2, "DEL w1 w2 ; @wait 2 BZPOPMAX w2 w1 '0' ; @wait 3 BZPOPMIN w1 w2 '0' ; ZADD w1 '1' a '2' b '3' c ; ZCARD w1"),
    row(2, "DEL t1 ; XGROUP CREATE t1 g '$' MKSTREAM ; @wait 2 XREADGROUP GROUP g c BLOCK '0' STREAMS t1 '>' ; "
           "( DEL t1 | XGROUP DESTROY t1 g | RENAME t1 t2 | SET t1 a | FLUSHALL | XADD t1 <sid_next> f v | SWAPDB '0' '1' | "
           "EXPIRE t1 '-1' | XGROUP SETID t1 g '0' | XGROUP DELCONSUMER t1 g c | EVAL <push_script> '1' t1 )"),
    row(2, "DEL t1 ; @wait 2 XREAD BLOCK '0' STREAMS t1 '$' ; @wait 3 XREAD BLOCK '0' STREAMS t1 '1-1' ; "
           "XADD t1 '1-1' f v ; XADD t1 '1-2' f v ; XADD t1 '2-1' f v"),
    row(1, "DEL l1 ; @wait 2 BLPOP l1 '0' ; SET l1 a ; DEL l1 ; SADD l1 a ; DEL l1 ; RPUSH l1 b"),
    row(1, "DEL l1 w1 ; @wait 2 BLPOP l1 w1 '0' ; ZADD w1 '1' a ; DEL w1 ; RPUSH w1 b"),
    row(1, "DEL l1 ; @wait 2 BRPOPLPUSH l1 k1 '0' ; SET k1 a ; RPUSH l1 a b ; LLEN l1"),
    row(1, "DEL l1 l2 ; @wait 2 BLMOVE l1 l1 LEFT RIGHT '0' ; RPUSH l1 a b c ; LRANGE l1 '0' '-1'"),
    # What is sent behind a command that waits.
    row(2, "@wait <waiter> " + LISTS.format("<long>") + " ; @wait 2 @data ; @wait 3 @data ; @on 4 ECHO a ; @data"),
    row(1, "@on 2 SELECT '1' ; @wait 2 BLPOP l1 '0' ; RPUSH l1 a ; SELECT '1' ; RPUSH l1 b ; SELECT '0' ; SWAPDB '0' '1' ; "
           "@finish 2 TIMEOUT ; @on 2 SELECT '0'"),
    row(1, "DEL l1 ; @on 2 CLIENT REPLY ON ; @wait 2 BLPOP l1 '0' ; CLIENT UNBLOCK '999999' ; CLIENT UNBLOCK 'x' ; "
           "CLIENT UNBLOCK '999999' ( TIMEOUT | ERROR | 'FOO' ) ; RPUSH l1 a"),
    row(1, "DEL l1 ; @wait 2 BLPOP l1 '0' ; CLIENT PAUSE '1' WRITE ; CLIENT UNPAUSE ; RPUSH l1 a"),
    row(1, "DEL l1 l2 ; CONFIG SET maxmemory '0' ; @wait 2 BLMOVE l1 l2 LEFT LEFT '0' ; EXPIRE l1 '100' ; RPUSH l1 a ; TTL l2"),
)
