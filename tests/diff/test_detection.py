# SPDX-License-Identifier: BSD-3-Clause
"""Does the differential test notice a difference? A proxy before redis-server alters replies.

    python3 tests/diff/test_detection.py
"""
import contextlib
import pathlib
import random
import socket
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support" / "python")]

import allowances
import comparing
import coverage
import grammar
import playing
import resp
import run
import sequences
import servers
import shrinking
from checks import check, contains, equal, is_true, main


class AlteringProxy:
    """Relays one client at a time to a server; alter(reply) may change any reply on its way back."""

    def __init__(self, server):
        self.server = server
        self.process = server.process
        self.alter = lambda reply: reply
        self.listener = socket.create_server((servers.HOST, 0))
        threading.Thread(target=self.accept, daemon=True).start()

    def connect(self, timeout, login):
        return resp.Connection(self.listener.getsockname(), timeout)

    def close(self):
        self.listener.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                upstream = socket.create_connection((servers.HOST, self.server.port))
                threading.Thread(target=self.requests, args=(client, upstream), daemon=True).start()
                threading.Thread(target=self.replies, args=(client, upstream), daemon=True).start()

    @staticmethod
    def requests(client, upstream):
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                upstream.sendall(data)
            upstream.shutdown(socket.SHUT_WR)

    def replies(self, client, upstream):
        buffer = b""
        with contextlib.suppress(OSError):
            while data := upstream.recv(65536):
                complete, buffer = resp.split_replies(buffer + data)
                client.sendall(b"".join(self.alter(reply) for reply in complete))
            client.sendall(buffer)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def fixture():
    arguments = ("--enable-debug-command", "yes")
    with servers.Server(servers.redis_program(), arguments) as peer, \
            servers.Server(servers.redis_program(), arguments) as ours:
        proxy = AlteringProxy(ours)
        yield peer, proxy
        proxy.close()


def sequence_of(*commands, compare="exact", delivery="pipelined", last=False):
    steps = tuple(sequences.Command(tuple(word.encode() for word in command.split(" ")), compare)
                  for command in commands)
    return sequences.Sequence("test", False, delivery, steps, last, 7)


def play(servers_pair, sequence, alter):
    peer, proxy = servers_pair
    proxy.alter = alter
    pair = playing.Pair(peer, proxy)
    try:
        return pair.play(sequence)
    finally:
        pair.drop()
        proxy.alter = lambda reply: reply


def replacing(old, new):
    return lambda reply: new if reply == old else reply


@check("an unaltered server differs in none of 40 random sequences")
def _(pair):
    generator = sequences.Generator()
    for index in range(40):
        sequence = generator.sequence("detection", index, 20)
        equal(play(pair, sequence, lambda reply: reply), None, str(sequence.steps))


@check("one altered byte in a bulk reply is noticed and blamed on its command")
def _(pair):
    for delivery in ("pipelined", "chunked", "single"):
        mismatch = play(pair, sequence_of("SET k1 value", "GET k1", "GET k2", delivery=delivery),
                        replacing(b"$5\r\nvalue\r\n", b"$5\r\nvalux\r\n"))
        equal((mismatch.step, mismatch.label), (1, "GET"))


@check("a changed error text is noticed")
def _(pair):
    mismatch = play(pair, sequence_of("SET k1 a", "INCR k1"),
                    replacing(b"-ERR value is not an integer or out of range\r\n", b"-ERR no integer\r\n"))
    equal(mismatch.label, "INCR")


@check("an error where the peer has none is noticed, whatever the comparison")
def _(_pair):
    for compare in comparing.COMPARISONS:
        is_true(not comparing.same(compare, b":1\r\n", b"-ERR no\r\n"), compare)
        is_true(not comparing.same(compare, b"-ERR yes\r\n", b"-ERR no\r\n"), compare)


