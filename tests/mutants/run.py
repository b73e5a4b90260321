#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Compile each mistake of src/raft/mutants.h into the consensus core and say what notices it.

    tests/mutants/run.py                    all mutants and the figures, into docs/consistency.md
    tests/mutants/run.py --only 1,7         these, printed, nothing written
    tests/mutants/run.py --seeds 4          seeds of the simulator per mutant (6)

Tried in this order: random seeds of the simulator, random seeds of test_raft_random, golden traces.
Before any mutant, the same programs without one must pass: else a failure would mean nothing.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "consistency.md"
TRACES = ["election", "membership", "replication", "snapshot", "storage"]
BASE = ["crc32c.c", "alloc.c", "sha1.c", "status.c", "slice.c", "random.c"]
VIOLATION = 1  # exit status of a program that found one; another one is a crash or a bad build


def mutants():
    text = (ROOT / "src/raft/mutants.h").read_text()
    return re.findall(r"MUTANT_(\w+) = (\d+),\s*/\* (.*?) \*/", text)


def sources(folder, excluded="^$"):
    return [str(p) for p in sorted((ROOT / folder).glob("*.c")) if not re.search(excluded, p.name)]


def compile_programs(work, generated, number):
    """The simulator, the random test and the traces, with mutant `number` (0: none)."""
    flags = ["-std=c17", "-O2", "-w", "-D_GNU_SOURCE", "-I" + str(ROOT / "src"), "-I" + str(ROOT / "include"),
             "-I" + str(ROOT / "tests"), "-I" + str(ROOT / "tests/unit/raft"), "-I" + str(generated)]
    if number:
        flags.append(f"-DRAFT_MUTANT={number}")
    core = sources("src/raft") + [str(ROOT / "src/base" / n) for n in BASE if (ROOT / "src/base" / n).exists()]
    simulator = sources("tests/sim", r"^(main|test_.*)\.c$")
    programs = {"sim": ([str(ROOT / "tests/sim/main.c")], []),
                "random": ([str(ROOT / "tests/unit/raft/test_raft_random.c")], ["-lcmocka"])}
    for name in TRACES:
        programs[name] = ([str(ROOT / f"tests/unit/raft/test_raft_{name}.c")], ["-lcmocka"])
    built = subprocess.run(["gcc", *flags, "-c", *core, *simulator], capture_output=True, text=True, cwd=work)
    if built.returncode != 0:
        sys.exit(f"the core with mutant {number} does not compile:\n{built.stderr[-2000:]}")
    objects = [str(work / (pathlib.Path(source).stem + ".o")) for source in core + simulator]
    for name, (own, libraries) in programs.items():
        command = ["gcc", *flags, *own, *objects, *libraries, "-lm", "-lpthread", "-o", str(work / name)]
        built = subprocess.run(command, capture_output=True, text=True)
        if built.returncode != 0:
            sys.exit(f"{name} with mutant {number} does not compile:\n{built.stderr[-2000:]}")


def run(command, environment=None, timeout=120):
    """(exit status, text); a program that hangs has status None."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment, errors="replace")
    except subprocess.TimeoutExpired:
        return None, "no end within %d s" % timeout
    return done.returncode, done.stdout + done.stderr


def catches(work, seeds, minutes, random_seeds):
    """What notices the mistake, by kind; empty strings where nothing does."""
    found = {"sim": "", "random": "", "traces": ""}
    for seed in range(1, seeds + 1):
        status, _ = run([str(work / "sim"), "--seed", str(seed), "--minutes", str(minutes)])
        if status != 0:
            found["sim"] = f"seed {seed}" + ("" if status == VIOLATION else f" (status {status})")
            break
    status, text = run([str(work / "random")], {"LARDER_TEST_SEEDS": str(random_seeds)})
    if status != 0:
        match = re.search(r"LARDER_TEST_SEED=(\d+)", text)
        found["random"] = f"seed {match.group(1)}" if match else f"status {status}"
    names = []
    for trace in TRACES:
        status, text = run([str(work / trace)])
        failed = re.findall(r"\[  FAILED  \] (?:\S+: )?([a-z]\w+)", text)
        if status != 0:
            names.append(failed[0] if failed else f"test_raft_{trace} (status {status})")
    found["traces"] = names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "") if names else ""
    return found


def rewrite(begin, end, lines):
    text = DOCUMENT.read_text()
    head, rest = text.split(begin, 1)
    _, tail = rest.split(end, 1)
    DOCUMENT.write_text(head + begin + "\n" + "\n".join(lines) + "\n" + end + tail)


def figures(work):
    started = time.monotonic()
    status, text = run([str(work / "sim"), "--seed", "1", "--minutes", "60", "--figures"], timeout=600)
    seconds = time.monotonic() - started
    if status != 0:
        sys.exit("the simulator without a mutant fails:\n" + text[-2000:])
    print(text)
    return [f"One seed of one virtual hour: {3600 / seconds:.0f} times real time.", "", "```", *text.strip().splitlines(), "```"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--minutes", type=int, default=15)
    parser.add_argument("--random-seeds", type=int, default=2000)
    parser.add_argument("--generated", default=str(ROOT / "build" / "generated"))
    chosen = parser.parse_args()
    only = {int(n) for n in chosen.only.split(",") if n}
    rows, survivors = [], []
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        compile_programs(work, chosen.generated, 0)
        untouched = catches(work, chosen.seeds, chosen.minutes, chosen.random_seeds)
        if any(untouched.values()):
            sys.exit(f"without a mutant: {untouched}")
        shown = figures(work) if not only else []
        for name, number, what in mutants():
            if only and int(number) not in only:
                continue
            compile_programs(work, chosen.generated, int(number))
            found = catches(work, chosen.seeds, chosen.minutes, chosen.random_seeds)
            rows.append(f"| {number} | {name.lower().replace('_', ' ')} | {what} | {found['sim'] or '-'} | "
                        f"{found['random'] or '-'} | {found['traces'] or '-'} |")
            print(rows[-1], flush=True)
            if not any(found.values()):
                survivors.append(name)
    print(f"{len(rows) - len(survivors)} of {len(rows)} mutants caught" + (f"; not: {', '.join(survivors)}" if survivors else ""))
    if not only:
        head = ["| | mutant | mistake | simulator | random test | golden trace |", "|---|---|---|---|---|---|"]
        rewrite("<!-- mutants begin -->", "<!-- mutants end -->", head + rows)
        rewrite("<!-- figures begin -->", "<!-- figures end -->", shown)
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
