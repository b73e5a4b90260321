# SPDX-License-Identifier: BSD-3-Clause
"""Clients that wait for keys, and transactions, over several threads of the server."""
import contextlib
import socket
import threading
import time

import servers
from checks import check, contains, equal, is_true


def fixture():
    return servers.Server(arguments=("--threads", "4"))


def blocked(server):
    with server.connect(30.0) as client:
        text = client.call("INFO", "clients")
    return int([line for line in text.decode().split("\r\n") if line.startswith("blocked_clients:")][0].split(":")[1])


class Waiting:
    """A connection whose command waits. It is known to the server as waiting when this returns."""

    def __init__(self, server, *words):
        before = blocked(server)
        self.client = server.connect(30.0)
        self.client.send(*words)
        servers.wait_until(lambda: blocked(server) == before + 1, f"{words} waits")

    def reply(self):
        with self.client as client:
            return client.read()


@check("whoever waited first for a list is served first, one element each")
def _(server):
    with server.connect(30.0) as client:
        client.call("FLUSHALL")
        waiting = [Waiting(server, "BLPOP", "other", "fair", "20") for _ in range(6)]
        for number in range(6):
            client.call("RPUSH", "fair", str(number))
        for number, one in enumerate(waiting):
            equal(one.reply(), [b"fair", str(number).encode()])
        equal(client.call("EXISTS", "fair"), 0)


@check("a push of several elements serves several clients in their order and leaves the rest")
def _(server):
    with server.connect(30.0) as client:
        client.call("FLUSHALL")
        waiting = [Waiting(server, "BRPOP", "list", "20") for _ in range(3)]
        equal(client.call("RPUSH", "list", "a", "b", "c", "d", "e"), 5)
        equal([one.reply() for one in waiting], [[b"list", b"e"], [b"list", b"d"], [b"list", b"c"]])
        equal(client.call("LRANGE", "list", "0", "-1"), [b"a", b"b"])


@check("a waiting BLMOVE hands on to whoever waits for its destination, wherever the keys lie")
def _(server):
    with server.connect(30.0) as client:
        client.call("FLUSHALL")
        last = Waiting(server, "BLPOP", "third", "20")
        middle = Waiting(server, "BLMOVE", "second", "third", "LEFT", "RIGHT", "20")
        first = Waiting(server, "BRPOPLPUSH", "first", "second", "20")
        client.call("LPUSH", "first", "traveller")
        equal(first.reply(), b"traveller")
        equal(middle.reply(), b"traveller")
        equal(last.reply(), [b"third", b"traveller"])
        equal(client.call("EXISTS", "first", "second", "third"), 0)


@check("a client that waits for a list is not served what an EXEC pushed and popped again")
def _(server):
    with server.connect(30.0) as client:
        client.call("FLUSHALL")
        waiting = Waiting(server, "BLPOP", "list", "20")
        client.call("MULTI")
        client.call("RPUSH", "list", "gone")
        client.call("LPOP", "list")
        client.call("BLPOP", "list", "0")
        equal(client.call("EXEC"), [1, b"gone", None])
        equal(blocked(server), 1)
        client.call("MULTI")
        client.call("RPUSH", "list", "x", "y")
        client.call("LLEN", "list")
        equal(client.call("EXEC"), [2, 2])
        equal(waiting.reply(), [b"list", b"x"])
        equal(client.call("LLEN", "list"), 1)


@check("a timeout ends the wait to within some milliseconds, with the null of its command")
def _(server):
    with server.connect(30.0) as client:
        client.call("FLUSHALL")
        for words in (("BLPOP", "none", "0.05"), ("BLMOVE", "none", "other", "LEFT", "LEFT", "0.05"),
                      ("BLMPOP", "0.05", "1", "none", "LEFT")):
            begin = time.monotonic()
            equal(client.call(*words), None)
            is_true(0.045 <= time.monotonic() - begin < 5, "about 50 ms")
        client.send("BLPOP", "none", "0.01")
        client.send("PING")
        equal((client.read(), client.read()), (None, b"PONG"))


@check("CLIENT UNBLOCK ends a wait as its timeout would, or with an error")
def _(server):
    with server.connect(30.0) as client:
        for reason in ("TIMEOUT", "ERROR"):
            with server.connect(30.0) as other:
                number = other.call("CLIENT", "ID")
                other.send("BLPOP", "none", "0")
                servers.wait_until(lambda: blocked(server) == 1, "it waits")
                equal(client.call("CLIENT", "UNBLOCK", str(number), reason), 1)
                reply = other.read()
                is_true(reply is None if reason == "TIMEOUT" else "UNBLOCKED" in str(reply), repr(reply))
                equal(client.call("CLIENT", "UNBLOCK", str(number)), 0)


