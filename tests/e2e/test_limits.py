# SPDX-License-Identifier: BSD-3-Clause
"""Limits on clients and on what they send."""
import contextlib
import socket
import time

import servers
from checks import check, contains, equal, is_true


@check("one client more than maxclients gets the known error, and there is room again when one leaves")
def _():
    with servers.Server(arguments=("--maxclients", "10")) as server, contextlib.ExitStack() as stack:
        first = stack.enter_context(server.connect())
        servers.wait_until(lambda: count_clients(first) == 1, "only the asking client is connected")
        connections = [first, *(stack.enter_context(server.connect()) for _ in range(9))]
        for connection in connections:
            equal(connection.call("PING"), b"PONG")
        with server.connect() as extra:
            equal(extra.read_until_close(), b"-ERR max number of clients reached\r\n")
        connections[0].close()
        servers.wait_until(lambda: answers(server), "a place is free again")
        contains(connections[1].call("INFO", "stats"), b"rejected_connections:")


def count_clients(connection):
    return connection.call("CLIENT", "LIST").count(b"\n")


def answers(server):
    with contextlib.suppress(OSError, EOFError), server.connect() as connection:
        return connection.call("PING") == b"PONG"
    return False


@check("a client that is idle longer than the timeout is disconnected")
def _():
    with servers.Server(arguments=("--timeout", "1")) as server, server.connect() as connection:
        begin = time.monotonic()
        equal(connection.call("PING"), b"PONG")
        equal(connection.read_until_close(), b"")
        is_true(0.9 < time.monotonic() - begin < 6, f"{time.monotonic() - begin} s")


@check("a client that never reads is cut off at its output limit while others are served")
def _():
    with servers.Server(arguments=("--client-output-buffer-limit", "normal", "4mb", "0", "0")) as server:
        with server.connect() as other, server.connect(timeout=20) as silent:
            other.call("SET", "big", b"x" * 1000000)
            with contextlib.suppress(OSError):
                for _ in range(100):
                    silent.send("GET", "big")
            servers.wait_until(lambda: other.call("CLIENT", "LIST").count(b"\n") == 1, "the silent client is gone")
            equal(other.call("PING"), b"PONG")


@check("a bulk longer than proto-max-bulk-len is refused before it is sent")
def _():
    with servers.Server(arguments=("--proto-max-bulk-len", "1mb")) as server:
        with server.connect() as connection:
            connection.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1048577\r\n")
            equal(connection.read_until_close(), b"-ERR Protocol error: invalid bulk length\r\n")
        with server.connect() as connection:
            equal(connection.call("SET", "a", b"x" * 1048576), b"OK")
            equal(connection.call("APPEND", "a", "y"),
                  b"ERR string exceeds maximum allowed size (proto-max-bulk-len)")


@check("a request that outgrows the query buffer limit ends the connection")
def _():
    with servers.Server(arguments=("--client-query-buffer-limit", "1mb")) as server:
        with server.connect() as connection:
            with contextlib.suppress(OSError):
                connection.send_raw(b"*2\r\n$3\r\nGET\r\n$4000000\r\n")
                for _ in range(39):
                    connection.send_raw(b"x" * 100000)
            equal(connection.read_until_close(), b"")
        with server.connect() as connection:
            equal(connection.call("PING"), b"PONG")


@check("announcing a million arguments takes no memory until they come")
def _():
    with servers.Server() as server, server.connect() as watcher, contextlib.ExitStack() as stack:
        def used():
            return int(watcher.call("INFO", "memory").split(b"used_memory:")[1].split(b"\r\n")[0])
        before = used()
        for _ in range(50):
            stack.enter_context(server.connect()).send_raw(b"*1048576\r\n$536870912\r\n")
        equal(watcher.call("PING"), b"PONG")
        time.sleep(0.1)
        is_true(used() - before < 50 * 1048576, f"{used() - before} bytes")


@check("a thousand connections are served at once")
def _():
    with servers.Server() as server, contextlib.ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in range(1000)]
        for connection in connections:
            connection.send("INCR", "n")
        equal(sorted(connection.read() for connection in connections), list(range(1, 1001)))


@check("a request may come byte by byte and a pipeline in one piece")
def _():
    with servers.Server() as server, server.connect() as connection:
        for byte in b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$3\r\none\r\nGET a\r\n":
            connection.send_raw(bytes([byte]))
        equal((connection.read(), connection.read()), (b"OK", b"one"))
        connection.send_raw(b"PING\r\n" * 20000)
        connection.socket.shutdown(socket.SHUT_WR)
        equal(connection.read_until_close(), b"+PONG\r\n" * 20000)
