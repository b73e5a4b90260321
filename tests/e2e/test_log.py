# SPDX-License-Identifier: BSD-3-Clause
"""The log."""
import signal

import servers
from checks import check, contains, is_true


@check("the log says when the server is ready and when it stops")
def _():
    with servers.Server() as server:
        servers.wait_until(lambda: "Ready to accept connections" in server.log(), "the line about being ready")
        server.stop()
        is_true(len(server.log().splitlines()) >= 2, server.log())


@check("the log file is opened again on SIGHUP, so that it can be rotated")
def _():
    with servers.Server() as outer:
        path = outer.folder / "rotated.log"
        old = outer.folder / "rotated.log.1"
        with servers.Server(arguments=("--logfile", path)) as server:
            servers.wait_until(lambda: path.exists() and "Ready" in path.read_text(), "the first file")
            path.rename(old)
            server.signal(signal.SIGHUP)
            servers.wait_until(path.exists, "a new file after SIGHUP")
            with server.connect() as connection:
                connection.call("PING")
            server.stop()
            is_true(path.read_text() != "", "the end is logged in the new file")
            contains(old.read_text(), "Ready")


@check("logfmt lines carry a time, a level and a message")
def _():
    with servers.Server(arguments=("--log-format", "logfmt")) as server:
        servers.wait_until(lambda: "Ready to accept connections" in server.log(), "the line about being ready")
        lines = [line for line in server.log().splitlines() if line]
        for line in lines:
            for name in ("timestamp=", "level=", "message="):
                contains(line, name)


@check("the log level is obeyed and can be changed while the server runs")
def _():
    with servers.Server(arguments=("--loglevel", "warning")) as server:
        with server.connect() as connection:
            connection.call("CONFIG", "SET", "loglevel", "debug")
        is_true("Ready to accept connections" not in server.log(), server.log())


@check("no maxmemory-policy that suits a cache: the start recommends one in the log")
def _():
    with servers.Server(arguments=("--maxmemory", "100mb")) as server:
        servers.wait_until(lambda: "allkeys-s3fifo" in server.log(), "the recommendation")
