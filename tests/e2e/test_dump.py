# SPDX-License-Identifier: BSD-3-Clause
"""DUMP and RESTORE between redis-server and larder-server, in both directions and for each encoding."""
import contextlib

import servers
from checks import check, equal, is_true

SIZES = (60, 63, 64, 120, 125, 126, 127, 128, 4090, 4095, 4096, 16377, 16378, 16379, 16380, 16381, 16382, 16383)
INTEGERS = (0, 127, 128, -1, 4095, -4096, 4096, 32767, 32768, -8388608, 8388608, 2 ** 31, -2 ** 63)
CONTAINERS = (
    ("list:small", "RPUSH", ("a", "", *INTEGERS)),
    ("list:sizes", "RPUSH", tuple("z" * size for size in SIZES)),
    ("list:plain", "RPUSH", ("p" * 20000, "q")),
    ("list:long", "RPUSH", tuple(f"element-{i}" + "y" * (i % 90) for i in range(2000))),
    ("set:16", "SADD", tuple(range(-5, 20))),
    ("set:32", "SADD", tuple(range(100000, 100020))),
    ("set:64", "SADD", (1, 2 ** 40, -2 ** 60)),
    ("set:text", "SADD", ("a", "b", 3, "two words")),
    ("set:large", "SADD", tuple(f"member-{i}" for i in range(1000))),
    ("zset:small", "ZADD", (1, "a", 2.5, "b", "-inf", "c", "inf", "d", 3, "7", "1e100", "e")),
    ("zset:large", "ZADD", tuple(word for i in range(500) for word in (i / 4, f"m{i}"))),
)


@contextlib.contextmanager
def pair():
    with servers.Server() as ours, servers.Server(servers.redis_program()) as peer:
        with ours.connect() as first, peer.connect() as second:
            yield first, second


def fill(connection):
    connection.call("FLUSHALL")
    for name, value in (("int", 12345), ("negative", -70000), ("wide", 2 ** 40), ("text", "hello"), ("empty", ""),
                        ("repeating", "abc" * 2000), ("bytes", bytes(range(256)) * 20)):
        connection.call("SET", f"string:{name}", value)
    for key, command, arguments in CONTAINERS:
        connection.call(command, key, *arguments)
    for i in range(1, 200):
        connection.call("XADD", "stream", f"{i // 3 + 1}-{i}", "name", f"v{i}", "n2", i * 1000)
    for i in range(1, 30):
        connection.call("XADD", "stream", f"{1000 + i}-{i}", f"name{i % 2}", "v", *(("q", -i) if i % 3 else ()))
    for i, size in enumerate(SIZES):
        connection.call("XADD", "stream", f"{2000 + i}-0", "big", "z" * size)
    connection.call("XDEL", "stream", "1-1", "50-147", "2-5")
    for name, start in (("g1", "0"), ("g2", "20-0"), ("g3", "$")):
        connection.call("XGROUP", "CREATE", "stream", name, start)
    connection.call("XREADGROUP", "GROUP", "g1", "c1", "COUNT", 20, "STREAMS", "stream", ">")
    connection.call("XREADGROUP", "GROUP", "g1", "c2", "COUNT", 5, "STREAMS", "stream", ">")
    connection.call("XACK", "stream", "g1", "2-4")
    connection.call("XGROUP", "CREATECONSUMER", "stream", "g2", "idle")


def content(connection, key):
    kind = connection.call("TYPE", key)
    if kind == b"string":
        return connection.call("GET", key)
    if kind == b"list":
        return connection.call("LRANGE", key, 0, -1)
    if kind == b"set":
        return sorted(connection.call("SMEMBERS", key))
    if kind == b"zset":
        words = connection.call("ZRANGE", key, 0, -1, "WITHSCORES")
        return [(member, float(score)) for member, score in zip(words[::2], words[1::2])]
    groups = connection.call("XINFO", "GROUPS", key)
    pending = [connection.call("XPENDING", key, f"g{i}") for i in (1, 2, 3)]
    return connection.call("XRANGE", key, "-", "+"), groups, pending


def carry_over(source, destination):
    fill(source)
    destination.call("FLUSHALL")
    keys = sorted(source.call("KEYS", "*"))
    is_true(len(keys) >= 17, "keys")
    for key in keys:
        payload = source.call("DUMP", key)
        equal(destination.call("RESTORE", key, 0, payload), b"OK", str(key))
        equal(content(destination, key), content(source, key), str(key))


@check("values that redis-server dumped are restored, whatever their encoding")
def _():
    with pair() as (ours, peer):
        carry_over(peer, ours)
        for name in ("zset-max-listpack-entries", "set-max-intset-entries"):
            peer.call("CONFIG", "SET", name, 0)
        peer.call("CONFIG", "SET", "list-max-listpack-size", 1)
        peer.call("CONFIG", "SET", "rdbcompression", "no")
        carry_over(peer, ours)


@check("values dumped here are restored by redis-server and here, compressed and not")
def _():
    with pair() as (ours, peer):
        carry_over(ours, peer)
        compressed = {key: ours.call("DUMP", key) for key in ours.call("KEYS", "*")}
        is_true(len(compressed[b"string:repeating"]) < 200, "a text that repeats is short")
        for key, payload in compressed.items():
            before = content(ours, key)
            equal(ours.call("RESTORE", key, 0, payload, "REPLACE"), b"OK", str(key))
            equal(content(ours, key), before, str(key))
        ours.call("CONFIG", "SET", "rdbcompression", "no")
        carry_over(ours, peer)
        is_true(len(ours.call("DUMP", "string:repeating")) > 6000, "it is as long as it is")
        is_true(all(len(ours.call("DUMP", key)) >= len(payload) for key, payload in compressed.items()), "shorter")


@check("what is compressed here is as short as what redis-server compresses, but for a tenth")
def _():
    with pair() as (ours, peer):
        texts = [("abc" * 2000), "".join(f"user:{i}:session " for i in range(500)), open(__file__, encoding="utf-8").read(),
                 "a" * 21, "".join(chr(33 + i * i % 90) for i in range(4000))]
        for text in texts:
            for connection in (ours, peer):
                connection.call("SET", "k", text)
            found, expected = ours.call("DUMP", "k"), peer.call("DUMP", "k")
            is_true(len(found) <= len(expected) * 1.1 + 2, f"{len(found)} bytes, {len(expected)} of redis-server")
            equal(peer.call("RESTORE", "k", 0, found, "REPLACE"), b"OK")
            equal(peer.call("GET", "k"), text.encode())
