# SPDX-License-Identifier: BSD-3-Clause
"""Real input: the machine's index of Debian packages, loaded and checked against itself."""
import contextlib
import hashlib
import subprocess

import command_line
import resp
import servers
from checks import check, equal, is_true

BATCH = 500


def package_index():
    """{name: the stanza that describes it} as apt prints it; a later one of the same name wins."""
    text = subprocess.run(["apt-cache", "dumpavail"], stdout=subprocess.PIPE, check=True, timeout=120).stdout
    packages = {}
    for stanza in text.split(b"\n\n"):
        stanza = stanza.strip(b"\n")
        if stanza.startswith(b"Package: "):
            packages[stanza.split(b"\n", 1)[0].removeprefix(b"Package: ")] = stanza
    is_true(len(packages) > 10000, f"only {len(packages)} packages are known here; run apt-get update")
    return packages


def batches(items):
    items = list(items)
    for begin in range(0, len(items), BATCH):
        yield items[begin:begin + BATCH]


@contextlib.contextmanager
def fixture():
    with servers.Server() as server:
        yield server, package_index()


@check("the whole package index comes back byte for byte from a pipeline, after being read by SCAN and by MGET")
def _(place):
    server, packages = place
    with server.connect(timeout=60) as connection:
        connection.call("FLUSHALL")
        for batch in batches(packages.items()):
            equal(set(connection.call_many(("SET", b"pkg:" + name, stanza) for name, stanza in batch)), {b"OK"})
        equal(connection.call("DBSIZE"), len(packages))
        cursor, names = b"0", set()
        while True:
            cursor, keys = connection.call("SCAN", cursor, "COUNT", 1000, "MATCH", "pkg:*", "TYPE", "string")
            names.update(keys)
            if cursor == b"0":
                break
        is_true(names == {b"pkg:" + name for name in packages}, f"{len(names)} names")
        for batch in batches(packages):
            values = connection.call("MGET", *(b"pkg:" + name for name in batch))
            is_true(values == [packages[name] for name in batch], f"values from {batch[0]!r} on")


@check("lengths, ranges and times to live of all packages agree with the index")
def _(place):
    server, packages = place
    with server.connect(timeout=60) as connection:
        connection.call("FLUSHALL")
        for batch in batches(packages.items()):
            connection.call("MSET", *(word for item in batch for word in item))
        for batch in batches(packages.items()):
            lengths = connection.call_many(("STRLEN", name) for name, _ in batch)
            equal(lengths, [len(stanza) for _, stanza in batch])
            heads = connection.call_many(("GETRANGE", name, 9, 8 + len(name)) for name, _ in batch)
            equal(heads, [name for name, _ in batch])
        with_life = [name for name in packages if hashlib.md5(name).digest()[0] < 64]
        for batch in batches(with_life):
            equal(set(connection.call_many(("PEXPIRE", name, 1) for name in batch)), {1})
        servers.wait_until(lambda: connection.call("DBSIZE") == len(packages) - len(with_life), "a quarter expires")
        equal(connection.call("EXISTS", *with_life[:1000]), 0)


@check("the index goes in by redis-cli --pipe and out by redis-cli --scan")
def _(place):
    server, packages = place
    command_line.redis_cli_output(server, "flushall")
    data = b"".join(resp.encode((b"SET", name, stanza)) for name, stanza in packages.items())
    result = subprocess.run(["redis-cli", "-p", str(server.port), "--pipe"], input=data, stdout=subprocess.PIPE,
                            timeout=120, check=True)
    is_true(b"errors: 0, replies: %d" % len(packages) in result.stdout, repr(result.stdout))
    names = command_line.redis_cli_output(server, "--scan").encode().split(b"\n")
    equal(len(names), len(packages))
    is_true(set(names) == set(packages), "names")
