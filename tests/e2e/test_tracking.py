# SPDX-License-Identifier: BSD-3-Clause
"""CLIENT TRACKING: clients that keep what they read are told when it changes."""
import resp
import servers
from checks import check, equal, is_true


def tracking(server, *options, protocol="3"):
    """A connection with tracking."""
    connection = server.connect()
    connection.call("HELLO", protocol)
    equal(connection.call("CLIENT", "TRACKING", "ON", *options), b"OK")
    return connection


def invalidated(*keys):
    return [b"invalidate", list(keys) if keys else None]


def nothing_waits(connection):
    """Nothing has come before the next reply."""
    equal(connection.call("ECHO", "quiet"), b"quiet")


@check("a client is told once of a key that it has read, by whomever it is changed")
def _():
    with servers.Server(arguments=("--threads", "3")) as server, tracking(server) as reader, server.connect() as writer:
        reader.call("GET", "a")
        writer.call("SET", "a", "1")
        push = reader.read()
        is_true(isinstance(push, resp.Push), "it is a push")
        equal(push, invalidated(b"a"))
        writer.call("SET", "a", "2")
        nothing_waits(reader)
        reader.call("MGET", "a", "b")
        writer.call("MSET", "a", "1", "b", "2")
        equal(sorted([reader.read(), reader.read()]), [invalidated(b"a"), invalidated(b"b")])
        reader.call("GET", "a")
        equal(reader.call("SET", "a", "3"), b"OK")
        equal(reader.read(), invalidated(b"a"))


@check("expired, renamed and deleted keys and a flush are told of")
def _():
    with servers.Server(arguments=("--threads", "2")) as server, tracking(server) as reader, server.connect() as writer:
        writer.call("SET", "a", "1", "PX", "30")
        reader.call("GET", "a")
        equal(reader.read(), invalidated(b"a"))
        writer.call("SET", "b", "1")
        reader.call("GET", "b")
        writer.call("RENAME", "b", "c")
        equal(reader.read(), invalidated(b"b"))
        reader.call("GET", "c")
        writer.call("DEL", "c")
        equal(reader.read(), invalidated(b"c"))
        reader.call("GET", "d")
        writer.call("FLUSHALL")
        equal(reader.read(), invalidated())
        writer.call("SET", "d", "1")
        nothing_waits(reader)


@check("what EXEC and a script change is told of behind their replies, what they read is tracked")
def _():
    with servers.Server(arguments=("--threads", "2")) as server, tracking(server) as reader, server.connect() as writer:
        reader.call("GET", "a")
        reader.send("MULTI")
        reader.send("SET", "a", "1")
        reader.send("GET", "b")
        reader.send("EXEC")
        equal([reader.read() for _ in range(4)], [b"OK", b"QUEUED", b"QUEUED", [b"OK", None]])
        equal(reader.read(), invalidated(b"a"))
        writer.call("SET", "b", "1")
        equal(reader.read(), invalidated(b"b"))
        script = "redis.call('get', KEYS[1]) redis.call('set', KEYS[1], '2') return 'done'"
        equal(reader.call("EVAL", script, "1", "c"), b"done")
        equal(reader.read(), invalidated(b"c"))
        equal(reader.call("EVAL", "return redis.call('get', KEYS[1])", "1", "c"), b"2")
        writer.call("SET", "c", "3")
        equal(reader.read(), invalidated(b"c"))


@check("OPTIN tracks what was asked for, OPTOUT all but that, NOLOOP not the client's own changes")
def _():
    with servers.Server() as server, server.connect() as writer:
        with tracking(server, "OPTIN") as reader:
            reader.call("GET", "a")
            equal(reader.call("CLIENT", "CACHING", "YES"), b"OK")
            reader.call("GET", "b")
            writer.call("MSET", "a", "1", "b", "1")
            equal(reader.read(), invalidated(b"b"))
            nothing_waits(reader)
        with tracking(server, "OPTOUT") as reader:
            equal(reader.call("CLIENT", "CACHING", "NO"), b"OK")
            reader.call("GET", "a")
            reader.call("GET", "b")
            writer.call("MSET", "a", "1", "b", "1")
            equal(reader.read(), invalidated(b"b"))
            nothing_waits(reader)
        with tracking(server, "NOLOOP") as reader:
            reader.call("GET", "a")
            reader.call("SET", "a", "2")
            nothing_waits(reader)
            reader.call("GET", "a")
            writer.call("SET", "a", "3")
            equal(reader.read(), invalidated(b"a"))


