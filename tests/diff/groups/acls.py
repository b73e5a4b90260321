# SPDX-License-Identifier: BSD-3-Clause
"""Users and their rules. How a server words the rules of commands differs (A1), so these are tried with DRYRUN."""
from groups import row

SHARE = 4
RULE = ("( 'on' | 'off' | 'nopass' | '>p' | '<p' | '>q' | 'resetpass' | 'reset' | 'allkeys' | 'resetkeys' | 'allchannels' | "
        "'resetchannels' | '~k*' | '~*' | '%R~r*' | '%W~w*' | '%RW~b*' | '&c*' | '&*' | '+@all' | '-@all' | '+@read' | "
        "'-@write' | '+get' | '-get' | '+SET' | '+client' | '-client|id' | '+client|list' | '+select|0' | '+@pubsub' | "
        "'+@string' | '-@dangerous' | '(+get ~z*)' | '(+@write %W~v*)' | 'clearselectors' | 'sanitize-payload' | "
        "'skip-sanitize-payload' | '+foo' | '+@foo' | '-select|1' | 'foo' | '#abc' | '%~x' | '(on)' | '(~x' | '+get|' )")
TRIAL = ("( GET ( 'k1' | 'r1' | 'w1' | 'b1' | 'z1' | 'x' ) | SET ( 'k1' | 'r1' | 'w1' | 'b1' | 'v1' ) '1' [ GET ] | "
         "COPY 'r1' 'w1' | COPY 'w1' 'r1' | "
         "MSET 'k1' '1' 'x' '2' | DEL 'k1' 'w1' | EXISTS 'r1' 'x' | "
         "PUBLISH ( 'c1' | 'd1' ) 'm' | SUBSCRIBE 'c1' 'd1' | PSUBSCRIBE 'c*' | "
         "PSUBSCRIBE 'c1' | SPUBLISH 'c1' 'm' | CLIENT ID | CLIENT LIST | SELECT '0' | SELECT '1' | KEYS '*' | PING | "
         "STRLEN 'w1' | GETDEL ( 'w1' | 'k1' ) | BITFIELD 'r1' GET u8 '0' | BITFIELD 'r1' SET u8 '0' '1' | "
         "RENAME 'k1' 'b1' | FLUSHALL | "
         "NOSUCH | GET | CLIENT | CLIENT NOSUCH | AUTH 'x' )")
SORTER = "( '~*' | '~k*' | '~k*' '%R~*' | '~k*' '%W~*' | '~k*' '(+sort ~*)' | '~k*' '(+@all %R~*)' | '%R~*' )"
SORT = ("( SORT | SORT | SORT_RO ) ( 'k1' | 'k1' | 'x' ) { BY 'w*' | BY 'nosort' | GET 'w*' | GET '#' | ASC | LIMIT '0' 'x' | "
        "STORE 'k2' | FOO }")

ROWS = (
    row(6, f"ACL SETUSER 'u' {RULE}... ; ACL DRYRUN 'u' {TRIAL} ; ACL DRYRUN 'u' {TRIAL} ; ACL DRYRUN 'u' {TRIAL} ; "
           "ACL DELUSER 'u'", mutable=False),
    row(4, f"ACL SETUSER 'u' 'on' 'nopass' '+@all' {RULE}... ; AUTH 'u' 'p' ; ACL WHOAMI ; "
           f"{TRIAL[:-2].split(' | SUBSCRIBE')[0]} ) ; "
           "GET 'k1' ; SET 'w1' '1' ; KEYS 'nosuch' ; AUTH 'default' '' ; ACL DELUSER 'u'", mutable=False),
    row(2, "ACL SETUSER 'u' 'on' 'nopass' ( '~*' | '~k*' ) '+@all' ; AUTH 'u' 'p' ; MULTI ; SET 'k1' '1' ; "
           "GET ( 'k1' | 'x' ) ; EXEC ; AUTH 'default' 'x' ; ACL DELUSER 'u'", mutable=False),
    row(2, f"ACL SETUSER 'u' 'on' 'nopass' '+@all' {SORTER} ; RPUSH 'k1' '3' '1' '2' ; ACL DRYRUN 'u' {SORT} ; "
           f"AUTH 'u' 'p' ; {SORT} ; {SORT} ; EVAL 'return redis.pcall(unpack(ARGV))' '0' {SORT} ; "
           f"MULTI ; {SORT} ; EXEC ; AUTH 'default' 'x' ; ACL DELUSER 'u'", mutable=False),
    row(2, "ACL SETUSER 'u' 'on' 'nopass' '~*' '+@all' ; AUTH 'u' 'p' ; MULTI ; SET 'k1' '1' ; ACL SETUSER 'u' "
           "( '-set' | 'resetkeys' | '-@all' ) ; SET 'k1' '2' ; GET 'k1' ; EXEC ; AUTH 'default' 'x' ; "
           "ACL DELUSER 'u'", mutable=False),
    row(2, "ACL SETUSER 'u' ( 'on' | 'off' | 'nopass' | '>p' | "
           "'#ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb' | '~k' | '%R~r' | '&c' | '+@all' | "
           "'-@all' | '+get' | '+@read' | '(+get)' )... ; ACL GETUSER 'u' ; ACL LIST ; ACL USERS ; ACL DELUSER 'u'", mutable=False),
    row(2, "ACL SETUSER 'u' 'on' '>p' ; AUTH 'u' ( 'p' | 'q' ) ; ACL WHOAMI ; AUTH 'default' '' ; HELLO '2' AUTH 'u' 'q' ; "
           "ACL DELUSER 'u'", "hello", mutable=False),
    row(1, "ACL SETUSER ( 'a b' | 'u' ) ; ACL DELUSER ( 'u' | 'default' | 'nobody' )... ; ACL DELUSER 'u'", mutable=False),
    row(1, "ACL ( GETUSER 'nobody' | DRYRUN 'nobody' GET k | CAT | CAT 'nosuch' | GENPASS ( '0' | '5000' | 'x' ) | "
           "LOG ( RESET | 'x' ) | WHOAMI | LOAD | SAVE | NOSUCH | WHOAMI 'x' | USERS 'x' | LIST 'x' | SETUSER | "
           "GETUSER | DELUSER )", mutable=False),
    row(1, "ACL GENPASS [ ( '5' | '128' | '4096' ) ]", "shape"),
    row(1, "ACL HELP", "help"),
    row(1, "@pause '0' ; ACL SETUSER 'default' '>x' ; AUTH ( 'x' | 'y' ) ; CONFIG GET requirepass ; RESET ; PING ; "
           "AUTH 'default' 'x' ; ACL SETUSER 'default' 'nopass' ; CONFIG SET requirepass ''", mutable=False),
)
