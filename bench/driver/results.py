# SPDX-License-Identifier: BSD-3-Clause
"""Rows of the result table, and the table."""

import datetime
import json
import os
import platform
import statistics
import subprocess

SUBJECT = "larder"


class Target:
    """A limit for the subject: is_ceiling says whether lower or higher is better."""

    def __init__(self, limit, stretch=None, is_ceiling=True, unit="x"):
        self.limit = limit
        self.stretch = stretch
        self.is_ceiling = is_ceiling
        self.unit = unit

    def text(self, value):
        if value is None:
            return ""
        return f"{'<=' if self.is_ceiling else '>='} {value:g} {self.unit}".replace(" x", "x")

    def reaches(self, value, limit):
        return value <= limit if self.is_ceiling else value >= limit


class Row:
    """One line of the table: per server the values of the metric the target speaks of, and any
    further samples (throughput, CPU per request, ...) for the detail table. variants holds one
    value per name for rows that compare settings of a server (eviction policies)."""

    def __init__(self, name, title, target):
        self.name = name
        self.title = title
        self.target = target
        self.values = {}
        self.details = {}
        self.variants = {}
        self.note = ""
        self.problem = ""

    def add(self, server, value):
        self.values.setdefault(server, []).append(value)

    def add_details(self, server, **samples):
        for name, value in samples.items():
            self.details.setdefault(server, {}).setdefault(name, []).append(value)

    def fail(self, problem):
        self.problem = self.problem or str(problem)

    def verdict(self):
        if self.problem:
            return "FAILED: " + self.problem.replace("|", "/").replace("\n", " ")
        if SUBJECT not in self.values:
            return "not measured"
        if self.target is None:
            return ""
        value = statistics.median(self.values[SUBJECT])
        if self.target.stretch is not None and self.target.reaches(value, self.target.stretch):
            return "yes, stretch"
        return "yes" if self.target.reaches(value, self.target.limit) else "no"


def number(value):
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 20 else f"{value:.2f}"


def spread(values):
    """median [min..max]"""
    if not values:
        return "-"
    if len(values) == 1:
        return number(values[0])
    return f"{number(statistics.median(values))} [{number(min(values))}..{number(max(values))}]"


def target_table(rows):
    others = []
    for row in rows:
        others += [name for name in row.values if name != SUBJECT and name not in others]
    head = ["row", "target", "stretch", f"{SUBJECT}: median [min..max]", "met?"] + others
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        target = row.target
        cells = [row.title,
                 target.text(target.limit) if target else "",
                 target.text(target.stretch) if target else "",
                 spread(row.values.get(SUBJECT)), row.verdict()]
        cells += [spread(row.values.get(name)) for name in others]
        lines.append("| " + " | ".join(cells) + " |")
    return lines + [f"\n{row.title}: {row.note}" for row in rows if row.note]


DETAIL_COLUMNS = [("bytes", "bytes"), ("ops_per_s", "ops/s"), ("server_cpu_ns", "server CPU ns/op"),
                  ("to_floor", "CPU to floor"), ("to_redis", "CPU to redis"),
                  ("client_cpu_ns", "client CPU ns/op"), ("p50_us", "p50 us"), ("p99_us", "p99 us"),
                  ("p999_us", "p99.9 us")]


def detail_table(rows):
    lines = ["| row | server | " + " | ".join(title for _, title in DETAIL_COLUMNS) + " |",
             "|" + "---|" * (2 + len(DETAIL_COLUMNS))]
    for row in rows:
        for server, samples in row.details.items():
            cells = [spread(samples.get(name)) for name, _ in DETAIL_COLUMNS]
            lines.append(f"| {row.title} | {server} | " + " | ".join(cells) + " |")
    return lines if len(lines) > 2 else []


def variant_table(rows):
    rows = [row for row in rows if row.variants]
    names = []
    for row in rows:
        names += [name for name in row.variants if name not in names]
    lines = ["| row | " + " | ".join(names) + " |", "|" + "---|" * (1 + len(names))]
    for row in rows:
        cells = [row.variants.get(name, "-") for name in names]
        lines.append(f"| {row.title} | " + " | ".join(cells) + " |")
    return lines if names else []


def all_tables(rows):
    tables = (target_table(rows), variant_table(rows), detail_table(rows))
    return [line for table in tables if table for line in [*table, ""]]


def machine():
    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = int(file.readline().split()[1]) // 1024
    try:
        with open("/proc/sys/net/ipv4/tcp_congestion_control", encoding="ascii") as file:
            congestion = file.read().strip()
    except OSError:
        congestion = "unknown"
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(),
            "memory_mib": memory, "tcp_congestion_control": congestion,
            "load_average_at_start": os.getloadavg()[0]}


def git_commit(directory):
    """Short hash of HEAD, with -dirty when tracked files differ from it."""
    def git(*words):
        return subprocess.run(["git", "-C", directory, *words], capture_output=True, text=True,
                              check=False)
    head = git("rev-parse", "--short=10", "HEAD")
    if head.returncode != 0:
        return "nocommit"
    dirty = git("status", "--porcelain", "--untracked-files=no").stdout.strip()
    return head.stdout.strip() + ("-dirty" if dirty else "")


def as_json(row):
    return {"row": row.name, "title": row.title, "verdict": row.verdict(), "note": row.note,
            "target": row.target and row.target.limit, "stretch": row.target and row.target.stretch,
            "values": row.values, "variants": row.variants, "details": row.details}


def as_text(about, rows):
    text = [f"# Benchmark of {about['date']}, commit {about['commit']}", ""]
    text += [f"- {name.replace('_', ' ')}: {value}" for name, value in about["machine"].items()]
    text += [f"- rounds: {about['rounds']}, seconds per measurement: {about['seconds']}",
             f"- servers: {', '.join(about['servers'])}",
             f"- other processes during measurements: {about['disturbance']}", ""]
    return "\n".join(text + all_tables(rows))


def write(directory, about, rows):
    """Write <date>-<commit>.md and .json, with -partial in the name unless all rows were measured
    in full, so that a look at a few rows never replaces a full result. Returns the path."""
    os.makedirs(directory, exist_ok=True)
    name = f"{about['date'][:10]}-{about['commit']}" + ("-partial" if about["is_partial"] else "")
    path = os.path.join(directory, name)
    with open(path + ".md", "w", encoding="utf-8") as file:
        file.write("<!-- SPDX-License-Identifier: BSD-3-Clause -->\n" + as_text(about, rows))
    with open(path + ".json", "w", encoding="utf-8") as file:
        json.dump({"license": "SPDX-License-Identifier: BSD-3-Clause", **about,
                   "rows": [as_json(row) for row in rows]}, file, indent=1)
        file.write("\n")
    return path + ".md"


def today():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
