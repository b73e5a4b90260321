#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Let the code make each known mistake, one at a time, and say which tests notice.

    tests/mutants/run.py                      all mutants and the figures, into docs/consistency.md
    tests/mutants/run.py --only 1,7,120-140   these, printed, nothing written
    tests/mutants/run.py --stages unit        some kinds of tests only (unit, random, seeds, scenarios)

One build with LARDER_MUTANTS holds all mistakes of src/raft/mutants.h and src/cluster/mutants.h; the
variable LARDER_MUTANT chooses. Before any mutant the same runs without one must pass: else a failure
would mean nothing. Results are kept in the build folder by program: an interrupted run goes on where
it was, and what was rebuilt runs again, first what noticed the mistake before.

Stages: unit     golden traces and other tests with a script of their own
        random   tests that draw their inputs
        seeds    random seeds of the simulator, nothing aimed at the mistake, for what those did not notice
        scenarios  scripts of the simulator, for what is not noticed at random
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "consistency.md"
SAVE_EVERY_S = 5
STAGES = ["unit", "random", "seeds", "scenarios"]
SCENARIO_ONLY_MAX = 8
FIGURE = re.compile(r"event |in all|\d+ passed")  # of all seeds together

# Mistakes, tests of their folder (but those of code without mistakes), what the simulator runs them in.
SUBJECTS = [
    {"header": "src/raft/mutants.h", "tests": "raft", "left_out": [], "subject": "config-group"},
    {"header": "src/cluster/mutants.h", "tests": "cluster", "left_out": ["test_cluster_placement"], "subject": "cluster"},
]

# Small worlds that a random test runs per mutant, where it runs fewer by itself: up to 20 seconds.
SEEDS = {"test_raft_random": 10000, "test_cluster_configuration_random": 4000, "test_cluster_replica_random": 40000,
         "test_cluster_requests_random": 1000, "test_cluster_partition_random": 100,
         "test_cluster_transactions_random": 2000, "test_cluster_coordinator_random": 2000,
         "test_cluster_generations_random": 1000, "test_cluster_journal_random": 10000}

# Survivors that make no difference, and why.
EQUIVALENT = {}


def mutants():
    for subject in SUBJECTS:
        text = (ROOT / subject["header"]).read_text()
        for name, number, what in re.findall(r"MUTANT_(\w+)\s*=\s*(\d+),\s*/\*\s*(.*?)\s*\*/", text, re.S):
            what = re.sub(r"\s*\n\s*\*?\s*", " ", what)
            yield {"number": int(number), "name": name.lower().replace("_", " "), "what": what, "of": subject}


def programs(subject):
    found = sorted((ROOT / "tests/unit" / subject["tests"]).glob("test_*.c"))
    return [p.stem for p in found if p.stem not in subject["left_out"]]


