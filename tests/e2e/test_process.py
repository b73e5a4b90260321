# SPDX-License-Identifier: BSD-3-Clause
"""Starting and stopping."""
import os
import signal
import time

import command_line
import servers
from checks import check, contains, equal, is_true


def stopped_by(number):
    with servers.Server() as server:
        with server.connect() as connection:
            connection.call("SET", "a", 1)
            server.signal(number)
            equal(server.wait_for_exit(), 0)
            equal(connection.read_until_close(), b"")


@check("the server stops with status 0 on SIGTERM while a client is connected")
def _():
    stopped_by(signal.SIGTERM)


@check("the server stops with status 0 on SIGINT, as Ctrl-C sends it")
def _():
    stopped_by(signal.SIGINT)


@check("SHUTDOWN closes the connection and ends the process with status 0")
def _():
    for words in (("SHUTDOWN",), ("SHUTDOWN", "NOSAVE"), ("SHUTDOWN", "NOW", "FORCE")):
        with servers.Server() as server, server.connect() as connection:
            connection.send(*words)
            equal(connection.read_until_close(), b"")
            equal(server.wait_for_exit(), 0)


@check("SHUTDOWN with a wrong argument is an error and the server stays")
def _():
    with servers.Server() as server, server.connect() as connection:
        equal(connection.call("SHUTDOWN", "SOON"), b"ERR syntax error")
        equal(connection.call("PING"), b"PONG")


@check("the server starts again at once on the port that it just used")
def _():
    with servers.Server() as server:
        with server.connect() as connection:
            connection.call("PING")
            server.stop()
            server.start()
        with server.connect() as connection:
            equal(connection.call("PING"), b"PONG")


@check("a second server on the same port says so and ends with a status other than 0")
def _():
    with servers.Server() as server:
        outcome = command_line.larder("--port", server.port, "--bind", servers.HOST, cwd=server.folder)
        is_true(outcome.status not in (0, None) and outcome.status > 0, f"status {outcome.status}")
        contains(outcome.output + outcome.errors, str(server.port))


@check("--version and --help print and end with status 0")
def _():
    for word in ("--version", "-v"):
        outcome = command_line.larder(word)
        equal(outcome.status, 0)
        contains(outcome.output.lower(), "larder")
    outcome = command_line.larder("--help")
    equal(outcome.status, 0)
    for word in ("--check-config", "--port", "larder-server"):
        contains(outcome.output, word)


@check("a folder that does not exist yet is created")
def _():
    with servers.Server(arguments=()) as outer:
        folder = outer.folder / "new" / "deeper"
        with servers.Server(arguments=("--dir", folder)):
            is_true(folder.is_dir(), "dir")


@check("a daemon detaches, writes its process id and removes it when it stops")
def _():
    with servers.Server() as outer:
        port = servers.free_port()
        pid_path = outer.folder / "daemon.pid"
        outcome = command_line.larder("--port", port, "--bind", servers.HOST, "--daemonize", "yes", "--pidfile",
                                      pid_path, "--dir", outer.folder, "--logfile", outer.folder / "daemon.log",
                                      "--save", "")
        equal(outcome.status, 0, outcome.errors)
        number = int(servers.wait_until(lambda: pid_path.exists() and pid_path.read_text().strip(), "the pid file"))
        try:
            connection = servers.wait_until(lambda: connected(port), "the daemon listens")
            equal(connection.call("PING"), b"PONG")
            contains(connection.call("INFO", "server"), b"process_id:%d" % number)
            connection.close()
        finally:
            os.kill(number, signal.SIGTERM)
        servers.wait_until(lambda: not is_running(number), "the daemon ended")
        is_true(not pid_path.exists(), "the pid file is gone")


def connected(port):
    try:
        return servers.resp.Connection((servers.HOST, port))
    except OSError:
        return None


def is_running(number):
    try:
        with open(f"/proc/{number}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@check("a crash leaves a report with a stack and the build id in the log")
def _():
    server = servers.Server()
    try:
        server.signal(signal.SIGSEGV)
        status = server.wait_for_exit()
        is_true(status != 0, f"status {status}")
        log = server.log().lower()
        for word in ("signal", "stack", "build"):
            contains(log, word)
    finally:
        server.kill()
        server.clean()


@check("a client that hangs up in the middle of a command leaves the server well")
def _():
    with servers.Server() as server:
        for data in (b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$100\r\nhalf", b"*2\r\n", b"GET", b"*1000\r\n$1", b"$"):
            connection = server.connect()
            connection.send_raw(data)
            connection.close()
        with server.connect() as connection:
            equal(connection.call("DBSIZE"), 0)
            begin = time.monotonic()
            equal(connection.call("PING"), b"PONG")
            is_true(time.monotonic() - begin < 1, "it answers at once")
