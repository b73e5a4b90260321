# SPDX-License-Identifier: BSD-3-Clause
"""Containers, scripts and publishing beside redis-server: CPU per command, and bytes per entry.
Each round starts fresh servers for what a workload uses up, so that all meet the same state."""

import contextlib
import os
import socket
import subprocess

from .disturbance import Disturbance
from .load import populate, run_load
from .results import Row, Target
from .servers import CLIENT_CORE, Failure

KEYS = 100000
SUBSCRIBERS = 100
SINGLE = Target(1 / 1.5)
PIPELINES = (1, 16, 100)

# name: (title, workload, target at pipeline 16; elsewhere never slower, what it uses up)
OPERATIONS = {
    "lpush": ("LPUSH", "list-push", SINGLE, False),
    "lpop": ("LPOP", "list-pop", SINGLE, True),
    "hset": ("HSET", "hash-set", SINGLE, False),
    "hget": ("HGET", "hash-get", SINGLE, False),
    "sadd": ("SADD", "set-add", SINGLE, False),
    "spop": ("SPOP", "set-pop", SINGLE, True),
    "zadd": ("ZADD", "sorted-add", Target(1 / 1.3), False),
    "zrange": ("ZRANGE of 10", "sorted-range", Target(1.0), False),
    "zincrby": ("ZINCRBY", "sorted-increment", Target(1.0), False),
    "xadd": ("XADD", "stream-add", SINGLE, False),
    "mset": ("MSET of 10", "mset:10", Target(1.0), False),
    "incr": ("INCR", "incr", SINGLE, False),
    "eval": ("EVAL of three calls", "eval", Target(1.0), False),
    "publish": (f"PUBLISH to {SUBSCRIBERS}", "publish", Target(1.0), False),
}
CPU_NAMES = [f"type-{name}-p{pipeline}" for name in OPERATIONS for pipeline in PIPELINES]


def _hashes(count):
    for i in range(count):
        yield ["HSET", f"key:{i:012}"] + [w for f in range(10) for w in (f"field:{f}", f"value:{i % 997}:{f}")]


def _sets(count):
    for i in range(count):
        yield ["SADD", f"key:{i:012}"] + [f"member:{i % 997}:{f}" for f in range(10)]


def _lists(count):
    for i in range(count):
        yield ["RPUSH", f"key:{i:012}"] + [f"element:{i % 997}:{f}" for f in range(10)]


