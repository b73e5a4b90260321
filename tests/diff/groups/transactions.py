# SPDX-License-Identifier: BSD-3-Clause
"""Transactions: what is queued comes from the rows of all groups. Every row ends the transaction that it begins, and
none is mutable: without its MULTI it would wait, without its EXEC it would not end."""
import groups
import values


def row(weight, text, compare="exact"):
    return groups.row(weight, text, compare, mutable=False)


values.PLACEHOLDERS.update(
    watched=values.choice(b"k1", b"k1", b"k2"),
    waited_list=values.choice(*(b"l1", b"l2", b"l3") * 4, b"k1"),
    waited_zset=values.choice(*(b"w1", b"w2") * 5, b"k1", b"l1"),
    waited_stream=values.choice(*(b"t1", b"t2") * 5, b"l1"),
    small_script=values.choice(b"return redis.call('set', KEYS[1], 'x')", b"return 1",
                               b"return redis.call('incr', KEYS[1])"))

SHARE = 25
END = "( EXEC | EXEC | EXEC | EXEC | EXEC | DISCARD )"
CHANGE = ("( SET <watched> <value> | DEL <watched> | GET <watched> | APPEND <watched> '' | EXPIRE <watched> '1000' | "
          "PERSIST <watched> | LPUSH <watched> <element> | SADD <watched> a | HSET <watched> f v | ZADD <watched> '1' a | "
          "SREM <watched> none | LPOP <watched> | INCR <watched> | RENAME <watched> <watched> | SETBIT <watched> '1' '0' | "
          "COPY <watched> <watched> REPLACE | MOVE <watched> '1' | SWAPDB '0' '1' | FLUSHALL | FLUSHDB | "
          "GETEX <watched> PERSIST | TOUCH <watched> | PFADD <watched> a | XADD <watched> '9-*' a b | "
          "EXPIRE <watched> '-1' | SORT <watched> ALPHA STORE <watched> | EVAL <small_script> '1' <watched> | "
          "GETDEL <watched> | SET <watched> a XX | SET <watched> a NX | SINTERSTORE <watched> none none | PING )")
NO_CHANGE = ("( GET <watched> | TYPE <watched> | DEL none | SREM <watched> none | LTRIM none '0' '1' | EXISTS <watched> | "
             "SETRANGE <watched> '0' '' | ZADD <watched> XX '1' none | SETNX <watched> <value> | HSETNX <watched> f v | "
             "PERSIST <watched> | LPUSHX none a )")
BLOCKING = ("( BLPOP <waited_list> <waited_list> <timeout> | BRPOP <waited_list> <timeout> | BLMOVE <waited_list> "
            "<waited_list> ( LEFT | RIGHT ) ( LEFT | RIGHT ) <timeout> | BRPOPLPUSH <waited_list> <waited_list> <timeout> | "
            "BLMPOP <timeout> '2' <waited_list> <waited_list> ( LEFT | RIGHT ) | BZPOPMIN <waited_zset> <timeout> | "
            "BZPOPMAX <waited_zset> <waited_list> <timeout> | BZMPOP <timeout> '1' <waited_zset> ( MIN | MAX ) | "
            "XREAD BLOCK ( '0' | '10' | '-1' ) STREAMS <waited_stream> '$' | XREADGROUP GROUP g c BLOCK '0' STREAMS "
            "<waited_stream> '>' | WAIT '1' '0' | WAIT '0' '0' )")
