# SPDX-License-Identifier: BSD-3-Clause
"""How much a large keyspace costs: two instances of each server, 10M keys and 10k keys, read in
turn with the same load."""

import contextlib

from .load import populate, run_load
from .results import Row, Target
from .servers import Failure

NAMES = ["p16-get-10m"]
SMALL, LARGE, LARGE_QUICK = 10000, 10000000, 3000000


def _kinds(run):
    return [kind for kind in run.kinds if kind.takes_directives]


def estimate_seconds(run, wanted):
    del wanted
    fill = 5 if run.is_quick else 14
    return len(_kinds(run)) * (fill + run.rounds * 2 * (run.seconds + 0.2))


def measure(run, wanted):
    large = LARGE_QUICK if run.is_quick else LARGE
    row = Row(wanted[0], f"pipeline 16 GET, server CPU at {large // 1000000}M keys to 10k keys",
              Target(1.3, 1.15))
    with contextlib.ExitStack() as stack:
        pairs = []
        for kind in _kinds(run):
            run.say(f"load {large:,} keys into {kind.name}")
            pair = {}
            for keys in (SMALL, large):
                pair[keys] = stack.enter_context(kind.start(run.next_port()))
                populate(run.load_binary, pair[keys], keys)
            pairs.append((kind.name, pair))
        for number in range(run.rounds):
            run.say(f"round {number + 1} of {run.rounds}: {row.title}")
            try:
                for name, pair in pairs:
                    seen = {keys: run_load(run.load_binary, server, workload="get", pipeline=16,
                                           keys=keys, seed=number + 1, seconds=run.seconds,
                                           warmup=0.1)["server_cpu_ns"]
                            for keys, server in pair.items()}
                    row.add(name, seen[large] / seen[SMALL])
            except Failure as failure:
                row.fail(failure)
    return [row]