@check("an element goes to nobody whose connection is gone")
def _(server):
    with server.connect(30.0) as client:
        client.call("FLUSHALL")
        gone = Waiting(server, "BLPOP", "list", "0")
        gone.client.close()
        servers.wait_until(lambda: blocked(server) == 0, "the end of the connection was noticed")
        killed = Waiting(server, "BLPOP", "list", "0")
        client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        servers.wait_until(lambda: blocked(server) == 0, "the killed connection is gone")
        killed.client.close()
        equal(client.call("RPUSH", "list", "kept"), 1)
        equal(client.call("LPOP", "list"), b"kept")


@check("what a client sends while its command waits is executed afterwards, in order")
def _(server):
    with server.connect(30.0) as client, server.connect(30.0) as other:
        client.call("FLUSHALL")
        other.send("BLPOP", "list", "20")
        servers.wait_until(lambda: blocked(server) == 1, "it waits")
        large = b"v" * 300000
        other.send("SET", "large", large)
        other.send("ECHO", "after")
        other.send("BLPOP", "list", "20")
        other.send("GET", "large")
        client.call("RPUSH", "list", "one")
        equal((other.read(), other.read(), other.read()), ([b"list", b"one"], b"OK", b"after"))
        servers.wait_until(lambda: blocked(server) == 1, "the second one waits")
        client.call("RPUSH", "list", "two")
        equal((other.read(), other.read()), ([b"list", b"two"], large))


@check("keys that appear by RENAME, COPY, RESTORE or SWAPDB serve who waits for them")
def _(server):
    with server.connect(30.0) as client:
        client.call("FLUSHALL")
        for words in (("RENAME", "source", "target"), ("COPY", "source", "target")):
            waiting = Waiting(server, "BLPOP", "target", "20")
            client.call("RPUSH", "source", "x")
            client.call(*words)
            equal(waiting.reply(), [b"target", b"x"])
            client.call("DEL", "source")
        waiting = Waiting(server, "BLPOP", "list", "20")
        client.call("SELECT", "9")
        client.call("RPUSH", "list", "swapped")
        equal(client.call("SWAPDB", "0", "9"), b"OK")
        equal(waiting.reply(), [b"list", b"swapped"])
        client.call("SELECT", "0")


