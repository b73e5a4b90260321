# SPDX-License-Identifier: BSD-3-Clause
"""redis-cli in its modes."""
import re
import subprocess

import command_line
import resp
import servers
from checks import check, contains, equal, is_true

redis_cli = command_line.redis_cli
output = command_line.redis_cli_output


def fixture():
    return servers.Server()


def fill(server, commands):
    with server.connect() as connection:
        connection.call("FLUSHALL")
        for reply in connection.call_many(commands):
            is_true(not isinstance(reply, resp.Failure), repr(reply))


def lines_of(server, count, *arguments):
    """The first lines that a mode that never ends prints."""
    command = ["stdbuf", "-oL", "redis-cli", "-h", servers.HOST, "-p", str(server.port), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline() for _ in range(count)]
        process.terminate()
        process.communicate(timeout=10)
    return lines


@check("redis-cli ping prints PONG with status 0, and with status 1 when no server listens")
def _(server):
    equal(output(server, "ping"), "PONG")
    outcome = command_line.run("redis-cli", "-h", servers.HOST, "-p", servers.free_port(), "ping")
    equal(outcome.status, 1)
    contains(outcome.errors, "Connection refused")


@check("redis-cli -e turns an error reply into a status other than 0")
def _(server):
    equal(redis_cli(server, "incr").status, 0)
    is_true(redis_cli(server, "-e", "incr").status != 0, "status")


@check("redis-cli formats replies raw, as CSV, as JSON and for people")
def _(server):
    fill(server, [("MSET", "a", "1", "b", "x y")])
    equal(output(server, "mget", "a", "b", "none"), "1\nx y\n")
    equal(output(server, "--csv", "mget", "a", "b", "none"), '"1","x y",NULL')
    equal(output(server, "--json", "mget", "a", "b", "none"), '["1","x y",null]')
    equal(output(server, "--no-raw", "mget", "a", "b", "none"), '1) "1"\n2) "x y"\n3) (nil)')
    equal(output(server, "--no-raw", "-3", "incr", "a"), "(integer) 2")
    contains(output(server, "-3", "hello", "3"), "proto")


@check("redis-cli -x stores its input, binary bytes included")
def _(server):
    data = "".join(chr(number) for number in range(1, 128)) + "\udcff\udc80 end"
    equal(output(server, "-x", "set", "file", stdin=data), "OK")
    with server.connect() as connection:
        equal(connection.call("GET", "file"), data.encode(errors="surrogateescape"))


@check("redis-cli -n chooses a database, -u takes a URL, -r repeats, and commands come from standard input")
def _(server):
    fill(server, [("SET", "a", "zero")])
    equal(output(server, "-n", "5", "set", "a", "five"), "OK")
    equal(command_line.run("redis-cli", "-u", f"redis://{servers.HOST}:{server.port}/5", "get", "a").output, "five\n")
    equal(output(server, "get", "a"), "zero")
    equal(output(server, "-r", "3", "-i", "0.01", "incr", "n"), "1\n2\n3")
    equal(output(server, stdin="set x 'two words'\nget x\nselect 5\nget a\n"), "OK\ntwo words\nOK\nfive")


@check("redis-cli -a, --user, --pass and REDISCLI_AUTH log in")
def _(server):
    with server.connect() as admin:
        equal(admin.call("CONFIG", "SET", "requirepass", "sesame"), b"OK")
        try:
            contains(redis_cli(server, "ping").output, "NOAUTH Authentication required.")
            equal(output(server, "-a", "sesame", "--no-auth-warning", "ping"), "PONG")
            equal(output(server, "--user", "default", "--pass", "sesame", "--no-auth-warning", "ping"), "PONG")
            equal(redis_cli(server, "ping", environment={"REDISCLI_AUTH": "sesame"}).output, "PONG\n")
            wrong = redis_cli(server, "-a", "wrong", "ping")
            contains(wrong.output + wrong.errors, "WRONGPASS")
            url = f"redis://default:sesame@{servers.HOST}:{server.port}/1"
            equal(command_line.run("redis-cli", "-u", url, "--no-auth-warning", "ping").output, "PONG\n")
        finally:
            admin.call("CONFIG", "SET", "requirepass", "")


@check("redis-cli --scan lists every key once, and by pattern")
def _(server):
    names = [f"user:{number}" for number in range(2000)] + [f"page:{number}" for number in range(300)]
    fill(server, [("SET", name, "x") for name in names])
    equal(sorted(output(server, "--scan").split("\n")), sorted(names))
    equal(sorted(output(server, "--scan", "--pattern", "page:*").split("\n")),
          sorted(name for name in names if name.startswith("page:")))


@check("keys piped to xargs redis-cli DEL are deleted")
def _(server):
    fill(server, [("SET", f"user:{number}", "x") for number in range(1500)] + [("SET", "other", "x")])
    command = (f"redis-cli -p {server.port} KEYS 'user:*' | xargs redis-cli -p {server.port} DEL")
    equal(command_line.run("sh", "-c", command).output, "1500\n")
    equal(output(server, "dbsize"), "1")
    outcome = redis_cli(server, "del")
    equal((outcome.status, outcome.output.strip()), (0, "ERR wrong number of arguments for 'del' command"))


