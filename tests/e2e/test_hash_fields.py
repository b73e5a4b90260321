# SPDX-License-Identifier: BSD-3-Clause
"""Fields of hashes that expire: the events that tell of it, and the sweep over several threads. VALKEY_SERVER, a Valkey
9, publishes the same events when it is given."""
import os
import time

import servers
from checks import check, contains, equal, is_true
from test_notifications import read_events, watcher

# Each command, and the events that Valkey 9.1 publishes for it. Lines build on each other.
EVENTS = """
HSET h a 1 b 2 c 3 d 4 = hset | HEXPIRE h 1000 FIELDS 1 a = hexpire | HEXPIRE h 1000 NX FIELDS 2 a b = hexpire
HEXPIRE h 1000 NX FIELDS 2 a b = | HPERSIST h FIELDS 2 a c = hpersist | HPERSIST h FIELDS 1 none =
HEXPIREAT h 1 FIELDS 1 d = hexpired | HEXPIREAT h 1 FIELDS 2 d c = hexpired | HPEXPIRE h 0 FIELDS 1 a = hexpired
HGETEX h EXAT 1 FIELDS 1 b = hexpired del | HSET h a 1 b 2 = hset | HGETEX h EX 100 FIELDS 2 a b = hexpire
HGETEX h PERSIST FIELDS 2 a b = hpersist | HGETEX h PERSIST FIELDS 2 a b = | HGETEX h FIELDS 1 a =
HGETEX h EX 100 FIELDS 2 none other = | HGETEX h EXAT 1 FIELDS 2 a b = hexpired del | HSETEX h FIELDS 1 a 1 = hset
HSETEX h EX 100 FIELDS 2 a 1 b 2 = hset hexpire | HSETEX h KEEPTTL FIELDS 1 a 2 = hset | HSETEX h FNX FIELDS 1 a 2 =
HSETEX h FXX FIELDS 1 a 3 = hset | HSETEX h EXAT 1 FIELDS 1 a 5 = hset hexpire hexpired
HSETEX h EXAT 1 FIELDS 2 b 5 c 5 = hset hexpire hexpired del | HSETEX h PXAT 1 FIELDS 1 b 5 = hset hexpire hexpired del
HSET h a 1 b 2 = hset | HGETDEL h FIELDS 1 none = | HGETDEL h FIELDS 2 a a = hdel | HGETDEL h FIELDS 1 b = hdel del
HSET h a 1 = hset | HEXPIRE h 100 FIELDS 1 a = hexpire | HSET h a 2 = hset | HINCRBY h a 1 = hincrby
HSETEX h NX EX 100 FIELDS 1 a 1 = | HSETEX h XX EX 100 FIELDS 1 a 1 = hset hexpire | HEXPIRE h 100 XX GT FIELDS 1 b =
"""
HASHES, FIELDS, VALUE_BYTES, LIFE_MS = 400, 20, 200, 1500


def fixture():
    return servers.Server(arguments=("--threads", "4"))


def events_of(server):
    """[(command, its events)]"""
    with server.connect() as connection:
        connection.call("FLUSHALL")
        with watcher(server, connection, "KA") as events:
            found = []
            for line in EVENTS.replace("\n", "|").split("|"):
                command = line.split("=")[0].strip()
                if command:
                    connection.call(*command.split())
                    found.append((command, [event for _, event in read_events(events, connection)]))
            return found


@check("commands on fields that expire publish the events that Valkey 9 publishes")
def _(server):
    expected = [tuple(part.strip() for part in line.split("=")) for line in EVENTS.replace("\n", "|").split("|") if "=" in line]
    expected = [(command, events.split()) for command, events in expected]
    equal(events_of(server), expected)
    if "VALKEY_SERVER" in os.environ:
        with servers.Server(os.environ["VALKEY_SERVER"]) as valkey:
            equal(events_of(valkey), expected)


def fill(connection):
    """Hashes of fields that live shortly; every fourth has one field that stays, every other one that lives long."""
    for number in range(HASHES):
        pairs = [word for field in range(FIELDS) for word in (f"short:{field}", "v" * VALUE_BYTES)]
        connection.call_many([("HSETEX", f"hash:{number}", "PX", str(LIFE_MS), "FIELDS", str(FIELDS), *pairs)]
                             + [("HSET", f"hash:{number}", "stays", "x")] * (number % 4 == 0)
                             + [("HSETEX", f"hash:{number}", "EX", "1000", "FIELDS", "1", "long", "x")] * (number % 4 == 1))


def used_memory(connection):
    return int(connection.call("INFO", "memory").decode().split("used_memory:")[1].split()[0])


def shown_fields(connection, key):
    cursor, found = b"0", []
    while True:
        cursor, page = connection.call("HSCAN", key, cursor)
        found += page[::2]
        if cursor == b"0":
            return found


@check("thousands of fields that expire untouched are swept: memory, events, keys and figures follow")
def _(server):
    with server.connect() as connection, server.connect() as reader:
        connection.call("FLUSHALL")
        with watcher(server, connection, "Khg") as events:
            fill(connection)
            full = used_memory(connection)
            over = time.monotonic() + LIFE_MS / 1000 + 0.002
            equal(connection.call("DBSIZE"), HASHES)
            servers.wait_until(lambda: time.monotonic() > over, "the fields' time is over")
            for number in range(HASHES):
                key = f"hash:{number}"
                left = {0: [b"stays"], 1: [b"long"]}.get(number % 4, [])
                equal(shown_fields(reader, key), left)
                equal(reader.call("HGETALL", key)[::2], left)
                equal((reader.call("HLEN", key), reader.call("HGET", key, "short:3")), (len(left), None))
            servers.wait_until(lambda: connection.call("DBSIZE") == HASHES // 2, "keys whose last field expired are gone")
            servers.wait_until(lambda: used_memory(connection) < full - HASHES * FIELDS * VALUE_BYTES, "memory went down")
            told = {}
            for channel, event in read_events(events, connection):
                told.setdefault(channel.split(":", 1)[1], []).append(event)
        for number in range(HASHES):
            mine = told[f"hash:{number}"]
            is_gone = number % 4 > 1
            equal((mine.count("del"), mine[-1]), (1, "del") if is_gone else (0, "hexpired"), number)
            is_true(1 <= mine.count("hexpired") <= FIELDS, mine)
        contains(connection.call("INFO", "keyspace"), f"db0:keys={HASHES // 2},expires=0,".encode())
        equal(connection.call("HTTL", "hash:0", "FIELDS", "1", "stays"), [-1])
        is_true(900 < connection.call("HTTL", "hash:1", "FIELDS", "1", "long")[0] <= 1000, "HTTL of what lives long")


@check("fields written again and again while others expire are all there in the end")
def _(server):
    with server.connect() as connection:
        connection.call("FLUSHALL")
        for step in range(200):
            key = f"hash:{step % 10}"
            connection.call_many([("HSETEX", key, "PX", "1", "FIELDS", "1", f"gone:{step}", "x"),
                                  ("HSETEX", key, "EX", "1000", "FIELDS", "1", f"kept:{step}", "x"),
                                  ("HINCRBY", key, "counter", "1")])
        servers.wait_until(lambda: all(connection.call("HLEN", f"hash:{n}") == 21 for n in range(10)), "the short ones are gone")
        for number in range(10):
            fields = sorted(shown_fields(connection, f"hash:{number}"))
            equal(fields, sorted([b"counter"] + [b"kept:%d" % step for step in range(number, 200, 10)]))
            equal(connection.call("HGET", f"hash:{number}", "counter"), b"20")
