#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""run.py BIN [--rounds N] [--scale X] [--port P] [--store]: the C client beside Debian's libhiredis.

BIN is the folder with bench-client-larder and bench-client-hiredis. The rounds go over rows and
libraries in turn against the same redis-server. A cell is the median of the client's CPU time per
command with its range; the last column compares medians, below 1 is better. The pool is compared
by commands per second with one connection per command, round by round. --store also writes the
table to bench/results/DATE-COMMIT-client.md."""
import argparse
import datetime
import os
import pathlib
import socket
import statistics
import subprocess
import tempfile
import time

ROWS = [("sync", 60000, 1.0), ("pipeline-16", 480000, 1.0), ("pipeline-100", 800000, 1.0),
        ("async", 600000, 1.0), ("lrange", 8000, 0.35)]
OURS_ONLY = [("cluster", 400000), ("cluster-async", 400000)]
POOL_GOAL = 8.0


def wait_for(port):
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)


class Servers:
    def __init__(self, port):
        self.folder = tempfile.TemporaryDirectory()
        self.port, self.processes = port, []
        self.start(port)
        for i in range(3):
            self.start(port + 1 + i, "--cluster-enabled", "yes", "--cluster-config-file",
                       f"nodes-{i}.conf")
            self.ask(port + 1 + i, "cluster", "addslotsrange", 16384 * i // 3,
                     16384 * (i + 1) // 3 - 1)
            self.ask(port + 1 + i, "cluster", "set-config-epoch", i + 1)
            self.ask(port + 1 + i, "cluster", "meet", "127.0.0.1", port + 1)
        for i in range(3):
            while ("cluster_state:ok" not in self.ask(port + 1 + i, "cluster", "info")
                   or self.ask(port + 1 + i, "cluster", "slots").count("127.0.0.1") != 3):
                time.sleep(0.05)
        self.ask(port, "set", "key", "value")
        self.ask(port, "rpush", "list", *(f"element:{i:012}" for i in range(500)))

    def start(self, port, *options):
        words = ["redis-server", "--port", port, "--dir", self.folder.name, "--save", "",
                 "--appendonly", "no", "--logfile", f"log-{port}", *options]
        self.processes.append(subprocess.Popen([str(word) for word in words]))
        wait_for(port)

    def ask(self, port, *words):
        return subprocess.run(["redis-cli", "-p", *(str(word) for word in (port, *words))],
                              capture_output=True, text=True, check=True).stdout

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()
        self.folder.cleanup()


def measure(program, mode, port, commands):
    out = subprocess.run([str(program), mode, str(port), str(commands)], capture_output=True,
                         text=True, check=True).stdout.split()
    return float(out[0]), float(out[1])


def cell(samples):
    return f"{statistics.median(samples):.0f} [{min(samples):.0f}..{max(samples):.0f}]"


def table_of(samples, ours, theirs):
    lines = ["| row | ours, ns | libhiredis, ns | ratio | goal |", "|---|---|---|---|---|"]
    for mode, _, goal in ROWS:
        mine, other = samples[mode, ours], samples[mode, theirs]
        ratio = statistics.median(mine) / statistics.median(other)
        lines.append(f"| {mode} | {cell(mine)} | {cell(other)} | {ratio:.2f} | {goal} |")
    for mode, _ in OURS_ONLY:
        lines.append(f"| {mode} | {cell(samples[mode, ours])} | | | |")
    pooled, single = samples["pool", ours], samples["connect", ours]
    ratio = statistics.median(one / other for one, other in zip(pooled, single))
    lines += ["", f"64 threads: {cell(pooled)} commands/s with the pool, {cell(single)} with a "
              f"connection per command: {ratio:.1f}x, the median of {len(pooled)} rounds "
              f"(goal {POOL_GOAL}x)"]
    return "\n".join(lines)


def store(table, rounds):
    root = pathlib.Path(__file__).resolve().parents[2]
    commit = subprocess.run(["git", "-C", str(root), "rev-parse", "--short=10", "HEAD"],
                            capture_output=True, text=True, check=False).stdout.strip() or "unknown"
    path = root / "bench" / "results" / f"{datetime.date.today()}-{commit}-client.md"
    path.write_text(
        "<!-- SPDX-License-Identifier: BSD-3-Clause -->\n# The C client beside libhiredis\n\n"
        f"{rounds} rounds on {os.cpu_count()} cores; CPU time of the client per command, median "
        f"[range]; load average at the end {os.getloadavg()[0]:.1f}.\n\n{table}\n")
    print(f"\nstored as {path}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bin", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--port", type=int, default=21150)
    parser.add_argument("--store", action="store_true")
    options = parser.parse_args()
    ours, theirs = options.bin / "bench-client-larder", options.bin / "bench-client-hiredis"
    servers = Servers(options.port)
    samples = {}
    try:
        for _ in range(options.rounds):
            for mode, commands, _ in ROWS:
                for program in (ours, theirs):
                    cpu, _ = measure(program, mode, options.port, int(commands * options.scale))
                    samples.setdefault((mode, program), []).append(cpu)
            for mode, commands in OURS_ONLY:
                cpu, _ = measure(ours, mode, options.port + 1, int(commands * options.scale))
                samples.setdefault((mode, ours), []).append(cpu)
            for mode, commands in (("pool", 400000), ("connect", 20000)):
                _, rate = measure(ours, mode, options.port, int(commands * options.scale))
                samples.setdefault((mode, ours), []).append(rate)
    finally:
        servers.stop()
    table = table_of(samples, ours, theirs)
    print(table)
    if options.store:
        store(table, options.rounds)


if __name__ == "__main__":
    main()
