# SPDX-License-Identifier: BSD-3-Clause
"""Throughput and CPU rows: every server runs all the time, the rounds go over rows and servers in
turn, so that a slow minute of the machine hits all of them alike."""

import contextlib

from .disturbance import Disturbance
from .load import populate, run_load, run_redis_benchmark
from .results import Row, Target
from .servers import Failure

KEYS = 1000000
BENCHMARK_PREFIX = {"key_prefix": "key:", "key_size": 16}

LOAD_ROWS = {
    "p16-get": ("pipeline 16 GET, server CPU to floor", "get", 16, Target(1.8, 1.4)),
    "p16-set": ("pipeline 16 SET, server CPU to floor", "set", 16, Target(2.2, 1.6)),
    "p1-get": ("pipeline 1 GET, server CPU to floor", "get", 1, Target(1.15, 1.05)),
    "p1-set": ("pipeline 1 SET, server CPU to floor", "set", 1, Target(1.15, 1.05)),
}
BENCHMARK_ROWS = {
    "redis-benchmark-get": ("redis-benchmark -P 16 GET, ops/s to redis", "get"),
    "redis-benchmark-set": ("redis-benchmark -P 16 SET, ops/s to redis", "set"),
}
NAMES = [*LOAD_ROWS, *BENCHMARK_ROWS]


def _load_round(run, row, servers, workload, pipeline, seed):
    seen = {}
    for server in servers:
        with Disturbance(server.pid) as disturbance:
            seen[server.name] = run_load(run.load_binary, server, workload=workload,
                                         pipeline=pipeline, keys=KEYS, seed=seed,
                                         seconds=run.seconds, warmup=0.1)
        run.disturbances.append(disturbance.fraction)
    for name, sample in seen.items():
        ratios = {}
        for base in ("floor", "redis"):
            if base in seen:
                ratios["to_" + base] = sample["server_cpu_ns"] / seen[base]["server_cpu_ns"]
        row.add_details(name, **ratios, **{key: sample[key] for key in (
            "ops_per_s", "server_cpu_ns", "client_cpu_ns", "p50_us", "p99_us", "p999_us")})
        if "floor" in seen and name != "floor":
            row.add(name, ratios["to_floor"])


def _benchmark_round(run, row, servers, test):
    seen = {}
    for server in servers:
        if server.kind.takes_directives:
            requests = int(run.benchmark_rates.get(server.name, 600000) * run.seconds)
            seen[server.name] = run_redis_benchmark(server, test, requests, KEYS)
            run.benchmark_rates[server.name] = seen[server.name]
    for name, rate in seen.items():
        row.add_details(name, ops_per_s=rate)
        if "redis" in seen and name != "redis":
            row.add(name, rate / seen["redis"])


def _populate_all(run, servers, wanted):
    for server in servers:
        run.say(f"load {KEYS:,} keys into {server.name}")
        populate(run.load_binary, server, KEYS)
        if server.kind.takes_directives and any(name in BENCHMARK_ROWS for name in wanted):
            populate(run.load_binary, server, KEYS, **BENCHMARK_PREFIX)


def estimate_seconds(run, wanted):
    servers = len(run.kinds)
    return run.rounds * (run.seconds + 0.2) * servers * len(wanted) + 5 * servers


def measure(run, wanted):
    run.benchmark_rates = {}
    rows = {}
    for name in wanted:
        title = (LOAD_ROWS.get(name) or BENCHMARK_ROWS[name])[0]
        target = LOAD_ROWS[name][3] if name in LOAD_ROWS else Target(1.8, 2.0, is_ceiling=False)
        rows[name] = Row(name, title, target)
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(kind.start(run.next_port())) for kind in run.kinds]
        _populate_all(run, servers, wanted)
        for number in range(run.rounds):
            for name in wanted:
                run.say(f"round {number + 1} of {run.rounds}: {rows[name].title}")
                try:
                    if name in LOAD_ROWS:
                        _, workload, pipeline, _ = LOAD_ROWS[name]
                        _load_round(run, rows[name], servers, workload, pipeline, number + 1)
                    else:
                        _benchmark_round(run, rows[name], servers, BENCHMARK_ROWS[name][1])
                except Failure as failure:
                    rows[name].fail(failure)
    return list(rows.values())
