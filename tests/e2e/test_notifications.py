# SPDX-License-Identifier: BSD-3-Clause
"""Keyspace events: the same as redis-server's, command by command, and the configuration that chooses them."""
import contextlib

import servers
from checks import check, contains, equal, is_true

# Lines of one list build on each other; "" stands for an empty argument.
COMMANDS = """
SET a 1 | SET a 2 EX 100 | SET a 2 PX 100000 NX | SET a 3 XX GET | SET a 3 KEEPTTL | SET nx 1 NX | SETNX n 1
SETNX n 2 | SETEX e 100 v | PSETEX e 10000 v | GETSET a x | GETSET fresh y | MSET m1 1 m2 2 | MSETNX m3 1 m4 2
MSETNX m3 1 m5 2 | APPEND a zz | APPEND ap zz | SETRANGE a 1 q | SETRANGE sr2 3 abc | INCR i | DECR i | INCRBY i 5
DECRBY i 5 | INCRBYFLOAT i 1.5 | GETEX a | GETEX a EX 100 | GETEX a PERSIST | GETEX a PERSIST | GETEX a EXAT 1
GET a | SET a 1 | GETDEL a | GETDEL a | SET a 1 | EXPIRE a 100 | EXPIRE a 100 NX | PEXPIRE a 100000
EXPIREAT a 99999999999 | PEXPIREAT a 99999999999000 | PERSIST a | PERSIST a | EXPIRE a -1 | EXPIRE a -1 | SET a 1
RENAME a b | RENAME b b | RENAMENX b c | SET d 1 | RENAMENX c d | RENAME c d | COPY d e1 | COPY d e1
COPY d e1 REPLACE | COPY d e2 DB 1 | MOVE e1 2 | SET e1 1 | DEL e1 none d | SET u 1 | UNLINK u none | SET a 1
SETBIT a 7 1 | SETBIT bm 7 1 | SETBIT bm 7 1 | BITFIELD bf SET u8 0 5 | BITFIELD bf GET u8 0
BITFIELD bf INCRBY u8 0 1 INCRBY u8 8 1 | BITFIELD bf OVERFLOW FAIL INCRBY u8 0 255 | BITFIELD bf SET u8 0 6 GET u8 0
BITOP AND dest a bm | BITOP AND dest none1 none2 | BITOP AND dest none1 none2 | TOUCH a | EXISTS none | GET none
MGET none a none2 | TTL none | STRLEN none | TYPE none | OBJECT ENCODING none | GETRANGE none 0 1
GETBIT none 1 | BITCOUNT none | BITPOS none 1 | LCS none none2 | EXPIRE none 1 | PERSIST none | GETEX none
RENAME none x | COPY none x | DEL none | FLUSHDB
RPUSH l a b c d e | LPUSH l x | LPUSHX none x | LINSERT l BEFORE a y | LSET l 0 z | LREM l 1 z | LREM l 1 none
LTRIM l 1 3 | LPOP l | RPOP l 5 | RPUSH l a b | LMOVE l l2 LEFT RIGHT | RPOPLPUSH l l2 | LMPOP 2 none l2 LEFT COUNT 9
RPUSH q 1 2 | BLPOP q 0 | BRPOP q 0 | RPUSH q 1 | BLMOVE q q2 LEFT LEFT 0 | RPUSH w a | LTRIM w 1 0 | GET l
ZADD z 1 a 2 b 3 c | ZADD z 1 a | ZADD z XX CH 5 a | ZADD z INCR 1 a | ZINCRBY z 2 a | ZREM z none | ZREM z a
ZPOPMIN z | ZPOPMAX z 5 | ZADD z 1 a 2 b 3 c 4 d | ZREMRANGEBYRANK z 0 0 | ZREMRANGEBYSCORE z 2 2
ZREMRANGEBYLEX z [c [c | ZRANGESTORE z2 z 0 -1 | ZUNIONSTORE z3 2 z z2 | ZINTERSTORE z3 2 z none | ZDIFFSTORE z4 2 z z2
ZADD y 1 a | BZPOPMIN y 0 | ZADD y 1 a | ZMPOP 1 y MIN
"""
MORE_COMMANDS = """
SADD s a b c | SADD s a | SREM s a none | SMOVE s s2 b | SPOP s | SADD t a b | SINTERSTORE i t t | SDIFFSTORE i t t
SUNIONSTORE un t s2 | HSET h a 1 b 2 | HSET h a 1 | HSETNX h a 1 | HSETNX h n 1 | HMSET h c 3 | HINCRBY h a 1
HINCRBYFLOAT h a 1.5 | HDEL h none | HDEL h a | HDEL h b c n | XADD x 1-1 f v | XADD x 2-1 f v | XDEL x 1-1
XTRIM x MAXLEN 0 | XGROUP CREATE x g 0 | XGROUP CREATECONSUMER x g c | XGROUP DELCONSUMER x g c | XGROUP DESTROY x g
PFADD pf a | PFADD pf a | PFMERGE pf2 pf | GEOADD geo 1 1 a | GEOSEARCHSTORE g2 geo FROMMEMBER a BYRADIUS 1 km
SADD one a | SMOVE one two a | SADD one b | SMOVE one two b | XGROUP CREATE fresh g 0 MKSTREAM | XADD short MAXLEN 0 1-1 f v
RPUSH one x | LMOVE one other LEFT RIGHT | EVAL redis.call('sadd','es',1)redis.call('smove','es','et',1) 0
SORT t ALPHA STORE sorted | DUMP none | RPUSH last a b | SORT last ALPHA STORE sorted | SORT none STORE sorted
"""


