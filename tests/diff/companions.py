# SPDX-License-Identifier: BSD-3-Clause
"""Further connections of a sequence, the same ones to both servers: others that write, listen or wait.

A command that may wait is sent with a PING behind it. The next step follows when the server is known to have made the
client wait (CLIENT LIST shows it) or when the PING is answered, on both servers alike: so the order in which clients
began to wait, and which of them each later step served, are the same on both.
"""
import time

import judging
import resp
import sequences
from sides import Side, is_cut_off

SETTLE_SECONDS = 1.0
PONG = b"*2\r\n$4\r\npong\r\n"
ANSWERED = "is answered"
WAITS = "waits"


class Companion:
    """One connection to each server."""

    def __init__(self, sides, number):
        self.sides = sides
        self.number = number
        self.ids = None
        self.pending = []
        self.ending = b""
        self.tokens = 0

    def token(self):
        self.tokens += 1
        token = b"<companion %d: %d>" % (self.number, self.tokens)
        return (b"PING", token), resp.encode([token])[4:]

    def begin(self, is_resp3):
        """As new, whatever an earlier sequence left."""
        words, ending = self.token()
        greeting = ((b"RESET",),) + (((b"HELLO", b"3"),) if is_resp3 else ()) + (words,)
        for side in self.sides:
            side.open()
            side.send(b"".join(map(resp.encode, greeting)), ())
            side.read_until(ending)
        self.ids = [side.ask(b"CLIENT", b"ID") for side in self.sides]

    def end(self):
        words, ending = self.token()
        for side in self.sides:
            side.send(resp.encode((b"RESET",)) + resp.encode(words), ())
            side.read_until(ending)

    def drop(self):
        self.pending = []
        for side in self.sides:
            side.drop()

    def begin_to_wait(self, step):
        words, self.ending = self.token()
        for side in self.sides:
            side.send(step.data() + resp.encode(words), ())
        self.pending += [step, sequences.Command(words, "exact")]

    def is_open(self):
        return all(side.connection is not None for side in self.sides)