@check("no element is lost or given twice among threads that push and wait at random")
def _(server):
    with server.connect(30.0) as client:
        client.call("FLUSHALL")
    count, seen, lock = 3000, [], threading.Lock()

    def consume(number):
        with server.connect(30.0) as client:
            client.socket.settimeout(30)
            while True:
                words = ("BLPOP", "queue:1", "queue:2", "0.5") if number % 2 else ("BRPOP", "queue:2", "queue:1", "0.5")
                reply = client.call(*words)
                if reply is None:
                    return
                with lock:
                    seen.append(int(reply[1]))

    def produce(number):
        with server.connect(30.0) as client:
            for item in range(number, count, 3):
                client.call("RPUSH" if item % 2 else "LPUSH", f"queue:{1 + item % 2}", str(item))
    threads = [threading.Thread(target=consume, args=(n,)) for n in range(8)]
    threads += [threading.Thread(target=produce, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    equal(sorted(seen), list(range(count)))


@check("CLIENT INFO in a transaction tells how many commands were queued, behind UNWATCH too")
def _(server):
    with server.connect() as client:
        for words in (("MULTI",), ("UNWATCH",), ("CLIENT", "INFO")):
            client.call(*words)
        contains(client.call("EXEC")[1].decode(), " multi=2 ")


@check("a watched key that is changed in any way ends the transaction, and EXEC forgets the watch")
def _(server):
    with server.connect(30.0) as client, server.connect(30.0) as other:
        changes = (("SET", "k", "2"), ("DEL", "k"), ("EXPIRE", "k", "100"), ("RENAME", "k", "l"), ("APPEND", "k", "x"),
                   ("FLUSHALL",), ("FLUSHDB",), ("SWAPDB", "0", "1"), ("RPUSH", "new", "x"), ("MOVE", "k", "2"))
        for change in changes:
            other.call("FLUSHALL")
            other.call("SET", "k", "1")
            client.call("WATCH", "k", "new", "none")
            other.call(*change)
            client.call("MULTI")
            client.call("SET", "done", "1")
            equal(client.call("EXEC"), None, f"after {change}")
            client.call("MULTI")
            client.call("PING")
            equal(client.call("EXEC"), [b"PONG"])
        for harmless in (("GET", "k"), ("SET", "other", "1"), ("EXPIRE", "none", "1"), ("DEL", "none"), ("PERSIST", "k")):
            other.call("FLUSHALL")
            other.call("SET", "k", "1")
            client.call("WATCH", "k", "none")
            other.call(*harmless)
            client.call("MULTI")
            equal(client.call("EXEC"), [], f"after {harmless}")
        other.call("SET", "short", "1", "PX", "30")
        client.call("WATCH", "short")
        servers.wait_until(lambda: other.call("EXISTS", "short") == 0, "it has expired")
        client.call("MULTI")
        equal(client.call("EXEC"), None)


@check("CLIENT PAUSE WRITE holds back an EXEC that writes, and lets one that reads through")
def _(server):
    with server.connect(30.0) as client, server.connect(30.0) as other:
        client.call("FLUSHALL")
        client.call("CLIENT", "PAUSE", "200", "WRITE")
        begin = time.monotonic()
        other.call_many([("MULTI",), ("GET", "k")])
        equal(other.call("EXEC"), [None])
        is_true(time.monotonic() - begin < 0.15, "it was let through")
        other.call_many([("MULTI",), ("GET", "k"), ("SET", "k", "1")])
        equal(other.call("EXEC"), [None, b"OK"])
        is_true(time.monotonic() - begin > 0.15, "it was held back")


@check("counters that are read and written back in transactions lose no increment")
def _(server):
    with server.connect(30.0) as client:
        client.call("FLUSHALL")

    def count(number):
        with server.connect(30.0) as client:
            done = 0
            while done < 150:
                keys = (f"counter:{number % 2}", "counter:both")
                client.call("WATCH", *keys)
                values = [int(v or 0) for v in client.call("MGET", *keys)]
                client.call("MULTI")
                for key, value in zip(keys, values):
                    client.call("SET", key, str(value + 1))
                done += client.call("EXEC") is not None
    threads = [threading.Thread(target=count, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    with server.connect(30.0) as client:
        equal(client.call("MGET", "counter:0", "counter:1", "counter:both"), [b"450", b"450", b"900"])


@check("a connection that ends inside MULTI leaves nothing behind")
def _(server):
    with server.connect(30.0) as client:
        client.call("FLUSHALL")
        with server.connect(30.0) as other:
            other.call("WATCH", "k")
            other.call("MULTI")
            other.call("SET", "k", b"x" * 100000)
            other.socket.shutdown(socket.SHUT_WR)
        client.call("SET", "other", "1")
        equal((client.call("DBSIZE"), client.call("EXISTS", "k")), (1, 0))


@check("RESET leaves a transaction and forgets the watched keys")
def _(server):
    with server.connect(30.0) as client, server.connect(30.0) as other:
        client.call("WATCH", "reset")
        client.call("MULTI")
        equal(client.call("SET", "reset", "1"), b"QUEUED")
        equal(client.call("RESET"), b"RESET")
        equal(client.call("GET", "reset"), None)
        equal(client.call("EXEC"), b"ERR EXEC without MULTI")
        other.call("SET", "reset", "2")
        client.call("MULTI")
        client.call("GET", "reset")
        equal(client.call("EXEC"), [b"2"])


@check("an EXEC that is refused says why, and the transaction is over")
def _(server):
    reason = b"EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"
    with server.connect(30.0) as client:
        equal(client.call("EXEC", "x"), reason)
        client.call("MULTI")
        equal(client.call("EXEC", "x"), reason)
        equal(client.call("DISCARD"), b"ERR DISCARD without MULTI")


@check("in a transaction CLIENT REPLY holds from its place in the array on; MONITOR is refused; CLIENT INFO shows EXEC")
def _(server):
    with server.connect(30.0) as client:
        client.call("MULTI")
        for words in (("PING",), ("CLIENT", "REPLY", "OFF"), ("PING",), ("CLIENT", "REPLY", "ON"), ("ECHO", "x")):
            equal(client.call(*words), b"QUEUED")
        ending = b"$3\r\nend\r\n"
        client.send("EXEC")
        client.send("ECHO", "end")
        while not client.buffer.endswith(ending):
            is_true(client.receive(), "the connection is open")
        equal(bytes(client.buffer), b"*5\r\n+PONG\r\n+OK\r\n$1\r\nx\r\n" + ending)
        client.buffer.clear()
        client.call_many([("MULTI",), ("MONITOR",), ("CLIENT", "INFO")])
        refusal, info = client.call("EXEC")
        equal(refusal, b"ERR MONITOR isn't allowed for DENY BLOCKING client")
        is_true(b" cmd=exec " in info, "the command that runs is EXEC")


@check("above the memory limit nothing is queued, and the limit holds from the next command on")
def _(server):
    refusal = b"OOM command not allowed when used memory > 'maxmemory'."
    with server.connect(30.0) as client:
        replies = client.call_many([("CONFIG", "SET", "maxmemory", "1"), ("SET", "k", "v"), ("MULTI",), ("GET", "k"),
                                    ("DISCARD",), ("CONFIG", "SET", "maxmemory", "0"), ("SET", "k", "v")])
        equal(replies, [b"OK", refusal, b"OK", refusal, b"OK", b"OK", b"OK"])


@check("who waits for the destination of another's BLMOVE is served, whoever came first")
def _(server):
    with server.connect(30.0) as client:
        client.call("FLUSHALL")
        first = Waiting(server, "BLMOVE", "chain:1", "chain:2", "LEFT", "RIGHT", "20")
        second = Waiting(server, "BLMOVE", "chain:2", "chain:3", "LEFT", "RIGHT", "20")
        third = Waiting(server, "BLPOP", "chain:3", "20")
        client.call("LPUSH", "chain:2", "a")
        equal((second.reply(), third.reply()), (b"a", [b"chain:3", b"a"]))
        fourth = Waiting(server, "BLPOP", "chain:2", "20")
        client.call("LPUSH", "chain:1", "b")
        equal((first.reply(), fourth.reply()), (b"b", [b"chain:2", b"b"]))


@check("several that would move an element elsewhere go on waiting when there is none")
def _(server):
    with server.connect(30.0) as client:
        client.call("FLUSHALL")
        moves = [Waiting(server, "BLMOVE", "few", "to:1", "LEFT", "RIGHT", "20"),
                 Waiting(server, "BRPOPLPUSH", "few", "to:2", "20"),
                 Waiting(server, "BLMOVE", "few", "to:3", "LEFT", "RIGHT", "20")]
        equal(client.call_many([("SET", "few", "x"), ("DEL", "few"), ("RPUSH", "few", "a")]), [b"OK", 1, 1])
        equal(moves[0].reply(), b"a")
        equal(client.call("RPUSH", "few", "b", "c", "d"), 3)
        equal([move.reply() for move in moves[1:]], [b"d", b"b"])
        equal(client.call("LRANGE", "few", "0", "-1"), [b"c"])


@check("in a transaction two exchanges of databases that leave a key where it was serve nobody")
def _(server):
    with server.connect(30.0) as client:
        client.call("FLUSHALL")
        client.call_many([("SELECT", "1"), ("RPUSH", "swapped", "a"), ("SELECT", "0")])
        waiting = Waiting(server, "BLPOP", "swapped", "20")
        client.call_many([("MULTI",), ("SWAPDB", "0", "1"), ("SWAPDB", "0", "1"), ("EXEC",)])
        client.call("RPUSH", "swapped", "b")
        equal(waiting.reply(), [b"swapped", b"b"])
        waiting = Waiting(server, "BLPOP", "swapped", "20")
        client.call_many([("MULTI",), ("SWAPDB", "0", "1"), ("EXEC",)])
        equal(waiting.reply(), [b"swapped", b"a"])


def clients_figures(connection):
    return connection.call("INFO", "clients").decode()


@check("INFO tells how many keys are waited for, and by readers for a group")
def _(server):
    with server.connect() as admin, contextlib.ExitStack() as stack:
        admin.call("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
        contains(clients_figures(admin), "total_blocking_keys:0")
        for command in (("BLPOP", "a", "b", 0), ("BRPOP", "a", 0), ("XREAD", "BLOCK", 0, "STREAMS", "s", "$"),
                        ("XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "s", ">")):
            stack.enter_context(server.connect()).send(*command)
        servers.wait_until(lambda: "blocked_clients:4" in clients_figures(admin), "four wait")
        contains(clients_figures(admin), "total_blocking_keys:3")
        contains(clients_figures(admin), "total_blocking_keys_on_nokey:1")
        admin.call("RPUSH", "a", 1, 2)
        servers.wait_until(lambda: "total_blocking_keys:1\r" in clients_figures(admin), "the lists are served")
        admin.call("DEL", "s")
        servers.wait_until(lambda: "total_blocking_keys_on_nokey:0" in clients_figures(admin), "the group is gone")
