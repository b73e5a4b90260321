# SPDX-License-Identifier: BSD-3-Clause
"""Sorted-set commands. Ranges by name are asked of keys z1 and z2 only, whose scores are all equal: of others the
outcome depends on the shape of redis-server's skip list."""
from groups import row

SHARE = 40
ADD = "ZADD <zkey> ( <score> <zmember> )..."
RANGE_OPTIONS = "{ WITHSCORES | LIMIT <index> <index> | REV | BYSCORE | FOO }"
ROWS = (
    row(10, ADD),
    row(8, "ZADD <zkey> { NX | XX | GT | LT | CH } ( <score> <zmember> )..."),
    row(5, "ZADD <zkey> { NX | XX | GT | LT | CH } INCR <score> <zmember>", compare="scores"),
    row(1, "ZADD <zkey> ( <wild_score> <zmember> )..."),
    row(4, "ZADD z1 ( '0' <zmember> )...", mutable=False),
    row(4, "ZADD z2 ( '7' <zmember> )...", mutable=False),
    row(1, "DEL z1 ; ZADD z1 ( '0' <zmember> )... ( '0' <zmember> )... ( '0' <long_member> )", mutable=False),
    row(5, "ZINCRBY <zkey> <score> <zmember>", compare="scores"),
    row(5, "ZREM <zkey> <zmember>..."),
    row(3, "ZCARD <zkey>"),
    row(3, "ZSCORE <zkey> <zmember>", compare="scores"),
    row(3, "ZMSCORE <zkey> <zmember>...", compare="scores"),
    row(3, "ZRANK <zkey> <zmember>"),
    row(3, "ZREVRANK <zkey> <zmember>"),
    row(4, "ZCOUNT <zkey> <score_end> <score_end>"),
    row(3, "ZLEXCOUNT <equal_zkey> <member_end> <member_end>"),
    row(6, "ZRANGE <zkey> <index> <index> [ WITHSCORES ]", compare="scores"),
    row(6, "ZRANGE <zkey> <score_end> <score_end> BYSCORE { REV | WITHSCORES | LIMIT <index> <index> }",
        compare="scores"),
    row(4, "ZRANGE <equal_zkey> <member_end> <member_end> BYLEX { REV | WITHSCORES | LIMIT <index> <index> }"),
    row(3, f"ZRANGE <zkey> <index> <index> {RANGE_OPTIONS}", compare="scores"),
    row(3, "ZREVRANGE <zkey> <index> <index> { WITHSCORES | REV | LIMIT <index> <index> }", compare="scores"),
    row(4, "ZRANGEBYSCORE <zkey> <score_end> <score_end> { WITHSCORES | LIMIT <index> <index> | REV }",
        compare="scores"),
    row(4, "ZREVRANGEBYSCORE <zkey> <score_end> <score_end> { WITHSCORES | LIMIT <index> <index> }", compare="scores"),
    row(2, "ZRANGEBYLEX <equal_zkey> <member_end> <member_end> { LIMIT <index> <index> | WITHSCORES }"),
    row(2, "ZREVRANGEBYLEX <equal_zkey> <member_end> <member_end> { LIMIT <index> <index> }"),
    row(4, "ZRANGESTORE <zkey> <zkey> <index> <index> { REV | WITHSCORES }"),
    row(3, "ZRANGESTORE <zkey> <zkey> <score_end> <score_end> BYSCORE { REV | LIMIT <index> <index> }"),
    row(2, "ZRANGESTORE <equal_zkey> <equal_zkey> <member_end> <member_end> BYLEX { REV | LIMIT <index> <index> }",
        mutable=False),
    row(2, "ZREMRANGEBYRANK <zkey> <index> <index>"),
    row(2, "ZREMRANGEBYSCORE <zkey> <score_end> <score_end>"),
    row(2, "ZREMRANGEBYLEX <equal_zkey> <member_end> <member_end>"),
    row(4, "( ZPOPMIN | ZPOPMAX ) <zkey> [ <small_count> ]", compare="scores"),
    row(3, "ZMPOP '1' <zkey> ( MIN | MAX ) [ COUNT <small_count> ]", compare="scores"),
    row(2, "ZMPOP '2' <zkey> <zkey> ( MIN | MAX | FOO ) [ COUNT <small_count> ]", compare="scores"),
    row(3, ADD + " ; ( BZPOPMIN | BZPOPMAX ) <zkey> <zkey> '0.01'", compare="scores", mutable=False),
    row(2, ADD + " ; BZMPOP '0.01' '2' <zkey> <zkey> ( MIN | MAX ) [ COUNT <small_count> ]", compare="scores",
        mutable=False),
    row(1, "BZMPOP ( '0.01' | 'abc' | '-1' ) ( '0' | '1' | '2' | '3' | 'x' ) nozset ( nozset | MIN ) ( MIN | COUNT | FOO ) "
           "[ <small_count> ]", mutable=False),
    row(1, "( BZPOPMIN | BZPOPMAX ) <zkey> ( '-1' | 'abc' | '' )", mutable=False),
    row(4, "( ZUNION | ZINTER ) '2' <zkey> <zkey> { WEIGHTS <score> <score> | AGGREGATE ( SUM | MIN | MAX | FOO ) | "
           "WITHSCORES }", compare="scores"),
    row(2, "( ZUNION | ZINTER ) '3' <zkey> <zkey> <zkey> { WEIGHTS '2' '0.5' '-1' | AGGREGATE ( SUM | MIN | MAX ) | "
           "WITHSCORES }", compare="scores"),
    row(2, "ZDIFF '2' <zkey> <zkey> [ WITHSCORES ]", compare="scores"),
    row(3, "( ZUNIONSTORE | ZINTERSTORE ) <zkey> '2' <zkey> <zkey> { WEIGHTS <score> <score> | AGGREGATE "
           "( SUM | MIN | MAX ) }"),
    row(2, "ZDIFFSTORE <zkey> '2' <zkey> <zkey>"),
    row(3, "SADD ( zs | zt ) <zmember>... ; ( ZUNION | ZINTER ) '3' zs <zkey> zt { WEIGHTS <score> <score> <score> | "
           "AGGREGATE ( SUM | MIN | MAX ) | WITHSCORES }", compare="scores"),
    row(2, "SADD ( zs | zt ) <zmember>... ; ( ZUNIONSTORE | ZINTERSTORE | ZDIFFSTORE ) <zkey> '2' zt <zkey>"),
    row(1, "ZDIFF '3' <zkey> zs zt WITHSCORES", compare="scores"),
    row(2, "ZINTERCARD '2' <zkey> <zkey> [ LIMIT <index> ]"),
    row(1, "ZRANDMEMBER <zkey>", compare="shape"),
    row(1, "ZRANDMEMBER <zkey> ( '0' | '1000' | 'abc' | '-9223372036854775808' ) [ WITHSCORES ]", compare="scores",
        mutable=False),
    row(1, "ZRANDMEMBER <zkey> ( '3' | '-5' ) [ WITHSCORES | FOO ] [ WITHSCORES ]", compare="shape"),
    row(2, "ZSCAN <zkey> '0' { MATCH <pattern> | COUNT '2000' | FOO }", compare="scan_pairs"),
    row(1, "ZSCAN <zkey> <index> { MATCH <pattern> | COUNT <small_count> }", compare="shape"),
    row(2, "OBJECT ENCODING <zkey>"),
    row(2, "CONFIG SET zset-max-listpack-entries ( '0' | '2' | '4' | '128' )", mutable=False),
    row(1, "TYPE <zkey>"),
    row(1, "SET <zkey> v"),
    row(1, "DEL <zkey>"),
)
