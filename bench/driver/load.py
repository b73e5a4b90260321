# SPDX-License-Identifier: BSD-3-Clause
"""The clients: bench-load and redis-benchmark, run pinned to the client's core."""

import csv
import json
import os
import subprocess

from .servers import CLIENT_CORE, Failure


def run_load(binary, server, cores=(CLIENT_CORE,), **options):
    """One bench-load run against `server`. Returns its JSON; raises Failure unless every reply was
    right. Options are bench-load's, with _ for -; True for a flag, None to leave one out."""
    options.setdefault("verify", "no" if server.kind.is_floor else "yes")
    command = [binary, "--json", "--port", str(server.port), "--protocol", server.kind.protocol,
               "--server-pid", str(server.pid)]
    for name, value in options.items():
        if value is not None:
            command.append("--" + name.replace("_", "-"))
            if value is not True:
                command.append(str(value))
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          preexec_fn=lambda: os.sched_setaffinity(0, set(cores)))
    try:
        result = json.loads(done.stdout)
    except ValueError:
        raise Failure(f"{server.name}: bench-load: {done.stderr.strip()[-200:]}") from None
    if done.returncode != 0:
        raise Failure(f"{server.name}: {result['misses']} misses, {result['wrong']} wrong, "
                      f"{result['errors']} errors; first: {result['problem']}")
    return result


def populate(binary, server, keys, workload="set", **options):
    if server.kind.is_floor:
        return None
    return run_load(binary, server, workload=workload, keys=keys, populate_only=True, **options)


def run_redis_benchmark(server, test, requests, keys, pipeline=16):
    """Requests per second as redis-benchmark reports them."""
    command = ["redis-benchmark", "-p", str(server.port), "-c", "50", "-P", str(pipeline), "-n",
               str(requests), "-r", str(keys), "-d", "32", "-t", test, "--csv"]
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          preexec_fn=lambda: os.sched_setaffinity(0, {CLIENT_CORE}))
    rows = list(csv.DictReader(done.stdout.splitlines()))
    if done.returncode != 0 or len(rows) != 1 or "rror" in done.stderr:
        raise Failure(f"{server.name}: redis-benchmark: {(done.stderr or done.stdout)[-200:]}")
    return float(rows[0]["rps"])
