# SPDX-License-Identifier: BSD-3-Clause
"""Hit ratios of eviction policies: the same seeded traces against each server and policy, with the
same maxmemory. A denser store holds more entries in it, so the table gives those too. The row's
value is the subject's S3-FIFO and, for other servers, the best of their policies."""

import json
import os
import subprocess

from .results import SUBJECT, Row
from .servers import CLIENT_CORE, Failure

POLICIES = ["allkeys-lru", "allkeys-lfu", "allkeys-random"]
SUBJECT_POLICIES = ["allkeys-s3fifo", *POLICIES]
WORKLOADS = {
    "hit-ratio-zipf-0.8": ("Zipf 0.8", "zipf:0.8", 400000),
    "hit-ratio-zipf-1.0": ("Zipf 1.0", "zipf:1.0", 400000),
    "hit-ratio-zipf-scan": ("Zipf 0.9 with scans", "zipf-scan:0.9", 400000),
    "hit-ratio-loop": ("loop over 150,000 keys", "loop", 150000),
    "hit-ratio-shift": ("shifting Zipf 0.9", "shift:0.9", 400000),
}
FILES = "hit-ratio-files"
NAMES = [*WORKLOADS, FILES]
MAXMEMORY = "24mb"
REQUESTS, REQUESTS_QUICK = 1000000, 300000


def _settings(run):
    return [(kind, policy) for kind in run.kinds if kind.takes_directives
            for policy in (SUBJECT_POLICIES if kind.name == SUBJECT else POLICIES)]


def _traces(run, wanted):
    """(row name, title, bench-trace arguments) of everything to replay."""
    requests = REQUESTS_QUICK if run.is_quick else REQUESTS
    for name in wanted:
        if name in WORKLOADS:
            title, generator, keys = WORKLOADS[name]
            yield name, title, ["--generate", generator, "--keys", str(keys), "--requests",
                                str(requests), "--warmup", "0.25"]
        else:
            for path in run.options.trace:
                yield f"hit-ratio-file-{os.path.basename(path)}", path, ["--trace", path]


def estimate_seconds(run, wanted):
    return len(list(_traces(run, wanted))) * len(_settings(run)) * (1.5 if run.is_quick else 3.5)


def _replay(run, kind, policy, arguments):
    with kind.start(run.next_port(), maxmemory=MAXMEMORY, maxmemory_policy=policy) as server:
        done = subprocess.run(
            [os.path.join(run.bin, "bench-trace"), "--port", str(server.port), *arguments],
            capture_output=True, text=True, check=False,
            preexec_fn=lambda: os.sched_setaffinity(0, {CLIENT_CORE}))
    if done.returncode != 0:
        raise Failure(f"{kind.name} {policy}: {done.stderr.strip()[-200:]}")
    return json.loads(done.stdout)


def measure(run, wanted):
    rows = []
    for name, title, arguments in _traces(run, wanted):
        row = Row(name, f"hit ratio %, {title}, {MAXMEMORY}", None)
        rows.append(row)
        best = {}
        for kind, policy in _settings(run):
            run.say(f"{row.title}: {kind.name} {policy}")
            try:
                seen = _replay(run, kind, policy, arguments)
            except Failure as failure:
                row.fail(failure)
                continue
            percent = 100 * seen["hit_ratio"]
            row.variants[f"{kind.name} {policy}"] = f"{percent:.1f} ({seen['entries']:,} entries)"
            if kind.name != SUBJECT or policy == SUBJECT_POLICIES[0]:
                best[kind.name] = max(percent, best.get(kind.name, 0))
        for server, percent in best.items():
            row.add(server, percent)
    return rows
