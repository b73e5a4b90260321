# SPDX-License-Identifier: BSD-3-Clause
"""redis-cli at a terminal, as `docker compose exec redis redis-cli` opens it."""
import contextlib
import os
import pty
import select
import time

import servers
from checks import check, contains, equal


def fixture():
    return servers.Server()


class Terminal:
    """redis-cli behind a pseudo terminal."""

    def __init__(self, server, *arguments):
        self.prompt = f"{servers.HOST}:{server.port}"
        self.process_id, self.descriptor = pty.fork()
        if self.process_id == 0:
            os.environ["TERM"] = "dumb"
            os.execvp("redis-cli", ["redis-cli", "-h", servers.HOST, "-p", str(server.port), *arguments])

    def expect(self, text, seconds=10):
        """What comes up to this text."""
        data = b""
        deadline = time.monotonic() + seconds
        while text.encode() not in data:
            ready, _, _ = select.select([self.descriptor], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise AssertionError(f"{text!r} is not in {data!r}")
            data += os.read(self.descriptor, 65536)
        return data.decode()

    def type(self, line, expected):
        os.write(self.descriptor, line.encode())
        return self.expect(expected)

    def end(self):
        """The exit status."""
        os.write(self.descriptor, b"quit\n")
        return os.waitstatus_to_exitcode(os.waitpid(self.process_id, 0)[1])


@contextlib.contextmanager
def terminal(server, *arguments):
    value = Terminal(server, *arguments)
    try:
        value.expect(value.prompt + "> " if not arguments else value.prompt)
        yield value
    finally:
        os.close(value.descriptor)


@check("redis-cli at a terminal shows the database in its prompt and hints from COMMAND DOCS")
def _(server):
    with terminal(server) as cli:
        cli.type("set name 'two words'\n", "OK")
        cli.type("select 3\n", cli.prompt + "[3]> ")
        contains(cli.type("help getrange\n", "group:"), "key start end")
        equal(cli.end(), 0)


@check("redis-cli at a terminal shows transactions: TX in the prompt, QUEUED, the replies of EXEC, DISCARD")
def _(server):
    with terminal(server) as cli:
        contains(cli.type("multi\n", "(TX)> "), "OK")
        contains(cli.type("set a 5\n", "(TX)> "), "QUEUED")
        contains(cli.type("incr a\n", "(TX)> "), "QUEUED")
        contains(cli.type("exec\n", cli.prompt + "> "), "1) OK\r\n2) (integer) 6")
        cli.type("multi\n", "(TX)> ")
        cli.type("discard\n", cli.prompt + "> ")
        equal(cli.end(), 0)


@check("redis-cli at a terminal shows messages of its subscriptions until Ctrl-C, in both protocols")
def _(server):
    for arguments in ((), ("-3",)):
        with terminal(server, *arguments) as cli, server.connect() as publisher:
            cli.type("subscribe news\n", "(integer) 1")
            equal(publisher.call("PUBLISH", "news", "hello there"), 1)
            contains(cli.expect('"hello there"'), '1) "message"\r\n2) "news"')
            cli.type("\x03", cli.prompt)
            contains(cli.type("ping\n", "PONG"), "PONG")
            cli.type("psubscribe n*\n", "(integer) 1")
            publisher.call("PUBLISH", "news", "again")
            contains(cli.expect('"again"'), '"pmessage"')
            cli.type("\x03", cli.prompt)
            equal(cli.end(), 0)


@check("redis-cli at a terminal waits with BLPOP and goes on when an element comes")
def _(server):
    with terminal(server) as cli, server.connect() as other:
        os.write(cli.descriptor, b"blpop queue 0\n")
        servers.wait_until(lambda: b"cmd=blpop" in other.call("CLIENT", "LIST"), "the terminal waits")
        other.call("RPUSH", "queue", "job")
        contains(cli.expect(cli.prompt), '1) "queue"\r\n2) "job"')
        equal(cli.end(), 0)


@check("redis-cli connects again by itself after the server closed its connection")
def _(server):
    with terminal(server) as cli, server.connect() as admin:
        admin.call("CLIENT", "KILL", "TYPE", "normal")
        contains(cli.type("ping\n", "> "), "Server closed the connection")
        cli.type("ping\n", "PONG")
        equal(cli.end(), 0)
