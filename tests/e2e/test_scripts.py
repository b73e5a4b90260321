# SPDX-License-Identifier: BSD-3-Clause
"""Scripts that take long: who is answered, who waits, and how they are stopped; several threads; limits."""
import contextlib
import threading
import time

import resp
import servers
from checks import check, contains, equal, is_true

FOREVER = "while true do end"
WRITES_THEN_FOREVER = "redis.call('set', KEYS[1], 'x') while true do end"
THREADS = ("--threads", "4", "--busy-reply-threshold", "150")


class Running:
    """A command that is sent on a connection of its own; its reply is read by a thread."""

    def __init__(self, server, *arguments):
        self.reply = None
        self.connection = server.connect(timeout=60)
        self.thread = threading.Thread(target=self.run, args=arguments, daemon=True)
        self.thread.start()

    def run(self, *arguments):
        try:
            self.reply = self.connection.call(*arguments)
        except (OSError, EOFError):
            self.reply = b"closed"

    def end(self):
        self.thread.join(60)
        is_true(not self.thread.is_alive(), "the script has ended")
        self.connection.close()
        return self.reply


def connect_and_ask(server, stack):
    """Connections that come one after the other are spread over the threads."""
    connection = stack.enter_context(server.connect(timeout=60))
    connection.call("PING")
    return connection


def is_busy(connection, key):
    reply = connection.call("GET", key)
    return isinstance(reply, resp.Failure) and reply.startswith(b"BUSY ")


@check("a slow script is told of and can be killed from a connection of any thread")
def _():
    with servers.Server(arguments=THREADS) as server, contextlib.ExitStack() as stack:
        before = [connect_and_ask(server, stack) for _ in range(8)]
        for killer in range(8):
            script = Running(server, "EVAL", FOREVER, "1", "a")
            servers.wait_until(lambda: is_busy(before[0], "a"), "the script is slow")
            for connection in before:
                contains(connection.call("GET", "a"), b"BUSY")
            connection = before[killer] if killer % 2 == 0 else stack.enter_context(server.connect(timeout=60))
            equal(connection.call("SCRIPT", "KILL"), b"OK")
            contains(script.end(), b"Script killed by user with SCRIPT KILL")
            equal(before[0].call("GET", "a"), None)
        contains(before[0].call("SCRIPT", "KILL"), b"NOTBUSY")


@check("scripts on other keys, and other commands, run beside a slow one")
def _():
    with servers.Server(arguments=THREADS) as server, contextlib.ExitStack() as stack:
        connections = [connect_and_ask(server, stack) for _ in range(12)]
        script = Running(server, "EVAL", FOREVER, "1", "a")
        servers.wait_until(lambda: is_busy(connections[0], "a"), "the script is slow")
        served = [c for c in connections if c.call("SET", "z", "0") == b"OK"]
        is_true(len(served) >= 4, f"only one thread is held up: {len(served)} of 12 are served")
        for connection in served:
            is_true(isinstance(connection.call("EVAL", "return redis.call('incr', KEYS[1])", "1", "z"), int), "runs")
        equal(served[0].call("SCRIPT", "KILL"), b"OK")
        script.end()


def peak_bytes(server):
    """The most memory that the process has had."""
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        return 1024 * int(next(line for line in status if line.startswith("VmHWM:")).split()[1])


@check("a huge JSON text ends its script with an error and does not take the server's memory")
def _():
    encodes = "local s, t = string.rep('\\1', 1e6), {} for i = 1, 100 do t[i] = s end return #cjson.encode(t)"
    decodes = ("local t = '[' .. string.rep('[],', 2e6) .. '1]' for i = 1, 80 do pcall(cjson.decode, t) end "
               "return cjson.decode(t)")
    fits = "return #cjson.encode(string.rep('\\1', 2e6))"
    with servers.Server(arguments=("--lua-memory-limit", "64mb")) as server, server.connect(timeout=60) as connection:
        equal(connection.call("EVAL", fits, "0"), 12000002)
        for script in (encodes, decodes):
            before = peak_bytes(server)
            contains(connection.call("EVAL", script, "0"), b"OOM")
            grown = peak_bytes(server) - before
            is_true(grown < 250 << 20, f"the process has grown by {grown} bytes")
        equal(connection.call("EVAL", fits, "0"), 12000002)