def _sorted_sets(members):
    def fill(count):
        for i in range(count // members):
            for first in range(0, members, 500):
                yield ["ZADD", f"key:{i:012}"] + [w for m in range(first, min(first + 500, members))
                                                  for w in (f"{m * 37 % 100003}", f"member:{m:09}")]
    return fill


SHAPES = {
    "type-memory-hash": ("bytes per hash of 10 fields", _hashes, 100000, 1),
    "type-memory-set": ("bytes per set of 10 members", _sets, 100000, 1),
    "type-memory-list": ("bytes per list of 10 elements", _lists, 100000, 1),
    "type-memory-zset-10": ("bytes per member, sorted sets of 10", _sorted_sets(10), 1000000, 1),
    "type-memory-zset-1000": ("bytes per member, sorted sets of 1,000", _sorted_sets(1000), 1000000, 1),
    "type-memory-zset-1m": ("bytes per member, a sorted set of 1M", _sorted_sets(1000000), 1000000, 1),
}
NAMES = CPU_NAMES + list(SHAPES)


def _kinds(run):
    return [kind for kind in run.kinds if kind.takes_directives]


def _rounds(run):
    return 1 if run.is_quick else min(run.rounds, 3)


def estimate_seconds(run, wanted):
    kinds = len(_kinds(run))
    shapes = sum(name in SHAPES for name in wanted)
    return run.rounds * (run.seconds + 0.5) * kinds * (len(wanted) - shapes) + 6 * kinds * shapes * _rounds(run)


@contextlib.contextmanager
def _subscribers(run, server):
    binary = os.path.join(run.bin, "bench-subscribers")
    with subprocess.Popen([binary, str(server.port), str(SUBSCRIBERS), "channel"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE,
                          preexec_fn=lambda: os.sched_setaffinity(0, {CLIENT_CORE})) as process:
        if process.stdout.readline() != b"ready\n":
            raise Failure(f"{server.name}: the subscribers could not subscribe")
        yield
        process.stdin.close()
        if int(process.stdout.readline() or 0) == 0:
            raise Failure(f"{server.name}: nothing was published")


def _sample(run, server, operation, pipeline, seed):
    _, workload, _, is_used_up = OPERATIONS[operation]
    options = {"workload": workload, "pipeline": pipeline, "seed": seed, "keys": KEYS}
    if is_used_up:
        options["keys"] = options["requests"] = int((60000 if pipeline == 1 else 600000) * min(1, run.seconds))
        options["distribution"] = "sequential"
    else:
        options["seconds"] = run.seconds
    populate(run.load_binary, server, options["keys"], workload=workload)
    with contextlib.ExitStack() as stack:
        if operation == "publish":
            stack.enter_context(_subscribers(run, server))
        disturbance = stack.enter_context(Disturbance(server.pid))
        sample = run_load(run.load_binary, server, **options)
    run.disturbances.append(disturbance.fraction)
    return sample


def _cpu_round(run, row, operation, pipeline, seed):
    seen = {}
    for kind in _kinds(run):
        with kind.start(run.next_port()) as server:
            seen[kind.name] = _sample(run, server, operation, pipeline, seed)
    for name, sample in seen.items():
        ratio = sample["server_cpu_ns"] / seen["redis"]["server_cpu_ns"]
        row.add_details(name, to_redis=ratio, **{key: sample[key] for key in (
            "ops_per_s", "server_cpu_ns", "client_cpu_ns", "p50_us", "p99_us", "p999_us")})
        if name != "redis":
            row.add(name, ratio)


def _encode(words):
    return b"*%d\r\n" % len(words) + b"".join(
        b"$%d\r\n%s\r\n" % (len(word), word) for word in (str(w).encode() for w in words))


def _fill(server, commands):
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        replies = connection.makefile("rb")
        batch = []

        def flush():
            connection.sendall(b"".join(batch))
            for _ in batch:
                if not replies.readline().startswith(b":"):
                    raise Failure(f"{server.name}: an error while filling")
            batch.clear()
        for words in commands:
            batch.append(_encode(words))
            if len(batch) == 200:
                flush()
        flush()


def _memory_round(run, row, name):
    _, commands, count, _ = SHAPES[name]
    seen = {}
    for kind in _kinds(run):
        with kind.start(run.next_port()) as server:
            before = server.settled_resident_bytes()
            _fill(server, commands(count))
            seen[kind.name] = (server.settled_resident_bytes() - before) / count
    for server, size in seen.items():
        row.add_details(server, bytes=size)
        if server != "redis":
            row.add(server, size / seen["redis"])


def measure(run, wanted):
    if run.kind("redis") is None:
        raise Failure("redis-server is not installed")
    rows = {}
    for name in wanted:
        if name in SHAPES:
            rows[name] = Row(name, SHAPES[name][0] + ", to redis", Target(1.0, 0.8))
            continue
        _, operation, pipeline = name.split("-")
        title, _, target, _ = OPERATIONS[operation]
        rows[name] = Row(name, f"{title}, pipeline {pipeline[1:]}, server CPU to redis",
                         target if pipeline == "p16" else Target(1.0))
    for number in range(run.rounds):
        for name, row in rows.items():
            if name in SHAPES and number >= _rounds(run):
                continue
            run.say(f"round {number + 1} of {run.rounds}: {row.title}")
            try:
                if name in SHAPES:
                    _memory_round(run, row, name)
                else:
                    _, operation, pipeline = name.split("-")
                    _cpu_round(run, row, operation, int(pipeline[1:]), number + 1)
            except Failure as failure:
                row.fail(failure)
    return list(rows.values())
