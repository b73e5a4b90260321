# SPDX-License-Identifier: BSD-3-Clause
"""The steps of handbooks and tutorials, each with the command that they print."""
import os
import re
import signal
import socket
import subprocess
import tempfile

import command_line
import servers
from checks import check, contains, equal, is_true

redis_cli = command_line.redis_cli
output = command_line.redis_cli_output


def fixture():
    return servers.Server()


def fields(text):
    """The lines `name:value` of INFO."""
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


@check("a health check gets PONG with status 0, as redis-cli under another name does")
def _(server):
    with tempfile.TemporaryDirectory() as folder:
        os.symlink("/usr/bin/redis-cli", f"{folder}/cli")
        equal(command_line.run(f"{folder}/cli", "-p", server.port, "ping").output, "PONG\n")
    equal(command_line.run("sh", "-c", f"redis-cli -p {server.port} ping | grep PONG").status, 0)


@check("the server takes the arguments that compose files give to redis-server, and ends with SIGTERM and status 0")
def _(_server):
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/redis-server"
        os.symlink(servers.larder_program().resolve(), program)
        with servers.Server(program, ["--maxmemory", "512mb", "--maxmemory-policy", "allkeys-lru", "--save", "60",
                                      "1000", "--tcp-keepalive", "60"], save=True) as mine:
            equal(output(mine, "config", "get", "maxmemory"), "maxmemory\n536870912")
            equal(output(mine, "config", "get", "maxmemory-policy"), "maxmemory-policy\nallkeys-lru")
            equal(output(mine, "config", "get", "save"), "save\n60 1000")
            mine.process.send_signal(signal.SIGTERM)
            equal(mine.process.wait(20), 0)
            mine.start()


@check("REDIS_URL with a database number chooses that database")
def _(server):
    url = f"redis://localhost:{server.port}/1"
    equal(command_line.run("redis-cli", "-u", url, "set", "page", "one").output, "OK\n")
    equal(output(server, "-n", "1", "get", "page"), "one")
    equal(output(server, "-n", "0", "exists", "page"), "0")
    equal(output(server, "-n", "15", "ping"), "PONG")
    contains(redis_cli(server, "-n", "16", "ping").output + redis_cli(server, "-n", "16", "ping").errors,
             "DB index is out of range")


@check("a password is asked for with the known texts and accepted by AUTH, HELLO AUTH and a URL")
def _(server):
    equal(output(server, "config", "set", "requirepass", "s3cret:/@"), "OK")
    try:
        equal(output(server, "get", "a"), "NOAUTH Authentication required.\n")
        text = output(server, stdin="auth wrong\nauth s3cret:/@\nget nothing\n")
        contains(text, "WRONGPASS invalid username-password pair or user is disabled.")
        contains(text, "OK")
        contains(output(server, stdin="hello 3 auth default s3cret:/@\nping\n"), "PONG")
        url = f"redis://default:s3cret%3A%2F%40@{servers.HOST}:{server.port}/2"
        equal(command_line.run("redis-cli", "-u", url, "--no-auth-warning", "ping").output, "PONG\n")
    finally:
        output(server, "-a", "s3cret:/@", "--no-auth-warning", "config", "set", "requirepass", "")


@check("CONFIG SET changes what a check list changes, and unknown names are no error in CONFIG GET")
def _(server):
    for name, value in (("timeout", "300"), ("tcp-keepalive", "60"), ("maxclients", "5000"),
                        ("maxmemory-samples", "10"), ("slowlog-log-slower-than", "10000")):
        equal(output(server, "config", "set", name, value), "OK")
        equal(output(server, "config", "get", name), f"{name}\n{value}")
    output(server, "config", "set", "timeout", "0")
    equal(output(server, "config", "get", "no-such-option"), "")
    with servers.Server(save=True) as fresh:
        equal(output(fresh, "config", "get", "save"), "save\n3600 1 300 100 60 10000")
    equal(output(server, "config", "resetstat"), "OK")


@check("CONFIG GET knows every option of redis-server, with its default")
def _(server):
    with servers.Server(servers.redis_program()) as redis, redis.connect() as peer, server.connect() as ours:
        names = peer.call("CONFIG", "GET", "*")[::2]
        known = ours.call("CONFIG", "GET", "*")[::2]
        equal(sorted(set(names) - set(known)), [])
        is_true(len(names) > 150, f"{len(names)} options")
        for name in ("appendonly", "maxmemory", "maxmemory-policy", "hz", "databases", "appendfsync",
                     "notify-keyspace-events", "client-output-buffer-limit"):
            equal(ours.call("CONFIG", "GET", name), peer.call("CONFIG", "GET", name))


