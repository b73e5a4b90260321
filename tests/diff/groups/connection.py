# SPDX-License-Identifier: BSD-3-Clause
"""Connection commands."""
from groups import row

SHARE = 12
ROWS = (
    row(4, "PING [ <text> ]"),
    row(3, "ECHO <value>"),
    row(2, "HELLO ( '2' | '3' )", "hello"),
    row(1, "HELLO [ ( '1' | '4' | 'abc' | '' | '3.0' | '-1' ) ]", "hello"),
    row(2, "HELLO ( '2' | '3' | '9' ) [ AUTH ( 'default' | 'nobody' ) <name> ] [ SETNAME <name> ] ; CLIENT GETNAME",
        "hello", mutable=False),
    row(1, "HELLO ( '2' | '3' ) [ SETNAME <name> ] [ AUTH 'default' <name> ]", "hello", mutable=False),
    row(1, "HELLO ( '2' | '3' ) ( AUTH <name> | SETNAME | 'FOO' )", "hello"),
    row(2, "AUTH <name>"),
    row(1, "AUTH ( 'default' | 'nobody' ) <name>"),
    row(1, "RESET"),
    row(1, "CLIENT SETNAME <name> ; RESET ; CLIENT GETNAME"),
    row(2, "CLIENT SETNAME <name>"),
    row(2, "CLIENT GETNAME"),
    row(2, "CLIENT ID", "shape"),
    row(1, "CLIENT INFO", "client_info", mutable=False),
    row(1, "CLIENT LIST", "shape", mutable=False),
    row(1, "CLIENT LIST ( TYPE ( normal | master | replica | pubsub | 'FOO' ) | ID '999999' | ID 'abc' | "
           "ID | 'FOO' )", "shape", mutable=False),
    row(1, "CLIENT LIST TYPE ( master | pubsub ) ; CLIENT LIST ID '999999999'", mutable=False),
    row(2, "CLIENT KILL ( ID '999999' | ID 'abc' | ID '0' | ID '-1' | ADDR '127.0.0.1:1' | LADDR '127.0.0.1:1' | "
           "TYPE ( master | pubsub | 'FOO' ) | USER 'nobody' | '127.0.0.1:1' | 'abc' | 'FOO' 'BAR' | "
           "ID '999999' SKIPME ( 'yes' | 'no' | 'maybe' ) | ID '999999' ADDR )", mutable=False),
    row(1, "CLIENT NO-EVICT ( ON | OFF | 'FOO' )"),
    row(1, "CLIENT PAUSE ( '1' | '0' | 'abc' | '-1' ) [ ( WRITE | ALL | 'FOO' ) ] ; SET <key> <value>",
        mutable=False),
    row(1, "CLIENT PAUSE '100000' WRITE ; GET <key> ; CLIENT UNPAUSE ; SET <key> <value>", mutable=False),
    row(1, "CLIENT UNPAUSE"),
    row(1, "CLIENT REPLY ( ON | 'FOO' )", mutable=False),
    row(1, "CLIENT REPLY SKIP ; SET <key> <value> ; GET <key>", mutable=False),
    row(1, "CLIENT REPLY OFF ; SET <key> <value> ; GET <key> ; INCR <key> ; CLIENT REPLY ON ; GET <key>",
        mutable=False),
    row(1, "CLIENT GETREDIR"),
    row(1, "CLIENT ( 'FOO' | '' | SETNAME | GETNAME 'x' | 'ID' 'x' | KILL | PAUSE | REPLY | NO-EVICT )",
        mutable=False),
    row(1, "CLIENT HELP", "help"),
    row(1, "@pause '0' ; CONFIG SET requirepass 'sesame' ; AUTH 'sesame' ; RESET ; GET <key> ; PING ; 'NOSUCH' ; "
           "ECHO a ; HELLO '3' ; AUTH <name> ; AUTH 'default' <name> ; HELLO '3' AUTH 'default' 'wrong' ; "
           "HELLO ( '2' | '3' ) AUTH 'default' 'sesame' ; GET <key> ; CONFIG SET requirepass ''", "hello",
        mutable=False),
    row(1, "@pause '0' ; CONFIG SET requirepass 'sesame' ; RESET ; SET <key> ; AUTH 'sesame' ; "
           "CONFIG GET requirepass ; CONFIG SET requirepass ''", mutable=False),
    row(1, "QUIT ; SET <key> <value>", mutable=False, last=True),
)
