# SPDX-License-Identifier: BSD-3-Clause
"""Publishing and subscribing over one connection. Rows that subscribe end every subscription and are batches of their
own: confirmations and messages are not one reply per command. In RESP2 most commands are refused meanwhile. No channel
matches two of the patterns: in which order they would get a message is not defined."""
from groups import row

SHARE = 8
NAME = "( 'c1' | 'c2' | '' | 'c[1-2]' )"
PATTERN = "( 'c1' | 'c[2]' | 'd*' )"
MEANWHILE = (f"( PING | PING <text> | GET <key> | SET <key> <value> | PUBLISH {NAME} <value> | SPUBLISH 's1' <text> | "
             f"PUBLISH {NAME} <value> | PUBLISH {NAME} <text> | SUBSCRIBE {NAME}... | PSUBSCRIBE {PATTERN}... | "
             f"SSUBSCRIBE 's1' 's2' | UNSUBSCRIBE {NAME} | PUNSUBSCRIBE {PATTERN} | SUNSUBSCRIBE 's1' | SUBSCRIBE | "
             f"PUBSUB NUMSUB {NAME}... | PUBSUB NUMPAT | PUBSUB SHARDNUMSUB 's1' | PUBSUB CHANNELS 'c1' | "
             "PUBSUB SHARDCHANNELS 's1' | 'NOSUCH' | ECHO <text> | CLIENT GETNAME | CONFIG GET maxmemory | "
             "PUNSUBSCRIBE 'none' | INCR <key> | DEL <key> | HELLO '2' 'x' | MULTI 'x' )")
END = ("UNSUBSCRIBE 'c1' 'c2' '' 'c[1-2]' ; PUNSUBSCRIBE 'c1' 'c[2]' 'd*' ; SUNSUBSCRIBE 's1' 's2' ; "
       "@pause '0'")
ROWS = (
    row(4, f"@pause '0' ; SUBSCRIBE {NAME}... ; {MEANWHILE} ; {MEANWHILE} ; {MEANWHILE} ; {END}", mutable=False),
    row(4, f"@pause '0' ; PSUBSCRIBE {PATTERN}... ; {MEANWHILE} ; {MEANWHILE} ; {MEANWHILE} ; {END}", mutable=False),
    row(2, f"@pause '0' ; SSUBSCRIBE 's1' ; {MEANWHILE} ; {MEANWHILE} ; {MEANWHILE} ; {END}", mutable=False),
    row(2, f"@pause '0' ; SUBSCRIBE 'c1' ; UNSUBSCRIBE ; PSUBSCRIBE 'd*' ; PUNSUBSCRIBE ; SSUBSCRIBE 's1' ; "
           f"SUNSUBSCRIBE ; {MEANWHILE} ; {END}", mutable=False),
    row(2, "@pause '0' ; UNSUBSCRIBE ; PUNSUBSCRIBE ; SUNSUBSCRIBE ; UNSUBSCRIBE 'c1' 'c1' ; @pause '0'", mutable=False),
    row(2, f"@pause '0' ; MULTI ; SUBSCRIBE 'c1' ; UNSUBSCRIBE ; PSUBSCRIBE 'd*' ; EXEC ; {MEANWHILE} ; {END}",
        mutable=False),
    row(1, f"@pause '0' ; SUBSCRIBE 'c1' ; MULTI ; DISCARD ; {END}", mutable=False),
    row(1, f"@pause '0' ; SUBSCRIBE 'c1' ; {MEANWHILE} ; RESET ; GET <key> ; PING ; @pause '0'", mutable=False),
    row(1, f"@pause '0' ; CLIENT REPLY SKIP ; SUBSCRIBE 'c1' ; PING ; {END}", mutable=False),
    row(1, f"@pause '0' ; SUBSCRIBE 'c1' ; {MEANWHILE} ; QUIT", mutable=False, last=True),
    row(3, f"PUBLISH {NAME} <value>"),
    row(2, f"MULTI ; PUBLISH {NAME} <value> ; SPUBLISH {NAME} <value> ; EXEC", mutable=False),
    row(2, f"SPUBLISH {NAME} <value>"),
    row(1, f"PUBSUB ( CHANNELS | CHANNELS {PATTERN} | NUMPAT | NUMSUB {NAME}... | SHARDCHANNELS | SHARDNUMSUB {NAME}... )"),
    row(1, "PUBSUB HELP", "help"),
    row(1, "PUBSUB ( 'FOO' | '' | CHANNELS 'a' 'b' | NUMPAT 'x' | SHARDCHANNELS 'a' 'b' )"),
    row(1, "( SUBSCRIBE | PSUBSCRIBE | SSUBSCRIBE | PUBLISH | SPUBLISH | PUBSUB )", mutable=False),
)
