# SPDX-License-Identifier: BSD-3-Clause
"""redis-benchmark's tests: they must run; their speed is measured elsewhere."""
import command_line
import servers
from checks import check, contains, equal, is_true


def fixture():
    return servers.Server()


def benchmark(server, *arguments):
    outcome = command_line.run("redis-benchmark", "-h", servers.HOST, "-p", server.port, *arguments)
    equal(outcome.status, 0, outcome.errors)
    is_true("error" not in (outcome.output + outcome.errors).lower(), outcome.output + outcome.errors)
    return outcome.output


def rows(text):
    return [line.split('"')[1] for line in text.splitlines()[1:] if line.startswith('"')]


@check("redis-benchmark runs all of its tests, in pipelines too")
def _(server):
    expected = ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "LPUSH", "RPUSH", "LPOP", "RPOP", "SADD", "HSET",
                "SPOP", "ZADD", "ZPOPMIN", "LPUSH (needed to benchmark LRANGE)", "LRANGE_100 (first 100 elements)",
                "LRANGE_300 (first 300 elements)", "LRANGE_500 (first 500 elements)",
                "LRANGE_600 (first 600 elements)", "MSET (10 keys)"]
    tests = ("-c", "20", "--csv")
    equal(rows(benchmark(server, "-n", "1000", *tests)), expected)
    equal(rows(benchmark(server, "-n", "2000", "-P", "16", "-r", "1000", *tests)), expected)
    for command in (("xadd", "stream", "*", "field", "__rand_int__"), ("publish", "channel", "message"),
                    ("eval", "return redis.call('incr', KEYS[1])", "1", "counter:__rand_int__")):
        benchmark(server, "-n", "1000", "-r", "100", "-P", "4", "-q", *command)


@check("redis-benchmark runs its string tests one command at a time")
def _(server):
    text = benchmark(server, "-t", "ping_inline,ping_mbulk,set,get,incr,mset", "-n", "3000", "-c", "20", "--csv")
    equal(rows(text), ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"])


@check("redis-benchmark runs its string tests in pipelines of 16 with random keys")
def _(server):
    text = benchmark(server, "-t", "set,get,incr,mset", "-n", "20000", "-P", "16", "-r", "10000", "--csv")
    equal(rows(text), ["SET", "GET", "INCR", "MSET (10 keys)"])
    with server.connect() as connection:
        is_true(connection.call("DBSIZE") > 5000, "random keys were written")


@check("redis-benchmark runs with several threads, in RESP3 and with a command of its own")
def _(server):
    benchmark(server, "-t", "set,get", "-n", "5000", "--threads", "2", "-q")
    benchmark(server, "-t", "get", "-n", "2000", "-3", "-q")
    text = benchmark(server, "-n", "2000", "-q", "-r", "100", "getrange", "key:__rand_int__", "0", "10")
    contains(text, "requests per second")


@check("redis-benchmark with large values and many connections loses none")
def _(server):
    benchmark(server, "-t", "set,get", "-n", "2000", "-d", "20000", "-c", "200", "-q")