class Companions:
    """All of a pair of servers. control: connections that only look, and end the waiting of others."""

    def __init__(self, main_sides, judge):
        self.servers = [side.server for side in main_sides]
        self.judge = judge
        self.control = [Side(server) for server in self.servers]
        self.all = {}
        self.used = {}
        self.is_resp3 = False

    def have_queues(self):
        """Whether commands stand behind one that waits: they are carried out between two batches of others, or earlier."""
        return any(len(companion.pending) > 2 for companion in self.used.values())

    def begin(self, is_resp3):
        self.is_resp3 = is_resp3
        self.used = {}

    def end(self):
        for companion in self.used.values():
            companion.end()
        self.used = {}

    def drop(self):
        for companion in self.all.values():
            companion.drop()
        for side in self.control:
            side.drop()
        self.used = {}

    def use(self, number):
        if number in self.used and self.used[number].is_open():
            return self.used[number]
        for side in self.control:
            side.open()
        if number not in self.all:
            self.all[number] = Companion([Side(server) for server in self.servers], number)
        self.used[number] = self.all[number]
        self.used[number].begin(self.is_resp3)
        return self.used[number]

    def play(self, step, position, transcript):
        """Returns a Mismatch or None."""
        if isinstance(step, sequences.FinishAll):
            return self.finish_all(step, position, transcript)
        if isinstance(step, sequences.Command):
            companion = self.use(step.connection)
            return self.command(companion, step, position, transcript) or self.settle(step, position)
        companion = self.used.get(step.connection)
        if companion is None or not companion.is_open():
            return None
        if isinstance(step, sequences.Receive):
            return self.receive(companion, step, position, transcript)
        return self.finish(companion, step, position, transcript)

    def command(self, companion, step, position, transcript):
        """Only one has commands behind the one that waits, and none that may wait: who of several would begin its next
        one first is not defined. Behind MULTI the PING would be queued."""
        is_multi = step.arguments[0].upper() == b"MULTI"
        if companion.pending and (step.may_block() or is_multi or self.have_queues() and len(companion.pending) == 2):
            mismatch = self.finish(companion, sequences.Finish(companion.number, "TIMEOUT"), position, transcript)
            if mismatch is not None:
                return mismatch
        if not step.waits and not companion.pending:
            return self.ask(companion, step, position, transcript)
        companion.begin_to_wait(step)
        return None

    def ask(self, companion, step, position, transcript):
        """One command, one reply; a subscription may have several and allows only few other commands."""
        if not step.subscribes():
            for side in companion.sides:
                side.send(step.data(), ())
            answers = [side.read_count(1) for side in companion.sides]
        else:
            words, ending = companion.token()
            for side in companion.sides:
                side.send(step.data() + resp.encode(words), ())
            answers = [side.read_until(ending).removesuffix(PONG) for side in companion.sides]
        return self.judge([step], [position], answers, transcript)

    def settle(self, step, position):
        """After each step that may have served someone: the same clients wait on both servers."""
        for companion in self.used.values():
            if not companion.pending:
                continue
            states = self.states(companion)
            if states[0] != states[1]:
                return self.mismatch(step, position, companion, states)
        return None

    def mismatch(self, step, position, companion, states):
        shown = [f"<connection {companion.number} {state or 'neither waits nor is answered'} after {count} replies>".encode()
                 + bytes(side.connection.buffer if side.connection else b"")
                 for (state, count), side in zip(states, companion.sides)]
        if self.judge.is_same(step, *shown):
            raise judging.Apart
        return judging.Mismatch(position, "who waits", str(step), *shown)

    def states(self, companion):
        """(whether the client waits, how many replies it has), on each server; when they do not agree, after having
        given them time."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            states = [self.state(companion, number) for number in range(len(companion.sides))]
            if states[0][0] is not None and states[0] == states[1] or time.monotonic() > deadline:
                return states
            time.sleep(0.0005)

    def state(self, companion, number):
        side = companion.sides[number]
        side.receive_what_is_there()
        if side.connection is None or side.connection.buffer.endswith(companion.ending):
            return ANSWERED, len(companion.pending)
        count = len(resp.split_replies(side.connection.buffer)[0])
        line = self.control[number].ask(b"CLIENT", b"LIST", b"ID", b"%d" % companion.ids[number])
        flags = [word for word in bytes(line).split(b" ") if word.startswith(b"flags=")]
        return WAITS if flags and b"b" in flags[0] else None, count

    def finish(self, companion, step, position, transcript):
        """Judge the replies to a client that waited; see sequences.Finish."""
        if not companion.pending:
            return None
        states = self.states(companion)
        if states[0] != states[1]:
            return self.mismatch(step, position, companion, states)
        if states[0][0] == WAITS:
            if step.how == "HANGUP":
                self.hang_up(companion)
                return None
            mismatch = self.end_waiting(companion, step.how, position, transcript)
            if mismatch is not None:
                return mismatch
        answers = [side.read_until(companion.ending) for side in companion.sides]
        answers = [answer if is_cut_off(answer) else answer + companion.ending for answer in answers]
        steps, companion.pending = companion.pending, []
        return self.judge(steps, [position] * len(steps), answers, transcript)

    def end_waiting(self, companion, how, position, transcript):
        """Of all commands that were sent behind the one that waits, too, as far as they wait."""
        if how == "OWN":
            return None
        words = (b"CLIENT", b"KILL", b"ID") if how == "KILL" else (b"CLIENT", b"UNBLOCK")
        more = () if how == "KILL" else (how.encode(),)
        waiting = True
        while waiting:
            for control, client in zip(self.control, companion.ids):
                control.send(resp.encode((*words, b"%d" % client, *more)), ())
            answers = [control.read_count(1) for control in self.control]
            mismatch = self.judge([sequences.Command(words + more, "exact")], [position], answers, transcript)
            if mismatch is not None or how == "KILL":
                return mismatch
            waiting = self.states(companion)[0][0] == WAITS
        return None

    def hang_up(self, companion):
        """Close the connections; go on when the servers have noticed."""
        companion.drop()
        for control, client in zip(self.control, companion.ids):
            deadline = time.monotonic() + SETTLE_SECONDS
            while control.ask(b"CLIENT", b"LIST", b"ID", b"%d" % client) and time.monotonic() < deadline:
                time.sleep(0.0005)

    def finish_all(self, step, position, transcript):
        for companion in self.used.values():
            mismatch = self.finish(companion, sequences.Finish(companion.number, "TIMEOUT"), position, transcript)
            if mismatch is not None:
                return mismatch
        return None

    def receive(self, companion, step, position, transcript):
        """The peer has written its messages before it answered whoever caused them; ours come when they come."""
        peer, ours = companion.sides
        if companion.pending:
            return None
        answers = []
        words, ending = companion.token()
        peer.send(resp.encode(words), ())
        answers.append(peer.read_until(ending).removesuffix(PONG))
        ours.wait_for_bytes(len(answers[0]), SETTLE_SECONDS)
        ours.send(resp.encode(words), ())
        answers.append(ours.read_until(ending).removesuffix(PONG))
        return self.judge([step], [position], answers, transcript)