@check("a missing reply and an additional reply are noticed")
def _(pair):
    sequence = sequence_of("SET k1 value", "GET k1", "STRLEN k1")
    is_true(play(pair, sequence, replacing(b"$5\r\nvalue\r\n", b"")) is not None, "missing")
    is_true(play(pair, sequence, replacing(b"$5\r\nvalue\r\n", b"$5\r\nvalue\r\n:1\r\n")) is not None,
            "additional")


@check("a state that differs at the end of a sequence is noticed although every reply was equal")
def _(pair):
    mismatch = play(pair, sequence_of("SET k1 value"),
                    lambda reply: reply.replace(b"$5\r\nvalue\r\n", b"$5\r\nother\r\n"))
    equal(mismatch.label, "MGET")


@check("a connection that is closed too early is noticed")
def _(pair):
    def hang_up(reply):
        if reply == b"$5\r\nvalue\r\n":
            raise OSError
        return reply
    mismatch = play(pair, sequence_of("SET k1 value", "GET k1", "STRLEN k1"), hang_up)
    is_true(mismatch is not None, "no mismatch")


@check("times may differ a little but not much")
def _(_pair):
    is_true(comparing.same("near", b":100\r\n", b":101\r\n"), "close")
    is_true(not comparing.same("near", b":100\r\n", b":200\r\n"), "far")
    is_true(not comparing.same("near", b":-1\r\n", b":-2\r\n"), "classes")
    is_true(not comparing.same("near", b":-2\r\n", b":3\r\n"), "missing key")


@check("unordered replies must hold the same elements")
def _(_pair):
    one, other = b"*2\r\n$1\r\na\r\n$1\r\nb\r\n", b"*2\r\n$1\r\nb\r\n$1\r\na\r\n"
    is_true(comparing.same("unordered", one, other), "order")
    is_true(not comparing.same("unordered", one, other.replace(b"b", b"c")), "element")
    is_true(not comparing.same("exact", one, other), "exact")


@check("a key that SCAN never returns is noticed")
def _(pair):
    sequence = sequence_of("SET k1 a", "SET k2 b")
    sequence = sequences.Sequence("scan", False, "pipelined", sequence.steps + (sequences.ScanAll(()),), False, 7)
    equal(play(pair, sequence, lambda reply: reply), None)
    mismatch = play(pair, sequence, lambda reply: b"*2\r\n$1\r\n0\r\n*1\r\n$2\r\nk1\r\n"
                    if reply.startswith(b"*2\r\n$1\r\n0\r\n*2\r\n") else reply)
    equal(mismatch.label, "full SCAN")


@check("a failing sequence of 30 rows shrinks to the commands that matter")
def _(pair):
    steps = sequences.Generator(("bitmaps",)).sequence("shrink", 1, 30).steps
    essential = sequence_of("SET k1 value", "GET k1").steps
    whole = sequences.Sequence("shrink", True, "chunked", steps[:15] + essential[:1] + essential[1:] + steps[15:],
                               False, 7)
    alter = replacing(b"$5\r\nvalue\r\n", b"$5\r\nvalux\r\n")
    found = play(pair, whole, alter)
    small, mismatch = shrinking.shrink(whole, found, lambda candidate: play(pair, candidate, alter))
    equal(mismatch.label, "GET")
    equal([str(step) for step in small.steps], ["'SET' 'k1' 'value'", "'GET' 'k1'"])


@check("an allowance lets exactly its difference pass")
def _(pair):
    peer, proxy = pair
    proxy.alter = replacing(b"$5\r\nvalue\r\n", b"$5\r\nother\r\n")
    allowance = allowances.Allowance("D0", lambda arguments, _peer, ours: arguments[0] == b"GET"
                                     and ours == b"$5\r\nother\r\n")
    tolerant = playing.Pair(peer, proxy, (allowance,))
    equal(tolerant.play(sequence_of("SET k1 value", "GET k1", "DEL k1")), None)
    equal(tolerant.used_allowances, {"D0": 1})
    is_true(tolerant.play(sequence_of("SET k1 value", "GETDEL k1")) is not None, "other command")
    tolerant.drop()
    proxy.alter = lambda reply: reply