def build(folder, jobs):
    targets = ["larder-sim", "test_cluster_placement"] + [p for subject in SUBJECTS for p in programs(subject)]
    configure = ["cmake", "-S", str(ROOT), "-B", str(folder), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
                 "-DCMAKE_C_FLAGS_DEBUG=-O2", "-DLARDER_TESTS=ON", "-DLARDER_MUTANTS=ON", "--log-level=WARNING"]
    for command in (configure, ["cmake", "--build", str(folder), "--parallel", str(jobs), "--target", *targets, "--", "--quiet"]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit("the mutants do not compile:\n" + (done.stdout + done.stderr)[-3000:])


class Runner:
    """Runs programs of the build; knows what it has run before."""

    def __init__(self, folder, chosen):
        self.bin = folder / "bin"
        self.chosen = chosen
        self.lock = threading.Lock()
        self.file = folder / "results.json"
        self.results = json.loads(self.file.read_text()) if self.file.exists() else {}
        self.saved = time.monotonic()
        self.digests = {}
        self.hints = self.found_before()
        self.scenarios = {}
        self.programs = {subject["tests"]: programs(subject) for subject in SUBJECTS}

    def found_before(self):
        """By mutant: what noticed it in an older build, to be tried first."""
        hints = {}
        for key, (status, _) in self.results.items():
            number, *run, _ = key.split()
            if status != 0:
                hints.setdefault(int(number), []).append(" ".join(run))
        return hints

    def hinted_first(self, mutant, choices, is_hint):
        hints = self.hints.get(mutant["number"], [])
        return sorted(choices, key=lambda choice: not any(is_hint(hint, choice) for hint in hints))

    def digest(self, program):
        if program not in self.digests:
            self.digests[program] = hashlib.sha256((self.bin / program).read_bytes()).hexdigest()[:16]
        return self.digests[program]

    def run(self, number, program, *arguments, worlds=0, timeout=180):
        """(exit status, end of the text); a program that hangs has status None, a signal is negative.
        A random test runs so many worlds; 0: as many as by itself."""
        seeds = {"LARDER_TEST_SEEDS": str(worlds)} if worlds else {}
        key = f"{number} {program} {' '.join([*arguments, *seeds.values()])} {self.digest(program)}"
        with self.lock:
            if key in self.results:
                return self.results[key]
        environment = {**os.environ, **seeds, "LARDER_MUTANT": str(number)}
        try:
            done = subprocess.run([str(self.bin / program), *arguments], capture_output=True, text=True,
                                  timeout=timeout, env=environment, errors="replace")
            result = [done.returncode, "\n".join(l for l in (done.stdout + done.stderr).splitlines() if "FAILED" in l or "seed" in l)[-600:]]
        except subprocess.TimeoutExpired:
            result = [None, f"no end within {timeout} s"]
        with self.lock:
            if number != 0 or result[0] == 0:  # what fails without a mistake is run again
                self.results[key] = result
            if time.monotonic() - self.saved > SAVE_EVERY_S:
                self.save()
        return result

    def save(self):
        partial = self.file.with_suffix(".new")
        partial.write_text(json.dumps(self.results))
        partial.replace(self.file)
        self.saved = time.monotonic()

    def tests(self, mutant, is_random):
        order = self.programs[mutant["of"]["tests"]]
        chosen = [p for p in order if p.endswith("_random") == is_random]
        chosen = self.hinted_first(mutant, chosen, lambda hint, p: hint.split()[0] == p)
        # few worlds of each test first: most mistakes are noticed at once, by the right one
        runs = [(p, 0) for p in chosen] + [(p, SEEDS[p]) for p in chosen if p in SEEDS]
        for program, worlds in runs:
            status, text = self.run(mutant["number"], program, worlds=worlds)
            if status != 0:
                # what noticed one mistake is likely to notice the next one too
                self.programs[mutant["of"]["tests"]] = [program] + [p for p in order if p != program]
                failed = re.findall(r"\[  FAILED  \] (?:\S+: )?([a-z]\w+)", text)
                return failed[0] if failed else f"{program} (status {status})"
        return ""

    def seeds(self, mutant):
        ends = time.monotonic() + self.chosen.patience
        seeds = range(1, self.chosen.seeds + 1)
        for seed in self.hinted_first(mutant, seeds, lambda hint, n: f"--seed {n} " in hint):
            if time.monotonic() > ends:
                break
            status, _ = self.run(mutant["number"], "larder-sim", "--subject", mutant["of"]["subject"], "--seed", str(seed),
                                 "--minutes", str(self.chosen.minutes), timeout=600)
            if status != 0:
                return f"{mutant['of']['subject']} seed {seed}" + ("" if status == 1 else f" (status {status})")
        return ""

    def scripts(self, subject):
        if subject not in self.scenarios:
            done = subprocess.run([str(self.bin / "larder-sim"), "--subject", subject, "--list"], capture_output=True, text=True)
            self.scenarios[subject] = [line.split()[0] for line in done.stdout.splitlines() if line.strip()]
        return self.scenarios[subject]

    def scenario(self, mutant):
        scripts = self.scripts(mutant["of"]["subject"])
        for name in self.hinted_first(mutant, scripts, lambda hint, n: hint.endswith(f"--scenario {n}")):
            status, _ = self.run(mutant["number"], "larder-sim", "--subject", mutant["of"]["subject"], "--scenario", name)
            if status != 0:
                return name
        return ""

    def judge(self, mutant):
        found = dict.fromkeys(STAGES, "")
        for stage in self.chosen.stages:
            if stage == "unit":
                found[stage] = self.tests(mutant, False)
            elif stage == "random":
                found[stage] = self.tests(mutant, True)
            elif stage == "seeds" and not found["random"]:
                found[stage] = self.seeds(mutant)
            elif stage == "scenarios" and not found["random"] and not found["seeds"]:
                found[stage] = self.scenario(mutant)
        return found


def numbers(text):
    chosen = set()
    for word in filter(None, text.split(",")):
        first, _, last = word.partition("-")
        chosen |= set(range(int(first), int(last or first) + 1))
    return chosen


def rewrite(name, lines):
    begin, end = f"<!-- {name} begin -->", f"<!-- {name} end -->"
    text = DOCUMENT.read_text()
    head, rest = text.split(begin, 1)
    _, tail = rest.split(end, 1)
    DOCUMENT.write_text(head + begin + "\n" + "\n".join(lines) + "\n" + end + tail)


def figures(chosen):
    """What the simulator without mistakes does, in the release build."""
    subprocess.run(["cmake", "--preset", "release", "-DLARDER_SIM=ON", "--log-level=WARNING"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", "build", "--parallel", str(chosen.jobs), "--target", "larder-sim", "--", "--quiet"], cwd=ROOT, check=True)
    lines = []
    for subject in SUBJECTS:
        name = subject["subject"]
        command = ["build/bin/larder-sim", "--subject", name, "--seed", "1", "--seeds", str(chosen.hours), "--minutes", "60", "--jobs", str(chosen.jobs), "--figures", "--counters"]
        kept = []
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, errors="replace") as simulator:
            for line in simulator.stdout:
                print(line, end="", flush=True)
                if FIGURE.match(line):
                    kept.append(line.rstrip())
        if simulator.returncode != 0:
            sys.exit(f"the simulator without a mistake fails ({name}): {' '.join(command)}")
        lines += [f"`{' '.join(command)}`:", "", "```", *kept, "```", ""]
    return lines


def placement_table(runner):
    """Figures of the placement of replicas, as its test prints them."""
    environment = {**os.environ, "LARDER_MUTANT": "0", "PLACEMENT_FIGURES": "1"}
    done = subprocess.run([str(runner.bin / "test_cluster_placement")], capture_output=True, text=True, env=environment)
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    return [rows[0], "|" + "---|" * (rows[0].count("|") - 1), *rows[1:]]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="numbers, as 1,7,120-140")
    parser.add_argument("--stages", default=",".join(STAGES))
    parser.add_argument("--seeds", type=int, default=16, help="of the simulator, per mutant")
    parser.add_argument("--minutes", type=int, default=10, help="virtual, per seed")
    parser.add_argument("--patience", type=int, default=600, help="seconds of all seeds of a mutant; no seed begins later")
    parser.add_argument("--hours", type=int, default=60, help="virtual, for the figures; 0: none")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--build", default=str(ROOT / "build" / "mutants"))
    chosen = parser.parse_args()
    chosen.stages = [stage for stage in STAGES if stage in chosen.stages.split(",")]
    return chosen


def check_untouched(runner):
    for subject in SUBJECTS:
        found = runner.judge({"number": 0, "name": "none", "what": "", "of": subject})
        if any(found.values()):
            sys.exit(f"without a mistake, {subject['tests']}: {found}")


def row(mutant, found):
    cells = [str(mutant["number"]), mutant["name"], mutant["what"]] + [found[stage] or "-" for stage in STAGES]
    return "| " + " | ".join(cells) + " |"


def main():
    chosen = arguments()
    folder = pathlib.Path(chosen.build)
    build(folder, chosen.jobs)
    runner = Runner(folder, chosen)
    only = numbers(chosen.only)
    todo = [m for m in mutants() if not only or m["number"] in only]
    check_untouched(runner)
    rows, survivors, aimed, done = {}, [], [], 0
    with concurrent.futures.ThreadPoolExecutor(chosen.jobs) as pool:
        waiting = {pool.submit(runner.judge, mutant): mutant for mutant in todo}
        for future in concurrent.futures.as_completed(waiting):
            mutant, found, done = waiting[future], future.result(), done + 1
            rows[mutant["number"]] = row(mutant, found)
            if not any(found.values()) and mutant["number"] not in EQUIVALENT:
                survivors.append(mutant["number"])
            elif not found["random"] and not found["seeds"] and mutant["number"] not in EQUIVALENT:
                aimed.append(mutant["number"])
            print(f"{done}/{len(todo)} {rows[mutant['number']]}", flush=True)
    runner.save()
    equivalent = [m["number"] for m in todo if m["number"] in EQUIVALENT]
    caught = len(todo) - len(survivors) - len(equivalent)
    is_complete = set(chosen.stages) == set(STAGES)
    summary = f"{caught} of {len(todo)} mutants caught" + \
        (f", {caught - len(aimed)} of them at random" if is_complete else f" by {' and '.join(chosen.stages)}") + \
        (f", {len(equivalent)} argued equivalent" if equivalent else "") + \
        (f"; not caught: {', '.join(map(str, sorted(survivors)))}" if survivors else "") + \
        (f"; by golden traces or scripts only: {', '.join(map(str, sorted(aimed)))}" if aimed and is_complete else "")
    if not only:
        write(chosen, summary, [rows[number] for number in sorted(rows)], runner)
    print(summary)
    sys.exit(1 if survivors or (is_complete and len(aimed) > SCENARIO_ONLY_MAX) else 0)


def write(chosen, summary, rows, runner):
    head = ["| | mutant | mistake | golden trace | random test | simulator seed | scenario |", "|---|---|---|---|---|---|---|"]
    arguments_of = [f"- {number}: {why}" for number, why in sorted(EQUIVALENT.items())]
    rewrite("mutants", [summary + ".", "", *head, *rows, *([""] + arguments_of if arguments_of else [])])
    if chosen.hours > 0:
        rewrite("placement", placement_table(runner))
        rewrite("figures", figures(chosen))


if __name__ == "__main__":
    main()
