# SPDX-License-Identifier: BSD-3-Clause
"""INFO, COMMAND, SLOWLOG, LATENCY and MEMORY as tools read them."""
import servers
from checks import check, contains, equal, is_true

SECTIONS = ("server", "clients", "memory", "persistence", "stats", "replication", "cpu", "cluster")
VARYING = ("master_replid2", "aof_", "rdb_", "module_fork", "lru_clock", "redis_git", "redis_build_id",
           "monotonic_clock", "atomicvar_api", "gcc_version", "multiplexing_api")


def fixture():
    return servers.Server()


def fields(connection, section):
    text = connection.call("INFO", section).decode()
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line and not line.startswith("#"))


@check("INFO has every field of redis-server's sections, so that no tool misses one")
def _(server):
    with servers.Server(servers.redis_program()) as peer, peer.connect() as theirs, server.connect() as ours:
        missing = {}
        for section in SECTIONS:
            names = set(fields(theirs, section)) - set(fields(ours, section))
            names = sorted(name for name in names if not name.startswith(VARYING))
            if names:
                missing[section] = names
        equal(missing, {})


@check("INFO names the server and both versions, and counts keys, hits and misses")
def _(server):
    with server.connect() as connection:
        found = fields(connection, "server")
        equal((found["redis_version"], found["redis_mode"], found["tcp_port"]),
              ("7.2.4", "standalone", str(server.port)))
        equal(found["server_name"], "larder")
        is_true(found["larder_version"] != "", "version")
        connection.call("FLUSHALL")
        connection.call("MSET", "a", 1, "b", 2)
        connection.call("EXPIRE", "a", 100)
        connection.call("CONFIG", "RESETSTAT")
        connection.call_many([("GET", "a"), ("GET", "none"), ("GET", "b")])
        stats = fields(connection, "stats")
        equal((stats["keyspace_hits"], stats["keyspace_misses"]), ("2", "1"))
        contains(fields(connection, "keyspace")["db0"], "keys=2,expires=1,avg_ttl=")
        contains(fields(connection, "commandstats")["cmdstat_get"], "calls=3,")


@check("INFO answers for one section, several, default, all and everything")
def _(server):
    with server.connect() as connection:
        equal(connection.call("INFO", "cpu").count(b"# "), 1)
        equal(connection.call("INFO", "cpu", "memory").count(b"# "), 2)
        is_true(b"# Commandstats" not in connection.call("INFO"), "default")
        for word in ("all", "everything"):
            contains(connection.call("INFO", word), b"# Commandstats")
        equal(connection.call("INFO", "nosuch"), b"")


@check("COMMAND describes the commands for clients: positions, flags, categories and documentation")
def _(server):
    with server.connect() as connection:
        get, none = connection.call("COMMAND", "INFO", "get", "nosuch")
        equal(none, None)
        equal(get[:2], [b"get", 2])
        is_true(b"readonly" in get[2] and b"fast" in get[2], repr(get[2]))
        equal(get[3:6], [1, 1, 1])
        is_true(b"@read" in get[6] and b"@string" in get[6], repr(get[6]))
        equal(connection.call("COMMAND", "GETKEYS", "MSET", "a", 1, "b", 2), [b"a", b"b"])
        docs = connection.call("COMMAND", "DOCS", "get")
        equal(docs[0], b"get")
        is_true(b"summary" in docs[1] and b"arity" not in docs[1], repr(docs[1][:6]))
        names = connection.call("COMMAND", "LIST")
        is_true({b"get", b"set", b"bitfield"} <= set(names), "names")
        is_true(connection.call("COMMAND", "COUNT") > 50, "count")
        equal(connection.call("COMMAND", "LIST", "FILTERBY", "PATTERN", "getr*"), [b"getrange"])


@check("SLOWLOG keeps the slow commands with their arguments trimmed")
def _(server):
    with server.connect() as connection:
        connection.call("CONFIG", "SET", "slowlog-log-slower-than", 0)
        connection.call("SLOWLOG", "RESET")
        connection.call("SET", "a", "x" * 1000)
        connection.call("MSET", *(word for number in range(40) for word in (f"k{number}", "v")))
        entries = connection.call("SLOWLOG", "GET", 2)
        connection.call("CONFIG", "SET", "slowlog-log-slower-than", 10000)
        mset, single = entries
        equal(len(mset[3]), 32)
        equal(mset[3][31], b"... (50 more arguments)")
        equal(single[3], [b"SET", b"a", b"x" * 128 + b"... (872 more bytes)"])
        is_true(single[2] >= 0 and single[4].startswith(b"127.0.0.1:"), repr(single))


@check("LATENCY keeps spikes by event and histograms by command")
def _(server):
    with server.connect() as connection:
        connection.call("CONFIG", "RESETSTAT")
        connection.call_many([("GET", "a")] * 1000)
        histogram = connection.call("LATENCY", "HISTOGRAM", "get")
        equal((histogram[0], histogram[1][:2]), (b"get", [b"calls", 1000]))
        equal(histogram[1][2], b"histogram_usec")
        equal(connection.call("LATENCY", "LATEST"), [])
        equal(connection.call("LATENCY", "HISTORY", "command"), [])


@check("DEBUG is refused unless it was enabled, and a spike of DEBUG SLEEP is seen by LATENCY")
def _(server):
    with server.connect() as connection:
        contains(connection.call("DEBUG", "SLEEP", 0), b"ERR DEBUG command not allowed.")
    with servers.Server(arguments=("--enable-debug-command", "yes", "--latency-monitor-threshold", "5")) as other:
        with other.connect() as connection:
            equal(connection.call("DEBUG", "SLEEP", "0.02"), b"OK")
            events = connection.call("LATENCY", "LATEST")
            is_true(events and events[0][0] == b"command" and events[0][2] >= 15, repr(events))
            equal(connection.call("LATENCY", "RESET"), 1)


@check("MEMORY USAGE grows with the value, and STATS, DOCTOR and PURGE answer")
def _(server):
    with server.connect() as connection:
        connection.call("MSET", "small", "x", "large", "x" * 10000)
        small, large = connection.call("MEMORY", "USAGE", "small"), connection.call("MEMORY", "USAGE", "large")
        is_true(0 < small < 200 and 10000 < large < 13000, f"{small} {large}")
        equal(connection.call("MEMORY", "USAGE", "none"), None)
        stats = connection.call("MEMORY", "STATS")
        is_true({b"peak.allocated", b"total.allocated", b"keys.count"} <= set(stats[::2]), repr(stats[::2]))
        equal(connection.call("MEMORY", "PURGE"), b"OK")
        is_true(len(connection.call("MEMORY", "DOCTOR")) > 10, "doctor")