def fixture():
    return servers.Server()


def commands(text):
    return [line.split() for line in text.replace("\n", "|").split("|") if line.strip()]


@contextlib.contextmanager
def watcher(server, admin, classes, pattern="__key*__:*"):
    admin.call("CONFIG", "SET", "notify-keyspace-events", classes)
    with server.connect() as connection:
        connection.call("PSUBSCRIBE", pattern)
        yield connection
    admin.call("CONFIG", "SET", "notify-keyspace-events", "")


def read_events(connection, publisher):
    """What has come until now, as (channel, message)."""
    publisher.call("PUBLISH", "__key-end__:", "end of the events")
    events = []
    while (message := connection.read())[3] != b"end of the events":
        events.append((message[2].decode(), message[3].decode()))
    return events


def trace(server, classes, text=COMMANDS):
    with server.connect() as connection:
        connection.call("FLUSHALL")
        with watcher(server, connection, classes) as events:
            return [(" ".join(command), connection.call(*command), read_events(events, connection))
                    for command in commands(text)]


@check("every command publishes the events that redis-server publishes, in its order")
def _(server):
    with servers.Server(servers.redis_program()) as redis:
        expected = trace(redis, "AKEmn")
    is_true(sum(len(events) for _, _, events in expected) > 300, "the trace has events")
    for found, wanted in zip(trace(server, "AKEmn"), expected):
        equal((found[0], found[2]), (wanted[0], wanted[2]))


@check("commands on sets, hashes, streams and what stores results publish the events of redis-server")
def _(server):
    with servers.Server(servers.redis_program()) as redis:
        expected = trace(redis, "AKEmn", MORE_COMMANDS)
    is_true(sum(len(events) for _, _, events in expected) > 60, "the trace has events")
    for found, wanted in zip(trace(server, "AKEmn", MORE_COMMANDS), expected):
        equal((found[0], found[2]), (wanted[0], wanted[2]))


@check("only the classes and channels that are configured are published")
def _(server):
    for classes in ("K$", "Eg", "KEl", "Ex", "g$lshzxe"):
        with servers.Server(servers.redis_program()) as redis:
            expected = trace(redis, classes)
        for found, wanted in zip(trace(server, classes), expected):
            equal((classes, found[0], found[2]), (classes, wanted[0], wanted[2]))


@check("a key that expires is told of though nobody looks at it, and one that is evicted too")
def _(server):
    with server.connect() as connection:
        with watcher(server, connection, "Exe") as events:
            connection.call("SET", "short", "x", "PX", 5)
            equal(events.read()[2:], [b"__keyevent@0__:expired", b"short"])
            connection.call("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
            connection.call("FLUSHALL")
            connection.call_many([("SET", f"filler:{number}", "x" * 1000) for number in range(200)])
            used = connection.call("INFO", "memory").decode().split("used_memory:")[1].split()[0]
            connection.call("CONFIG", "SET", "maxmemory", used)
            connection.call_many([("SET", f"more:{number}", "x" * 1000) for number in range(1000)])
            equal(events.read()[2], b"__keyevent@0__:evicted")
            connection.call("CONFIG", "SET", "maxmemory", 0, "maxmemory-policy", "noeviction")


@check("events of a transaction come together, each key's in the order of its changes")
def _(server):
    with server.connect() as connection, server.connect() as writer:
        with watcher(server, connection, "KA") as events:
            writer.call_many([("MULTI",), ("SET", "t1", 1), ("INCR", "t1"), ("SET", "t2", 1), ("DEL", "t1"), ("EXEC",)])
            found = read_events(events, connection)
            equal(found, [("__keyspace@0__:t1", "set"), ("__keyspace@0__:t1", "incrby"), ("__keyspace@0__:t2", "set"),
                          ("__keyspace@0__:t1", "del")])


@check("the letters of notify-keyspace-events are reported as redis-server reports them")
def _(server):
    with servers.Server(servers.redis_program()) as redis, redis.connect() as peer, server.connect() as ours:
        for value in ("A", "AKE", "KEA", "gE", "Kg$lshzxetd", "Kg$lshzxet", "KEmn", "AKEm", "n", "", "KEx", "q", "KEq"):
            for verb in (("SET", "notify-keyspace-events", value), ("GET", "notify-keyspace-events")):
                equal(ours.call("CONFIG", *verb), peer.call("CONFIG", *verb), value)
        ours.call("CONFIG", "SET", "notify-keyspace-events", "")
        contains(ours.call("CONFIG", "GET", "notify-keyspace-events")[0], b"notify-keyspace-events")
