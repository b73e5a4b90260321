# SPDX-License-Identifier: BSD-3-Clause
"""Micro benchmarks: programs in the binary folder that print one JSON object per line,

    {"row": "embedded-get", "title": "embedded get, 1M entries", "unit": "ns", "value": 101.5}

optionally with "server" (default larder) for values of a reference, and "target", "stretch",
"is_ceiling" for rows that have no target here. Each program runs once per round, unpinned."""

import json
import os
import subprocess

from . import threads
from .results import SUBJECT, Row, Target

PROGRAMS = ["bench-embedded", "bench-lock", "bench-hit-ratio"]
NAMES = PROGRAMS
TARGETS = {
    "embedded-get": Target(120, 75, unit="ns"),
    "embedded-get-batch16": Target(60, 40, unit="ns"),
    "threads-2": Target(1.8, 1.95, is_ceiling=False),
}
LIMIT_SECONDS = 120


def _present(run, wanted):
    return [name for name in wanted if os.access(os.path.join(run.bin, name), os.X_OK)]


def _rounds(run, name):
    return 1 if name == "bench-hit-ratio" else run.rounds


def estimate_seconds(run, wanted):
    return sum(5 * _rounds(run, name) for name in _present(run, wanted))


def _target(record):
    if record["row"] in TARGETS:
        return TARGETS[record["row"]]
    if "target" not in record:
        return None
    return Target(record["target"], record.get("stretch"), record.get("is_ceiling", True),
                  record.get("unit", "x"))


def _take(line, rows):
    record = json.loads(line)
    name = record["row"]
    if name == "threads-2" and threads.has_cores():
        return
    if name not in rows:
        unit = f", {record['unit']}" if "unit" in record else ""
        rows[name] = Row(name, record.get("title", name) + unit, _target(record))
        if name == "threads-2":
            rows[name].note = ("fewer than 4 cores: taken from the lock micro-benchmark instead of "
                               "a server under load")
    rows[name].add(record.get("server", SUBJECT), float(record["value"]))


def _run_program(run, name, rows):
    try:
        done = subprocess.run([os.path.join(run.bin, name)], capture_output=True, text=True,
                              timeout=LIMIT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"ran longer than {LIMIT_SECONDS} s"
    if done.returncode != 0:
        return f"exit status {done.returncode}: {done.stderr.strip()[-200:]}"
    for line in done.stdout.splitlines():
        try:
            _take(line, rows)
        except (ValueError, KeyError, TypeError):
            return f"not a result: {line[:100]}"
    return ""


def measure(run, wanted):
    rows = {}
    for name in _present(run, wanted):
        for number in range(_rounds(run, name)):
            run.say(f"round {number + 1} of {_rounds(run, name)}: {name}")
            problem = _run_program(run, name, rows)
            if problem:
                rows.setdefault(name, Row(name, name, None)).fail(problem)
                break
    return list(rows.values())
