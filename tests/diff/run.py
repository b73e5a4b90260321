# SPDX-License-Identifier: BSD-3-Clause
"""Differential test: the same random sequences go to redis-server and to larder-server, replies are compared.

    python3 tests/diff/run.py --sequences 2000 --seed 1
"""
import argparse
import collections
import multiprocessing
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support" / "python")]

import allowances
import checks
import groups
import judging
import playing
import sequences
import servers
import shrinking
import sides

SERVER_ARGUMENTS = ("--enable-debug-command", "yes")
SHRUNK_AT_MOST = 8
HUNG_AT_MOST = 10
ENDING_SECONDS = 2.0


class PeerCrashed(Exception):
    """The peer's process ended while the server under test went on: there is nothing to compare with."""


def arguments_from(command_line):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=2000)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--length", type=int, default=30, help="rows in a sequence")
    parser.add_argument("--jobs", type=int, default=1, help="pairs of servers that work in parallel")
    parser.add_argument("--peer", default=None, help="the server to compare with (default: redis-server)")
    parser.add_argument("--server", default=None, help="the server under test (default: LARDER_SERVER or build/bin)")
    parser.add_argument("--server-args", default="", help="more arguments for the server under test")
    parser.add_argument("--groups", default=",".join(groups.GROUPS))
    parser.add_argument("--only", type=int, default=None, help="play this one sequence and show every reply")
    parser.add_argument("--shrink", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--no-allowances", action="store_true", help="report intended differences too")
    return parser.parse_args(command_line)


class Job:
    """One pair of servers and the sequences that fall to it."""

    def __init__(self, options, number):
        self.options = options
        self.number = number
        self.generator = sequences.Generator(options.groups.split(","))
        self.allowances = () if options.no_allowances else allowances.load()
        self.categories = collections.Counter()
        self.examples = {}
        self.passed = 0
        self.failed = 0
        self.hung = 0
        self.peer_crashes = []
        self.pair = None

    def run(self):
        peer_program = self.options.peer or servers.redis_program()
        ours_program = self.options.server or servers.larder_program()
        ours_arguments = SERVER_ARGUMENTS + tuple(self.options.server_args.split())
        with servers.Server(peer_program, SERVER_ARGUMENTS) as peer, \
                servers.Server(ours_program, ours_arguments) as ours:
            self.pair = playing.Pair(peer, ours, self.allowances)
            self.servers = (peer, ours)
            if self.options.only is not None:
                self.show(self.options.only)
            else:
                self.play_all()
            self.pair.drop()
        return self

    def outcome(self):
        """What the summary needs; it goes from one process to another."""
        return (self.passed, self.failed, self.peer_crashes, self.categories, self.examples,
                self.pair.used_allowances)

    def show(self, index):
        def transcript(step, peer, ours):
            mark = " " if peer == ours else "!"
            print(f"{mark} {step}\n    peer {sequences.show(peer, 300)}")
            if peer != ours:
                print(f"    ours {sequences.show(ours, 300)}")
        sequence = self.generator.sequence(self.options.seed, index, self.options.length)
        print(f"sequence {sequence.name}: {'RESP3' if sequence.resp3 else 'RESP2'}, {sequence.delivery}")
        self.play_and_note(index, sequence, transcript)

    def play_all(self):
        begin = time.monotonic()
        last_report = begin
        for index in range(self.number, self.options.sequences, self.options.jobs):
            sequence = self.generator.sequence(self.options.seed, index, self.options.length)
            self.play_and_note(index, sequence)
            if self.hung >= HUNG_AT_MOST:
                print("a server hung or ended too often, the rest is not played", flush=True)
                break
            now = time.monotonic()
            if now - last_report > 5:
                last_report = now
                done = self.passed + self.failed
                print(f"... {done} sequences, {self.failed} differ, {done / (now - begin):.0f}/s", flush=True)

    def play_and_note(self, index, sequence, transcript=None):
        try:
            self.note(index, sequence, self.play(sequence, transcript))
        except PeerCrashed:
            self.peer_crashes.append(index)
            print(f"the peer crashed in sequence {sequence.name}", flush=True)

    def play(self, sequence, transcript=None):
        """Play it; when a server went away or hangs the pair is started again. Returns the Mismatch, if any; that the
        server under test went away is one. Errors: PeerCrashed, unless there was a difference before that."""
        mismatch = problem = None
        try:
            mismatch = self.pair.play(sequence, transcript)
        except (ConnectionError, EOFError, OSError) as caught:
            problem = caught
        cut_off = [sides.is_cut_off(reply) for reply in ((mismatch.peer, mismatch.ours) if mismatch else ())]
        peer_runs, ours_runs = self.running(ENDING_SECONDS if problem or any(cut_off) else 0)
        if peer_runs and ours_runs and problem is None:
            return mismatch
        ending = self.ending(sequence, str(problem or "a server ended"))
        self.restart()
        if peer_runs or not ours_runs:
            self.hung += 1
            return ending
        if mismatch is None or cut_off[0]:
            raise PeerCrashed
        return mismatch

    def running(self, seconds):
        """Which servers run; waits for one to end, because it writes a report before."""
        deadline = time.monotonic() + seconds
        while True:
            running = [server.process.poll() is None for server in self.servers]
            if not all(running) or time.monotonic() >= deadline:
                return running
            time.sleep(0.01)

    def ending(self, sequence, error):
        endings = []
        for server in self.servers:
            status = server.process.poll()
            endings.append(b"running" if status is None else f"status {status}: {server.log()[-1500:]}".encode())
        return judging.Mismatch(len(sequence.steps) - 1, "server", error, *endings)

    def restart(self):
        self.pair.drop()
        for server in self.servers:
            server.kill()
            server.start()

    def play_again(self, sequence):
        """For shrinking: a sequence at which the peer crashes shows no difference."""
        try:
            return self.play(sequence)
        except PeerCrashed:
            return None

    def note(self, index, sequence, mismatch):
        if mismatch is None:
            self.passed += 1
            return
        self.failed += 1
        category = mismatch.category()
        self.categories[category] += 1
        if category in self.examples:
            return
        if self.options.shrink and self.options.only is None and len(self.examples) < SHRUNK_AT_MOST:
            sequence, mismatch = shrinking.shrink(sequence, mismatch, self.play_again)
        self.examples[category] = (index, sequence, mismatch)


def command_line_of(options, index):
    return f"run.py --seed {options.seed} --length {options.length} --groups {options.groups} --only {index}"


def describe(options, index, sequence, mismatch):
    print(f"  sequence {sequence.name}, {'RESP3' if sequence.resp3 else 'RESP2'}, {sequence.delivery}; "
          f"again: {command_line_of(options, index)}")
    for step in sequence.steps[:mismatch.step + 1][-12:]:
        print(f"    {step}")
    print(f"  differs: {mismatch.sent}\n    peer {sequences.show(mismatch.peer, 600)}\n"
          f"    ours {sequences.show(mismatch.ours, 600)}", flush=True)


def run_job(options, number, results):
    results.put(Job(options, number).run().outcome())


def run_jobs(options):
    """The outcome of each job."""
    if options.jobs == 1 or options.only is not None:
        return [Job(options, 0).run().outcome()]
    results = multiprocessing.Queue()
    workers = [multiprocessing.Process(target=run_job, args=(options, number, results))
               for number in range(options.jobs)]
    for worker in workers:
        worker.start()
    collected = []
    while len(collected) < len(workers):
        try:
            collected.append(results.get(timeout=1))
        except Exception:
            if any(worker.exitcode not in (None, 0) for worker in workers):
                raise SystemExit("a job failed; its message stands above")
    for worker in workers:
        worker.join()
    return collected


def main(command_line):
    options = arguments_from(command_line)
    begin = time.monotonic()
    passed = failed = 0
    categories, examples, used = collections.Counter(), {}, collections.Counter()
    peer_crashes = []
    for job_passed, job_failed, job_peer_crashes, job_categories, job_examples, job_used in run_jobs(options):
        passed += job_passed
        failed += job_failed
        peer_crashes += job_peer_crashes
        categories += job_categories
        examples = {**job_examples, **examples}
        used.update(job_used)
    for category, count in categories.most_common():
        label, peer, ours = category
        print(f"\n{count} x {label}: peer {sequences.show(peer)}, ours {sequences.show(ours)}")
        describe(options, *examples[category])
    if used:
        print("intended differences met: " + ", ".join(f"{name} {count} times" for name, count in sorted(used.items())))
    for index in sorted(peer_crashes):
        print(f"peer crashed, not counted: sequence {options.seed}:{index}; again: {command_line_of(options, index)}")
    seconds = time.monotonic() - begin
    print(f"seed {options.seed}, {passed + failed} sequences of {options.length} rows compared, "
          f"peer crashed in {len(peer_crashes)}, {seconds:.1f} s")
    return checks.closing_line(passed, failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