@check("every allowance has a row in docs/differences.md")
def _(_pair):
    allowances.load()
    equal(allowances.documented_ids("| D1 | a |\n| D22 | b |\nD3\n"), {"D1", "D22"})


class FixedSequences:
    """Instead of a generator; deadly: index -> which of the job's servers (0: the peer) is killed in that sequence."""

    def __init__(self, job, deadly):
        self.job = job
        self.deadly = deadly

    def sequence(self, _seed, index, _length):
        whole = sequence_of("SET k1 value", "GET k1", "STRLEN k1")
        if index not in self.deadly:
            return whole
        job, victims = self.job, self.deadly[index]

        class Killing(sequences.Command):
            def data(self):
                for victim in victims:
                    job.servers[victim].kill()
                return super().data()
        killing = Killing((b"GET", b"k1"), "exact")
        return sequences.Sequence(f"test:{index}", False, "single", whole.steps + (killing,), False, 7)


def run_with_deaths(deadly):
    program = str(servers.redis_program())
    options = run.arguments_from(["--sequences", "5", "--server", program, "--no-shrink"])
    job = run.Job(options, 0)
    job.generator = FixedSequences(job, deadly)
    return job.run()


@check("a peer that dies is started again, its sequence counts neither as passed nor as failed")
def _(_pair):
    job = run_with_deaths({1: (0,), 3: (0,)})
    equal((job.passed, job.failed, job.peer_crashes), (3, 0, [1, 3]))


@check("a server under test that dies is a failure, whether the peer lives or not")
def _(_pair):
    job = run_with_deaths({1: (1,), 3: (0, 1)})
    equal((job.passed, job.failed, job.peer_crashes), (3, 2, []))
    equal({category[0] for category in job.categories}, {"server"})
    contains(str(job.examples), "status -9")


@check("every command of larder-server is sent by a row or has a reason not to be")
def _(_pair):
    with servers.Server() as server, server.connect() as client:
        commands = {name.decode() for name in client.call("COMMAND", "LIST")}
    is_true(len(commands) > 300, "the list is there")
    equal(coverage.unexplained(commands), (set(), set()))
    equal(coverage.missing({"get", "no|such"}, coverage.words_of_rows()), {"no|such"})


@check("every option of a command is sent by a row or has a reason not to be")
def _(_pair):
    with servers.Server() as server, server.connect() as client:
        commands = {name.decode() for name in client.call("COMMAND", "LIST")}
    equal(coverage.unexplained_options(commands), (set(), set()))


@check("the same seed and index always give the same sequence")
def _(_pair):
    first, second = sequences.Generator(), sequences.Generator()
    for index in range(50):
        equal(first.sequence(5, index, 30), second.sequence(5, index, 30))
    is_true(first.sequence(5, 1, 30) != first.sequence(6, 1, 30), "other seed")


@check("the grammar refuses rows that it cannot read")
def _(_pair):
    for text in ("GET <nosuch>", "GET ( a | b", "GET [ a", "GET a )"):
        try:
            grammar.compile_row(text)
        except grammar.GrammarError as error:
            contains(str(error), "<nosuch>" if "nosuch" in text else "")
        else:
            raise AssertionError(text)


@check("options come in any order, any number and sometimes twice")
def _(_pair):
    generate = grammar.compile_row("{ '1' | '2' | '3' }")[0]
    draw = random.Random(1)
    seen = {tuple(generate(draw)) for _ in range(2000)}
    for wanted in ((), (b"1",), (b"2", b"1"), (b"1", b"1"), (b"3", b"2", b"1")):
        is_true(wanted in seen, str(wanted))


if __name__ == "__main__":
    sys.exit(main(["__main__"], sys.argv[1:]))
