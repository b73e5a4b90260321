# SPDX-License-Identifier: BSD-3-Clause
"""Resident bytes per entry: a fresh server each time, resident size after filling minus before."""

from .load import populate
from .results import Row, Target
from .servers import Failure

COUNTS = {"memory-2m": 2000000, "memory-3m": 3000000}
TTL_SUFFIX = "-ttl"
NAMES = [name + suffix for name in COUNTS for suffix in ("", TTL_SUFFIX)]
FILL_SECONDS = 5.5  # a rough guess for the progress display: start, fill, settle


def _rounds(run):
    return 1 if run.is_quick else min(run.rounds, 3)


def _kinds(run):
    return [kind for kind in run.kinds if not kind.is_floor]


def estimate_seconds(run, wanted):
    fills = len({name.removesuffix(TTL_SUFFIX) for name in wanted})
    fills += sum(name.endswith(TTL_SUFFIX) for name in wanted)
    return fills * len(_kinds(run)) * _rounds(run) * FILL_SECONDS


def _bytes_per_entry(run, kind, count, has_ttl):
    with kind.start(run.next_port()) as server:
        before = server.settled_resident_bytes()
        populate(run.load_binary, server, count, workload="set-ex" if has_ttl else "set")
        return (server.settled_resident_bytes() - before) / count


def _row(name, count, has_ttl):
    millions = count // 1000000
    if has_ttl:
        return Row(name, f"resident bytes per entry that a TTL adds, {millions}M entries",
                   Target(6, unit="B"))
    return Row(name, f"resident bytes per entry, {millions}M entries of 16/32 B",
               Target(68, 60, unit="B"))


def measure(run, wanted):
    rows = []
    for base, count in COUNTS.items():
        plain = _row(base, count, False)
        with_ttl = _row(base + TTL_SUFFIX, count, True)
        chosen = [row for row in (plain, with_ttl) if row.name in wanted]
        if not chosen:
            continue
        rows += chosen
        for number in range(_rounds(run)):
            for kind in _kinds(run):
                run.say(f"round {number + 1} of {_rounds(run)}: {count:,} entries in {kind.name}")
                try:
                    size = _bytes_per_entry(run, kind, count, False)
                    plain.add(kind.name, size)
                    if with_ttl in chosen:
                        with_ttl.add(kind.name, _bytes_per_entry(run, kind, count, True) - size)
                except Failure as failure:
                    for row in chosen:
                        row.fail(failure)
    return rows