@check("redis-cli --bigkeys finds the biggest string and counts all")
def _(server):
    fill(server, [("SET", f"small:{number}", "x" * 10) for number in range(500)] + [("SET", "giant", "y" * 5000)])
    text = output(server, "--bigkeys")
    contains(text, "Sampled 501 keys in the keyspace!")
    contains(text, 'Biggest string found \'"giant"\' has 5000 bytes')
    contains(text, "501 strings with 10000 bytes")


@check("redis-cli --bigkeys finds the biggest key of each type")
def _(server):
    fill(server, [("SET", "string", "y" * 5000),
                  *(("RPUSH", "list", number) for number in range(300)),
                  *(("SADD", "set", number) for number in range(400)),
                  *(("ZADD", "sorted", number, number) for number in range(500)),
                  *(("HSET", "hash", number, "x") for number in range(600)),
                  *(("XADD", "stream", "*", "field", number) for number in range(70))])
    text = output(server, "--bigkeys")
    for biggest in ('string found \'"string"\' has 5000 bytes', 'list found \'"list"\' has 300 items',
                    'set found \'"set"\' has 400 members', 'zset found \'"sorted"\' has 500 members',
                    'hash found \'"hash"\' has 600 fields', 'stream found \'"stream"\' has 70 entries'):
        contains(re.sub(" +", " ", text), "Biggest " + biggest)
    for kind in ("list", "set", "sorted", "hash", "stream"):
        contains(output(server, "--memkeys"), f'"{kind}"')


@check("redis-cli --memkeys finds the key that takes most memory")
def _(server):
    fill(server, [("SET", f"small:{number}", "x" * 10) for number in range(500)] + [("SET", "giant", "y" * 5000)])
    for arguments in (("--memkeys",), ("--memkeys", "--memkeys-samples", "5")):
        text = output(server, *arguments)
        contains(text, "Sampled 501 keys in the keyspace!")
        is_true(re.search(r'Biggest string found \'"giant"\' has [5-9]\d\d\d bytes', text) is not None, text)


@check("redis-cli --hotkeys finds the key that is read most, under an LFU policy only")
def _(server):
    fill(server, [("SET", f"cold:{number}", "x") for number in range(100)])
    contains(redis_cli(server, "--hotkeys").output + redis_cli(server, "--hotkeys").errors, "LFU")
    with server.connect() as connection:
        connection.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
        try:
            connection.call("SET", "hot", "x")
            connection.call_many([("GET", "hot")] * 20000)
            contains(output(server, "--hotkeys"), "hot key found with counter:")
            contains(output(server, "--hotkeys"), '"hot"')
        finally:
            connection.call("CONFIG", "SET", "maxmemory-policy", "noeviction")


@check("redis-cli --pipe inserts a hundred thousand keys without an error")
def _(server):
    fill(server, [])
    data = b"".join(resp.encode(("SET", f"key:{number}", f"value:{number}")) for number in range(100000))
    result = subprocess.run(["redis-cli", "-h", servers.HOST, "-p", str(server.port), "--pipe"], input=data,
                            capture_output=True, timeout=60, check=False)
    equal(result.returncode, 0)
    contains(result.stdout, b"errors: 0, replies: 100000")
    equal(output(server, "dbsize"), "100000")
    equal(output(server, "get", "key:99999"), "value:99999")


@check("redis-cli --pipe counts the errors of what it inserts and takes inline commands too")
def _(server):
    fill(server, [])
    outcome = redis_cli(server, "--pipe", stdin="SET a 1\r\nINCR a\r\nSET b x\r\nINCR b\r\n")
    contains(outcome.output, "errors: 1, replies: 4")
    equal(outcome.status, 1)


@check("redis-cli --stat prints keys, memory, clients and requests")
def _(server):
    fill(server, [("SET", "a", "1"), ("SET", "b", "1")])
    lines = lines_of(server, 4, "--stat", "-i", "0.05")
    contains(lines[0] + lines[1], "keys")
    is_true(re.match(r"^2\s+[\d.]+[BKMG]\s+\d+\s+\d+\s+\d+ \(\+\d+\)\s+\d+", lines[2]) is not None, lines[2])


@check("redis-cli --latency and --latency-history report samples")
def _(server):
    fields = output(server, "--latency", "-i", "0.3").split()
    equal(len(fields), 4)
    is_true(int(fields[3]) > 5 and float(fields[0]) <= float(fields[2]) <= float(fields[1]), str(fields))
    lines = lines_of(server, 1, "--latency-history", "-i", "0.2", "--raw")
    is_true(len(lines[0].split()) >= 4, lines[0])


@check("redis-cli --intrinsic-latency runs to its end")
def _(server):
    contains(output(server, "--intrinsic-latency", "1"), "total runs")
