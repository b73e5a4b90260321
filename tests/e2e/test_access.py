# SPDX-License-Identifier: BSD-3-Clause
"""Who may connect and with what: password, protected mode, Unix socket, bind."""
import os
import pathlib
import stat

import command_line
import resp
import servers
from checks import check, contains, equal, is_true

FOREIGN_CLIENT = pathlib.Path(__file__).with_name("foreign_client.py")


@check("with requirepass nothing but logging in is answered before the password")
def _():
    with servers.Server(arguments=("--requirepass", "sesame"), password="sesame") as server:
        with server.connect(login=False) as connection:
            for words in (("GET", "a"), ("PING",), ("FLUSHALL",), ("CONFIG", "GET", "requirepass"), ("INFO",)):
                equal(connection.call(*words), b"NOAUTH Authentication required.")
            equal(connection.call("AUTH", "wrong"), b"WRONGPASS invalid username-password pair or user is disabled.")
            equal(connection.call("AUTH", "nobody", "sesame"),
                  b"WRONGPASS invalid username-password pair or user is disabled.")
            equal(connection.call("AUTH", "default", "sesame"), b"OK")
            equal(connection.call("PING"), b"PONG")
            equal(connection.call("RESET"), b"RESET")
            equal(connection.call("PING"), b"NOAUTH Authentication required.")
            greeting = connection.call("HELLO", "3", "AUTH", "default", "sesame", "SETNAME", "me").as_dict()
            equal((greeting[b"server"], greeting[b"version"], greeting[b"proto"]), (b"redis", b"7.2.4", 3))
            equal(connection.call("CLIENT", "GETNAME"), b"me")


@check("a password that is set while the server runs leaves those in who were in")
def _():
    with servers.Server() as server, server.connect() as old:
        equal(old.call("CONFIG", "SET", "requirepass", "new"), b"OK")
        equal(old.call("PING"), b"PONG")
        with server.connect(login=False) as connection:
            equal(connection.call("PING"), b"NOAUTH Authentication required.")


@check("before the password a client may not send large or many arguments")
def _():
    with servers.Server(arguments=("--requirepass", "sesame"), password="sesame") as server:
        for data, text in ((b"*11\r\n", b"-ERR Protocol error: unauthenticated multibulk length\r\n"),
                           (b"*1\r\n$16385\r\n", b"-ERR Protocol error: unauthenticated bulk length\r\n")):
            with server.connect(login=False) as connection:
                connection.send_raw(data)
                equal(connection.read_until_close(), text)


@check("protected mode refuses clients from elsewhere until a password is set or the mode is off")
def _():
    for arguments, expected in (((), "-DENIED "), (("--requirepass", "x"), "-NOAUTH "),
                                (("--protected-mode", "no"), "+PONG")):
        outcome = command_line.run("unshare", "--map-root-user", "--net", "python3", FOREIGN_CLIENT,
                                   servers.larder_program(), *arguments)
        equal(outcome.status, 0, outcome.output + outcome.errors)
        contains(outcome.output, expected)


@check("a Unix socket works beside TCP, with the mode that was asked for")
def _():
    with servers.Server() as outer:
        path = outer.folder / "larder.sock"
        with servers.Server(arguments=("--unixsocket", path, "--unixsocketperm", "700")) as server:
            is_true(stat.S_ISSOCK(os.stat(path).st_mode), "a socket")
            equal(oct(os.stat(path).st_mode & 0o777), oct(0o700))
            equal(command_line.run("redis-cli", "-s", path, "set", "a", "1").output, "OK\n")
            equal(command_line.redis_cli_output(server, "get", "a"), "1")
        is_true(not path.exists(), "the socket is removed at the end")


@check("a server with port 0 listens on its Unix socket only")
def _():
    with servers.Server() as outer:
        path = outer.folder / "only.sock"
        server = servers.Server(port=0, arguments=("--port", "0", "--unixsocket", path), answers=False)
        try:
            server.address = path
            server.wait_for_ping()
            with resp.Connection(path) as connection:
                equal(connection.call("INCR", "a"), 1)
            server.stop()
        finally:
            server.kill()
            server.clean()


@check("several bind addresses are listened on, and one with a minus may be missing")
def _():
    with servers.Server(arguments=("--bind", "127.0.0.1", "-192.0.2.77")) as server, server.connect() as connection:
        equal(connection.call("PING"), b"PONG")


@check("a web browser that is led to the port is cut off")
def _():
    with servers.Server() as server:
        for data in (b"POST / HTTP/1.1\r\nHost: x\r\n\r\nSET a 1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nSET a 1\r\n"):
            with server.connect() as connection:
                connection.send_raw(data)
                connection.read_until_close()
        with server.connect() as connection:
            equal(connection.call("GET", "a"), None)