@check("BCAST tells of every key with one of the prefixes, read or not, in one message per prefix")
def _():
    with servers.Server(arguments=("--threads", "3")) as server, server.connect() as writer:
        with tracking(server, "BCAST", "PREFIX", "user:", "PREFIX", "item:") as reader:
            writer.call("MSET", "user:1", "x", "item:1", "x", "other", "x", "user:2", "x")
            equal(reader.read(), invalidated(b"item:1"))
            equal(reader.read(), invalidated(b"user:1", b"user:2"))
            nothing_waits(reader)
            reader.call("SET", "user:3", "1")
            equal(reader.read(), invalidated(b"user:3"))
        with tracking(server, "BCAST", "NOLOOP") as reader:
            reader.call("SET", "a", "1")
            writer.call("SET", "b", "1")
            equal(reader.read(), invalidated(b"b"))
            equal(reader.call("CLIENT", "TRACKING", "OFF"), b"OK")
            writer.call("SET", "b", "1")
            nothing_waits(reader)


@check("RESP2 clients are told through the channel of the client they redirect to")
def _():
    with servers.Server(arguments=("--threads", "3")) as server, server.connect() as writer, \
            server.connect() as listener:
        identity = listener.call("CLIENT", "ID")
        listener.call("SUBSCRIBE", "__redis__:invalidate")
        with tracking(server, "REDIRECT", str(identity), protocol="2") as reader:
            equal(reader.call("CLIENT", "GETREDIR"), identity)
            reader.call("GET", "a")
            writer.call("SET", "a", "1")
            equal(listener.read(), [b"message", b"__redis__:invalidate", [b"a"]])
            writer.call("FLUSHALL")
            equal(listener.read(), [b"message", b"__redis__:invalidate", None])
            reader.call("GET", "a")
            writer.call("CLIENT", "KILL", "ID", str(identity))
            servers.wait_until(lambda: b"broken_redirect" in reader.call("CLIENT", "TRACKINGINFO")[1],
                               "the redirection to break")
            writer.call("SET", "a", "2")
            nothing_waits(reader)


@check("beyond tracking-table-max-keys clients are told of keys that did not change")
def _():
    with servers.Server(arguments=("--tracking-table-max-keys", "3")) as server, tracking(server) as reader:
        told = set()
        for number in range(10):
            reader.send("GET", f"key{number}")
            value = reader.read()
            while isinstance(value, resp.Push):
                told.add(value[1][0])
                value = reader.read()
        while len(told) < 7:
            told.add(reader.read()[1][0])
        nothing_waits(reader)
        with server.connect() as other:
            is_true(b"tracking_total_keys:3\r\n" in other.call("INFO", "stats"), "three keys are left")
            is_true(b"tracking_clients:1\r\n" in other.call("INFO", "clients"), "one client tracks")


@check("what is read is never out of date for good, however it is changed meanwhile")
def _():
    with servers.Server(arguments=("--threads", "3")) as server, tracking(server) as reader, server.connect() as writer:
        kept = None
        for number in range(2000):
            writer.send("SET", "a", str(number))
            if kept is None:
                reader.send("GET", "a")
                value = reader.read()
                while isinstance(value, resp.Push):
                    value = reader.read()
                kept = value
            equal(writer.read(), b"OK")
            reader.send("ECHO", "end")
            value = reader.read()
            while isinstance(value, resp.Push):
                kept = None
                value = reader.read()
        servers.wait_until(lambda: kept is None or kept == writer.call("GET", "a") or is_told(reader),
                           "the last change to be told")


def is_told(reader):
    reader.send("PING")
    return isinstance(reader.read(), resp.Push)
