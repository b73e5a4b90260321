# SPDX-License-Identifier: BSD-3-Clause
"""maxmemory and its policies."""
import servers
from checks import check, equal, is_true

LIMIT = 30 * 1024 * 1024
VALUE = b"v" * 1000
OOM = b"OOM command not allowed when used memory > 'maxmemory'."


def info(connection, section, name):
    text = connection.call("INFO", section)
    return int(text.split(name.encode() + b":")[1].split(b"\r\n")[0])


def fill(connection, count, *options, prefix="key"):
    """The set of different replies to SET of that many keys."""
    replies = set()
    for begin in range(0, count, 1000):
        commands = [("SET", f"{prefix}:{number}", VALUE, *options) for number in range(begin, begin + 1000)]
        replies |= set(connection.call_many(commands))
    return replies


def server_with(policy):
    return servers.Server(arguments=("--maxmemory", LIMIT, "--maxmemory-policy", policy))


@check("noeviction answers writes with the known error when memory is full, reads and deletes go on")
def _():
    with server_with("noeviction") as server, server.connect() as connection:
        equal(fill(connection, 60000), {b"OK", OOM})
        is_true(info(connection, "memory", "used_memory") <= LIMIT * 1.02, "used_memory")
        equal(connection.call("GET", "key:0"), VALUE)
        for words in (("APPEND", "key:0", "x"), ("SETRANGE", "new", 10, "x"), ("INCR", "n"), ("MSET", "a", VALUE),
                      ("GETSET", "a", "x"), ("SETBIT", "b", 1, 1), ("COPY", "key:0", "key:copy")):
            equal(connection.call(*words), OOM, words[0])
        equal(info(connection, "stats", "evicted_keys"), 0)
        equal(connection.call("DEL", *(f"key:{number}" for number in range(5000))), 5000)
        servers.wait_until(lambda: connection.call("SET", "again", "x") == b"OK", "there is room again")


@check("every allkeys policy stays within the limit and keeps most of what fits")
def _():
    for policy in ("allkeys-lru", "allkeys-lfu", "allkeys-random", "allkeys-s3fifo"):
        with server_with(policy) as server, server.connect() as connection:
            equal(fill(connection, 60000), {b"OK"}, policy)
            is_true(info(connection, "memory", "used_memory") <= LIMIT * 1.02, policy)
            is_true(info(connection, "stats", "evicted_keys") > 20000, policy)
            is_true(connection.call("DBSIZE") > 15000, f"{policy}: {connection.call('DBSIZE')} keys")


@check("every volatile policy evicts only keys with a time to live, and refuses writes when there is none")
def _():
    for policy in ("volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", "volatile-s3fifo"):
        with server_with(policy) as server, server.connect() as connection:
            equal(fill(connection, 5000, prefix="kept"), {b"OK"}, policy)
            equal(fill(connection, 40000, "EX", "1000", prefix="cached"), {b"OK"}, policy)
            kept = connection.call("EXISTS", *(f"kept:{number}" for number in range(5000)))
            equal(kept, 5000, policy)
            is_true(info(connection, "memory", "used_memory") <= LIMIT * 1.02, policy)
            is_true(OOM in fill(connection, 60000, prefix="more"), policy)


@check("a cache under allkeys-lru keeps the keys that are read again and again")
def _():
    with server_with("allkeys-lru") as server, server.connect() as connection:
        fill(connection, 2000, prefix="hot")
        for begin in range(0, 60000, 1000):
            fill(connection, 1000, prefix=f"cold{begin}")
            connection.call_many([("GET", f"hot:{number}") for number in range(2000)])
        kept = connection.call("EXISTS", *(f"hot:{number}" for number in range(2000)))
        is_true(kept > 1000, f"{kept} of 2000 hot keys are left")


@check("maxmemory can be lowered while the server runs, and memory follows")
def _():
    with server_with("allkeys-lru") as server, server.connect() as connection:
        fill(connection, 25000)
        equal(connection.call("CONFIG", "SET", "maxmemory", LIMIT // 2), b"OK")
        connection.call("SET", "one", "more")
        servers.wait_until(lambda: info(connection, "memory", "used_memory") <= LIMIT // 2 * 1.03, "used memory falls")


@check("the memory of deleted and expired keys is given back to new ones")
def _():
    with server_with("noeviction") as server, server.connect() as connection:
        for number in range(6):
            equal(fill(connection, 15000, prefix=f"round{number}"), {b"OK"}, f"round {number}")
            if number % 2:
                connection.call("FLUSHALL")
            else:
                commands = [("PEXPIRE", f"round{number}:{key}", 1) for key in range(15000)]
                connection.call_many(commands)
            servers.wait_until(lambda: connection.call("DBSIZE") == 0, "the keys are gone")


@check("small allocations come from jemalloc, and members of a large set take little more than is counted")
def _():
    with servers.Server() as server, server.connect() as connection:
        with open(f"/proc/{server.process.pid}/maps", encoding="ascii") as maps:
            is_true("libjemalloc" in maps.read(), "libjemalloc is loaded")
        before = info(connection, "memory", "used_memory"), info(connection, "memory", "used_memory_rss")
        for begin in range(0, 400000, 1000):
            connection.call("SADD", "set", *(f"member:{n}" for n in range(begin, begin + 1000)))
        used = info(connection, "memory", "used_memory") - before[0]
        servers.wait_until(lambda: info(connection, "memory", "used_memory_rss") - before[1] < 1.35 * used,
                           "resident memory follows what is counted", 10)
