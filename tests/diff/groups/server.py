# SPDX-License-Identifier: BSD-3-Clause
"""Server administration."""
from groups import row

SHARE = 10
CONFIG_NAMES = ("( maxmemory | maxmemory-policy | maxmemory-samples | timeout | hz | databases | appendonly | "
                "appendfsync | slowlog-max-len | slowlog-log-slower-than | notify-keyspace-events | "
                "hash-max-listpack-entries | hash-max-ziplist-entries | set-max-intset-entries | save | "
                "proto-max-bulk-len | lfu-log-factor | list-max-listpack-size | tcp-keepalive | requirepass | "
                "latency-monitor-threshold | lazyfree-lazy-eviction | maxclients | dbfilename | "
                "client-output-buffer-limit | active-expire-effort | 'no-such-name' )")
ROWS = (
    row(4, "CONFIG GET " + CONFIG_NAMES, "pairs", mutable=False),
    row(2, "CONFIG GET " + CONFIG_NAMES + " " + CONFIG_NAMES, "pairs", mutable=False),
    row(1, "CONFIG GET ( 'hash-max-*' | 'zset-*' | 'maxmemory' | 'slowlog*' | 'SLOWLOG-MAX-LEN' | 'lfu-????-*' )",
        "pairs", mutable=False),
    row(2, "CONFIG SET maxmemory <bytes_count> ; CONFIG GET maxmemory", "pairs", mutable=False),
    row(1, "CONFIG SET maxmemory ( 'abc' | '-1' | '' | '1x' | '1.5mb' | '10%' )"),
    row(2, "CONFIG SET maxmemory-policy ( 'allkeys-lru' | 'volatile-ttl' | 'noeviction' | 'allkeys-random' | "
           "'ALLKEYS-LFU' ) ; CONFIG GET maxmemory-policy", "pairs", mutable=False),
    row(1, "CONFIG SET slowlog-max-len ( '10' | '128' | '-1' | 'abc' | '1.5' ) ; CONFIG GET slowlog-max-len",
        "pairs", mutable=False),
    row(1, "CONFIG SET hash-max-listpack-entries ( '64' | '512' | '-1' | 'abc' | '' ) ; "
           "CONFIG GET hash-max-*-entries", "pairs", mutable=False),
    row(1, "CONFIG SET appendonly ( 'maybe' | '' | '1' )"),
    row(1, "CONFIG SET notify-keyspace-events ( '' | 'KEA' | 'Kx' | 'Elg' | 'q' ) ; "
           "CONFIG GET notify-keyspace-events", "pairs", mutable=False),
    row(1, "CONFIG SET lfu-decay-time '1' lfu-log-factor '10' ; CONFIG GET lfu-*", "pairs", mutable=False),
    row(1, "CONFIG SET lfu-decay-time '1' lfu-decay-time '2'"),
    row(1, "CONFIG SET maxmemory '100mb' hz ( 'abc' | '10' ) ; CONFIG GET maxmemory hz", "pairs", mutable=False),
    row(1, "CONFIG SET ( 'no-such-name' '1' | maxmemory | port 'abc' | databases '4' | "
           "timeout ( '-1' | '0' | 'x' ) )", mutable=False),
    row(1, "CONFIG RESETSTAT"),
    row(1, "CONFIG ( 'FOO' | GET | SET | '' )"),
    row(1, "CONFIG HELP", "help"),
    row(2, "COMMAND GETKEYS ( GET <key> | SET <key> <value> | MSET ( <key> <value> )... | MGET <key>... | "
           "DEL <key>... | COPY <key> <key> | BITOP AND <key> <key>... | PING | LCS <key> <key> | "
           "'NOSUCH' 'x' | OBJECT ENCODING <key> | RENAME <key> <key> | GET | BITFIELD <key> GET u8 '0' )",
        mutable=False),
    row(1, "COMMAND ( 'FOO' | GETKEYS | INFO 'nosuch' | COUNT 'x' )", mutable=False),
    row(1, "COMMAND COUNT", "shape", mutable=False),
    row(1, "COMMAND HELP", "help", mutable=False),
    row(2, "TIME", "shape"),
    row(1, "LOLWUT [ VERSION ( '5' | '6' | '1' ) ]", "shape", mutable=False),
    row(1, "ROLE"),
    row(1, "SLOWLOG LEN", "shape"),
    row(1, "SLOWLOG GET ( '0' | '-2' | 'abc' )"),
    row(1, "SLOWLOG GET [ ( '1' | '-1' | '10' ) ]", "shape"),
    row(1, "SLOWLOG RESET ; SLOWLOG ( 'FOO' | LEN 'x' )"),
    row(1, "SLOWLOG HELP", "help"),
    row(1, "CONFIG SET slowlog-log-slower-than '0' ; SLOWLOG RESET ; GET <key> ; SET <key> <value> ; "
           "SLOWLOG GET '2' ; CONFIG SET slowlog-log-slower-than '10000' ; SLOWLOG RESET ; SLOWLOG LEN",
        "slowlog", mutable=False),
    row(1, "MEMORY USAGE <key> [ SAMPLES ( '0' | '5' | '-1' | 'abc' ) ]", "shape"),
    row(1, "MEMORY ( 'FOO' | USAGE )"),
    row(1, "MEMORY HELP", "help"),
    row(1, "MEMORY ( DOCTOR | PURGE | STATS | MALLOC-STATS )", "shape", mutable=False),
    row(1, "LATENCY RESET [ ( 'command' | 'nosuch' ) ]", "shape"),
    row(1, "LATENCY ( LATEST | HISTORY ( 'command' | 'nosuch' ) )", "shape"),
    row(1, "LATENCY ( 'FOO' | HISTORY | DOCTOR 'x' | GRAPH 'nosuch' )"),
    row(1, "LATENCY DOCTOR", "shape"),
    row(1, "CONFIG RESETSTAT ; LATENCY HISTOGRAM ( 'nosuch' | <key> )", mutable=False),
    row(1, "LATENCY HELP", "help"),
    row(1, "INFO [ ( server | clients | memory | stats | keyspace | everything | all | default | cpu | "
           "replication | persistence | commandstats | errorstats | cluster | modules | latencystats ) ]",
        "shape", mutable=False),
    row(1, "FLUSHALL ; SET k1 a ; SET k2 b EX '1000' ; INFO keyspace", "keyspace", mutable=False),
    row(1, "INFO 'nosuch'", mutable=False),
    row(1, "DEBUG SLEEP '0'", mutable=False),
    row(1, "DEBUG SET-ACTIVE-EXPIRE ( '0' | '1' ) ; DEBUG SET-ACTIVE-EXPIRE '1'", mutable=False),
    row(1, "DEBUG OBJECT <key>", "shape", mutable=False),
    row(2, "DEBUG PROTOCOL ( string | integer | double | null | array | set | map | attrib | push | verbatim | "
           "true | false | bignum | 'foo' )", mutable=False),
    row(1, "DEBUG ( 'FOO' | SLEEP )", mutable=False),
    row(1, "DEBUG HELP", "help", mutable=False),
    row(2, "'NOSUCH' <value>..."),
    row(1, "( 'nosuch' | '' | 'GET ' | '\x01' | 'GE' | 'get\x00' ) [ <key> ] [ <value> ]"),
    row(1, "( OBJECT | CLIENT | CONFIG | SLOWLOG | MEMORY | LATENCY ) <junk> [ <junk> ]"),
    row(1, "( OBJECT | CLIENT | CONFIG | SLOWLOG | MEMORY | LATENCY | DEBUG )"),
)
