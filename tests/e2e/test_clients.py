# SPDX-License-Identifier: BSD-3-Clause
"""What one connection does to others: MONITOR, CLIENT KILL, CLIENT PAUSE, databases."""
import threading
import time

import resp
import servers
from checks import check, contains, equal, is_true


def fixture():
    return servers.Server()


@check("MONITOR shows what other clients send, with database and address, and hides passwords")
def _(server):
    with server.connect() as watcher, server.connect() as other:
        equal(watcher.call("MONITOR"), b"OK")
        other.call("SELECT", 2)
        other.call("SET", "a", "b\r\n\"x\"")
        other.call("AUTH", "secret-password")
        other.call("GET", "end")
        lines = []
        while not lines or b"end" not in lines[-1]:
            lines.append(watcher.read())
        text = b"\n".join(lines)
        contains(text, b'"SET" "a" "b\\r\\n\\"x\\""')
        contains(text, b" [2 127.0.0.1:")
        is_true(b"secret-password" not in text, repr(text))


def shown(watcher, last):
    """The lines up to the one that holds `last`, without times and with no address but its place."""
    lines = []
    while not lines or last not in lines[-1]:
        line = watcher.read()
        lines.append(line[line.index(b"["):].replace(b"127.0.0.1:", b"client "))
    return [line.split(b"] ", 1) for line in lines]


@check("MONITOR shows a script above what it calls, the calls as lua's, and EXEC below its commands")
def _(server):
    with server.connect() as watcher, server.connect() as other:
        equal(watcher.call("MONITOR"), b"OK")
        other.call("EVAL", "redis.call('set', KEYS[1], 1) return redis.pcall('lpush', KEYS[1], 2)", "1", "k")
        other.call("EVAL", "redis.pcall('set', 'k') redis.pcall('multi') return redis.call('select', 2)", "0")
        other.call("EVALSHA", "0" * 40, "0")
        other.call("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() redis.call('get', 'q') end)")
        other.call("FCALL", "f", "0")
        other.call("FCALL", "absent", "0")
        other.call("FUNCTION", "FLUSH")
        for command in (("MULTI",), ("SET", "a", "b"), ("EVAL", "redis.call('get', 'a')", "0"), ("EXEC",)):
            other.call(*command)
        other.call("SELECT", "3")
        other.call("GET", "end")
        lines = shown(watcher, b'"end"')
        names = [(line[0].split(b" ")[1] == b"lua", line[1].split(b" ")[0]) for line in lines]
        equal(names, [(False, b'"EVAL"'), (True, b'"set"'), (True, b'"lpush"'),
                      (False, b'"EVAL"'), (True, b'"select"'), (False, b'"EVALSHA"'),
                      (False, b'"FUNCTION"'), (False, b'"FCALL"'), (True, b'"get"'), (False, b'"FCALL"'),
                      (False, b'"FUNCTION"'), (False, b'"MULTI"'), (False, b'"SET"'), (False, b'"EVAL"'),
                      (True, b'"get"'), (False, b'"EXEC"'), (False, b'"SELECT"'), (False, b'"GET"')])
        equal([line[0] for line in lines if b'"select"' in line[1]], [b"[2 lua"])
        equal([line[0].split(b" ")[0] for line in lines if b'"SELECT"' in line[1]], [b"[3"])


@check("CLIENT KILL by id, address and type closes the connection that is meant")
def _(server):
    with server.connect() as killer:
        for words in (lambda victim: ("ID", victim.call("CLIENT", "ID")),
                      lambda victim: ("ADDR", "%s:%d" % victim.socket.getsockname()),
                      lambda victim: ("ID", victim.call("CLIENT", "ID"), "TYPE", "normal", "SKIPME", "yes")):
            with server.connect() as victim:
                victim.call("PING")
                equal(killer.call("CLIENT", "KILL", *words(victim)), 1)
                equal(victim.read_until_close(), b"")
        with server.connect() as victim:
            victim.call("PING")
            equal(killer.call("CLIENT", "KILL", "%s:%d" % victim.socket.getsockname()), b"OK")
            equal(victim.read_until_close(), b"")
        equal(killer.call("CLIENT", "KILL", "127.0.0.1:1"), b"ERR No such client")
        with server.connect() as victim:
            victim.call("PING")
            equal(killer.call("CLIENT", "KILL", "TYPE", "normal"), 1)
            equal(victim.read_until_close(), b"")
        equal(killer.call("CLIENT", "KILL", "ID", killer.call("CLIENT", "ID"), "SKIPME", "no"), 1)
        equal(killer.read_until_close(), b"")