SPINS = ("local function now() local t = redis.call('time') return t[1] * 1000 + t[2] / 1000 end "
         "local start = now() while now() - start < 400 do end return redis.call('get', KEYS[1])")


@check("SCRIPT KILL ends what is slow and nothing else, and says which KILL is needed")
def _():
    with servers.Server(arguments=("--threads", "4", "--busy-reply-threshold", "800")) as server, \
            contextlib.ExitStack() as stack:
        connections = [connect_and_ask(server, stack) for _ in range(12)]
        connections[0].call("SET", "z", "kept")
        contains(connections[0].call("SCRIPT", "KILL"), b"NOTBUSY")
        script = Running(server, "EVAL", FOREVER, "1", "a")
        servers.wait_until(lambda: is_busy(connections[0], "a"), "the script is slow")
        contains(connections[0].call("FUNCTION", "KILL"), b"You can only call SCRIPT KILL")
        served = next(c for c in connections[1:] if c.call("GET", "z") == b"kept")
        served.send("EVAL", SPINS, "1", "z")
        time.sleep(0.1)
        equal(connections[0].call("SCRIPT", "KILL"), b"OK")
        equal(served.read(), b"kept")
        contains(script.end(), b"Script killed by user")


@check("what comes while a script is slow is answered: BUSY, or at once what needs no key")
def _():
    with servers.Server(arguments=("--threads", "3", "--busy-reply-threshold", "300")) as server, \
            contextlib.ExitStack() as stack:
        connections = [connect_and_ask(server, stack) for _ in range(9)]
        for connection in connections:
            connection.call("WATCH", "k")
            connection.call_many([("MULTI",), ("SET", "k", "v")])
        watchers = [connect_and_ask(server, stack) for _ in range(6)]
        for connection in watchers:
            connection.call("WATCH", "k")
        early = [connect_and_ask(server, stack) for _ in range(6)]
        script = Running(server, "EVAL", FOREVER, "1", "k")
        time.sleep(0.05)
        for connection, command in zip(early, (["DBSIZE"], ["KEYS", "*"], ["FLUSHALL"], ["SCAN", "0"], ["RANDOMKEY"],
                                               ["SWAPDB", "0", "1"])):
            connection.send(*command)
        for connection in early:
            contains(connection.read(), b"BUSY")
        for connection in connections:
            contains(connection.call("EXEC"), b"EXECABORT Transaction discarded because of: BUSY")
        for connection in watchers:
            equal(connection.call("UNWATCH"), b"OK")
            equal(connection.call_many([("MULTI",), ("DISCARD",)]), [b"OK", b"OK"])
            reply = connection.call("WATCH", "k")
            is_true(reply == b"OK" or reply.startswith(b"BUSY"), repr(reply))
        contains(early[0].call("DBSIZE"), b"BUSY")
        equal(watchers[0].call("SCRIPT", "KILL"), b"OK")
        script.end()
        equal(early[0].call("DBSIZE"), 0)
        watchers[1].call("WATCH", "k")
        early[0].call("SET", "k", "1")
        equal(watchers[1].call_many([("UNWATCH",), ("WATCH", "k"), ("MULTI",), ("GET", "k"), ("EXEC",)])[-1], [b"1"])


@check("a script that wrote can't be killed, but SHUTDOWN NOSAVE ends the server")
def _():
    with servers.Server(arguments=THREADS) as server, server.connect(timeout=60) as connection:
        script = Running(server, "EVAL", WRITES_THEN_FOREVER, "1", "a")
        servers.wait_until(lambda: is_busy(connection, "a"), "the script is slow")
        contains(connection.call("SCRIPT", "KILL"), b"UNKILLABLE")
        contains(connection.call("FUNCTION", "KILL"), b"You can only call SCRIPT KILL")
        contains(connection.call("KEYS", "*"), b"BUSY")
        connection.send("SHUTDOWN", "NOSAVE")
        equal(connection.read_until_close(), b"")
        script.end()
        servers.wait_until(lambda: server.process.poll() is not None, "the server has ended")