# The command behind it makes redis-server forget that memory was short: else later scripts are refused.
NO_LIMIT = "CONFIG SET maxmemory '1gb' ; PING ; CONFIG SET maxmemory '0'"
NO_MEMORY = "CONFIG SET maxmemory '1' maxmemory-policy noeviction"
ROWS = (
    row(10, f"MULTI ; @any ; @any ; {END}"),
    row(10, f"MULTI ; @any ; @any ; @any ; @any ; @any ; {END}"),
    row(6, f"MULTI ; {BLOCKING} ; RPUSH <waited_list> a b ; {BLOCKING} ; {BLOCKING} ; {END}"),
    row(3, f"MULTI ; @any ; {BLOCKING} ; @any ; {END}"),
    row(4, "MULTI ; @any ; ( NOSUCH <key> | GET | SET <key> | '' | OBJECT 'FOO' <key> | CLIENT 'FOO' | SET <key> a EX ) ; "
           f"@any ; {END}"),
    row(3, "SET <key> abc ; MULTI ; ( INCR <key> | LPUSH <key> a | SADD <key> a | ZADD <key> '1' a | HSET <key> a b | "
           f"XADD <key> '1-1' a b | PFADD <key> a | GEOADD <key> '1' '1' a ) ; INCR <key> ; SET <key> a ; {END}"),
    row(3, "MULTI ; @any ; ( MULTI | WATCH <key> | UNWATCH | MULTI 'x' | WATCH | UNWATCH 'x' | EXEC 'x' | DISCARD 'x' ) ; "
           f"@any ; {END}"),
    row(2, "( EXEC | DISCARD | UNWATCH | MULTI 'x' | EXEC 'x' | DISCARD 'x' | WATCH | UNWATCH 'x' )"),
    row(1, "MULTI ; EXEC ; MULTI ; DISCARD"),
    row(2, f"MULTI ; ( HELLO ( '2' | '3' | '9' ) | SELECT <db> | CLIENT SETNAME <name> | AUTH 'x' ) ; @any ; {END} ; "
           "CLIENT GETNAME", "hello"),
    row(1, f"MULTI ; @any ; RESET ; @any ; {END}"),
    row(1, "@pause '0' ; MULTI ; GET <key> ; CLIENT REPLY ( OFF | SKIP ) ; GET <key> ; SET <key> <value> ; "
           "CLIENT REPLY ON ; GET <key> ; EXEC ; @pause '0'"),
    row(1, "@pause '0' ; CLIENT REPLY ( OFF | SKIP ) ; MULTI ; GET <key> ; SET <key> <value> ; EXEC ; CLIENT REPLY ON ; "
           "@pause '0'"),
    row(2, "MULTI ; ( EVAL <small_script> '1' <key> | FCALL 'none' '0' | SCRIPT LOAD <small_script> | FUNCTION FLUSH ) ; "
           f"EVALSHA 'e0e1f9fabfc9d4800c877a703b823ac0578ff8db' '0' ; {END}"),
    row(2, "MULTI ; ( MONITOR | SUBSCRIBE | DEBUG 'FOO' | SHUTDOWN 'x' 'y' 'z' 'z' 'z' | ACL WHOAMI | ROLE | INFO 'nosuch' | "
           f"CONFIG RESETSTAT | SLOWLOG RESET ) ; {END}"),
    row(2, f"MULTI ; {NO_MEMORY} ; SET <key> <value> ; GET <key> ; EXEC ; GET <key> ; SET <key> <value> ; {NO_LIMIT}"),
    row(1, f"{NO_MEMORY} ; MULTI ; SET <key> <value> ; GET <key> ; EXEC ; {NO_LIMIT} ; GET <key>"),
    row(1, f"{NO_MEMORY} ; MULTI ; GET <key> ; CONFIG SET maxmemory '0' ; SET <key> <value> ; EXEC ; {NO_LIMIT} ; GET <key>"),
    row(2, f"@on 2 MULTI ; @on 2 @data ; @data ; @on 2 @data ; @on 2 {END}"),
    # Watching.
    row(3, f"WATCH <watched>... ; MULTI ; @data ; {END}"),
    row(5, f"WATCH <watched>... ; {CHANGE} ; MULTI ; SET <watched> <value> ; {END} ; GET <watched>"),
    row(8, f"WATCH <watched>... ; @on 2 {CHANGE} ; MULTI ; SET <watched> <value> ; {END} ; GET <watched>"),
    row(5, f"WATCH <watched> ; MULTI ; GET <watched> ; @on 2 {CHANGE} ; @on 2 {CHANGE} ; GET <watched> ; {END}"),
    row(4, f"WATCH <watched> ; @on 2 @data ; @on 2 @data ; MULTI ; GET <watched> ; {END}"),
    row(2, f"WATCH <watched> ; @on 2 MULTI ; @on 2 {CHANGE} ; @on 2 {CHANGE} ; @on 2 {END} ; MULTI ; PING ; EXEC"),
    row(2, f"WATCH <watched> ; {CHANGE} ; ( UNWATCH | DISCARD | SELECT '1' | RESET | EXEC | WATCH <watched> | PING ) ; MULTI ; "
           f"PING ; {END}"),
    row(1, f"WATCH <watched> ; {CHANGE} ; MULTI ; NOSUCH ; EXEC ; MULTI ; PING ; EXEC"),
    row(1, f"WATCH <watched> ; {CHANGE} ; MULTI ; DISCARD ; MULTI ; PING ; EXEC"),
    row(1, f"SELECT '1' ; WATCH <watched> ; SELECT '0' ; {CHANGE} ; MULTI ; PING ; EXEC"),
    row(1, f"WATCH <watched> ; SELECT '1' ; {CHANGE} ; MULTI ; PING ; EXEC ; SELECT '0'"),
    row(2, f"WATCH <watched> ; @on 2 {NO_CHANGE} ; MULTI ; PING ; EXEC"),
    # What has expired when it is watched, or expires while it is.
    row(2, "SET <watched> a PX ( '1' | '2' ) ; @pause '6' ; WATCH <watched> ; MULTI ; GET <watched> ; EXEC"),
    row(1, "DEBUG SET-ACTIVE-EXPIRE '0' ; SET k1 a PX '1' ; @pause '6' ; WATCH k1 ; @on 2 ( SET k1 b | GET k1 | DEL k1 ) ; "
           "MULTI ; GET k1 ; EXEC ; DEBUG SET-ACTIVE-EXPIRE '1'"),
    row(1, "SET k1 a PX '60' ; WATCH k1 ; @pause '80' ; MULTI ; GET k1 ; EXEC"),
)
