#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The driver behind `make bench`: starts the servers, measures every row, prints and stores the
table. Exit status 1 if any row failed (wrong replies, a server that died), whatever the figures."""

import argparse
import os
import shutil
import signal
import statistics
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from driver import (data_types, hit_ratio, idle, keyspace_size, memory, micro,  # noqa: E402
                    results, servers, threads, throughput)
from driver.servers import Failure  # noqa: E402

GROUPS = [throughput, data_types, memory, keyspace_size, idle, threads, micro, hit_ratio]
DISTURBANCE_LIMIT = 0.05


class Run:
    """What every group of rows needs: options, server kinds, ports, progress."""

    def __init__(self, options, kinds):
        self.options = options
        self.kinds = kinds
        self.rounds = options.rounds or (3 if options.quick else 7)
        self.seconds = options.seconds or (0.4 if options.quick else 1.2)
        self.is_quick = options.quick
        self.bin = options.bin
        self.load_binary = os.path.join(options.bin, "bench-load")
        self.start = time.monotonic()
        self.disturbances = []
        self.planned = 0
        self.planned_done = 0
        self.group_start = self.start
        self.group_planned = 0
        self._port = options.port

    def kind(self, name):
        return next((kind for kind in self.kinds if kind.name == name), None)

    def next_port(self):
        """A port of the given range; ranges are used in a circle."""
        port = self._port
        self._port = self.options.port + (port + 1 - self.options.port) % self.options.port_count
        return port

    def disturbance(self):
        """What other processes took of the cores, as text; with a warning when it matters."""
        if not self.disturbances:
            return "not measured"
        share = statistics.median(self.disturbances)
        warning = ": THE MACHINE WAS BUSY, run again" if share > DISTURBANCE_LIMIT else ""
        return f"{100 * share:.0f} % of all cores in the median{warning}"

    def begin_group(self, planned):
        self.planned_done += self.group_planned
        self.group_planned = planned
        self.group_start = time.monotonic()

    def say(self, text):
        now = time.monotonic()
        in_group = min(now - self.group_start, self.group_planned)
        left = max(0, self.planned - self.planned_done - in_group)
        print(f"[{now - self.start:6.0f} s, about {left:.0f} s left] {text}", file=sys.stderr,
              flush=True)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__)
    repository = os.path.dirname(HERE)
    parser.add_argument("--bin", default=os.path.join(repository, "build/bin"),
                        help="folder with bench-floor, bench-load and the micro benchmarks")
    parser.add_argument("--larder", help="larder-server (default: BIN/larder-server)")
    parser.add_argument("--without-larder", action="store_true", help="measure only the others")
    parser.add_argument("--server", action="append", default=[], metavar="NAME=PATH[,ARGUMENT...]",
                        help="a further server that takes redis-server's options")
    parser.add_argument("--rows", help="comma-separated names or prefixes of rows; see --list")
    parser.add_argument("--list", action="store_true", help="print the names of the rows")
    parser.add_argument("--rounds", type=int, help="default 7, with --quick 3")
    parser.add_argument("--seconds", type=float, help="of one measurement; default 1.2, 0.4")
    parser.add_argument("--quick", action="store_true", help="few, short rounds; for development")
    parser.add_argument("--trace", action="append", default=[], metavar="FILE.csv",
                        help="a request trace (time,key,size) for the hit ratio rows")
    parser.add_argument("--port", type=int, default=21100, help="first port to use")
    parser.add_argument("--port-count", type=int, default=90)
    parser.add_argument("--results", default=os.path.join(HERE, "results"))
    parser.add_argument("--no-save", action="store_true", help="print only")
    return parser.parse_args()


def server_kinds(options):
    kinds = [servers.floor_kind(os.path.join(options.bin, "bench-floor"))]
    path = options.larder or os.path.join(options.bin, "larder-server")
    if not options.without_larder:
        if not os.access(path, os.X_OK):
            sys.exit(f"{path} is not there: build it, or give --without-larder")
        kinds.append(servers.larder_kind(os.path.abspath(path)))
    for program, kind in (("redis-server", servers.redis_kind),
                          ("memcached", servers.memcached_kind)):
        if shutil.which(program):
            kinds.append(kind())
        else:
            print(f"{program} is not installed; measuring without it", file=sys.stderr)
    return kinds + [servers.further_kind(text) for text in options.server]


def select(names, wanted):
    if wanted is None:
        return list(names)
    return [name for name in names if any(name.startswith(word) for word in wanted.split(","))]


def measure_all(run):
    plan = [(group, select(group.NAMES, run.options.rows)) for group in GROUPS]
    plan = [(group, names) for group, names in plan if names]
    run.planned = sum(group.estimate_seconds(run, names) for group, names in plan)
    rows = []
    for group, names in plan:
        run.begin_group(group.estimate_seconds(run, names))
        try:
            rows += group.measure(run, names)
        except Failure as failure:
            for name in names:
                row = results.Row(name, name, None)
                row.fail(failure)
                rows.append(row)
    return rows


def main():
    options = parse_options()
    if options.list:
        print("\n".join(name for group in GROUPS for name in group.NAMES))
        return 0
    if (os.cpu_count() or 1) < 2:
        sys.exit("the benchmark needs two cores: one for the server, one for the client")
    options.bin = os.path.abspath(options.bin)
    signal.signal(signal.SIGTERM, lambda *unused: sys.exit(143))  # stops the servers on the way
    about = {"date": results.today(), "commit": results.git_commit(HERE),
             "machine": results.machine()}
    run = Run(options, server_kinds(options))
    rows = measure_all(run)
    about.update(is_partial=bool(options.rows or options.quick or options.without_larder),
                 rounds=run.rounds, seconds=run.seconds, servers=[kind.name for kind in run.kinds],
                 disturbance=run.disturbance(), duration_s=round(time.monotonic() - run.start))
    print(results.as_text(about, rows))
    print(f"other processes: {about['disturbance']}", file=sys.stderr)
    if not options.no_save:
        print(f"written to {results.write(options.results, about, rows)}", file=sys.stderr)
    failed = [row for row in rows if row.problem]
    for row in failed:
        print(f"FAILED {row.name}: {row.problem}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
