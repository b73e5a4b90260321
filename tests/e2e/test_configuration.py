# SPDX-License-Identifier: BSD-3-Clause
"""The configuration file, the command line, CONFIG REWRITE."""
import pathlib
import tempfile

import command_line
import servers
from checks import check, contains, equal, is_true


def value(server, name):
    with server.connect() as connection:
        reply = connection.call("CONFIG", "GET", name)
        return dict(zip(reply[::2], reply[1::2])).get(name.encode())


def check_config(text):
    with tempfile.TemporaryDirectory(prefix="larder-test-") as folder:
        path = pathlib.Path(folder) / "larder.conf"
        path.write_text(text)
        outcome = command_line.larder("--check-config", path)
        if outcome.status not in (0, 1):
            outcome = command_line.larder(path, "--check-config")
        return outcome


@check("a configuration file in Redis's grammar is obeyed: comments, quotes, suffixes, repeated lines")
def _():
    config = ("# a comment\n\n   maxmemory 64mb\nMAXMEMORY-POLICY allkeys-lru\n"
              "maxmemory-samples 3\nmaxmemory-samples 7\nrequirepass \"two words\\x21\"\n"
              "slowlog-max-len 55\nappendonly no\nsave 900 1\nhz '50'\n")
    with servers.Server(config=config, password="two words!") as server:
        equal(value(server, "maxmemory"), b"67108864")
        equal(value(server, "maxmemory-policy"), b"allkeys-lru")
        equal(value(server, "maxmemory-samples"), b"7")
        equal(value(server, "requirepass"), b"two words!")
        equal(value(server, "slowlog-max-len"), b"55")
        equal(value(server, "hz"), b"50")


@check("the command line overrides the file and takes several values for a name")
def _():
    with servers.Server(config="maxmemory 1gb\n", save=True,
                        arguments=("--maxmemory", "512mb", "--save", "60", "1000", "--maxmemory-policy",
                                   "allkeys-lfu")) as server:
        equal(value(server, "maxmemory"), b"536870912")
        equal(value(server, "save"), b"60 1000")
        equal(value(server, "maxmemory-policy"), b"allkeys-lfu")


@check("every size suffix means what it means in Redis")
def _():
    with servers.Server() as server, server.connect() as connection:
        for text, number in (("3000k", 3000000), ("3000kb", 3072000), ("2m", 2000000), ("2mb", 2097152),
                             ("1g", 10 ** 9), ("1GB", 2 ** 30), ("12345678", 12345678), ("7654321b", 7654321)):
            equal(connection.call("CONFIG", "SET", "maxmemory", text), b"OK", text)
            equal(connection.call("CONFIG", "GET", "maxmemory")[1], str(number).encode(), text)


@check("--check-config accepts a good file with status 0 and does not start")
def _():
    outcome = check_config("port 6379\nmaxmemory 100mb\nsave 60 1000\nappendonly yes\n")
    equal(outcome.status, 0, outcome.output + outcome.errors)


@check("--check-config names the line and the word of an error, with a status other than 0")
def _():
    for text, word in (("port 6379\nmaxmemory lots\n", "maxmemory"),
                       ("port 6379\nmaxmemory-policy best\n", "maxmemory-policy"),
                       ("port 6379\nnosuchname 1\n", "nosuchname"),
                       ("port 6379\nrequirepass \"open\n", "requirepass")):
        outcome = check_config(text)
        is_true(outcome.status > 0, f"status {outcome.status} for {text!r}")
        contains(outcome.output + outcome.errors, word)
        contains(outcome.output + outcome.errors, "2", "line number")


@check("a wrong option ends the start with a message and a status other than 0")
def _():
    for arguments in (("--nosuchname", "1"), ("--maxmemory", "lots"), ("--port", "99999999"), ("/no/such/file.conf",)):
        outcome = command_line.larder(*arguments)
        is_true(outcome.status > 0, f"status {outcome.status} for {arguments}")
        is_true(outcome.output + outcome.errors != "", "a message")


@check("every directive name of redis-server is known to CONFIG GET")
def _():
    with servers.Server(servers.redis_program()) as peer, servers.Server() as server:
        with peer.connect() as ours, server.connect() as connection:
            wanted = ours.call("CONFIG", "GET", "*")[::2]
            found = connection.call("CONFIG", "GET", "*")[::2]
            equal(sorted(set(wanted) - set(found)), [])
            for name in wanted:
                equal(connection.call("CONFIG", "GET", name)[:1], [name])


@check("CONFIG REWRITE keeps comments and order, stores what was set, and the next start obeys it")
def _():
    config = "# our cache\nmaxmemory 10mb\n# policy\nmaxmemory-policy noeviction\nslowlog-max-len 12\n"
    with servers.Server(config=config) as server:
        with server.connect() as connection:
            equal(connection.call("CONFIG", "SET", "maxmemory", "20mb", "maxmemory-policy", "volatile-lru",
                                  "requirepass", "a \"quoted\" one"), b"OK")
            equal(connection.call("CONFIG", "SET", "lfu-log-factor", "33"), b"OK")
            equal(connection.call("CONFIG", "REWRITE"), b"OK")
        text = (server.folder / "server.conf").read_text()
        contains(text, "# our cache\n")
        contains(text, "# policy\n")
        is_true(text.index("# our cache") < text.index("maxmemory ") < text.index("# policy"), text)
        server.stop()
        server.password = "a \"quoted\" one"
        server.start()
        equal(value(server, "maxmemory"), b"20971520")
        equal(value(server, "maxmemory-policy"), b"volatile-lru")
        equal(value(server, "lfu-log-factor"), b"33")
        equal(value(server, "slowlog-max-len"), b"12")
        with server.connect(login=False) as connection:
            equal(connection.call("AUTH", "a \"quoted\" one"), b"OK")


@check("CONFIG REWRITE without a configuration file is an error")
def _():
    with servers.Server() as server, server.connect() as connection:
        equal(connection.call("CONFIG", "REWRITE"), b"ERR The server is running without a config file")


@check("names of things that do not exist yet are stored, reported and mentioned in the log")
def _():
    with servers.Server(config="repl-timeout 77\ncluster-node-timeout 12345\n") as server:
        equal(value(server, "repl-timeout"), b"77")
        equal(value(server, "cluster-node-timeout"), b"12345")
        contains(server.log(), "repl-timeout")


@check("the number of databases is obeyed")
def _():
    with servers.Server(arguments=("--databases", "4")) as server, server.connect() as connection:
        equal(connection.call("SELECT", 3), b"OK")
        equal(connection.call("SELECT", 4), b"ERR DB index is out of range")


@check("a renamed command answers under its new name only, and one without a name not at all")
def _():
    config = "rename-command FLUSHALL really-flush-all\nrename-command KEYS \"\"\n"
    with servers.Server(config=config) as server, server.connect() as connection:
        contains(connection.call("FLUSHALL"), b"ERR unknown command 'FLUSHALL'")
        contains(connection.call("KEYS", "*"), b"ERR unknown command 'KEYS'")
        equal(connection.call("really-flush-all"), b"OK")