@check("a client above maxclients is told so")
def _(_server):
    with servers.Server(arguments=["--maxclients", "2"]) as mine, mine.connect() as one, mine.connect() as two:
        equal([one.call("PING"), two.call("PING")], [b"PONG"] * 2)
        refused = redis_cli(mine, "ping")
        contains(refused.output + refused.errors, "ERR max number of clients reached")


@check("MONITOR shows time, database, address and arguments, hides passwords, and ends with its client")
def _(server):
    command = ["stdbuf", "-oL", "redis-cli", "-p", str(server.port), "monitor"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as monitor, server.connect() as admin:
        equal(monitor.stdout.readline(), "OK\n")
        output(server, "-n", "2", "set", "user:1", 'a "quoted" value')
        redis_cli(server, stdin="auth hidden-word\n")
        output(server, "get", "the-end")
        lines = []
        while not lines or "the-end" not in lines[-1]:
            lines.append(monitor.stdout.readline())
        text = "".join(lines)
        is_true(re.search(r'^\d+\.\d{6} \[2 127\.0\.0\.1:\d+\] "set" "user:1" "a \\"quoted\\" value"$', text, re.M)
                is not None, text)
        is_true("hidden-word" not in text, text)
        monitor.terminate()
        monitor.communicate(timeout=10)
        servers.wait_until(lambda: b"monitor_clients:0" in admin.call("INFO", "clients")
                           or b"cmd=monitor" not in admin.call("CLIENT", "LIST"), "the monitor is gone")


def info_names(server, section):
    return set(fields(output(server, "info", section)))


@check("INFO memory and INFO stats have every field of redis-server")
def _(server):
    with servers.Server(servers.redis_program()) as redis:
        for section, least in (("memory", 50), ("stats", 45), ("clients", 8), ("server", 18), ("replication", 8)):
            expected = info_names(redis, section)
            is_true(len(expected) >= least, f"{section}: {len(expected)}")
            equal(sorted(expected - info_names(server, section)), [], section)


@check("the figures that dashboards read are numbers that move")
def _(server):
    output(server, "flushall")
    before = fields(output(server, "info"))
    for name in ("used_memory", "used_memory_peak", "connected_clients", "total_commands_processed",
                 "keyspace_hits", "keyspace_misses", "evicted_keys", "expired_keys", "instantaneous_ops_per_sec",
                 "rejected_connections", "total_connections_received", "uptime_in_seconds"):
        is_true(before[name].isdigit(), f"{name}: {before[name]}")
    is_true(re.match(r"^\d+\.\d+\.\d+$", before["redis_version"]) is not None, before["redis_version"])
    is_true(re.match(r"^[\d.]+[BKMG]$", before["used_memory_human"]) is not None, before["used_memory_human"])
    output(server, stdin="set a 1\nget a\nget none\nset b 1 px 1000000\n")
    after = fields(output(server, "info"))
    equal(int(after["keyspace_hits"]) - int(before["keyspace_hits"]), 1)
    equal(int(after["keyspace_misses"]) - int(before["keyspace_misses"]), 1)
    is_true(after["db0"].startswith("keys=2,expires=1,avg_ttl="), after["db0"])


@check("KEYS with its patterns, DBSIZE, GET and TTL answer questions about a cache")
def _(server):
    output(server, "flushall")
    output(server, stdin='set user:123:profile data ex 3600\nset user:9:x y\nset h[llo 1\nset hallo 1\nset hello 1\n')
    equal(sorted(output(server, "keys", "user:*").split("\n")), ["user:123:profile", "user:9:x"])
    equal(sorted(output(server, "keys", "h[a-e]llo").split("\n")), ["hallo", "hello"])
    equal(output(server, "keys", "h\\[llo"), "h[llo")
    equal(len(output(server, "keys", "*").split("\n")), 5)
    equal(output(server, "dbsize"), "5")
    equal(output(server, "get", "user:123:profile"), "data")
    is_true(3590 < int(output(server, "ttl", "user:123:profile")) <= 3600, "ttl")
    equal(output(server, "ttl", "hello"), "-1")
    equal(output(server, "ttl", "none"), "-2")


@check("FLUSHDB empties one database, in the foreground and in the background")
def _(server):
    for mode in ((), ("async",), ("sync",)):
        output(server, "set", "zero", "x")
        output(server, "-n", "1", "set", "one", "x")
        equal(output(server, "-n", "1", "flushdb", *mode), "OK")
        equal(output(server, "-n", "1", "dbsize"), "0")
        equal(output(server, "exists", "zero"), "1")
    equal(output(server, "flushall"), "OK")
    equal(output(server, "dbsize"), "0")


@check("a full cache evicts under allkeys-lru and refuses writes under noeviction with the known text")
def _(_server):
    with servers.Server(arguments=["--maxmemory", "8mb", "--maxmemory-policy", "allkeys-lru"]) as mine:
        lines = "".join(f"set key:{number} {'x' * 1000}\n" for number in range(20000))
        is_true("OOM" not in output(mine, stdin=lines), "no write was refused")
        is_true(int(fields(output(mine, "info", "stats"))["evicted_keys"]) > 1000, "keys were evicted")
        used = int(fields(output(mine, "info", "memory"))["used_memory"])
        is_true(used <= 8 * 1024 * 1024 * 1.05, f"{used} bytes")
        output(mine, "config", "set", "maxmemory-policy", "noeviction")
        contains(output(mine, stdin=lines), "OOM command not allowed when used memory > 'maxmemory'.")
        equal(output(mine, "ping"), "PONG")
        for size, count in (("1k", 1000), ("1kb", 1024), ("5m", 5000000), ("5mb", 5242880), ("1g", 1000000000),
                            ("1GB", 1073741824)):
            output(mine, "config", "set", "maxmemory", size)
            equal(output(mine, "config", "get", "maxmemory"), f"maxmemory\n{count}")


@check("lines typed into telnet are commands, with quotes")
def _(server):
    with socket.create_connection((servers.HOST, server.port), 10) as line:
        def type_line(text, expected):
            line.sendall(text)
            data = b""
            while len(data) < len(expected):
                data += line.recv(4096)
            equal(data, expected)
        type_line(b"PING\r\n", b"+PONG\r\n")
        type_line(b"SET greeting \"hello world\\n\"\r\n", b"+OK\r\n")
        type_line(b"get greeting\n", b"$12\r\nhello world\n\r\n")
        type_line(b"SET x 'a b'\r\n\r\nGET x\r\n", b"+OK\r\n$3\r\na b\r\n")
        type_line(b"QUIT\r\n", b"+OK\r\n")
        equal(line.recv(10), b"")


@check("an HTTP request is not answered but closed and logged")
def _(server):
    with socket.create_connection((servers.HOST, server.port), 10) as browser:
        browser.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nFLUSHALL\n")
        data = b""
        try:
            while chunk := browser.recv(4096):
                data += chunk
        except ConnectionResetError:
            pass
        is_true(b"OK" not in data and b"HTTP" not in data, repr(data))
    contains(server.log_path.read_text(), "Possible SECURITY ATTACK")


@check("the slow log keeps slow commands with id, time, duration, arguments, address and name")
def _(server):
    output(server, "config", "set", "slowlog-log-slower-than", "0")
    output(server, "slowlog", "reset")
    output(server, stdin="client setname reports\nset slow " + "x" * 300 + "\n")
    output(server, "config", "set", "slowlog-log-slower-than", "10000")
    with server.connect() as connection:
        entries = connection.call("SLOWLOG", "GET", 10)
        slow = next(entry for entry in entries if entry[3][0] == b"set")
        is_true(slow[0] >= 0 and slow[1] > 1_600_000_000 and slow[2] >= 0, repr(slow))
        equal(slow[3], [b"set", b"slow", b"x" * 128 + b"... (172 more bytes)"])
        is_true(slow[4].startswith(b"127.0.0.1:"), repr(slow[4]))
        equal(slow[5], b"reports")
        equal(len(entries), connection.call("SLOWLOG", "LEN"))
    equal(output(server, "slowlog", "reset"), "OK")
    equal(output(server, "slowlog", "len"), "0")


@check("keyspace events reach redis-cli --csv psubscribe")
def _(server):
    output(server, "config", "set", "notify-keyspace-events", "KEA")
    command = ["stdbuf", "-oL", "redis-cli", "-p", str(server.port), "--csv", "psubscribe", "__key*__:*"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watcher:
        try:
            equal(watcher.stdout.readline(), "Reading messages... (press Ctrl-C to quit)\n")
            contains(watcher.stdout.readline(), '"psubscribe","__key*__:*",1')
            output(server, "set", "watched", "x", "ex", "100")
            expected = ["__keyspace@0__:watched\",\"set", "__keyevent@0__:set\",\"watched",
                        "__keyspace@0__:watched\",\"expire", "__keyevent@0__:expire\",\"watched"]
            for part in expected:
                contains(watcher.stdout.readline(), part)
        finally:
            watcher.terminate()
            watcher.communicate(timeout=10)
    output(server, "config", "set", "notify-keyspace-events", "")


@check("no server: redis-cli names the address and says that the connection was refused, with status 1")
def _(_server):
    port = servers.free_port()
    outcome = command_line.run("redis-cli", "-p", port, "ping")
    equal(outcome.status, 1)
    contains(outcome.errors + outcome.output, f"Could not connect to Redis at 127.0.0.1:{port}: Connection refused")