@check("a slow function is shown by FUNCTION STATS and killed by FUNCTION KILL")
def _():
    with servers.Server(arguments=THREADS) as server, server.connect(timeout=60) as connection:
        connection.call("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() while true do end end)")
        script = Running(server, "FCALL", "f", "1", "a", "b")
        servers.wait_until(lambda: is_busy(connection, "a"), "the function is slow")
        stats = connection.call("FUNCTION", "STATS")
        equal(stats[1][1], b"f")
        equal(stats[1][3], [b"FCALL", b"f", b"1", b"a", b"b"])
        contains(connection.call("SCRIPT", "KILL"), b"You can only call FUNCTION KILL")
        equal(connection.call("FUNCTION", "KILL"), b"OK")
        contains(script.end(), b"Script killed by user with FUNCTION KILL")


@check("a threshold of 0 lets a script run on undisturbed")
def _():
    with servers.Server(arguments=("--threads", "1", "--lua-time-limit", "0")) as server:
        with server.connect(timeout=60) as connection:
            equal(connection.call("CONFIG", "GET", "busy-reply-threshold"), [b"busy-reply-threshold", b"0"])
            equal(connection.call("EVAL", "local n = 0 for i = 1, 3000000 do n = n + 1 end return n", "0"), 3000000)


@check("a script that takes too much memory ends with an error, and the next one runs")
def _():
    with servers.Server(arguments=("--lua-memory-limit", "8mb")) as server, server.connect(timeout=60) as connection:
        for _ in range(3):
            contains(connection.call("EVAL", "local t = {} while true do t[#t+1] = ('x'):rep(1000) .. #t end", "0"), b"OOM")
        equal(connection.call("EVAL", "return 5", "0"), 5)


@check("of scripts that came by EVAL the last 500 are kept, those that were loaded always")
def _():
    with servers.Server(arguments=("--threads", "2",)) as server, server.connect() as connection:
        loaded = connection.call("SCRIPT", "LOAD", "return 'loaded'")
        for i in range(700):
            equal(connection.call("EVAL", f"return {i}", "0"), i)
        memory = connection.call("INFO", "memory")
        contains(memory, b"number_of_cached_scripts:501\r\n")
        contains(connection.call("INFO", "stats"), b"evicted_scripts:200\r\n")
        equal(connection.call("EVALSHA", loaded, "0"), b"loaded")
        connection.call("SCRIPT", "FLUSH")
        contains(connection.call("INFO", "memory"), b"number_of_cached_scripts:0\r\n")
        contains(connection.call("EVALSHA", loaded, "0"), b"NOSCRIPT")


@check("a new library is there for every thread at once, and a deleted one for none")
def _():
    with servers.Server(arguments=("--threads", "4")) as server, contextlib.ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in range(8)]
        for version in range(5):
            code = f"#!lua name=l\nredis.register_function('f', function() return {version} end)"
            equal(connections[version].call("FUNCTION", "LOAD", "REPLACE", code), b"l")
            equal([c.call("FCALL", "f", "0") for c in connections], [version] * 8)
        connections[0].call("FUNCTION", "FLUSH")
        for connection in connections:
            contains(connection.call("FCALL", "f", "0"), b"Function not found")


@check("scripts that move between declared and undeclared keys lose nothing with four threads")
def _():
    move = "local a, b = {0}, {1} if redis.call('get', a) == false then redis.call('set', a, 100) end " \
           "redis.call('decr', a) return redis.call('incr', b)"
    forms = (("KEYS[1]", "KEYS[2]"), ("'u' .. ARGV[1]", "'u' .. ARGV[2]"), ("KEYS[1]", "'u' .. ARGV[2]"))
    with servers.Server(arguments=("--threads", "4")) as server:
        with server.connect() as connection:
            for i in range(8):
                connection.call("SET", f"u{i}", "100")
        workers = [threading.Thread(target=move_units, args=(server, move, forms, seed)) for seed in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        with server.connect() as connection:
            equal(sum(int(v) for v in connection.call("MGET", *[f"u{i}" for i in range(8)])), 800)


def move_units(server, move, forms, seed):
    with server.connect(timeout=60) as connection:
        for i in range(600):
            a, b = (i * 7 + seed) % 8, (i * 3 + seed * 5 + 1) % 8
            script = move.replace("{0}", forms[i % 3][0]).replace("{1}", forms[i % 3][1])
            if i % 10 == 9:
                script = script.replace("return", "redis.call('dbsize') return")
            connection.call("EVAL", script, "2", f"u{a}", f"u{b}", str(a), str(b))
