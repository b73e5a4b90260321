# SPDX-License-Identifier: BSD-3-Clause
"""Loop threads: two against one, and more threads than cores against one.

Two against one needs two cores for the server and two for clients; on a smaller machine the lock
micro-benchmark stands in (see micro.py). Oversubscribed: server and client share cores 0 and 1, so
every thread is preempted at bad moments."""

import concurrent.futures
import contextlib
import os

from .load import populate, run_load
from .results import Row, Target
from .servers import Failure

KEYS = 1000000
NAMES = ["threads-2", "oversubscribed"]


def has_cores():
    return (os.cpu_count() or 1) >= 4


def _kinds(run):
    return [kind for kind in run.kinds if kind.takes_directives]


def _possible(wanted):
    return [name for name in wanted if name != "threads-2" or has_cores()]


def estimate_seconds(run, wanted):
    return len(_possible(wanted)) * len(_kinds(run)) * (4 + run.rounds * 2 * (run.seconds + 0.2))


def _rate(run, server, seed, client_cores):
    """Requests per second of one bench-load per entry of client_cores, all at once."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        runs = [pool.submit(run_load, run.load_binary, server, cores=cores, workload="get",
                            pipeline=16, keys=KEYS, seed=seed + 100 * number, seconds=run.seconds,
                            warmup=0.1) for number, cores in enumerate(client_cores)]
        return sum(done.result()["ops_per_s"] for done in runs)


def _compare(run, row, threads, server_cores, client_cores):
    for kind in _kinds(run):
        with contextlib.ExitStack() as stack:
            run.say(f"{row.title}: {kind.name}")
            one, many = (stack.enter_context(
                kind.start(run.next_port(), threads=count, cores=server_cores))
                for count in (1, threads))
            for server in (one, many):
                populate(run.load_binary, server, KEYS)
            for number in range(run.rounds):
                base = _rate(run, one, number + 1, client_cores)
                rate = _rate(run, many, number + 1, client_cores)
                row.add(kind.name, rate / base)
                row.add_details(f"{kind.name}, 1 thread", ops_per_s=base)
                row.add_details(f"{kind.name}, {threads} threads", ops_per_s=rate)


def measure(run, wanted):
    rows = []
    for name in _possible(wanted):
        if name == "threads-2":
            row = Row(name, "two loop threads to one, ops/s", Target(1.8, 1.95, is_ceiling=False))
            setting = (2, (0, 1), [(2,), (3,)])
        else:
            row = Row(name, "4 loop threads on 2 busy cores to 1 thread, ops/s",
                      Target(0.8, is_ceiling=False))
            setting = (4, (0, 1), [(0, 1)])
        rows.append(row)
        try:
            _compare(run, row, *setting)
        except Failure as failure:
            row.fail(failure)
    return rows