@check("CLIENT PAUSE WRITE holds writes back, lets reads through, and ends by itself or by UNPAUSE")
def _(server):
    with server.connect() as admin, server.connect() as writer, server.connect() as reader:
        admin.call("SET", "a", 1)
        begin = time.monotonic()
        equal(admin.call("CLIENT", "PAUSE", 300, "WRITE"), b"OK")
        writer.send("INCR", "a")
        equal(reader.call("GET", "a"), b"1")
        equal(writer.read(), 2)
        is_true(time.monotonic() - begin >= 0.29, "the write waited")
        equal(admin.call("CLIENT", "PAUSE", 60000, "WRITE"), b"OK")
        writer.send("INCR", "a")
        equal(admin.call("CLIENT", "UNPAUSE"), b"OK")
        equal(writer.read(), 3)
        begin = time.monotonic()
        equal(admin.call("CLIENT", "PAUSE", 100), b"OK")
        equal(reader.call("GET", "a"), b"3")
        is_true(time.monotonic() - begin >= 0.09, "the read waited too")


@check("SWAPDB, MOVE and FLUSHDB act on what other clients see")
def _(server):
    with server.connect() as one, server.connect() as two:
        one.call("FLUSHALL")
        two.call("SELECT", 1)
        one.call("SET", "a", "zero")
        two.call("SET", "a", "one")
        equal(one.call("SWAPDB", 0, 1), b"OK")
        equal((one.call("GET", "a"), two.call("GET", "a")), (b"one", b"zero"))
        one.call("SET", "b", 1)
        equal(one.call("MOVE", "b", 1), 1)
        equal(two.call("GET", "b"), b"1")
        equal(two.call("FLUSHDB"), b"OK")
        equal((one.call("DBSIZE"), two.call("DBSIZE")), (1, 0))


@check("SCAN returns every key that stays, while keys come and go and the table grows and shrinks")
def _(server):
    with server.connect() as scanner:
        scanner.call("FLUSHALL")
        scanner.call_many(("SET", f"stay:{number}", "x") for number in range(5000))
        stop = threading.Event()

        def churn():
            with server.connect() as connection:
                number = 0
                while not stop.is_set():
                    connection.call_many([("SET", f"go:{number + step}", "x") for step in range(2000)])
                    connection.call_many([("DEL", f"go:{number + step}") for step in range(2000)])
                    number += 2000
        worker = threading.Thread(target=churn)
        worker.start()
        try:
            for count in (1, 10, 500):
                cursor, found = b"0", set()
                while True:
                    cursor, keys = scanner.call("SCAN", cursor, "MATCH", "stay:*", "COUNT", count * 10)
                    found.update(keys)
                    if cursor == b"0":
                        break
                equal(len(found), 5000)
        finally:
            stop.set()
            worker.join()


@check("increments from many connections at once are all counted")
def _(server):
    with server.connect() as connection:
        connection.call("FLUSHALL")

        def work():
            with server.connect() as mine:
                for _ in range(20):
                    mine.call_many([("INCR", "n")] * 100)
        workers = [threading.Thread(target=work) for _ in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        equal(connection.call("GET", "n"), b"16000")


@check("RESP3 changes the shape of replies for one connection only")
def _(server):
    with server.connect() as new, server.connect() as old:
        is_true(isinstance(new.call("HELLO", 3), resp.Map), "map")
        new.send("GET", "none such")
        equal(new.read_raw(), b"_\r\n")
        old.send("GET", "none such")
        equal(old.read_raw(), b"$-1\r\n")
        is_true(isinstance(new.call("CONFIG", "GET", "maxmemory"), resp.Map), "map")
        is_true(isinstance(new.call("INFO"), resp.Verbatim), "verbatim")


@check("active expiry removes keys that nobody reads")
def _(server):
    with server.connect() as connection:
        connection.call("FLUSHALL")
        connection.call_many(("SET", f"short:{number}", "x", "PX", 50) for number in range(20000))
        servers.wait_until(lambda: connection.call("DBSIZE") == 0, "all are gone by themselves")
        contains(connection.call("INFO", "stats"), b"expired_keys:")
